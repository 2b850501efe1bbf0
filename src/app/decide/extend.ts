import { extensionDigest, type Terms } from '../../domain/decide/decide.ts';
import { MOST_ASKS, tooManyAsks } from '../../domain/decide/limits.ts';
import { formatDuration } from '../../domain/duration.ts';
import { Refusal } from '../../domain/errors.ts';
import { become, type Decision, type Extension, type Grant, onePerPerson } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { Person } from '../../domain/people/people.ts';
import { differencesOf } from '../../domain/plan/differences.ts';
import { boundOf, digestOfPlan } from '../../domain/plan/plan.ts';
import { mustBeAbleToGive } from '../common/giving.ts';
import { job, scheduleEnd, warningAt } from '../common/schedule.ts';
import { noting, tell } from '../common/telling.ts';
import { carryOut } from '../grant/lengthen.ts';
import { mustBeAllowed, partiesTo } from '../people/who.ts';
import { makePlanAnew } from '../plan/make-plan.ts';
import type { Seen } from '../ports/use-cases.ts';
import type { World } from '../ports/world.ts';
import { mustBeSeen } from './review.ts';

/** The requester asks for a longer window: decided like a request, under the policy, the people and the cluster as they are now. */
export async function askExtension(world: World, slackId: string, id: GrantId, seconds: number | null): Promise<Grant> {
  const { grant, parties } = await partiesTo(world, slackId, id, true);
  const { duration, approvals, rule } = await mustBeAllowed(world, { kind: 'extend', grant, seconds }, parties);
  await mustGiveTheSame(world, grant);
  mustBeAbleToGive(world);
  let isJudged = false;
  const result = await world.store.change(
    id,
    (current) => {
      // Of many asks at once each is judged on the window that the others have made.
      isJudged = current.state === grant.state && current.expiresAt === grant.expiresAt;
      if (!isJudged) return null;
      const asks = (current.extension?.asks ?? 0) + 1;
      if (asks > MOST_ASKS) throw tooManyAsks(id);
      const replaces = current.extension?.duration ?? null;
      const extension: Extension = { duration, askedAt: world.clock.now(), asks, replaces, approvals: [] };
      return become(current, 'active', { extension, extensionDenied: null });
    },
    noting(world, 'extension-requested', parties.actor, () => ({ rule, note: formatDuration(duration) })),
  );
  if (result === null) throw new Refusal('id', `There is no grant ${id}.`);
  if (!isJudged) return askExtension(world, slackId, id, seconds);
  if (approvals === 0) return lengthen(world, result.grant, null, approvals, rule, '');
  await tell(world, id, 'message', 'extension');
  return result.grant;
}

/**
 * What would be prolonged is what was approved: the plan is made anew, as for a request of today.
 * @throws Refusal when it would be another one now, or none
 */
async function mustGiveTheSame(world: World, grant: Grant): Promise<void> {
  const plan = await makePlanAnew(world, grant, 'bound');
  if (digestOfPlan(plan) !== grant.digest)
    throw new Refusal(
      'digest',
      `What ${grant.id} was approved for is not what would be granted now: ${differencesOf(boundOf(grant.plan), boundOf(plan)).join('; ')}.`,
      'Make a new request when this one has ended; its preview shows what would be granted now.',
    );
}

/** One person's word on a longer window. */
export async function reviewExtension(
  world: World,
  slackId: string,
  id: GrantId,
  verdict: 'approve' | 'deny',
  words: string,
  seen: Seen,
): Promise<Grant> {
  const { grant, parties } = await partiesTo(world, slackId, id, verdict === 'approve');
  const { extension } = grant;
  if (grant.state !== 'active' || extension === null || (grant.expiresAt ?? 0) <= world.clock.now())
    throw new Refusal('state', `${id} waits for no longer window now.`);
  const digest = extensionDigest(grant, extension);
  if (verdict === 'deny') {
    const { rule } = await mustBeAllowed(world, { kind: 'deny', of: 'extension', grant }, parties);
    mustBeSeen(grant, seen, digest);
    return denyExtension(world, grant, parties.actor, digest, rule, words);
  }
  const { approvals, rule } = await mustBeAllowed(world, { kind: 'approve', of: 'extension', grant }, parties);
  mustBeSeen(grant, seen, digest);
  await mustGiveTheSame(world, grant);
  mustBeAbleToGive(world);
  return lengthen(world, grant, parties.actor, approvals, rule, words);
}

async function denyExtension(
  world: World,
  seen: Grant,
  by: Person,
  digest: string,
  rule: string,
  words: string,
): Promise<Grant> {
  const extensionDenied: Decision = { by, verdict: 'deny', at: world.clock.now(), rule, note: words, digest };
  const result = await world.store.change(
    seen.id,
    (current) =>
      current.state === 'active' && current.extension !== null && extensionDigest(current, current.extension) === digest
        ? become(current, 'active', { extension: null, extensionDenied })
        : null,
    noting(world, 'extension-denied', by, { rule, note: words }),
  );
  await tell(world, seen.id, 'message', 'extension-answer', 'extension-denied');
  return result?.grant ?? seen;
}

/**
 * Counts one approval of the extension; with the last one the window is longer: recorded and scheduled first, then the cluster.
 * @param needed approvals, by the policy as it is now
 */
async function lengthen(
  world: World,
  seen: Grant,
  by: Person | null,
  needed: Terms['approvals'],
  rule: string,
  words: string,
): Promise<Grant> {
  if (seen.extension === null) throw new Error(`${seen.id} has no extension`);
  const digest = extensionDigest(seen, seen.extension);
  const approval: Decision = { by, verdict: 'approve', at: world.clock.now(), rule, note: words, digest };
  const lengthened = (grant: Grant): Grant => {
    const { extension, expiresAt } = grant;
    // The digest binds the end of the window, so that what was judged fits the profile's maximum still.
    if (
      grant.state !== 'active' ||
      extension === null ||
      expiresAt === null ||
      extensionDigest(grant, extension) !== digest
    )
      throw new Refusal('state', `${seen.id} waits for no such extension now.`);
    if (expiresAt <= world.clock.now()) throw new Refusal('state', `${seen.id} has reached its end.`);
    const approvals = onePerPerson([...extension.approvals, approval]);
    if (approvals.length < needed) return become(grant, 'active', { extension: { ...extension, approvals } });
    return become(grant, 'active', {
      extension: null,
      decisions: [...grant.decisions, ...approvals],
      duration: grant.duration + extension.duration,
      expiresAt: expiresAt + extension.duration * 1000,
    });
  };
  const result = await world.store.change(seen.id, lengthened, (grant) =>
    noting(world, grant.extension === null ? 'extended' : 'extension-approval', by, { rule, note: words })(grant),
  );
  if (result === null) throw new Refusal('id', `There is no grant ${seen.id}.`);
  const { grant } = result;
  if (grant.extension === null) {
    await scheduleEnd(world, grant);
    if (await carryOut(world, grant)) await tell(world, grant.id, 'message', 'extended');
    await world.scheduler.schedule(job('warn', grant.id), warningAt(world, grant));
  } else await tell(world, grant.id, 'message');
  return grant;
}
