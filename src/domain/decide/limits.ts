import type { Instant } from '../clocks.ts';
import { Refusal } from '../errors.ts';
import type { GrantState } from '../grant/grant.ts';
import type { GrantId } from '../ids.ts';
import { startOfDay } from '../policy/hours.ts';
import type { Policy, Profile } from '../policy/policy.ts';

/** A slip of the keyboard or a script must not flood a channel. */

/** How many requests of one person may wait at once. */
export const MOST_PENDING = 10;
/** How often a longer window may be asked for while nobody has answered. */
export const MOST_ASKS = 5;

/** What somebody has had of a profile since their day began, counted in the very step that gives one more. */
export interface Daily {
  readonly since: Instant;
  /** When this one is given. */
  readonly at: Instant;
  /** No more than so many; null: it is counted, and limits nothing. */
  readonly most: number | null;
}

/** What is looked at in the very step that stores a request. What is null is not counted. */
export interface Bounds {
  /** Whether the same of the same person, waiting or open, is answered with that one. */
  readonly once: boolean;
  /** How many requests of this person may wait, of all profiles. */
  readonly pending: number;
  /** How many of this profile may wait or be open for this person, and for everybody. */
  readonly openPerPerson: number | null;
  readonly open: number | null;
  /** Asked for by this person, of this profile. */
  readonly asked: Daily | null;
  /** Approved by the policy itself, of this profile; or had by breaking the glass, where it is. */
  readonly automatic: Daily | null;
}

/** The limits of a profile, by their names in the policy. */
export type Limit = 'openPerPerson' | 'open' | 'perPersonADay';

/** What is counted where a request of this profile is stored. `automatic`: where the policy itself approves. */
export function boundsOf(
  { approvals: { askOnce } }: Pick<Policy, 'approvals'>,
  { limits = {} }: Pick<Profile, 'limits'>,
  automatic: Daily | null,
  now: Instant,
): Bounds {
  const { openPerPerson = null, open = null, perPersonADay: most = null } = limits;
  const asked = most === null ? null : { since: startOfDay('UTC', now), at: now, most };
  return { once: askOnce, pending: MOST_PENDING, openPerPerson, open, asked, automatic };
}

/** What is counted where somebody breaks the glass: how often they have today, and nothing else. */
export function boundsOfBreakGlass(perDay: Daily | null): Bounds {
  const pending = Number.MAX_SAFE_INTEGER;
  return { once: true, pending, openPerPerson: null, open: null, asked: null, automatic: perDay };
}

/** Which limit somebody has reached with what they have; null: none that this tells of. */
export function limitReached(
  mine: readonly { readonly state: GrantState; readonly profile: string }[],
  profile: string,
  { pending, openPerPerson }: Bounds,
): Refusal | null {
  if (mine.filter(({ state }) => state === 'pending').length >= pending) return tooManyPending();
  if (openPerPerson !== null && mine.filter((one) => one.profile === profile).length >= openPerPerson)
    return tooMany('openPerPerson', profile, openPerPerson);
  return null;
}

/** The no of a profile's limit, with its figure and what to do. */
export function tooMany(limit: Limit, profile: string, most: number): Refusal {
  const of = `profile '${profile}'`;
  const [reason, remedy] = {
    openPerPerson: [
      `You have ${most} of ${of} waiting or open, and nobody may have more at once.`,
      'End one, or withdraw one: `/jit list` has a button for each.',
    ],
    open: [
      `${most} of ${of} are waiting or open among all people, and there may not be more at once.`,
      'Ask again when one of them has ended.',
    ],
    perPersonADay: [
      `You have asked for ${of} ${most} ${most === 1 ? 'time' : 'times'} today, and nobody may more often.`,
      'Ask again tomorrow: the day ends at 00:00 UTC.',
    ],
  }[limit] as [string, string];
  return new Refusal(`profiles.${profile}.limits.${limit}`, reason, `${remedy} Or ask an administrator of Drawbridge.`);
}

export const tooManyPending = (): Refusal =>
  new Refusal(
    'pending',
    `You have ${MOST_PENDING} requests waiting.`,
    'Call some back: `/jit list` has a button for each.',
  );

export const tooManyAsks = (id: GrantId): Refusal =>
  new Refusal(
    'extension',
    `You have asked for a longer window of ${id} ${MOST_ASKS} times, and nobody has answered yet.`,
    'Ask an approver to answer.',
  );
