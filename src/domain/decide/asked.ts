import { UnreadableMembers } from '../errors.ts';
import type { Grant } from '../grant/grant.ts';
import { type Asking, allowedBy, type Entry, type Person } from '../people/people.ts';
import { isSamePerson } from '../policy/identity.ts';
import { profileNamed } from '../policy/policy.ts';
import type { Rules } from './act.ts';
import { mayDecide } from './decide.ts';
import { askedLists } from './steps.ts';

/**
 * The entry of the approvers by which this person is asked to decide on what waits: the request, or a longer window. Null: they may not decide.
 * Nobody is asked to decide on their own, not even where they may.
 */
export function* askedAs(
  rules: Pick<Rules, 'policy' | 'now'>,
  grant: Grant,
  person: Person,
): Asking<Entry | 'unknown' | null> {
  const profile = profileNamed(rules.policy, grant.profile);
  if (profile === undefined || isSamePerson(person, grant.requester)) return null;
  const may = yield* mayDecide(rules, grant, person);
  if (!may.allowed) return may.refusal instanceof UnreadableMembers ? 'unknown' : null;
  const listing = yield* allowedBy(askedLists(grant, profile, rules.now), person);
  return listing.is === 'named' ? listing.entry : 'unknown';
}
