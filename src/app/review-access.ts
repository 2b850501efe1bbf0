import { Refusal } from '../domain/errors.ts';
import { become, type Decision, type Grant, hasEnded } from '../domain/grant.ts';
import type { GrantId } from '../domain/ids.ts';
import type { Person } from '../domain/people.ts';
import { boundOf, digestOfPlan, shortDigest } from '../domain/plan.ts';
import { differencesOf } from '../domain/plan-differences.ts';
import { approve } from './approve.ts';
import { makePlanAnew } from './make-plan.ts';
import type { World } from './ports.ts';
import { job, mustBeAbleToGive, noting, tell, tellEnd, unschedule } from './steps.ts';
import type { Seen } from './use-cases.ts';
import { actorAndGrant, mustBeAllowed, requesterOf } from './who.ts';

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

/** The requester as whom a word on a grant counts: looked up now where something is given. */
export async function beneficiaryOf(
  world: World,
  grant: Grant,
  verdict: 'approve' | 'deny',
): Promise<Person | Refusal> {
  return verdict === 'approve' ? requesterOf(world, grant) : grant.requester;
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
  const { actor: reviewer, grant } = await actorAndGrant(world, slackId, id);
  if (grant.state !== 'pending')
    throw new Refusal(
      'state',
      hasEnded(grant.state) ? `${id} has ended: ${grant.state}.` : `${id} is ${grant.state} already.`,
    );
  const parties = { requester: await beneficiaryOf(world, grant, verdict), actor: reviewer };
  const decided = await mustBeAllowed(world, { kind: verdict, of: 'request', grant }, parties);
  mustBeSeen(grant, seen, grant.digest);
  if (world.clock.now() >= grant.pendingUntil)
    throw new Refusal('state', `${id} has waited too long: it is timed out.`);
  if (verdict === 'deny')
    return deny(world, grant, {
      by: reviewer,
      verdict,
      at: world.clock.now(),
      rule: decided.rule,
      note: words,
      digest: grant.digest,
    });
  mustBeAbleToGive(world);
  const asked = await askAgainIfDifferent(world, grant);
  return asked ?? approve(world, grant, reviewer, decided.rule, words);
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

/**
 * Makes the plan anew. Where it differs from the one that was shown, the new one takes its place, earlier approvals count no more, and
 * the approvers are asked again, with what differs: the changed grant. Null: the plan is the same.
 */
export async function askAgainIfDifferent(world: World, grant: Grant): Promise<Grant | null> {
  const plan = await makePlanAnew(world, grant);
  const digest = digestOfPlan(plan);
  if (digest === grant.digest) {
    // The same in all that is bound. What is not (connections, pods, addresses of the target) is taken as it is now.
    await world.store.change(grant.id, (current) =>
      current.state === grant.state && current.digest === digest ? { ...current, plan, pods: plan.pods } : null,
    );
    return null;
  }
  const differences = differencesOf(boundOf(grant.plan), boundOf(plan));
  const now = world.clock.now();
  const policy = world.policies.current();
  const asked = (current: Grant): Grant | null => {
    if (current.digest !== grant.digest) return null;
    const changed = {
      // Who that account is may have changed too: whoever is shown is the one who gets it, and may not decide on it.
      requester: { ...current.requester, user: plan.user, groups: plan.groups },
      // A Service may lead to another workload now.
      target: plan.target,
      plan,
      digest,
      // Also when this very plan should come back one day: what was said of it was said before.
      decisions: current.decisions.map((d) => ({ ...d, digest: `void ${d.digest}` })),
      pods: plan.pods,
      // What the policy approved by itself is asked of people now: the condition was met by another plan.
      approvalsNeeded: Math.max(1, policy.profiles[grant.profile]?.approvals ?? 1),
      remarks: ['The plan has changed since it was shown: asked again.', ...differences],
    };
    if (current.state === 'pending') return { ...current, ...changed };
    if (current.state !== 'approved') return null;
    return become(current, 'pending', {
      ...changed,
      startsAt: null,
      expiresAt: null,
      pendingUntil: Math.max(current.pendingUntil, now + 600_000),
    });
  };
  const said = noting(world, 'asked-again', null, { from: grant.state, note: differences.join('; ') });
  const result = await world.store.change(grant.id, asked, said);
  if (result === null || !result.changed) return result?.grant ?? grant;
  await world.scheduler.schedule(job('timeout', grant.id), result.grant.pendingUntil);
  await tell(world, grant.id, 'message', 'asked-again');
  return result.grant;
}
