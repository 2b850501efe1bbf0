import { type Subject } from '../../domain/decide/act.ts';
import { extensionDigest } from '../../domain/decide/extension.ts';
import { Refusal } from '../../domain/errors.ts';
import { become, type Decision, type Grant, hasEnded } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import { shortDigest } from '../../domain/plan/plan.ts';
import { mustBeAbleToGive } from '../common/giving.ts';
import { unschedule } from '../common/schedule.ts';
import { noting, tellEnd } from '../common/telling.ts';
import { mustBeAllowed, partiesTo } from '../people/who.ts';
import { askAgainIfDifferent } from '../plan/ask-again.ts';
import type { Seen } from '../ports/use-cases.ts';
import type { World } from '../ports/world.ts';
import { approve } from './approve.ts';

/** Milliseconds within which Slack has answered the call that posted a message; and between two looks whether it has. */
const UNTIL_POSTED = 3000;
const LOOKS_APART = 50;

/**
 * Slack shows a message before it answers the call that posted it, so that a click can be faster than the record of where the message is: this
 * waits for that. Answers whether it is recorded now; a click on a message that is not the grant's own is refused all the same.
 */
async function isPostedNow(world: World, id: GrantId): Promise<boolean> {
  for (let waited = 0; waited < UNTIL_POSTED; waited += LOOKS_APART) {
    await new Promise((resolve) => setTimeout(resolve, LOOKS_APART));
    if ((await world.store.get(id))?.message) return true;
  }
  return false;
}

/** A click must come from the grant's own message, as it is now: not from a copy, an older one or another's. */
export function mustBeSeen(grant: Grant, seen: Seen, digest: string): void {
  const { message } = seen;
  if (message !== null && (message.channel !== grant.message?.channel || message.ts !== grant.message.ts))
    throw new Refusal(
      'message',
      'That button is not on the message of this request.',
      `\`/jit status ${grant.id}\` shows the real one.`,
    );
  if (seen.digest !== shortDigest(digest))
    throw new Refusal(
      'digest',
      'What you saw is not what would be granted now.',
      'Look at the message again, then decide.',
    );
}

/** One person's word on a request that waits. Everything is looked up anew: the person, the policy, the plan. */
export async function reviewAccess(
  world: World,
  slackId: string,
  id: GrantId,
  verdict: 'approve' | 'deny',
  words: string,
  seen: Seen,
): Promise<Grant> {
  const { grant, parties } = await partiesTo(world, slackId, id, verdict === 'approve');
  if (grant.message === null && seen.message !== null && grant.state === 'pending' && (await isPostedNow(world, id)))
    return reviewAccess(world, slackId, id, verdict, words, seen);
  if (grant.state !== 'pending') throw noLongerPending(grant);
  const by = parties.actor;
  if (verdict === 'deny') {
    const { rule } = await mustBeAllowed(world, { kind: verdict, of: 'request', grant, note: words }, parties);
    mustWait(world, grant, seen);
    return deny(world, grant, { by, verdict, at: world.clock.now(), rule, note: words, digest: grant.digest });
  }
  const decided = await mustBeAllowed(world, { kind: verdict, of: 'request', grant, note: words }, parties);
  mustWait(world, grant, seen);
  mustBeAbleToGive(world, grant);
  const judged = await askAgainIfDifferent(world, grant);
  return 'asked' in judged ? judged.asked : approve(world, judged.same, { ...decided, by, words });
}

/** In the place of a note that is asked for next: whether one is wanted at all is no question any more. */
const NOTE_TO_COME = 'a note';

/** Whether this person may decide on it now: looked at before a note is asked for, so that nobody writes one in vain. @throws Refusal */
export async function mustBeReviewable(
  world: World,
  slackId: string,
  id: GrantId,
  verdict: 'approve' | 'deny',
  of: Subject,
  seen: Seen,
): Promise<void> {
  const { grant, parties } = await partiesTo(world, slackId, id, verdict === 'approve');
  if (of === 'request' && grant.message === null && seen.message !== null && (await isPostedNow(world, id)))
    return mustBeReviewable(world, slackId, id, verdict, of, seen);
  await mustBeAllowed(world, { kind: verdict, of, grant, note: NOTE_TO_COME }, parties);
  if (of === 'request') {
    if (grant.state === 'pending') mustWait(world, grant, seen);
    else throw noLongerPending(grant);
  } else if (grant.state !== 'active' || grant.extension === null)
    throw new Refusal('state', `${id} waits for no longer window now.`);
  else mustBeSeen(grant, seen, extensionDigest(grant, grant.extension));
}

const noLongerPending = ({ id, state }: Grant): Refusal =>
  new Refusal('state', hasEnded(state) ? `${id} has ended: ${state}.` : `${id} is ${state} already.`);

export function mustWait(world: World, grant: Grant, seen: Seen): void {
  mustBeSeen(grant, seen, grant.digest);
  if (world.clock.now() >= grant.pendingUntil)
    throw new Refusal('state', `${grant.id} has waited too long: it is timed out.`);
}

async function deny(world: World, seen: Grant, decision: Decision): Promise<Grant> {
  const result = await world.store.change(
    seen.id,
    (grant) => {
      if (grant.state !== 'pending') throw new Refusal('state', `${grant.id} is ${grant.state} already.`);
      return become(grant, 'denied', { decisions: [...grant.decisions, decision], endedAt: decision.at });
    },
    noting(world, 'denied', decision.by, { from: 'pending', rule: decision.rule, note: decision.note }),
  );
  if (result === null) throw new Refusal('id', `There is no request ${seen.id}.`);
  await tellEnd(world, result.grant);
  await unschedule(world, result.grant);
  return result.grant;
}
