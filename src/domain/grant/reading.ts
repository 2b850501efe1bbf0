import { type Asking, allowedBy, type Person } from '../people/people.ts';
import { isSamePerson } from '../policy/identity.ts';
import { channelOf, decidersOf, type Policy, type Principals, profileNamed, reviewersOf } from '../policy/policy.ts';
import { type Grant, holdsAccess } from './grant.ts';

/** Who may read what of a grant: all of it whom it concerns, and everybody who has access where, and until when. */

/** What everybody may know. */
export type OpenAccess = Pick<Grant, 'id' | 'state' | 'requester' | 'profile' | 'cluster' | 'target' | 'expiresAt'>;

/** What everybody may know of this grant; null: nothing, since it gives no access now. */
export function openAccess({ id, state, requester, profile, cluster, target, expiresAt }: Grant): OpenAccess | null {
  return holdsAccess(state) ? { id, state, requester, profile, cluster, target, expiresAt } : null;
}

/** Administrators see all that is open or waits. */
export function* isAdministrator({ administrators }: Policy, person: Person): Asking<boolean> {
  return (yield* allowedBy({ administrators }, person)).is === 'named';
}

/** Where its message is, or where it would be posted. */
const channelOfMessage = (policy: Policy, { message, profile, cluster }: Grant): string =>
  message?.channel ?? channelOf(policy, profile, cluster).id;

/**
 * May this person read all of it: reason, notes, commands, plan? The requester may, those who may decide on it or end it, and the members of the
 * channel in which its message is, who can read it there. While a list can't be read, whom it alone may name may not.
 */
export function* mayRead(policy: Policy, grant: Grant, person: Person): Asking<boolean> {
  if (isSamePerson(person, grant.requester)) return true;
  const profile = profileNamed(policy, grant.profile);
  const readers: Record<string, Principals> = {
    administrators: policy.administrators,
    ...(profile === undefined ? {} : decidersOf(grant.profile, profile)),
    ...(grant.breakGlass && reviewersOf(policy, grant.profile)),
    channel: { users: [], groups: [], channels: [channelOfMessage(policy, grant)] },
  };
  return (yield* allowedBy(readers, person)).is === 'named';
}
