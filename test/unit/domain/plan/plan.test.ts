import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonical } from '../../../../src/domain/canonical.ts';
import { differencesOf } from '../../../../src/domain/plan/differences.ts';
import { boundOf, digestOfPlan, type Plan, type Surroundings } from '../../../../src/domain/plan/plan.ts';
import { samplePlan } from '../../../support/grants.ts';
import { WORKSPACE_PLAN } from '../../../support/views.ts';

const workspace = (change: object): Plan => ({
  ...WORKSPACE_PLAN,
  network: { ...WORKSPACE_PLAN.network, ...change },
});
const [opened] = WORKSPACE_PLAN.preview.opens;
const { workload } = samplePlan();
const AROUND: Surroundings = {
  policies: [
    { name: 'staging/allow-web', spec: 'd1' },
    { name: 'staging/default-deny', spec: 'd2' },
  ],
  isolation: [
    { pods: 'target', before: ['Ingress'], with: ['Ingress'] },
    { pods: 'workspace', before: ['Ingress', 'Egress'], with: ['Ingress', 'Egress'] },
  ],
};
const around = (change: Partial<Surroundings>): Plan => ({
  ...WORKSPACE_PLAN,
  surroundings: { ...AROUND, ...change },
});
const isolated = (pods: 'target' | 'workspace', change: object): Plan =>
  around({ isolation: AROUND.isolation.map((one) => (one.pods === pods ? { ...one, ...change } : one)) });
const preview = (change: object): Plan => ({
  ...WORKSPACE_PLAN,
  preview: { ...WORKSPACE_PLAN.preview, ...change },
});
const view = (change: Partial<Plan> = {}): Plan =>
  samplePlan({
    role: { kind: 'ClusterRole', name: 'view' },
    workload: null,
    target: { namespace: 'staging' },
    ...change,
  });

/** What is bound, and how its difference is said. */
const BOUND: [string, Plan, Plan, string[]][] = [
  [
    'the person',
    samplePlan(),
    samplePlan({ user: 'cy@example.test' }),
    ['user: was ada@example.test, is cy@example.test'],
  ],
  ['their groups', samplePlan(), samplePlan({ groups: ['admins'] }), ['groups: - engineers; + admins']],
  ['the cluster', samplePlan({ cluster: 'c1' }), samplePlan({ cluster: 'c2' }), ['cluster: was c1, is c2']],
  [
    'a rule',
    samplePlan({ rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] }),
    samplePlan({ rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['delete'] }] }),
    ['rules of the profile: - get pods; + delete pods'],
  ],
  [
    'a rule of the named role',
    view(),
    view({ rules: [...samplePlan().rules, { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list'] }] }),
    ['ClusterRole view: + get, list secrets'],
  ],
  ['the role', view(), view({ role: { kind: 'Role', name: 'view' } }), ['rights: was ClusterRole view, is Role view']],
  [
    'whether the role may grow',
    view(),
    view({ roleMayGrow: true }),
    ['the role may grow during the grant: was no, is yes'],
  ],
  [
    'the target',
    samplePlan(),
    samplePlan({ target: { namespace: 'payments' } }),
    ['target: was staging/deployment/checkout, is payments'],
  ],
  [
    'another workload of the same name',
    samplePlan({ workload: { ...workload!, uid: 'u1' } }),
    samplePlan({ workload: { ...workload!, uid: 'u2' } }),
    ['target: staging/deployment/checkout was deleted and made again (was uid u1, is u2)'],
  ],
  [
    'the selector',
    samplePlan(),
    samplePlan({ workload: { ...workload!, selector: { matchLabels: { app: 'x' } } } }),
    ['selector of the pods: was {"matchLabels":{"app":"checkout"}}, is {"matchLabels":{"app":"x"}}'],
  ],
  ['the duration', samplePlan(), samplePlan({ duration: 1801 }), ['how long: was 30m, is 30m1s']],
  [
    'the profile in the policy',
    samplePlan(),
    samplePlan({ profileDigest: 'q' }),
    ['profile debug was changed in the policy'],
  ],
  [
    'what is acknowledged',
    samplePlan(),
    samplePlan({ persistence: ['reads secrets'] }),
    ['acknowledged persistence: + reads secrets'],
  ],
  [
    'what is isolated for the first time',
    preview({ isolates: ['staging/deployment/checkout (egress)'] }),
    preview({}),
    ['isolated for the first time: - staging/deployment/checkout (egress)'],
  ],
  [
    'an image',
    WORKSPACE_PLAN,
    workspace({ image: 'evil' }),
    ['network image: was registry.example.test/toolbox:1, is evil'],
  ],
  [
    'a port',
    WORKSPACE_PLAN,
    workspace({ ports: [{ port: 22, protocol: 'TCP' }] }),
    ['network ports: was [{"port":8080,"protocol":"TCP"}], is [{"port":22,"protocol":"TCP"}]'],
  ],
  ['DNS', WORKSPACE_PLAN, workspace({ dns: 'cluster' }), ['network dns: was none, is cluster']],
  ['whether it admits', WORKSPACE_PLAN, workspace({ admits: false }), ['network admits: was yes, is no']],
  [
    'the spec of a policy',
    around({}),
    around({ policies: [{ name: 'staging/allow-web', spec: 'd3' }, ...AROUND.policies.slice(1)] }),
    ['policy staging/allow-web was changed'],
  ],
  [
    'a policy that is gone',
    around({}),
    around({ policies: AROUND.policies.slice(1) }),
    ['policy staging/allow-web selects the pods no more'],
  ],
  [
    'a new policy',
    around({ policies: AROUND.policies.slice(1) }),
    around({}),
    ['policy staging/allow-web selects the pods now'],
  ],
  [
    'the isolation before the grant',
    around({}),
    isolated('target', { before: [] }),
    ['isolation of the target, ingress, before the grant: was yes, is no'],
  ],
  [
    'the isolation with the grant',
    around({}),
    isolated('target', { with: ['Ingress', 'Egress'] }),
    ['isolation of the target, egress, with the grant: was no, is yes'],
  ],
  [
    'the isolation of the workspace',
    around({}),
    isolated('workspace', { before: ['Ingress'] }),
    ['isolation of the workspace, egress, before the grant: was yes, is no'],
  ],
];

/** What changes by itself, or by what others do elsewhere. */
const UNBOUND: [string, Plan, Plan][] = [
  ['pods: a rollout must not void an approval', samplePlan(), samplePlan({ pods: ['checkout-9', 'checkout-10'] })],
  [
    'labels that a rollout has added',
    samplePlan(),
    samplePlan({ workload: { ...workload!, labels: { app: 'checkout', version: '2' } } }),
  ],
  [
    'addresses, and names for them',
    workspace({ hostAliases: [{ ip: '10.0.0.1', hostnames: ['checkout'] }] }),
    workspace({ hostAliases: [] }),
  ],
  ['what opens', WORKSPACE_PLAN, preview({ opens: [] })],
  ['what closes', WORKSPACE_PLAN, preview({ closes: [opened!] })],
  [
    'what can be reached',
    WORKSPACE_PLAN,
    preview({ reaches: [opened!], unlisted: { opens: 0, closes: 3, reaches: 9 } }),
  ],
  ['the time', WORKSPACE_PLAN, preview({ asOf: 1 })],
  ['notes', WORKSPACE_PLAN, preview({ notes: ['another'] })],
  [
    'the order and grouping of rules that allow the same',
    samplePlan(),
    samplePlan({
      rules: [
        { apiGroups: [''], resources: ['pods/exec'], verbs: ['create', 'get'] },
        { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] },
        { apiGroups: [''], resources: ['pods'], verbs: ['get', 'get'] },
      ],
    }),
  ],
  ['the order of groups', samplePlan({ groups: ['a', 'b'] }), samplePlan({ groups: ['b', 'a'] })],
];

describe('an approval binds', () => {
  test.each(BOUND)('%s', (_what, old, now, words) => {
    expect(digestOfPlan(now)).not.toBe(digestOfPlan(old));
    expect(differencesOf(boundOf(old), boundOf(now))).toEqual(words);
  });

  test('each kind of confinement', () => {
    expect(digestOfPlan(WORKSPACE_PLAN)).not.toBe(digestOfPlan({ ...WORKSPACE_PLAN, network: { mode: 'none' } }));
    const [first] = differencesOf(boundOf({ ...WORKSPACE_PLAN, network: { mode: 'none' } }), boundOf(WORKSPACE_PLAN));
    expect(first).toBe('network mode: was none, is workspace');
  });
});

describe('an approval does not bind', () => {
  test.each(UNBOUND)('%s', (_what, old, now) => {
    expect(digestOfPlan(now)).toBe(digestOfPlan(old));
    expect(differencesOf(boundOf(old), boundOf(now))).toEqual([]);
  });
});

test('a difference is said exactly where the digests differ', () => {
  const plans = [...BOUND, ...UNBOUND].flatMap(([, old, now]) => [old, now]);
  for (const old of plans)
    for (const now of plans)
      expect(differencesOf(boundOf(old), boundOf(now)).length > 0).toBe(digestOfPlan(old) !== digestOfPlan(now));
});

test('canonical JSON is the same for equal values, whatever the order of keys', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const reversed = JSON.parse(JSON.stringify(value), (_key, member: unknown) =>
        member !== null && typeof member === 'object' && !Array.isArray(member)
          ? Object.fromEntries(Object.entries(member).toReversed())
          : member,
      ) as unknown;
      expect(canonical(reversed)).toBe(canonical(value));
      expect(JSON.parse(canonical(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});
