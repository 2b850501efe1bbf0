import { z } from 'zod';
import { DURATION_FORM, formatDuration, parseDuration } from '../duration.ts';
import { formatQuantity, formOf, parseQuantity, patternOf, type ResourceName } from '../quantity.ts';
import { KIT_NAMES, type Kit, notAKit, rulesOfKits } from '../rights/kits.ts';
import { type Rule, risksOf, WORKLOAD_KINDS } from '../rights/rights.ts';
import { type RightClass, WIDE_ROLES } from '../rights/table.ts';
import type { ClusterName } from '../target.ts';
import { HOURS_FORM, parseHours } from './hours.ts';
import { isPersonName, whyAmbiguous, whyNoTemplate } from './identity.ts';
import { onCallSources, sourceName, ticketSource } from './sources.ts';

/**
 * The policy file: what may be asked for, by whom, who decides. Every key is known or an error; every default is safe.
 * The file itself is read by config/policy-text.ts, which adds file and line to the errors found here.
 *
 * Each key has a description (`.describe`), which editors show and docs/policy.md lists (`npm run chart-files`), and may have an example
 * (`.meta({ examples: [...] })`). What has a title is named by it there, and a mapping with one is told once.
 */

const duration = z
  .string({ error: `expected ${DURATION_FORM}` })
  .meta({ title: 'duration', examples: ['30m'] })
  .transform((text, context) => {
    const seconds = parseDuration(text);
    if (seconds !== null) return seconds;
    context.addIssue({ code: 'custom', message: `'${text}' is not a duration: expected ${DURATION_FORM}` });
    return z.NEVER;
  });

const SLACK_USER = /^[UW][A-Z0-9]{2,20}$/;
const dnsLabel = (what: string) =>
  z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, `expected ${what}: lower-case letters, digits and dashes`);
const objectName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9A-Z:._-]+$/, 'expected the name of a Kubernetes object');

const kubernetesUser = z.string().refine(isPersonName, 'expected a Kubernetes user name without blanks, not system:');
const kubernetesGroup = z
  .string()
  .min(1)
  .refine((group) => !group.startsWith('system:'), 'groups of Kubernetes itself (system:) are not given to people');

/** The longest reason that is taken: a message shows it whole. */
export const LONGEST_REASON = 500;

/** People: the union of the lists. Names can be imitated or re-used, so groups and channels are given by id. */
const principals = z
  .strictObject({
    users: z
      .array(
        z.union(
          [z.string().regex(SLACK_USER), z.string().refine((text) => isPersonName(text) && !SLACK_USER.test(text))],
          {
            error: 'expected a Kubernetes user (ada@example.test) or a Slack member id (U024BE7LH)',
          },
        ),
      )
      .default([])
      .describe('Kubernetes users or Slack member ids')
      .meta({ examples: [['ben@example.test', 'U024BE7LH']] }),
    groups: z
      .array(z.string().regex(/^S[A-Z0-9]{2,20}$/, 'expected the id of a Slack user group (S0614TZR7), not its handle'))
      .default([])
      .describe('ids of Slack user groups, whose members are looked up when something is decided')
      .meta({ examples: [['S0SRE00001']] }),
    channels: z
      .array(z.string().regex(/^[CG][A-Z0-9]{2,20}$/, 'expected the id of a Slack channel (C024BE91L), not its name'))
      .default([])
      .describe('ids of Slack channels, whose members are looked up when something is decided')
      .meta({ examples: [['C0ENGINEER1']] }),
  })
  .meta({ title: 'people' });
type Listed = {
  readonly users: readonly string[];
  readonly groups: readonly string[];
  readonly channels: readonly string[];
};
const hasSomebody = (p: Listed): boolean => p.users.length + p.groups.length + p.channels.length > 0;
const somebodyInSlack = principals.refine(hasSomebody, { message: 'names nobody: give users, groups or channels' });

/** Names of sources under `oncall`; that they exist is judged of the whole policy. */
const onCallNames = z
  .array(sourceName)
  .min(1)
  .meta({ examples: [['payments']] });
/** Neither administrators nor deny lists hang on others: a source that is away would leave none of these, or deny everybody. */
const somebody = principals
  .extend({
    oncall: onCallNames
      .optional()
      .describe('names of sources under `oncall`: who is on call there, looked up when something is decided'),
  })
  .meta({ title: 'people or on call' })
  .refine((p) => hasSomebody(p) || p.oncall !== undefined, {
    message: 'names nobody: give users, groups, channels or oncall',
  });

/** `staging`, `team-*`: `*` stands for any characters within the one name. A lone `*` is said aloud as `namespaces: ["*"]`. */
const namespacePattern = z
  .string()
  .regex(/^[a-z0-9*]([-a-z0-9*]{0,61}[a-z0-9*])?$/, 'expected a namespace or a pattern such as team-*')
  .meta({ title: 'namespace or pattern' });

/** The names of nodes have dots. */
const nodePattern = z
  .string()
  .regex(/^[a-z0-9*]([-a-z0-9.*]{0,251}[a-z0-9*])?$/, 'expected the name of a node or a pattern such as worker-*')
  .meta({ title: 'node or pattern' });

const clusterPattern = z
  .string()
  .regex(/^[a-z0-9*]([-a-z0-9*]{0,61}[a-z0-9*])?$/, 'expected the name of a cluster or a pattern such as prod-*')
  .meta({ title: 'cluster or pattern' });

const word = z
  .string()
  .min(1)
  .regex(/^[A-Za-z0-9./-]+$/, 'no wildcards here: name each one');
const rule = z.strictObject({
  apiGroups: z
    .array(z.string().regex(/^[a-z0-9.-]*$/, 'no wildcards here: name each API group ("" is the core group)'))
    .min(1)
    .describe('API groups, each by name; "" is the core group')
    .meta({ examples: [['', 'apps']] }),
  resources: z
    .array(word)
    .min(1)
    .describe('resources and subresources, each by name')
    .meta({ examples: [['pods', 'pods/log']] }),
  verbs: z
    .array(z.string().regex(/^[a-z]+$/, 'no wildcards here: name each verb'))
    .min(1)
    .describe('verbs of RBAC, each by name')
    .meta({ examples: [['get', 'list']] }),
});

const kit = z.enum(KIT_NAMES, {
  error: ({ input }) => (typeof input === 'string' ? notAKit(input) : `expected ${KIT_NAMES.join(', ')}`),
});
/** Rights in words, each once. */
const kitList = () =>
  z
    .array(kit)
    .min(1)
    .meta({ uniqueItems: true })
    .superRefine((kits, context) => {
      for (const [index, name] of kits.entries())
        if (kits.indexOf(name) < index)
          context.addIssue({ code: 'custom', path: [index], message: `'${name}' stands here twice`, input: kits });
    });

const protocol = z.enum(['TCP', 'UDP', 'SCTP']).default('TCP').describe('its protocol');
const portNumber = z.int().min(1).max(65_535);
const PORT = 'expected a port number, or the name that the pods give to a port';
const portName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$/, PORT)
  .refine((name) => /[a-z]/.test(name), PORT);
const numericPort = z.strictObject({ port: portNumber.describe('its number').meta({ examples: [8443] }), protocol });
const port = z.strictObject({
  port: z
    .union([portNumber, portName], { error: PORT })
    .describe('its number, or the name that the pods give to it')
    .meta({ examples: [8080, 'http'] }),
  protocol,
});

const cidr = z.union([z.cidrv4(), z.cidrv6()], { error: 'expected a network such as 10.8.0.0/16' });

/** Pods of a namespace by their labels, or a network. */
const peerFields = {
  namespace: dnsLabel('a namespace')
    .optional()
    .describe('the namespace of these pods')
    .meta({ examples: ['payments'] }),
  pods: z
    .record(z.string().min(1), z.string())
    .refine((labels) => Object.keys(labels).length > 0, 'names no label: that would be every pod')
    .optional()
    .describe('labels that these pods have, all of them')
    .meta({ examples: [{ app: 'ledger' }] }),
  cidr: cidr
    .optional()
    .describe('a network, in the place of namespace and pods')
    .meta({ examples: ['10.8.0.0/16'] }),
};
type PeerFields = { namespace?: string | undefined; pods?: object | undefined; cidr?: string | undefined };
const isPeer = ({ namespace, pods, cidr: block }: PeerFields): boolean =>
  block === undefined ? namespace !== undefined && pods !== undefined : namespace === undefined && pods === undefined;
const PEER = 'expected either namespace and pods (labels), or cidr';

/** Not the Internet and no large part of it: a network of one's own. */
const WIDEST = { v4: 8, v6: 16 };
function isOwnNetwork(block: string): boolean {
  const [address = '', length = '0'] = block.split('/');
  return Number(length) >= (address.includes(':') ? WIDEST.v6 : WIDEST.v4);
}
const source = z
  .strictObject(peerFields)
  .refine(isPeer, PEER)
  .refine((from) => from.cidr === undefined || isOwnNetwork(from.cidr), {
    path: ['cidr'],
    message: `is too wide to be a source: /${WIDEST.v4} or longer (IPv6: /${WIDEST.v6}), never 0.0.0.0/0`,
  });
const destination = z
  .strictObject({ ...peerFields, ports: z.array(numericPort).min(1).describe('the ports that may be reached there') })
  .refine(isPeer, PEER);

const FIELDS_OF_MODES = {
  image: ['workspace'],
  command: ['workspace'],
  resources: ['workspace'],
  ports: ['workspace', 'bastion'],
  to: ['contain'],
  from: ['bastion'],
};

const notAnAmount = (name: ResourceName, given: unknown): string =>
  `${(JSON.stringify(given) ?? 'nothing').slice(0, 40)} is no amount of ${name}: expected ${formOf(name)}`;
const amountError = (name: ResourceName) => ({
  error: ({ input }: { readonly input?: unknown }) => notAnAmount(name, input),
});
const written = (name: ResourceName) => z.string(amountError(name)).regex(patternOf(name), amountError(name));
/** An amount, read to the one form in which the API server keeps it. */
const quantity = <T extends z.ZodType<string | number>>(name: ResourceName, form: T) =>
  form.transform((given, context) => {
    const amount = parseQuantity(name, String(given));
    if (amount !== null) return formatQuantity(name, amount);
    context.addIssue({ code: 'custom', message: notAnAmount(name, given) });
    return z.NEVER;
  });
const resources = z.strictObject({
  cpu: quantity(
    'cpu',
    z
      .union([z.int().min(1, amountError('cpu')).max(64, amountError('cpu')), written('cpu')], amountError('cpu'))
      .meta({ title: 'amount of CPU', examples: ['500m'] }),
  ).describe('what it may use, and what is kept for it on its node'),
  memory: quantity('memory', written('memory').meta({ title: 'amount of memory', examples: ['2Gi'] })).describe(
    'what it may use, and what is kept for it on its node; beyond it a process in it is killed',
  ),
});

/** What a node shell shares with its node, and how it has the node's files. */
const shell = z
  .strictObject({
    image: z
      .string()
      .min(1)
      .describe('the image of its pod, which runs as root and needs a shell in it')
      .meta({ examples: ['registry.example.test/drawbridge/toolbox:1'] }),
    host: z
      .array(z.enum(['pid', 'network']))
      .meta({ uniqueItems: true, examples: [['pid', 'network']] })
      .superRefine((names, context) => {
        for (const [index, name] of names.entries())
          if (names.indexOf(name) < index)
            context.addIssue({ code: 'custom', path: [index], message: `'${name}' stands here twice`, input: names });
      })
      .default([])
      .describe('what it shares with the node: pid is its processes, network its network'),
    filesystem: z
      .enum(['read-only', 'read-write', 'none'])
      .default('read-only')
      .describe(
        "how it has the node's files, at /host; read-only keeps from slips, and not somebody who means it: the pod is privileged",
      ),
  })
  .meta({ title: 'node shell' });

/** How traffic is confined. Which fields belong to which mode is checked below. */
const network = z
  .strictObject({
    mode: z
      .enum(['workspace', 'contain', 'bastion', 'none'])
      .default('workspace')
      .describe(
        'workspace: a pod of the requester that reaches the target alone; contain: the pods of the target reach only what is listed; bastion: sources are admitted to the target; none: rights alone',
      ),
    image: z
      .string()
      .min(1)
      .optional()
      .describe('mode workspace: the image of its pod, which must be able to run as a user other than root')
      .meta({ examples: ['registry.example.test/drawbridge/toolbox:1'] }),
    command: z
      .array(z.string())
      .min(1)
      .optional()
      .describe('mode workspace: what it runs; left out: it sleeps until its end')
      .meta({ examples: [['sleep', 'infinity']] }),
    resources: resources
      .optional()
      .describe(
        'mode workspace: CPU and memory of its pod, within workspaces.maximum of the chart; left out: up to one core and 512Mi, of which little is kept for it',
      ),
    ports: z
      .array(port)
      .min(1)
      .optional()
      .describe(
        'modes workspace and bastion: container ports of the target that are opened; left out: all that its pods declare',
      ),
    to: z
      .array(destination)
      .optional()
      .describe('mode contain: what the pods of the target may still reach; [] is nothing')
      .meta({ examples: [[{ namespace: 'payments', pods: { app: 'ledger' }, ports: [{ port: 8443 }] }]] }),
    from: z
      .array(source)
      .min(1)
      .optional()
      .describe('mode bastion: who is admitted to the target')
      .meta({ examples: [[{ cidr: '10.8.0.0/16' }]] }),
    dns: z
      .enum(['none', 'cluster'])
      .default('none')
      .describe(
        "modes workspace and contain: cluster lets the pods ask the cluster's DNS; with none a workspace finds the names of its target in /etc/hosts",
      ),
    strict: z
      .boolean()
      .default(false)
      .describe(
        'refuse, instead of saying it, where something else lets more be reached, or where it is not known that the cluster enforces NetworkPolicies',
      ),
    allowIsolation: z
      .boolean()
      .default(false)
      .describe('a plan may isolate live pods for the first time, which closes connections: the approver sees which'),
  })
  .superRefine((n, context) => {
    const problem = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message, input: n });
    if (n.mode === 'workspace' && n.image === undefined)
      problem('image', 'mode workspace needs the image that the workspace runs');
    if (n.mode === 'contain' && n.to === undefined)
      problem('to', 'mode contain needs the list of what may still be reached (it may be empty)');
    if (n.mode === 'bastion' && n.from === undefined)
      problem('from', 'mode bastion needs the sources that are admitted');
    for (const [field, modes] of Object.entries(FIELDS_OF_MODES))
      if (n[field as keyof typeof n] !== undefined && !modes.includes(n.mode))
        problem(field, `belongs to mode ${modes.join(' and ')}, and this is mode ${n.mode}`);
    if (n.dns === 'cluster' && !['workspace', 'contain'].includes(n.mode))
      problem('dns', `belongs to mode workspace and contain, and this is mode ${n.mode}`);
  });

/** Conditions; all that are set must hold. */
const conditions = z
  .strictObject({
    members: somebody.optional().describe('the requester is one of them'),
    oncall: onCallNames
      .optional()
      .describe('the requester is on call by one of these sources; short for members with oncall'),
    ticket: z
      .literal(true)
      .optional()
      .describe('it is asked for with a ticket that counts; not the only condition, but with reporter: other'),
    maximum: duration.optional().describe('no longer than this'),
    namespaces: z
      .array(namespacePattern)
      .min(1)
      .optional()
      .describe('the target is in one of these')
      .meta({ examples: [['staging', 'team-*']] }),
    clusters: z
      .array(clusterPattern)
      .min(1)
      .optional()
      .describe('the target is in one of these clusters')
      .meta({ examples: [['staging', 'dev-*']] }),
    rights: kitList()
      .optional()
      .describe('no more rights in words than these are asked for; a profile without rights in words never meets it')
      .meta({ examples: [['read', 'logs']] }),
    perDay: z
      .int()
      .min(1)
      .max(1000)
      .optional()
      .describe(
        'the policy itself has approved fewer of this profile for this person today, by the clocks of the hours, else by UTC',
      )
      .meta({ examples: [3] }),
    hours: z
      .string()
      .refine((text) => parseHours(text) !== null, `expected ${HOURS_FORM}`)
      .optional()
      .describe('it is decided in these hours of the week; what crosses midnight belongs to the day on which it begins')
      .meta({ examples: ['Mon-Fri 08:00-18:00 Europe/Berlin'] }),
  })
  .meta({ title: 'conditions' });
const hasOneList = (w: z.infer<typeof conditions>) => w.oncall === undefined || w.members === undefined;
const ONE_LIST = { path: ['oncall'], message: 'stands beside members: write members: { ..., oncall: [...] }' };
const when = conditions
  .refine((w) => Object.keys(w).length > 0, 'has no condition: it would hold always')
  .refine(hasOneList, ONE_LIST);
/** What the policy itself approves is counted by the day; that a step is not needed is not. */
const unless = conditions
  .omit({ perDay: true })
  .meta({ title: 'conditions of a step' })
  .refine((w) => Object.keys(w).length > 0, 'has no condition: it would hold always')
  .refine(hasOneList, ONE_LIST);
/** One entry without its list. The two keys are checked here, not by their types, so that what else is wrong is told in its place. */
const shortAutomatic = conditions
  .superRefine((w, context) => {
    const problem = (key: 'members' | 'maximum', message: string) =>
      context.addIssue({ code: 'custom', path: [key], message, input: w });
    if (w.members === undefined && w.oncall === undefined)
      problem('members', 'expected users, groups, channels or oncall');
    if (w.maximum === undefined) problem('maximum', `expected ${DURATION_FORM}`);
  })
  .refine(hasOneList, ONE_LIST)
  .meta({ required: ['maximum'] });

const channelId = z
  .string()
  .regex(/^[CG][A-Z0-9]{2,20}$/, 'expected the id of a Slack channel (C024BE91L), not its name');

const NOBODY = { users: [], groups: [], channels: [] };
const notify = z
  .strictObject({
    channel: channelId
      .optional()
      .describe(
        'the id of the channel in which requests are posted; left out: approvals.channel. The bot must be in it',
      )
      .meta({ examples: ['C0PAYMENTS1'] }),
    mention: z
      .enum(['approvers', 'oncall', 'none'])
      .default('approvers')
      .describe(
        'who is called by the message: all who may decide; those of them who are on call by a source of oncall (all of them where nobody is, or that can not be read); or nobody. Who is not called is named by words, and may decide all the same',
      ),
    direct: z.boolean().default(false).describe('approvers get a direct message with a link, too; 20 of them at most'),
    quiet: principals
      .default(NOBODY)
      .describe('approvers who are never called; a group in which they are is called one by one, without them'),
  })
  .describe('where a request is posted, and who is called; whoever asks never is');

const escalation = z.strictObject({
  after: duration.describe('since the step was asked; in a sequence: since the step before it was complete'),
  to: somebody.describe('who may decide this step too from then on'),
});
const step = z.strictObject({
  name: dnsLabel('the name of a step')
    .describe('what the step is called in messages and in the record')
    .meta({ examples: ['security'] }),
  from: somebody.describe('who may decide this step'),
  count: z.int().min(1).max(10).default(1).describe('how many of them must approve; each person counts for one step'),
  unless: unless.optional().describe('the step is not needed when all of these conditions hold'),
  escalate: z
    .array(escalation)
    .min(1)
    .max(5)
    .optional()
    .describe('who may decide this step too when it is not complete some time after it was asked'),
});
const steps = z
  .array(step)
  .min(1)
  .max(10)
  .superRefine((all, context) => {
    for (const [index, { name }] of all.entries())
      if (all.findIndex((other) => other.name === name) < index)
        context.addIssue({ code: 'custom', path: [index, 'name'], message: `'${name}' stands here twice`, input: all });
    if (all.every(({ unless }) => unless !== undefined))
      context.addIssue({
        code: 'custom',
        path: [],
        message: 'one step must have no unless: else nobody would decide (what needs no person is said by automatic)',
        input: all,
      });
  });
const note = z.enum(['optional', 'required', 'none']);
/** How people decide. */
const approval = z
  .strictObject({
    order: z
      .enum(['parallel', 'sequence'])
      .default('parallel')
      .describe('parallel: all steps are asked at once; sequence: each when the one before it is complete'),
    steps: steps.optional().describe('who must approve; in the place of approvers and approvals'),
    note: z
      .strictObject({
        approve: note
          .optional()
          .describe(
            'whether an approval has a note: optional and required ask for it by a form; left out: one click approves, and /jit approve takes a note',
          )
          .meta({ examples: ['required'] }),
        deny: note
          .default('optional')
          .describe('whether a denial has a note; none: one click denies')
          .meta({ examples: ['required'] }),
      })
      .prefault({})
      .describe('words that come with a decision: the requester reads them, and they are in the audit'),
    notify: notify.prefault({}),
  })
  .describe('how people decide on a request');
const count = z.int().min(1).max(10_000).optional();
const limits = z
  .strictObject({
    openPerPerson: count
      .describe('so many of this profile may wait or be open for one person at once')
      .meta({ examples: [2] }),
    perPersonADay: count
      .describe('so often one person may ask for this profile on a day of UTC, whatever comes of it')
      .meta({ examples: [10] }),
    open: count.describe('so many of this profile may wait or be open for everybody together').meta({ examples: [20] }),
  })
  .meta({ title: 'limits' })
  .describe('how much of it there may be; what is left out is not limited');

/** Slack shows no longer placeholder. https://docs.slack.dev/reference/block-kit/block-elements/plain-text-input-element */
const LONGEST_TEMPLATE = 150;
const reason = z
  .strictObject({
    min: z
      .int()
      .min(1)
      .max(LONGEST_REASON)
      .optional()
      .describe('a reason has so many characters at least; blanks around it do not count')
      .meta({ examples: [10] }),
    template: z
      .string()
      .max(LONGEST_TEMPLATE)
      .refine((text) => /\S/.test(text), 'is blank: expected what a good reason says')
      .optional()
      .describe('what a good reason says, shown in the empty field of the form; by itself it is none')
      .meta({ examples: ['What is broken, what will you do?'] }),
  })
  .meta({ title: 'reason' })
  .describe('what is asked of a reason');

/** Access without a decision, for an emergency: at once, told loudly, short, and reviewed afterwards. */
const breakGlass = z
  .strictObject({
    from: somebody.describe(
      'who may break the glass, whether or not they are requesters; looked up as in any decision',
    ),
    maximum: duration.describe('the longest window; it is never extended'),
    perDay: z.int().min(1).max(100).default(2).describe('how often one person may, on a day of UTC'),
    review: z
      .strictObject({
        from: somebody.describe('who accepts or flags it afterwards; never whoever broke the glass'),
        within: duration
          .prefault('24h')
          .describe('administrators are told when nobody has by then; reviewers are asked again each day'),
      })
      .describe('what comes after it'),
  })
  .meta({ title: 'break-glass' })
  .describe(
    'access at once, without a decision, a ticket or limits other than its own; told in the channel and to administrators, and reviewed after its end',
  );

const profile = z
  .strictObject({
    description: z
      .string()
      .max(200)
      .default('')
      .describe('what it is for, in words that requesters and approvers see')
      .meta({ examples: ['Logs and a shell in the pods of one workload'] }),
    scope: z
      .enum(['namespace', 'workload', 'cluster', 'node'])
      .describe(
        'what a request names: a whole namespace; one workload, to whose pods the rights are narrowed; nothing, since the rights are for the whole cluster; or one node, to which they are narrowed. The last two need accounts.enabled of the chart',
      ),
    clusters: z
      .array(clusterPattern)
      .min(1)
      .optional()
      .describe('the clusters in which it may be asked for; must be said as soon as there is more than one')
      .meta({ examples: [['staging', 'prod-*']] }),
    namespaces: z
      .array(namespacePattern)
      .min(1)
      .optional()
      .describe(
        'scopes namespace and workload: where it may be asked for; * stands for any characters; kube-* is closed always',
      )
      .meta({ examples: [['staging', 'team-*']] }),
    nodes: z
      .array(nodePattern)
      .min(1)
      .optional()
      .describe('scope node: for which nodes it may be asked; * stands for any characters')
      .meta({ examples: [['worker-*']] }),
    clusterRole: objectName
      .optional()
      .describe(
        'what it gives: the rights of this ClusterRole, in the namespace of the target, or with scope cluster everywhere; scopes namespace and cluster',
      )
      .meta({ examples: ['view'] }),
    role: objectName
      .optional()
      .describe('what it gives: the rights of the Role of this name in the namespace of the target; scope namespace')
      .meta({ examples: ['deployer'] }),
    rules: z
      .array(rule)
      .min(1)
      .optional()
      .describe(
        'what it gives: rules of RBAC; scope workload narrows them to the target and its pods by name, scope node to the node by name',
      ),
    credential: z
      .enum(['user', 'token'])
      .default('user')
      .describe(
        'by what a person acts: their own Kubernetes user; or a token of an account that is made for the grant, for people whom the cluster does not know. The latter needs accounts.enabled of the chart, and no workspace',
      ),
    shell: shell
      .optional()
      .describe(
        'scope node: a privileged pod on the node for the person alone, which is root there; rules beside it are optional. It needs acknowledgePersistence, and nodes.enabled of the chart',
      ),
    rights: kitList()
      .optional()
      .describe('what it gives, in words; `npm run policy -- explain FILE` prints their rules')
      .meta({ examples: [['read', 'logs']] }),
    ticket: z
      .enum(['required', 'optional', 'none'])
      .default('none')
      .describe(
        'whether a request names a ticket, in its reason or beside it; it is judged by `tickets` at each decision',
      ),
    requesters: somebody.describe('who may ask'),
    approvers: somebody.optional().describe('who may approve and deny; short for approval with one step'),
    deny: principals.default(NOBODY).describe('who may neither ask nor decide, whatever else names them'),
    approvals: z
      .int()
      .min(1)
      .max(10)
      .default(1)
      .describe('how many of the approvers must approve')
      .meta({ examples: [2] }),
    selfApproval: z.boolean().default(false).describe('approvers may approve their own requests'),
    approval: approval.prefault({}),
    automatic: z
      .union(
        [
          shortAutomatic,
          z
            .array(z.strictObject({ when: when.describe('its conditions') }))
            .min(1)
            .max(20),
        ],
        {
          error: 'expected one entry (members, maximum), or a list of entries (- when: ...)',
        },
      )
      .optional()
      .describe(
        'granted without a person when all conditions of an entry hold; of several entries the first that holds counts. An entry that stands here without a list needs members and maximum',
      ),
    breakGlass: breakGlass.optional(),
    duration: z
      .strictObject({
        default: duration.describe('what a request gets that names none'),
        maximum: duration.describe('the longest window, extensions included; 7d at most'),
      })
      .refine((d) => d.default <= d.maximum, { path: ['default'], message: 'is longer than maximum' })
      .refine((d) => d.maximum <= 7 * 86_400, { path: ['maximum'], message: 'no window is longer than 7d' })
      .describe('how long access lasts'),
    timeout: duration.optional().describe('how long a request waits for its decision; left out: approvals.timeout'),
    limits: limits.optional(),
    reason: reason.optional(),
    network: network
      .prefault({ mode: 'none' })
      .describe('how traffic is confined or opened; other modes than none need scope workload'),
    acknowledgePersistence: z
      .boolean()
      .default(false)
      .describe(
        'it is meant that what these rights let a person take or leave (secrets, tokens, workloads) can outlive the grant; approvers see it',
      ),
    roleMayGrow: z
      .boolean()
      .default(false)
      .describe('a grant goes on when its named role comes to allow more than was approved'),
  })
  .superRefine((p, context) => {
    const problem = (path: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path, message, input: p });
    if (p.approvers === undefined && p.approval?.steps === undefined)
      problem(['approvers'], 'is missing: give approvers, or approval with steps');
    if (p.approvers !== undefined && p.approval?.steps !== undefined)
      problem(['approval', 'steps'], 'stands beside approvers: give one of the two');
    if (p.approvers === undefined && p.approvals !== 1)
      problem(['approvals'], 'belongs to approvers: each of the steps has its own count');
    if (p.breakGlass !== undefined && p.breakGlass.maximum > p.duration?.maximum)
      problem(['breakGlass', 'maximum'], "is longer than the profile's duration.maximum");
    const given = [p.clusterRole, p.role, p.rules, p.rights].filter((x) => x !== undefined).length;
    if (given > 1 || (given === 0 && p.shell === undefined))
      problem([], 'gives exactly one of clusterRole, role, rights and rules');
    if (p.shell !== undefined && !p.acknowledgePersistence)
      problem(
        ['shell'],
        'is root on the node, and what is left there outlives the grant: say acknowledgePersistence: true if that is meant',
      );
    if (p.shell !== undefined && p.credential === 'token')
      problem(['credential'], 'is of the person in a shell: credential token takes no shell');
    const isNamed = p.clusterRole !== undefined || p.role !== undefined;
    if (p.roleMayGrow && !isNamed)
      problem(['roleMayGrow'], 'is about a clusterRole or role: inline rules and rights in words do not grow');
    for (const [path, message] of wrongForScope(p)) problem([path], message);
    if (p.credential === 'token' && p.network.mode === 'workspace')
      problem(['credential'], 'is of the person in a workspace: credential token takes no network mode workspace');
    if (p.scope === 'workload' && isNamed)
      problem(['scope'], 'scope workload takes rights or inline rules: they are narrowed to the pods of the target');
    if (p.scope !== 'workload' && p.network.mode !== 'none')
      problem(['network', 'mode'], `mode ${p.network.mode} has one target: it needs scope workload`);
    for (const [index, inline] of (p.rules ?? []).entries()) {
      const risks = (kind: RightClass) =>
        risksOf([inline]).flatMap((risk) => (risk.class === kind ? [risk.words] : []));
      const [never, acknowledged] = [risks('never inline'), risks('acknowledged')];
      if (never.length > 0)
        problem(['rules', index], `${never.join('; ')}: may only be given by a named role, never by inline rules`);
      if (acknowledged.length > 0 && !p.acknowledgePersistence)
        problem(['rules', index], `${acknowledged.join('; ')}: say acknowledgePersistence: true if that is meant`);
      if (p.scope === 'workload')
        for (const resource of inline.resources) {
          const why = notOfAWorkload(inline, resource);
          if (why !== null) problem(['rules', index, 'resources'], why);
        }
      if (p.scope === 'node') {
        const why = notOfANode(inline);
        if (why !== null) problem(['rules', index], why);
      }
    }
    if (p.clusterRole !== undefined && WIDE_ROLES.includes(p.clusterRole) && !p.acknowledgePersistence)
      problem(
        ['clusterRole'],
        `'${p.clusterRole}' has rights by which access outlives the grant (secrets, service account tokens, new workloads): say acknowledgePersistence: true if that is meant`,
      );
  });

/** What a profile says and its scope does not have, or the reverse: a key, and what is wrong with it. */
function wrongForScope(p: {
  readonly scope: 'namespace' | 'workload' | 'cluster' | 'node';
  readonly namespaces?: unknown;
  readonly nodes?: unknown;
  readonly role?: unknown;
  readonly clusterRole?: unknown;
  readonly rights?: unknown;
  readonly shell?: unknown;
}): [string, string][] {
  const { scope } = p;
  const isNamespaced = scope === 'namespace' || scope === 'workload';
  const has = (key: 'namespaces' | 'nodes' | 'role' | 'clusterRole' | 'rights' | 'shell') => p[key] !== undefined;
  return [
    ...(isNamespaced && !has('namespaces')
      ? ([['namespaces', `is missing: scope ${scope} says where it may be asked for`]] as [string, string][])
      : []),
    ...(!isNamespaced && has('namespaces')
      ? ([['namespaces', `belongs to scopes namespace and workload, and this is scope ${scope}`]] as [string, string][])
      : []),
    ...(scope === 'node' && !has('nodes')
      ? ([['nodes', 'is missing: scope node says for which nodes it may be asked']] as [string, string][])
      : []),
    ...(scope !== 'node' && has('nodes')
      ? ([['nodes', `belongs to scope node, and this is scope ${scope}`]] as [string, string][])
      : []),
    ...(scope !== 'node' && has('shell')
      ? ([['shell', `belongs to scope node, and this is scope ${scope}`]] as [string, string][])
      : []),
    ...(!isNamespaced && has('role')
      ? ([['role', `is a Role, which is in a namespace: scope ${scope} has none`]] as [string, string][])
      : []),
    ...(!isNamespaced && has('rights')
      ? ([['rights', `are for pods of a namespace or workload, and this is scope ${scope}`]] as [string, string][])
      : []),
    ...(scope === 'node' && has('clusterRole')
      ? ([['clusterRole', 'can not be narrowed to one node: scope node takes inline rules']] as [string, string][])
      : []),
  ];
}

/** Groups that have nodes by their names. */
const NODE_GROUPS = ['', 'metrics.k8s.io'];

/** Rules of scope `node` are narrowed by resourceNames; what can't be narrowed so is refused. Null: it can. */
function notOfANode({ apiGroups, resources, verbs }: Rule): string | null {
  const stranger = resources.find((resource) => resource.split('/')[0] !== 'nodes');
  if (stranger !== undefined || apiGroups.some((group) => !NODE_GROUPS.includes(group)))
    return `can not be narrowed to one node${stranger === undefined ? '' : ` ('${stranger}')`}: allowed are nodes and its subresources (apiGroups ["", "metrics.k8s.io"])`;
  if (resources.includes('nodes/proxy'))
    return 'nodes/proxy reaches every pod of the node past admission, and is never given';
  return verbs.some((verb) => verb === 'create' || verb === 'deletecollection')
    ? 'verbs create and deletecollection on nodes can not be narrowed to one node'
    : null;
}

/** Rules of scope `workload` are narrowed by resourceNames; what can't be narrowed so is refused. Null: it can. */
function notOfAWorkload(inline: Rule, resource: string): string | null {
  const [base] = resource.split('/');
  if (base === 'pods' && inline.apiGroups.length === 1 && inline.apiGroups[0] === '') {
    const creates =
      resource === 'pods' && inline.verbs.some((verb) => verb === 'create' || verb === 'deletecollection');
    return creates ? 'verbs create and deletecollection on pods can not be narrowed to the pods of a workload' : null;
  }
  const kind = WORKLOAD_KINDS.find(
    (k) => k.resource === base && inline.apiGroups.length === 1 && inline.apiGroups[0] === k.apiGroup,
  );
  if (kind !== undefined) return null;
  return `'${resource}' can not be narrowed to one workload: allowed are pods and its subresources (apiGroups [""]), and ${WORKLOAD_KINDS.filter(
    (k) => k.resource !== 'pods',
  )
    .map((k) => `${k.resource} (${k.apiGroup})`)
    .join(', ')}`;
}

const userTemplate = z
  .string()
  .superRefine((text, context) => {
    const why = whyNoTemplate(text);
    if (why !== null) context.addIssue({ code: 'custom', message: why, input: text });
  })
  .describe(
    'the user by a template: {email} is the confirmed address in lower case ({email:lower} is the same), {email:eks} has - for its @, {local} is what stands before its @',
  )
  .meta({ examples: ['oidc:{email}'] });
const emailDomains = z
  .array(z.string().regex(/^[a-z0-9.-]+$/))
  .min(1)
  .describe('only addresses of these domains; left out: of any')
  .meta({ examples: [['example.test']] });
const overrides = z.array(
  z.strictObject({
    slack: z
      .string()
      .regex(SLACK_USER)
      .describe('a Slack member id')
      .meta({ examples: ['U024BE7LH'] }),
    user: kubernetesUser.describe('the Kubernetes user of that account').meta({ examples: ['cy@example.test'] }),
  }),
);
const groups = z
  .record(z.string(), z.array(kubernetesGroup))
  .describe(
    'the Kubernetes groups that the cluster gives to a user ("*": to everybody), for the check after a revocation; they give nothing',
  )
  .meta({ examples: [{ '*': ['developers'] }] });

/** Two people must never be one user. */
function refuseAmbiguous(
  identity: { user: string; emailDomains?: string[] | undefined },
  context: z.RefinementCtx,
): void {
  const why = whyAmbiguous(identity);
  if (why !== null) context.addIssue({ code: 'custom', path: ['emailDomains'], message: why, input: identity });
}

const cluster = z
  .strictObject({
    context: z
      .string()
      .min(1)
      .max(253)
      .optional()
      .describe(
        'the context of the kubeconfig that leads there; left out, of one cluster at most: the one that Drawbridge runs in, or that KUBE_CONTEXT names',
      )
      .meta({ examples: ['prod-eu'] }),
    identity: z
      .strictObject({
        user: userTemplate.optional(),
        emailDomains: emailDomains.optional(),
        overrides: overrides
          .optional()
          .describe(
            'accounts whose user there is another than the template makes; left out: those of identity, but none where user is given here',
          ),
        groups: groups.optional(),
      })
      .optional()
      .describe('how this cluster names people, where that is in another way; what is left out is as in identity'),
    channel: channelId
      .optional()
      .describe(
        'where requests for this cluster are posted; left out: approvals.channel; a channel of the profile comes first',
      )
      .meta({ examples: ['C0PRODEU01'] }),
  })
  .describe('one cluster');

/** Without what only holds of the whole: {@link policySchema} in schema.ts judges that too. */
export const policyFields = z.strictObject({
  version: z.literal(1).describe('the form of this file'),
  identity: z
    .strictObject({
      user: userTemplate.default('{email}'),
      emailDomains: emailDomains.optional(),
      // Slack says nothing of the addresses of those who joined by single sign-on: then `workspace`, where that gives every address.
      // https://docs.slack.dev/reference/objects/user-object
      confirmedBy: z
        .enum(['slack', 'workspace'])
        .default('slack')
        .describe(
          "who says that an address is its owner's: slack says it of each account; workspace, where single sign-on gives every member's address",
        ),
      overrides: overrides.default([]).describe('accounts whose Kubernetes user is another than the template makes'),
      groups: groups.default({}),
      admit: z
        .array(z.enum(['guests', 'external', 'bots']))
        .default([])
        .describe('guests, people of another workspace, or bots, who else may neither ask nor decide')
        .meta({ examples: [['guests']] }),
    })
    .superRefine(refuseAmbiguous)
    .describe('how a Slack account becomes a Kubernetes user; none, or several, is a refusal'),
  clusters: z
    .record(dnsLabel('a cluster name'), cluster)
    .refine((c) => Object.keys(c).length > 0, 'has no cluster: leave it out where there is one without a name')
    .optional()
    .describe(
      'the clusters in which access is given, by the names that people see and type; left out: the one that Drawbridge runs in (or that KUBE_CONTEXT names), whose name is said nowhere',
    ),
  administrators: somebodyInSlack.describe('who is told what a person must mend, and may end any grant'),
  approvals: z
    .strictObject({
      channel: channelId
        .describe('the id of the channel in which requests are posted; the bot must be in it')
        .meta({ examples: ['C0ACCESS001'] }),
      timeout: duration.prefault('1h').describe('how long a request waits for its decision'),
      reminder: duration.optional().describe('when approvers are reminded; left out: never'),
      askOnce: z
        .boolean()
        .default(true)
        .describe(
          'who asks for what they have asked for already, and what waits or is open, is answered with that one; false: each request stands for itself',
        ),
    })
    .describe('where and how long requests wait'),
  oncall: onCallSources.optional(),
  tickets: ticketSource.optional(),
  notifications: z
    .strictObject({
      warning: duration
        .prefault('5m')
        .describe('how long before its end the person is warned, with a button to extend'),
    })
    .prefault({})
    .describe('what people are told on the way'),
  profiles: z
    .record(dnsLabel('a profile name'), profile)
    .refine((p) => Object.keys(p).length > 0, 'has no profile')
    .describe('what may be asked for, by name'),
});

export type Policy = z.infer<typeof policyFields>;
export type Scope = Profile['scope'];
export type Profile = Policy['profiles'][string];
/** A privileged pod on a node, as a profile gives it. */
export type NodeShell = Readonly<NonNullable<Profile['shell']>>;
export type ClusterEntry = NonNullable<Policy['clusters']>[string];
export type Principals = Profile['requesters'];
export type When = z.infer<typeof conditions>;

/** An entry by which the policy itself approves, and where it stands in its profile. */
export interface AutomaticEntry {
  readonly path: readonly (string | number)[];
  readonly when: When;
}

/** The entries of `automatic`, in their order. */
export function automaticEntries({ automatic }: Profile): AutomaticEntry[] {
  if (automatic === undefined) return [];
  return Array.isArray(automatic)
    ? automatic.map((entry, index) => ({ path: ['automatic', index, 'when'], when: withMembers(entry.when) }))
    : [{ path: ['automatic'], when: withMembers(automatic) }];
}

/** All conditions of a profile, and where they stand in it. */
export function conditionsOf(profile: Profile): AutomaticEntry[] {
  return [...automaticEntries(profile), ...approvalOf(profile).steps.flatMap(({ unless }) => unless ?? [])];
}

/** The same conditions with who is on call as members, so that whoever judges them finds all people in one place. */
export function withMembers(when: When): When {
  const { oncall } = when;
  return oncall === undefined ? when : { ...when, members: { users: [], groups: [], channels: [], oncall } };
}

/** A list of people, and where it stands in its profile. */
export interface PlacedPeople {
  readonly path: readonly (string | number)[];
  readonly people: Principals;
}

/** One step of an approval. */
export interface ApprovalStep {
  readonly name: string;
  readonly from: PlacedPeople;
  readonly count: number;
  /** Null: it is always needed. */
  readonly unless: { readonly path: PlacedPeople['path']; readonly when: When } | null;
  /** Who may decide it too, so many seconds after it was asked. */
  readonly escalate: readonly (PlacedPeople & { readonly after: number })[];
}

export interface Approval {
  readonly order: 'parallel' | 'sequence';
  readonly steps: readonly ApprovalStep[];
}

/** The name of the one step that `approvers` with `approvals` are short for. */
export const ONLY_STEP = 'approvers';

/** The steps by which people approve, in whichever form they are written. Everything that is decided goes by these. */
export function approvalOf({ approvers, approvals, approval }: Profile): Approval {
  if (approvers !== undefined) {
    const from = { path: ['approvers'], people: approvers };
    return { order: 'parallel', steps: [{ name: ONLY_STEP, from, count: approvals, unless: null, escalate: [] }] };
  }
  return {
    order: approval?.order ?? 'parallel',
    steps: (approval?.steps ?? []).map(({ name, from, count, unless, escalate = [] }, index) => {
      const path = ['approval', 'steps', index];
      return {
        name,
        from: { path: [...path, 'from'], people: from },
        count,
        unless: unless === undefined ? null : { path: [...path, 'unless'], when: withMembers(unless) },
        escalate: escalate.map(({ after, to }, nth) => ({ after, path: [...path, 'escalate', nth, 'to'], people: to })),
      };
    }),
  };
}

/** Everybody who may come to decide on a profile, by their places in the policy. */
export function decidersOf(name: string, profile: Profile): Record<string, Principals> {
  const lists = approvalOf(profile).steps.flatMap(({ from, escalate }) => [from, ...escalate]);
  return Object.fromEntries(lists.map(({ path, people }) => [placeOf(name, path), people]));
}

/** Whoever is in one of these lists. */
export function together(lists: Readonly<Record<string, Principals>> | readonly Principals[]): Principals {
  const all = (word: keyof Principals) => [
    ...new Set(Object.values(lists).flatMap((list: Principals) => list[word] ?? [])),
  ];
  const oncall = all('oncall');
  const named = { users: all('users'), groups: all('groups'), channels: all('channels') };
  return oncall.length === 0 ? named : { ...named, oncall };
}

/** A place in a profile, as refusals and the audit name it: `profiles.debug.approval.steps[0].from`. */
export function placeOf(profile: string, path: readonly (string | number)[]): string {
  return `profiles.${profile}${path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`)).join('')}`;
}

/** The profile of that name, if the policy has it. Names come from people: `constructor` is none. */
export function profileNamed(policy: Policy, name: string): Profile | undefined {
  return Object.hasOwn(policy.profiles, name) ? policy.profiles[name] : undefined;
}

/** The profiles whose deny list names one of these user groups and channels. */
export function profilesDenying({ profiles }: Policy, lists: ReadonlySet<string>): ReadonlySet<string> {
  const denying = Object.entries(profiles).filter(([, { deny }]) =>
    [...deny.groups, ...deny.channels].some((list) => lists.has(list)),
  );
  return new Set(denying.map(([name]) => name));
}

/** The ids of all user groups and channels that the policy names as lists of people. */
export function listsOf({ administrators, profiles, oncall = {} }: Policy): ReadonlySet<string> {
  const lists = Object.entries(profiles).flatMap(([name, one]) => [
    one.requesters,
    ...Object.values(decidersOf(name, one)),
    one.deny,
    one.approval.notify.quiet,
    ...(one.breakGlass === undefined ? [] : [one.breakGlass.from, one.breakGlass.review.from]),
    ...approvalOf(one).steps.flatMap(({ unless }) => unless?.when.members ?? []),
    ...automaticEntries(one).flatMap(({ when: { members } }) => members ?? []),
  ]);
  const ofSources = Object.values(oncall).flatMap(({ group }) => group ?? []);
  return new Set([
    ...ofSources,
    ...[administrators, ...lists].flatMap(({ groups, channels }) => [...groups, ...channels]),
  ]);
}

/** Where messages to approvers are posted, and the place in the policy that says so. */
export interface ApprovalsChannel {
  readonly id: string;
  readonly path: string;
}

/** Where requests of this profile in this cluster are posted; of a profile that the policy does not have: where all others are. */
export function channelOf(policy: Policy, name: string, cluster: ClusterName): ApprovalsChannel {
  const own = profileNamed(policy, name)?.approval.notify.channel;
  if (own !== undefined) return { id: own, path: `profiles.${name}.approval.notify.channel` };
  const there = cluster === null ? undefined : clusterNamed(policy, cluster)?.channel;
  return there === undefined
    ? { id: policy.approvals.channel, path: 'approvals.channel' }
    : { id: there, path: `clusters.${cluster}.channel` };
}

/** The channels that profiles and clusters have of their own, each once. */
export function ownChannels(policy: Policy): ApprovalsChannel[] {
  const clusters: ClusterName[] = policy.clusters === undefined ? [null] : Object.keys(policy.clusters);
  const all = Object.keys(policy.profiles).flatMap((name) =>
    clusters.map((cluster) => channelOf(policy, name, cluster)),
  );
  return all.filter(
    ({ id }, index) => id !== policy.approvals.channel && all.findIndex((other) => other.id === id) === index,
  );
}

/** Where a profile may be asked for, as a phrase: `namespaces staging, team-*`. */
export function describeCoverage({ scope, namespaces = [], nodes = [] }: Profile): string {
  if (scope === 'cluster') return 'the whole cluster';
  return scope === 'node' ? `nodes ${nodes.join(', ')}` : `namespaces ${namespaces.join(', ')}`;
}

/** True when the name of a node fits one of the patterns. */
export function matchesNode(patterns: readonly string[], node: string): boolean {
  return patterns.some((pattern) => matchesPattern(pattern, node));
}

/** The cluster of that name, if the policy has it. Names come from people: `constructor` is none. */
export function clusterNamed({ clusters = {} }: Policy, name: string): ClusterEntry | undefined {
  return Object.hasOwn(clusters, name) ? clusters[name] : undefined;
}

/** The names of all clusters, in the policy's order; [null]: there is one, without a name. */
export function clusterNames({ clusters }: Pick<Policy, 'clusters'>): readonly ClusterName[] {
  return clusters === undefined ? [null] : Object.keys(clusters);
}

/** The clusters in which a profile may be asked for, in the policy's order. */
export function clustersOf(policy: Pick<Policy, 'clusters'>, profile: Profile): readonly ClusterName[] {
  const patterns = profile.clusters ?? ['*'];
  return clusterNames(policy).filter((name) => name === null || matchesCluster(patterns, name));
}

/** True when the name of a cluster fits one of the patterns. */
export function matchesCluster(patterns: readonly string[], name: ClusterName): boolean {
  return name !== null && patterns.some((pattern) => matchesPattern(pattern, name));
}

/** True when a namespace fits one of the patterns (`*` stands for any characters). The chart's leash asks the same of RE2, which is linear too. */
export function matchesNamespace(patterns: readonly string[], namespace: string): boolean {
  return patterns.some((pattern) => matchesPattern(pattern, namespace));
}

/** Looks for each part between two `*` once, behind the part before it: where the first place does not do, no later one would. */
function matchesPattern(pattern: string, text: string): boolean {
  const [start = '', ...parts] = pattern.split('*');
  const end = parts.pop();
  if (end === undefined) return text === pattern;
  if (!text.startsWith(start)) return false;
  let at = start.length;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return at + end.length <= text.length && text.endsWith(end);
}

/** Namespaces of Kubernetes itself: no policy can open them, whatever its patterns say. */
export function isSystemNamespace(namespace: string): boolean {
  return namespace.startsWith('kube-');
}

/** The role that a profile binds, as `kind name`, its rights in words, or its rules and its shell: what the bot must be allowed to give. */
export function describeRights(p: Profile): string {
  if (p.clusterRole !== undefined) return `ClusterRole ${p.clusterRole}`;
  if (p.role !== undefined) return `Role ${p.role}`;
  if (p.rights !== undefined) return p.rights.join(', ');
  const rules = (p.rules ?? []).map((r) => `${r.verbs.join(',')} on ${r.resources.join(',')}`);
  return [...(p.shell === undefined ? [] : [describeShell(p.shell)]), ...rules].join('; ');
}

const SHARED = { pid: 'processes', network: 'network' };

/** A node shell as a phrase: `root shell on the node (toolbox:1) with its processes, its files read-only`. */
export function describeShell({ image, host, filesystem }: NodeShell): string {
  const shared = host
    .toSorted()
    .reverse()
    .map((name) => `its ${SHARED[name]}`);
  const files = filesystem === 'none' ? [] : [`its files ${filesystem}`];
  const all = [...shared, ...files];
  return `root shell on the node (${image})${all.length === 0 ? '' : ` with ${all.join(', ')}`}`;
}

/** The rules that become a Role of the grant's own, on whatever target: of its rights in words, or inline, none where it gives a shell alone; null: it binds an existing role. */
export function ownRulesOf(p: Profile): readonly Rule[] | null {
  if (p.rights !== undefined) return rulesOfKits(p.rights, null);
  return p.rules ?? (p.shell === undefined ? null : []);
}

/** The rights in words that a request gets by a profile, which may be fewer than it has; null: it gives a role or inline rules. */
export function kitsGiven(p: Profile, asked: readonly Kit[] | undefined): readonly Kit[] | null {
  return p.rights?.filter((kit) => asked === undefined || asked.includes(kit)) ?? null;
}

/** Who reviews break-glass access of a profile, by their place in the policy; of one that has none (any more): administrators. */
export function reviewersOf(policy: Policy, name: string): Record<string, Principals> {
  const from = profileNamed(policy, name)?.breakGlass?.review.from;
  return from === undefined
    ? { administrators: policy.administrators }
    : { [placeOf(name, ['breakGlass', 'review', 'from'])]: from };
}

/** The existing role that a profile binds; null: its rules become a Role of the grant's own. */
export function roleOf(p: Profile): { readonly kind: 'ClusterRole' | 'Role'; readonly name: string } | null {
  if (p.clusterRole !== undefined) return { kind: 'ClusterRole', name: p.clusterRole };
  return p.role === undefined ? null : { kind: 'Role', name: p.role };
}

/** How long a request of this profile may wait for its decision. */
export function requestTimeout(policy: Policy, p: Profile): number {
  return p.timeout ?? policy.approvals.timeout;
}

/** How much of a profile there may be, and what it asks of a reason, a phrase each; empty: nothing beside what holds for all. */
export function describeLimits({ limits = {}, reason = {} }: Profile): string[] {
  const { openPerPerson, open, perPersonADay } = limits;
  return [
    ...(openPerPerson === undefined ? [] : [`${openPerPerson} at once for a person`]),
    ...(perPersonADay === undefined ? [] : [`${perPersonADay} a day for a person`]),
    ...(open === undefined ? [] : [`${open} at once for everybody together`]),
    ...(reason.min === undefined ? [] : [`a reason of ${reason.min} characters or more`]),
  ];
}

/** One line on the limits of a profile, for refusals and the modal: `30m by default, 2h at most`. */
export function describeDurations(p: Profile): string {
  return `${formatDuration(p.duration.default)} by default, ${formatDuration(p.duration.maximum)} at most`;
}
