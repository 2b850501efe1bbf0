import { type Terms } from '../../domain/decide/act.ts';
import { extensionDigest } from '../../domain/decide/extension.ts';
import { MOST_ASKS, tooManyAsks } from '../../domain/decide/limits.ts';
import { countApproval, waitingExtension } from '../../domain/decide/steps.ts';
import { formatDuration } from '../../domain/duration.ts';
import { Refusal } from '../../domain/errors.ts';
import { become, type Decision, type Extension, type Grant } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { Person } from '../../domain/people/people.ts';
import { differencesOf } from '../../domain/plan/differences.ts';
import { boundOf, digestOfPlan } from '../../domain/plan/plan.ts';
import { isSamePerson } from '../../domain/policy/identity.ts';
import { mustBeAbleToGive } from '../common/giving.ts';
import { job, scheduleEnd, scheduleEscalation, warningAt } from '../common/schedule.ts';
import { noting, tell } from '../common/telling.ts';
import { carryOut } from '../grant/lengthen.ts';
import { mustBeAllowed, partiesTo } from '../people/who.ts';
import { makePlanAnew } from '../plan/make-plan.ts';
import type { Noting } from '../ports/audit.ts';
import type { Seen } from '../ports/use-cases.ts';
import type { World } from '../ports/world.ts';
import { type Approving, askNextStep, overtaken } from './approve.ts';
import { mustBeSeen } from './review.ts';

/** The requester asks for a longer window: decided like a request, under the policy, the people and the cluster as they are now. */
export async function askExtension(world: World, slackId: string, id: GrantId, seconds: number | null): Promise<Grant> {
  const { grant, parties } = await partiesTo(world, slackId, id, true);
  const decided = await mustBeAllowed(world, { kind: 'extend', grant, seconds }, parties);
  const { duration, approvals, waived, rule, counts } = decided;
  await mustGiveTheSame(world, grant);
  mustBeAbleToGive(world, grant);
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
      const extension: Extension = {
        duration,
        askedAt: world.clock.now(),
        asks,
        replaces,
        approvals: [],
        ...(waived.length > 0 && { waived }),
      };
      return become(current, 'active', { extension, extensionDenied: null });
    },
    noting(world, 'extension-requested', parties.actor, () => ({ rule, note: formatDuration(duration) })),
  );
  if (result === null) throw new Refusal('id', `There is no grant ${id}.`);
  if (!isJudged) return askExtension(world, slackId, id, seconds);
  const longer = approvals === 0 ? await lengthen(world, result.grant, { by: null, rule }, counts) : null;
  if (longer !== null) return longer;
  await scheduleEscalation(world, result.grant);
  await tell(world, id, 'message', 'extension');
  return result.grant;
}

/**
 * What would be prolonged is what was approved: the plan is made anew, as for a request of today.
 * @throws Refusal when it would be another one now, or none
 */
async function mustGiveTheSame(world: World, grant: Grant): Promise<void> {
  const { plan } = await makePlanAnew(world, grant, 'bound');
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
    const { rule } = await mustBeAllowed(world, { kind: 'deny', of: 'extension', grant, note: words }, parties);
    mustBeSeen(grant, seen, digest);
    return denyExtension(world, grant, parties.actor, digest, rule, words);
  }
  const approval = { kind: 'approve', of: 'extension', grant, note: words } as const;
  const decided = await mustBeAllowed(world, approval, parties);
  mustBeSeen(grant, seen, digest);
  await mustGiveTheSame(world, grant);
  mustBeAbleToGive(world, grant);
  return (await lengthen(world, grant, { ...decided, by: parties.actor, words })) ?? grant;
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
 * @param counts where the policy itself approves; null is answered when it has just approved the day's last: nothing is changed, people decide
 */
async function lengthen(
  world: World,
  seen: Grant,
  approving: Approving,
  counts: Terms['counts'] = null,
): Promise<Grant | null> {
  if (seen.extension === null) throw new Error(`${seen.id} has no extension`);
  const digest = extensionDigest(seen, seen.extension);
  const { by, rule } = approving;
  const words = by === null ? '' : approving.words;
  const steps = by === null ? {} : { steps: approving.steps };
  const approval: Decision = { by, verdict: 'approve', at: world.clock.now(), rule, note: words, digest, ...steps };
  const lengthened = (grant: Grant): Grant | null => {
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
    const waiting = waitingExtension(extension);
    // The same person by another click: it counts once.
    if (by !== null && waiting.approvals.some((d) => d.by !== null && isSamePerson(d.by, by))) return null;
    const counted = by === null ? null : countApproval(approving.profile, waiting, approving.waived, approval);
    if (by !== null && counted === null) throw overtaken(grant);
    if (counted?.isComplete === false)
      return become(grant, 'active', { extension: { ...extension, ...counted.waiting } });
    const approvals = counted?.waiting.approvals ?? [approval];
    return become(grant, 'active', {
      extension: null,
      decisions: [...grant.decisions, ...approvals],
      duration: grant.duration + extension.duration,
      expiresAt: expiresAt + extension.duration * 1000,
    });
  };
  const said: Noting = (grant) =>
    noting(world, grant.extension === null ? 'extended' : 'extension-approval', by, { rule, note: words })(grant);
  const result = await world.store.change(seen.id, lengthened, said, counts);
  if (result === null) throw new Refusal('id', `There is no grant ${seen.id}.`);
  if (by === null && !result.changed) return null;
  const { grant } = result;
  if (grant.extension === null) {
    await scheduleEnd(world, grant);
    if (await carryOut(world, grant)) await tell(world, grant.id, 'message', 'extended');
    await world.scheduler.schedule(job('warn', grant.id), warningAt(world, grant));
  } else await askNextStep(world, seen, grant);
  return grant;
}
