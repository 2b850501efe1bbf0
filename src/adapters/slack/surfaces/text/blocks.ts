import type { types } from '@slack/bolt';
import type { Grant } from '../../../../domain/grant/grant.ts';
import { carry } from '../actions.ts';
import { clean, escape, fitting, LIMITS, markup, more, plain, shorten } from './text.ts';

/** The pieces that messages are made of. */

export interface Message {
  /** For notifications and screen readers. */
  readonly text: string;
  readonly blocks: types.KnownBlock[];
}

export type Block = types.KnownBlock;

/**
 * Shown whole: Slack folds a long section under "see more" otherwise, and nobody decides on what is hidden.
 * https://docs.slack.dev/reference/block-kit/blocks/section-block
 */
export const section = (text: string): Block => ({ type: 'section', expand: true, text: markup(text) });
export const words = (text: string): Block => ({ type: 'section', expand: true, text: plain(text) });
export const header = (text: string): Block => ({ type: 'header', text: plain(text, LIMITS.header) });
export const context = (text: string): Block => ({ type: 'context', elements: [markup(text)] });
/** Small print of plain words. */
export const small = (text: string): Block => ({ type: 'context', elements: [plain(text, LIMITS.field)] });
export const divider: Block = { type: 'divider' };

export function message(text: string, blocks: readonly (Block | null | false)[]): Message {
  const kept = blocks.filter((block) => block !== null && block !== false);
  return { text: escape(shorten(clean(text), 500)) || 'Drawbridge', blocks: withinLimit(kept) };
}

/** Buttons, which stand last, are never what is left out. */
function withinLimit(blocks: Block[]): Block[] {
  if (blocks.length <= LIMITS.messageBlocks) return blocks;
  const last = blocks.at(-1);
  const tail = last?.type === 'actions' ? [last] : [];
  const room = LIMITS.messageBlocks - 1 - tail.length;
  return [...blocks.slice(0, room), context(more(blocks.length - room - tail.length)), ...tail];
}

/** Slack posts no message whose blocks are too long together, and nobody would see it: the longest of them give way, and say so. */
export function postable(message: Message): Message {
  const sizes = message.blocks.map((block) => JSON.stringify(block).length);
  const longest = Math.max(
    ...message.blocks.map(({ type }, index) => (type === 'actions' || type === 'header' ? 0 : (sizes[index] ?? 0))),
  );
  if (longest < 500 || sizes.reduce((sum, size) => sum + size, 0) <= LIMITS.messageLength) return message;
  const gap = context(`… ${longest} characters are left out here: Slack takes no more.`);
  return postable({ ...message, blocks: message.blocks.with(sizes.indexOf(longest), gap) });
}

/** A message of plain words: answers and refusals. */
export function note(text: string): Message {
  return message(text, [words(text)]);
}

export interface ButtonOptions {
  readonly style?: 'primary' | 'danger';
  readonly confirm?: string;
  readonly note?: string;
  readonly page?: number;
  readonly list?: true;
  readonly seconds?: number;
}

export function button(
  action: string,
  label: string,
  { grant, digest }: { readonly grant: Pick<Grant, 'id'>; readonly digest: string },
  options: ButtonOptions = {},
): types.Button {
  return {
    type: 'button',
    action_id: action,
    text: plain(label, LIMITS.label),
    value: carry(grant.id, digest, options),
    ...(options.style && { style: options.style }),
    ...(options.confirm && {
      confirm: {
        title: plain(`${label}?`, 100),
        text: plain(options.confirm, 300),
        confirm: plain(label, 30),
        deny: plain('Not now', 30),
      },
    }),
  };
}

export const actions = (...elements: (types.Button | false)[]): Block | null => {
  const kept = elements.filter((element) => element !== false);
  return kept.length === 0 ? null : { type: 'actions', elements: kept };
};

/** Sentences that may hold anybody's words, under a line of ours. */
export function bullets(title: string, sentences: readonly string[]): Block {
  const lines = fitting(
    sentences.map((sentence) => `• ${shorten(clean(sentence), 500)}`),
    LIMITS.section - title.length - 40,
    12,
  );
  return {
    type: 'section',
    expand: true,
    text: { type: 'plain_text', text: [title, ...lines].join('\n'), emoji: false },
  };
}
