import { type Ask, decideRequest } from '../domain/decide.ts';
import { Refusal } from '../domain/errors.ts';
import { GRANT_VERSION, type Grant } from '../domain/grant.ts';
import { newGrantId } from '../domain/ids.ts';
import { digestOfPlan } from '../domain/plan.ts';
import { profileNamed, requestTimeout } from '../domain/policy.ts';
import { approve } from './approve.ts';
import { makePlan } from './make-plan.ts';
import type { World } from './ports.ts';
import { job, noting, tell } from './steps.ts';
import { factsFor, personBehind } from './who.ts';

/** How many requests of one person may wait at once: a slip of the keyboard or a script must not flood a channel. */
const MOST_PENDING = 10;

/**
 * A request: the policy decides, the plan is made, the record is stored, the time it may wait is scheduled, and the approvers are asked.
 * @throws Refusal, Unavailable
 */
export async function requestAccess(world: World, slackId: string, ask: Ask): Promise<Grant> {
  const policy = world.policies.current();
  const requester = await personBehind(world, policy, slackId);
  const facts = await factsFor(world.directory, policy, profileNamed(policy, ask.profile));
  const decision = decideRequest(policy, ask, requester, facts, world.cluster.closedNamespaces);
  if (!decision.allowed) {
    await world.audit.record({
      at: world.clock.now(),
      event: 'refused',
      id: null,
      actor: { user: requester.user, slackId },
      rule: decision.refusal.rule,
      note: decision.refusal.message,
    });
    throw decision.refusal;
  }
  const disabled = world.policies.disabled(ask.profile);
  if (disabled !== null)
    throw new Refusal(
      `profiles.${ask.profile}`,
      `Profile '${ask.profile}' is disabled: ${disabled}.`,
      'Ask an administrator: Drawbridge lacks the rights to give it.',
    );
  const mine = (await world.store.open()).filter((g) => g.state === 'pending' && g.requester.user === requester.user);
  if (mine.length >= MOST_PENDING)
    throw new Refusal(
      'pending',
      `You have ${mine.length} requests waiting.`,
      'Call some back: `/jit list` has a button for each.',
    );

  const now = world.clock.now();
  let id = newGrantId();
  const build = async (): Promise<Grant> => {
    const plan = await makePlan(
      world,
      {
        id,
        requester,
        target: ask.target,
        profileName: ask.profile,
        duration: decision.duration,
      },
      decision.profile,
    );
    return {
      version: GRANT_VERSION,
      id,
      revision: 0,
      state: 'pending',
      requester,
      profile: ask.profile,
      target: plan.target,
      duration: decision.duration,
      reason: ask.reason.trim(),
      plan,
      digest: digestOfPlan(plan),
      approvalsNeeded: decision.approvals,
      decisions: [],
      createdAt: now,
      pendingUntil: now + requestTimeout(policy, decision.profile) * 1000,
      startsAt: null,
      expiresAt: null,
      extension: null,
      ending: null,
      endedAt: null,
      message: null,
      thread: null,
      pods: plan.pods,
      workspacePod: null,
      remarks: [],
      endTold: false,
    };
  };
  const said = noting(world, 'requested', requester, ({ reason }) => ({ rule: decision.rule, note: reason }));
  let grant = await build();
  while (!(await world.store.create(grant, said))) {
    id = newGrantId();
    grant = await build();
  }
  await world.scheduler.schedule(job('timeout', id), grant.pendingUntil);
  await tell(world, id, 'message');
  if (decision.approvals === 0) return approve(world, grant, null, decision.rule, '');
  if (policy.approvals.reminder !== undefined)
    await world.scheduler.schedule(job('remind', id), now + policy.approvals.reminder * 1000);
  return grant;
}
