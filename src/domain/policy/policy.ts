import { z } from 'zod';
import { DURATION_FORM, formatDuration, parseDuration } from '../duration.ts';
import { KIT_NAMES, type Kit, notAKit, rulesOfKits } from '../rights/kits.ts';
import { type Rule, risksOf, WORKLOAD_KINDS } from '../rights/rights.ts';
import { type RightClass, WIDE_ROLES } from '../rights/table.ts';
import { HOURS_FORM, parseHours } from './hours.ts';
import { isPersonName } from './identity.ts';

/**
 * The policy file: what may be asked for, by whom, who decides. Every key is known or an error; every default is safe.
 * The file itself is read by config/policy-file.ts, which adds file and line to the errors found here.
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

/** People: the union of the three lists. Names can be imitated or re-used, so groups and channels are given by id. */
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
const somebody = principals.refine((p) => p.users.length + p.groups.length + p.channels.length > 0, {
  message: 'names nobody: give users, groups or channels',
});

/** `staging`, `team-*`: `*` stands for any characters within the one name. A lone `*` is said aloud as `namespaces: ["*"]`. */
const namespacePattern = z
  .string()
  .regex(/^[a-z0-9*]([-a-z0-9*]{0,61}[a-z0-9*])?$/, 'expected a namespace or a pattern such as team-*')
  .meta({ title: 'namespace or pattern' });

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
  ports: ['workspace', 'bastion'],
  to: ['contain'],
  from: ['bastion'],
};

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
    maximum: duration.optional().describe('no longer than this'),
    namespaces: z
      .array(namespacePattern)
      .min(1)
      .optional()
      .describe('the target is in one of these')
      .meta({ examples: [['staging', 'team-*']] }),
    hours: z
      .string()
      .refine((text) => parseHours(text) !== null, `expected ${HOURS_FORM}`)
      .optional()
      .describe('it is decided in these hours of the week; what crosses midnight belongs to the day on which it begins')
      .meta({ examples: ['Mon-Fri 08:00-18:00 Europe/Berlin'] }),
  })
  .meta({ title: 'conditions' });
const when = conditions.refine((w) => Object.keys(w).length > 0, 'has no condition: it would hold always');
/** One entry without its list. The two keys are checked here, not by their types, so that what else is wrong is told in its place. */
const shortAutomatic = conditions
  .superRefine((w, context) => {
    const problem = (key: 'members' | 'maximum', message: string) =>
      context.addIssue({ code: 'custom', path: [key], message, input: w });
    if (w.members === undefined) problem('members', 'expected users, groups or channels');
    if (w.maximum === undefined) problem('maximum', `expected ${DURATION_FORM}`);
  })
  .meta({ required: ['members', 'maximum'] });

const profile = z
  .strictObject({
    description: z
      .string()
      .max(200)
      .default('')
      .describe('what it is for, in words that requesters and approvers see')
      .meta({ examples: ['Logs and a shell in the pods of one workload'] }),
    scope: z
      .enum(['namespace', 'workload'])
      .describe('what a request names: a whole namespace, or one workload, to whose pods the rights are narrowed'),
    namespaces: z
      .array(namespacePattern)
      .min(1)
      .describe('where it may be asked for; * stands for any characters; kube-* is closed always')
      .meta({ examples: [['staging', 'team-*']] }),
    clusterRole: objectName
      .optional()
      .describe('what it gives: the rights of this ClusterRole, in the namespace of the target; scope namespace')
      .meta({ examples: ['view'] }),
    role: objectName
      .optional()
      .describe('what it gives: the rights of the Role of this name in the namespace of the target; scope namespace')
      .meta({ examples: ['deployer'] }),
    rules: z
      .array(rule)
      .min(1)
      .optional()
      .describe('what it gives: rules of RBAC; scope workload narrows them to the target and its pods by name'),
    rights: z
      .array(kit)
      .min(1)
      .meta({ uniqueItems: true })
      .superRefine((kits, context) => {
        for (const [index, name] of kits.entries())
          if (kits.indexOf(name) < index)
            context.addIssue({ code: 'custom', path: [index], message: `'${name}' stands here twice`, input: kits });
      })
      .optional()
      .describe('what it gives, in words; `npm run policy -- explain FILE` prints their rules')
      .meta({ examples: [['read', 'logs']] }),
    requesters: somebody.describe('who may ask'),
    approvers: somebody.describe('who may approve and deny'),
    deny: principals
      .default({ users: [], groups: [], channels: [] })
      .describe('who may neither ask nor decide, whatever else names them'),
    approvals: z
      .int()
      .min(1)
      .max(10)
      .default(1)
      .describe('how many people must approve')
      .meta({ examples: [2] }),
    selfApproval: z.boolean().default(false).describe('approvers may approve their own requests'),
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
    duration: z
      .strictObject({
        default: duration.describe('what a request gets that names none'),
        maximum: duration.describe('the longest window, extensions included; 7d at most'),
      })
      .refine((d) => d.default <= d.maximum, { path: ['default'], message: 'is longer than maximum' })
      .refine((d) => d.maximum <= 7 * 86_400, { path: ['maximum'], message: 'no window is longer than 7d' })
      .describe('how long access lasts'),
    timeout: duration.optional().describe('how long a request waits for its decision; left out: approvals.timeout'),
    network: network
      .default({ mode: 'none', dns: 'none', strict: false, allowIsolation: false })
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
    const given = [p.clusterRole, p.role, p.rules, p.rights].filter((x) => x !== undefined).length;
    if (given !== 1) problem([], 'gives exactly one of clusterRole, role, rights and rules');
    const isNamed = p.clusterRole !== undefined || p.role !== undefined;
    if (p.roleMayGrow && !isNamed)
      problem(['roleMayGrow'], 'is about a clusterRole or role: inline rules and rights in words do not grow');
    if (p.scope === 'workload' && isNamed)
      problem(['scope'], 'scope workload takes rights or inline rules: they are narrowed to the pods of the target');
    if (p.scope === 'namespace' && p.network.mode !== 'none')
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
    }
    if (p.clusterRole !== undefined && WIDE_ROLES.includes(p.clusterRole) && !p.acknowledgePersistence)
      problem(
        ['clusterRole'],
        `'${p.clusterRole}' has rights by which access outlives the grant (secrets, service account tokens, new workloads): say acknowledgePersistence: true if that is meant`,
      );
  });

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

/** Without what only holds of the whole: {@link policySchema} in schema.ts judges that too. */
export const policyFields = z.strictObject({
  version: z.literal(1).describe('the form of this file'),
  identity: z
    .strictObject({
      user: z
        .string()
        .refine((t) => t.includes('{email}') || t.includes('{local}'), 'expected a template with {email} or {local}')
        // A user is turned back into an address: with a part that stands often that takes for ever.
        .refine((t) => !/(\{email\}|\{local\}).*\1/.test(t), 'expected {email} and {local} once at most')
        .default('{email}')
        .describe('the user by a template: {email} is the confirmed address, {local} what stands before its @')
        .meta({ examples: ['oidc:{email}'] }),
      emailDomains: z
        .array(z.string().regex(/^[a-z0-9.-]+$/))
        .min(1)
        .optional()
        .describe('only addresses of these domains; left out: of any')
        .meta({ examples: [['example.test']] }),
      // Slack says nothing of the addresses of those who joined by single sign-on: then `workspace`, where that gives every address.
      // https://docs.slack.dev/reference/objects/user-object
      confirmedBy: z
        .enum(['slack', 'workspace'])
        .default('slack')
        .describe(
          "who says that an address is its owner's: slack says it of each account; workspace, where single sign-on gives every member's address",
        ),
      overrides: z
        .array(
          z.strictObject({
            slack: z
              .string()
              .regex(SLACK_USER)
              .describe('a Slack member id')
              .meta({ examples: ['U024BE7LH'] }),
            user: kubernetesUser
              .describe('the Kubernetes user of that account')
              .meta({ examples: ['cy@example.test'] }),
          }),
        )
        .default([])
        .describe('accounts whose Kubernetes user is another than the template makes'),
      groups: z
        .record(z.string(), z.array(kubernetesGroup))
        .default({})
        .describe(
          'the Kubernetes groups that the cluster gives to a user ("*": to everybody), for the check after a revocation; they give nothing',
        )
        .meta({ examples: [{ '*': ['developers'] }] }),
      admit: z
        .array(z.enum(['guests', 'external', 'bots']))
        .default([])
        .describe('guests, people of another workspace, or bots, who else may neither ask nor decide')
        .meta({ examples: [['guests']] }),
    })
    .refine((i) => i.user.includes('{email}') || i.emailDomains?.length === 1, {
      path: ['emailDomains'],
      message: 'a template with {local} needs exactly one domain: else people of two domains would be one user',
    })
    .describe('how a Slack account becomes a Kubernetes user; none, or several, is a refusal'),
  administrators: somebody.describe('who is told what a person must mend, and may end any grant'),
  approvals: z
    .strictObject({
      channel: z
        .string()
        .regex(/^[CG][A-Z0-9]{2,20}$/, 'expected the id of a Slack channel (C024BE91L), not its name')
        .describe('the id of the channel in which requests are posted; the bot must be in it')
        .meta({ examples: ['C0ACCESS001'] }),
      timeout: duration.prefault('1h').describe('how long a request waits for its decision'),
      reminder: duration.optional().describe('when approvers are reminded; left out: never'),
    })
    .describe('where and how long requests wait'),
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
export type Profile = Policy['profiles'][string];
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
    ? automatic.map((entry, index) => ({ path: ['automatic', index, 'when'], when: entry.when }))
    : [{ path: ['automatic'], when: automatic }];
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
export function listsOf({ administrators, profiles }: Policy): ReadonlySet<string> {
  const lists = Object.values(profiles).flatMap((one) => [
    one.requesters,
    one.approvers,
    one.deny,
    ...automaticEntries(one).flatMap(({ when: { members } }) => members ?? []),
  ]);
  return new Set([administrators, ...lists].flatMap(({ groups, channels }) => [...groups, ...channels]));
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

/** The role that a profile binds, as `kind name`, its rights in words, or its rules: what the bot must be allowed to give. */
export function describeRights(p: Profile): string {
  if (p.clusterRole !== undefined) return `ClusterRole ${p.clusterRole}`;
  if (p.role !== undefined) return `Role ${p.role}`;
  if (p.rights !== undefined) return p.rights.join(', ');
  return (p.rules ?? []).map((r) => `${r.verbs.join(',')} on ${r.resources.join(',')}`).join('; ');
}

/** The rules that become a Role of the grant's own, on whatever target: of its rights in words, or inline; null: it binds an existing role. */
export function ownRulesOf(p: Profile): readonly Rule[] | null {
  return p.rights === undefined ? (p.rules ?? null) : rulesOfKits(p.rights, null);
}

/** The rights in words that a request gets by a profile, which may be fewer than it has; null: it gives a role or inline rules. */
export function kitsGiven(p: Profile, asked: readonly Kit[] | undefined): readonly Kit[] | null {
  return p.rights?.filter((kit) => asked === undefined || asked.includes(kit)) ?? null;
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

/** One line on the limits of a profile, for refusals and the modal: `30m by default, 2h at most`. */
export function describeDurations(p: Profile): string {
  return `${formatDuration(p.duration.default)} by default, ${formatDuration(p.duration.maximum)} at most`;
}
