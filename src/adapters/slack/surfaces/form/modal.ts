import type { types } from '@slack/bolt';
import type { BreakGlassOffer, ClosedCluster, Offer, Proposal } from '../../../../app/ports/use-cases.ts';
import type { Instant } from '../../../../domain/clocks.ts';
import type { Ask } from '../../../../domain/decide/act.ts';
import { DURATION_FORM, formatDuration } from '../../../../domain/duration.ts';
import type { Refusal } from '../../../../domain/errors.ts';
import { LONGEST_REASON } from '../../../../domain/policy/fields/decisions.ts';
import { describeKit, isKit, type Kit } from '../../../../domain/rights/kits.ts';
import { FURTHEST_START } from '../../../../domain/start.ts';
import { type ClusterName, describePlace, inCluster, type Wanted } from '../../../../domain/target.ts';
import { wholeDuration } from '../../../../domain/typed-duration.ts';
import { ACTIONS, carryAsked, carryForm, LONGEST_TYPED, MODALS } from '../actions.ts';
import { details, essentials } from '../approval-message/plan-blocks.ts';
import { chosenTarget, parseTarget } from '../command/parse.ts';
import { context, type Message, section, small } from '../text/blocks.ts';
import { frame, noticeModal } from '../text/modals.ts';
import { fromWhom, stepLines } from '../text/standing.ts';
import { clean, code, LIMITS, plain, shorten, utc } from '../text/text.ts';
import type { Choice } from './choice.ts';
import { fitsOption, type Option, optionFor } from './suggestions.ts';

/** Modals, as pure functions. A field's block id names what it depends on: when that changes, Slack drops the value with the field. */

/** What the form asks for: a start is a moment, since the picker has one. */
export interface FormAsk extends Omit<Ask, 'startAt'> {
  readonly start?: { readonly at: Instant };
}

type Modal = types.ModalView;
type Block = types.KnownBlock;

const FIELD = {
  cluster: 'cluster',
  profile: 'profile',
  namespace: 'namespace',
  target: 'target',
  node: 'node',
  rights: 'rights',
  duration: 'duration',
  start: 'start',
  ticket: 'ticket',
  reason: 'reason',
} as const;
type Field = keyof typeof FIELD;
/** The action id of fields that nobody listens to. */
const INPUT = 'input';

const blockId = (field: Field, ...dependsOn: (string | null)[]): string =>
  shorten([FIELD[field], ...dependsOn.map((part) => part ?? '')].join('|'), 255);

const BACK: Block = {
  type: 'actions',
  elements: [{ type: 'button', action_id: ACTIONS.back, text: plain('Back to the form', LIMITS.label) }],
};

/**
 * The last step before a request: what would be granted. Nothing has been stored, and nobody told.
 * @param changed true when something else was shown before, which can't be had any more
 */
export function previewModal({ view, rule, missed, digest }: Proposal, ask: FormAsk, changed: boolean): Modal {
  const { approvalsNeeded } = view.grant;
  const decision =
    approvalsNeeded === 0
      ? `*Approved automatically:* ${code(rule)}. Access begins when you press Request.`
      : `*${approvalsNeeded} approval${approvalsNeeded === 1 ? '' : 's'} needed*${fromWhom(view)}.`;
  const blocks = [
    ...(changed
      ? [
          section(
            '🔁 *What would be granted has changed since you saw it,* so nothing has been requested. This is how it is now.',
          ),
        ]
      : []),
    ...essentials(view),
    ...details(view, true).filter((block) => block !== null),
    section(decision),
    ...[stepLines(view)].filter((block) => block !== null),
    ...(missed === null ? [] : [{ type: 'section', text: plain(missed) } as const]),
    context('Nothing has been requested yet, and nobody has been told.'),
    BACK,
  ];
  return frame('What you would get', blocks, {
    callback_id: MODALS.confirm,
    submit: plain('Request', LIMITS.modalTitle),
    private_metadata: carryAsked({ ask, digest }),
  });
}

/** A refusal that the form could not wait for, with a way back to what was typed. */
export function refusedModal(text: string, ask: FormAsk): Modal {
  return frame('Not requested', [{ type: 'section', text: plain(text) }, BACK], {
    private_metadata: carryAsked({ ask, digest: null }),
  });
}

/** What came of a request, as its message says it. */
export function requestedModal({ blocks }: Pick<Message, 'blocks'>): Modal {
  return frame(
    'Requested',
    blocks.filter((block) => block.type !== 'actions'),
  );
}

type OptionValue = { readonly text: string; readonly value: string; readonly description?: string };

/** Slack takes a hundred options of 150 characters. */
function selectable(options: readonly OptionValue[]): boolean {
  return options.length > 0 && options.length <= LIMITS.options && options.every(({ value }) => fitsOption(value));
}

function select(
  actionId: string,
  placeholder: string,
  options: readonly OptionValue[],
  chosen: string | null,
): types.StaticSelect {
  const made = options.map(({ text, value, description }) => ({
    text: plain(text, LIMITS.label),
    value,
    ...(description && { description: plain(description, LIMITS.label) }),
  }));
  const initial = made.find((option) => option.value === chosen);
  return {
    type: 'static_select',
    action_id: actionId,
    placeholder: plain(placeholder, 150),
    options: made,
    ...(initial && { initial_option: initial }),
  };
}

/** A field that offers what fits to what is typed into it: see suggestions.ts. */
function searchField(actionId: string, placeholder: string, chosen: Option | null): types.ExternalSelect {
  return {
    type: 'external_select',
    action_id: actionId,
    placeholder: plain(placeholder, 150),
    min_query_length: 0,
    ...(chosen !== null && { initial_option: chosen }),
  };
}

const optionOrNone = (value: string | null | undefined): Option | null =>
  value && fitsOption(value) ? optionFor(value) : null;

function typedField(
  actionId: string,
  placeholder: string,
  { dispatches = false, value = null }: { dispatches?: boolean; value?: string | null | undefined } = {},
): types.PlainTextInput {
  return {
    type: 'plain_text_input',
    action_id: actionId,
    placeholder: plain(placeholder, 150),
    max_length: LONGEST_TYPED,
    ...(value && { initial_value: value.slice(0, LONGEST_TYPED) }),
    ...(dispatches && { dispatch_action_config: { trigger_actions_on: ['on_enter_pressed'] } }),
  };
}

const NOTHING_OFFERED = 'The policy has no profile that you may ask for. Ask an administrator of Drawbridge.';

/** What administrators can do who may ask for nothing. */
export const administratorModal = (): Modal =>
  noticeModal(
    'The policy has no profile that you may ask for. You administer Drawbridge: /jit list all shows all that is open or waits, /jit revoke with its id ends any of it, and the Home of the bot has both.',
  );

/** What the form shows for a choice: a single profile or namespace is chosen by itself; what is no longer offered is dropped. */
export function settle(offers: readonly Offer[], choice: Choice): Settled {
  const clusters = clustersOf(offers);
  const isChosen = clusters.length === 1 || clusters.some((name) => name !== null && name === choice.cluster);
  if (!isChosen) return { offers: [], offer: null, namespace: null };
  const cluster = clusters.length === 1 ? (clusters[0] ?? null) : (choice.cluster ?? null);
  const there = offers.filter((o) => o.cluster === cluster);
  const only = there.length === 1 ? there[0] : undefined;
  const offer = there.find((o) => o.profile === choice.profile) ?? only ?? null;
  if (offer === null) return { offers: there, offer: null, namespace: null };
  const single = offer.namespaces.length === 1 ? (offer.namespaces[0] ?? null) : null;
  const namespace = offer.namespaces.find((n) => n === choice.namespace) ?? single;
  return { offers: there, offer, namespace };
}

interface Settled {
  /** Those of the cluster that was chosen; none: there are several clusters, and none was. */
  readonly offers: readonly Offer[];
  readonly offer: Offer | null;
  readonly namespace: string | null;
}

const clustersOf = (offers: readonly Offer[]): ClusterName[] => [...new Set(offers.map(({ cluster }) => cluster))];

/** What the fields below the profile depend on: the same profile in another cluster is another choice. */
const scopeOf = (profile: string, cluster: string): string => (cluster === '' ? profile : `${cluster}/${profile}`);

/**
 * The request modal. Only what this person may ask for is in `offers`; the policy decides again when the request is made.
 * @param said what came of a button of the form; '' where none was pressed
 * @param closed the clusters in which nothing can be asked for now: told, where they are not offered
 */
export function requestModal(
  offers: readonly Offer[],
  choice: Choice,
  said = '',
  closed: readonly ClosedCluster[] = [],
): Modal {
  const missing = closed.filter(({ name }) => !offers.some(({ cluster }) => cluster === name));
  if (offers.length === 0) return noticeModal(missing.map(describeClosed).join('\n') || NOTHING_OFFERED);
  const { offers: there, offer, namespace } = settle(offers, choice);
  const cluster = there[0]?.cluster ?? null;
  return frame(
    'Ask for access',
    [
      ...(said === '' ? [] : [{ type: 'section', text: plain(`⚠️ ${said}`, LIMITS.section) } as const]),
      ...(missing.length === 0 ? [] : [small(missing.map(describeClosed).join('\n'))]),
      ...clusterField(offers, cluster),
      ...(there.length === 0 ? [] : [profileField(there, offer)]),
      ...(offer === null ? [] : fieldsOf(offer, namespace, choice)),
    ],
    {
      callback_id: MODALS.request,
      submit: plain('Preview', LIMITS.modalTitle),
      // What is suggested for a field comes without what the others hold.
      private_metadata: carryForm({ ...(cluster !== null && { cluster }), profile: offer?.profile ?? null, namespace }),
    },
  );
}

const describeClosed = ({ name, why, remedy }: ClosedCluster): string =>
  `Nothing can be asked for in ${name} now, since ${why}. ${remedy}`;

/** Only where there is a choice. */
function clusterField(offers: readonly Offer[], chosen: ClusterName): Block[] {
  const names = clustersOf(offers).filter((name) => name !== null);
  if (names.length < 2) return [];
  const options = names.slice(0, LIMITS.options).map((name) => ({ text: name, value: name }));
  return [
    {
      type: 'input',
      block_id: blockId('cluster'),
      dispatch_action: true,
      label: plain('Cluster'),
      element: select(ACTIONS.cluster, 'In which cluster?', options, chosen),
    },
  ];
}

function profileField(offers: readonly Offer[], offer: Offer | null): Block {
  const cluster = offers[0]?.cluster ?? null;
  const options = offers.map(({ profile, description }) => ({ text: profile, value: profile, description }));
  return {
    type: 'input',
    block_id: blockId('profile', ...(cluster === null ? [] : [cluster])),
    dispatch_action: true,
    label: plain('Profile'),
    element: selectable(options)
      ? select(ACTIONS.profile, 'What do you need?', options, offer?.profile ?? null)
      : typedField(ACTIONS.profile, 'Its name, then Enter', { dispatches: true, value: offer?.profile }),
  };
}

function fieldsOf(offer: Offer, namespace: string | null, typed: Choice): Block[] {
  const { defaultDuration, maximumDuration } = offer;
  const profile = scopeOf(offer.profile, offer.cluster ?? '');
  const { min, template } = offer.reason ?? {};
  if (offer.scope !== 'cluster' && offer.namespaces.length + (offer.nodes ?? []).length === 0)
    return [{ type: 'section', text: plain('No namespace that exists is covered by this profile.') }];
  return [
    ...placeFields(offer, namespace, typed),
    ...rightsField(offer, typed.rights),
    {
      type: 'input',
      block_id: blockId('duration', profile),
      label: plain('Duration'),
      hint: plain(`At most ${formatDuration(maximumDuration)}. Choose a length, or type another: 45m, 1h30m.`),
      element: searchField(
        ACTIONS.duration,
        '45m',
        optionOrNone(typed.duration) ?? optionFor(formatDuration(defaultDuration)),
      ),
    },
    startField(typed.start),
    ...ticketField(offer, typed.ticket),
    {
      type: 'input',
      // Slack keeps a field that it knows as it was, with its placeholder: another profile may have another one.
      block_id: blockId('reason', ...(template === undefined ? [] : [profile])),
      label: plain('Reason'),
      hint: plain(`Approvers decide by it.${min === undefined || min === 1 ? '' : ` At least ${min} characters.`}`),
      element: {
        type: 'plain_text_input',
        action_id: INPUT,
        multiline: true,
        max_length: LONGEST_REASON,
        ...(template !== undefined && { placeholder: plain(template, 150) }),
        ...(typed.reason && { initial_value: typed.reason.slice(0, LONGEST_REASON) }),
      },
    },
    ...(offer.breakGlass === undefined ? [] : [breakGlassButton(offer.breakGlass)]),
  ];
}

/**
 * A day and a time by the clock of the person's Slack account, in seconds.
 * https://docs.slack.dev/reference/block-kit/block-elements/datetime-picker-element
 */
function startField(start: Instant | null | undefined): Block {
  return {
    type: 'input',
    block_id: blockId('start'),
    optional: true,
    label: plain('Start'),
    hint: plain(
      `Leave it empty to begin as soon as it is approved. At most ${formatDuration(FURTHEST_START)} ahead, by the clock of your Slack account.`,
    ),
    element: {
      type: 'datetimepicker',
      action_id: INPUT,
      ...(start != null && { initial_date_time: Math.floor(start / 1000) }),
    },
  };
}

/** For an emergency: access at once. Whoever presses it is told who hears of it before anything is done. */
function breakGlassButton({ maximum, told, reviewers }: BreakGlassOffer): Block {
  const words = `Access begins at once, for ${formatDuration(maximum)} at most, and nobody decides. Reviewed afterwards by ${shorten(reviewers, 70)}. Told now: ${told}.`;
  return {
    type: 'actions',
    elements: [
      {
        type: 'button',
        action_id: ACTIONS.breakGlass,
        style: 'danger',
        text: plain('🚨 Break the glass', LIMITS.label),
        confirm: {
          title: plain('Break the glass?', 100),
          text: plain(words, 300),
          confirm: plain('Break the glass', 30),
          deny: plain('Not now', 30),
          style: 'danger',
        },
      },
    ],
  };
}

/** Where the access is to be: a namespace, with a workload in it; a node; or nothing to choose, for the whole cluster. */
function placeFields(offer: Offer, namespace: string | null, typed: Choice): Block[] {
  const { scope } = offer;
  const profile = scopeOf(offer.profile, offer.cluster ?? '');
  if (scope === 'cluster') return [];
  if (scope === 'node') return [nodeField(offer, typed.node ?? null)];
  const namespaces = offer.namespaces.map((name) => ({ text: name, value: name }));
  return [
    {
      type: 'input',
      block_id: blockId('namespace', profile),
      dispatch_action: scope === 'workload',
      label: plain('Namespace'),
      element: selectable(namespaces)
        ? select(ACTIONS.namespace, 'Where?', namespaces, namespace)
        : searchField(ACTIONS.namespace, 'Type a part of its name', optionOrNone(namespace)),
    },
    ...(scope === 'workload' ? [targetField(profile, namespace, typed.target ?? null)] : []),
  ];
}

function nodeField({ profile, cluster, nodes = [] }: Offer, node: string | null): Block {
  const options = nodes.map((name) => ({ text: name, value: name }));
  return {
    type: 'input',
    block_id: blockId('node', scopeOf(profile, cluster ?? '')),
    label: plain('Node'),
    element: selectable(options)
      ? select(INPUT, 'Which node?', options, node ?? (nodes.length === 1 ? (nodes[0] ?? null) : null))
      : typedField(INPUT, 'Its name', { value: node }),
  };
}

/** The key of a ticket, where the profile takes one. */
function ticketField({ profile, cluster, ticket }: Offer, value: string | null | undefined): Block[] {
  if (ticket === undefined) return [];
  return [
    {
      type: 'input',
      block_id: blockId('ticket', scopeOf(profile, cluster ?? '')),
      optional: true,
      label: plain('Ticket'),
      hint: plain(
        `${ticket.need === 'required' ? 'Needed: here or in the reason.' : 'Here or in the reason.'} Its key, like ${ticket.pattern}.`,
      ),
      element: typedField(INPUT, 'Its key', { value }),
    },
  ];
}

/** Which of its rights somebody wants, where there are several: all of them, unless some were chosen. */
function rightsField({ profile, cluster, rights }: Offer, chosen: readonly Kit[] | undefined): Block[] {
  if (rights === null || rights.length < 2) return [];
  const options = rights.map((kit) => ({
    text: plain(kit, LIMITS.label),
    value: kit,
    description: plain(describeKit(kit), LIMITS.label),
  }));
  const initial = options.filter(({ value }) => chosen?.includes(value) ?? true);
  return [
    {
      type: 'input',
      block_id: blockId('rights', scopeOf(profile, cluster ?? '')),
      label: plain('Rights'),
      hint: plain('Take away what you do not need.'),
      element: {
        type: 'checkboxes',
        action_id: INPUT,
        options,
        ...(initial.length > 0 && { initial_options: initial }),
      },
    },
  ];
}

function targetField(profile: string, namespace: string | null, target: string | null): Block {
  const chosen = optionOrNone(target);
  // A name that is longer than an option is typed.
  const isSearched = namespace !== null && (target === null || chosen !== null);
  return {
    type: 'input',
    block_id: blockId('target', profile, isSearched ? namespace : null),
    label: plain('Target'),
    hint: plain(
      isSearched
        ? 'A workload or Service: type a part of its name, or deploy/ before it.'
        : 'Kind and name, such as deploy/checkout or svc/checkout.',
    ),
    element: isSearched
      ? searchField(ACTIONS.target, 'Type a part of its name', chosen)
      : typedField(INPUT, 'deploy/checkout', { value: target }),
  };
}

/** The values of a view, as Slack hands them back. */
export type StateValues = Readonly<
  Record<
    string,
    Readonly<
      Record<
        string,
        {
          readonly value?: string | null;
          readonly selected_option?: { readonly value?: string | null } | null;
          readonly selected_date_time?: number | null;
          readonly selected_user?: string | null;
          readonly selected_options?: readonly { readonly value?: string | null }[] | null;
        }
      >
    >
  >
>;

interface Filled {
  readonly blockId: string;
  readonly dependsOn: string;
  readonly value: string;
  /** Of checkboxes: those that are checked. */
  readonly values: readonly string[];
}

function filled(values: StateValues, field: Field): Filled | null {
  for (const [id, elements] of Object.entries(values)) {
    const [name, ...dependsOn] = id.split('|');
    if (name !== FIELD[field]) continue;
    const element = Object.values(elements)[0];
    const chosen = element?.selected_option?.value ?? element?.selected_date_time ?? element?.value ?? '';
    const value = clean(String(chosen));
    const checked = (element?.selected_options ?? []).flatMap((option) => option.value ?? []);
    return { blockId: id, dependsOn: dependsOn.join('|'), value, values: checked };
  }
  return null;
}

/** The fields of a form, each with what is in it; null: the form has no such field. */
function fieldsIn(values: StateValues): Record<Field, Filled | null> {
  const all = (Object.keys(FIELD) as Field[]).map((field) => [field, filled(values, field)] as const);
  return Object.fromEntries(all) as Record<Field, Filled | null>;
}

/** What has been chosen and typed in a form that is being filled in; without what belongs to a choice that is another now. */
export function choiceOf(values: StateValues): Choice {
  const fields = fieldsIn(values);
  const { namespace, target, node, rights, duration, ticket } = fields;
  const cluster = fields.cluster?.value || fields.profile?.dependsOn || undefined;
  const profile = fields.profile?.value || null;
  const scope = scopeOf(profile ?? '', cluster ?? '');
  const reason = fields.reason?.value;
  const start = fields.start && momentIn(fields.start);
  const chosen = { ...(cluster !== undefined && { cluster }), profile, namespace: namespace?.value || null };
  return {
    ...chosen,
    ...(target?.dependsOn === `${scope}|${chosen.namespace}` && target.value !== '' && { target: target.value }),
    ...(node?.dependsOn === scope && node.value !== '' && { node: node.value }),
    ...(rights?.dependsOn === scope && { rights: rights.values.filter(isKit) }),
    ...(duration?.dependsOn === scope && duration.value !== '' && { duration: duration.value }),
    ...(typeof start === 'number' && { start }),
    ...(ticket?.dependsOn === scope && ticket.value !== '' && { ticket: ticket.value }),
    ...(reason && { reason }),
  };
}

/** The moment that was picked; null: none was. `unclear`: what is there is none. */
function momentIn({ value }: Filled): Instant | 'unclear' | null {
  if (value === '') return null;
  return /^[1-9]\d{0,11}$/.test(value) ? Number(value) * 1000 : 'unclear';
}

/** The form as it was filled in to ask for this. */
export function choiceToAsk(ask: FormAsk): Choice {
  const { profile, cluster, target, rights, duration, start, reason, ticketKey } = ask;
  return {
    ...(cluster != null && { cluster }),
    profile,
    ...chosenTarget(target),
    ...(rights && { rights }),
    duration: duration === null ? null : formatDuration(duration),
    ...(start && { start: start.at }),
    ...(ticketKey !== undefined && { ticket: ticketKey }),
    reason,
  };
}

/** The same in one line, to type again when the form is gone. What a line says by the clock of its reader is said beside it. */
export function inOneLine(ask: FormAsk): string {
  const { profile, cluster = null, target, rights, duration, start, reason, ticketKey } = ask;
  const length = duration === null ? '' : ` ${formatDuration(duration)}`;
  const fewer = rights === undefined ? '' : `:${rights.join(',')}`;
  const place = target.scope === 'cluster' ? inCluster(cluster) : describePlace({ cluster, target });
  const begins = start === undefined ? '' : ` - and, before the reason, from when (it was ${utc(start.at)})`;
  return `/jit request ${profile}${fewer}${place && ` ${place}`}${length}${ticketKey === undefined ? '' : ` ${ticketKey}`} ${reason}${begins}`;
}

/** The errors of a form, by block id, as `response_action: errors` takes them. */
export type FieldErrors = Record<string, string>;

/** A filled-in form as what is asked for, or what is wrong with it, beside its field. */
export function askOf(values: StateValues): { ask: FormAsk } | { errors: FieldErrors } {
  const {
    cluster: chosen,
    profile,
    namespace,
    target,
    node,
    rights,
    duration,
    start,
    ticket,
    reason,
  } = fieldsIn(values);
  const errors: FieldErrors = {};
  if (profile === null && chosen !== null) return { errors: { [chosen.blockId]: 'Choose a cluster.' } };
  if (profile === null || profile.value === '')
    return { errors: { [profile?.blockId ?? blockId('profile')]: 'Choose a profile.' } };
  const cluster = profile.dependsOn;
  if (chosen !== null && chosen.value !== cluster)
    return { errors: { [chosen.blockId]: 'The form was still changing to this cluster. Try again.' } };
  // Each profile has the field of the duration, and that says which profile the form is drawn for.
  if ((namespace ?? node ?? duration)?.dependsOn !== scopeOf(profile.value, cluster))
    return { errors: { [profile.blockId]: 'The form was still changing to this profile. Try again.' } };
  const where = placeIn(namespace, target, node, errors);
  const seconds = duration === null || duration.value === '' ? null : wholeDuration(duration.value);
  if (duration !== null && duration.value !== '' && seconds === null)
    errors[duration.blockId] = `'${duration.value}' is not a duration: expected ${DURATION_FORM}.`;
  const at = start && momentIn(start);
  if (start !== null && at === 'unclear') errors[start.blockId] = 'That is no moment. Pick a day and a time.';
  if (rights !== null && rights.values.length === 0) errors[rights.blockId] = 'Choose at least one right.';
  if (reason === null || reason.value === '') errors[reason?.blockId ?? profile.blockId] = 'A reason is needed.';
  if (Object.keys(errors).length > 0 || where === null) return { errors };
  const fewer = {
    ...(rights !== null && { rights: rights.values.filter(isKit) }),
    ...(ticket !== null && ticket.value !== '' && { ticketKey: ticket.value }),
    ...(typeof at === 'number' && { start: { at } }),
  };
  const place = { ...(cluster !== '' && { cluster }), target: where };
  return { ask: { profile: profile.value, ...place, ...fewer, duration: seconds, reason: reason?.value ?? '' } };
}

/** The place that was chosen; null: what is wrong is among the errors. */
function placeIn(
  namespace: Filled | null,
  target: Filled | null,
  node: Filled | null,
  errors: FieldErrors,
): Wanted | null {
  const wrong = ({ blockId }: Filled, error: string): null => {
    errors[blockId] = error;
    return null;
  };
  if (namespace === null && node === null) return { scope: 'cluster' };
  if (namespace === null)
    return node?.value ? { scope: 'node', node: node.value } : node && wrong(node, 'Choose a node.');
  if (namespace.value === '') return wrong(namespace, 'Choose a namespace.');
  const where = parseTarget(target === null ? namespace.value : `${namespace.value}/${target.value}`);
  if (target !== null && target.value === '') return wrong(target, 'Choose a target.');
  if (typeof where === 'string')
    // In its own field a target stands without the namespace.
    return wrong(
      target ?? namespace,
      target === null || target.value.includes('/')
        ? where
        : `'${shorten(target.value, 100)}' is not a target: expected its kind too, such as deploy/${shorten(target.value, 100)}.`,
    );
  if (target !== null && !['', namespace.value].includes(target.dependsOn.split('|')[1] ?? ''))
    return wrong(target, 'The form was still changing to this namespace. Choose again.');
  return where;
}

const FIELD_OF_RULE: readonly [RegExp, Field][] = [
  [/^reason$|\.reason(\.|$)/, 'reason'],
  [/\.rights$/, 'rights'],
  [/\.ticket$/, 'ticket'],
  [/\.duration(\.|$)/, 'duration'],
  [/^start$/, 'start'],
  [/^target|\.scope$/, 'target'],
  [/^namespaces$|\.namespaces$/, 'namespace'],
  [/\.nodes$/, 'node'],
  [/^clusters|\.clusters$/, 'cluster'],
];

/** A refusal beside the field that it is about; beside the first one when it is about none that the form has. */
export function errorsOf(values: StateValues, text: string, refusal: Refusal | null): FieldErrors {
  const field = FIELD_OF_RULE.find(([rule]) => refusal !== null && rule.test(refusal.rule))?.[1];
  // A profile without a target has its refusals on the target beside the namespace.
  const wanted =
    field === 'target'
      ? (filled(values, 'target') ?? filled(values, 'namespace') ?? filled(values, 'node'))
      : field && filled(values, field);
  const beside = wanted?.blockId ?? Object.keys(values)[0] ?? blockId('profile');
  return { [beside]: shorten(text, 2000) };
}
