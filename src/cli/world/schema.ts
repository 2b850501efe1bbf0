import { z } from 'zod';
import { contains, parseAddress, parseCidr } from '../../network/cidr.ts';

/*
 * Manifests as far as reachability depends on them. An empty field (`labels:`) is a missing one, as for the API server.
 * What the API server would refuse is an error here, where it could change the answer: a NetworkPolicy is read
 * strictly, since a misspelt `from` would mean "from everywhere".
 */

function maybe<T extends z.ZodType>(schema: T) {
  return schema.nullish().transform((value) => value ?? undefined);
}

function fits(check: () => unknown): boolean {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}

const listed = (words: readonly string[]) => `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;

function oneOf<const T extends readonly string[]>(what: string, words: T) {
  return z.enum(words, { error: ({ input }) => `unknown ${what} ${JSON.stringify(input)}, expected ${listed(words)}` });
}

const integer = (least: number, most: number) =>
  z
    .int({ error: `expected a whole number from ${least} to ${most}` })
    .min(least)
    .max(most);

const portNumber = integer(1, 65535);
const protocol = oneOf('protocol', ['TCP', 'UDP', 'SCTP']);
/** https://kubernetes.io/docs/concepts/services-networking/service/#field-spec-ports */
const portName = z
  .string()
  .regex(/^(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$/, 'expected a port number or the name of a port');
const portOrName = z.union([portNumber, portName], {
  error: 'expected a port number from 1 to 65535 or the name of a port',
});

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
const labelKey = z
  .string()
  .regex(/^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/, 'no label key');
const labelValue = z
  .string({ error: 'a label value is a text: put it in quotes' })
  .regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/, 'no label value');
const labels = z.record(labelKey, labelValue);

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ */
const name = z
  .string({ error: 'expected a name' })
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'no name: small letters, digits, - and . only');
const namespaceName = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'no name of a namespace');

const metadata = z.object({
  name: maybe(name),
  generateName: maybe(z.string().regex(/^[a-z0-9][-a-z0-9.]*$/, 'no beginning of a name')),
  namespace: maybe(namespaceName),
  labels: maybe(labels),
  ownerReferences: maybe(z.array(z.object({ kind: z.string(), name: z.string(), controller: maybe(z.boolean()) }))),
});

const container = z.object({
  restartPolicy: maybe(z.string()),
  ports: maybe(z.array(z.object({ name: maybe(portName), containerPort: portNumber, protocol: maybe(protocol) }))),
});
const podSpec = z.object({
  hostNetwork: maybe(z.boolean()),
  containers: maybe(z.array(container)),
  initContainers: maybe(z.array(container)),
});
const address = z.string().refine((text) => fits(() => parseAddress(text)), 'no IP address');
const addresses = z.array(z.object({ ip: address }));
const status = z.object({
  phase: maybe(z.string()),
  podIP: maybe(address.or(z.literal(''))),
  podIPs: maybe(addresses),
  hostIP: maybe(address.or(z.literal(''))),
  hostIPs: maybe(addresses),
});

const template = z.object({ metadata: maybe(z.object({ labels: maybe(labels) })), spec: podSpec });
const count = maybe(integer(0, 2 ** 31 - 1));
const replicated = z.object({
  metadata,
  spec: z.object({ replicas: count, ordinals: maybe(z.object({ start: count })), template }),
});
const jobSpec = z.object({ parallelism: count, completions: count, template });

const service = z.object({
  metadata,
  spec: z.object({
    type: maybe(z.string()),
    selector: maybe(labels),
    clusterIP: maybe(z.string()),
    clusterIPs: maybe(z.array(z.string())),
    externalName: maybe(z.string()),
    ports: maybe(
      z.array(
        z.object({
          name: maybe(z.string()),
          protocol: maybe(protocol),
          port: portNumber,
          targetPort: maybe(portOrName),
        }),
      ),
    ),
  }),
});

const requirement = z
  .strictObject({
    key: labelKey,
    operator: oneOf('operator', ['In', 'NotIn', 'Exists', 'DoesNotExist']),
    values: maybe(z.array(labelValue)),
  })
  .refine(({ operator, values = [] }) => operator.endsWith('In') === values.length > 0, {
    error: 'In and NotIn take values, Exists and DoesNotExist take none',
    path: ['values'],
  });
const selector = z.strictObject({
  matchLabels: maybe(labels),
  matchExpressions: maybe(z.array(requirement)),
});

const cidr = z
  .string({ error: 'expected a CIDR' })
  .refine((text) => text.includes('/') && fits(() => parseCidr(text)), {
    error: ({ input }) => `not a CIDR: ${JSON.stringify(input)}, expected one such as 10.0.0.0/8 or 2001:db8::/32`,
    abort: true,
  });
const ipBlock = z.strictObject({ cidr, except: maybe(z.array(cidr)) }).superRefine(({ cidr, except = [] }, context) => {
  const block = parseCidr(cidr);
  for (const [index, text] of except.entries()) {
    const hole = parseCidr(text);
    if (!contains(block, hole) || block.text === hole.text)
      context.addIssue({ code: 'custom', path: ['except', index], message: `${text} is no part of ${cidr}` });
  }
});
const peer = z
  .strictObject({ podSelector: maybe(selector), namespaceSelector: maybe(selector), ipBlock: maybe(ipBlock) })
  .refine((peer) => peer.podSelector || peer.namespaceSelector || peer.ipBlock, {
    error: 'a peer needs a podSelector, a namespaceSelector or an ipBlock (write {} for "all")',
  })
  .refine((peer) => !peer.ipBlock || (!peer.podSelector && !peer.namespaceSelector), {
    error: 'a peer with an ipBlock has no selectors',
  });
const policyPort = z
  .strictObject({ protocol: maybe(protocol), port: maybe(portOrName), endPort: maybe(portNumber) })
  .refine(({ port, endPort }) => endPort === undefined || (typeof port === 'number' && port <= endPort), {
    error: 'endPort needs a numeric port that is not greater',
    path: ['endPort'],
  });
const peers = maybe(z.array(peer));
const ports = maybe(z.array(policyPort));
const networkPolicy = z.object({
  metadata,
  spec: maybe(
    z.strictObject({
      podSelector: maybe(selector),
      policyTypes: maybe(z.array(oneOf('policyType', ['Ingress', 'Egress']))),
      ingress: maybe(z.array(z.strictObject({ from: peers, ports }))),
      egress: maybe(z.array(z.strictObject({ to: peers, ports }))),
    }),
  ),
});

/** The kinds that count, by `API group/kind` (the core group has no name). */
export const SCHEMAS = {
  '/Namespace': z.object({ metadata }),
  '/Pod': z.object({ metadata, spec: podSpec, status: maybe(status) }),
  '/Service': service,
  '/ReplicationController': replicated,
  'apps/Deployment': replicated,
  'apps/StatefulSet': replicated,
  'apps/ReplicaSet': replicated,
  'apps/DaemonSet': replicated,
  'batch/Job': z.object({ metadata, spec: jobSpec }),
  'batch/CronJob': z.object({ metadata, spec: z.object({ jobTemplate: z.object({ spec: jobSpec }) }) }),
  'networking.k8s.io/NetworkPolicy': networkPolicy,
} as const;

export type KnownType = keyof typeof SCHEMAS;
/** A manifest of one kind, as its schema leaves it. */
export type ManifestOf<K extends KnownType> = z.output<(typeof SCHEMAS)[K]>;
