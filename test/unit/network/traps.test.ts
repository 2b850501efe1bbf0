import { describe, expect, test } from 'vitest';
import { connections, notGoverned } from '../../../src/network/connections.ts';
import type { LabelSelector, NetworkPolicy, OutsidePeer, Pod, Protocol } from '../../../src/network/types.ts';
import { createJudge } from '../../../src/network/verdict.ts';
import { cluster, namespace, pod, policy, type Spec } from './build.ts';

/*
 * The traps of NetworkPolicy, each with the place in the Kubernetes documentation that decides it. Sections of the
 * concept page by their anchors; `API` is the reference of the type, by field.
 */
const CONCEPT = 'https://kubernetes.io/docs/concepts/services-networking/network-policies/';
const API = 'https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/';
const LABELS = 'https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/';
const PHASES = 'https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/';

const http = { name: 'http', containerPort: 8080, protocol: 'TCP' } as const;
const dns = { name: 'dns', containerPort: 53, protocol: 'UDP' } as const;
const web = pod('shop', 'web', { ips: ['10.0.0.1'], nodeIPs: ['192.168.0.1'] });
const db = pod('shop', 'db', { ips: ['10.0.0.2'], ports: [http, dns], nodeIPs: ['192.168.0.2'] });
const db2 = pod('shop', 'db2', { ips: ['10.0.0.4'], labels: { app: 'db' }, ports: [{ ...http, containerPort: 9090 }] });
const pay = pod('pay', 'web', { ips: ['10.0.1.1', 'fd00::1'] });
const ops = pod('ops', 'admin', { ips: ['10.0.2.1'], labels: { app: 'admin', role: 'root' } });
const host = pod('ops', 'agent', { ips: ['192.168.0.1'], nodeIPs: ['192.168.0.1'], hostNetwork: true });
const pending = pod('ops', 'pending', { phase: 'Pending' });
const ended = pod('ops', 'ended', { phase: 'Succeeded', ips: ['10.0.2.9'] });
const namespaces = [namespace('shop', { team: 'a' }), namespace('pay', { team: 'b' }), namespace('ops', { team: 'a' })];

const app = (name: string): LabelSelector => ({ matchLabels: { app: name } });
const team = (name: string): LabelSelector => ({ matchLabels: { team: name } });
const anywhere = (cidr: string): OutsidePeer => ({ cidr });
/** A policy in `shop` on the database's pods. */
const onDb = (spec: Omit<Spec, 'podSelector'>, name = 'db'): NetworkPolicy =>
  policy('shop', name, { podSelector: app('db'), ...spec });
const admit = (...rules: NonNullable<Spec['ingress']>[number][]): NetworkPolicy =>
  onDb({ policyTypes: ['Ingress'], ingress: rules });

interface Row {
  readonly trap: string;
  readonly source: string;
  readonly policies: readonly NetworkPolicy[];
  readonly asks: readonly [
    from: Pod | OutsidePeer,
    to: Pod | OutsidePeer,
    port: number,
    allowed: boolean | 'plugin-dependent',
    protocol?: Protocol,
  ][];
}

const rows: Row[] = [
  {
    trap: 'without a policy everything is allowed',
    source: `${CONCEPT}#default-policies`,
    policies: [],
    asks: [
      [web, db, 5432, true],
      [pay, db, 1, true, 'SCTP'],
      [anywhere('203.0.113.1/32'), db, 22, true],
      [db, anywhere('0.0.0.0/0'), 443, true],
    ],
  },
  {
    trap: 'the first policy that selects a pod closes it for everybody else',
    source: `${CONCEPT}#the-two-sorts-of-pod-isolation`,
    policies: [admit({ from: [{ podSelector: app('web') }] })],
    asks: [
      [web, db, 5432, true],
      [ops, db, 5432, false],
      [anywhere('203.0.113.1/32'), db, 5432, false],
      [ops, web, 80, true],
    ],
  },
  {
    trap: 'isolation is per direction: an ingress policy leaves egress open',
    source: `${CONCEPT}#the-two-sorts-of-pod-isolation`,
    policies: [onDb({ policyTypes: ['Ingress'] })],
    asks: [
      [web, db, 80, false],
      [db, web, 80, true],
    ],
  },
  {
    trap: 'both ends must allow',
    source: `${CONCEPT}#the-two-sorts-of-pod-isolation`,
    policies: [
      admit({ from: [{ podSelector: app('web') }] }),
      policy('shop', 'web', { podSelector: app('web'), policyTypes: ['Egress'] }),
    ],
    asks: [[web, db, 80, false]],
  },
  {
    trap: 'policies add up, there is no deny',
    source: `${CONCEPT}#the-two-sorts-of-pod-isolation`,
    policies: [
      onDb({ policyTypes: ['Ingress'], ingress: [] }, 'deny'),
      onDb({ ingress: [{ from: [{ podSelector: app('web') }] }] }, 'allow'),
    ],
    asks: [
      [web, db, 80, true],
      [ops, db, 80, false],
    ],
  },
  {
    trap: 'ingress: [] denies all',
    source: `${CONCEPT}#default-deny-all-ingress-traffic`,
    policies: [onDb({ policyTypes: ['Ingress'], ingress: [] })],
    asks: [
      [web, db, 80, false],
      [anywhere('0.0.0.0/0'), db, 80, false],
    ],
  },
  {
    trap: 'ingress missing with its type listed denies all',
    source: `${CONCEPT}#default-deny-all-ingress-traffic`,
    policies: [onDb({ policyTypes: ['Ingress'] })],
    asks: [[web, db, 80, false]],
  },
  {
    trap: 'ingress: [{}] allows all',
    source: `${CONCEPT}#allow-all-ingress-traffic`,
    policies: [admit({})],
    asks: [
      [web, db, 80, true],
      [anywhere('203.0.113.1/32'), db, 80, true, 'UDP'],
    ],
  },
  {
    trap: 'an empty or missing `from` and `ports` allow all',
    source: `${API} (ingress.from, ingress.ports)`,
    policies: [admit({ from: [], ports: [] })],
    asks: [
      [web, db, 80, true],
      [pay, db, 65535, true, 'SCTP'],
    ],
  },
  {
    trap: 'an empty or missing `to` allows all destinations on those ports',
    source: `${API} (egress.to)`,
    policies: [onDb({ policyTypes: ['Egress'], egress: [{ to: [], ports: [{ port: 443 }] }] })],
    asks: [
      [db, web, 443, true],
      [db, anywhere('198.51.100.1/32'), 443, true],
      [db, web, 444, false],
    ],
  },
  {
    trap: 'null is missing: API clients write it',
    source: `${API} (ingress.from)`,
    policies: [onDb({ policyTypes: null, ingress: [{ from: null, ports: null }], egress: null })],
    asks: [
      [web, db, 80, true],
      [db, web, 80, true],
    ],
  },
  {
    trap: 'an empty podSelector selects all pods of the namespace, and of no other',
    source: `${CONCEPT}#networkpolicy-resource`,
    policies: [policy('shop', 'all', { podSelector: {}, policyTypes: ['Ingress'] })],
    asks: [
      [pay, db, 80, false],
      [pay, web, 80, false],
      [web, pay, 80, true],
    ],
  },
  {
    trap: 'policyTypes left out: Ingress always',
    source: `${CONCEPT}#networkpolicy-resource`,
    policies: [onDb({ egress: [{ to: [{ podSelector: app('web') }] }] })],
    asks: [[web, db, 80, false]],
  },
  {
    trap: 'policyTypes left out: Egress if there are egress rules',
    source: `${API} (policyTypes)`,
    policies: [onDb({ egress: [{ to: [{ podSelector: app('web') }] }] })],
    asks: [
      [db, web, 80, true],
      [db, pay, 80, false],
    ],
  },
  {
    trap: 'policyTypes left out or empty: no Egress without egress rules, even with `egress: []`',
    source: `${API} (policyTypes)`,
    policies: [onDb({ egress: [] }), onDb({ policyTypes: [] }, 'other')],
    asks: [[db, pay, 80, true]],
  },
  {
    trap: 'rules of a type that is not listed do not count',
    source: `${API} (policyTypes)`,
    policies: [onDb({ policyTypes: ['Egress'], ingress: [{ from: [{ podSelector: app('web') }] }] })],
    asks: [
      [ops, db, 80, true],
      [db, ops, 80, false],
    ],
  },
  {
    trap: 'one peer with both selectors is AND',
    source: `${CONCEPT}#behavior-of-to-and-from-selectors`,
    policies: [admit({ from: [{ namespaceSelector: team('b'), podSelector: app('web') }] })],
    asks: [
      [pay, db, 80, true],
      [web, db, 80, false],
      [ops, db, 80, false],
    ],
  },
  {
    trap: 'two peers are OR, and a podSelector alone means the own namespace',
    source: `${CONCEPT}#behavior-of-to-and-from-selectors`,
    policies: [admit({ from: [{ namespaceSelector: team('b') }, { podSelector: app('web') }] })],
    asks: [
      [pay, db, 80, true],
      [web, db, 80, true],
      [ops, db, 80, false],
    ],
  },
  {
    trap: 'an empty namespaceSelector is every namespace, but no address outside',
    source: `${API} (NetworkPolicyPeer.namespaceSelector)`,
    policies: [admit({ from: [{ namespaceSelector: {} }] })],
    asks: [
      [pay, db, 80, true],
      [web, db, 80, true],
      [anywhere('203.0.113.1/32'), db, 80, false],
    ],
  },
  {
    trap: 'an empty podSelector as a peer is every pod of the own namespace',
    source: `${API} (NetworkPolicyPeer.podSelector)`,
    policies: [admit({ from: [{ podSelector: {} }] })],
    asks: [
      [web, db, 80, true],
      [pay, db, 80, false],
    ],
  },
  {
    trap: 'a namespace is meant by its label kubernetes.io/metadata.name',
    source: `${CONCEPT}#targeting-a-namespace-by-its-name`,
    policies: [admit({ from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'pay' } } }] })],
    asks: [
      [pay, db, 80, true],
      [ops, db, 80, false],
    ],
  },
  {
    trap: 'In and Exists need the key, NotIn and DoesNotExist match without it',
    source: `${LABELS}#set-based-requirement`,
    policies: [
      admit(
        {
          from: [
            {
              namespaceSelector: {},
              podSelector: { matchExpressions: [{ key: 'role', operator: 'In', values: ['root'] }] },
            },
          ],
          ports: [{ port: 1 }],
        },
        {
          from: [
            {
              namespaceSelector: {},
              podSelector: { matchExpressions: [{ key: 'role', operator: 'NotIn', values: ['root'] }] },
            },
          ],
          ports: [{ port: 2 }],
        },
        {
          from: [{ namespaceSelector: {}, podSelector: { matchExpressions: [{ key: 'role', operator: 'Exists' }] } }],
          ports: [{ port: 3 }],
        },
        {
          from: [
            { namespaceSelector: {}, podSelector: { matchExpressions: [{ key: 'role', operator: 'DoesNotExist' }] } },
          ],
          ports: [{ port: 4 }],
        },
      ),
    ],
    asks: [
      [ops, db, 1, true],
      [web, db, 1, false],
      [ops, db, 2, false],
      [web, db, 2, true],
      [ops, db, 3, true],
      [web, db, 3, false],
      [ops, db, 4, false],
      [web, db, 4, true],
    ],
  },
  {
    trap: 'matchLabels and matchExpressions are ANDed',
    source: `${LABELS}#resources-that-support-set-based-requirements`,
    policies: [
      admit({
        from: [
          {
            namespaceSelector: {},
            podSelector: { ...app('admin'), matchExpressions: [{ key: 'role', operator: 'NotIn', values: ['root'] }] },
          },
        ],
      }),
    ],
    asks: [[ops, db, 80, false]],
  },
  {
    trap: 'protocol defaults to TCP',
    source: `${API} (NetworkPolicyPort.protocol)`,
    policies: [admit({ ports: [{ port: 53 }] })],
    asks: [
      [web, db, 53, true],
      [web, db, 53, false, 'UDP'],
      [web, db, 53, false, 'SCTP'],
    ],
  },
  {
    trap: 'a port entry without a port is all ports of its protocol',
    source: `${API} (NetworkPolicyPort.port)`,
    policies: [admit({ ports: [{ protocol: 'UDP' }] })],
    asks: [
      [web, db, 1, true, 'UDP'],
      [web, db, 65535, true, 'UDP'],
      [web, db, 1, false],
    ],
  },
  {
    trap: 'SCTP is a protocol of its own',
    source: `${CONCEPT}#network-traffic-filtering`,
    policies: [admit({ ports: [{ protocol: 'SCTP', port: 80 }] })],
    asks: [
      [web, db, 80, true, 'SCTP'],
      [web, db, 80, false],
      [web, db, 80, false, 'UDP'],
    ],
  },
  {
    trap: 'endPort is included',
    source: `${CONCEPT}#targeting-a-range-of-ports`,
    policies: [admit({ ports: [{ port: 32000, endPort: 32768 }] })],
    asks: [
      [web, db, 31999, false],
      [web, db, 32000, true],
      [web, db, 32768, true],
      [web, db, 32769, false],
    ],
  },
  {
    trap: 'a named port is each destination pod’s own number',
    source: `${API} (NetworkPolicyPort.port)`,
    policies: [admit({ ports: [{ port: 'http' }] })],
    asks: [
      [web, db, 8080, true],
      [web, db, 9090, false],
      [web, db2, 9090, true],
      [web, db2, 8080, false],
    ],
  },
  {
    trap: 'and stays so beside a policy that names none',
    source: `${API} (NetworkPolicyPort.port)`,
    policies: [admit({ ports: [{ port: 'http' }] }), onDb({ policyTypes: ['Ingress'], ingress: [] }, 'deny')],
    asks: [
      [web, db, 8080, true],
      [web, db2, 9090, true],
      [web, db2, 8080, false],
    ],
  },
  {
    trap: 'for egress, too, the destination pod names the port',
    source: `${API} (NetworkPolicyPort.port)`,
    policies: [
      policy('shop', 'web', {
        podSelector: app('web'),
        egress: [{ ports: [{ port: 'http' }] }],
        policyTypes: ['Egress'],
      }),
    ],
    asks: [
      [web, db, 8080, true],
      [web, db2, 8080, false],
      [web, db2, 9090, true],
      [web, anywhere('203.0.113.1/32'), 8080, false],
    ],
  },
  {
    trap: 'a named port of another protocol is not it',
    source: `${API} (NetworkPolicyPort.port)`,
    policies: [admit({ ports: [{ protocol: 'TCP', port: 'dns' }] })],
    asks: [
      [web, db, 53, false],
      [web, db, 53, false, 'UDP'],
    ],
  },
  {
    trap: 'ipBlock with except, addresses outside',
    source: `${CONCEPT}#behavior-of-to-and-from-selectors`,
    policies: [admit({ from: [{ ipBlock: { cidr: '172.17.0.0/16', except: ['172.17.1.0/24'] } }] })],
    asks: [
      [anywhere('172.17.0.9/32'), db, 80, true],
      [anywhere('172.17.1.9/32'), db, 80, false],
      [anywhere('172.18.0.1/32'), db, 80, false],
      [anywhere('172.17.0.0/16'), db, 80, false],
      [anywhere('172.17.2.0/24'), db, 80, true],
    ],
  },
  {
    trap: 'except takes away from its own block only',
    source: `${API} (IPBlock.except)`,
    policies: [
      admit({
        from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }, { ipBlock: { cidr: '10.1.2.0/24' } }],
      }),
    ],
    asks: [
      [anywhere('10.1.2.3/32'), db, 80, true],
      [anywhere('10.1.3.3/32'), db, 80, false],
    ],
  },
  {
    trap: 'ipBlock of IPv6',
    source: `${API} (IPBlock.cidr)`,
    policies: [
      onDb({
        policyTypes: ['Egress'],
        egress: [{ to: [{ ipBlock: { cidr: '2001:db8::/32', except: ['2001:db8:1::/48'] } }] }],
      }),
    ],
    asks: [
      [db, anywhere('2001:db8::1/128'), 80, true],
      [db, anywhere('2001:db8:1::1/128'), 80, false],
      [db, anywhere('10.0.0.9/32'), 80, false],
    ],
  },
  {
    trap: 'ipBlock against pod addresses is by the letter, and depends on the plugin',
    source: `${CONCEPT}#behavior-of-to-and-from-selectors`,
    policies: [admit({ from: [{ ipBlock: { cidr: '10.0.1.0/24' } }] })],
    asks: [
      [pay, db, 80, 'plugin-dependent'],
      [web, db, 80, false],
    ],
  },
  {
    trap: 'a selector that allows the same makes it certain',
    source: `${CONCEPT}#behavior-of-to-and-from-selectors`,
    policies: [admit({ from: [{ ipBlock: { cidr: '10.0.0.0/8' } }, { namespaceSelector: team('b') }] })],
    asks: [
      [pay, db, 80, true],
      [web, db, 80, 'plugin-dependent'],
    ],
  },
  {
    trap: 'any address of a dual-stack pod counts',
    source: `${API} (IPBlock.cidr)`,
    policies: [admit({ from: [{ ipBlock: { cidr: 'fd00::/64' } }] })],
    asks: [
      [pay, db, 80, 'plugin-dependent'],
      [ops, db, 80, false],
    ],
  },
  {
    trap: 'a pod without an address may get one inside any block',
    source: `${CONCEPT}#pod-lifecycle`,
    policies: [admit({ from: [{ ipBlock: { cidr: '10.0.0.0/8' } }] })],
    asks: [[pending, db, 80, 'plugin-dependent']],
  },
  {
    trap: 'a pod cannot block access to itself',
    source: `${CONCEPT} (the first list)`,
    policies: [policy('shop', 'all', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] })],
    asks: [
      [db, db, 80, true],
      [db, db2, 80, false],
    ],
  },
  {
    trap: 'ended pods have no traffic',
    source: `${PHASES}#pod-phase`,
    policies: [],
    asks: [[ended, db, 80, false]],
  },
];

describe.each(rows)('$trap ($source)', ({ policies, asks }) => {
  const judge = createJudge({ namespaces, policies });
  test.each(asks)('%o -> %o port %i: %o', (from, to, port, allowed, protocol = 'TCP') => {
    const verdict = judge(from, to, port, protocol);
    expect([verdict.allowed, verdict.pluginDependent]).toEqual([allowed !== false, allowed === 'plugin-dependent']);
  });
});

describe(`what policies do not govern (${CONCEPT}#networkpolicy-and-hostnetwork-pods)`, () => {
  const everyPod = admit({ from: [{ namespaceSelector: {} }] });
  const judge = createJudge({
    namespaces,
    policies: [everyPod, policy('ops', 'all', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] })],
  });

  test('hostNetwork pods are their node: no selector matches them, and plugins differ', () => {
    expect(judge(host, db, 80, 'TCP')).toMatchObject({
      allowed: false,
      notGoverned: 'hostNetwork',
      pluginDependent: true,
    });
  });

  test('hostNetwork pods are not isolated by a policy that selects them', () => {
    expect(judge(host, pay, 80, 'TCP')).toMatchObject({
      allowed: true,
      notGoverned: 'hostNetwork',
      pluginDependent: true,
    });
    expect(judge(pay, host, 80, 'TCP')).toMatchObject({
      allowed: true,
      notGoverned: 'hostNetwork',
      pluginDependent: true,
    });
  });

  test('an ipBlock with the node’s address lets them in', () => {
    const open = createJudge({ namespaces, policies: [admit({ from: [{ ipBlock: { cidr: '192.168.0.0/24' } }] })] });
    expect(open(host, db, 80, 'TCP')).toMatchObject({ allowed: true, notGoverned: 'hostNetwork' });
  });

  test('the node that a pod runs on is always let through, as an address and as a hostNetwork pod on it', () => {
    const deny = policy('shop', 'deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
    const closed = createJudge({ namespaces, policies: [deny] });
    expect(closed({ cidr: '192.168.0.1/32' }, web, 80, 'TCP')).toMatchObject({
      allowed: true,
      notGoverned: 'own node',
    });
    expect(closed(host, web, 80, 'TCP')).toMatchObject({ allowed: true, notGoverned: 'own node' });
    expect(closed({ cidr: '192.168.0.1/32' }, db, 80, 'TCP')).toMatchObject({ allowed: false });
    expect(closed({ cidr: '192.168.0.1/32' }, db, 80, 'TCP').notGoverned).toBeUndefined();
  });

  test('lists leave hostNetwork pods out and name them apart', () => {
    const all = cluster([web, host]);
    expect(JSON.stringify(connections(all))).not.toContain('agent');
    expect(notGoverned(all)).toEqual([{ namespace: 'ops', kind: 'Pod', name: 'agent' }]);
  });
});

test('reasons name the policies that allow, isolate and miss, for each end', () => {
  const judge = createJudge({
    namespaces,
    policies: [
      admit({ from: [{ podSelector: app('web') }], ports: [{ port: 80 }] }),
      onDb({ ingress: [{ from: [{ namespaceSelector: team('b') }] }] }, 'other'),
    ],
  });
  expect(judge(web, db, 80, 'TCP').reasons).toEqual(['egress: not isolated', 'ingress: allowed by shop/db']);
  expect(judge(ops, db, 80, 'TCP')).toMatchObject({
    reasons: ['egress: not isolated', 'ingress: isolated by shop/db, shop/other, and no policy allows it'],
    egress: { allowed: true, isolatedBy: [], allowedBy: [] },
    ingress: { allowed: false, isolatedBy: ['shop/db', 'shop/other'], allowedBy: [] },
  });
});

test('a generated client calls `from` `_from`: it is read all the same, not taken for missing', () => {
  const rule = { _from: [{ podSelector: app('web') }] };
  const judge = createJudge({ namespaces, policies: [admit(rule)] });
  expect(judge(web, db, 80, 'TCP').allowed).toBe(true);
  expect(judge(ops, db, 80, 'TCP').allowed).toBe(false);
});
