import { formatDuration } from '../../domain/duration.ts';
import { Refusal } from '../../domain/errors.ts';
import { type Grant, waitsForApproval } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import { isSamePerson } from '../../domain/policy/identity.ts';
import { tell } from '../common/telling.ts';
import { grantNamed, personBehind } from '../people/who.ts';
import type { World } from '../ports/world.ts';

/** Seconds in which whoever asked reminds the approvers once. */
const ONCE_IN = 600;

/** Reminds those who may decide on a request that waits, at the wish of whoever asked for it. @throws Refusal */
export async function nudge(world: World, slackId: string, id: GrantId): Promise<Grant> {
  const person = await personBehind(world, slackId);
  const grant = await grantNamed(world, id);
  if (!isSamePerson(person, grant.requester))
    throw new Refusal('requester', `${id} is no request of yours.`, '`/jit list` shows yours.');
  if (!waitsForApproval(grant))
    throw new Refusal('state', `${id} waits for nobody: it is ${grant.state}.`, '`/jit list` shows it.');
  if (!(await world.store.firstTime(`nudge ${id}`, ONCE_IN)))
    throw new Refusal(
      'nudge',
      `The approvers of ${id} were reminded within the last ${formatDuration(ONCE_IN)}.`,
      'Wait a little, or speak to one of them.',
    );
  await tell(world, id, 'reminder');
  return grant;
}
