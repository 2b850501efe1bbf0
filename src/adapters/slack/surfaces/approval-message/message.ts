import type { types } from '@slack/bolt';
import type { View } from '../../../../app/ports/view.ts';
import { formatDuration } from '../../../../domain/duration.ts';
import { type Grant, hasEnded, waitsForApproval } from '../../../../domain/grant/grant.ts';
import { ACTIONS } from '../actions.ts';
import { statusMessage } from '../command/messages.ts';
import {
  actions,
  type Block,
  button,
  context,
  header,
  type Message,
  message,
  postable,
  section,
  words,
} from '../text/blocks.ts';
import { canBeEnded, revokeButton } from '../text/buttons.ts';
import { frame } from '../text/modals.ts';
import {
  askedAgain,
  extensionLine,
  glassLine,
  heading,
  idLine,
  notes,
  remarks,
  reviewNote,
  standing,
  stepLines,
  subject,
  TITLE,
  unreviewedLine,
} from '../text/standing.ts';
import { clean, code, codeBlock, LIMITS, markup, person, plain, shorten } from '../text/text.ts';
import { acknowledgedInShort, details, essentials, rulesBehind, rulesOfPlan, warnings } from './plan-blocks.ts';
import { pagesOf, sectionsOf } from './reach-lines.ts';

/** The message of a request, through its whole life, and what its buttons show to one person. */

/** The approval message, through the whole life of a grant. */
export function approvalMessage(view: View): Message {
  const { grant } = view;
  const text = `${grant.breakGlass ? 'Break-glass, ' : ''}${TITLE[grant.state]}: ${grant.requester.user} - ${subject(grant)} for ${formatDuration(grant.duration)} (${grant.id})`;
  const open = !hasEnded(grant.state);
  const whole = message(text, [
    header(heading(grant)),
    glassLine(view),
    reviewNote(grant),
    askedAgain(grant),
    ...(open ? essentials(view) : [summary(grant)]),
    ...(isDecidedOn(grant) ? warnings(view) : []),
    remarks(grant),
    notes(grant),
    section(standing(view)),
    extensionLine(grant),
    stepLines(view),
    grant.state === 'pending' && unreviewedLine(grant),
    idLine(grant),
    actions(
      ...decisionButtons(view),
      ...reviewButtons(view),
      canBeEnded(grant) && revokeButton(view),
      button(ACTIONS.details, 'Details', view),
    ),
  ]);
  return postable(whole);
}

const isDecidedOn = (grant: Grant): boolean => grant.state === 'pending' || waitsForMore(grant);

/** All that the message leaves out: rules, reach, objects, policy and plan. */
export function detailsModal(view: View): types.ModalView {
  const { grant, objects } = view;
  const { plan } = grant;
  const blocks = [
    section(`${code(grant.id)} ${code(subject(grant))}`),
    rulesOfPlan(plan),
    ...details(view, true).slice(1),
    sectionsOf(plan.preview).length === 0 ? null : actions(button(ACTIONS.showAll, 'Show all connections', view)),
    objects.length === 0 ? null : section(`*Objects*\n${codeBlock(objects, LIMITS.section - 100)}`),
    section(standing(view)),
    stepLines(view),
    idLine(grant),
  ].filter((block) => block !== null);
  return frame('Details', blocks.slice(0, MOST_BLOCKS));
}

/** A modal takes a hundred: https://docs.slack.dev/surfaces/modals */
const MOST_BLOCKS = 100;

/** After its end a message needs less: who, what, why, in two lines. */
function summary(grant: Grant): Block {
  return {
    type: 'section',
    fields: [
      markup(`*Who*\n${person(grant.requester)} for ${formatDuration(grant.duration)}`),
      plain(`Why: “${shorten(clean(grant.reason), 1000)}”`, LIMITS.field),
    ],
  };
}

/** A longer window is asked for: who decides on it is shown what it prolongs. */
function waitsForMore({ state, extension }: Grant): boolean {
  return state === 'active' && extension !== null;
}

/** Approve and Deny, for what is asked now: the request, or a longer window. Empty when nothing is. */
function decisionButtons(view: View, noteOfDecision = ''): types.Button[] {
  const { grant } = view;
  const approving = { style: 'primary', note: noteOfDecision } as const;
  if (waitsForMore(grant))
    return [
      button(ACTIONS.approveExtension, 'Approve extension', view, approving),
      button(ACTIONS.denyExtension, 'Deny extension', view),
    ];
  if (!waitsForApproval(grant)) return [];
  const acknowledged = acknowledgedInShort(grant.plan);
  const confirm = acknowledged === null ? {} : { confirm: `You acknowledge that it ${acknowledged}.` };
  return [
    button(ACTIONS.approve, 'Approve', view, { ...approving, ...confirm }),
    button(ACTIONS.change, 'Approve with changes', view),
    button(ACTIONS.deny, 'Deny', view, { style: 'danger' }),
  ];
}

/** Accept and Flag, of break-glass access that has ended. */
function reviewButtons(view: View): types.Button[] {
  return view.glass?.awaitsReview
    ? [
        button(ACTIONS.accept, 'Accept', view, { style: 'primary' }),
        button(ACTIONS.flag, 'Flag', view, { style: 'danger' }),
      ]
    : [];
}

/** The plan, shown to one person who is about to decide: the decision counts only when the button is pressed. */
export function reviewMessage(view: View, noteOfDecision: string): Message {
  const buttons = decisionButtons(view, noteOfDecision);
  if (buttons.length === 0) return statusMessage(view);
  return message(`Your decision on ${view.grant.id}`, [
    ...approvalMessage(view).blocks.filter((block) => block.type !== 'actions'),
    noteOfDecision === '' ? null : words(`Your note: “${noteOfDecision}”`),
    context('Only you see this. Nothing is decided until you press a button.'),
    actions(...buttons, button(ACTIONS.details, 'Details', view)),
  ]);
}

/** All connections of the plan on record, with the policies that are the reason, a page at a time. */
export function networkMessage(view: View, wanted: number): Message {
  const { grant } = view;
  const pages = pagesOf(sectionsOf(grant.plan.preview));
  const page = Math.min(wanted, pages.length - 1);
  const next = (page + 1) % pages.length;
  const of = pages.length === 1 ? '' : ` (${page + 1} of ${pages.length})`;
  return message(`Network of ${grant.id}${of}`, [
    header(`Network of ${grant.id}${of}`),
    page === 0 && rulesBehind(grant.plan),
    ...(pages[page] ?? []).map(({ title, lines }) => section(`*${title}*\n${codeBlock(lines, LIMITS.section - 100)}`)),
    pages[page]?.length === 0 && words('This plan changes no connection.'),
    context('↳ says why: the policies on the side that sends (egress) and on the one that receives (ingress).'),
    idLine(grant),
    next !== page && actions(button(ACTIONS.page, next === 0 ? 'First page' : 'Next page', view, { page: next })),
  ]);
}
