import { describe, expect, it, test } from 'vitest';
import {
  type Block,
  blockErrors,
  type Element,
  enteredValue,
  initialValue,
  isEmpty,
  isTooLarge,
  type Text,
  viewErrors,
  withIds,
} from '../../../src/sandbox/slack/blockkit.ts';

const plain = (text: string): Text => ({ type: 'plain_text', text });
const mrkdwn = (text: string): Text => ({ type: 'mrkdwn', text });
const options = (count: number) => Array.from({ length: count }, (_, i) => ({ text: plain(`o${i}`), value: `o${i}` }));
const button = (change: Partial<Element> = {}): Element => ({ type: 'button', text: plain('Go'), ...change });
const actions = (...elements: Element[]): Block => ({ type: 'actions', elements });
const input = (element: Element): Block => ({ type: 'input', label: plain('L'), element });
const errors = (...blocks: Block[]) => blockErrors(blocks, 50);

describe('what Slack refuses in blocks', () => {
  it.each<[string, Block]>([
    ['a section of 3001 characters', { type: 'section', text: mrkdwn('x'.repeat(3001)) }],
    ['an empty text', { type: 'section', text: mrkdwn('') }],
    ['a section of nothing', { type: 'section' }],
    ['11 fields', { type: 'section', fields: Array.from({ length: 11 }, () => mrkdwn('x')) }],
    ['a field of 2001 characters', { type: 'section', fields: [mrkdwn('x'.repeat(2001))] }],
    ['a header of 151 characters', { type: 'header', text: plain('x'.repeat(151)) }],
    ['a header with markup', { type: 'header', text: mrkdwn('*x*') }],
    ['no buttons', actions()],
    ['26 buttons', actions(...Array.from({ length: 26 }, (_, i) => button({ action_id: `a${i}` })))],
    ['a button of 76 characters', actions(button({ text: plain('x'.repeat(76)) }))],
    ['a value of 2001 characters', actions(button({ value: 'x'.repeat(2001) }))],
    ['an unknown style', actions(button({ style: 'warning' }))],
    ['the same action_id twice in a block', actions(button({ action_id: 'a' }), button({ action_id: 'a' }))],
    ['a select of nothing', input({ type: 'static_select', options: [] })],
    ['101 options', input({ type: 'static_select', options: options(101) })],
    ['11 radio buttons', input({ type: 'radio_buttons', options: options(11) })],
    [
      'an option of 76 characters',
      input({ type: 'static_select', options: [{ text: plain('x'.repeat(76)), value: 'x' }] }),
    ],
    [
      'an initial option that is not offered',
      input({ type: 'static_select', options: options(2), initial_option: { text: plain('o9'), value: 'o9' } }),
    ],
    ['a placeholder of 151 characters', input({ type: 'plain_text_input', placeholder: plain('x'.repeat(151)) })],
    ['11 elements of context', { type: 'context', elements: Array.from({ length: 11 }, () => mrkdwn('x') as Element) }],
    ['an unknown block', { type: 'carousel' }],
    ['an unknown element', actions({ type: 'slider' })],
  ])('%s', (_name, block) => {
    expect(errors(block)).not.toEqual([]);
  });

  it('more blocks than a message or a modal holds', () => {
    const blocks = Array.from({ length: 51 }, () => ({ type: 'divider' }));
    expect(blockErrors(blocks, 50)).toHaveLength(1);
    expect(blockErrors(blocks, 100)).toEqual([]);
  });

  it('a block_id twice', () => {
    expect(errors({ type: 'divider', block_id: 'x' }, { type: 'divider', block_id: 'x' })).toHaveLength(1);
  });

  it('nothing of what is just within the limits', () => {
    expect(
      errors(
        { type: 'header', text: plain('x'.repeat(150)) },
        { type: 'section', text: mrkdwn('x'.repeat(3000)), accessory: button({ action_id: 'a' }) },
        actions(button({ text: plain('x'.repeat(75)), value: 'x'.repeat(2000), style: 'danger', action_id: 'b' })),
        input({ type: 'static_select', options: options(100) }),
        { type: 'context', elements: [mrkdwn('x') as Element] },
      ),
    ).toEqual([]);
  });
});

describe('what Slack refuses in modals', () => {
  const view = { type: 'modal', title: plain('x'.repeat(24)), blocks: [{ type: 'divider' }] };

  it.each<[string, object]>([
    ['a title of 25 characters', { title: plain('x'.repeat(25)) }],
    ['an input without a submit button', { blocks: [input({ type: 'plain_text_input' })] }],
    ['private_metadata of 3001 characters', { private_metadata: 'x'.repeat(3001) }],
    ['another type', { type: 'home' }],
    ['bad blocks', { blocks: [{ type: 'section' }] }],
  ])('%s', (_name, change) => {
    expect(viewErrors(view)).toEqual([]);
    expect(viewErrors({ ...view, ...change })).not.toEqual([]);
  });
});

test('a modal is too large beyond 250 kB, which are bytes', () => {
  const frame = Buffer.byteLength(JSON.stringify({ text: '' }));
  const of = (letter: string, bytes: number) => ({ text: letter.repeat((bytes - frame) / Buffer.byteLength(letter)) });
  expect(isTooLarge(of('x', 250_000))).toBe(false);
  expect(isTooLarge(of('x', 250_001))).toBe(true);
  expect(isTooLarge(of('é', 250_000))).toBe(false);
  expect(isTooLarge(of('é', 250_002))).toBe(true);
});

describe('what an element holds', () => {
  const select: Element = { type: 'static_select', action_id: 's', options: options(2) };

  it('begins as the app says', () => {
    expect(initialValue(select)).toEqual({ type: 'static_select', selected_option: null });
    expect(initialValue({ type: 'plain_text_input', initial_value: '45m' })).toEqual({
      type: 'plain_text_input',
      value: '45m',
    });
    expect(initialValue(button())).toBeNull();
  });

  it('is what was picked, by value or by label, of what is offered', () => {
    expect(enteredValue(select, 'o1')).toEqual({ type: 'static_select', selected_option: options(2)[1] });
    expect(() => enteredValue(select, 'o7')).toThrow(/does not offer "o7", only: o0, o1/);
    expect(enteredValue({ ...select, type: 'checkboxes' }, ['o0', 'o1']).selected_options).toHaveLength(2);
  });

  it('is empty until something is in it', () => {
    expect(isEmpty(enteredValue({ type: 'plain_text_input' }, ''))).toBe(true);
    expect(isEmpty(enteredValue({ type: 'plain_text_input' }, 'x'))).toBe(false);
    expect(isEmpty({ type: 'checkboxes', selected_options: [] })).toBe(true);
  });
});

it('blocks get the ids that the app left out, and keep the others', () => {
  let n = 0;
  const [first, second] = withIds(
    [actions(button()), { ...actions(button({ action_id: 'a' })), block_id: 'b' }],
    () => {
      n += 1;
      return `id${n}`;
    },
  );
  expect(first).toMatchObject({ block_id: 'id1', elements: [{ action_id: 'id2' }] });
  expect(second).toMatchObject({ block_id: 'b', elements: [{ action_id: 'a' }] });
});
