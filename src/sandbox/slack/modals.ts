import { randomBytes } from 'node:crypto';
import {
  type Block,
  controls,
  initialValue,
  optionsOf,
  type StateValue,
  type StateValues,
  type ViewDefinition,
  withIds,
} from './blockkit.ts';

/** A modal as somebody sees it, and as it is sent to the app. */
export interface View extends ViewDefinition {
  id: string;
  team_id: string;
  app_id: string;
  bot_id: string;
  app_installed_team_id: string;
  hash: string;
  root_view_id: string;
  previous_view_id: string | null;
  callback_id: string;
  private_metadata: string;
  external_id: string;
  state: { values: StateValues };
}

export type ViewResult = { ok: true; view: View } | { ok: false; error: string };

/** Each person's stack of modals, at most three deep, the last on top. https://docs.slack.dev/surfaces/modals */
export interface Modals {
  stack(user: string): readonly View[];
  top(user: string): View | undefined;
  open(user: string, definition: ViewDefinition): ViewResult;
  push(user: string, definition: ViewDefinition): ViewResult;
  /**
   * Replaces a view that is open. What was entered stays where block_id and action_id are the same and, in a select,
   * the option is still offered.
   */
  update(which: { view_id?: string; external_id?: string; hash?: string }, definition: ViewDefinition): ViewResult;
  enter(user: string, blockId: string, actionId: string, value: StateValue): void;
  /** Shows this person a Home. https://docs.slack.dev/reference/methods/views.publish */
  publish(user: string, definition: ViewDefinition, hash?: string): ViewResult;
  /** The Home that this person was shown last. */
  home(user: string): View | undefined;
  /** Closes the view on top, or all; returns those that were closed. */
  close(user: string, all: boolean): View[];
}

const DEEPEST = 3;

export function createModals(ids: { teamId: string; appId: string; botId: string }, onChange: () => void): Modals {
  const stacks = new Map<string, View[]>();
  const homes = new Map<string, View>();
  const stackOf = (user: string): View[] => stacks.get(user) ?? [];
  const shortId = (): string => randomBytes(4).toString('base64url');

  const build = (definition: ViewDefinition, id: string, root: string, previous: string | null): View => {
    const blocks = withIds(definition.blocks, shortId);
    return {
      ...definition,
      blocks,
      id,
      team_id: ids.teamId,
      app_id: ids.appId,
      bot_id: ids.botId,
      app_installed_team_id: ids.teamId,
      hash: `${Math.floor(Date.now() / 1000)}.${shortId()}`,
      root_view_id: root,
      previous_view_id: previous,
      callback_id: definition.callback_id ?? '',
      private_metadata: definition.private_metadata ?? '',
      external_id: definition.external_id ?? '',
      state: { values: initialState(blocks) },
    };
  };

  const taken = (externalId: string | undefined, except?: string): boolean =>
    Boolean(externalId) &&
    [...stacks.values()].flat().some((view) => view.external_id === externalId && view.id !== except);

  const newId = (): string => `V${randomBytes(5).toString('hex').toUpperCase()}`;

  return {
    stack: stackOf,
    top: (user) => stackOf(user).at(-1),
    open(user, definition) {
      if (taken(definition.external_id)) return { ok: false, error: 'duplicate_external_id' };
      const id = newId();
      const view = build(definition, id, id, null);
      stacks.set(user, [view]);
      onChange();
      return { ok: true, view };
    },
    push(user, definition) {
      const stack = stackOf(user);
      const [root] = stack;
      const below = stack.at(-1);
      if (!root || !below) return { ok: false, error: 'not_found' };
      if (stack.length >= DEEPEST) return { ok: false, error: 'push_limit_reached' };
      if (taken(definition.external_id)) return { ok: false, error: 'duplicate_external_id' };
      const view = build(definition, newId(), root.id, below.id);
      stacks.set(user, [...stack, view]);
      onChange();
      return { ok: true, view };
    },
    update({ view_id, external_id, hash }, definition) {
      for (const [user, stack] of stacks) {
        const old = stack.find((view) =>
          view_id === undefined ? external_id !== undefined && view.external_id === external_id : view.id === view_id,
        );
        if (!old) continue;
        if (hash !== undefined && hash !== old.hash) return { ok: false, error: 'hash_conflict' };
        if (taken(definition.external_id, old.id)) return { ok: false, error: 'duplicate_external_id' };
        const view = build(definition, old.id, old.root_view_id, old.previous_view_id);
        view.external_id ||= old.external_id;
        keepEntered(old, view);
        stacks.set(
          user,
          stack.map((one) => (one === old ? view : one)),
        );
        onChange();
        return { ok: true, view };
      }
      return { ok: false, error: 'not_found' };
    },
    enter(user, blockId, actionId, value) {
      const view = stackOf(user).at(-1);
      if (!view) throw new Error(`${user} has no modal open`);
      view.state.values[blockId] = { ...view.state.values[blockId], [actionId]: value };
      onChange();
    },
    publish(user, definition, hash) {
      const old = homes.get(user);
      if (hash !== undefined && old !== undefined && hash !== old.hash) return { ok: false, error: 'hash_conflict' };
      const id = old?.id ?? newId();
      const view = build(definition, id, id, null);
      homes.set(user, view);
      onChange();
      return { ok: true, view };
    },
    home: (user) => homes.get(user),
    close(user, all) {
      const stack = stackOf(user);
      const closed = all ? [...stack].reverse() : stack.slice(-1);
      stacks.set(user, all ? [] : stack.slice(0, -1));
      onChange();
      return closed;
    },
  };
}

function initialState(blocks: readonly Block[]): StateValues {
  const values: StateValues = {};
  for (const { block, element } of controls(blocks)) {
    const value = initialValue(element);
    const { block_id } = block;
    const { action_id } = element;
    if (value && block_id !== undefined && action_id !== undefined)
      values[block_id] = { ...values[block_id], [action_id]: value };
  }
  return values;
}

function keepEntered(old: View, view: View): void {
  for (const { block, element } of controls(view.blocks)) {
    const { block_id = '' } = block;
    const { action_id = '' } = element;
    const entered = old.state.values[block_id]?.[action_id];
    if (!entered || entered.type !== element.type || !view.state.values[block_id]) continue;
    const chosen = entered.selected_option ? [entered.selected_option] : (entered.selected_options ?? []);
    const offered = new Set(optionsOf(element).map((option) => option.value));
    if (element.type === 'external_select' || chosen.every((option) => offered.has(option.value)))
      view.state.values[block_id][action_id] = entered;
  }
}

/** How long and how often a trigger_id may be used. https://docs.slack.dev/interactivity/handling-user-interaction */
export interface Triggers {
  issue(id: string, user: string): void;
  /** The person who caused it, once and in time; otherwise Slack's error. */
  exchange(id: unknown): { user: string } | { error: string };
}

export function createTriggers(lifeMs: number): Triggers {
  const issued = new Map<string, { user: string; at: number; used: boolean }>();
  return {
    issue(id, user) {
      issued.set(id, { user, at: Date.now(), used: false });
    },
    exchange(id) {
      const trigger = typeof id === 'string' ? issued.get(id) : undefined;
      if (!trigger) return { error: 'invalid_trigger_id' };
      if (trigger.used) return { error: 'exchanged_trigger_id' };
      if (Date.now() - trigger.at > lifeMs) return { error: 'expired_trigger_id' };
      trigger.used = true;
      return { user: trigger.user };
    },
  };
}
