import { Refusal } from '../errors.ts';
import type { Grant, WaivedStep } from '../grant/grant.ts';
import type { Asking, Person } from '../people/people.ts';
import { isSamePerson } from '../policy/identity.ts';
import { approvalOf, kitsGiven, type Profile } from '../policy/policy.ts';
import type { Approval, Denial, Reviewing, Rules, Subject } from './act.ts';
import type { Circumstances } from './conditions.ts';
import { type Decided, type No, refuse, unread } from './decided.ts';
import {
  decidableBy,
  progressOf,
  type StepProgress,
  type Waiting,
  waitingExtension,
  waitingRequest,
  waivedSteps,
  wouldCount,
} from './steps.ts';
import { type Approvals, approvalsWithout, startIn } from './terms.ts';

/** What waits for people, and how long access would last by it. */
function waitingOf(of: Subject, grant: Grant): { readonly waiting: Waiting; readonly duration: number } {
  const { extension, startsAt, expiresAt } = grant;
  if (of === 'request') return { waiting: waitingRequest(grant), duration: grant.plan.duration };
  if (extension === null || startsAt === null || expiresAt === null)
    return { waiting: { approvals: [], waived: [], askedAt: grant.createdAt }, duration: grant.duration };
  const window = Math.ceil((expiresAt - startsAt) / 1000);
  return { waiting: waitingExtension(extension), duration: window + extension.duration };
}

/** Whether somebody decides, whom the policy does not deny it. Of the requester both count: who asked, and who that account is now. */
export function* mayReview(
  { policy, now }: Pick<Rules, 'policy' | 'now'>,
  { kind, of, grant }: Approval | Denial,
  reviewer: Person,
  requester: Person | Refusal,
): Asking<Decided<Reviewing & Approvals>> {
  const path = `profiles.${grant.profile}`;
  const profile = policy.profiles[grant.profile] as Profile;
  const isOwn =
    isSamePerson(reviewer, grant.requester) || (!(requester instanceof Refusal) && isSamePerson(reviewer, requester));
  if (isOwn && !profile.selfApproval)
    return refuse(
      `${path}.selfApproval`,
      `You can't ${kind} your own request.`,
      'Another approver must press the button.',
    );
  const { waiting, duration } = waitingOf(of, grant);
  if (kind === 'approve' && waiting.approvals.some(({ by }) => by !== null && isSamePerson(by, reviewer)))
    return refuse(
      'approvals',
      'You have decided on this already: each person counts once.',
      'Another approver must press the button.',
    );
  const approval = approvalOf(profile);
  // That its ticket still counts is judged with what the requester is given.
  const ticket = grant.ticket !== undefined;
  const rights = kitsGiven(profile, grant.rights);
  const { cluster, target } = grant;
  const circumstances: Circumstances = {
    cluster,
    namespace: target.namespace ?? null,
    duration,
    rights,
    now,
    startsAt: startIn(grant),
    ticket,
  };
  const waived =
    kind === 'deny' ? waiting.waived : yield* stillWaived(grant.profile, approval, waiting, circumstances, requester);
  const stands: Waiting = { ...waiting, waived };
  const { steps } = progressOf(approval, stands);
  const { rules, unknown } = yield* decidableBy(grant.profile, steps, reviewer, now);
  const names = steps.filter(({ step }) => rules.has(step.name));
  const asked = names.filter(({ askedAt }) => askedAt !== null);
  const [first] = asked;
  const counts = kind === 'deny' ? first !== undefined : wouldCount(approval, stands, [...rules.keys()]);
  if (first !== undefined && counts)
    return {
      allowed: true,
      rule: rules.get((asked.find(({ isComplete }) => !isComplete) ?? first).step.name) ?? '',
      steps: [...rules.keys()],
      ...approvalsWithout(profile, waived),
    };
  if (unknown !== null)
    return unread(
      unknown.entry,
      unknown.retryIn,
      `Whether you are an approver of profile '${grant.profile}' is not known.`,
    );
  return whyNotCounted(grant.profile, profile, steps, names);
}

/** A step that people were asked to decide stays needed, and one that was waived is needed where its conditions do not hold any more. */
function* stillWaived(
  profile: string,
  { steps }: ReturnType<typeof approvalOf>,
  { waived }: Waiting,
  circumstances: Circumstances,
  requester: Person | Refusal,
): Asking<WaivedStep[]> {
  if (requester instanceof Refusal) return [];
  const were = steps.filter(({ name }) => waived.some((one) => one.name === name));
  return yield* waivedSteps(profile, were, circumstances, requester);
}

/** Why nobody needs this person's word now. `own`: the steps that this person may decide. */
function whyNotCounted(
  name: string,
  profile: Profile,
  steps: readonly StepProgress[],
  own: readonly StepProgress[],
): No {
  const path = `profiles.${name}`;
  const [first] = own;
  if (first === undefined)
    return refuse(
      profile.approvers === undefined ? `${path}.approval.steps` : `${path}.approvers`,
      `You are not an approver of profile '${name}'.`,
      'The message of the request names those who are.',
    );
  const open = steps.filter(({ askedAt, isComplete }) => askedAt !== null && !isComplete).map(({ step }) => step.name);
  if (own.every(({ askedAt }) => askedAt === null))
    return refuse(
      `${path}.approval.order`,
      `Step '${first.step.name}' has not been asked yet.`,
      `It is asked when the step before it is complete; now it is the turn of '${open.join("', '")}'.`,
    );
  return refuse(
    'approvals',
    `Enough people have approved for what you may decide: ${own.map(({ step }) => step.name).join(', ')}.`,
    open.length === 0 ? 'There is nothing left to approve.' : `Others must press the button, for: ${open.join(', ')}.`,
  );
}
