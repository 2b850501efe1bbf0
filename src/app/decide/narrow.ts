import { decide } from '../../domain/decide/decide.ts';
import { approvalsOfSteps } from '../../domain/decide/steps.ts';
import { approvalsAgain } from '../../domain/decide/terms.ts';
import { Refusal } from '../../domain/errors.ts';
import type { Grant } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { Person } from '../../domain/people/people.ts';
import { addedBy, type Narrowing, takenAway, whyNotNarrower } from '../../domain/plan/narrower.ts';
import { digestOfPlan, shortDigest } from '../../domain/plan/plan.ts';
import { isWide } from '../../domain/target.ts';
import { mustBeAbleToGive } from '../common/giving.ts';
import { noting, tell } from '../common/telling.ts';
import { answering, mustBeAllowed, partiesTo, rulesNow } from '../people/who.ts';
import { askAgainIfDifferent } from '../plan/ask-again.ts';
import { makePlanAnew } from '../plan/make-plan.ts';
import type { Seen } from '../ports/use-cases.ts';
import type { World } from '../ports/world.ts';
import { approve } from './approve.ts';
import { mustWait } from './review.ts';

/**
 * Approval with changes: an approver gives less than was asked for. The request itself becomes the lesser one first, with the approvals that it has,
 * since whoever agreed to more agreed to this; then it is approved like any other. A crash between the two leaves a request for less that waits.
 */

/** The request as it would be with these changes, and what the one who changes it is allowed. Nothing is stored. */
async function changedGrant(world: World, slackId: string, id: GrantId, changes: Narrowing, words: string) {
  const { grant, parties } = await partiesTo(world, slackId, id, true);
  if (grant.state !== 'pending') throw new Refusal('state', `${id} is ${grant.state} already.`);
  const added = addedBy(grant.plan, changes);
  if (added !== null) throw notLess(added);
  const taken = takenAway(grant.plan, changes);
  if (taken.length === 0)
    throw new Refusal('changes', 'Nothing is taken away.', 'Press Approve, or take something away.');
  const asked = asChanged(grant, changes);
  const requester = parties.requester instanceof Refusal ? grant.requester : parties.requester;
  const { approvals, waived } = await answering(world, approvalsAgain(rulesNow(world), asked, requester));
  const approving = (of: Grant) => ({ kind: 'approve', of: 'request', grant: of, note: words }) as const;
  const lesser: Grant = { ...asked, approvalsNeeded: approvals, waived };
  const decided = await answering(world, decide(rulesNow(world), approving(lesser), parties));
  if (decided.allowed) return { grant, lesser, decided, taken, actor: parties.actor };
  // Whoever is needed for what was asked for may approve less of it: where nothing else is left to approve, those steps stay needed.
  const asAsked = await answering(world, decide(rulesNow(world), approving(grant), parties));
  if (!asAsked.allowed) throw decided.refusal;
  const { steps, profile } = asAsked;
  const others = waived.filter(({ name }) => !steps.includes(name));
  const kept: Grant = { ...lesser, approvalsNeeded: approvalsOfSteps(profile, others), waived: others };
  return {
    grant,
    lesser: kept,
    decided: await mustBeAllowed(world, approving(kept), parties),
    taken,
    actor: parties.actor,
  };
}

const notLess = (why: string): Refusal =>
  new Refusal(
    'changes',
    `What these changes make is not less than what was asked for: ${why}.`,
    'Look at the request again.',
  );

/** What is asked for with these changes: its plan is still to be made. */
function asChanged(
  grant: Grant,
  { duration = grant.plan.duration, rights, ports, sources, workload }: Narrowing,
): Grant {
  const { target } = grant;
  const isNarrowed = ports !== undefined || sources !== undefined || workload !== undefined;
  const narrowed = {
    ...grant.narrowed,
    ...(ports && { ports }),
    ...(sources && { sources }),
    ...(workload && target.workload === undefined && { toWorkload: true as const }),
  };
  return {
    ...grant,
    duration,
    ...(rights && { rights }),
    ...(isNarrowed && { narrowed }),
    ...(workload && !isWide(target) && { target: { namespace: target.namespace, workload } }),
    plan: { ...grant.plan, duration },
  };
}

/** The same with its plan. @throws Refusal where that plan is no part of the one that was asked for */
async function planned(world: World, grant: Grant, lesser: Grant): Promise<Grant> {
  const { plan } = await makePlanAnew(world, lesser, 'bound');
  const why = whyNotNarrower(grant.plan, plan);
  if (why !== null) throw notLess(why);
  return { ...lesser, plan, digest: digestOfPlan(plan), pods: plan.pods };
}

/** What a request would be with these changes, for whoever may approve it so. */
export async function considerChanges(
  world: World,
  slackId: string,
  id: GrantId,
  changes: Narrowing,
  words: string,
): Promise<Grant> {
  const { grant, lesser } = await changedGrant(world, slackId, id, changes, words);
  return planned(world, grant, lesser);
}

/**
 * @param seen what the dialog was opened on
 * @param shown the short digest of the plan that {@link considerChanges} has shown
 */
export async function approveWithChanges(
  world: World,
  slackId: string,
  id: GrantId,
  changes: Narrowing,
  words: string,
  seen: Seen,
  shown: string,
): Promise<Grant> {
  const { grant, lesser, decided, taken, actor } = await changedGrant(world, slackId, id, changes, words);
  mustWait(world, grant, seen);
  mustBeAbleToGive(world, grant);
  const judged = await askAgainIfDifferent(world, grant);
  if ('asked' in judged) return judged.asked;
  const next = await planned(world, judged.same, lesser);
  if (shortDigest(next.digest) !== shown)
    throw new Refusal(
      'digest',
      'What would be granted with these changes is another now.',
      'Look at the request again, then decide.',
    );
  const narrowed = await store(world, grant, next, taken, actor);
  return approve(world, narrowed, { ...decided, by: actor, words });
}

async function store(world: World, grant: Grant, next: Grant, taken: readonly string[], by: Person): Promise<Grant> {
  const { duration, rights, narrowed, target, plan, digest, pods, waived = [], approvalsNeeded } = next;
  const remark = `${by.user} gives less: ${taken.join('; ')}.`;
  const result = await world.store.change(
    grant.id,
    (current) => {
      if (current.state !== 'pending' || current.digest !== grant.digest) return null;
      const { waived: _before, ...rest } = current;
      return {
        ...rest,
        duration,
        ...(rights && { rights }),
        ...(narrowed && { narrowed }),
        target,
        plan,
        digest,
        pods,
        approvalsNeeded,
        ...(waived.length > 0 && { waived }),
        // Whoever has approved more has approved this.
        decisions: current.decisions.map((d) => (d.digest === grant.digest ? { ...d, digest } : d)),
        remarks: [...current.remarks, remark],
      };
    },
    noting(world, 'narrowed', by, { from: 'pending', note: taken.join('; ') }),
  );
  if (result?.changed !== true)
    throw new Refusal('digest', 'The request has changed in this moment.', 'Look at it again, then decide.');
  await tell(world, grant.id, 'message', 'narrowed');
  return result.grant;
}
