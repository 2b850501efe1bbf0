import { Refusal, Unavailable } from '../domain/errors.ts';
import { type Grant, hasEnded } from '../domain/grant.ts';
import type { GrantId } from '../domain/ids.ts';
import type { Person } from '../domain/people.ts';
import { describeTarget } from '../domain/target.ts';
import type { AuditEntry, Job, News, Noting, World } from './ports.ts';

/** What several steps of the journey share: scheduling, telling, auditing. */

/** So many characters of what the cluster says are kept with a grant. */
export const MOST_WORDS = 900;

export const job = (kind: 'apply' | 'revoke' | 'warn' | 'timeout' | 'remind', id: GrantId): Job => ({ v: 1, kind, id });

/** Queues news; they are rendered from the grant as it is when they are delivered. */
export async function tell(world: World, id: GrantId, ...news: News[]): Promise<void> {
  for (const item of news) await world.scheduler.schedule({ v: 1, kind: 'tell', id, news: item });
}

/** To administrators, once an hour for each `key`. Never throws: an alarm that can't be told yet keeps nothing from being done. */
export async function alarm(world: World, key: string, id: GrantId | null, text: string): Promise<void> {
  await world.alarms.raise(key, id, text);
}

/** The audit entry of a change, for the store to keep with it. */
export function noting(
  world: World,
  event: string,
  actor: Person | null,
  more: Partial<AuditEntry> | ((grant: Grant) => Partial<AuditEntry>) = {},
): Noting {
  return (grant) => ({
    at: world.clock.now(),
    event,
    id: grant.id,
    actor: actor === null ? null : { user: actor.user, slackId: actor.slackId },
    to: grant.state,
    profile: grant.profile,
    target: describeTarget(grant.target),
    requester: grant.requester.user,
    digest: grant.digest,
    ...(grant.expiresAt === null ? {} : { expiresAt: new Date(grant.expiresAt).toISOString() }),
    ...(typeof more === 'function' ? more(grant) : more),
  });
}

/** One audit entry about a grant that was not changed. */
export async function note(
  world: World,
  grant: Grant,
  event: string,
  actor: Person | null,
  more: Partial<AuditEntry> = {},
): Promise<void> {
  await world.audit.record(noting(world, event, actor, more)(grant));
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
  for (const kind of ['timeout', 'remind', 'warn'] as const) await world.scheduler.cancel(job(kind, grant.id));
}

/**
 * Whether the grant's rights are still in the cluster. Somebody who deleted them meant it: they are not written again, the grant is ended.
 */
export async function hasRights(world: World, grant: Grant): Promise<boolean> {
  return (await world.cluster.remains(grant)).some((object) => object.startsWith('RoleBinding'));
}

const END_NEWS: Partial<Record<Grant['state'], News>> = {
  denied: 'denied',
  cancelled: 'cancelled',
  'timed-out': 'timed-out',
};

/** Tells of an end, unless it was told: whoever finds an ended grant says again what a fault may have swallowed. */
export async function tellEnd(world: World, grant: Grant): Promise<void> {
  if (!hasEnded(grant.state) || grant.endTold) return;
  await tell(world, grant.id, 'message', END_NEWS[grant.state] ?? 'ended');
}

/**
 * Why nothing is given now or, for `asking`, nobody asked for it; null: it can be. A window that a wrong clock cuts out is not the one that was
 * agreed on, and what can't be carried through must not be begun.
 */
export function hindranceTo(
  world: World,
  to: 'asking' | 'giving',
): { rule: string; why: string; remedy: string } | null {
  const doubt = world.clock.doubt();
  if (doubt !== null)
    return { rule: 'clock', why: doubt, remedy: 'Try again in a minute; administrators have been told.' };
  const hindrance = world.conditions.hindrance(to);
  return hindrance === null
    ? null
    : { rule: hindrance.name, why: hindrance.lacks, remedy: 'Administrators have been told what to do.' };
}

/**
 * For whatever gives access, or more of it, and (`asking`) for what people are asked for.
 * @throws Refusal while the time is in doubt, or something that giving needs is missing
 */
export function mustBeAbleToGive(world: World, to: 'asking' | 'giving' = 'giving'): void {
  const hindrance = hindranceTo(world, to);
  if (hindrance !== null)
    throw new Refusal(
      hindrance.rule,
      `Nothing is granted now, since ${hindrance.why}.`,
      `Nothing was requested or changed. ${hindrance.remedy}`,
    );
}

/** Runs the work on one grant: its fault is no other's. What may pass is left to the next time. */
export type Guarded = (work: () => Promise<void>) => Promise<void>;

export function guardedBy(onFault: (error: unknown) => void): Guarded {
  return async (work) => {
    try {
      await work();
    } catch (error) {
      if (!mayPass(error)) onFault(error);
    }
  };
}

/** True for faults that may pass: a dependency was away or overloaded. */
export function mayPass(error: unknown): boolean {
  return error instanceof Unavailable;
}
