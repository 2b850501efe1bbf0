import * as fc from 'fast-check';
import type {
  Cluster,
  LabelSelector,
  Labels,
  Namespace,
  NetworkPolicy,
  NetworkPolicyPeer,
  Pod,
  Protocol,
} from '../../../src/network/types.ts';

/*
 * Small random clusters out of few words, so that selectors, blocks, ports and names often meet: three namespaces, up
 * to eight pods (some in workloads of several, some without an address), up to five policies with every kind of peer
 * and port.
 */

const NAMESPACES = ['shop', 'pay', 'ops'];
const one = <T>(...items: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...items);
const few = <T>(item: fc.Arbitrary<T>, maxLength: number, minLength = 0): fc.Arbitrary<T[]> =>
  fc.array(item, { minLength, maxLength });
const optional = { noNullPrototype: true };

export const labels: fc.Arbitrary<Labels> = fc.record(
  { app: one('a', 'b', 'c', ''), tier: one('x', 'y') },
  { requiredKeys: [], ...optional },
);
const key = one('app', 'tier', 'none');
const requirement = fc.oneof(
  fc.record({ key, operator: one('In', 'NotIn'), values: few(one('a', 'b', 'x', ''), 2, 1) }),
  fc.record({ key, operator: one('Exists', 'DoesNotExist') }),
);
const selector: fc.Arbitrary<LabelSelector> = fc.oneof(
  fc.constant({}),
  fc.record({ matchLabels: labels }, optional),
  fc.record({ matchLabels: labels, matchExpressions: few(requirement, 2) }, { requiredKeys: [], ...optional }),
);
const protocol = one<Protocol>('TCP', 'UDP', 'SCTP');
const portEntry = fc.oneof(
  fc.record({ protocol, port: one<number | string>(80, 81, 8080, 'web', 'dns') }, { requiredKeys: [], ...optional }),
  fc.record({ protocol, port: one(79, 80), endPort: one(80, 8080, 65535) }, optional),
);
const ports = few(portEntry, 2);

type Block = NonNullable<NetworkPolicyPeer['ipBlock']>;

/** Specs with blocks of these; the API server admits them all. */
function specWith(block: fc.Arbitrary<Block>): fc.Arbitrary<NonNullable<NetworkPolicy['spec']>> {
  const peer = fc.oneof(
    fc.record({ podSelector: selector }, optional),
    fc.record({ namespaceSelector: selector }, optional),
    fc.record({ namespaceSelector: selector, podSelector: selector }, optional),
    fc.record({ ipBlock: block }, optional),
  );
  return fc.record(
    {
      podSelector: selector,
      policyTypes: one(['Ingress'], ['Egress'], ['Ingress', 'Egress'], []),
      ingress: few(fc.record({ from: few(peer, 2), ports }, { requiredKeys: [], ...optional }), 2),
      egress: few(fc.record({ to: few(peer, 2), ports }, { requiredKeys: [], ...optional }), 2),
    },
    { requiredKeys: ['podSelector'], ...optional },
  );
}

const block = one<Block>(
  { cidr: '10.0.0.0/8' },
  { cidr: '10.0.0.0/30' },
  { cidr: '0.0.0.0/0', except: ['10.0.0.0/29'] },
  { cidr: '0.0.0.0/0', except: ['10.0.0.0/30', '198.51.100.0/24'] },
  { cidr: '198.51.100.7/32' },
  { cidr: 'fd00::/16', except: ['fd00::2/127'] },
);

/** What containers declare; some declare nothing. */
export const containerPorts = fc.uniqueArray(
  fc.record({ name: one('web', 'dns', 'other'), containerPort: one(80, 81, 8080), protocol }, optional),
  { maxLength: 2, selector: ({ name }) => name },
);

function namespacesOf(labelSets: readonly Labels[]): Namespace[] {
  return NAMESPACES.map((name, index) => ({ name, labels: labelSets[index] ?? {} }));
}

const podSeed = fc.record(
  {
    namespace: one(...NAMESPACES),
    labels,
    shared: one(undefined, 'web', 'db'),
    address: one('v4', 'v6', 'both', 'none'),
    ports: containerPorts,
    phase: fc.oneof({ weight: 9, arbitrary: one('Running') }, { weight: 1, arbitrary: one('Succeeded', 'Failed') }),
    hostNetwork: fc.oneof({ weight: 9, arbitrary: one(false) }, { weight: 1, arbitrary: one(true) }),
  },
  optional,
);

function podsOf(seeds: readonly (typeof podSeed extends fc.Arbitrary<infer T> ? T : never)[], prefix: string): Pod[] {
  return seeds.map(({ shared, address, ...rest }, index) => {
    const name = `${prefix}${index}`;
    const v4 = address === 'v4' || address === 'both' ? [`10.0.0.${index + 1}`] : [];
    const v6 = address === 'v6' || address === 'both' ? [`fd00::${index + 1}`] : [];
    const owner = shared ? { kind: 'Deployment', name: shared } : { kind: 'Pod', name };
    return { ...rest, name, ips: [...v4, ...v6], owner };
  });
}

function policiesOf(seeds: readonly [string, NonNullable<NetworkPolicy['spec']>][], prefix: string): NetworkPolicy[] {
  return seeds.map(([namespace, spec], index) => ({ metadata: { namespace, name: `${prefix}${index}` }, spec }));
}

/** Policies in these namespaces, named `<prefix>0`, `<prefix>1` and so on. */
export function policiesIn(options: {
  namespaces: readonly string[];
  blocks: fc.Arbitrary<Block>;
  prefix: string;
  maxLength: number;
}): fc.Arbitrary<NetworkPolicy[]> {
  const { namespaces, blocks, prefix, maxLength } = options;
  return few(fc.tuple(one(...namespaces), specWith(blocks)), maxLength).map((seeds) => policiesOf(seeds, prefix));
}

export const policies = (prefix: string, maxLength = 2): fc.Arbitrary<NetworkPolicy[]> =>
  policiesIn({ namespaces: NAMESPACES, blocks: block, prefix, maxLength });

/** So that both families of addresses are in use everywhere. */
const dual: Pod = {
  namespace: 'ops',
  name: 'dual',
  labels: {},
  ips: ['10.1.0.1', 'fd01::1'],
  hostNetwork: false,
  ports: [],
  owner: { kind: 'DaemonSet', name: 'dual' },
  phase: 'Running',
};

export const anyCluster: fc.Arbitrary<Cluster> = fc
  .tuple(few(labels, 3), few(podSeed, 8, 2), policies('p', 5))
  .map(([labelSets, seeds, policies]) => ({
    namespaces: namespacesOf(labelSets),
    pods: [...podsOf(seeds, 'pod'), dual],
    policies,
  }));

/** A cluster and what became of it: policies gone and come, labels changed, pods of their own gone and come. */
export const anyChange: fc.Arbitrary<[before: Cluster, after: Cluster]> = fc
  .tuple(
    anyCluster,
    few(fc.boolean(), 8),
    few(fc.boolean(), 8),
    policies('new'),
    few(podSeed, 2),
    fc.option(few(labels, 3)),
    labels,
  )
  .map(([before, keepPolicy, keepPod, added, newPods, labelSets, relabel]) => {
    const kept = before.pods
      .filter((pod, index) => pod.owner.kind !== 'Pod' || keepPod[index] !== false)
      .map((pod, index) => (keepPod[index] === true ? { ...pod, labels: relabel } : pod));
    const come = podsOf(
      newPods.map((seed) => ({ ...seed, shared: undefined })),
      'new',
    );
    return [
      before,
      {
        namespaces: labelSets ? namespacesOf(labelSets) : before.namespaces,
        pods: [...kept, ...come],
        policies: [...before.policies.filter((_, index) => keepPolicy[index] !== false), ...added],
      },
    ];
  });
