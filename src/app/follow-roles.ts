import type { GrantId } from '../domain/ids.ts';
import type { Plan } from '../domain/plan.ts';
import { beginEnding } from './end-grant.ts';
import { once } from './once.ts';
import type { World } from './ports.ts';
import { recordsOf } from './records.ts';
import { grownRules } from './since-approval.ts';
import { alarm, type Guarded } from './steps.ts';

/**
 * Ends the grants whose named role has come to allow more than was approved: by an aggregated rule, by an edit, or because it was made anew.
 * Each role is read once, however many grants bind it. A role that allows less, or is gone, takes rights away by itself.
 */
export async function followRoles(world: World, ids: readonly GrantId[], guarded: Guarded): Promise<void> {
  const rulesOf = once(
    (role: NonNullable<Plan['role']>, namespace: string) => world.cluster.rulesOf(role, namespace),
    ({ kind, name }, namespace) => JSON.stringify([kind, name, kind === 'Role' ? namespace : null]),
  );
  for await (const grants of recordsOf(world.store, ids))
    for (const grant of grants)
      await guarded(async () => {
        if (grant.state !== 'active') return;
        const grown = await grownRules({ rulesOf }, grant.plan);
        if (grown === null) return;
        await alarm(world, `role ${grant.id} ${grown}`, grant.id, `${grown}. ${grant.id} is ended.`);
        await beginEnding(world, grant.id, 'failed', null, `${grown}.`);
      });
}
