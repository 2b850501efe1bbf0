import { Refusal, UnreadableMembers } from '../errors.ts';
import { type Asking, deniedBy, type Entry, type Listing, type Person, ruleOf } from '../people/people.ts';
import type { Policy, Profile } from '../policy/policy.ts';

/** What decisions are made of: a yes with its rule, a no with its refusal, and what the lists of people say. */

/** A decision with the rule of the policy that made it. */
export type Decided<T = unknown> =
  | ({ readonly allowed: true; readonly rule: string } & T)
  | { readonly allowed: false; readonly refusal: Refusal };

export type No = { readonly allowed: false; readonly refusal: Refusal };
export const refuse = (rule: string, reason: string, remedy = ''): No => ({
  allowed: false,
  refusal: new Refusal(rule, reason, remedy),
});
/** Who is in a list can't be read, and that decides. `what`: what is therefore not known. */
export const unread = ({ word, id, path }: Entry, retryIn: number | null, what: string): No => ({
  allowed: false,
  refusal: new UnreadableMembers(
    `${path} (${word}: ${id}, ${word === 'oncall' ? 'which' : 'whose members'} can't be read now)`,
    id,
    retryIn,
    what,
    word === 'oncall' ? 'oncall' : 'members',
  ),
});

export type Why = No | null;
/** The first refusal of an ordered list of checks. */
export function firstRefusal(...checks: (() => Why)[]): Why {
  for (const check of checks) {
    const why = check();
    if (why !== null) return why;
  }
  return null;
}

/** Why the deny list of a profile bars this person; null: it does not. */
export function* denied(policy: Policy, name: string, person: Person): Asking<Why> {
  const profile = policy.profiles[name] as Profile;
  const listing = yield* deniedBy(`profiles.${name}.deny`, profile.deny, person, policy.identity);
  if (listing.is === 'unnamed') return null;
  if (listing.is === 'unknown')
    return unread(listing.entry, listing.retryIn, `Whether the policy denies profile '${name}' to you is not known.`);
  return refuse(
    ruleOf(listing.entry),
    `The policy denies profile '${name}' to you.`,
    'Ask an administrator of Drawbridge.',
  );
}

/** An allow list's answer as a decision. `unknown`: what is not known while it can't be read. */
export function verdictOf(listing: Listing, unknown: string, no: () => No): Decided {
  if (listing.is === 'named') return { allowed: true, rule: ruleOf(listing.entry) };
  return listing.is === 'unknown' ? unread(listing.entry, listing.retryIn, unknown) : no();
}
