import { approvalsAgain } from '../../domain/decide/terms.ts';
import { Refusal } from '../../domain/errors.ts';
import { become, type Grant } from '../../domain/grant/grant.ts';
import { differencesOf } from '../../domain/plan/differences.ts';
import { boundOf, digestOfPlan } from '../../domain/plan/plan.ts';
import { job, scheduleEscalation } from '../common/schedule.ts';
import { noting, tell } from '../common/telling.ts';
import { answering, requesterOf, rulesNow } from '../people/who.ts';
import type { World } from '../ports/world.ts';
import { makePlanAnew } from './make-plan.ts';

/**
 * Makes the plan anew. Where it differs from the one that was shown, the new one takes its place, earlier approvals count no more, and
 * the approvers are asked again, with what differs: `asked`, the changed grant. `same`: nothing that is bound differs; the grant with what is
 * not bound (connections, pods, addresses of the target) as it is now, for whatever is recorded next.
 */
export async function askAgainIfDifferent(
  world: World,
  grant: Grant,
): Promise<{ readonly asked: Grant } | { readonly same: Grant }> {
  const { plan, requester } = await makePlanAnew(world, grant, 'bound');
  const digest = digestOfPlan(plan);
  if (digest === grant.digest) return { same: { ...grant, plan, pods: plan.pods } };
  const differences = differencesOf(boundOf(grant.plan), boundOf(plan));
  const now = world.clock.now();
  const needed = await stepsAgain(world, grant);
  const asked = (current: Grant): Grant | null => {
    if (current.digest !== grant.digest) return null;
    const changed = {
      // Who that account is may have changed too: whoever is shown is the one who gets it, and may not decide on it.
      requester,
      // A Service may lead to another workload now.
      target: plan.target,
      plan,
      digest,
      // Also when this very plan should come back one day: what was said of it was said before.
      decisions: current.decisions.map((d) => ({ ...d, digest: `void ${d.digest}` })),
      pods: plan.pods,
      // What the policy approved by itself is asked of people now: the condition was met by another plan.
      ...needed,
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
  if (result === null || !result.changed) return { asked: result?.grant ?? grant };
  await world.scheduler.schedule(job('timeout', grant.id), result.grant.pendingUntil);
  await scheduleEscalation(world, result.grant);
  await tell(world, grant.id, 'message', 'asked-again');
  return { asked: result.grant };
}

/** The steps by which people are asked from now on, by the policy and the requester as they are now. */
export async function stepsAgain(
  world: World,
  grant: Grant,
): Promise<Required<Pick<Grant, 'approvalsNeeded' | 'waived' | 'askedAt'>>> {
  const rules = rulesNow(world);
  const requester = await requesterOf(world, grant);
  const person = requester instanceof Refusal ? grant.requester : requester;
  const { approvals, waived } = await answering(world, approvalsAgain(rules, grant, person));
  return { approvalsNeeded: approvals, waived, askedAt: rules.now };
}
