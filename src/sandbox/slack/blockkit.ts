/**
 * The part of Block Kit that the local Slack understands: shapes, the limits that Slack enforces, and what a person
 * can act on. Limits: https://docs.slack.dev/reference/block-kit and https://docs.slack.dev/reference/views.
 */

export interface Text {
  type: 'plain_text' | 'mrkdwn';
  text: string;
  emoji?: boolean;
}

export interface Option {
  text: Text;
  value?: string;
  description?: Text;
}

export interface Confirm {
  title: Text;
  text: Text;
  confirm: Text;
  deny: Text;
  style?: string;
}

export interface Element {
  type: string;
  action_id?: string;
  /** A Text in interactive elements; a string in the text objects of a context block. */
  text?: Text | string;
  value?: string;
  style?: string;
  url?: string;
  confirm?: Confirm;
  placeholder?: Text;
  options?: Option[];
  option_groups?: Array<{ label: Text; options: Option[] }>;
  initial_option?: Option;
  initial_options?: Option[];
  initial_value?: string;
  initial_date?: string;
  /** Seconds. */
  initial_date_time?: number;
  initial_user?: string;
  multiline?: boolean;
  max_length?: number;
  min_length?: number;
  min_query_length?: number;
  image_url?: string;
  alt_text?: string;
}

export interface Block {
  type: string;
  block_id?: string;
  text?: Text;
  fields?: Text[];
  accessory?: Element;
  elements?: Element[];
  element?: Element;
  label?: Text;
  hint?: Text;
  optional?: boolean;
  dispatch_action?: boolean;
  /** A section that is not folded under "see more", however long. */
  expand?: boolean;
  image_url?: string;
  alt_text?: string;
}

/** What an element holds, as in `view.state.values[block_id][action_id]`. */
export interface StateValue {
  type: string;
  value?: string | null;
  selected_option?: Option | null;
  selected_options?: Option[];
  selected_date?: string | null;
  /** Seconds. */
  selected_date_time?: number | null;
  selected_user?: string | null;
}

export type StateValues = Record<string, Record<string, StateValue>>;

/** An element that a person can use, with the block that holds it. */
export interface Control {
  block: Block;
  element: Element;
}

const ONE_OF = new Set(['static_select', 'radio_buttons', 'overflow', 'external_select']);
const SOME_OF = new Set(['checkboxes', 'multi_static_select']);
const INTERACTIVE = new Set([
  ...ONE_OF,
  ...SOME_OF,
  'button',
  'plain_text_input',
  'number_input',
  'datepicker',
  'datetimepicker',
  'users_select',
]);
/** Interactive elements that hold nothing. */
const STATELESS = new Set(['button', 'overflow']);

/** Every interactive element of these blocks, in their order. */
export function controls(blocks: readonly Block[]): Control[] {
  return blocks.flatMap((block) =>
    [...(block.elements ?? []), block.accessory, block.element]
      .filter((element): element is Element => element !== undefined && INTERACTIVE.has(element.type))
      .map((element) => ({ block, element })),
  );
}

/** All options that a select, radio or checkbox element offers. */
export function optionsOf(element: Element): Option[] {
  return element.options ?? element.option_groups?.flatMap((group) => group.options) ?? [];
}

/** What an element holds before anybody touched it; null for one that holds nothing. */
export function initialValue(element: Element): StateValue | null {
  const { type } = element;
  if (STATELESS.has(type) || !INTERACTIVE.has(type)) return null;
  if (SOME_OF.has(type)) return { type, selected_options: element.initial_options ?? [] };
  if (ONE_OF.has(type)) return { type, selected_option: element.initial_option ?? null };
  if (type === 'datepicker') return { type, selected_date: element.initial_date ?? null };
  if (type === 'datetimepicker') return { type, selected_date_time: element.initial_date_time ?? null };
  if (type === 'users_select') return { type, selected_user: element.initial_user ?? null };
  return { type, value: element.initial_value ?? null };
}

/**
 * What an element holds after a person has entered `input`: the text, the value or label of an option, or several.
 *
 * @throws Error when the element does not offer that: a person could not have done it.
 */
export function enteredValue(element: Element, input: string | readonly string[]): StateValue {
  const { type } = element;
  const pick = (wanted: string): Option => {
    const found = optionsOf(element).find((option) => option.value === wanted || option.text.text === wanted);
    if (found) return found;
    const offered = optionsOf(element).map((option) => option.value ?? option.text.text);
    throw new Error(`"${element.action_id}" does not offer "${wanted}", only: ${offered.join(', ') || 'nothing'}`);
  };
  if (SOME_OF.has(type)) return { type, selected_options: [input].flat().map(pick) };
  const one = typeof input === 'string' ? input : (input[0] ?? '');
  if (ONE_OF.has(type)) return { type, selected_option: one === '' ? null : pick(one) };
  if (type === 'datepicker') return { type, selected_date: one === '' ? null : one };
  if (type === 'datetimepicker') return { type, selected_date_time: one === '' ? null : moment(one) };
  if (type === 'users_select') return { type, selected_user: one === '' ? null : one };
  if (type === 'plain_text_input' || type === 'number_input') return { type, value: one === '' ? null : one };
  throw new Error(`nothing can be entered in a ${type} ("${element.action_id}")`);
}

/** Seconds, as the client has them of a day and a time that are picked: to the minute. */
function moment(input: string): number {
  if (!/^\d{10}$/.test(input)) throw new Error(`"${input}" is no moment in seconds`);
  return Math.floor(Number(input) / 60) * 60;
}

/** Options that the app suggested, as it answers a block_suggestion. https://docs.slack.dev/reference/interaction-payloads/block_suggestion-payload */
export interface Suggested {
  options?: Option[];
  option_groups?: Array<{ label: Text; options: Option[] }>;
}

/** Why Slack's client would show none of these suggestions; empty when it would. */
export function suggestionErrors(answer: unknown): string[] {
  const { options, option_groups } = (answer ?? {}) as Suggested;
  if ((options === undefined) === (option_groups === undefined)) return ['either options or option_groups'];
  // Nothing that fits is no error.
  const all = options ?? option_groups?.flatMap((group) => group.options) ?? [];
  if (all.length === 0) return [];
  const element = { type: 'static_select', options: all };
  const labels = (option_groups ?? []).filter(({ label }) => label.type !== 'plain_text' || label.text.length > 75);
  return [
    ...blockErrors([{ type: 'actions', elements: [element] }], 50),
    ...labels.map(({ label }) => `the label of a group is no plain text of 75 characters: ${label.text}`),
  ];
}

/** True when an element holds nothing, which Slack's client refuses in an input block that is not optional. */
export function isEmpty(state: StateValue | undefined): boolean {
  if (!state) return true;
  const { value, selected_option, selected_options, selected_date, selected_date_time, selected_user } = state;
  return !(
    value ||
    selected_option ||
    selected_options?.length ||
    selected_date ||
    selected_date_time ||
    selected_user
  );
}

/** The blocks with a block_id and action_id wherever the app left them out, as Slack adds them. */
export function withIds(blocks: readonly Block[], newId: () => string): Block[] {
  const named = (element: Element): Element =>
    INTERACTIVE.has(element.type) ? { ...element, action_id: element.action_id ?? newId() } : element;
  return blocks.map((block) => ({
    ...block,
    block_id: block.block_id ?? newId(),
    ...(block.elements ? { elements: block.elements.map(named) } : {}),
    ...(block.accessory ? { accessory: named(block.accessory) } : {}),
    ...(block.element ? { element: named(block.element) } : {}),
  }));
}

/** Everything that a person reads in these blocks, one line for each text, for assertions. */
export function blocksText(blocks: readonly Block[]): string {
  const lines: string[] = [];
  const add = (text: Text | string | undefined) => {
    if (text !== undefined) lines.push(typeof text === 'string' ? text : text.text);
  };
  for (const block of blocks) {
    add(block.text);
    add(block.label);
    for (const field of block.fields ?? []) add(field);
    for (const element of [...(block.elements ?? []), block.accessory, block.element]) {
      add(element?.text);
      for (const option of element ? optionsOf(element) : []) add(option.text);
    }
    add(block.hint);
  }
  return lines.join('\n');
}

/** All blocks of a posted message together, as JSON: not documented, but seen. https://github.com/slackapi/bolt-js/issues/2509 */
export const LONGEST_BLOCKS = 13_200;

/** Why Slack would refuse these blocks, as it words it; empty when it would not. */
export function blockErrors(blocks: unknown, most: 50 | 100, path = '/blocks'): string[] {
  const errors: string[] = [];
  const fail = (at: string, what: string) => errors.push(`[ERROR] ${what} [json-pointer:${at}]`);

  const text = (
    value: Text | string | undefined,
    at: string,
    most: number,
    kind: 'plain' | 'any',
    required = true,
  ): void => {
    if (value === undefined) {
      if (required) fail(at, 'missing required field');
      return;
    }
    if (typeof value === 'string' || (value.type !== 'plain_text' && value.type !== 'mrkdwn')) {
      fail(at, 'must be a text object');
      return;
    }
    if (kind === 'plain' && value.type !== 'plain_text') fail(`${at}/type`, 'must be a plain_text object');
    if (typeof value.text !== 'string' || value.text.length === 0) fail(`${at}/text`, 'must be more than 0 characters');
    else if (value.text.length > most) fail(`${at}/text`, `must be less than ${most + 1} characters`);
  };

  const string = (value: unknown, at: string, most: number): void => {
    if (value !== undefined && (typeof value !== 'string' || value.length > most))
      fail(at, `must be a string of less than ${most + 1} characters`);
  };

  const options = (element: Element, at: string, most: number): void => {
    const all = optionsOf(element);
    if (all.length === 0) fail(`${at}/options`, 'no more than 0 items allowed: must contain at least one option');
    if (all.length > most) fail(`${at}/options`, `no more than ${most} items allowed`);
    all.forEach((option, index) => {
      text(option.text, `${at}/options/${index}/text`, 75, 'any');
      text(option.description, `${at}/options/${index}/description`, 75, 'any', false);
      if (typeof option.value !== 'string') fail(`${at}/options/${index}/value`, 'missing required field');
      string(option.value, `${at}/options/${index}/value`, 150);
    });
    for (const initial of [element.initial_option, ...(element.initial_options ?? [])]) {
      if (initial && !all.some((option) => JSON.stringify(option) === JSON.stringify(initial)))
        fail(`${at}/initial_option`, 'initial option must exactly match one of the options');
    }
  };

  const element = (value: Element | undefined, at: string): void => {
    if (!value) {
      fail(at, 'missing required field');
      return;
    }
    string(value.action_id, `${at}/action_id`, 255);
    text(value.placeholder, `${at}/placeholder`, 150, 'plain', false);
    if (value.confirm) {
      text(value.confirm.title, `${at}/confirm/title`, 100, 'plain');
      text(value.confirm.text, `${at}/confirm/text`, 300, 'any');
      text(value.confirm.confirm, `${at}/confirm/confirm`, 30, 'plain');
      text(value.confirm.deny, `${at}/confirm/deny`, 30, 'plain');
    }
    switch (value.type) {
      case 'button':
        text(value.text, `${at}/text`, 75, 'plain');
        string(value.value, `${at}/value`, 2000);
        string(value.url, `${at}/url`, 3000);
        if (value.style !== undefined && value.style !== 'primary' && value.style !== 'danger')
          fail(`${at}/style`, 'must be primary or danger');
        break;
      case 'static_select':
      case 'multi_static_select':
        options(value, at, 100);
        break;
      case 'external_select':
        if (value.options ?? value.option_groups) fail(`${at}/options`, 'the app suggests them');
        if (!Number.isInteger(value.min_query_length ?? 0)) fail(`${at}/min_query_length`, 'must be an integer');
        if (value.initial_option) options({ ...value, options: [value.initial_option] }, at, 1);
        break;
      case 'datetimepicker':
        // https://docs.slack.dev/reference/block-kit/block-elements/datetime-picker-element
        if (value.initial_date_time !== undefined && !/^\d{10}$/.test(String(value.initial_date_time)))
          fail(`${at}/initial_date_time`, 'must be a UNIX timestamp of 10 digits');
        break;
      case 'radio_buttons':
      case 'checkboxes':
        options(value, at, 10);
        break;
      case 'overflow':
        options(value, at, 5);
        break;
      case 'image':
        string(value.image_url, `${at}/image_url`, 3000);
        if (!value.alt_text) fail(`${at}/alt_text`, 'missing required field');
        break;
      default:
        if (!INTERACTIVE.has(value.type)) fail(`${at}/type`, `unsupported type: ${value.type}`);
    }
  };

  if (!Array.isArray(blocks)) return [`[ERROR] must be an array [json-pointer:${path}]`];
  if (blocks.length > most) fail(path, `no more than ${most} items allowed`);
  const seen = new Set<string>();
  (blocks as Block[]).forEach((block, index) => {
    const at = `${path}/${index}`;
    string(block.block_id, `${at}/block_id`, 255);
    if (block.block_id !== undefined) {
      if (seen.has(block.block_id)) fail(`${at}/block_id`, 'block_id already exists');
      seen.add(block.block_id);
    }
    const actionIds = controls([block]).map((control) => control.element.action_id);
    if (actionIds.some((id, i) => id !== undefined && actionIds.indexOf(id) !== i))
      fail(at, 'action_id already exists in this block');
    switch (block.type) {
      case 'section':
        if (!block.fields) text(block.text, `${at}/text`, 3000, 'any');
        else text(block.text, `${at}/text`, 3000, 'any', false);
        if (block.fields && (block.fields.length === 0 || block.fields.length > 10))
          fail(`${at}/fields`, 'must have 1 to 10 items');
        block.fields?.forEach((field, i) => text(field, `${at}/fields/${i}`, 2000, 'any'));
        if (block.accessory) element(block.accessory, `${at}/accessory`);
        break;
      case 'header':
        text(block.text, `${at}/text`, 150, 'plain');
        break;
      case 'actions':
        if (!block.elements?.length || block.elements.length > 25) fail(`${at}/elements`, 'must have 1 to 25 items');
        block.elements?.forEach((one, i) => element(one, `${at}/elements/${i}`));
        break;
      case 'context':
        if (!block.elements?.length || block.elements.length > 10) fail(`${at}/elements`, 'must have 1 to 10 items');
        block.elements?.forEach((one, i) => {
          if (one.type === 'image') element(one, `${at}/elements/${i}`);
          else text(one as unknown as Text, `${at}/elements/${i}`, 3000, 'any');
        });
        break;
      case 'input':
        text(block.label, `${at}/label`, 2000, 'plain');
        text(block.hint, `${at}/hint`, 2000, 'plain', false);
        element(block.element, `${at}/element`);
        break;
      case 'image':
        string(block.image_url, `${at}/image_url`, 3000);
        if (!block.alt_text) fail(`${at}/alt_text`, 'missing required field');
        break;
      case 'divider':
      case 'rich_text':
        break;
      default:
        fail(`${at}/type`, `unsupported type: ${block.type}`);
    }
  });
  return errors;
}

/** What the app sends to views.open, push and update. */
export interface ViewDefinition {
  type: string;
  title: Text;
  blocks: Block[];
  submit?: Text;
  close?: Text;
  callback_id?: string;
  private_metadata?: string;
  external_id?: string;
  clear_on_close?: boolean;
  notify_on_close?: boolean;
}

/** Bytes of a modal. https://docs.slack.dev/reference/methods/views.open (view_too_large) */
const LARGEST_VIEW = 250_000;

export function isTooLarge(view: unknown): boolean {
  return Buffer.byteLength(JSON.stringify(view) ?? '') > LARGEST_VIEW;
}

/** Why Slack would refuse this Home; empty when it would not. */
export function homeErrors(view: unknown): string[] {
  const { type, blocks, private_metadata = '' } = (view ?? {}) as Partial<ViewDefinition>;
  return [
    ...(type === 'home' ? [] : ['[ERROR] must be home [json-pointer:/view/type]']),
    ...(private_metadata.length > 3000
      ? ['[ERROR] must be less than 3001 characters [json-pointer:/view/private_metadata]']
      : []),
    ...blockErrors(blocks, 100, '/view/blocks'),
  ];
}

/** Why Slack would refuse this modal; empty when it would not. */
export function viewErrors(view: unknown): string[] {
  const errors: string[] = [];
  if (typeof view !== 'object' || view === null) return ['[ERROR] missing required field: view'];
  const { type, title, submit, close, private_metadata, callback_id, external_id, blocks } =
    view as Partial<ViewDefinition>;
  const fail = (at: string, what: string) => errors.push(`[ERROR] ${what} [json-pointer:/view${at}]`);
  if (type !== 'modal') fail('/type', 'must be modal');
  for (const [name, text] of Object.entries({ title, submit, close })) {
    if (text === undefined && name !== 'title') continue;
    if (text?.type !== 'plain_text') fail(`/${name}`, 'must be a plain_text object');
    else if (text.text.length < 1 || text.text.length > 24) fail(`/${name}/text`, 'must be 1 to 24 characters');
  }
  for (const [name, value, most] of [
    ['private_metadata', private_metadata, 3000],
    ['callback_id', callback_id, 255],
    ['external_id', external_id, 255],
  ] as const) {
    if (value !== undefined && (typeof value !== 'string' || value.length > most))
      fail(`/${name}`, `must be a string of less than ${most + 1} characters`);
  }
  errors.push(...blockErrors(blocks, 100, '/view/blocks'));
  if (Array.isArray(blocks) && blocks.some((block) => block.type === 'input') && submit === undefined)
    fail('/submit', 'a submit button is required when there is an input block');
  return errors;
}
