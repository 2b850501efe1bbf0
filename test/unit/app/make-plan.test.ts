import { describe, expect, test } from 'vitest';
import { planOf } from '../../../src/app/make-plan.ts';
import type { Survey } from '../../../src/app/ports.ts';
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
const LABELS = { matchLabels: { app: 'checkout' } };

function survey(
  change: Partial<NonNullable<Survey['workload']>> = {},
  policies: NetworkPolicy[] = [DENY],
  pods?: Pod[],
): Survey {
  return {
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
  };
}
const plan = (p: Profile, s: Survey) =>
  planOf(
    {
      id: 'g-aaaaaa',
      requester: ADA,
      target: { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } },
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

test('a named role by which access outlives the grant needs the profile’s acknowledgement, and the approver sees why', () => {
  const s: Survey = {
    workload: null,
    cluster: null,
    roleRules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }],
  };
  const change = { scope: 'namespace', rules: undefined, clusterRole: 'sneaky', network: { mode: 'none' } } as const;
  expect(() => plan(profile(change), s)).toThrow(refused('acknowledgePersistence'));
  expect(plan(profile({ ...change, acknowledgePersistence: true }), s).persistence).toEqual(['reads secrets']);
});
