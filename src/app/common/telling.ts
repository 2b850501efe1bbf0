import { awaitsReview, type Grant, hasEnded } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { Person } from '../../domain/people/people.ts';
import { describePlace } from '../../domain/target.ts';
import type { AlarmSubject } from '../ports/alarms.ts';
import type { AuditEntry, Noting } from '../ports/audit.ts';
import type { InCluster } from '../ports/clusters.ts';
import type { News } from '../ports/notifier.ts';
import type { World } from '../ports/world.ts';
import { job } from './schedule.ts';

/** So many characters of what the cluster says are kept with a grant. */
export const MOST_WORDS = 900;

/** News that the first version of the queue's payloads does not know, and with which it came. */
const LATER: Partial<Record<News, 2 | 3>> = {
  step: 2,
  escalated: 2,
  scheduled: 3,
  narrowed: 3,
  review: 3,
  reviewed: 3,
};

/** Queues news; they are rendered from the grant as it is when they are delivered. */
export async function tell(world: World, id: GrantId, ...news: News[]): Promise<void> {
  for (const item of news) await world.scheduler.schedule({ v: LATER[item] ?? 1, kind: 'tell', id, news: item });
}

/** To administrators, of a grant, once an hour for each `key`. Never throws: an alarm that can't be told yet keeps nothing from being done. */
export async function alarm(
  world: World,
  key: string,
  { id, cluster }: InCluster & { readonly id: GrantId | null },
  text: string,
  about?: AlarmSubject,
): Promise<void> {
  await world.alarms.raise(key, id, cluster === null ? text : `In cluster ${cluster}: ${text}`, about);
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
    ...(grant.cluster !== null && { cluster: grant.cluster }),
    target: describePlace(grant),
    requester: grant.requester.user,
    digest: grant.digest,
    ...(grant.ticket && { ticket: grant.ticket.key }),
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

const END_NEWS: Partial<Record<Grant['state'], News>> = {
  denied: 'denied',
  cancelled: 'cancelled',
  'timed-out': 'timed-out',
};

/** Tells of an end, unless it was told: whoever finds an ended grant says again what a fault may have swallowed. */
export async function tellEnd(world: World, grant: Grant): Promise<void> {
  if (!hasEnded(grant.state) || grant.endTold) return;
  await tell(world, grant.id, 'message', END_NEWS[grant.state] ?? 'ended');
  if (awaitsReview(grant)) await world.scheduler.schedule(job('review', grant.id));
}
