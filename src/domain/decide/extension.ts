import { digestOf } from '../canonical.ts';
import { formatDuration } from '../duration.ts';
import type { Extension, Grant } from '../grant/grant.ts';
import { type Asking, identityIn, type Person } from '../people/people.ts';
import { describeDurations, type Profile } from '../policy/policy.ts';
import type { ClusterName } from '../target.ts';
import type { Giving, Rules, Terms } from './act.ts';
import { automaticRule } from './automatic.ts';
import { type Decided, refuse } from './decided.ts';
import { approvalsFor, termsByPeople } from './terms.ts';
import { type JudgedTicket, whyNotSoLong } from './ticket.ts';

/** Seconds by which the window can still be made longer: never past the profile's maximum, counted from its start. */
export function roomToExtend(grant: Grant, profile: Profile): number {
  const { startsAt, expiresAt } = grant;
  if (grant.state !== 'active' || startsAt === null || expiresAt === null) return 0;
  return Math.max(0, profile.duration.maximum - Math.ceil((expiresAt - startsAt) / 1000));
}

/** What a longer window of this grant would be by, for its requester. */
export function* decideExtension(
  { now }: Rules,
  profile: Profile,
  cluster: ClusterName,
  act: Extract<Giving, { readonly kind: 'extend' | 'approve' }>,
  requester: Person,
  rule: string,
  by: JudgedTicket | null,
): Asking<Decided<Terms>> {
  const { grant } = act;
  const path = `profiles.${grant.profile}`;
  if (grant.state !== 'active' || grant.startsAt === null || grant.expiresAt === null || grant.expiresAt <= now)
    return refuse(
      'extend',
      `Only an active grant can be extended; ${grant.id} is ${grant.state === 'active' ? 'at its end' : grant.state}.`,
      'Make a new request.',
    );
  // What would be prolonged is bound to the user of the plan; the account leads to another one now.
  if (identityIn(requester, cluster)?.user !== grant.plan.user)
    return refuse(
      'identity.user',
      `The Slack account of the requester is another Kubernetes user now; ${grant.id} is ${grant.plan.user}'s.`,
      'Make a new request when this one has ended.',
    );
  const room = roomToExtend(grant, profile);
  const wanted = act.kind === 'extend' ? act.seconds : grant.extension?.duration;
  const duration = wanted ?? Math.min(profile.duration.default, room || profile.duration.default);
  if (!Number.isSafeInteger(duration) || duration <= 0)
    return refuse(
      `${path}.duration`,
      'The duration must be longer than nothing.',
      `Durations: ${describeDurations(profile)}.`,
    );
  if (duration > room)
    return refuse(
      `${path}.duration.maximum`,
      `With ${formatDuration(duration)} more the window would be longer than the ${formatDuration(profile.duration.maximum)} that profile '${grant.profile}' allows.`,
      room > 0 ? `Ask for ${formatDuration(room)} at most.` : 'Make a new request when this one has ended.',
    );
  const tooLong = whyNotSoLong(path, by, grant.expiresAt + duration * 1000, now);
  if (tooLong !== null) return tooLong;
  const ticket = by?.ticket ?? null;
  const byPeople = termsByPeople(rule, profile, cluster, duration, ticket);
  if (act.kind !== 'extend') return byPeople;
  const whole = profile.duration.maximum - room + duration;
  const at = { now, startsAt: null, ticket: ticket !== null };
  const judged = { duration: whole, person: requester, at, grant: grant.id, saysNear: false };
  const automatic = yield* automaticRule(profile, { ...grant, cluster }, judged);
  if (automatic.is === 'met') return { ...byPeople, rule: automatic.rule, approvals: 0, counts: automatic.counts };
  return { ...byPeople, ...(yield* approvalsFor(profile, { ...grant, cluster }, whole, requester, at)) };
}

/** What approvers of an extension agree to: the grant as it was approved, its end, and so much more. */
export function extensionDigest(grant: Grant, extension: Extension): string {
  return digestOf({ grant: grant.digest, expiresAt: grant.expiresAt, duration: extension.duration });
}
