import type { Instant } from '../../domain/clocks.ts';
import { nextEscalation, untoldEscalations } from '../../domain/decide/steps.ts';
import { type Grant, hasEnded } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import { profileNamed } from '../../domain/policy/policy.ts';
import type { Job } from '../ports/scheduler.ts';
import type { World } from '../ports/world.ts';

export function job(
  kind: 'apply' | 'revoke' | 'warn' | 'timeout' | 'remind' | 'escalate' | 'review',
  id: GrantId,
): Job {
  if (kind === 'review') return { v: 3, kind, id };
  return kind === 'escalate' ? { v: 2, kind, id } : { v: 1, kind, id };
}

/** Milliseconds between two times at which reviewers are asked. */
const CHASED_EACH = 86_400_000;

/** When reviewers of break-glass access are asked again: each day since its end. */
export function chaseAt({ endedAt }: Pick<Grant, 'endedAt'>, now: Instant): Instant {
  const since = endedAt ?? now;
  return since + (Math.floor(Math.max(0, now - since) / CHASED_EACH) + 1) * CHASED_EACH;
}

/** When the warning before expiry is due: as the policy says, but never in the first half of the window. */
export function warningAt(world: World, grant: Grant): number {
  const { startsAt, expiresAt } = grant;
  if (startsAt === null || expiresAt === null) throw new Error(`${grant.id} has no window`);
  const lead = world.policies.current().notifications.warning * 1000;
  return expiresAt - Math.min(lead, (expiresAt - startsAt) / 2);
}

/** Schedules the end of a grant's window: before anything is made, since nothing may exist without it. */
export async function scheduleEnd(world: World, grant: Grant): Promise<void> {
  if (grant.expiresAt === null) throw new Error(`${grant.id} has no window`);
  await world.scheduler.schedule(job('revoke', grant.id), grant.expiresAt);
}

/** What is left in the schedule of a grant that has ended; all of it would find nothing to do. */
export async function unschedule(world: World, grant: Grant): Promise<void> {
  if (!hasEnded(grant.state)) throw new Error(`${grant.id} has not ended`);
  for (const kind of ['timeout', 'remind', 'escalate', 'warn'] as const)
    await world.scheduler.cancel(job(kind, grant.id));
}

/** Schedules that people are told when more of them may decide what waits. Who may is never read from that. */
export async function scheduleEscalation(world: World, grant: Grant): Promise<void> {
  const profile = profileNamed(world.policies.current(), grant.profile);
  const now = world.clock.now();
  const at = untoldEscalations(grant, profile, now).length > 0 ? now : nextEscalation(grant, profile, now);
  if (at !== null) await world.scheduler.schedule(job('escalate', grant.id), at);
}
