import { beforeEach, expect, test } from 'vitest';
import { lookAround } from '../../../../src/app/upkeep/look-around.ts';
import type { Rule } from '../../../../src/domain/rights/rights.ts';
import { inNamespace } from '../../../../src/domain/target.ts';
import { appWorld, PEOPLE, POLICY } from '../../../support/app-world.ts';

let app: ReturnType<typeof appWorld>;
/** A hundred active grants that bind one role. */
let ids: string[];
beforeEach(async () => {
  const { debug } = POLICY.profiles;
  if (debug === undefined) throw new Error('the policy has no such profile');
  const { rules: _rules, network: _network, ...common } = debug;
  app = appWorld({ ...POLICY, profiles: { look: { ...common, scope: 'namespace', clusterRole: 'view' } } });
  app.cluster.target.roleRules = [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }];
  const grant = await app.grant(await app.active(PEOPLE.ada, { profile: 'look', target: { namespace: 'staging' } }));
  ids = Array.from({ length: 100 }, (_, index) => `g-${String(index).padStart(6, '0')}`);
  for (const id of ids) await app.world.store.create({ ...grant, id });
});
const lookAtRoles = (of: readonly string[]) =>
  lookAround(
    app.world,
    app.cluster.access,
    of,
    ['role'],
    () => {},
    (error) => {
      throw error;
    },
  );

test('what else is to be done gets its turn while many are looked at', async () => {
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  await lookAtRoles(ids);
  isOver = true;
  expect(turns).toBeGreaterThanOrEqual(12);
});

test('a role is compared once, however many were approved with the same rules', async () => {
  let compared = 0;
  const rule: Rule = {
    apiGroups: [''],
    resources: ['pods'],
    get verbs() {
      compared += 1;
      return ['get'];
    },
  };
  app.cluster.access.rulesOf = async () => [rule];
  await lookAtRoles(ids.slice(0, 1));
  const once = compared;
  expect(once).toBeGreaterThan(0);
  compared = 0;
  await lookAtRoles(ids);
  expect(compared).toBe(once);
});

test('it is compared with what was approved for each', async () => {
  const [first = '', other = ''] = ids;
  const rules = [{ apiGroups: [''], resources: ['pods', 'secrets'], verbs: ['get'] }];
  await app.world.store.change(other, (grant) => ({ ...grant, plan: { ...grant.plan, rules } }));
  app.cluster.target.roleRules = rules;
  await lookAtRoles([first, other]);
  expect([(await app.grant(first)).state, (await app.grant(other)).state]).toEqual(['ending', 'active']);
});

test('roles of one name are told apart by their namespaces, and by their kind', async () => {
  const [first = '', elsewhere = '', other = ''] = ids;
  const rules = [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }];
  const bind = (id: string, kind: 'Role' | 'ClusterRole', namespace: string) =>
    app.world.store.change(id, (grant) => {
      const target = { ...inNamespace(grant.target), namespace };
      return { ...grant, target, plan: { ...grant.plan, target, role: { kind, name: 'view' } } };
    });
  await bind(first, 'Role', 'staging');
  await bind(elsewhere, 'Role', 'elsewhere');
  await bind(other, 'ClusterRole', 'elsewhere');
  app.cluster.access.rulesOf = async ({ kind }, namespace) =>
    kind === 'Role' && namespace === 'elsewhere' ? [{ apiGroups: [''], resources: ['*'], verbs: ['get'] }] : rules;
  await lookAtRoles([first, elsewhere, other]);
  const states = await Promise.all([first, elsewhere, other].map(async (id) => (await app.grant(id)).state));
  expect(states).toEqual(['active', 'ending', 'active']);
});
