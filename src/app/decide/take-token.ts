import type { Instant } from '../../domain/clocks.ts';
import { Refusal } from '../../domain/errors.ts';
import type { Grant } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import { isSamePerson } from '../../domain/policy/identity.ts';
import { mustBeAbleToGive } from '../common/giving.ts';
import { note } from '../common/telling.ts';
import { mustBeAllowed, partiesTo } from '../people/who.ts';
import type { Concealed } from '../ports/cluster-access.ts';
import type { World } from '../ports/world.ts';

/** What its person is shown, once. */
export interface Taken {
  readonly grant: Grant;
  readonly token: Concealed;
  readonly expiresAt: Instant;
}

/**
 * A token of the account of a grant, for its person alone: whoever that is now is judged anew, as for whatever gives access. The audit has that it was
 * taken, and nothing has the token.
 * @throws Refusal, Unavailable
 */
export async function takeToken(world: World, slackId: string, id: GrantId): Promise<Taken> {
  const { grant, parties } = await partiesTo(world, slackId, id, true);
  const { actor, requester } = parties;
  if (!isSamePerson(actor, grant.requester))
    throw new Refusal(
      'requester',
      `Only ${grant.requester.user} takes tokens of ${id}.`,
      'Ask for access of your own.',
    );
  if (requester instanceof Refusal) throw requester;
  if (grant.plan.credential !== 'token')
    throw new Refusal('credential', `${id} is used as your own Kubernetes user: there is no token for it.`);
  if (grant.state !== 'active' || (grant.expiresAt ?? 0) <= world.clock.now())
    throw new Refusal('state', `${id} gives no access now: it is ${grant.state}.`, 'Ask again when you need it.');
  mustBeAbleToGive(world, grant);
  await mustBeAllowed(world, { kind: 'apply', grant }, { requester, actor: null });
  const { token, expiresAt } = await world.clusters.of(grant).tokenFor(grant);
  await note(world, grant, 'token-taken', actor);
  return { grant, token, expiresAt };
}
