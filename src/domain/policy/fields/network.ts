import { z } from 'zod';
import { formatQuantity, formOf, parseQuantity, patternOf, type ResourceName } from '../../quantity.ts';
import { dnsLabel } from './forms.ts';

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

/** How traffic is confined. Which fields belong to which mode is checked below. */
export const network = z
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
