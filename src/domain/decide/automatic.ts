import type { GrantId } from '../ids.ts';
import { type Asking, allowedBy, type Listing, type Person, ruleOf } from '../people/people.ts';
import { type AutomaticEntry, automaticEntries, kitsGiven, type Profile, placeOf } from '../policy/policy.ts';
import { type Circumstances, dayOf, missedConditions, missedPerDay } from './conditions.ts';
import type { PlacedAsk } from './in-cluster.ts';
import type { Daily } from './limits.ts';

/** `missed`: the one condition that alone was in the way, to whoever asked. */
type Automatic =
  | { readonly is: 'met'; readonly rule: string; readonly counts: Daily | null }
  | { readonly is: 'unmet'; readonly missed: string | null }
  | Extract<Listing, { readonly is: 'unknown' }>;

/** What an entry is held against, beside what is asked for. */
interface Case {
  /** Seconds; of an extension: the whole window. */
  readonly duration: number;
  readonly person: Person;
  readonly at: Pick<Circumstances, 'now' | 'startsAt' | 'ticket'>;
  /** What is judged, where it is a grant already: it does not count against itself. */
  readonly grant: GrantId | null;
  /** Whether to find out what only just was not met, which may take further look-ups. */
  readonly saysNear: boolean;
}

/** The first entry by which the policy itself approves. It never acknowledges what a person would have to. */
export function* automaticRule(profile: Profile, ask: PlacedAsk, judged: Case): Asking<Automatic> {
  if (profile.acknowledgePersistence || profile.network.allowIsolation) return { is: 'unmet', missed: null };
  const { duration, at } = judged;
  const { now } = at;
  const rights = kitsGiven(profile, ask.rights);
  const circumstances = { cluster: ask.cluster, namespace: ask.target.namespace ?? null, duration, rights, ...at };
  const entries = automaticEntries(profile);
  const isCounted = entries.some(({ when }) => when.perDay !== undefined);
  let unknown: Extract<Listing, { readonly is: 'unknown' }> | null = null;
  let spent: string | null = null;
  const near: { readonly entry: AutomaticEntry; readonly missed: string }[] = [];
  for (const entry of entries) {
    const [missed, ...more] = missedConditions(entry.when, circumstances);
    if (missed !== undefined) {
      // What the profile never gives in words is no near miss.
      if (more.length === 0 && (entry.when.rights === undefined || rights !== null)) near.push({ entry, missed });
      continue;
    }
    const listing = yield* membersOf(ask.profile, entry, judged.person);
    if (listing.is === 'unknown') unknown ??= listing;
    if (listing.is !== 'met') continue;
    const had = yield* missedToday(ask.profile, entry, judged);
    if (had === null) {
      const counts = { since: dayOf(entry.when, now), at: now, most: entry.when.perDay ?? null };
      return { is: 'met', rule: listing.rule, counts: isCounted ? counts : null };
    }
    spent ??= had;
  }
  if (unknown !== null) return unknown;
  if (spent !== null) return { is: 'unmet', missed: spent };
  // Who is not one of the members is not told what others need not wait for.
  for (const { entry, missed } of judged.saysNear ? near : [])
    if (
      (yield* membersOf(ask.profile, entry, judged.person)).is === 'met' &&
      (yield* missedToday(ask.profile, entry, judged)) === null
    )
      return { is: 'unmet', missed };
  return { is: 'unmet', missed: null };
}

/** Why the day's count of this entry is not met. A grant that is counted already is judged by those before it. */
function* missedToday(
  profile: string,
  { when }: AutomaticEntry,
  { person, at: { now }, grant }: Case,
): Asking<ReturnType<typeof missedPerDay>> {
  if (when.perDay === undefined) return null;
  const approved = yield { about: 'approved', how: 'automatic', person, profile, since: dayOf(when, now) };
  if (!(approved instanceof Set)) return 'How many you have had today is not known now.';
  return missedPerDay(when, countedBefore(approved, grant));
}

function* membersOf(
  profile: string,
  { path, when: { members } }: AutomaticEntry,
  person: Person,
): Asking<{ readonly is: 'met'; readonly rule: string } | Exclude<Listing, { readonly is: 'named' }>> {
  const rule = placeOf(profile, path);
  if (members === undefined) return { is: 'met', rule };
  const listing = yield* allowedBy({ [rule]: members }, person);
  return listing.is === 'named' ? { is: 'met', rule: ruleOf(listing.entry) } : listing;
}

/** How many count against one: those before it, where it is counted already. */
export function countedBefore(had: ReadonlySet<GrantId>, grant: GrantId | null): number {
  const place = grant === null ? -1 : [...had].indexOf(grant);
  return place === -1 ? had.size : place;
}
