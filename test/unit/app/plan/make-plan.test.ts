import { describe, expect, test } from 'vitest';
import { planOf } from '../../../../src/app/plan/make-plan.ts';
import type { Survey } from '../../../../src/app/ports/survey.ts';
import { differencesOf } from '../../../../src/domain/plan/differences.ts';
import { boundOf, digestOfPlan } from '../../../../src/domain/plan/plan.ts';
import { type Profile } from '../../../../src/domain/policy/policy.ts';
import { type PolicyInput, policySchema } from '../../../../src/domain/policy/schema.ts';
import { type Kit, rulesOfKits } from '../../../../src/domain/rights/kits.ts';
import type { WorkloadKind } from '../../../../src/domain/rights/rights.ts';
import type { NetworkPolicy, Pod } from '../../../../src/network/types.ts';
import { POLICY } from '../../../support/app-world.ts';
import { ADA } from '../../../support/grants.ts';

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
    asOf: 0,
    clusterUid: 'cluster-1',
    namespaceUid: 'namespace-1',
    target: CHECKOUT,
    service: null,
    workload: {
      uid: 'uid-1',
      selector: LABELS,
      labels: { app: 'checkout' },
      pods: [{ name: 'checkout-1', ip: '10.0.0.1', hostNetwork: false }],
      ports: [{ port: 8080, protocol: 'TCP' }],
      ended: [],
      replicas: 1,
      services: [],
      kin: [],
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
    staleSince: null,
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

describe('rights in words', () => {
  const words = (...rights: Kit[]) => profile({ rules: undefined, rights, network: { mode: 'none' } });
  const of = (kind: WorkloadKind, p: Profile, rights?: Kit[]) => {
    const target = { namespace: 'staging', workload: { kind, name: 'checkout' } };
    const wish = { id: 'g-aaaaaa' as const, requester: ADA, target, profileName: 'debug', duration: 60 };
    return planOf({ ...wish, ...(rights && { rights }) }, p, { ...survey(), target }, 'workspaces');
  };

  test('are in the plan with their rules', () => {
    const made = of('Deployment', words('scale', 'logs'));
    expect(made.rights).toEqual(['logs', 'scale']);
    expect(made.rules).toEqual(rulesOfKits(['logs', 'scale'], 'Deployment'));
    expect(of('Deployment', profile({ network: { mode: 'none' } })).rights).toBeNull();
  });

  test('are fewer where fewer were asked for, and that is another plan', () => {
    const all = of('Deployment', words('logs', 'exec'));
    const fewer = of('Deployment', words('logs', 'exec'), ['logs']);
    expect([fewer.rights, fewer.rules]).toEqual([['logs'], rulesOfKits(['logs'], 'Deployment')]);
    expect(digestOfPlan(fewer)).not.toBe(digestOfPlan(all));
    expect(differencesOf(boundOf(all), boundOf(fewer))[0]).toBe('rights: - exec');
  });

  test('are those that the kind of the target has', () => {
    expect(of('Job', words('logs', 'restart')).rights).toEqual(['logs']);
    expect(() => of('Job', words('logs', 'restart'), ['logs', 'restart'])).toThrow(
      expect.objectContaining({ message: 'restart: that is nothing for a Job.', remedy: 'Ask for logs.' }),
    );
    expect(() => of('Job', words('restart', 'scale'))).toThrow(refused('profiles.debug.rights'));
  });

  test('that go into pods show what these reach', () => {
    expect(of('Deployment', words('exec')).preview.notes.join()).toContain('enters containers');
    expect(of('Deployment', words('exec'), ['exec']).preview.reaches.length).toBeGreaterThan(0);
    expect(of('Deployment', words('logs', 'exec'), ['logs']).preview.reaches).toEqual([]);
  });
});

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
    const arrives = { dialled: 80, port: 8080, protocol: 'TCP' } as const;
    const admin = { dialled: 81, port: 9000, protocol: 'TCP' } as const;
    const dialled = plan(
      profile(),
      survey({ services: [{ name: 'shop', clusterIP: '10.1.0.9', ports: [arrives, admin] }] }),
    );
    // What is not opened is not told as the way in.
    expect(dialled.network).toMatchObject({ hostAliases: [{ ip: '10.1.0.9', ports: [arrives] }] });
    expect(digestOfPlan(dialled)).toBe(
      digestOfPlan(plan(profile(), survey({ services: [{ name: 'shop', clusterIP: '10.1.0.9' }] }))),
    );
    expect(plan(profile(), survey({ services: [{ name: 'headless', clusterIP: null }] })).network).toMatchObject({
      hostAliases: [{ ip: '10.0.0.1', hostnames: ['checkout', 'checkout.staging'] }],
    });
  });
});

describe('under strict, a workspace is refused', () => {
  const letsOut = (egress: object[]) =>
    policy('of-others', { podSelector: {}, policyTypes: ['Egress'], egress }, 'workspaces');
  const dns = (to: object, port: number) => letsOut([{ to: [to], ports: [{ port, protocol: 'UDP' }] }]);
  const KUBE_SYSTEM = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } } };
  const KUBE_DNS = { ...KUBE_SYSTEM, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } };
  const inNamespace = (name: string, labels: Record<string, string>, ip: string) =>
    pod(name, name, { namespace: 'kube-system', labels, ips: [ip], ports: [] });
  /** With DNS and another pod in kube-system. */
  const withSystem = (...policies: NetworkPolicy[]): Survey => {
    const base = survey({}, [DENY, ...policies]);
    if (base.cluster === null) throw new Error('no cluster');
    const pods = [
      ...base.cluster.pods,
      inNamespace('coredns', { 'k8s-app': 'kube-dns' }, '10.0.1.1'),
      inNamespace('metrics', { 'k8s-app': 'metrics' }, '10.0.1.2'),
    ];
    const namespaces = [
      ...base.cluster.namespaces,
      { name: 'kube-system', labels: { 'kubernetes.io/metadata.name': 'kube-system' } },
    ];
    return { ...base, cluster: { ...base.cluster, pods, namespaces } };
  };
  const checkout = { namespaceSelector: {}, podSelector: { matchLabels: { app: 'checkout' } } };
  const strictly = (s: Survey) => plan(network({ strict: true, dns: 'cluster' }), s);

  test.each<[string, NetworkPolicy, RegExp]>([
    ['for all ports of kube-system', letsOut([{ to: [KUBE_SYSTEM] }]), /coredns \(.*TCP.*metrics/],
    ['for DNS on another pod there', dns(KUBE_SYSTEM, 53), /kube-system\/deployment\/metrics \(53\/UDP\)/],
    ['for another port of DNS', dns(KUBE_DNS, 9153), /coredns \(9153\/UDP\)/],
    ['for another port of the target', letsOut([{ to: [checkout], ports: [{ port: 22 }] }]), /./],
    [
      'for what comes in',
      policy('of-others', { podSelector: {}, policyTypes: ['Ingress'], ingress: [{}] }, 'workspaces'),
      /from kube-system\/deployment\/coredns/,
    ],
  ])('%s', (_what, others, names) => {
    // The target itself takes all that is sent to it.
    const open = policy('open', { podSelector: { matchLabels: { app: 'checkout' } }, ingress: [{}] });
    expect(() => strictly(withSystem(open, others))).toThrow(refused('strict'));
    expect(() => strictly(withSystem(open, others))).toThrow(names);
    expect(plan(network({ dns: 'cluster' }), withSystem(open, others)).preview.notes.join()).toMatch(
      /more than the target/,
    );
  });

  test('but not for DNS, nor for the target on its port', () => {
    const meant = [dns(KUBE_DNS, 53), letsOut([{ to: [checkout], ports: [{ port: 8080 }] }])];
    for (const others of meant) expect(strictly(withSystem(others)).network).toMatchObject({ strict: true });
    expect(() => plan(network({ strict: true }), withSystem(dns(KUBE_DNS, 53)))).toThrow(refused('strict'));
  });
});

describe('a target is its pods, whoever owns them', () => {
  const EXEC = [{ apiGroups: [''], resources: ['pods/exec'], verbs: ['get', 'create'] }];
  const owners = [
    ['StatefulSet', 'db'],
    ['CronJob', 'nightly'],
    ['Rollout', 'shop'],
  ] as const;
  /** Two pods of an owner; asked for as a whole, or one of them by name. */
  const asked = (kind: string, name: string, what: 'owner' | 'pod', policies: NetworkPolicy[] = [DENY]): Survey => {
    const pods = ['1', '2'].map((n) =>
      pod(`${name}-${n}`, name, { ips: [`10.0.0.${n}`], owner: { kind, name }, labels: { app: name } }),
    );
    const own = what === 'pod' ? pods.slice(0, 1) : pods;
    const base = survey(
      {
        selector: { matchLabels: { app: name } },
        labels: { app: name },
        pods: own.map((p) => ({ name: p.name, ip: p.ips[0] ?? '', hostNetwork: false })),
        kin: what === 'pod' ? [`${name}-2`] : [],
      },
      policies,
      [...pods, pod('catalog-1', 'catalog', { ips: ['10.0.0.9'] })],
    );
    const workload = what === 'pod' ? { kind: 'Pod', name: `${name}-1` } : { kind: 'Deployment', name };
    return { ...base, target: { namespace: 'staging', workload } as Survey['target'] };
  };
  const ends = (list: readonly { from: object; to: object; ports: readonly object[] }[]) =>
    list.map(({ from, to, ports }) => ({ from, to, ports }));
  const of = (p: Profile, s: Survey) =>
    planOf(
      { id: 'g-aaaaaa', requester: ADA, target: s.target, profileName: 'debug', duration: 60 },
      p,
      s,
      'workspaces',
    );

  describe.each(owners)('%s', (kind, name) => {
    const whole = (policies?: NetworkPolicy[]) => asked(kind, name, 'owner', policies);
    const one = (policies?: NetworkPolicy[]) => asked(kind, name, 'pod', policies);
    const out = policy('out', { podSelector: { matchLabels: { app: name } }, policyTypes: ['Egress'], egress: [{}] });
    const contain = (change: object = {}) => profile({ rules: EXEC, network: { mode: 'contain', to: [], ...change } });

    test('mode none with exec: the same list, and nothing of a pod to itself', () => {
      const none = profile({ rules: EXEC, network: { mode: 'none' } });
      const list = of(none, one()).preview.reaches;
      expect(list.length).toBeGreaterThan(0);
      expect(ends(list)).toEqual(ends(of(none, whole()).preview.reaches));
      const alone = one([
        policy('out', {
          podSelector: {},
          policyTypes: ['Egress'],
          egress: [{ to: [{ podSelector: { matchLabels: { app: name } } }] }],
        }),
      ]);
      const { cluster } = alone;
      if (cluster === null) throw new Error('no cluster');
      const pods = cluster.pods.filter((p) => p.name !== `${name}-2`);
      expect(of(none, { ...alone, cluster: { ...cluster, pods } }).preview.reaches).toEqual([]);
    });

    test('mode contain: the same containment, and the same is left by other policies', () => {
      expect(of(contain(), one([out])).preview.notes.join()).toMatch(
        /reach more than the profile says: .*0\.0\.0\.0\/0/,
      );
      for (const s of [whole([out]), one([out])])
        expect(() => of(contain({ strict: true }), s)).toThrow(refused('strict'));
      const [a, b] = [whole([]), one([])].map((s) => of(contain({ allowIsolation: true }), s).preview);
      expect(ends(b!.closes)).toEqual(ends(a!.closes));
      expect(b!.isolates).toEqual(a!.isolates);
    });

    test('mode workspace: the same way in, strict or not; that siblings are reached too is said', () => {
      const strict = network({ strict: true });
      const [a, b] = [whole(), one()].map((s) => of(strict, s));
      expect(ends(b!.preview.opens)).toEqual(ends(a!.preview.opens));
      expect(b!.network).toMatchObject({ admits: true, ports: [{ port: 8080 }] });
      expect(b!.preview.notes.join()).toContain(`others of its owner (${name}-2)`);
      expect(a!.preview.notes.join()).not.toContain('of its owner');
    });

    test('mode bastion: the same sources', () => {
      const tools = profile({ network: { mode: 'bastion', from: [{ cidr: '10.8.0.0/16' }] } });
      const [a, b] = [whole(), one()].map((s) => of(tools, s).preview.opens);
      expect(b!.length).toBeGreaterThan(0);
      expect(ends(b!)).toEqual(ends(a!));
    });

    test('all pods that the selector selects must be isolated before anybody is admitted', () => {
      const first = policy('first', { podSelector: { matchLabels: { app: name, n: '1' } }, policyTypes: ['Ingress'] });
      const s = one([first]);
      const { cluster } = s;
      if (cluster === null) throw new Error('no cluster');
      const pods = cluster.pods.map((p) => ({ ...p, labels: { ...p.labels, n: p.name.slice(-1) } }));
      expect(() => of(profile(), { ...s, cluster: { ...cluster, pods } })).toThrow(refused('allowIsolation'));
    });
  });
});

describe('an approval binds what is around the pods', () => {
  const digest = (p: Profile, ...policies: NetworkPolicy[]) => digestOfPlan(plan(p, survey({}, [DENY, ...policies])));
  const web = (port: number, change: object = {}) =>
    policy('allow-web', {
      podSelector: { matchLabels: { app: 'checkout' } },
      ingress: [{ ports: [{ port }] }],
      ...change,
    });
  const ofGrant: NetworkPolicy = {
    ...web(80),
    metadata: {
      namespace: 'staging',
      name: 'drawbridge-g-bbbbbb',
      labels: { 'drawbridge.internal/grant': 'g-bbbbbb' },
    },
  };

  test('policies that select the target or the workspace, by content', () => {
    expect(digest(profile(), web(80))).not.toBe(digest(profile()));
    expect(digest(profile(), web(80))).not.toBe(digest(profile(), web(81)));
    const inWorkspaces = policy('deny', { podSelector: {}, policyTypes: ['Egress'] }, 'workspaces');
    expect(digest(profile(), inWorkspaces)).not.toBe(digest(profile()));
  });

  test('and none that select others, are in other namespaces, or are of other grants', () => {
    const others = web(80, { podSelector: { matchLabels: { app: 'catalog' } } });
    const elsewhere = { ...web(80), metadata: { namespace: 'payments', name: 'allow-web' } };
    for (const one of [others, elsewhere, ofGrant]) expect(digest(profile(), one)).toBe(digest(profile()));
  });

  test('how the pods are isolated, without the grant and with it', () => {
    const { surroundings } = plan(profile(), survey());
    expect(surroundings.isolation).toEqual([
      { pods: 'target', before: ['Ingress'], with: ['Ingress'] },
      { pods: 'workspace', before: [], with: ['Ingress', 'Egress'] },
    ]);
    const contained = profile({ network: { mode: 'contain', to: [], allowIsolation: true } });
    expect(plan(contained, survey()).surroundings.isolation).toEqual([
      { pods: 'target', before: ['Ingress'], with: ['Ingress', 'Egress'] },
    ]);
  });

  test('of a whole namespace, whose pods the rights enter: every policy there', () => {
    const s: Survey = { ...survey({}, [DENY, web(80)]), target: { namespace: 'staging' }, workload: null };
    const everywhere = profile({
      scope: 'namespace',
      rules: [{ apiGroups: [''], resources: ['pods/exec'], verbs: ['create'] }],
      network: { mode: 'none' },
    });
    const made = planOf(
      { id: 'g-aaaaaa', requester: ADA, target: s.target, profileName: 'debug', duration: 60 },
      everywhere,
      s,
      'w',
    );
    expect(made.surroundings.policies.map(({ name }) => name)).toEqual(['staging/allow-web', 'staging/default-deny']);
    expect(made.surroundings.isolation).toEqual([]);
  });

  test('none, where nobody gets into a pod and nothing is put into the network', () => {
    const logs = profile({
      rules: [{ apiGroups: [''], resources: ['pods/log'], verbs: ['get'] }],
      network: { mode: 'none' },
    });
    expect(plan(logs, { ...survey(), cluster: null }).surroundings).toEqual({ policies: [], isolation: [] });
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

  test('is another plan once another policy selects the pods', () => {
    const deny = policy('egress-deny', { podSelector: {}, policyTypes: ['Egress'] });
    expect(digestOfPlan(plan(exec, survey()))).not.toBe(digestOfPlan(plan(exec, survey({}, [deny]))));
  });

  test('is the same plan when something comes or goes elsewhere that the pods could reach', () => {
    const elsewhere = pod('nightly-1', 'nightly', { namespace: 'batch', owner: { kind: 'CronJob', name: 'nightly' } });
    const s = survey();
    const busy = survey({}, [DENY], [...(s.cluster?.pods ?? []), elsewhere]);
    expect(plan(exec, busy).preview.reaches.length).toBeGreaterThan(plan(exec, s).preview.reaches.length);
    expect(digestOfPlan(plan(exec, busy))).toBe(digestOfPlan(plan(exec, s)));
  });

  test('stores a long list cut, and says how much is not listed', () => {
    const many = [
      pod('checkout-1', 'checkout'),
      ...Array.from({ length: 300 }, (_, i) => pod(`p${i}`, `app-${i}`, { ips: [`10.1.${i >> 8}.${i & 255}`] })),
    ];
    const one = plan(exec, survey({}, [], many));
    expect(one.preview.reaches.length).toBeLessThan(100);
    expect(one.preview.reaches.length + one.preview.unlisted.reaches).toBeGreaterThan(300);
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

  test('is the same plan when the Service has another address, or is dialled on another port', () => {
    const digest = digestOfPlan(plan(profile(), behind()));
    expect(digestOfPlan(plan(profile(), behind({}, '10.1.0.10')))).toBe(digest);
    const dialled = plan(profile(), behind({ ports: [{ dialled: 81, port: 8080, protocol: 'TCP' }, PORTS[1]] }));
    expect(digestOfPlan(dialled)).toBe(digest);
    expect(dialled.preview.notes.join()).toContain('dialled on 81');
  });
});

test('policies of other kinds are said to be not looked at, also when it is not known whether there are any; no approval hangs on it', () => {
  const said = (otherPolicies: Survey['otherPolicies']) => {
    const made = plan(profile(), { ...survey(), otherPolicies });
    return { notes: made.preview.notes.join(), digest: digestOfPlan(made) };
  };
  const cilium = said(['CiliumNetworkPolicy (cilium.io)']);
  expect(cilium.notes).toMatch(/NetworkPolicy layer only: .* not looked at: CiliumNetworkPolicy \(cilium.io\)/);
  expect(said(null).notes).toMatch(/NetworkPolicy layer only: .* not known/);
  expect(said([]).notes).not.toContain('layer only');
  expect(new Set([cilium.digest, said(null).digest, said([]).digest]).size).toBe(1);
});

describe('while it is not heard of what changes in the cluster', () => {
  const since = Date.parse('2026-03-04T05:06:07.089Z');
  const stale = (): Survey => ({ ...survey(), staleSince: since });

  test('a plan says as of when it is, binds the same, and is given', () => {
    const made = plan(profile(), stale());
    expect(made.preview.notes.join()).toContain('As of 2026-03-04 05:06:07 UTC, and not as of now');
    expect(plan(profile(), survey()).preview.notes.join()).not.toContain('As of');
    expect(digestOfPlan(made)).toBe(digestOfPlan(plan(profile(), survey())));
  });

  test('a strict profile is refused, and says why', () => {
    const strict = profile({ network: { mode: 'workspace', image: 'example.test/tools:1', strict: true } });
    expect(() => plan(strict, stale())).toThrow(refused('strict'));
    expect(() => plan(strict, stale())).toThrow(/known only as it was at 2026-03-04 05:06:07 UTC/);
    expect(plan(strict, survey()).network).toMatchObject({ strict: true });
  });
});

describe('what a workspace is given', () => {
  const given = network({ resources: { cpu: '1000m', memory: '2048Mi' } });

  test('is part of the plan, as the API server keeps it, and of what is approved', () => {
    expect(plan(given, survey()).network).toMatchObject({ resources: { cpu: '1', memory: '2Gi' } });
    const more = plan(network({ resources: { cpu: 1, memory: '3Gi' } }), survey());
    expect(digestOfPlan(more)).not.toBe(digestOfPlan(plan(given, survey())));
    expect(differencesOf(boundOf(plan(given, survey())), boundOf(more)).join()).toMatch(
      /network resources: was .*2Gi.*3Gi/,
    );
  });

  test('is not said where the profile does not, so that what was approved before stays as it was', () => {
    expect(plan(network({}), survey()).network).not.toHaveProperty('resources');
  });

  test('is within the most that there is here', () => {
    const most = (cpu: string, memory: string): Survey => ({ ...survey(), mostResources: { cpu, memory } });
    expect(plan(given, most('1', '2Gi')).network).toMatchObject({ resources: { memory: '2Gi' } });
    expect(() => plan(given, most('500m', '2Gi'))).toThrow(refused('resources'));
    expect(() => plan(given, most('1', '1Gi'))).toThrow(/2Gi of memory, and 1Gi is the most here/);
    expect(plan(network({}), most('10m', '32Mi')).network).toMatchObject({ mode: 'workspace' });
  });
});

test('a named role by which access outlives the grant needs the profile’s acknowledgement, and the approver sees why', () => {
  const s: Survey = {
    asOf: 0,
    clusterUid: 'cluster-1',
    namespaceUid: 'namespace-1',
    target: { namespace: 'staging' },
    service: null,
    workload: null,
    cluster: null,
    otherPolicies: [],
    staleSince: null,
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

describe('a target without running pods', () => {
  const pods = (resource: string, verb = 'get') => [{ apiGroups: [''], resources: [resource], verbs: [verb] }];
  const at = (rules: Profile['rules'], change: Parameters<typeof survey>[0]) =>
    plan({ ...profile({ network: { mode: 'none' } }), rules }, survey({ pods: [], ...change }));

  test('that is scaled to 0 is refused where rights are for pods alone', () => {
    expect(() => at(pods('pods/log'), { replicas: 0 })).toThrow(/scaled to 0/);
    expect(() => at(pods('pods'), { replicas: 2 })).toThrow(/has no pod/);
  });

  test('can be scaled up, where that is what is asked for', () => {
    const scale = [{ apiGroups: ['apps'], resources: ['deployments/scale'], verbs: ['patch'] }];
    expect(at([...pods('pods'), ...scale], { replicas: 0 }).pods).toEqual([]);
  });

  test('whose pods have ended has their logs, by name, and that is said', () => {
    const { pods: named, preview } = at([...pods('pods/log'), ...pods('pods/exec', 'create')], {
      ended: ['checkout-9'],
    });
    expect(named).toEqual(['checkout-9']);
    expect(preview.notes.join()).toContain('All its pods have ended');
  });

  test('whose pods have ended is refused where only running ones are of use', () => {
    expect(() => at(pods('pods/exec', 'create'), { ended: ['checkout-9'] })).toThrow(/have ended/);
  });

  test('of which some run names those that have ended too, and says nothing', () => {
    const { pods: named, preview } = plan(profile({ network: { mode: 'none' } }), survey({ ended: ['checkout-0'] }));
    expect(named).toEqual(['checkout-0', 'checkout-1']);
    expect(preview.notes.join()).not.toContain('have ended');
  });
});

describe('what an approver is told of a plan', () => {
  const EXEC = [{ apiGroups: [''], resources: ['pods/exec'], verbs: ['get', 'create'] }];
  const two = (onHost: boolean): Survey => {
    const pods = [pod('checkout-1', 'checkout'), pod('checkout-2', 'checkout', { hostNetwork: onHost })];
    return survey({ pods: pods.map(({ name, hostNetwork }) => ({ name, ip: '10.0.0.1', hostNetwork })) }, [DENY], pods);
  };
  const notes = (p: Profile, s: Survey) => plan(p, s).preview.notes.join('\n');
  const none = (rules: ProfileInput['rules']) => profile({ rules, network: { mode: 'none' } });

  test('that a pod is on the host’s network, where somebody gets into it', () => {
    const words = 'Some of the pods are on the host’s network';
    expect(notes(none(EXEC), two(true))).toContain(words);
    expect(notes(none(EXEC), two(false))).not.toContain(words);
    expect(notes(none([{ ...EXEC[0]!, resources: ['pods/log'] }]), two(true))).not.toContain(words);
  });

  test('one pod on the host’s network is enough for a mode with a policy to be refused', () => {
    expect(() => plan(profile(), two(true))).toThrow(refused('network'));
  });

  test('of a usual workspace, bastion or target nothing that is not so', () => {
    const bastion = profile({ network: { mode: 'bastion', from: [{ cidr: '10.8.0.0/16' }] } });
    for (const p of [profile(), bastion, none(EXEC)])
      for (const policies of [[DENY], []]) {
        const text = notes(p, survey({}, policies));
        expect(text).not.toContain('No connection to the target would be opened');
        expect(text).not.toContain('of its owner');
        expect(text).not.toMatch(/Other policies let|have ended/);
      }
  });

  test('up to three spans of ports of what is left, whole protocols by their name', () => {
    const left = (ports: { protocol?: 'TCP' | 'UDP'; port?: number; endPort?: number }[]) => {
      const generous = policy('generous', {
        podSelector: {},
        policyTypes: ['Egress'],
        egress: [{ to: [{ ipBlock: { cidr: '192.0.2.0/24' } }], ports }],
      });
      const contained = profile({ rules: EXEC, network: { mode: 'contain', to: [] } });
      return /192\.0\.2\.0\/24 \(([^)]*)\)/.exec(notes(contained, survey({}, [generous])))?.[1];
    };
    expect(left([{ port: 1 }, { port: 3, endPort: 5 }, { port: 7 }])).toBe('1/TCP, 3-5/TCP, 7/TCP');
    expect(left([{ port: 1 }, { port: 3 }, { port: 5 }, { port: 7 }])).toBe('1/TCP, 3/TCP, 5/TCP, …');
    expect(left([{ protocol: 'TCP' }, { protocol: 'UDP', port: 53 }])).toBe('TCP, 53/UDP');
    expect(
      left([
        { port: 1, endPort: 100 },
        { protocol: 'UDP', port: 65_000, endPort: 65_535 },
      ]),
    ).toBe('1-100/TCP, 65000-65535/UDP');
  });
});

describe('a port of the target', () => {
  const twoPods = (first: Pod['ports'], second: Pod['ports']) => {
    const pods = [pod('checkout-1', 'checkout', { ports: first }), pod('checkout-2', 'checkout', { ports: second })];
    return survey({ pods: pods.map(({ name }) => ({ name, ip: '10.0.0.1', hostNetwork: false })) }, [DENY], pods);
  };

  test('is another by its protocol, and named twice is one', () => {
    const ports = [{ port: 53 }, { port: 53, protocol: 'UDP' }, { port: 54 }, { port: 53 }] as const;
    expect(plan(network({ ports: [...ports] }), survey()).network).toMatchObject({
      ports: [
        { port: 53, protocol: 'TCP' },
        { port: 53, protocol: 'UDP' },
        { port: 54, protocol: 'TCP' },
      ],
    });
  });

  test('without a name need not be on every pod', () => {
    const at = (containerPort: number, name: { name?: string }) => [
      { containerPort, protocol: 'TCP' as const, ...name },
    ];
    for (const name of [{}, { name: '' }])
      expect(plan(profile(), twoPods(at(8080, name), at(9090, name))).network).toMatchObject({
        ports: [{ port: 8080, protocol: 'TCP' }],
      });
  });
});
