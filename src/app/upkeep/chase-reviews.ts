import { awaitsReview } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import { profileNamed } from '../../domain/policy/policy.ts';
import { describePlace } from '../../domain/target.ts';
import { chaseAt, job } from '../common/schedule.ts';
import { alarm, tell } from '../common/telling.ts';
import type { World } from '../ports/world.ts';

/** Of a profile that the policy has no more: seconds. */
const WITHIN = 86_400;

/** Asks the reviewers of break-glass access that has ended, and asks them again each day. */
export async function chaseReview(world: World, id: GrantId): Promise<void> {
  const grant = await world.store.get(id);
  if (grant === null || !awaitsReview(grant)) return;
  const now = world.clock.now();
  await tell(world, id, 'review');
  const within = profileNamed(world.policies.current(), grant.profile)?.breakGlass?.review.within ?? WITHIN;
  if (now >= (grant.endedAt ?? now) + within * 1000)
    await alarm(
      world,
      `unreviewed ${id}`,
      grant,
      `Nobody has reviewed break-glass access ${id} of ${grant.requester.user} (${grant.profile} on ${describePlace(grant)}) yet. Its message has the buttons; \`/jit review ${id} accept\` does the same.`,
    );
  await world.scheduler.schedule(job('review', id), chaseAt(grant, now));
}

/** Schedules what a crash or a lost queue left out: whoever has not reviewed is asked again. */
export async function chaseForgottenReviews(world: World): Promise<void> {
  const now = world.clock.now();
  const wanted = (await world.store.unreviewed()).map((grant) => ({
    job: job('review', grant.id),
    at: chaseAt(grant, now),
  }));
  for (const index of await world.scheduler.unscheduled(wanted)) {
    const forgotten = wanted[index];
    if (forgotten !== undefined) await world.scheduler.schedule(forgotten.job);
  }
}
