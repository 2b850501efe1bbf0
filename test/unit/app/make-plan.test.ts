import { describe, expect, test } from 'vitest';
import { planOf } from '../../../src/app/make-plan.ts';
import type { Survey } from '../../../src/app/ports.ts';
import { digestOfPlan } from '../../../src/domain/plan.ts';
import { type PolicyInput, type Profile, policySchema } from '../../../src/domain/policy.ts';
import type { NetworkPolicy, Pod } from '../../../src/network/types.ts';
import { POLICY } from '../../support/app-world.ts';
import { ADA } from '../../support/grants.ts';

type ProfileInput = PolicyInput['profiles'][string];
const profile = (change: Partial<ProfileInput> = {}): Profile =>
  policySchema.parse({ ...POLICY, profiles: { debug: { ...POLICY.profiles.debug, ...change } } }).profiles
    .debug as Profile;
const network = (change: object) =>
  profile({ network: { mode: 'workspace', image: 'example.test/tools:1', ...change } });

const pod = (name: string, app: string, change: Partial<Pod> = {}): Pod => ({
  namespace: 'staging',
  name,
  labels: { app },
  ips: ['10.0.0.1'],
  hostNetwork: false,
  ports: [],
  owner: { kind: 'Deployment', name: app },
  phase: 'Running',
  ...change,
});
const policy = (name: string, spec: NetworkPolicy['spec'], namespace = 'staging'): NetworkPolicy => ({
  metadata: { namespace, name },
  spec,
});
const DENY = policy('default-deny', { podSelector: {}, policyTypes: ['Ingress'] });
const CHECKOUT: Survey['target'] = { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } };
const LABELS = { matchLabels: { app: 'checkout' } };

function survey(
  change: Partial<NonNullable<Survey['workload']>> = {},
  policies: NetworkPolicy[] = [DENY],
  pods?: Pod[],
): Survey {
  return {
    target: CHECKOUT,
    service: null,
    workload: {
      uid: 'uid-1',
      selector: LABELS,
      pods: [{ name: 'checkout-1', ip: '10.0.0.1', hostNetwork: false }],
      ports: [{ port: 8080, protocol: 'TCP' }],
      services: [],
      strangers: [],
      ...change,
    },
    roleRules: null,
    cluster: {
      namespaces: ['staging', 'workspaces'].map((name) => ({ name, labels: { 'kubernetes.io/metadata.name': name } })),
      pods: pods ?? [pod('checkout-1', 'checkout'), pod('catalog-1', 'catalog', { ips: ['10.0.0.2'] })],
      policies,
    },
    otherPolicies: [],
    unprobed: null,
  };
}
const plan = (p: Profile, s: Survey) =>
  planOf(
    {
      id: 'g-aaaaaa',
      requester: ADA,
      target: CHECKOUT,
      profileName: 'debug',
      duration: 60,
    },
    p,
    s,
    'workspaces',
  );
const refused = (rule: string) =>
  expect.objectContaining({ name: 'Refusal', rule: expect.stringContaining(rule) as string });

describe('a workspace', () => {
  test('opens the target’s port and nothing else, and says so', () => {
    const { preview, network: confinement } = plan(profile(), survey());
    expect(preview.opens).toMatchObject([
      {
        from: { namespace: 'workspaces', kind: 'Workspace' },
        to: { namespace: 'staging', kind: 'Deployment', name: 'checkout' },
        ports: [{ protocol: 'TCP', from: 8080, to: 8080 }],
        pluginDependent: false,
      },
    ]);
    expect(preview.closes).toEqual([]);
    expect(confinement).toMatchObject({ admits: true, ports: [{ port: 8080, protocol: 'TCP' }], selector: LABELS });
    expect(preview.notes.join()).toContain('its own node');
  });

  test('is admitted by a policy only where the target is isolated: an allowance for open pods would close the house', () => {
    expect(plan(profile(), survey({}, [])).network).toMatchObject({ admits: false });
  });

  test.each<[string, Survey, string]>([
    ['no pods', survey({ pods: [] }), 'network'],
    ['pods on the host’s network', survey({ pods: [{ name: 'checkout-1', ip: '', hostNetwork: true }] }), 'network'],
    ['an empty selector', survey({ selector: {} }), 'network'],
    ['labels that others share', survey({ strangers: ['pod imposter'] }), 'network'],
    ['no port in common', survey({ ports: [] }), 'network.ports'],
  ])('is refused for a target with %s', (_what, s, rule) => {
    expect(() => plan(profile(), s)).toThrow(refused(rule));
  });

  test('that would isolate live pods is refused, unless the profile says so; then the approver sees what closes', () => {
    const half = policy('half', { podSelector: { matchLabels: { version: 'old' } }, policyTypes: ['Ingress'] });
    const pods = [
      pod('checkout-1', 'checkout', { labels: { app: 'checkout', version: 'old' } }),
      pod('checkout-2', 'checkout', { ips: ['10.0.0.3'] }),
      pod('catalog-1', 'catalog', { ips: ['10.0.0.2'] }),
    ];
    const two = survey(
      { pods: pods.slice(0, 2).map((p) => ({ name: p.name, ip: p.ips[0] ?? '', hostNetwork: false })) },
      [half],
      pods,
    );
    expect(() => plan(profile(), two)).toThrow(refused('allowIsolation'));
    expect(plan(network({ allowIsolation: true }), two).preview.closes.length).toBeGreaterThan(0);
  });

  test('that others let reach more is said, and refused by a strict profile', () => {
    const generous = policy('generous', { podSelector: {}, policyTypes: ['Egress'], egress: [{}] }, 'workspaces');
    const more = survey({}, [generous]);
    const { preview } = plan(profile(), more);
    expect(preview.opens.map(({ to }) => ('name' in to ? to.name : to.cidr))).toContain('catalog');
    expect(preview.notes.join()).toContain('more than the target');
    expect(() => plan(network({ strict: true }), more)).toThrow(refused('strict'));
  });

  test('knows the target by its Services without DNS, else by its pods', () => {
    const named = plan(profile(), survey({ services: [{ name: 'shop', clusterIP: '10.1.0.9' }] })).network;
    expect(named).toMatchObject({
      hostAliases: [
        { ip: '10.1.0.9', hostnames: ['shop', 'shop.staging', 'shop.staging.svc', 'shop.staging.svc.cluster.local'] },
      ],
    });
    expect(plan(profile(), survey({ services: [{ name: 'headless', clusterIP: null }] })).network).toMatchObject({
      hostAliases: [{ ip: '10.0.0.1', hostnames: ['checkout', 'checkout.staging'] }],
    });
  });
});

describe('ports of the target', () => {
  const two = (first: Pod['ports'], second: Pod['ports']) => {
    const pods = [
      pod('checkout-1', 'checkout', { ports: first }),
      pod('checkout-2', 'checkout', { ips: ['10.0.0.3'], ports: second }),
    ];
    return survey(
      { pods: pods.map((p) => ({ name: p.name, ip: p.ips[0] ?? '', hostNetwork: false })), ports: [] },
      [DENY],
      pods,
    );
  };
  const http = (containerPort: number) => [{ name: 'http', containerPort, protocol: 'TCP' as const }];

  test('by name stand for the number that all pods give to it', () => {
    const named = plan(network({ ports: [{ port: 'http' }, { port: 8080 }] }), two(http(8080), http(8080)));
    expect(named.network).toMatchObject({ ports: [{ port: 8080, protocol: 'TCP' }] });
  });

  test.each<[string, Profile, Survey]>([
    ['differ between pods', network({ ports: [{ port: 'http' }] }), two(http(8080), http(9090))],
    ['are missing on a pod', network({ ports: [{ port: 'http' }] }), two(http(8080), [])],
    ['are of another protocol', network({ ports: [{ port: 'http', protocol: 'UDP' }] }), two(http(8080), http(8080))],
    ['differ between pods though no profile names them', profile(), two(http(8080), http(9090))],
  ])('by name that %s are refused, and the pods are named', (_what, p, s) => {
    expect(() => plan(p, s)).toThrow(refused('network.ports'));
    expect(() => plan(p, s)).toThrow(/'http' .*on checkout-1/);
  });
});

describe('mode contain', () => {
  const contained = (change: object = {}) =>
    profile({
      rules: [{ apiGroups: [''], resources: ['pods/exec'], verbs: ['get', 'create'] }],
      network: {
        mode: 'contain',
        to: [{ namespace: 'staging', pods: { app: 'catalog' }, ports: [{ port: 8080 }] }],
        ...change,
      },
    });
  const EGRESS_DENY = policy('egress-deny', { podSelector: {}, policyTypes: ['Egress'] });

  test('of live pods that nothing isolates is refused, unless the profile says so; then the approver sees what closes and what is left', () => {
    expect(() => plan(contained(), survey({}, []))).toThrow(refused('allowIsolation'));
    const { network: how, preview } = plan(contained({ allowIsolation: true }), survey({}, []));
    expect(how).toMatchObject({ mode: 'contain', applies: true, selector: LABELS });
    expect(preview.isolates).toEqual(['staging/deployment/checkout (egress)']);
    expect(preview.opens).toEqual([]);
    expect(preview.closes.map(({ to }) => ('cidr' in to ? to.cidr : to.name))).toContain('catalog');
    expect(preview.reaches).toMatchObject([
      { to: { kind: 'Deployment', name: 'catalog' }, ports: [{ protocol: 'TCP', from: 8080, to: 8080 }] },
    ]);
  });

  test('adds no policy to pods that are isolated already, since it could only let them reach more', () => {
    const { network: how, preview } = plan(contained(), survey({}, [EGRESS_DENY]));
    expect(how).toMatchObject({ applies: false });
    expect(preview).toMatchObject({ opens: [], closes: [], reaches: [], isolates: [] });
    expect(preview.notes.join()).toContain('isolated for egress already');
  });

  test('does not lean on the containment of another grant, which goes when that one ends', () => {
    const { name, ...labelled } = { name: 'drawbridge-g-bbbbbb', labels: { 'drawbridge.internal/grant': 'g-bbbbbb' } };
    const others: NetworkPolicy = { ...EGRESS_DENY, metadata: { namespace: 'staging', name, ...labelled } };
    expect(plan(contained({ allowIsolation: true }), survey({}, [others])).network).toMatchObject({ applies: true });
    // To stay isolated when the other one ends is what this profile may not do.
    expect(() => plan(contained(), survey({}, [others]))).toThrow(refused('allowIsolation'));
    expect(plan(contained(), survey({}, [others, EGRESS_DENY])).network).toMatchObject({ applies: false });
  });

  test('says what existing policies let the pods reach beyond the list, and strict refuses it', () => {
    const generous = policy('generous', {
      podSelector: {},
      policyTypes: ['Egress'],
      egress: [{ to: [{ ipBlock: { cidr: '192.0.2.0/24' } }] }],
    });
    expect(plan(contained(), survey({}, [generous])).preview.notes.join()).toContain('192.0.2.0/24');
    expect(() => plan(contained({ strict: true }), survey({}, [generous]))).toThrow(refused('strict'));
    expect(plan(contained({ strict: true }), survey({}, [EGRESS_DENY])).network).toMatchObject({ mode: 'contain' });
  });

  test('to nothing at all is a list of nothing', () => {
    const { preview } = plan(contained({ to: [], allowIsolation: true }), survey({}, []));
    expect(preview.reaches).toEqual([]);
  });

  test.each<[string, Survey]>([
    ['no pods', survey({ pods: [] })],
    ['labels that others share', survey({ strangers: ['pod imposter'] })],
    ['an empty selector', survey({ selector: {} })],
  ])('is refused for a target with %s', (_what, s) => {
    expect(() => plan(contained({ allowIsolation: true }), s)).toThrow(refused('network'));
  });
});

describe('mode bastion', () => {
  const tools = (change: object = {}) =>
    profile({
      network: {
        mode: 'bastion',
        from: [{ cidr: '10.8.0.0/16' }, { namespace: 'ops', pods: { app: 'bastion' } }],
        ...change,
      },
    });

  test('admits the sources to an isolated target, on its ports', () => {
    const { network: how, preview } = plan(tools(), survey());
    expect(how).toMatchObject({ mode: 'bastion', admits: true, ports: [{ port: 8080, protocol: 'TCP' }] });
    expect(preview.opens).toMatchObject([
      { from: { cidr: '10.8.0.0/16' }, to: { name: 'checkout' }, ports: [{ from: 8080, to: 8080 }] },
    ]);
    expect(preview.closes).toEqual([]);
  });

  test('has nothing to do where nothing isolates the target', () => {
    const { network: how, preview } = plan(tools(), survey({}, []));
    expect(how).toMatchObject({ admits: false });
    expect(preview).toMatchObject({ opens: [], closes: [], isolates: [] });
    expect(preview.notes.join()).toContain('nothing to open');
  });
});

describe('mode none', () => {
  const exec = profile({
    rules: [{ apiGroups: [''], resources: ['pods/exec'], verbs: ['get', 'create'] }],
    network: { mode: 'none' },
  });

  test('shows what the pods can reach, where the rights let somebody into them', () => {
    const { preview } = plan(exec, survey());
    expect(preview.reaches.map(({ to }) => ('cidr' in to ? to.cidr : to.name))).toEqual(['0.0.0.0/0']);
    expect(preview.opens).toEqual([]);
  });

  test('looks at nothing where they do not', () => {
    const logs = profile({
      rules: [{ apiGroups: [''], resources: ['pods/log'], verbs: ['get'] }],
      network: { mode: 'none' },
    });
    expect(plan(logs, { ...survey(), cluster: null }).preview).toMatchObject({
      reaches: [],
      notes: ['No network change.'],
    });
  });

  test('is another plan once the pods reach something else', () => {
    const deny = policy('egress-deny', { podSelector: {}, policyTypes: ['Egress'] });
    expect(digestOfPlan(plan(exec, survey()))).not.toBe(digestOfPlan(plan(exec, survey({}, [deny]))));
  });

  test('stores a long list cut, and fixes the whole of it', () => {
    const many = (last: string) => [
      pod('checkout-1', 'checkout'),
      ...Array.from({ length: 300 }, (_, i) =>
        pod(`p${i}`, i === 299 ? last : `app-${i}`, { ips: [`10.1.${i >> 8}.${i & 255}`] }),
      ),
    ];
    const one = plan(exec, survey({}, [], many('zulu')));
    expect(one.preview.reaches.length).toBeLessThan(100);
    expect(one.preview.reaches.length + one.preview.unlisted.reaches).toBeGreaterThan(300);
    expect(digestOfPlan(one)).not.toBe(digestOfPlan(plan(exec, survey({}, [], many('zebra')))));
  });
});

describe('a workspace for a target that is named by a Service', () => {
  const PORTS = [
    { dialled: 80, port: 8080, protocol: 'TCP' },
    { dialled: 9090, port: 9090, protocol: 'TCP' },
  ] as const;
  const behind = (
    change: Partial<NonNullable<Survey['service']>> = {},
    clusterIP: string | null = '10.1.0.9',
  ): Survey => {
    const service = { name: 'shop', headless: false, ports: PORTS, ...change };
    const ports = service.ports.map(({ port, protocol }) => ({ port, protocol }));
    return {
      ...survey({ ports, services: [{ name: 'shop', clusterIP }] }),
      target: { ...CHECKOUT, service: 'shop' },
      service,
    };
  };

  test('opens the container ports on which the Service arrives, and says where it is dialled on others', () => {
    const made = plan(profile(), behind());
    expect(made.target).toEqual({ ...CHECKOUT, service: 'shop' });
    expect(made.network).toMatchObject({ ports: [{ port: 8080 }, { port: 9090 }] });
    expect(made.preview.notes).toContain('Service shop: dialled on 80, arrives on 8080/TCP.');
    expect(made.preview.notes.join()).not.toContain('dialled on 9090');
    expect(made.network).toMatchObject({
      hostAliases: [{ ip: '10.1.0.9', hostnames: expect.arrayContaining(['shop']) as string[] }],
    });
  });

  test('opens none that the profile does not name, and says which; with none left it is refused', () => {
    const only = (...ports: number[]) => network({ ports: ports.map((port) => ({ port })) });
    const made = plan(only(9090, 5432), behind());
    expect(made.network).toMatchObject({ ports: [{ port: 9090, protocol: 'TCP' }] });
    expect(made.preview.opens.flatMap((c) => c.ports)).toEqual([{ protocol: 'TCP', from: 9090, to: 9090 }]);
    expect(made.preview.notes).toContain('Service shop also has 8080/TCP, which this profile does not open.');
    // 80 is where people dial it: policies never see that number.
    expect(() => plan(only(80), behind())).toThrow(refused('network.ports'));
  });

  test('knows the pods by the name of a headless Service, and says that it is one', () => {
    const made = plan(profile(), behind({ headless: true }, null));
    expect(made.network).toMatchObject({
      hostAliases: [
        { ip: '10.0.0.1', hostnames: ['shop', 'shop.staging', 'shop.staging.svc', 'shop.staging.svc.cluster.local'] },
      ],
    });
    expect(made.preview.notes.join()).toMatch(/shop is headless: .* dialled on 8080\/TCP, 9090\/TCP/);
  });

  test.each<[string, Survey]>([
    [
      'leads to another workload',
      { ...behind(), target: { ...CHECKOUT, workload: { kind: 'Deployment', name: 'catalog' }, service: 'shop' } },
    ],
    ['arrives on another port', behind({ ports: [{ dialled: 80, port: 8081, protocol: 'TCP' }, PORTS[1]] })],
    ['is dialled on another port', behind({ ports: [{ dialled: 81, port: 8080, protocol: 'TCP' }, PORTS[1]] })],
  ])('is another plan when the Service %s', (_what, changed) => {
    expect(digestOfPlan(plan(profile(), changed))).not.toBe(digestOfPlan(plan(profile(), behind())));
  });

  test('is as narrow in mode bastion; and what its pods call their ports does not matter where the Service names numbers', () => {
    const tools = profile({ network: { mode: 'bastion', from: [{ cidr: '10.8.0.0/16' }] } });
    const http = (containerPort: number) => [{ name: 'http', containerPort, protocol: 'TCP' as const }];
    const pods = [
      pod('checkout-1', 'checkout', { ports: http(8080) }),
      pod('checkout-2', 'checkout', { ips: ['10.0.0.3'], ports: http(9090) }),
    ];
    const { cluster } = survey({}, [DENY], pods);
    const made = plan(tools, { ...behind({ ports: [PORTS[0]] }), cluster });
    expect(made.network).toMatchObject({ mode: 'bastion', ports: [{ port: 8080, protocol: 'TCP' }] });
    expect(made.preview.notes).toContain('Service shop: dialled on 80, arrives on 8080/TCP.');
  });

  test('is the same plan when the Service has another address', () => {
    expect(digestOfPlan(plan(profile(), behind({}, '10.1.0.10')))).toBe(digestOfPlan(plan(profile(), behind())));
  });
});

test('policies of other kinds are said to be not looked at, also when it is not known whether there are any; the digest fixes that', () => {
  const said = (otherPolicies: Survey['otherPolicies']) => {
    const made = plan(profile(), { ...survey(), otherPolicies });
    return { notes: made.preview.notes.join(), digest: digestOfPlan(made) };
  };
  const cilium = said(['CiliumNetworkPolicy (cilium.io)']);
  expect(cilium.notes).toMatch(/NetworkPolicy layer only: .* not looked at: CiliumNetworkPolicy \(cilium.io\)/);
  expect(said(null).notes).toMatch(/NetworkPolicy layer only: .* not known/);
  expect(said([]).notes).not.toContain('layer only');
  expect(new Set([cilium.digest, said(null).digest, said([]).digest]).size).toBe(3);
});

test('a named role by which access outlives the grant needs the profile’s acknowledgement, and the approver sees why', () => {
  const s: Survey = {
    target: { namespace: 'staging' },
    service: null,
    workload: null,
    cluster: null,
    otherPolicies: [],
    unprobed: null,
    roleRules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }],
  };
  const change = { scope: 'namespace', rules: undefined, clusterRole: 'sneaky', network: { mode: 'none' } } as const;
  expect(() => plan(profile(change), s)).toThrow(refused('acknowledgePersistence'));
  expect(plan(profile({ ...change, acknowledgePersistence: true }), s).persistence).toEqual(['reads secrets']);
});

describe('what people write into a namespace', () => {
  const holed = (namespace: string, count: number, holes: number, port?: (index: number) => number) =>
    Array.from({ length: count }, (_, index) =>
      policy(
        `policy-${index}`,
        {
          podSelector: {},
          policyTypes: ['Egress'],
          egress: [
            {
              to: [
                {
                  ipBlock: {
                    cidr: '0.0.0.0/0',
                    except: Array.from({ length: holes }, (__, hole) => `${index + 1}.${hole >> 8}.${hole & 255}.0/24`),
                  },
                },
              ],
              ports: [{ protocol: 'TCP', port: port?.(index) ?? 443 }],
            },
          ],
        },
        namespace,
      ),
    );
  const exec = profile({
    rules: [{ apiGroups: [''], resources: ['pods/exec'], verbs: ['create'] }],
    network: { mode: 'none' },
  });

  test('is shown in short: a record of it fits into an annotation', () => {
    const { preview } = plan(exec, survey({}, holed('staging', 1, 5000)));
    expect(preview.unlisted.reaches).toBeGreaterThan(0);
    expect(JSON.stringify(preview).length).toBeLessThan(100_000);
  });

  test('is refused there by its amount, with what that is', () => {
    const many = survey(
      {},
      holed('staging', 240, 20, (index) => 1000 + 2 * index),
    );
    expect(() => plan(exec, many)).toThrow(
      /NetworkPolicies of namespace staging \(240 with 240 rules, 5,040 address blocks, 240 port ranges/,
    );
  });

  test('hinders nobody elsewhere: it counts as open, and that is said', () => {
    const { preview } = plan(
      exec,
      survey(
        {},
        [DENY, ...holed('greedy', 240, 20, (index) => 1000 + 2 * index)],
        [pod('checkout-1', 'checkout'), pod('greedy-1', 'greedy', { namespace: 'greedy', ips: ['10.0.0.9'] })],
      ),
    );
    expect(preview.reaches).toContainEqual(
      expect.objectContaining({ to: { namespace: 'greedy', kind: 'Deployment', name: 'greedy' } }),
    );
    expect(preview.notes.join()).toContain('as if there were none: the NetworkPolicies of namespace greedy');
  });
});
