import type { Grant } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import { inParallel } from '../common/in-parallel.ts';
import { portionsOf } from '../common/records.ts';
import type { ClusterAccess } from '../ports/cluster-access.ts';
import type { World } from '../ports/world.ts';
import { policiesLook } from './follow-policies.ts';
import { rolesLook } from './follow-roles.ts';
import { workloadsLook } from './follow-workloads.ts';
import type { Dependency } from './grant-index.ts';

/** How many grants are looked at at once. */
const AT_ONCE = 8;

const LOOKS: Record<Dependency['on'], (world: World, cluster: ClusterAccess) => (grant: Grant) => Promise<void>> = {
  policies: policiesLook,
  workload: workloadsLook,
  role: rolesLook,
};
export const EVERYTHING: readonly Dependency['on'][] = ['policies', 'workload', 'role'];

/**
 * Looks at what active grants of one cluster depend on, as it is there now: one that may not stay is ended or told, pods are followed. What several
 * grants of a portion depend on is read once. Answers those of which something could not be looked at.
 * @param onRecord is told the record before it is looked at; null: it is not active any more
 * @param onFault the fault of one grant keeps no other from being looked at
 */
export async function lookAround(
  world: World,
  cluster: ClusterAccess,
  ids: readonly GrantId[],
  at: readonly Dependency['on'][],
  onRecord: (id: GrantId, grant: Grant | null) => void,
  onFault: (error: unknown) => void,
): Promise<readonly GrantId[]> {
  const failed = new Set<GrantId>();
  for (const portion of portionsOf(ids)) {
    const grants = (await world.store.records(portion)).filter(({ state }) => state === 'active');
    // At once: one that Redis has lost may be adopted while the others are looked at.
    for (const id of portion) onRecord(id, grants.find((grant) => grant.id === id) ?? null);
    // Only now: a change of what was read before could not be told of these.
    const looks = at.map((on) => LOOKS[on](world, cluster));
    await inParallel(grants, AT_ONCE, async (grant) => {
      // Where all of it was read for others, nothing else would be waited for.
      await new Promise<void>((resolve) => setImmediate(resolve));
      for (const look of looks)
        try {
          await look(grant);
        } catch (error) {
          failed.add(grant.id);
          onFault(error);
        }
    });
  }
  return [...failed];
}
