import { digestOf } from '../../domain/canonical.ts';
import type { Ask } from '../../domain/decide/act.ts';
import { type Bounds, boundsOf, boundsOfBreakGlass, limitReached } from '../../domain/decide/limits.ts';
import { formatDuration } from '../../domain/duration.ts';
import { Refusal } from '../../domain/errors.ts';
import { GRANT_VERSION, type Grant, waitsForApproval } from '../../domain/grant/grant.ts';
import { askedFor, type GrantSummary, stands } from '../../domain/grant/summary.ts';
import { type GrantId, newGrantId } from '../../domain/ids.ts';
import type { Person } from '../../domain/people/people.ts';
import { digestOfPlan, shortDigest } from '../../domain/plan/plan.ts';
import { isSamePerson } from '../../domain/policy/identity.ts';
import { requestTimeout } from '../../domain/policy/policy.ts';
import { momentOf, START_FORM, type TypedStart } from '../../domain/start.ts';
import { describePlace } from '../../domain/target.ts';
import { mustBeAbleToGive } from '../common/giving.ts';
import { job, scheduleEscalation } from '../common/schedule.ts';
import { alarm, noting, tell } from '../common/telling.ts';
import { mustBeAllowed, personBehind } from '../people/who.ts';
import { makePlan } from '../plan/make-plan.ts';
import type { SurveyPurpose } from '../ports/survey.ts';
import type { Asked } from '../ports/use-cases.ts';
import type { World } from '../ports/world.ts';
import { approve } from './approve.ts';

/** What came of a request. */
export interface Requested {
  readonly grant: Grant;
  /** What would approve it at once, as a sentence; null: nothing is near. */
  readonly missed: string | null;
  /** It was asked for before, and nothing new was requested. */
  readonly isAgain: boolean;
}

/** A request as it would be made, with the rule by which it may be: nothing of it is stored, and nobody has been told. */
export interface Prepared {
  readonly grant: Grant;
  readonly rule: string;
  /** The one condition without which the policy itself would approve it, as a sentence. */
  readonly missed: string | null;
  /** What is counted where it is stored. */
  readonly bounds: Bounds;
  /** The same that this person has asked for already, and that waits or is open. */
  readonly asked: Grant | null;
}

/**
 * What the request would be: the policy decides, and the plan is made.
 * @param purpose whether it is to be stored, or only shown
 * @param saysNear whether to find out which condition it just misses
 * @throws Refusal, Unavailable
 */
export async function prepareRequest(
  world: World,
  slackId: string,
  wanted: Asked,
  purpose: SurveyPurpose,
  saysNear: boolean,
): Promise<Prepared> {
  const requester = await personBehind(world, slackId);
  const startAt = wanted.start === undefined ? undefined : await startOf(world, slackId, wanted.start);
  const ask: Ask = { ...wanted, ...(startAt !== undefined && { startAt }) };
  const decision = await mustBeAllowed(world, { kind: 'request', ask, saysNear }, { requester, actor: requester });
  const disabled = world.policies.disabled(ask.profile, decision.cluster);
  if (disabled !== null)
    throw new Refusal(
      `profiles.${ask.profile}`,
      `Profile '${ask.profile}' is disabled: ${disabled}.`,
      'Ask an administrator: Drawbridge lacks the rights to give it.',
    );
  mustBeAbleToGive(world, decision, decision.approvals > 0 ? 'asking' : 'giving');
  const now = world.clock.now();
  const id = newGrantId();
  const { cluster } = decision;
  const { target, rights, profile: profileName } = ask;
  const fewer = rights === undefined ? {} : { rights };
  const wish = { id, requester, cluster, target, profileName, ...fewer, duration: decision.duration };
  const survey = world.clusters.of(decision).survey(ask.target, decision.profile, purpose);
  const plan = await makePlan(world, wish, decision.profile, survey);
  const unreviewed = await unreviewedOf(world, requester);
  const grant: Grant = {
    version: GRANT_VERSION,
    id,
    revision: 0,
    state: 'pending',
    requester,
    profile: ask.profile,
    cluster,
    target: plan.target,
    ...fewer,
    duration: decision.duration,
    reason: ask.reason.trim(),
    ...(ask.breaksGlass && { breakGlass: { review: null } }),
    ...(unreviewed.length > 0 && { unreviewed }),
    ...(startAt !== undefined && { startAt }),
    ...(decision.ticket && { ticket: decision.ticket }),
    plan,
    digest: digestOfPlan(plan),
    approvalsNeeded: decision.approvals,
    ...(decision.waived.length > 0 && { waived: decision.waived }),
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
  const bounds = ask.breaksGlass
    ? boundsOfBreakGlass(decision.counts)
    : boundsOf(world.policies.current(), decision.profile, decision.counts, now);
  const mine = await world.store.requestedBy(requester);
  const asked = bounds.once ? await askedAlready(world, grant, mine) : null;
  // It is counted again where the request is stored; here it spares people a form that they can't send.
  const why = asked === null ? limitReached(mine, ask.profile, bounds) : null;
  if (why !== null) throw why;
  return { grant, rule: decision.rule, missed: decision.missed, bounds, asked };
}

/** The moment at which access is to begin, by the clocks of the person. @throws Refusal where there is no such moment */
export async function startOf(world: World, slackId: string, start: TypedStart): Promise<number> {
  const zone = (await world.directory.account(slackId))?.zone ?? 'UTC';
  const at = momentOf(start, zone, world.clock.now());
  if (at === null)
    throw new Refusal(
      'start',
      `There is no such time in ${zone}, where your Slack account is.`,
      `Name another: ${START_FORM}.`,
    );
  return at;
}

/** So many ids of unreviewed access stand in a request. */
const MOST_UNREVIEWED = 5;

/** Break-glass access of this person that has ended and that nobody has reviewed: whoever decides on a request of theirs sees it. */
async function unreviewedOf(world: World, requester: Person): Promise<GrantId[]> {
  const all = await world.store.unreviewed();
  return all
    .filter((one) => isSamePerson(one.requester, requester))
    .map(({ id }) => id)
    .slice(0, MOST_UNREVIEWED);
}

/** The same of the same person that waits or is open. @throws Refusal where its record can't be read */
async function askedAlready(world: World, wanted: Grant, mine: readonly GrantSummary[]): Promise<Grant | null> {
  const asks = askedFor(wanted);
  const same = mine.find((one) => one.asks === asks && stands(one, wanted.createdAt));
  if (same === undefined) return null;
  const grant = await world.store.get(same.id);
  if (grant === null)
    throw new Refusal(
      'asked',
      `You have asked for this already: ${same.id}, whose record can't be read.`,
      'Tell an administrator of Drawbridge.',
    );
  return stands(grant, wanted.createdAt) ? grant : null;
}

/** What is there already, in the place of a second one. */
function again({ grant, missed }: Prepared, asked: Grant): Requested {
  const isAtOnce = waitsForApproval(asked) && grant.approvalsNeeded === 0;
  const now = 'It would be approved automatically as you ask now: withdraw this one, then ask again.';
  return { grant: asked, missed: isAtOnce ? now : missed, isAgain: true };
}

/** Short digest of all that a person is shown before asking: the plan, how many must approve it, and which steps are not needed. */
export function digestOfPrepared({ grant }: Prepared): string {
  return shortDigest(
    digestOf({ plan: grant.digest, approvals: grant.approvalsNeeded, waived: grant.waived, startAt: grant.startAt }),
  );
}

/**
 * A request: the policy decides, the plan is made, the record is stored, the time it may wait is scheduled, and the approvers are asked.
 * @throws Refusal, Unavailable
 */
export async function requestAccess(world: World, slackId: string, ask: Asked): Promise<Requested> {
  const prepared = await prepareRequest(world, slackId, ask, 'bound', true);
  if (prepared.asked !== null) return again(prepared, prepared.asked);
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
  ask: Asked,
  shown: string,
): Promise<{ readonly requested: Requested } | { readonly changed: Prepared }> {
  // What it just misses was shown before.
  const prepared = await prepareRequest(world, slackId, ask, 'bound', false);
  if (prepared.asked !== null) return { requested: again(prepared, prepared.asked) };
  if (digestOfPrepared(prepared) !== shown) return { changed: prepared };
  const requested = await storeRequest(world, prepared);
  return requested === null ? requestAsShown(world, slackId, ask, shown) : { requested };
}

/**
 * Stores the request and asks the approvers, or lets the policy approve. Null: nothing has been done, since its id was taken, or in this moment the
 * same was asked for, or another was the last that the policy itself approves in a day: it is prepared anew.
 */
async function storeRequest(world: World, { grant, rule, missed, bounds }: Prepared): Promise<Requested | null> {
  const waived = (grant.waived ?? []).map(({ name, because }) => `; not needed: ${name} (${because})`);
  const said = noting(world, grant.breakGlass ? 'break-glass' : 'requested', grant.requester, ({ reason }) => ({
    rule: `${rule}${waived.join('')}`,
    note: reason,
  }));
  if ((await world.store.request(grant, said, bounds)).is !== 'made') return null;
  await world.scheduler.schedule(job('timeout', grant.id), grant.pendingUntil);
  // Before the message: a request whose message is not posted is looked at again, with all that is scheduled of it.
  await scheduleEscalation(world, grant);
  await tell(world, grant.id, 'message');
  if (grant.breakGlass !== undefined) await tellOfBreakGlass(world, grant);
  if (grant.approvalsNeeded === 0)
    return { grant: await approve(world, grant, { by: null, rule }), missed: null, isAgain: false };
  const { reminder } = world.policies.current().approvals;
  if (reminder !== undefined)
    await world.scheduler.schedule(job('remind', grant.id), grant.createdAt + reminder * 1000);
  return { grant, missed, isAgain: false };
}

/** To administrators, at once: never in the way of the access, which does not wait for Slack. */
async function tellOfBreakGlass(world: World, grant: Grant): Promise<void> {
  const { id, profile, requester, duration, reason } = grant;
  const what = `${requester.user} has broken the glass: ${profile} on ${describePlace(grant)} for ${formatDuration(duration)}`;
  await alarm(
    world,
    `break-glass ${id}`,
    grant,
    `${what}. Nobody has decided on it; it is reviewed when it has ended. Reason: ${reason}`,
  );
}
