import { connections } from '../../src/network/connections.ts';
import { previewChange } from '../../src/network/diff.ts';
import type { Cluster, NetworkPolicy, NetworkPolicyPeer, Pod, Protocol } from '../../src/network/types.ts';
import { live, mayConnect } from '../unit/network/reference.ts';
import { type Figure, median, ms, type Row, ratioOf } from './figures.ts';

const NAMESPACES = 50;
const WORKLOADS = 10;
const REPLICAS = 10;
const POLICIES = 10;
const SAMPLE = 10_000;

/** A small seeded generator (mulberry32), so that each run sees the same cluster. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  };
}

function buildPods(): Pod[] {
  const pods: Pod[] = [];
  for (let n = 0; n < NAMESPACES; n++) {
    for (let w = 0; w < WORKLOADS; w++) {
      for (let r = 0; r < REPLICAS; r++) {
        const name = `app-${w}-${'bcdfghjklm'[w]}${n}-${r}`;
        pods.push({
          namespace: `team-${n}`,
          name,
          labels: {
            app: `app-${w}`,
            tier: w < 3 ? 'front' : 'back',
            'pod-template-hash': `${n}${w}`,
            'example.test/pod': name,
          },
          ips: [`10.${n}.${w}.${r + 1}`],
          hostNetwork: false,
          nodeIPs: [`192.168.0.${(n * w + r) % 250}`],
          ports: [
            { name: 'http', containerPort: 8080 + (w % 2), protocol: 'TCP' },
            { name: 'metrics', containerPort: 9090, protocol: 'TCP' },
          ],
          owner: { kind: 'Deployment', name: `app-${w}` },
          phase: 'Running',
        });
      }
    }
  }
  return pods;
}

/** Per namespace: a default deny (every other namespace for egress too), and nine policies with peers of every kind. */
function buildPolicies(random: (below: number) => number): NetworkPolicy[] {
  const app = (): { matchLabels: Record<string, string> } => ({ matchLabels: { app: `app-${random(WORKLOADS)}` } });
  const team = (): { matchLabels: Record<string, string> } => ({ matchLabels: { team: `${random(NAMESPACES)}` } });
  const peer = (): NetworkPolicyPeer => {
    const kinds: NetworkPolicyPeer[] = [
      { podSelector: app() },
      { namespaceSelector: team(), podSelector: app() },
      {
        namespaceSelector: { matchExpressions: [{ key: 'stage', operator: 'In', values: ['prod'] }] },
        podSelector: { matchLabels: { tier: 'front' } },
      },
      { ipBlock: { cidr: `10.${random(NAMESPACES)}.0.0/16`, except: [`10.${random(NAMESPACES)}.1.0/24`] } },
      { ipBlock: { cidr: `203.0.113.${random(250)}/32` } },
    ];
    return kinds[random(kinds.length)] as NetworkPolicyPeer;
  };
  const ports = (): { protocol: Protocol; port: number | string; endPort?: number }[] =>
    random(3) === 0
      ? [{ protocol: 'TCP', port: 'http' }]
      : [
          { protocol: 'TCP', port: 8080 },
          { protocol: 'TCP', port: 9000, endPort: 9100 },
        ];
  const policies: NetworkPolicy[] = [];
  for (let n = 0; n < NAMESPACES; n++) {
    const metadata = (index: number): { namespace: string; name: string } => ({
      namespace: `team-${n}`,
      name: `policy-${index}`,
    });
    policies.push({
      metadata: metadata(0),
      spec: { podSelector: {}, policyTypes: n % 2 === 0 ? ['Ingress', 'Egress'] : ['Ingress'] },
    });
    for (let index = 1; index < POLICIES; index++) {
      const rule = { from: [peer(), peer()], ports: ports() };
      const spec =
        index % 3 === 0
          ? { policyTypes: ['Egress'], egress: [{ to: [peer(), peer()], ports: ports() }] }
          : { policyTypes: ['Ingress'], ingress: [rule] };
      policies.push({ metadata: metadata(index), spec: { podSelector: app(), ...spec } });
    }
  }
  return policies;
}

function buildCluster(): Cluster {
  const namespaces = Array.from({ length: NAMESPACES }, (_, n) => ({
    name: `team-${n}`,
    labels: { team: `${n}`, stage: n % 3 === 0 ? 'prod' : 'test' },
  }));
  return { namespaces, pods: buildPods(), policies: buildPolicies(createRandom(7)) };
}

/** One grant of mode `workspace`: a pod of its own, its guard, and the admission on the target. */
function withGrant(cluster: Cluster): Cluster {
  const namespace = 'drawbridge-workspaces';
  const labels = { 'drawbridge.internal/grant': 'g-7k3fq2' };
  const ports = [{ protocol: 'TCP', port: 8080 }];
  const workspace: Pod = {
    namespace,
    name: 'drawbridge-g-7k3fq2-x',
    labels,
    ips: [],
    hostNetwork: false,
    ports: [],
    owner: { kind: 'Job', name: 'drawbridge-g-7k3fq2' },
    phase: 'Pending',
  };
  const target = { namespaceSelector: { matchLabels: { team: '4' } }, podSelector: { matchLabels: { app: 'app-0' } } };
  const guard: NetworkPolicy = {
    metadata: { namespace, name: 'drawbridge-g-7k3fq2' },
    spec: {
      podSelector: { matchLabels: labels },
      policyTypes: ['Ingress', 'Egress'],
      egress: [{ to: [target], ports }],
    },
  };
  const source = {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
    podSelector: { matchLabels: labels },
  };
  const admission: NetworkPolicy = {
    metadata: { namespace: 'team-4', name: 'drawbridge-g-7k3fq2' },
    spec: { podSelector: target.podSelector, policyTypes: ['Ingress'], ingress: [{ from: [source], ports }] },
  };
  return {
    namespaces: [...cluster.namespaces, { name: namespace, labels: { 'kubernetes.io/metadata.name': namespace } }],
    pods: [...cluster.pods, workspace],
    policies: [...cluster.policies, guard, admission],
  };
}

function time<T>(work: () => T): [ms: number, result: T] {
  const start = performance.now();
  const result = work();
  return [performance.now() - start, result];
}

/** How long the network engine takes on a large cluster, beside the plain pairwise evaluation of the same input. */
export const network: Row = {
  name: 'network',
  about: 'the network engine beside a pairwise evaluation',
  run: async (say) => measure(say),
};

function measure(say: (line: string) => void): Figure[] {
  const before = buildCluster();
  const after = withGrant(before);
  const pods = live(before);
  const [cold, preview] = time(() => previewChange(before, after));
  const warm = median(Array.from({ length: 15 }, () => time(() => previewChange(before, after))[0]));
  // Two clusters that were read apart: no object is in both.
  const fresh = median(
    Array.from({ length: 5 }, () => {
      const [a, b] = [structuredClone(before), structuredClone(after)];
      return time(() => previewChange(a, b))[0];
    }),
  );
  const [firstMatrix, all] = time(() => connections(before));
  const matrix = median(Array.from({ length: 3 }, () => time(() => connections(before))[0]));
  say('network: engine measured');

  // The pairwise evaluation asks each pair of pods, here for one port of one protocol; measured on a sample of pairs.
  const random = createRandom(11);
  const sample = Array.from(
    { length: SAMPLE },
    () => [pods[random(pods.length)], pods[random(pods.length)]] as [Pod, Pod],
  );
  for (const [from, to] of sample.slice(0, 500)) mayConnect(before, from, to, 8080, 'TCP');
  const [sampled] = time(() => sample.filter(([from, to]) => mayConnect(before, from, to, 8080, 'TCP').letter).length);
  const perPair = sampled / SAMPLE;
  const pairs = pods.length * (pods.length - 1);

  const inputs = `${before.pods.length} pods in ${NAMESPACES * WORKLOADS} workloads and ${NAMESPACES} namespaces, ${before.policies.length} policies`;
  const figure = (what: string, classes: number, pairwise: number): Figure => ({
    what: `network engine, ${what}`,
    inputs,
    ours: ms(classes),
    baseline: `${ms(pairwise)} (pairwise)`,
    ratio: ratioOf([{ ours: classes, bare: pairwise }]),
    aim: '',
    met: null,
  });
  return [
    {
      ...figure("one grant's preview, median of 15", warm, 2 * perPair * pairs),
      note: `pairwise is ${(perPair * 1000).toFixed(1)} us a pair, measured on ${SAMPLE} random pairs at 8080/TCP only, times ${pairs} pairs (a preview: twice)`,
    },
    figure('the first preview of the process', cold, 2 * perPair * pairs),
    figure('a preview, both clusters read apart, median of 5', fresh, 2 * perPair * pairs),
    {
      ...figure('all connections by workload, median of 3', matrix, perPair * pairs),
      note: `the preview opens ${preview.opens.length} and closes ${preview.closes.length}; the matrix has ${all.length} connections, all ports of all protocols`,
    },
    figure('all connections by workload, first', firstMatrix, perPair * pairs),
  ];
}
