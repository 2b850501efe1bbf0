import { decideGlassReview } from '../../domain/decide/break-glass.ts';
import { LONGEST_NOTE } from '../../domain/decide/notes.ts';
import { Refusal } from '../../domain/errors.ts';
import { awaitsReview, type GlassReview, type Grant, hasEnded } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { Person } from '../../domain/people/people.ts';
import { describePlace } from '../../domain/target.ts';
import { job } from '../common/schedule.ts';
import { alarm, noting, tell } from '../common/telling.ts';
import { answering, partiesTo } from '../people/who.ts';
import type { World } from '../ports/world.ts';

/** What reviewers say of break-glass access after its end. It changes nothing in the cluster: the access is gone. */
export async function reviewBreakGlass(
  world: World,
  slackId: string,
  id: GrantId,
  verdict: GlassReview['verdict'],
  words: string,
): Promise<Grant> {
  const { actor, rule } = await mustBeGlassReviewer(world, slackId, id);
  mustSayWhy(verdict, words);
  const review = { verdict, by: actor, at: world.clock.now(), rule, note: words.trim() };
  const result = await world.store.change(
    id,
    (current) => {
      mustAwaitReview(current);
      return { ...current, breakGlass: { review } };
    },
    noting(world, 'break-glass-reviewed', actor, { rule, note: `${verdict}: ${review.note}` }),
  );
  if (result === null) throw new Refusal('id', `There is no grant ${id}.`);
  await world.scheduler.cancel(job('review', id));
  await tell(world, id, 'message', 'reviewed');
  if (verdict === 'flagged')
    await alarm(
      world,
      `flagged ${id}`,
      result.grant,
      `${actor.user} has flagged break-glass access of ${result.grant.requester.user} (${result.grant.profile} on ${describePlace(result.grant)}): ${review.note}`,
    );
  return result.grant;
}

/** Whether somebody may review it now, and by which rule: looked at before a note is asked for, too. @throws Refusal */
export async function mustBeGlassReviewer(
  world: World,
  slackId: string,
  id: GrantId,
): Promise<{ readonly actor: Person; readonly rule: string }> {
  const { grant, parties } = await partiesTo(world, slackId, id, true);
  mustAwaitReview(grant);
  const { actor, requester } = parties;
  const decided = await answering(world, decideGlassReview(world.policies.current(), grant, actor, requester));
  if (!decided.allowed) throw decided.refusal;
  return { actor, rule: decided.rule };
}

function mustAwaitReview(grant: Grant): void {
  const { id, state, breakGlass } = grant;
  if (awaitsReview(grant)) return;
  if (breakGlass === undefined)
    throw new Refusal('review', `${id} is no break-glass access: there is nothing to review.`);
  if (breakGlass.review !== null)
    throw new Refusal('review', `${breakGlass.review.by.user} has ${breakGlass.review.verdict} ${id} already.`);
  throw new Refusal(
    'review',
    hasEnded(state)
      ? `Nothing was opened by ${id}: there is nothing to review.`
      : `${id} is reviewed when it has ended.`,
    hasEnded(state) ? '' : `\`/jit revoke ${id}\` ends it now.`,
  );
}

function mustSayWhy(verdict: GlassReview['verdict'], words: string): void {
  if (verdict === 'flagged' && words.trim() === '')
    throw new Refusal('note', 'A flag needs a note: others must know what was wrong.', 'Say it in a few words.');
  if (words.length > LONGEST_NOTE)
    throw new Refusal('note', `The note has ${words.length} characters, ${LONGEST_NOTE} are taken.`, 'Shorten it.');
}
