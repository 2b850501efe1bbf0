import type { News } from '../../../../app/ports/notifier.ts';
import type { View } from '../../../../app/ports/view.ts';
import { formatDuration } from '../../../../domain/duration.ts';
import { awaitsReview, type Grant, hasEnded } from '../../../../domain/grant/grant.ts';
import type { Entry } from '../../../../domain/people/people.ts';
import { type Principals, together } from '../../../../domain/policy/policy.ts';
import { ACTIONS } from '../actions.ts';
import {
  actions,
  type Block,
  button,
  context,
  header,
  type Message,
  message,
  section,
  small,
  words,
} from '../text/blocks.ts';
import { extendButtons, revokeButton } from '../text/buttons.ts';
import {
  approvers,
  EMBLEM,
  glassLine,
  idLine,
  instead,
  notes,
  remarks,
  reviewNote,
  reviewWords,
  standing,
  subject,
  TITLE,
} from '../text/standing.ts';
import {
  code,
  codeBlock,
  fitting,
  LIMITS,
  linkTarget,
  mentionOfList,
  moment,
  person,
  utc,
  wholeBlock,
} from '../text/text.ts';

/** What Drawbridge tells by itself, as pure functions of the grant as it is now. */

/** News that reaches people in the thread of the approval message, or as a direct message to the requester. */
export type ThreadNews =
  | 'reminder'
  | 'step'
  | 'escalated'
  | 'asked-again'
  | 'extension'
  | 'extension-answer'
  | 'review';
export type DirectNews = Exclude<News, 'message' | ThreadNews>;

function waitsForPeople({ state, extension }: Grant): boolean {
  return state === 'pending' || (state === 'active' && extension !== null);
}

const VALID: Record<News, (grant: Grant) => boolean> = {
  message: () => true,
  unposted: (g) => g.state === 'pending' && g.message === null,
  reminder: (g) => g.state === 'pending',
  step: waitsForPeople,
  escalated: waitsForPeople,
  'asked-again': (g) => g.state === 'pending',
  narrowed: (g) => !hasEnded(g.state) && g.remarks.length > 0,
  scheduled: (g) => g.state === 'approved' && g.startAt !== undefined,
  granted: (g) => g.state === 'active',
  denied: (g) => g.state === 'denied',
  cancelled: (g) => g.state === 'cancelled',
  'timed-out': (g) => g.state === 'timed-out',
  warning: (g) => g.state === 'active',
  extension: (g) => g.state === 'active' && g.extension !== null,
  extended: (g) => g.state === 'active',
  'not-extended': (g) => g.state === 'active' && g.remarks.length > 0,
  'extension-answer': (g) => g.state === 'active' && g.extensionDenied !== null,
  'extension-denied': (g) => g.state === 'active' && g.extensionDenied !== null,
  pods: (g) => g.state === 'active',
  review: awaitsReview,
  reviewed: ({ breakGlass }) => breakGlass !== undefined && breakGlass.review !== null,
  ended: (g) => g.state === 'expired' || g.state === 'revoked' || g.state === 'failed',
};

/** False when the grant has moved on since the news was queued: saying it now would be wrong, and newer news is on its way. */
export function stillTrue(grant: Grant, news: News): boolean {
  return VALID[news](grant);
}

/** What goes into the thread of the approval message. New messages: here mentions notify, as they are meant to. */
export function threadMessage(view: View, news: ThreadNews): Message {
  const { grant } = view;
  const asksNobody = news === 'extension-answer' || (view.approvers === null && news !== 'review');
  const asked = asksNobody ? null : peopleToCall(view, news);
  const [text, line] = {
    reminder: [
      'Still waiting for a decision',
      `⏰ Still waiting for a decision; times out ${moment(grant.pendingUntil)}.`,
    ],
    step: ['The next step is asked', `➡ The step before is complete. Now asked: ${askedNames(view)}.`],
    escalated: [
      'More people may decide',
      `📣 This has not been decided yet, so more people may now: ${escalatedNames(view)}. Decide with the buttons of the message above.`,
    ],
    'asked-again': [
      'Asked again: the plan has changed',
      '🔁 The plan has changed since it was shown, so nothing was opened. The message above shows the plan as it is now: please decide on that.',
    ],
    extension: [
      'Extension requested',
      `⏱ ${person(grant.requester)} asks for ${formatDuration(grant.extension?.duration ?? 0)} more${grant.extension === null ? '' : instead(grant.extension)}. Decide with the buttons of the message above.`,
    ],
    'extension-answer': ['The longer window was denied', extensionAnswer(grant)],
    review: [
      'Break-glass access waits for its review',
      `🔎 ${person(grant.requester)} had this by breaking the glass. Was that right? Accept or flag it with the buttons of the message above.`,
    ],
  }[news] as [string, string];
  return message(`${text}: ${grant.id} ${subject(grant)}`, [
    section(line),
    news === 'asked-again' ? remarks(grant) : null,
    news === 'extension-answer' ? noteOn(grant) : null,
    // Not in the small print: Slack may notify nobody of a mention there.
    asked && section(`Asked: ${approvers(asked, view)}`),
    context(code(grant.id)),
  ]);
}

const askedNames = ({ steps }: View): string =>
  steps.flatMap(({ name, state }) => (state === 'asked' ? [code(name)] : [])).join(', ');
const escalatedNames = ({ escalations }: View): string =>
  [...new Set(escalations.map(({ step }) => code(step)))].join(', ');

/** Whom a new message is to notify: of an escalation those who may decide only now. */
function peopleToCall({ approvers, escalations, glass }: View, news: ThreadNews): Principals {
  if (news === 'review' && glass !== null) return glass.reviewers;
  const others = approvers === null ? [] : [approvers];
  const lists = news === 'escalated' ? escalations.map(({ people }) => people) : others;
  return together(lists);
}

function extensionAnswer({ extensionDenied, expiresAt }: Grant): string {
  const by = extensionDenied?.by ? ` by ${person(extensionDenied.by)}` : '';
  return `⛔ *The longer window was denied${by}.* The access ends as it was approved, ${expiresAt === null ? 'soon' : moment(expiresAt)}.`;
}

const noteOn = ({ extensionDenied }: Grant): Block | null =>
  extensionDenied === null || extensionDenied.note === '' ? null : words(`“${extensionDenied.note}”`);

/** What the requester gets as a direct message. */
export function directMessage(view: View, news: DirectNews): Message {
  const { grant } = view;
  const what = `${grant.id}: ${subject(grant)}`;
  const end = grant.expiresAt === null ? '' : utc(grant.expiresAt);
  switch (news) {
    case 'granted':
      return grantedMessage(view);
    case 'narrowed':
      return message(`You will get less than you asked for: ${what}`, [
        section(`✂️ *An approver gives less than you asked for:* ${code(subject(grant))}`),
        remarks(grant),
        words('If that does not help you, withdraw it and ask for something else.'),
        idLine(grant),
        actions(revokeButton(view)),
      ]);
    case 'scheduled':
      return message(`Approved, begins later: ${what}`, [
        section(`☑️ *Approved:* ${code(subject(grant))}. ${standing(view)}`),
        words('What to run comes when it begins. If the plan is another by then, the approvers are asked again.'),
        notes(grant),
        idLine(grant),
        actions(revokeButton(view)),
      ]);
    case 'unposted':
      return message(`Nobody could be asked: ${what}`, [
        section(`⚠ *Nobody could be asked yet:* ${code(subject(grant))}`),
        words(
          'Slack does not take the message to the approvers. Administrators have been told. The request waits; an approver can decide with /jit approve and its id, or ask again when it is mended.',
        ),
        idLine(grant),
      ]);
    case 'denied':
    case 'cancelled':
    case 'timed-out':
      return message(`${TITLE[grant.state]}: ${what}`, [
        header(`${EMBLEM[grant.state]} ${TITLE[grant.state]}: ${subject(grant)}`),
        section(standing(view)),
        notes(grant),
        remarks(grant),
        idLine(grant),
      ]);
    case 'warning':
      return message(`Ends soon (${end}): ${what}`, [
        section(
          `⏰ *Your access ends ${grant.expiresAt === null ? 'soon' : moment(grant.expiresAt)}:* ${code(subject(grant))}`,
        ),
        small(view.closing),
        view.extendable > 0
          ? context(`It can be extended by ${formatDuration(view.extendable)} at most; that is a new decision.`)
          : context('It has its full length already: make a new request if you need more.'),
        idLine(grant),
        actions(...extendButtons(view), revokeButton(view)),
      ]);
    case 'extended':
      return message(`Extended until ${end}: ${what}`, [
        section(
          `🟢 *Extended until ${grant.expiresAt === null ? 'later' : moment(grant.expiresAt)}:* ${code(subject(grant))}`,
        ),
        notes(grant),
        idLine(grant),
      ]);
    case 'not-extended':
      return message(`Not extended: ${what}`, [
        section(`⚠️ *Not extended:* your access ends as if it had not been approved. ${code(subject(grant))}`),
        remarks(grant),
        idLine(grant),
      ]);
    case 'extension-denied':
      return message(`No longer window: ${what}`, [
        section(`${extensionAnswer(grant)} ${code(subject(grant))}`),
        noteOn(grant),
        idLine(grant),
      ]);
    case 'pods':
      return message(`The pods have changed: ${what}`, [
        section(`🔄 *The pods have changed;* your access follows them. ${code(subject(grant))}`),
        grant.pods.length > 0 ? section(codeBlock(grant.pods, 1500)) : words('It has no pods at the moment.'),
        view.commands.length > 0 ? section(codeBlock(view.commands)) : null,
        idLine(grant),
      ]);
    case 'reviewed':
      return message(`Reviewed: ${what}`, [
        section(`${reviewWords(grant)} ${code(subject(grant))}`),
        reviewNote(grant),
        idLine(grant),
      ]);
    case 'ended':
      return message(`${TITLE[grant.state]}: ${what}`, [
        section(`${EMBLEM[grant.state]} *${TITLE[grant.state]}:* ${code(subject(grant))}`),
        section(standing(view)),
        notes(grant),
        remarks(grant),
        idLine(grant),
      ]);
    default:
      return news satisfies never;
  }
}

/** The direct message by which a grant begins. It is edited when the window or the pods change and when the end is confirmed: until then it may offer what has just gone. */
export function grantedMessage(view: View): Message {
  const { grant } = view;
  const active = grant.state === 'active';
  return message(`${TITLE[grant.state]}: ${grant.id}: ${subject(grant)}`, [
    header(`${EMBLEM[grant.state]} ${active ? 'You have access' : TITLE[grant.state]}: ${subject(grant)}`),
    section(standing(view)),
    glassLine(view),
    active && view.commands.length > 0 ? section(`*What to run*\n${codeBlock(view.commands, 2500)}`) : null,
    active && reachOf(grant),
    ...(view.kubeconfig === null ? [] : kubeconfigBlocks(view.kubeconfig)),
    active && small(view.closing),
    notes(grant),
    remarks(grant),
    idLine(grant),
    active
      ? actions(
          view.kubeconfig !== null && button(ACTIONS.token, 'Get kubeconfig', view, { style: 'primary' }),
          ...extendButtons(view),
          revokeButton(view),
        )
      : null,
  ]);
}

/** How the target is reached from inside the workspace; null: there is no workspace, or it reaches nothing. */
function reachOf({ plan: { network } }: Grant): Block | null {
  if (network.mode !== 'workspace' || network.ports.length === 0) return null;
  const of = (protocol: string) => (protocol === 'TCP' ? '' : `/${protocol}`);
  const dialled = network.hostAliases.flatMap(({ hostnames: [name = ''], ports = [] }) =>
    // Whoever knows the port of the container must know that the Service has another.
    ports.map((port) => {
      const arrives = port.dialled === port.port ? '' : ` (arrives on ${port.port})`;
      return `${code(`${name}:${port.dialled}${of(port.protocol)}`)}${arrives}`;
    }),
  );
  const names = [...new Set(network.hostAliases.flatMap(({ hostnames }) => hostnames.slice(0, 1)))];
  const direct = network.ports.flatMap(({ port, protocol }) =>
    names.length === 0
      ? [`port ${port}/${protocol} of the target`]
      : names.map((name) => code(`${name}:${port}${of(protocol)}`)),
  );
  const all = dialled.length > 0 ? dialled : direct;
  return section(`*From the workspace* dial ${fitting(all, 1000, 8).join(' or ')}`);
}

/** The kubeconfig without its token. Certificates are longer than a line of other blocks may be. */
function kubeconfigBlocks(kubeconfig: string): Block[] {
  return [
    section('*Your kubeconfig,* but for the token: *Get kubeconfig* shows that to you alone. Put it where it says so.'),
    kubeconfig.length > LIMITS.section - 100
      ? section('The certificates of this cluster are too long for a message: take them from an administrator.')
      : section(wholeBlock(kubeconfig)),
  ];
}

/** A direct message to somebody who may decide. It stays true when the request is decided: where that stands, the message behind the link says. */
export function askMessage(view: View, entry: Entry, link: string | null): Message {
  const { grant } = view;
  const where = link === null ? '' : ` <${linkTarget(link)}|Open the request>`;
  return message(`Your decision is asked for: ${grant.id}: ${subject(grant)}`, [
    section(`🔔 *Your decision is asked for:* ${person(grant.requester)}, ${code(subject(grant))}.${where}`),
    words(`Reason: “${grant.reason}”`),
    section(`Why you: ${whyYou(entry, grant.profile)}.`),
    idLine(grant),
    actions(button(ACTIONS.look, 'Look and decide', view, { style: 'primary' })),
  ]);
}

/** In one's own conversation with the bot a mention of a group notifies nobody else. */
function whyYou({ word, id }: Entry, profile: string): string {
  const what = `approvers of ${code(profile)}`;
  if (word === 'users') return `the policy names you among the ${what}`;
  if (word === 'oncall') return `you are on call for ${code(id)}, ${what}`;
  return `you are in ${mentionOfList(id)}, ${what}`;
}

/** Something is wrong that an administrator must act on. */
export function alarmMessage(id: string | null, text: string): Message {
  return message(`Drawbridge needs a person: ${text}`, [
    header('🚨 Drawbridge needs a person'),
    words(text),
    id === null ? null : context(`About ${code(id)}; \`/jit status\` has the rest.`),
  ]);
}
