import { NotNow, Refusal } from '../../domain/errors.ts';
import type { Grant } from '../../domain/grant/grant.ts';
import { mustBeAbleToGive } from '../common/giving.ts';
import { scheduleEscalation } from '../common/schedule.ts';
import { noting, tell } from '../common/telling.ts';
import { giveUp } from '../grant/end.ts';
import { mustBeAllowed, requesterOf } from '../people/who.ts';
import { askAgainIfDifferent, stepsAgain } from '../plan/ask-again.ts';
import type { World } from '../ports/world.ts';
import { approve } from './approve.ts';

/** Milliseconds for the process that made the request to approve it. */
const ITS_TURN = 10_000;

/** A request that the policy itself was to approve, and did not: the process died between the two. */
export function isLeftToPolicy(
  { state, approvalsNeeded, createdAt }: Pick<Grant, 'state' | 'approvalsNeeded' | 'createdAt'>,
  now: number,
): boolean {
  return state === 'pending' && approvalsNeeded === 0 && now >= createdAt + ITS_TURN;
}

/**
 * Carries such a request on: by the requester, the policy and the cluster as they are now. Where the policy would not approve it by itself any
 * more, people are asked.
 */
export async function approveByPolicy(world: World, grant: Grant): Promise<void> {
  try {
    const rule = await ruleThatApproves(world, grant);
    if (rule === null) return grant.breakGlass ? await giveUpGlass(world, grant) : await askPeople(world, grant);
    mustBeAbleToGive(world, grant);
    const judged = await askAgainIfDifferent(world, grant);
    if ('same' in judged) await approve(world, judged.same, { by: null, rule });
  } catch (error) {
    // Somebody was faster, or it can't be given or judged now: the next look around finds it as it is then.
    if (!(error instanceof Refusal)) throw error;
  }
}

/** Null: none. @throws NotNow when that is not known now */
async function ruleThatApproves(world: World, grant: Grant): Promise<string | null> {
  try {
    const parties = { requester: await requesterOf(world, grant), actor: null };
    return (await mustBeAllowed(world, { kind: 'apply', grant }, parties)).rule;
  } catch (error) {
    if (error instanceof Refusal && !(error instanceof NotNow)) return null;
    throw error;
  }
}

/** Whoever broke the glass may not any more: people were never to decide on it. */
function giveUpGlass(world: World, { id }: Grant): Promise<void> {
  const note = 'The policy does not let this person break the glass any more.';
  return giveUp(world, id, 'pending', note, { note });
}

async function askPeople(world: World, grant: Grant): Promise<void> {
  const needed = await stepsAgain(world, grant);
  const result = await world.store.change(
    grant.id,
    (current) => (current.state === 'pending' && current.approvalsNeeded === 0 ? { ...current, ...needed } : null),
    noting(world, 'asked-again', null, { from: 'pending', note: 'the policy would not approve it by itself any more' }),
  );
  if (result?.changed !== true) return;
  await scheduleEscalation(world, result.grant);
  await tell(world, grant.id, 'message');
}
