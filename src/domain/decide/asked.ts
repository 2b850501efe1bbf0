import { UnreadableMembers } from '../errors.ts';
import type { Grant } from '../grant/grant.ts';
import { type Asking, allowedBy, type Entry, type Person } from '../people/people.ts';
import { isSamePerson } from '../policy/identity.ts';
import { type Policy, profileNamed } from '../policy/policy.ts';
import { mayDecide } from './decide.ts';

/**
 * The entry of the approvers by which this person is asked to decide on what waits: the request, or a longer window. Null: they may not decide.
 * Nobody is asked to decide on their own, not even where they may.
 */
export function* askedAs(policy: Policy, grant: Grant, person: Person): Asking<Entry | 'unknown' | null> {
  const profile = profileNamed(policy, grant.profile);
  if (profile === undefined || isSamePerson(person, grant.requester)) return null;
  // Who approved the request is asked about a longer window as well.
  const waiting = grant.extension === null ? grant : { ...grant, decisions: [] };
  const may = yield* mayDecide(policy, waiting, person);
  if (!may.allowed) return may.refusal instanceof UnreadableMembers ? 'unknown' : null;
  const listing = yield* allowedBy({ [`profiles.${grant.profile}.approvers`]: profile.approvers }, person);
  return listing.is === 'named' ? listing.entry : 'unknown';
}
