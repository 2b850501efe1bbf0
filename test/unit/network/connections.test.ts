import { describe, expect, test } from 'vitest';
import { connections } from '../../../src/network/connections.ts';
import { diffReachability, previewChange } from '../../../src/network/diff.ts';
import { isolatedByAll, isolation, newlyIsolated, selects } from '../../../src/network/isolation.ts';
import { leftovers } from '../../../src/network/leftovers.ts';
import type { Cluster, Connection, NetworkPolicy, Pod, Workload } from '../../../src/network/types.ts';
import { cluster, namespace, pod, policy } from './build.ts';

const all = [
  { protocol: 'TCP', from: 1, to: 65535 },
  { protocol: 'UDP', from: 1, to: 65535 },
  { protocol: 'SCTP', from: 1, to: 65535 },
];
const tcp = (from: number, to = from): { protocol: 'TCP'; from: number; to: number } => ({ protocol: 'TCP', from, to });
const deployment = (space: string, name: string, index: number, rest: Partial<Pod> = {}): Pod =>
  pod(space, `${name}-${index}`, {
    labels: { app: name, index: `${index}` },
    ips: ['10.0.0.9'],
    owner: { kind: 'Deployment', name },
    ...rest,
  });
const web = [1, 2].map((index) => deployment('shop', 'web', index));
const db = [1, 2, 3].map((index) => deployment('shop', 'db', index));
const namespaces = [namespace('shop'), namespace('drawbridge-workspaces'), namespace('pay')];
const W = {
  web: { namespace: 'shop', kind: 'Deployment', name: 'web' },
  db: { namespace: 'shop', kind: 'Deployment', name: 'db' },
};
const app = (name: string): { matchLabels: Record<string, string> } => ({ matchLabels: { app: name } });
const within = (list: readonly Connection[], from: Workload, to: Workload): Connection[] =>
  list.filter((item) => JSON.stringify([item.from, item.to]) === JSON.stringify([from, to]));
const change = (before: Cluster, added: readonly NetworkPolicy[], pods: readonly Pod[] = []): [Cluster, Cluster] => [
  before,
  { ...before, policies: [...before.policies, ...added], pods: [...before.pods, ...pods] },
];

const denyDb = policy('shop', 'deny', { podSelector: app('db'), policyTypes: ['Ingress'] });
const admitWeb = policy('shop', 'admit', {
  podSelector: app('db'),
  policyTypes: ['Ingress'],
  ingress: [{ from: [{ podSelector: app('web') }], ports: [{ port: 5432 }] }],
});

describe('connections by workload', () => {
  test('ranges of ports that overlap or touch are one, also from a block outside', () => {
    const from = [{ ipBlock: { cidr: '203.0.113.0/24' } }];
    const ingress = [
      { from, ports: [{ port: 80, endPort: 90 }] },
      { from, ports: [{ port: 85, endPort: 100 }] },
      { from, ports: [{ port: 101 }] },
    ];
    const admit = policy('shop', 'admit', { podSelector: app('db'), policyTypes: ['Ingress'], ingress });
    const list = connections(cluster([db[0] as Pod], [admit]));
    expect(list.filter((one) => 'cidr' in one.from)).toMatchObject([
      { from: { cidr: '203.0.113.0/24' }, to: W.db, ports: [tcp(80, 101)] },
    ]);
  });

  test('an open cluster: each workload to each other, to itself between its pods, and to and from the outside', () => {
    const list = connections(cluster([...web, db[0] as Pod]));
    const outside = { cidr: '0.0.0.0/0' };
    expect(list.map(({ from, to, ports, pods }) => ({ from, to, ports, pods }))).toEqual(
      [
        [W.db, W.web],
        [W.db, outside],
        [W.web, W.db],
        [W.web, W.web],
        [W.web, outside],
        [outside, W.db],
        [outside, W.web],
      ].map(([from, to]) => ({ from, to, ports: all, pods: undefined })),
    );
  });

  test('pods at the first and the last address of a block are in it, their neighbours are not', () => {
    const block = policy('shop', 'block', {
      podSelector: app('db'),
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ ipBlock: { cidr: '10.8.0.0/16' } }] }],
    });
    for (const order of [
      ['10.7.255.255', '10.8.0.0', '10.8.255.255', '10.9.0.0'],
      ['10.9.0.0', '10.8.255.255', '10.8.0.0', '10.7.255.255'],
    ]) {
      const sources = order.map((ip) => pod('pay', `at-${ip}`, { labels: { app: 'same' }, ips: [ip] }));
      const list = connections(cluster([...sources, db[0] as Pod], [block])).filter(
        ({ from, to }) => 'kind' in from && from.namespace === 'pay' && 'kind' in to && to.name === 'db',
      );
      expect(list.flatMap(({ from }) => ('name' in from ? [from.name] : [])).toSorted()).toEqual([
        'at-10.8.0.0',
        'at-10.8.255.255',
      ]);
    }
  });

  test('ports are gathered, and reasons name the policies of exactly these ports', () => {
    const other = policy('shop', 'other', {
      podSelector: app('db'),
      ingress: [{ from: [{ podSelector: app('web') }], ports: [{ port: 5433 }, { port: 9000, endPort: 9010 }] }],
    });
    expect(within(connections(cluster([...web, ...db], [admitWeb, other])), W.web, W.db)).toEqual([
      {
        from: W.web,
        to: W.db,
        ports: [tcp(5432, 5433), tcp(9000, 9010)],
        reasons: ['egress: not isolated', 'ingress: allowed by shop/admit, shop/other'],
        pluginDependent: false,
      },
    ]);
  });

  test('a part of a workload is not hidden: it says for how many pods', () => {
    const one = { matchLabels: { app: 'web', index: '1' } };
    const partial = policy('shop', 'one', {
      podSelector: app('db'),
      ingress: [{ from: [{ podSelector: one }], ports: [{ port: 1 }] }],
    });
    expect(within(connections(cluster([...web, ...db], [partial])), W.web, W.db)).toMatchObject([
      { ports: [tcp(1)], pods: '1 of 2 -> 3 of 3' },
    ]);
  });

  test('different ports for different parts are cut into disjoint pieces', () => {
    const second = policy('shop', 'second', {
      podSelector: { matchLabels: { app: 'db', index: '2' } },
      ingress: [{ from: [{ podSelector: app('web') }], ports: [{ port: 5000, endPort: 6000 }] }],
    });
    expect(within(connections(cluster([...web, ...db], [admitWeb, second])), W.web, W.db)).toMatchObject([
      { ports: [tcp(5000, 5431), tcp(5433, 6000)], pods: '2 of 2 -> 1 of 3' },
      { ports: [tcp(5432)] },
    ]);
  });

  test('sources and destinations that do not all pair up say how many pairs', () => {
    const pairUp = [1, 2].map((index) =>
      policy('shop', `p${index}`, {
        podSelector: { matchLabels: { app: 'db', index: `${index}` } },
        ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web', index: `${index}` } } }] }],
      }),
    );
    expect(within(connections(cluster([...web, db[0] as Pod, db[1] as Pod], pairUp)), W.web, W.db)).toMatchObject([
      { pods: '2 of 2 -> 2 of 2 (2 of 4 pairs)' },
    ]);
  });

  test('blocks outside keep their exceptions, and ports that only an inner block has stand apart', () => {
    const egress = policy('shop', 'out', {
      podSelector: app('web'),
      policyTypes: ['Egress'],
      egress: [
        { to: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8'] } }], ports: [{ port: 443 }] },
        { to: [{ ipBlock: { cidr: '198.51.100.0/24' } }], ports: [{ port: 443 }, { port: 22 }] },
      ],
    });
    const list = connections(cluster(web, [egress])).filter((item) => 'cidr' in item.to);
    expect(list.map(({ to, ports }) => ({ to, ports }))).toEqual([
      { to: { cidr: '198.51.100.0/24' }, ports: [tcp(22)] },
      { to: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8'] }, ports: [tcp(443)] },
    ]);
  });

  test('IPv6 outside is listed only where pods or policies use it', () => {
    const six = [pod('shop', 'web', { ips: ['fd00::1'] })];
    const to = (pods: readonly Pod[]): unknown[] => connections(cluster(pods)).map((item) => item.to);
    expect(to(six)).toContainEqual({ cidr: '::/0' });
    expect(to(six)).not.toContainEqual({ cidr: '0.0.0.0/0' });
    expect(to(web)).not.toContainEqual({ cidr: '::/0' });
  });

  test('what hangs on an ipBlock against pods stands apart and is flagged', () => {
    const block = policy('shop', 'block', {
      podSelector: app('db'),
      ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/24' } }] }],
    });
    expect(within(connections(cluster([...web, ...db], [block, admitWeb])), W.web, W.db)).toMatchObject([
      {
        ports: [tcp(5432)],
        pluginDependent: false,
        reasons: ['egress: not isolated', 'ingress: allowed by shop/admit, shop/block'],
      },
      { pluginDependent: true, reasons: ['egress: not isolated', 'ingress: allowed by shop/block'] },
    ]);
  });
});

describe('what a grant changes', () => {
  const grant = { 'drawbridge.internal/grant': 'g-7k3fq2' };
  const workspace = pod('drawbridge-workspaces', 'w', {
    labels: grant,
    owner: { kind: 'Job', name: 'drawbridge-g-7k3fq2' },
  });
  const job = { namespace: 'drawbridge-workspaces', kind: 'Job', name: 'drawbridge-g-7k3fq2' };
  const target = {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'shop' } },
    podSelector: app('db'),
  };
  const guard = policy('drawbridge-workspaces', 'drawbridge-g-7k3fq2', {
    podSelector: { matchLabels: grant },
    policyTypes: ['Ingress', 'Egress'],
    egress: [{ to: [target], ports: [{ protocol: 'TCP', port: 5432 }] }],
  });
  const source = {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'drawbridge-workspaces' } },
    podSelector: { matchLabels: grant },
  };
  const admission = policy('shop', 'drawbridge-g-7k3fq2', {
    podSelector: app('db'),
    policyTypes: ['Ingress'],
    ingress: [{ from: [source], ports: [{ protocol: 'TCP', port: 5432 }] }],
  });
  const base = cluster([...web, ...db], [denyDb], namespaces);

  test('opens exactly workspace -> target, closes nothing', () => {
    expect(previewChange(...change(base, [guard, admission], [workspace]))).toEqual({
      opens: [
        {
          from: job,
          to: W.db,
          ports: [tcp(5432)],
          reasons: [
            'egress: allowed by drawbridge-workspaces/drawbridge-g-7k3fq2',
            'ingress: allowed by shop/drawbridge-g-7k3fq2',
          ],
          pluginDependent: false,
        },
      ],
      closes: [],
      pluginDependent: false,
      notGoverned: [],
      newlyIsolated: [],
    });
  });

  test('an "allow" on pods that nothing isolated closes the house, and says so', () => {
    const open = { ...base, policies: [] };
    const preview = previewChange(...change(open, [guard, admission], [workspace]));
    expect(within(preview.closes, W.web, W.db)).toMatchObject([
      { ports: all, reasons: ['ingress: isolated by shop/drawbridge-g-7k3fq2, and no policy allows it'] },
    ]);
    expect(preview.newlyIsolated).toEqual([
      { workload: W.db, direction: 'Ingress', policies: ['shop/drawbridge-g-7k3fq2'], pods: ['db-1', 'db-2', 'db-3'] },
    ]);
  });

  test('a change for a part of the pods shows, with the part', () => {
    const [before, after] = change(cluster([...web, ...db]), [
      policy('shop', 'x', { podSelector: { matchLabels: { index: '3' } }, policyTypes: ['Ingress'] }),
    ]);
    expect(within(diffReachability(before, after).closes, W.web, W.db)).toMatchObject([
      { ports: all, pods: '2 of 2 -> 1 of 3' },
    ]);
  });

  test('a neighbour that takes the label walks into the selector', () => {
    const thief = pod('drawbridge-workspaces', 'thief', { labels: {} });
    const before = { ...base, pods: [...base.pods, thief], policies: [...base.policies, admission] };
    const after = { ...before, pods: [...base.pods, { ...thief, labels: grant }] };
    expect(diffReachability(before, after).opens).toMatchObject([
      { from: { name: 'thief' }, to: W.db, ports: [tcp(5432)] },
    ]);
  });

  test('a namespace that takes a label walks in, too', () => {
    const byTeam = policy('shop', 'team', {
      podSelector: app('db'),
      ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'x' } } }] }],
    });
    const stranger = pod('pay', 'stranger');
    const before = { ...base, pods: [...base.pods, stranger], policies: [denyDb, byTeam] };
    const after = { ...before, namespaces: [namespace('shop'), namespace('pay', { team: 'x' })] };
    expect(diffReachability(before, after).opens).toMatchObject([{ from: { name: 'stranger' }, to: W.db }]);
  });

  test('a rollout, a new replica and one less are no change', () => {
    const before = cluster([...web, ...db], [admitWeb]);
    const rolled = { ...before, pods: [...web, ...[7, 8, 9, 10].map((index) => deployment('shop', 'db', index))] };
    const fewer = { ...before, pods: [...web, db[2] as Pod] };
    for (const after of [rolled, fewer])
      expect(diffReachability(before, after)).toMatchObject({ opens: [], closes: [] });
  });

  test('a new pod of a workload that may do more than the others is a change', () => {
    const before = cluster(
      [...web, ...db],
      [
        denyDb,
        policy('shop', 'canary', {
          podSelector: app('db'),
          ingress: [{ from: [{ podSelector: { matchLabels: { index: '9' } } }] }],
        }),
      ],
    );
    const after = { ...before, pods: [...before.pods, deployment('shop', 'web', 9)] };
    expect(within(diffReachability(before, after).opens, W.web, W.db)).toMatchObject([
      { ports: all, pods: '1 of 3 -> 3 of 3' },
    ]);
  });

  test('certain that becomes plugin-dependent is a change, flagged', () => {
    const block = policy('shop', 'admit', {
      podSelector: app('db'),
      ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8' } }], ports: [{ port: 5432 }] }],
    });
    const [before, after] = [cluster([...web, ...db], [admitWeb]), cluster([...web, ...db], [block])];
    const diff = diffReachability(before, after);
    expect(diff.pluginDependent).toBe(true);
    expect(within(diff.closes, W.web, W.db)).toMatchObject([
      { ports: [tcp(5432)], pluginDependent: true, reasons: ['from now on allowed by an ipBlock only'] },
    ]);
  });

  describe('leftovers', () => {
    const allowed = [{ namespace: 'shop', selector: app('db'), ports: [tcp(5432)] }];
    const guarded = { ...base, policies: [denyDb, guard, admission] };

    test('none with the guard alone, whether or not the pod is there yet', () => {
      expect(leftovers(guarded, workspace, allowed)).toEqual([]);
      expect(leftovers({ ...guarded, pods: [...guarded.pods, workspace] }, workspace, allowed)).toEqual([]);
    });

    test('a foreign policy on all pods of the namespace adds its allowances', () => {
      const foreign = policy('drawbridge-workspaces', 'dns', {
        podSelector: {},
        policyTypes: ['Egress'],
        egress: [{ ports: [{ protocol: 'UDP', port: 53 }] }],
      });
      const list = leftovers({ ...guarded, policies: [...guarded.policies, foreign] }, workspace, allowed);
      expect(list.map(({ to, ports }) => ({ to, ports }))).toEqual([
        { to: W.web, ports: [{ protocol: 'UDP', from: 53, to: 53 }] },
        { to: { cidr: '0.0.0.0/0' }, ports: [{ protocol: 'UDP', from: 53, to: 53 }] },
      ]);
      expect(list[0]?.reasons[0]).toBe('egress: allowed by drawbridge-workspaces/dns');
    });

    test('more ports of the target than meant, and pods beside the target, are leftovers', () => {
      const wider = {
        ...guarded,
        policies: [
          policy('drawbridge-workspaces', 'w', {
            podSelector: {},
            policyTypes: ['Egress'],
            egress: [{ to: [target], ports: [{ port: 5430, endPort: 5440 }] }],
          }),
        ],
      };
      expect(leftovers(wider, workspace, allowed)).toMatchObject([
        { to: W.db, ports: [tcp(5430, 5431), tcp(5433, 5440)] },
      ]);
      const first = [{ namespace: 'shop', selector: { matchLabels: { index: '1' } }, ports: [tcp(1, 65535)] }];
      expect(leftovers(wider, workspace, first)).toMatchObject([{ to: W.db, pods: '1 of 1 -> 2 of 3' }]);
    });

    test('allowed addresses outside are not leftovers', () => {
      const out = policy('drawbridge-workspaces', 'o', {
        podSelector: {},
        policyTypes: ['Egress'],
        egress: [{ to: [{ ipBlock: { cidr: '169.254.0.0/16' } }] }],
      });
      const list = leftovers({ ...base, policies: [out] }, workspace, [
        { cidr: '169.254.20.10/32', ports: [tcp(1, 65535)] },
      ]);
      expect(list.map(({ to, ports }) => ({ to, protocols: ports.map((range) => range.protocol) }))).toEqual([
        { to: { cidr: '169.254.0.0/16', except: ['169.254.20.10/32'] }, protocols: ['TCP'] },
        { to: { cidr: '169.254.0.0/16' }, protocols: ['UDP', 'SCTP'] },
      ]);
    });
  });
});

describe('isolation', () => {
  const egress = policy('shop', 'out', { podSelector: {}, policyTypes: ['Egress'] });
  const state = cluster([...web, ...db], [denyDb, egress, policy('pay', 'deny', { podSelector: {} })]);

  test('names the policies that isolate a pod, per direction', () => {
    expect(isolation(state, db[0] as Pod)).toEqual({
      ingress: ['shop/deny'],
      egress: ['shop/out'],
      notGoverned: false,
    });
    expect(isolation(state, web[0] as Pod)).toEqual({ ingress: [], egress: ['shop/out'], notGoverned: false });
    expect(isolation(state, { ...(db[0] as Pod), hostNetwork: true })).toEqual({
      ingress: [],
      egress: [],
      notGoverned: true,
    });
  });

  test('isolatedByAll is true only when each selected pod is isolated, and never for none', () => {
    expect(isolatedByAll(state, db)).toEqual({ isolated: true, open: [] });
    expect(isolatedByAll(state, [...db, web[0] as Pod])).toEqual({ isolated: false, open: [web[0]] });
    expect(isolatedByAll(state, web, 'Egress').isolated).toBe(true);
    expect(isolatedByAll(state, []).isolated).toBe(false);
    expect(isolatedByAll(state, [{ ...(db[0] as Pod), phase: 'Failed' }]).isolated).toBe(false);
  });

  test('newlyIsolated lists live pods only, by workload and direction', () => {
    const before = cluster([...web, ...db]);
    const fresh = pod('shop', 'fresh', { labels: { app: 'db' } });
    const after = { ...before, pods: [...before.pods, fresh], policies: [denyDb] };
    expect(newlyIsolated(before, after)).toEqual([
      { workload: W.db, direction: 'Ingress', policies: ['shop/deny'], pods: ['db-1', 'db-2', 'db-3'] },
    ]);
    expect(newlyIsolated(after, { ...after, policies: [denyDb, admitWeb] })).toEqual([]);
  });

  test('selects looks at namespace and labels', () => {
    expect(selects(denyDb, db[0] as Pod)).toBe(true);
    expect(selects(denyDb, web[0] as Pod)).toBe(false);
    expect(selects(denyDb, { ...(db[0] as Pod), namespace: 'pay' })).toBe(false);
  });
});
