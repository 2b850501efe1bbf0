import type { types } from '@slack/bolt';
import type { Anew, Everything, Requested } from '../../../../app/ports/use-cases.ts';
import type { View } from '../../../../app/ports/view.ts';
import { formatDuration } from '../../../../domain/duration.ts';
import { type Grant, hasEnded } from '../../../../domain/grant/grant.ts';
import type { OpenAccess } from '../../../../domain/grant/reading.ts';
import { differencesOf } from '../../../../domain/plan/differences.ts';
import { boundOf } from '../../../../domain/plan/plan.ts';
import { type ClusterName, inCluster } from '../../../../domain/target.ts';
import { ACTIONS, carryLine, carryPage } from '../actions.ts';
import { details, essentials } from '../approval-message/plan-blocks.ts';
import { entryOfAll, ownEntry } from '../home/view.ts';
import {
  actions,
  type Block,
  bullets,
  button,
  context,
  divider,
  header,
  type Message,
  message,
  section,
  words,
} from '../text/blocks.ts';
import { canBeEnded, nudgeButton, revokeButton } from '../text/buttons.ts';
import {
  EMBLEM,
  extensionLine,
  idLine,
  notes,
  remarks,
  standing,
  stepLines,
  subject,
  TITLE,
} from '../text/standing.ts';
import { clean, code, codeBlock, escape, LIMITS, linked, moment, more, person, plain, shorten } from '../text/text.ts';
import { COMMANDS, type CommandName, type Readings } from './parse.ts';

/** What is answered to one person, as pure functions of what is known. */

/** Everything about one. `anew`: what approving it would give now, of a request that waits; what is on record else. */
export function statusMessage(view: View, anew: Anew | null = null): Message {
  const { grant } = view;
  const changed = anew?.kind === 'changed';
  const shown = changed ? anew.view : view;
  return message(`${grant.id}: ${grant.state}, ${subject(grant)}`, [
    header(`${EMBLEM[grant.state]} ${grant.id}: ${TITLE[grant.state].toLowerCase()}`),
    anew === null ? null : freshness(anew),
    changed ? bullets('What differs:', differencesOf(boundOf(grant.plan), boundOf(shown.grant.plan))) : null,
    ...essentials(shown),
    // All of a plan is shown from the record, where this one is not.
    ...details(shown, changed),
    remarks(grant),
    notes(grant),
    section(standing(view)),
    extensionLine(grant),
    stepLines(view),
    window(grant),
    view.commands.length > 0 ? section(codeBlock(view.commands)) : null,
    idLine(grant),
    ownerButtons(view),
  ]);
}

/** What the plan of a request that waits is worth now. */
function freshness(anew: Anew): Block {
  switch (anew.kind) {
    case 'same':
      return context('Read anew from the cluster: the plan is the one that the approvers see.');
    case 'changed':
      return section(
        '🔁 *This is not the plan that the approvers see:* the cluster or the policy has changed since. Approving will ask again, with what is shown here.',
      );
    case 'refused':
      return words(
        `⛔ Approving would be refused now: ${anew.refusal.message} ${anew.refusal.remedy} What follows is the plan as it was shown to the approvers.`.replaceAll(
          '`',
          '',
        ),
      );
    case 'unknown':
      return section('⚠ *The plan could not be made anew now.* What follows is the one that the approvers see.');
    default:
      return anew satisfies never;
  }
}

function window({ startsAt, expiresAt, endedAt }: Grant): Block | null {
  const parts = [
    ...(startsAt === null ? [] : [`began ${moment(startsAt)}`]),
    ...(expiresAt === null ? [] : [`ends ${moment(expiresAt)}`]),
    ...(endedAt === null ? [] : [`ended ${moment(endedAt)}`]),
  ];
  return parts.length === 0 ? null : context(`Window: ${parts.join(' · ')}`);
}

function ownerButtons(view: View): Block | null {
  const { grant } = view;
  const open = grant.state === 'pending' || canBeEnded(grant);
  return actions(view.extendable > 0 && button(ACTIONS.extend, 'Extend', view), open && revokeButton(view));
}

/** One line of `/jit list` and `/jit who`. */
function entry(access: OpenAccess): Block {
  const { id, state, requester, expiresAt } = access;
  const until = state === 'active' && expiresAt !== null ? ` until ${moment(expiresAt)}` : '';
  return section(`${EMBLEM[state]} ${code(id)} ${code(subject(access))} for ${person(requester)}: ${state}${until}`);
}

/** One grant, for who may not read all of it. */
export function accessMessage(access: OpenAccess): Message {
  return message(`${access.id}: ${access.state}, ${subject(access)}`, [
    entry(access),
    context(
      'Reason, notes and plan are shown to its requester, to those who may decide on it or end it, and in the channel of its message.',
    ),
  ]);
}

/** How many entries with their buttons a message takes, beside headers and the rest. */
const ENTRIES = 10;

function entries(
  views: readonly View[],
  buttonsOf: (view: View) => Block | null,
  isMore = false,
  lineOf: (view: View) => Block = ({ grant }) => entry(grant),
): (Block | null)[] {
  const shown = views.slice(0, ENTRIES).flatMap((view) => [lineOf(view), buttonsOf(view)]);
  return views.length > ENTRIES ? [...shown, context(more(views.length - ENTRIES, isMore))] : shown;
}

/** @param said what came of the button that was pressed in it last; '' where none was */
export function listMessage(
  {
    mine,
    waiting,
    more: isMore,
  }: {
    mine: readonly View[];
    waiting: readonly View[];
    more: boolean;
  },
  said = '',
): Message {
  return message(`${mine.length} of yours, ${waiting.length}${isMore ? ' or more' : ''} waiting for you`, [
    said !== '' && words(said),
    header('Waiting for your decision'),
    ...(waiting.length === 0
      ? [words('Nothing waits for you.')]
      : entries(
          waiting,
          (view) => actions(button(ACTIONS.look, 'Look and decide', view, { style: 'primary' })),
          isMore,
        )),
    divider,
    header('Your requests and grants'),
    ...(mine.length === 0
      ? [words('None is open. /jit asks for one.')]
      : entries(
          mine,
          (view) =>
            actions(
              button(ACTIONS.status, 'Details', view, { list: true }),
              nudgeButton(view, { list: true }),
              view.extendable > 0 && button(ACTIONS.extend, 'Extend', view, { list: true }),
              view.grant.state !== 'ending' && revokeButton(view, { list: true }),
            ),
          false,
          (view) => section(ownEntry(view)),
        )),
  ]);
}

/** Everything that is open or waits, for administrators. */
export function everythingMessage({ entries, page, pages }: Everything): Message {
  const of = pages === 1 ? '' : ` (page ${page + 1} of ${pages})`;
  const next = (page + 1) % pages;
  const turn = { action_id: ACTIONS.listPage, value: carryPage(next) };
  return message(`Everything${of}`, [
    header(`Everything${of}`),
    ...(entries.length === 0 ? [words('Nothing is open, and nothing waits.')] : entries.map(entryOfAll)),
    pages > 1 &&
      actions({ type: 'button', ...turn, text: plain(next === 0 ? 'First page' : 'Next page', LIMITS.label) }),
  ]);
}

export function whoMessage(
  { cluster = null, namespace }: { readonly cluster?: ClusterName; readonly namespace: string },
  found: readonly OpenAccess[],
): Message {
  const title = `Access to ${shorten(clean(`${inCluster(cluster)}${namespace}`), 130)}`;
  return message(`${title}: ${found.length}`, [
    header(title),
    ...(found.length === 0
      ? [words('Nobody has access through Drawbridge now.')]
      : [...found.slice(0, 40).map(entry), found.length > 40 ? context(more(found.length - 40)) : null]),
    context('Only what was given through Drawbridge; other role bindings are not looked at here.'),
  ]);
}

/** Help on all commands or on one; `problem` says first what was wrong with what was typed. */
export function helpMessage(topic: CommandName | null, problem = ''): Message {
  const shown = topic === null ? (Object.keys(COMMANDS) as CommandName[]) : [topic];
  const lines = shown.flatMap((name) => {
    const { usage, does, example } = COMMANDS[name];
    return topic === null
      ? [`${code(`/jit ${usage}`)}  ${escape(does)}`]
      : [code(`/jit ${usage}`), escape(does), `For example: ${code(`/jit ${example}`)}`];
  });
  const modal = topic === null ? [`${code('/jit')}  opens a form: only what you may ask for is offered`] : [];
  return message(problem || 'Help for /jit', [
    problem === '' ? null : words(problem),
    section([...modal, ...lines].join('\n')),
  ]);
}

/** A line that can be meant in two ways, with a button for each. @param by who typed it */
export function readingsMessage(problem: string, { meant, reason }: Readings, by: string): Message {
  const choices = [
    [ACTIONS.reading, meant.says, carryLine(meant.line, by)],
    [ACTIONS.otherReading, 'It belongs to the reason', carryLine(reason.line, by)],
  ] as const;
  // What is too long for a button is typed.
  const buttons = choices.flatMap(([action_id, label, value]): types.Button[] =>
    value === null ? [] : [{ type: 'button', action_id, text: plain(label, LIMITS.label), value }],
  );
  return message(problem, [words(problem), actions(...buttons)]);
}

/** What to do about what was asked for before. */
const INSTEAD = {
  pending: 'Wait for the approvers, or remind them. To ask for something else, withdraw it first.',
  open: 'It is on its way, or open. Extend it for a longer window; to ask for something else, end it first.',
};

/**
 * Answers the person who asked for access in one line.
 * @param link to the message of what was asked for before; null: it is not known
 */
export function requestedMessage(view: Requested, link: string | null = null): Message {
  const { grant, isAgain } = view;
  const again = `You have asked for this already: ${grant.id}. Nothing new was requested.`;
  return message(isAgain ? again : `${grant.id}: ${grant.state}`, [
    isAgain && words(`${again} ${INSTEAD[grant.state === 'pending' ? 'pending' : 'open']}`),
    section(
      `${EMBLEM[grant.state]} ${code(grant.id)} ${code(subject(grant))} for ${formatDuration(grant.duration)}${grant.startAt === undefined ? '' : `, from ${moment(grant.startAt)}`}`,
    ),
    section(standing(view)),
    stepLines(view),
    view.missed === null ? null : words(view.missed),
    remarks(grant),
    link !== null && section(linked(link, 'The message of the request')),
    context('You get a direct message when something happens.'),
    actions(
      button(ACTIONS.status, 'Details', view),
      isAgain && nudgeButton(view),
      isAgain && view.extendable > 0 && button(ACTIONS.extend, 'Extend', view),
      !hasEnded(grant.state) && revokeButton(view),
    ),
  ]);
}

/**
 * Tells a person what came of what they did, in a sentence that stays true: nobody edits it, and where the grant stands is said by the message
 * of the request.
 */
export function outcomeMessage(view: View, did: string): Message {
  return message(`${view.grant.id}: ${did}`, [words(did), remarks(view.grant), idLine(view.grant)]);
}
