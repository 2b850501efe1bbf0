import type { Grant } from '../../domain/grant/grant.ts';
import type { Plan } from '../../domain/plan/plan.ts';
import { once } from '../common/once.ts';
import { alarm } from '../common/telling.ts';
import { beginEnding } from '../grant/end.ts';
import { grownRules } from '../plan/since-approval.ts';
import type { ClusterAccess } from '../ports/cluster-access.ts';
import type { World } from '../ports/world.ts';

/**
 * Ends the grants whose named role has come to allow more than was approved: by an aggregated rule, by an edit, or because it was made anew.
 * Each role is read and compared once, however many grants bind it as it was approved for them. A role that allows less, or is gone, takes rights
 * away by itself.
 */
export function rolesLook(world: World, cluster: ClusterAccess): (grant: Grant) => Promise<void> {
  const grown = once(
    (plan: Plan) => grownRules(cluster, plan),
    ({ role, roleMayGrow, rules, target: { namespace } }) =>
      JSON.stringify([role, roleMayGrow, rules, role?.kind === 'Role' ? namespace : null]),
  );
  return async (grant) => {
    const what = await grown(grant.plan);
    if (what === null) return;
    await alarm(world, `role ${grant.id} ${what}`, grant, `${what}. ${grant.id} is ended.`);
    await beginEnding(world, grant.id, 'failed', null, `${what}.`);
  };
}
