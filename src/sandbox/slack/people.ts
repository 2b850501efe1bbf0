import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Control,
  controls,
  enteredValue,
  isEmpty,
  isTooLarge,
  optionsOf,
  type StateValue,
  type Suggested,
  suggestionErrors,
  type ViewDefinition,
  viewErrors,
} from './blockkit.ts';
import type { Answer, DeliveryService } from './delivery.ts';
import type { Directory } from './directory.ts';
import type { Modals, Triggers, View } from './modals.ts';
import type { AppConfig, Json, SlackMessage, TeamConfig, Upstream } from './upstream.ts';

/** Which control somebody means: by its action_id or its block, where needed with the value of the button. */
export interface Which {
  action_id?: string;
  value?: string;
  block_id?: string;
}

/** A modal as somebody saw it: which one, and which step of it. */
export interface Shown {
  id: string;
  callback_id: string;
}

/** What became of a modal that was submitted. */
export type Submitted =
  /** The view is gone; `top` is what lies under it. */
  | { kind: 'closed'; top: View | undefined }
  /** The app showed another view in its place, or on top. */
  | { kind: 'updated' | 'pushed'; top: View }
  /** Texts by block_id: from the app, or from Slack's client for what is required and empty. */
  | { kind: 'errors'; errors: Record<string, string> }
  /** The modal stays and says that there is trouble connecting. */
  | { kind: 'failed'; error: string };

/**
 * What people do in Slack. Each throws when a person could not do it: an unseen message, a missing button. A control that is given as
 * somebody saw it (and a modal likewise) may have changed since: the press is delivered all the same, as Slack's client does.
 */
export interface People {
  /** Types a slash command; returns what the app answered within three seconds. */
  command(user: string, channel: string, command: string, text?: string): Promise<Answer>;
  /** Writes a message. */
  say(user: string, channel: string, text: string, thread_ts?: string): Promise<SlackMessage>;
  /** Presses a button of a message (and confirms, where it asks), or picks an option. */
  click(user: string, channel: string, ts: string, which: string | Which | Control, option?: string): Promise<Answer>;
  /**
   * Enters a text or picks an option in the modal on top; where the app suggests options, types it first. In a block that dispatches, the app is
   * told, and the answer returned.
   */
  enter(
    user: string,
    which: string | Which | Control,
    input: string | readonly string[],
    shown?: Shown,
  ): Promise<Answer | undefined>;
  /** Types into a field of the modal on top that the app suggests options for; returns what it suggests. */
  suggest(user: string, which: string | Which | Control, typed: string, shown?: Shown): Promise<Suggested>;
  /** Presses a button in the modal on top. */
  press(user: string, which: string | Which | Control, shown?: Shown): Promise<Answer>;
  /** Opens the Home of the app: the app is told, and may draw it. */
  openHome(user: string): Promise<Answer>;
  /** The Home as this person was shown it last. */
  home(user: string): View | undefined;
  /** Presses a button on Home. */
  pressHome(user: string, which: string | Which | Control): Promise<Answer>;
  /** Uses a global shortcut of the app. */
  shortcut(user: string, callbackId: string): Promise<Answer>;
  /** Submits the modal on top; nothing but the step that was shown. */
  submit(user: string, shown?: Shown): Promise<Submitted>;
  close(user: string, shown?: Shown): Promise<void>;
  /** What this person sees of a channel: no ephemeral messages of others. */
  visible(user: string, channel: string): Promise<SlackMessage[]>;
  /** Ids of the channels and direct messages of this person. */
  places(user: string): Promise<string[]>;
  /** Errors shown in the modal on top, by block_id. */
  errors(user: string): Record<string, string>;
  /**
   * How many milliseconds from now on the app's answer to a submission takes to reach the modal (default 0): a views.update that is called
   * meanwhile is covered by it, as at Slack.
   */
  delayAnswers(milliseconds: number): void;
}

export interface PeopleOptions {
  app: AppConfig;
  team: TeamConfig;
  directory: Directory;
  upstream: Upstream;
  delivery: DeliveryService;
  modals: Modals;
  triggers: Triggers;
  /** Registers a caller for the answer to what local-slack is about to send. */
  expect(key: string): Promise<Answer>;
  onChange(): void;
}

/** What tells commands and clicks apart that are under way at the same time. */
export function commandKey(user: string, channel: string, command: string, text: string): string {
  return JSON.stringify(['command', user, channel, command, text]);
}

export function clickKey(user: string, channel: string, ts: string, actionId: string): string {
  return JSON.stringify(['click', user, channel, ts, actionId]);
}

/** Some messages are seen by one person alone. */
const isFor =
  (user: string) =>
  ({ ephemeral_to: only }: SlackMessage): boolean =>
    only === undefined || only === user;

export function createPeople(options: PeopleOptions): People {
  const { app, team, directory, upstream, delivery, modals, triggers } = options;
  const shownErrors = new Map<string, Record<string, string>>();
  let answersTake = 0;

  const places = async (user: string): Promise<string[]> => [
    ...directory
      .channels()
      .map((channel) => channel.id)
      .filter((id) => directory.members(id)?.includes(user)),
    ...(await upstream.directMessages()).filter((direct) => direct.user === user).map((direct) => direct.id),
  ];

  const mustBeIn = async (user: string, channel: string): Promise<void> => {
    // Looked up in local-slack for direct messages only: its answer holds all that was ever said.
    if (directory.members(channel)?.includes(user)) return;
    if (!(await places(user)).includes(channel)) throw new Error(`${user} is not in ${channel}`);
  };

  const visible = async (user: string, channel: string): Promise<SlackMessage[]> => {
    await mustBeIn(user, channel);
    const messages = await upstream.messages(channel);
    return messages.filter(isFor(user));
  };

  /** One message of a channel; those of threads are looked for among all. */
  const visibleAt = async (user: string, channel: string, ts: string): Promise<SlackMessage | undefined> => {
    await mustBeIn(user, channel);
    const found =
      (await upstream.messageAt(channel, ts)) ?? (await visible(user, channel)).find((one) => one.ts === ts);
    return found && isFor(user)(found) ? found : undefined;
  };

  /** The modal on top, where it is the one that was shown. */
  const topOf = (user: string, shown?: Pick<Shown, 'id'>): View => {
    const view = modals.top(user);
    if (!view) throw new Error(`${user} has no modal open`);
    if (shown && shown.id !== view.id) throw new Error(`the modal that was shown to ${user} is covered or closed`);
    return view;
  };

  const base = (user: string): Json => ({
    api_app_id: app.appId,
    token: 'verification-token',
    team: { id: team.teamId, domain: team.domain },
    enterprise: null,
    is_enterprise_install: false,
    user: {
      id: user,
      username: directory.person(user)?.name ?? user,
      name: directory.person(user)?.name ?? user,
      team_id: directory.person(user)?.team_id ?? team.teamId,
    },
  });

  const newTrigger = (user: string): string => {
    const id = randomUUID();
    triggers.issue(id, user);
    return id;
  };

  /** block_actions of a view: with the view and what it holds; no channel, no message, no response_url. */
  const tellAboutView = (
    user: string,
    control: Control,
    held: StateValue | undefined,
    view = topOf(user),
  ): Promise<Answer> => {
    const { element, block } = control;
    const { value, text } = element;
    return delivery.deliver('interactive', {
      type: 'block_actions',
      ...base(user),
      container: { type: 'view', view_id: view.id },
      trigger_id: newTrigger(user),
      view: structuredClone(view),
      actions: [
        {
          ...(held ?? { type: element.type, text, value }),
          action_id: element.action_id,
          block_id: block.block_id,
          action_ts: String(Date.now() / 1000),
        },
      ],
    });
  };

  /** Of a view it holds what the view is, and not what has been entered in it. */
  const suggestions = async (user: string, { block, element }: Control, typed: string): Promise<Suggested> => {
    const view = structuredClone(topOf(user));
    const answer = await delivery.deliver('interactive', {
      type: 'block_suggestion',
      ...base(user),
      container: { type: 'view', view_id: view.id },
      action_id: element.action_id,
      block_id: block.block_id,
      value: typed,
      view: { ...view, state: { values: {} } },
    });
    if (!answer.acked) throw new Error(`no suggestions for "${element.action_id}": ${answer.error}`);
    const wrong = suggestionErrors(answer.payload);
    if (wrong.length > 0) throw new Error(`no suggestions for "${element.action_id}": ${wrong.join('; ')}`);
    return answer.payload;
  };

  const searched = (view: View, which: string | Which | Control): Control => {
    const control = find(view.blocks, which, `modal "${view.title.text}"`);
    if (control.element.type !== 'external_select') throw new Error(`"${control.element.action_id}" suggests nothing`);
    return control;
  };

  return {
    places,
    visible,
    suggest: async (user, which, typed, shown) => suggestions(user, searched(topOf(user, shown), which), typed),
    errors: (user) => shownErrors.get(user) ?? {},
    delayAnswers(milliseconds) {
      answersTake = milliseconds;
    },

    async command(user, channel, command, text = '') {
      await mustBeIn(user, channel);
      const answer = options.expect(commandKey(user, channel, command, text));
      await upstream.command({ user, channel, command, text });
      options.onChange();
      return answer;
    },

    async say(user, channel, text, thread_ts) {
      await mustBeIn(user, channel);
      const message = await upstream.message({ user, channel, text, ...(thread_ts ? { thread_ts } : {}) });
      options.onChange();
      return message;
    },

    async click(user, channel, ts, which, option) {
      const message = await visibleAt(user, channel, ts);
      if (!message) throw new Error(`${user} does not see a message ${ts} in ${channel}`);
      const { block, element } = find(message.blocks ?? [], which, `message ${ts}`);
      const { type, action_id = '', value, text } = element;
      const chosen = option === undefined ? { type, value, text } : enteredValue(element, option);
      const answer = options.expect(clickKey(user, channel, ts, action_id));
      await upstream.interact({
        user,
        channel,
        messageTs: ts,
        action: { ...chosen, action_id, block_id: block.block_id },
      });
      options.onChange();
      return answer;
    },

    async enter(user, which, input, shown) {
      const view = topOf(user, shown);
      const control = find(view.blocks, which, `modal "${view.title.text}"`);
      const isSearched = control.element.type === 'external_select' && input !== '';
      const offered = isSearched ? await suggestions(user, control, [input].flat()[0] ?? '') : {};
      const value = enteredValue({ ...control.element, ...offered }, input);
      const { block_id = '', dispatch_action } = control.block;
      modals.enter(user, block_id, control.element.action_id ?? '', value);
      const tells = control.block.type !== 'input' || dispatch_action === true;
      return tells ? tellAboutView(user, control, value) : undefined;
    },

    async press(user, which, shown) {
      const view = topOf(user, shown);
      const control = find(view.blocks, which, `modal "${view.title.text}"`);
      if (control.element.type !== 'button') throw new Error(`"${control.element.action_id}" is not a button`);
      return tellAboutView(user, control, undefined);
    },

    async openHome(user) {
      const opened = await upstream.api('conversations.open', { users: user });
      const event_ts = String(Date.now() / 1000);
      const view = modals.home(user);
      const answer = await delivery.deliver('events_api', {
        token: 'verification-token',
        team_id: team.teamId,
        api_app_id: app.appId,
        type: 'event_callback',
        event_id: `Ev${randomUUID()}`,
        event_time: Math.floor(Date.now() / 1000),
        authorizations: [{ enterprise_id: null, team_id: team.teamId, user_id: app.botUserId, is_bot: true }],
        event: {
          type: 'app_home_opened',
          user,
          channel: (opened.channel as { id: string }).id,
          tab: 'home',
          event_ts,
          ...(view && { view }),
        },
      });
      options.onChange();
      return answer;
    },

    home: (user) => modals.home(user),

    async pressHome(user, which) {
      const view = modals.home(user);
      if (!view) throw new Error(`${user} has no Home`);
      const control = find(view.blocks, which, 'Home');
      return tellAboutView(user, control, undefined, view);
    },

    async shortcut(user, callbackId) {
      return delivery.deliver('interactive', {
        type: 'shortcut',
        ...base(user),
        action_ts: String(Date.now() / 1000),
        callback_id: callbackId,
        trigger_id: newTrigger(user),
      });
    },

    async submit(user, shown) {
      const view = topOf(user, shown);
      if (shown && shown.callback_id !== view.callback_id) throw new Error(`"${view.title.text}" was not shown yet`);
      if (!view.submit) throw new Error(`modal "${view.title.text}" has no submit button`);
      const show = (errors: Record<string, string>): void => {
        shownErrors.set(user, errors);
        options.onChange();
      };
      const missing = missingInputs(view);
      show(missing);
      if (Object.keys(missing).length > 0) return { kind: 'errors', errors: missing };
      const answer = await delivery.deliver('interactive', {
        type: 'view_submission',
        ...base(user),
        trigger_id: newTrigger(user),
        view: structuredClone(view),
        response_urls: [],
      });
      if (!answer.acked) return { kind: 'failed', error: answer.error };
      if (answersTake > 0) await delay(answersTake);
      return applySubmission(modals, user, view, answer.payload, show);
    },

    async close(user, shown) {
      const view = topOf(user, shown);
      shownErrors.delete(user);
      const all = view.clear_on_close === true;
      for (const closed of modals.close(user, all)) {
        if (!closed.notify_on_close) continue;
        const payload = { type: 'view_closed', ...base(user), view: closed, is_cleared: all };
        await delivery.deliver('interactive', payload);
      }
    },
  };
}

function find(blocks: readonly Control['block'][], which: string | Which | Control, where: string): Control {
  if (typeof which === 'object' && 'element' in which) return asSeen(blocks, which);
  const wanted: Which = typeof which === 'string' ? { action_id: which } : which;
  const hits = matching(blocks, wanted);
  const [hit] = hits;
  if (hit && hits.length === 1) return hit;
  const offered = controls(blocks)
    .map(({ element }) => element.action_id)
    .join(', ');
  throw new Error(`${where} has ${hits.length} controls ${JSON.stringify(wanted)}; it offers: ${offered || 'nothing'}`);
}

function matching(blocks: readonly Control['block'][], { action_id, value, block_id }: Which): Control[] {
  return controls(blocks).filter(
    ({ block, element }) =>
      (action_id === undefined || element.action_id === action_id) &&
      (value === undefined || element.value === value) &&
      (block_id === undefined || block.block_id === block_id),
  );
}

/** The control that somebody saw: as it is now where it is still there, be it in another block; else as it was. */
function asSeen(blocks: readonly Control['block'][], seen: Control): Control {
  const { action_id = '', value } = seen.element;
  const which: Which = { action_id, ...(value !== undefined && { value }) };
  const { block_id = '' } = seen.block;
  return matching(blocks, { ...which, block_id })[0] ?? matching(blocks, which)[0] ?? seen;
}

/** What Slack's client says before it sends anything. */
function missingInputs(view: View): Record<string, string> {
  const errors: Record<string, string> = {};
  for (const { block, element } of controls(view.blocks)) {
    if (block.type !== 'input') continue;
    const { block_id = '' } = block;
    const held = view.state.values[block_id]?.[element.action_id ?? ''];
    if (isEmpty(held)) {
      if (!block.optional) errors[block_id] = 'Please complete this required field.';
    } else if (element.type === 'plain_text_input') {
      const { length } = held?.value ?? '';
      if (element.min_length && length < element.min_length) errors[block_id] = 'This is too short.';
      if (element.max_length && length > element.max_length) errors[block_id] = 'This is too long.';
    } else if (
      held?.selected_option &&
      element.type !== 'external_select' &&
      !optionsOf(element).some((one) => one.value === held.selected_option?.value)
    ) {
      errors[block_id] = 'This is not offered.';
    }
  }
  return errors;
}

/** Does what the app asked for in its answer to a view_submission. */
function applySubmission(
  modals: Modals,
  user: string,
  view: View,
  answer: Json,
  show: (errors: Record<string, string>) => void,
): Submitted {
  const other = answer.view as ViewDefinition;
  switch (answer.response_action) {
    case undefined:
      modals.close(user, false);
      return { kind: 'closed', top: modals.top(user) };
    case 'clear':
      modals.close(user, true);
      return { kind: 'closed', top: undefined };
    case 'errors': {
      const errors = answer.errors as Record<string, string>;
      const inputs = new Set(view.blocks.filter((block) => block.type === 'input').map((block) => block.block_id));
      const strange = Object.keys(errors).filter((id) => !inputs.has(id));
      if (strange.length > 0)
        return { kind: 'failed', error: `errors for no input block of the view: ${strange.join(', ')}` };
      show(errors);
      return { kind: 'errors', errors };
    }
    case 'update':
    case 'push': {
      const wrong = isTooLarge(other) ? ['view_too_large'] : viewErrors(other);
      if (wrong.length > 0) return { kind: 'failed', error: wrong.join('; ') };
      const result =
        answer.response_action === 'push' ? modals.push(user, other) : modals.update({ view_id: view.id }, other);
      if (!result.ok) return { kind: 'failed', error: result.error };
      return { kind: answer.response_action === 'push' ? 'pushed' : 'updated', top: result.view };
    }
    default:
      return { kind: 'failed', error: `unknown response_action ${String(answer.response_action)}` };
  }
}
