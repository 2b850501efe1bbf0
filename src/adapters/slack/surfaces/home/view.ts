import type { types } from '@slack/bolt';
import type { Everything, Home, Listed, Offer } from '../../../../app/ports/use-cases.ts';
import type { View } from '../../../../app/ports/view.ts';
import type { Instant } from '../../../../domain/clocks.ts';
import { formatDuration } from '../../../../domain/duration.ts';
import { shortDigest } from '../../../../domain/plan/plan.ts';
import { inCluster } from '../../../../domain/target.ts';
import { ACTIONS, carryAllToEnd, carryPage, carryProfile } from '../actions.ts';
import { actions, type Block, button, context, divider, header, section, words } from '../text/blocks.ts';
import { canBeEnded, nudgeButton, revokeButton } from '../text/buttons.ts';
import { EMBLEM, subject } from '../text/standing.ts';
import { clean, code, LIMITS, markup, moment, more, person, plain, shorten } from '../text/text.ts';
import { whichWords } from './filter.ts';

/** The Home of the bot, for one person, as a pure function of what is known. https://docs.slack.dev/surfaces/app-home */

/** How many of each are shown: together they stay within the hundred blocks of a view. */
const MOST = { entries: 10, offers: 15, ended: 6 };

/** @param said what came of the button that was pressed last; '' where none was */
export function homeView(home: Home, said = ''): types.HomeView {
  const { page = 0, which = {} } = home.everything ?? {};
  return {
    type: 'home',
    // What is done in it draws it anew with the same of everything.
    private_metadata: carryPage(page, which),
    blocks: [
      ...(said === '' ? [] : [words(said)]),
      actionsOf(
        textButton(ACTIONS.ask, 'Request access', carryProfile(null), 'primary'),
        textButton(ACTIONS.homePage, 'Refresh', carryPage(page, which)),
      ),
      context(`As of ${moment(home.asOf)}.`),
      ...waiting(home),
      ...mine(home),
      ...reviews(home.unreviewed),
      ...offers(home.offers),
      ...ended(home.ended),
      ...(home.everything === null ? [] : everything(home.everything)),
    ],
  };
}

function textButton(action_id: string, label: string, value: string, style?: 'primary' | 'danger'): types.Button {
  return { type: 'button', action_id, text: plain(label, LIMITS.label), value, ...(style && { style }) };
}

const actionsOf = (...elements: types.Button[]): Block => ({ type: 'actions', elements });

/** A line with a button beside it. */
const withButton = (text: string, accessory: types.Button): Block => ({
  type: 'section',
  text: markup(text),
  accessory,
});

const rest = (count: number, most: number, what = ''): Block[] =>
  count > most ? [context(`${more(count - most)}${what}`)] : [];

function waiting({ waiting: views, more: isMore }: Home): Block[] {
  if (views.length === 0) return [header('Waiting for your decision'), words('Nothing waits for you.')];
  return [
    header('Waiting for your decision'),
    ...views
      .slice(0, MOST.entries)
      .map((view) => withButton(line(view.grant), button(ACTIONS.look, 'Look and decide', view, { style: 'primary' }))),
    ...(views.length > MOST.entries ? [context(more(views.length - MOST.entries, isMore))] : []),
  ];
}

function mine({ mine: views, asOf }: Home): Block[] {
  if (views.length === 0) return [header('Your access and requests'), words('You have none now.')];
  return [
    header('Your access and requests'),
    ...views
      .slice(0, MOST.entries)
      .flatMap((view) => [
        section(ownEntry(view, asOf)),
        ...[
          actions(
            button(ACTIONS.status, 'Details', view),
            nudgeButton(view),
            view.extendable > 0 && button(ACTIONS.extend, 'Extend', view),
            (view.grant.state === 'pending' || canBeEnded(view.grant)) && revokeButton(view),
          ),
        ].filter((block) => block !== null),
      ]),
    ...rest(views.length, MOST.entries),
  ];
}

const ownLine = (grant: Pick<Listed, 'id' | 'state' | 'profile' | 'cluster' | 'target'>): string =>
  `${EMBLEM[grant.state]} ${code(grant.id)} ${code(subject(grant))}: ${grant.state}`;

const line = (grant: Pick<Listed, 'id' | 'state' | 'profile' | 'cluster' | 'target' | 'requester'>): string =>
  `${EMBLEM[grant.state]} ${code(grant.id)} ${code(subject(grant))} for ${person(grant.requester)}: ${grant.state}`;

/** One of the reader's own: what, and until when. */
export function ownEntry(view: View, asOf: Instant | null = null): string {
  const { extension } = view.grant;
  const more = extension === null ? '' : `; ${formatDuration(extension.duration)} more are asked for`;
  return `${ownLine(view.grant)}${timeLeft(view, asOf)}${more}`;
}

/** @param asOf what is left is counted from it; null: it is not counted, since the message stays */
function timeLeft({ grant: { state, startAt, expiresAt, pendingUntil } }: View, asOf: Instant | null): string {
  if (state === 'pending') return `, times out ${moment(pendingUntil)}`;
  if (state === 'approved' && startAt !== undefined) return `, begins ${moment(startAt)}`;
  if (state !== 'active' || expiresAt === null) return '';
  if (asOf === null) return ` until ${moment(expiresAt)}`;
  const seconds = Math.max(0, Math.floor((expiresAt - asOf) / 1000));
  const left = formatDuration(seconds < 120 ? seconds : seconds - (seconds % 60));
  return ` until ${moment(expiresAt)}, *${left} left*`;
}

function reviews(all: readonly Listed[]): Block[] {
  if (all.length === 0) return [];
  return [
    header('Break-glass access that waits for its review'),
    ...all.slice(0, MOST.ended).map(entryOfAll),
    ...rest(all.length, MOST.ended),
  ];
}

function offers(all: readonly Offer[]): Block[] {
  if (all.length === 0) return [];
  return [
    divider,
    header('What you may ask for'),
    ...all.slice(0, MOST.offers).map(({ profile, cluster, description }) => {
      const said = shorten(clean(description), 200);
      return withButton(
        `${code(`${inCluster(cluster)}${profile}`)}${said === '' ? '' : `  ${code(said)}`}`,
        textButton(ACTIONS.ask, 'Ask', carryProfile(profile, cluster)),
      );
    }),
    ...rest(all.length, MOST.offers, ': Request access has all of them'),
  ];
}

function ended(all: readonly Listed[]): Block[] {
  if (all.length === 0) return [];
  return [
    divider,
    header('Ask again'),
    ...all.slice(0, MOST.ended).map((one) => {
      const at = one.endedAt === null ? '' : ` ${moment(one.endedAt)}`;
      return withButton(
        `${EMBLEM[one.state]} ${code(subject(one))}: ${one.state}${at} (${code(one.id)})`,
        button(ACTIONS.again, 'Ask again', { grant: one, digest: shortDigest(one.digest) }),
      );
    }),
  ];
}

function everything(all: Everything): Block[] {
  const { which, entries, page, pages, count } = all;
  const next = (page + 1) % pages;
  const isAll = Object.keys(which).length === 0;
  return [
    divider,
    header(`Everything${isAll ? '' : ' that matches'}${pages === 1 ? '' : ` (page ${page + 1} of ${pages})`}`),
    ...(isAll && count === 0
      ? []
      : [context([...(isAll ? [] : [`Only those ${whichWords(which)}.`]), ...counted(all)].join(' '))]),
    actionsOf(
      textButton(ACTIONS.homeFilter, 'Filter', carryPage(page, which)),
      ...(isAll ? [] : [textButton(ACTIONS.homePage, 'Clear filter', carryPage(0))]),
      ...endAllButton(all),
    ),
    ...(count === 0
      ? [words(isAll ? 'Nothing is open, and nothing waits.' : 'Nothing that is open or waits matches.')]
      : entries.map(entryOfAll)),
    ...(pages === 1
      ? []
      : [actionsOf(textButton(ACTIONS.homePage, next === 0 ? 'First page' : 'Next page', carryPage(next, which)))]),
  ];
}

function counted({ count, listed }: Everything): string[] {
  if (count === 0) return [];
  const said = count === 1 ? '1 is open or waits.' : `${count} are open or wait.`;
  return listed < count ? [said, `The first ${listed} are listed: filter for the others.`] : [said];
}

/** Where it says of whom, or in which namespace. */
function endAllButton({ which, endable, entries }: Everything): types.Button[] {
  const { person: by, namespace, cluster } = which;
  if (endable === 0 || (by === undefined && namespace === undefined)) return [];
  const label = [
    'End all',
    ...(by === undefined ? [] : ['of this person']),
    ...(namespace === undefined ? [] : ['in this namespace']),
  ].join(' ');
  const what = [
    ...(by === undefined ? [] : [`of ${entries[0]?.requester.user.slice(0, 80) || by}`]),
    ...(namespace === undefined ? [] : [`in namespace ${namespace}`]),
    ...(cluster === undefined ? [] : [`in cluster ${cluster}`]),
  ].join(' ');
  const stays = namespace === undefined ? '' : ' What is for a whole cluster or a node stays.';
  const number = endable === 1 ? 'the 1 that is open or waits' : `all ${endable} that are open or wait`;
  const text = `This ends ${number} ${what}. The people concerned are told.${stays}`;
  return [
    {
      ...textButton(ACTIONS.homeEndAll, label, carryAllToEnd(which), 'danger'),
      confirm: {
        title: plain(`${label}?`, 100),
        text: plain(text, 300),
        confirm: plain('End all', 30),
        deny: plain('Not now', 30),
      },
    },
  ];
}

/** One line of everything, with a button that leads to all of it. */
export function entryOfAll(one: Listed): Block {
  const until = one.state === 'active' && one.expiresAt !== null ? ` until ${moment(one.expiresAt)}` : '';
  return withButton(
    `${line(one)}${until}`,
    button(ACTIONS.status, 'Details', { grant: one, digest: shortDigest(one.digest) }),
  );
}
