import { decideStay } from '../domain/decide.ts';
import type { Refusal } from '../domain/errors.ts';
import type { Grant } from '../domain/grant.ts';
import { readingOnce } from './command.ts';
import { endNow } from './end-grant.ts';
import type { World } from './ports.ts';
import { alarm, guardedBy } from './steps.ts';
import { answering, requesterOf } from './who.ts';

/**
 * Ends what is open for people who have left: whose account is deactivated, or whom the policy denies the profile now. What can't be read ends
 * nothing.
 * @param onFault is told of faults that will not pass by themselves
 */
export async function endForLeavers(world: World, onFault: (error: unknown) => void): Promise<void> {
  const once = readingOnce(world);
  const guarded = guardedBy(onFault);
  for (const grant of await once.store.open(({ state }) => state !== 'ending'))
    await guarded(async () => {
      const stay = decideStay(once.policies.current(), grant, await requesterOf(once, grant));
      const why = await answering(once, stay);
      if (why !== null) await endForLeaver(once, grant, why);
    });
}

async function endForLeaver(world: World, grant: Grant, why: Refusal): Promise<void> {
  const { user } = grant.requester;
  const words =
    why.rule === 'identity.deactivated'
      ? `The Slack account of ${user} is deactivated.`
      : `The policy denies profile '${grant.profile}' to ${user} now (${why.rule}).`;
  await endNow(world, grant, null, why.rule, words);
  await alarm(world, `left ${grant.id}`, grant.id, `${grant.id} is ended: ${words}`);
}
