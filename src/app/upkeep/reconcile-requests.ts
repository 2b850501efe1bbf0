import type { GrantId } from '../../domain/ids.ts';
import { isolatingFaults } from '../common/faults.ts';
import { job, scheduleEscalation } from '../common/schedule.ts';
import { tell } from '../common/telling.ts';
import { approveByPolicy, isLeftToPolicy } from '../decide/approve-by-policy.ts';
import type { World } from '../ports/world.ts';
import { chaseForgottenReviews } from './chase-reviews.ts';

/**
 * Schedules what a crash or a lost queue left out for requests that wait for their approval, and for reviews. Nobody has access by them, so that nothing
 * waits for this: of a hundred thousand it takes seconds.
 * @throws what the store or the schedule throws; one request's fault does not keep the others from being looked at
 */
export async function reconcileRequests(world: World, onFault: (error: unknown) => void): Promise<void> {
  const isolated = isolatingFaults(onFault);
  for await (const portion of world.store.summaries('pending')) {
    const timed = portion.filter(({ posted, automatic }) => posted && !automatic);
    const unscheduled = await world.scheduler.unscheduled(
      timed.map(({ id, pendingUntil }) => ({ job: job('timeout', id), at: pendingUntil })),
    );
    const settled = new Set(timed.map(({ id }) => id));
    for (const index of unscheduled) settled.delete(timed[index]?.id ?? '');
    for (const { id } of portion) if (!settled.has(id)) await isolated(() => pushOn(world, id));
  }
  await isolated(() => chaseForgottenReviews(world));
}

async function pushOn(world: World, id: GrantId): Promise<void> {
  const request = await world.store.get(id);
  // The list is a moment old.
  if (request?.state !== 'pending') return;
  await world.scheduler.schedule(job('timeout', id), request.pendingUntil);
  await scheduleEscalation(world, request);
  if (request.message === null) await tell(world, id, 'message');
  if (isLeftToPolicy(request, world.clock.now())) await approveByPolicy(world, request);
}
