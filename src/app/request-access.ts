import { digestOf } from '../domain/canonical.ts';
import type { Ask } from '../domain/decide.ts';
import { Refusal } from '../domain/errors.ts';
import { GRANT_VERSION, type Grant } from '../domain/grant.ts';
import { newGrantId } from '../domain/ids.ts';
import { MOST_PENDING, tooManyPending } from '../domain/limits.ts';
import { digestOfPlan, shortDigest } from '../domain/plan.ts';
import { requestTimeout } from '../domain/policy.ts';
import { approve } from './approve.ts';
import { makePlan } from './make-plan.ts';
import type { World } from './ports.ts';
import { job, mustBeAbleToGive, noting, tell } from './steps.ts';
import { mustBeAllowed, personBehind } from './who.ts';

/** A request as it would be made, with the rule by which it may be: nothing of it is stored, and nobody has been told. */
export interface Prepared {
  readonly grant: Grant;
  readonly rule: string;
}

/**
 * What the request would be: the policy decides, and the plan is made.
 * @throws Refusal, Unavailable
 */
export async function prepareRequest(world: World, slackId: string, ask: Ask): Promise<Prepared> {
  const requester = await personBehind(world, slackId);
  const decision = await mustBeAllowed(world, { kind: 'request', ask }, { requester, actor: requester });
  const disabled = world.policies.disabled(ask.profile);
  if (disabled !== null)
    throw new Refusal(
      `profiles.${ask.profile}`,
      `Profile '${ask.profile}' is disabled: ${disabled}.`,
      'Ask an administrator: Drawbridge lacks the rights to give it.',
    );
  mustBeAbleToGive(world, decision.approvals > 0 ? 'asking' : 'giving');
  // It is counted again where the request is stored; here it spares people a form that they can't send.
  const mine = await world.store.requestedBy(requester);
  if (mine.filter(({ state }) => state === 'pending').length >= MOST_PENDING) throw tooManyPending();

  const now = world.clock.now();
  const id = newGrantId();
  const wish = { id, requester, target: ask.target, profileName: ask.profile, duration: decision.duration };
  const plan = await makePlan(world, wish, decision.profile);
  const grant: Grant = {
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
    pendingUntil: now + requestTimeout(world.policies.current(), decision.profile) * 1000,
    startsAt: null,
    expiresAt: null,
    extension: null,
    extensionDenied: null,
    ending: null,
    endedAt: null,
    message: null,
    thread: null,
    pods: plan.pods,
    workspacePod: null,
    remarks: [],
    endTold: false,
  };
  return { grant, rule: decision.rule };
}

/** Short digest of all that a person is shown before asking: the plan, and how many must approve it. */
export function digestOfPrepared({ grant }: Prepared): string {
  return shortDigest(digestOf({ plan: grant.digest, approvals: grant.approvalsNeeded }));
}

/**
 * A request: the policy decides, the plan is made, the record is stored, the time it may wait is scheduled, and the approvers are asked.
 * @throws Refusal, Unavailable
 */
export async function requestAccess(world: World, slackId: string, ask: Ask): Promise<Grant> {
  const prepared = await prepareRequest(world, slackId, ask);
  return (await storeRequest(world, prepared)) ?? requestAccess(world, slackId, ask);
}

/**
 * The same by somebody who was shown what it would be. Where that is another now, nothing is requested, and it is answered as it is.
 * @param shown the digest of what was shown ({@link digestOfPrepared})
 * @throws Refusal, Unavailable
 */
export async function requestAsShown(
  world: World,
  slackId: string,
  ask: Ask,
  shown: string,
): Promise<{ readonly requested: Grant } | { readonly changed: Prepared }> {
  const prepared = await prepareRequest(world, slackId, ask);
  if (digestOfPrepared(prepared) !== shown) return { changed: prepared };
  const requested = await storeRequest(world, prepared);
  return requested === null ? requestAsShown(world, slackId, ask, shown) : { requested };
}

/** Stores the request and asks the approvers, or lets the policy approve. Null: its id was taken, nothing has been done. */
async function storeRequest(world: World, { grant, rule }: Prepared): Promise<Grant | null> {
  const said = noting(world, 'requested', grant.requester, ({ reason }) => ({ rule, note: reason }));
  if (!(await world.store.create(grant, said, 'person'))) return null;
  await world.scheduler.schedule(job('timeout', grant.id), grant.pendingUntil);
  await tell(world, grant.id, 'message');
  if (grant.approvalsNeeded === 0) return approve(world, grant, null, rule, '');
  const { reminder } = world.policies.current().approvals;
  if (reminder !== undefined)
    await world.scheduler.schedule(job('remind', grant.id), grant.createdAt + reminder * 1000);
  return grant;
}
