import type { Instant } from '../clocks.ts';
import { formatDuration } from '../duration.ts';
import { isWithin, parseHours, startOfDay } from '../policy/hours.ts';
import { matchesCluster, matchesNamespace, type When } from '../policy/policy.ts';
import type { Kit } from '../rights/kits.ts';
import type { ClusterName } from '../target.ts';

/** What conditions are held against, beside the people. */
export interface Circumstances {
  readonly cluster: ClusterName;
  /** Null: the target is in none. */
  readonly namespace: string | null;
  /** Seconds; of an extension: the whole window. */
  readonly duration: number;
  /** The rights in words that it gives; null: the profile gives a role or inline rules. */
  readonly rights: readonly Kit[] | null;
  readonly now: Instant;
  /** When access is to begin, where that is later; null: as soon as it is approved. */
  readonly startsAt: Instant | null;
  /** It is asked for with a ticket that counts. */
  readonly ticket: boolean;
}

/** One condition of an entry: null where it holds or is not set, else why not, to whoever asked. */
type Condition = (when: When, circumstances: Circumstances) => string | null;

const maximum: Condition = ({ maximum: most }, { duration }) =>
  most === undefined || duration <= most
    ? null
    : `${formatDuration(most)} would have been approved at once: you asked for ${formatDuration(duration)}.`;

const namespaces: Condition = ({ namespaces: patterns }, { namespace }) =>
  patterns === undefined || (namespace !== null && matchesNamespace(patterns, namespace))
    ? null
    : `In ${patterns.join(', ')} it would have been approved at once.`;

const clusters: Condition = ({ clusters: patterns }, { cluster }) =>
  patterns === undefined || matchesCluster(patterns, cluster)
    ? null
    : `In a cluster of ${patterns.join(', ')} it would have been approved at once.`;

/** What is decided within the hours, to begin outside of them, would be access outside of them. */
const hours: Condition = ({ hours: text }, { now, startsAt }) => {
  if (text === undefined) return null;
  const parsed = parseHours(text);
  const holds = parsed !== null && [now, startsAt ?? now].every((at) => isWithin(parsed, at));
  return holds ? null : `It would have been approved at once during ${text}.`;
};

const ticket: Condition = ({ ticket: isNeeded }, { ticket: isThere }) =>
  isNeeded === undefined || isThere ? null : 'With a ticket it would have been approved at once.';

/** Members are judged elsewhere, and who is on call as one of them ({@link withMembers}); what is not such a member holds for nobody. */
const oncall: Condition = ({ oncall: names, members }) =>
  names === undefined || members !== undefined ? null : 'Who is on call is not judged here.';

/** What is not in words can't be compared with words: it is never no more than they are. */
const rights: Condition = ({ rights: most }, { rights: given }) =>
  most === undefined || given?.every((kit) => most.includes(kit)) === true
    ? null
    : `With no more than ${most.join(', ')} it would have been approved at once.`;

const CONDITIONS = [oncall, maximum, clusters, namespaces, rights, ticket, hours];

/** Why the entry does not hold, one sentence a condition; `members` and `perDay` are left out, since they take a look-up. Empty: all hold. */
export function missedConditions(when: When, circumstances: Circumstances): string[] {
  return CONDITIONS.flatMap((condition) => condition(when, circumstances) ?? []);
}

/** @param today how many of this profile the policy itself has approved for this person since {@link dayOf} began, this one not counted */
export function missedPerDay({ perDay }: When, today: number): string | null {
  return perDay === undefined || today < perDay
    ? null
    : `${perDay} a day are approved at once, and you have had ${today} today.`;
}

/** When the day began by which `perDay` counts: in the zone of the entry's hours, else in UTC. */
export function dayOf({ hours: text }: When, now: Instant): Instant {
  return startOfDay((text === undefined ? null : parseHours(text))?.zone ?? 'UTC', now);
}
