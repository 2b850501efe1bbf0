import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PodChange } from '../../../../src/app/ports/cluster-events.ts';
import { createGrantIndex, type GrantIndex } from '../../../../src/app/upkeep/grant-index.ts';
import type { Grant } from '../../../../src/domain/grant/grant.ts';
import type { LabelSelector } from '../../../../src/domain/plan/confinement.ts';
import type { NetworkPlan, Plan } from '../../../../src/domain/plan/plan.ts';
import type { WorkloadKind } from '../../../../src/domain/rights/rights.ts';
import { matches } from '../../../../src/network/selector.ts';
import { sampleGrant, samplePlan } from '../../../support/grants.ts';

const WORKSPACES = 'drawbridge-workspaces';
const bastion = (selector: LabelSelector): NetworkPlan => ({
  mode: 'bastion',
  selector,
  ports: [],
  from: [],
  admits: true,
});
const contain = (selector: LabelSelector): NetworkPlan => ({
  mode: 'contain',
  selector,
  to: [],
  dns: 'none',
  applies: true,
  strict: false,
  foreign: [],
});
const workspace = (selector: LabelSelector): NetworkPlan => ({
  mode: 'workspace',
  image: 'example.test/tools:1',
  command: [],
  ports: [],
  dns: 'none',
  selector,
  admits: true,
  hostAliases: [],
  strict: false,
  foreign: [],
});
const none = (): NetworkPlan => ({ mode: 'none' });

interface On {
  readonly namespace: string;
  readonly kind: WorkloadKind;
  readonly name: string;
  readonly uid: string;
  readonly selector: LabelSelector;
}
const CHECKOUT: On = {
  namespace: 'staging',
  kind: 'Deployment',
  name: 'checkout',
  uid: 'uid-1',
  selector: { matchLabels: { app: 'checkout' } },
};

function grantOn(on: Partial<On> = {}, network: NetworkPlan = none(), plan: Partial<Plan> = {}): Grant {
  const { namespace, kind, name, uid, selector } = { ...CHECKOUT, ...on };
  const target = { namespace, workload: { kind, name } };
  return sampleGrant({ plan: samplePlan({ target, workload: { uid, selector, labels: {} }, network, ...plan }) });
}
const grantOf = (role: Plan['role'], namespace = 'staging', roleMayGrow = false): Grant =>
  sampleGrant({ plan: samplePlan({ target: { namespace }, workload: null, role, roleMayGrow }) });

const idsOf = (dependencies: Iterable<{ readonly ids: readonly string[] }>): string[] =>
  [...dependencies].flatMap(({ ids }) => ids).toSorted();
const indexOf = (...grants: Grant[]): GrantIndex => {
  const index = createGrantIndex(WORKSPACES);
  for (const grant of grants) index.add(grant);
  return index;
};
const change = (now: PodChange['now'], before: PodChange['before'] = null, name = 'pod-1'): PodChange => ({
  namespace: 'staging',
  name,
  before,
  now,
});

describe('a pod', () => {
  const grant = grantOn();
  const index = indexOf(
    grant,
    grantOn({ namespace: 'elsewhere' }),
    grantOn({ selector: { matchLabels: { app: 'shop' } } }),
  );
  test.each<[string, PodChange, boolean]>([
    ['that has the labels', change({ app: 'checkout', tier: 'web' }), true],
    ['that had them', change({ app: 'cart' }, { app: 'checkout' }), true],
    ['that is gone', change(null, { app: 'checkout' }), true],
    ['that has others', change({ app: 'cart', checkout: 'app' }, { tier: 'web' }), false],
    ['without labels', change({}, null), false],
  ])('%s', (_what, of, concerns) => {
    expect(idsOf(index.ofPod(of))).toEqual(concerns ? [grant.id] : []);
  });

  test('that is the target itself concerns its grant whatever its labels', () => {
    const on = { kind: 'Pod', name: 'web-0', selector: { matchLabels: { app: 'checkout' } } } as const;
    const [plain, confined] = [grantOn(on), grantOn(on, bastion(on.selector))];
    const pods = indexOf(plain, confined);
    expect(idsOf(pods.ofPod(change(null, { other: 'x' }, 'web-0')))).toEqual([plain.id, confined.id].toSorted());
    // By its labels another is taken for it only by policies.
    expect(idsOf(pods.ofPod(change({ app: 'checkout' }, null, 'x')))).toEqual([confined.id]);
    expect(idsOf(pods.ofPod({ ...change(null, {}, 'web-0'), namespace: 'elsewhere' }))).toEqual([]);
  });

  test('of a selector without labels is found', () => {
    const selectors: LabelSelector[] = [
      {},
      { matchExpressions: [{ key: 'tier', operator: 'NotIn', values: ['db'] }] },
      { matchExpressions: [{ key: 'tier', operator: 'Exists' }] },
      { matchExpressions: [{ key: 'tier', operator: 'In', values: ['web', 'api'] }] },
    ];
    const grants = selectors.map((selector, n) => grantOn({ name: `w-${n}`, selector }));
    expect(idsOf(indexOf(...grants).ofPod(change({ tier: 'api' })))).toEqual(grants.map(({ id }) => id).toSorted());
  });
});

describe('policies', () => {
  const selector = CHECKOUT.selector;
  test.each<[string, NetworkPlan, readonly string[]]>([
    ['a workspace', workspace(selector), ['staging', WORKSPACES]],
    ['contain', contain(selector), ['staging']],
    ['bastion', bastion(selector), ['staging']],
    ['none', none(), []],
  ])('of %s', (_mode, network, namespaces) => {
    const grant = grantOn({}, network);
    const index = indexOf(grant);
    for (const namespace of ['staging', WORKSPACES, 'elsewhere'])
      expect(idsOf(index.ofPolicies(namespace))).toEqual(namespaces.includes(namespace) ? [grant.id] : []);
  });
});

describe('a named role', () => {
  const role = { kind: 'Role', name: 'look' } as const;
  const clusterRole = { kind: 'ClusterRole', name: 'view' } as const;
  test('concerns the grants that bind it, of a Role in its namespace', () => {
    const [here, there, everywhere] = [grantOf(role), grantOf(role, 'team-a'), grantOf(clusterRole, 'team-a')];
    const index = indexOf(here, there, everywhere, grantOf({ kind: 'Role', name: 'view' }), grantOn());
    expect(idsOf(index.ofRole(role, 'staging'))).toEqual([here.id]);
    expect(idsOf(index.ofRole(role, 'team-a'))).toEqual([there.id]);
    expect(idsOf(index.ofRole(clusterRole, null))).toEqual([everywhere.id]);
    expect(idsOf(index.ofRoleNamed(role))).toEqual([here.id, there.id].toSorted());
  });

  test('that may grow concerns nobody', () => {
    const grant = grantOf(clusterRole, 'staging', true);
    const index = indexOf(grant);
    expect(idsOf(index.ofRole(clusterRole, null))).toEqual([]);
    expect(index.has(grant.id)).toBe(true);
    expect(index.remove(grant.id)).toEqual([]);
  });

  test('is answered when the last grant that binds it goes, in whatever namespace', () => {
    const [here, there] = [grantOf(role), grantOf(role, 'team-a')];
    const index = indexOf(here, there);
    expect(index.remove(here.id)).toEqual([]);
    expect(index.remove(here.id)).toEqual([]);
    expect(index.remove(there.id)).toEqual([role]);
    expect(index.remove(there.id)).toEqual([]);
  });
});

test('a workload that is gone concerns its grants, also those on one of its name before', () => {
  const [first, second, other] = [grantOn(), grantOn({ uid: 'uid-2' }), grantOn({ kind: 'StatefulSet' })];
  const index = indexOf(first, second, other);
  expect(idsOf(index.ofWorkload('Deployment', 'staging', 'checkout'))).toEqual([first.id, second.id].toSorted());
  expect(index.ofWorkload('Deployment', 'staging', 'checkout')).toHaveLength(2);
  expect(idsOf(index.ofWorkload('Deployment', 'elsewhere', 'checkout'))).toEqual([]);
});

test('a grant is in it once, and nothing is left of it when it goes', () => {
  const grant = grantOn({}, workspace(CHECKOUT.selector), { role: { kind: 'ClusterRole', name: 'view' } });
  const index = createGrantIndex(WORKSPACES);
  expect([index.has(grant.id), index.add(grant), index.add(grant), index.has(grant.id)]).toEqual([
    false,
    true,
    false,
    true,
  ]);
  expect([...index.ids()]).toEqual([grant.id]);
  expect(idsOf(index.ofPod(change({ app: 'checkout' })))).toEqual([grant.id]);
  index.remove(grant.id);
  expect([index.has(grant.id), [...index.ids()]]).toEqual([false, []]);
  for (const none of [
    index.ofPod(change({ app: 'checkout' })),
    index.ofWorkload('Deployment', 'staging', 'checkout'),
    index.ofPolicies('staging'),
    index.ofPolicies(WORKSPACES),
    index.ofRole({ kind: 'ClusterRole', name: 'view' }, null),
    index.ofRoleNamed({ kind: 'ClusterRole', name: 'view' }),
  ])
    expect([...none]).toEqual([]);
});

describe('what is found for a pod is what a look at every grant would find', () => {
  const key = fc.constantFrom('app', 'tier', 'app=x');
  const value = fc.constantFrom('a', 'b', '');
  const labels = fc.dictionary(key, value, { maxKeys: 3, noNullPrototype: true });
  const requirement = fc.oneof(
    fc.record({ key, operator: fc.constantFrom('In', 'NotIn'), values: fc.uniqueArray(value, { minLength: 1 }) }),
    fc.record({ key, operator: fc.constantFrom('Exists', 'DoesNotExist') }),
  );
  const selector: fc.Arbitrary<LabelSelector> = fc.record(
    { matchLabels: labels, matchExpressions: fc.array(requirement, { maxLength: 2 }) },
    { requiredKeys: [] },
  );
  const on = fc.record({
    namespace: fc.constantFrom('staging', 'team-a'),
    kind: fc.constantFrom<WorkloadKind>('Deployment', 'Pod'),
    name: fc.constantFrom('x', 'y'),
    uid: fc.constantFrom('1', '2'),
    selector,
  });
  const network = fc.constantFrom(none, bastion, workspace);
  const pod = fc.record({
    namespace: fc.constantFrom('staging', 'team-a'),
    name: fc.constantFrom('x', 'z'),
    before: fc.option(labels),
    now: fc.option(labels),
  });
  const concerns = ({ namespace, name, before, now }: PodChange, { target, plan }: Grant): boolean => {
    const isPod = target.workload?.kind === 'Pod';
    if (target.namespace !== namespace) return false;
    if (isPod && target.workload?.name === name) return true;
    if (isPod && plan.network.mode === 'none') return false;
    return [before, now].some((one) => one !== null && matches(plan.workload?.selector ?? {}, one));
  };

  test('whatever selectors, and whatever has gone before', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(on, network, fc.boolean()), { maxLength: 12 }),
        fc.array(pod, { minLength: 1, maxLength: 6 }),
        (made, changes) => {
          const all = made.map(([where, mode, stays]) => ({ grant: grantOn(where, mode(where.selector)), stays }));
          const index = indexOf(...all.map(({ grant }) => grant));
          for (const { grant, stays } of all) if (!stays) index.remove(grant.id);
          const left = all.filter(({ stays }) => stays).map(({ grant }) => grant);
          for (const one of changes)
            expect(idsOf(index.ofPod(one))).toEqual(
              left
                .filter((grant) => concerns(one, grant))
                .map(({ id }) => id)
                .toSorted(),
            );
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('ten thousand grants', () => {
  const AMOUNT = 10_000;
  /** On so many workloads, which all have one label in common. */
  const many = (workloads: number) =>
    Array.from({ length: AMOUNT }, (_, n) => {
      const app = `app-${n % workloads}`;
      const selector = { matchLabels: { 'app.kubernetes.io/managed-by': 'Helm', app } };
      return grantOn({ name: app, uid: `uid-${app}`, selector }, workspace(selector));
    });

  test('cost an event no more than what it finds', () => {
    const index = indexOf(...many(AMOUNT));
    let looked = 0;
    const counted = (labels: Record<string, string>) =>
      new Proxy(labels, {
        getOwnPropertyDescriptor(of, name) {
          looked += 1;
          return Reflect.getOwnPropertyDescriptor(of, name);
        },
      });
    const labels = counted({ 'app.kubernetes.io/managed-by': 'Helm', app: 'app-7', tier: 'web' });
    expect([...index.ofPod(change(labels))]).toHaveLength(1);
    expect(looked).toBeLessThan(50);
  });
});
