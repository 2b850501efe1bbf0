import type { StepView, View } from '../../../../app/ports/view.ts';
import { formatDuration } from '../../../../domain/duration.ts';
import {
  approvalsOf,
  type Decision,
  type Extension,
  type Grant,
  type GrantState,
  hasEnded,
  onePerPerson,
  waitsForApproval,
} from '../../../../domain/grant/grant.ts';
import { shortDigest } from '../../../../domain/plan/plan.ts';
import { isSameUser, isSlackId } from '../../../../domain/policy/identity.ts';
import { ONLY_STEP, type Principals } from '../../../../domain/policy/policy.ts';
import { describePlace } from '../../../../domain/target.ts';
import { type Block, bullets, context, section } from './blocks.ts';
import { code, fitting, LIMITS, mentionOfList, mentionOfPerson, moment, person } from './text.ts';

/** Where a grant stands. It says only what the state says: "revoked" is said when the API server has confirmed it. */

/** `debug on staging/deployment/checkout`. */
export const subject = (grant: Pick<Grant, 'profile' | 'cluster' | 'target'>): string =>
  `${grant.profile} on ${describePlace(grant)}`;

/**
 * Those who may decide, without whoever asks. In a new message Slack notifies the groups and accounts that are mentioned; an edit notifies nobody.
 */
export function approvers(
  { users, groups, channels, oncall = [] }: Principals,
  { naming, grant: { requester } }: View,
  most = 1500,
  atMost = 20,
): string {
  const isRequesters = (user: string) => user === requester.slackId || isSameUser(user, requester.user);
  const names = [
    ...groups.flatMap((id) => named(id, mentionOfList(id), naming)),
    ...channels.map((id) => `members of ${mentionOfList(id)}${called(naming.get(id)?.call ?? [])}`),
    ...oncall.map((name) => `who is on call for ${code(name)}${called(naming.get(`oncall.${name}`)?.call ?? [])}`),
    ...users.filter((user) => !isRequesters(user)).flatMap((user) => named(user, ofUser(user), naming)),
  ];
  return fitting(names, most, atMost).join(', ') || 'nobody';
}

const ofUser = (user: string): string => (isSlackId(user) ? `<@${user}>` : code(user));

/** That whoever asks does not decide, where they may be in a list that is named. */
function exceptRequester({ approvers: lists, selfApproval }: View): string {
  const isByList = lists !== null && lists.groups.length + lists.channels.length + (lists.oncall ?? []).length > 0;
  return isByList && !selfApproval ? ', not from whoever asks' : '';
}

const called = (call: readonly string[]): string =>
  call.length === 0 ? '' : ` (${call.map(mentionOfPerson).join(' ')})`;

function named(entry: string, asItStands: string, naming: View['naming']): string[] {
  const found = naming.get(entry);
  if (found === undefined) return [asItStands];
  if (found.words !== null) return [`${code(found.words)}${called(found.call)}`];
  return found.call.length === 0 ? [] : [found.call.map(mentionOfPerson).join(' ')];
}

export const EMBLEM: Record<GrantState, string> = {
  pending: '⏳',
  approved: '☑️',
  applying: '⚙️',
  active: '🟢',
  ending: '🔻',
  denied: '⛔',
  cancelled: '◽',
  'timed-out': '⌛',
  expired: '⚪',
  revoked: '⚪',
  failed: '❌',
};

export const TITLE: Record<GrantState, string> = {
  pending: 'Access requested',
  approved: 'Approved',
  applying: 'Being set up',
  active: 'Active',
  ending: 'Ending',
  denied: 'Denied',
  cancelled: 'Cancelled',
  'timed-out': 'Timed out',
  expired: 'Expired',
  revoked: 'Revoked',
  failed: 'Failed',
};

/** What a message about a grant is headed by: that the glass is broken comes first. */
export function heading({
  state,
  breakGlass,
  ...grant
}: Pick<Grant, 'state' | 'breakGlass' | 'profile' | 'cluster' | 'target'>): string {
  const isOpen = breakGlass !== undefined && !hasEnded(state);
  return `${isOpen ? '🚨 Break-glass · ' : ''}${EMBLEM[state]} ${TITLE[state]}: ${subject(grant)}`;
}

/** Of break-glass access: that nobody has decided on it, who reviews it, and what they said. Null: it is none. */
export function glassLine(view: View): Block | null {
  const { grant, glass } = view;
  if (glass === null) return null;
  const reviewers = approvers(glass.reviewers, view);
  if (grant.breakGlass?.review) return section(reviewWords(grant));
  if (glass.awaitsReview) return section(`🔎 *Waits for its review*, by ${reviewers}.`);
  if (hasEnded(grant.state)) return null;
  const usual = view.approvers === null ? '' : ` Usually decided by ${approvers(view.approvers, view)}.`;
  return section(
    `🚨 *${person(grant.requester)} has broken the glass:* nobody has decided on this. Reviewed afterwards, by ${reviewers}.${usual}`,
  );
}

/** What a reviewer has said of break-glass access; empty: nobody has. */
export function reviewWords({ breakGlass }: Grant): string {
  const review = breakGlass?.review;
  if (!review) return '';
  const mark = review.verdict === 'accepted' ? '✅ *Accepted' : '🚩 *Flagged';
  return `${mark} in its review* by ${person(review.by)}${at(review.at)}.`;
}

export function reviewNote({ breakGlass }: Grant): Block | null {
  const review = breakGlass?.review;
  return review && review.note !== '' ? bullets('Note of the review:', [`${review.by.user}: “${review.note}”`]) : null;
}

/** Whoever decides on a request learns that break-glass access of the same person was never reviewed. */
export function unreviewedLine({ unreviewed = [] }: Grant): Block | null {
  return unreviewed.length === 0
    ? null
    : section(`🔎 Break-glass access of the same person that nobody has reviewed: ${unreviewed.map(code).join(', ')}.`);
}

const by = (decision: Decision): string =>
  decision.by === null ? `the policy itself (${code(decision.rule)})` : person(decision.by);

const list = (decisions: readonly Decision[]): string => fitting(decisions.map(by), 1500, 10).join(', ');

function denials(grant: Grant): Decision[] {
  return onePerPerson(grant.decisions.filter((d) => d.verdict === 'deny'));
}

function at(moment_: number | null): string {
  return moment_ === null ? '' : ` (${moment(moment_)})`;
}

/** What became of connections and sessions, for a grant that has ended. */
function traffic({ ending, plan: { network, shell } }: Grant): string {
  if (shell !== undefined)
    return ` The shell ended${at(ending?.workspaceGoneAt ?? null)}; what was left on the node lives on.`;
  const policyGone = ending?.policyGoneAt ?? null;
  const workspaceGone = ending?.workspaceGoneAt ?? null;
  switch (network.mode) {
    case 'workspace': {
      const closed = policyGone === null ? '' : `new connections closed${at(policyGone)}, `;
      return workspaceGone === null ? '' : ` Network: ${closed}workspace ended${at(workspaceGone)}.`;
    }
    case 'contain':
      if (!network.applies) return ' Network: nothing was changed. Sessions that were open may live on.';
      return policyGone === null
        ? ' Sessions that were open may live on.'
        : ` Network: containment lifted${at(policyGone)}; a session in the pods that lives on is unconfined.`;
    case 'bastion':
      if (!network.admits) return ' Network: nothing was changed. Connections and sessions that were open may live on.';
      return policyGone === null
        ? ' Connections and sessions that were open may live on.'
        : ` Network: new connections closed${at(policyGone)}; those that were open may live on, like sessions and watches.`;
    default:
      return ' Connections, watches and sessions that were open may live on until they are closed.';
  }
}

/** The profile says its steps by name; else there is one, of the approvers. */
const hasNamedSteps = ({ steps }: Pick<View, 'steps'>): boolean =>
  steps.length > 1 || steps.some(({ name }) => name !== ONLY_STEP);

/** From whom approvals are needed, where no line of a step says it. */
export function fromWhom(view: View): string {
  if (view.approvers === null) return ', the policy has no such profile any more';
  return hasNamedSteps(view)
    ? exceptRequester(view)
    : `, from ${approvers(view.approvers, view)}${exceptRequester(view)}`;
}

/** Who has approved, and for which step that counts. */
function approvedWords(view: View): string {
  const approved = approvalsOf(view.grant);
  if (approved.length === 0) return '';
  const [first] = approved;
  if (first !== undefined && approved.every(({ by: who }) => who === null))
    return `Approved automatically: ${code(first.rule)}. `;
  const stepOf = (decision: Decision) =>
    view.grant.extension === null && hasNamedSteps(view)
      ? view.steps.find(({ approvals }) => approvals.includes(decision))
      : undefined;
  const names = approved.map((decision) => {
    const step = stepOf(decision);
    return step === undefined ? by(decision) : `${by(decision)} for ${code(step.name)}`;
  });
  const waived = (view.grant.waived ?? []).map(({ name, because }) => ` ${notNeeded(name, because)}.`);
  return `Approved by ${fitting(names, 1500, 10).join(', ')}.${waived.join('')} `;
}

const notNeeded = (name: string, because: string): string => `${code(name)} is not needed: ${code(because)}`;

/** What the mark before a step says is said in its words, too. */
const MARKS: Record<StepView['state'], string> = { asked: '▶️', complete: '✅', waits: '⏸️', waived: '➖' };

/** The steps of what waits, a line each: who, how many, who has, and why not. Null where there is nothing to say beside {@link standing}. */
export function stepLines(view: View): Block | null {
  const { grant, steps } = view;
  const waits = waitsForApproval(grant) || (grant.state === 'active' && grant.extension);
  if (!waits || !hasNamedSteps(view)) return null;
  const lines = steps.map(({ name, state, because, count, approvals, people }) => {
    if (state === 'waived') return `${MARKS[state]} ${notNeeded(name, because)}`;
    const has = approvals.length === 0 ? '' : `: ${list(approvals)}`;
    const done = `${MARKS[state]} ${code(name)} ${approvals.length} of ${count}${has}`;
    if (state === 'complete') return done;
    return `${done}, from ${approvers(people, view, 600, 10)}${state === 'waits' ? ', when the step before it is complete' : ''}`;
  });
  return section(fitting(lines, LIMITS.section - 100).join('\n'));
}

/** Where it stands, in our own words and only as far as the state goes: "revoked" is said of state `revoked` alone. */
export function standing(view: View): string {
  const { grant, missing } = view;
  const approvedBy = grant.state === 'pending' && hasNamedSteps(view) ? '' : approvedWords(view);
  const { ending } = grant;
  const cause = (whoDid: string): string => (ending?.by ? ` ${whoDid} ${person(ending.by)}` : '');
  switch (grant.state) {
    case 'pending':
      if (!waitsForApproval(grant)) return '*Nobody has to approve this.* Nothing has been opened yet.';
      return `${approvedBy}*${missing} approval${missing === 1 ? '' : 's'} needed*${fromWhom(view)}. Times out ${moment(grant.pendingUntil)}.`;
    case 'approved':
      return grant.startAt === undefined
        ? `${approvedBy}Nothing has been opened yet.`
        : `${approvedBy}*Begins ${moment(grant.startAt)}*; nothing has been opened yet.`;
    case 'applying':
      return `${approvedBy}Access is being set up; it is not confirmed yet.`;
    case 'active':
      return `${approvedBy}*Active${grant.expiresAt === null ? '' : ` until ${moment(grant.expiresAt)}`}.*`;
    case 'ending': {
      const why = {
        expired: 'The window has ended',
        revoked: `Ended early${cause('by')}`,
        failed: 'Something went wrong',
      }[ending?.cause ?? 'expired'];
      return `${why}. *Access is being taken down; that it is gone is not confirmed yet.*`;
    }
    case 'denied':
      return `Denied by ${list(denials(grant)) || 'an approver'}${at(grant.endedAt)}. Nothing was opened.`;
    case 'cancelled':
      return `Withdrawn${cause('by')}${at(grant.endedAt)}. Nothing was opened.`;
    case 'timed-out':
      return `Nobody decided in time; it timed out${at(grant.endedAt)}. Nothing was opened.`;
    case 'expired':
      return `${approvedBy}The window ended; access was confirmed gone${at(grant.endedAt)}.${traffic(grant)}`;
    case 'revoked':
      return `${approvedBy}Revoked${cause('by')}; access was confirmed gone${at(grant.endedAt)}.${traffic(grant)}`;
    case 'failed':
      return `${approvedBy}It failed and was taken down; access was confirmed gone${at(grant.endedAt)}.${traffic(grant)}`;
    default:
      return grant.state satisfies never;
  }
}

/** Words that came with decisions and endings. */
export function notes(grant: Grant): Block | null {
  const denied = grant.extensionDenied;
  const said = [
    ...grant.decisions.filter((d) => d.note !== '').map((d) => `${d.by?.user ?? 'policy'}: “${d.note}”`),
    ...(denied !== null && denied.note !== ''
      ? [`${denied.by?.user ?? 'policy'}, who denied a longer window: “${denied.note}”`]
      : []),
    ...(grant.ending !== null && grant.ending.note !== ''
      ? [`${grant.ending.by?.user ?? 'Drawbridge'}: “${grant.ending.note}”`]
      : []),
  ];
  return said.length === 0 ? null : bullets('Notes:', said);
}

/** Decisions on a plan that is not the one shown: they do not count. */
export function askedAgain(grant: Grant): Block | null {
  const voided = onePerPerson(grant.decisions.filter((d) => d.verdict === 'approve' && d.digest !== grant.digest));
  return grant.state !== 'pending' || voided.length === 0
    ? null
    : section(
        `🔁 *Asked again: the plan has changed.* What ${list(voided)} approved was another plan, and does not count.`,
      );
}

export function remarks(grant: Grant): Block | null {
  return grant.remarks.length === 0 ? null : bullets('To know:', grant.remarks);
}

/** That a wish took the place of another, whose approvals count no more. */
export function instead({ replaces }: Extension): string {
  return replaces === null ? '' : `, instead of the ${formatDuration(replaces)} asked for before`;
}

export function extensionLine(grant: Grant): Block | null {
  const { extension } = grant;
  if (extension === null || grant.state !== 'active') return null;
  const so_far = onePerPerson(extension.approvals.filter((d) => d.verdict === 'approve'));
  const until = grant.expiresAt === null ? '' : `, until ${moment(grant.expiresAt + extension.duration * 1000)}`;
  return section(
    `⏱ *Extension requested:* ${formatDuration(extension.duration)} more of what is shown here${until}${instead(extension)}; asked ${moment(extension.askedAt)}.${so_far.length > 0 ? ` Approved so far by ${list(so_far)}.` : ''}`,
  );
}

export const idLine = (grant: Grant): Block =>
  context(`${code(grant.id)} · asked ${moment(grant.createdAt)} · plan ${code(shortDigest(grant.digest))}`);
