import { digestOf } from '../../domain/canonical.ts';
import type { Ask } from '../../domain/decide/decide.ts';
import { MOST_PENDING, tooManyPending } from '../../domain/decide/limits.ts';
import { Refusal } from '../../domain/errors.ts';
import { GRANT_VERSION, type Grant } from '../../domain/grant/grant.ts';
import { newGrantId } from '../../domain/ids.ts';
import { digestOfPlan, shortDigest } from '../../domain/plan/plan.ts';
import { requestTimeout } from '../../domain/policy/policy.ts';
import { mustBeAbleToGive } from '../common/giving.ts';
import { job } from '../common/schedule.ts';
import { noting, tell } from '../common/telling.ts';
import { mustBeAllowed, personBehind } from '../people/who.ts';
import { makePlan } from '../plan/make-plan.ts';
import type { SurveyPurpose } from '../ports/survey.ts';
import type { World } from '../ports/world.ts';
import { approve } from './approve.ts';

/** A request as it would be made, with the rule by which it may be: nothing of it is stored, and nobody has been told. */
export interface Prepared {
  readonly grant: Grant;
  readonly rule: string;
  /** The one condition without which the policy itself would approve it, as a sentence. */
  readonly missed: string | null;
}

/**
 * What the request would be: the policy decides, and the plan is made.
 * @param purpose whether it is to be stored, or only shown
 * @throws Refusal, Unavailable
 */
export async function prepareRequest(
  world: World,
  slackId: string,
  ask: Ask,
  purpose: SurveyPurpose,
): Promise<Prepared> {
  const requester = await personBehind(world, slackId);
  const decision = await mustBeAllowed(
    world,
    { kind: 'request', ask, isPreview: purpose === 'shown' },
    { requester, actor: requester },
  );
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
  const { target, rights, profile: profileName } = ask;
  const fewer = rights === undefined ? {} : { rights };
  const wish = { id, requester, target, profileName, ...fewer, duration: decision.duration };
  const survey = world.cluster.survey(ask.target, decision.profile, purpose);
  const plan = await makePlan(world, wish, decision.profile, survey);
  const grant: Grant = {
    version: GRANT_VERSION,
    id,
    revision: 0,
    state: 'pending',
    requester,
    profile: ask.profile,
    target: plan.target,
    ...fewer,
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
  return { grant, rule: decision.rule, missed: decision.missed };
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
  const prepared = await prepareRequest(world, slackId, ask, 'bound');
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
  const prepared = await prepareRequest(world, slackId, ask, 'bound');
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
