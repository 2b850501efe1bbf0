import { Refusal } from '../errors.ts';
import type { GrantId } from '../ids.ts';

/** A slip of the keyboard or a script must not flood a channel. */

/** How many requests of one person may wait at once. */
export const MOST_PENDING = 10;
/** How often a longer window may be asked for while nobody has answered. */
export const MOST_ASKS = 5;

export const tooManyPending = (): Refusal =>
  new Refusal(
    'pending',
    `You have ${MOST_PENDING} requests waiting.`,
    'Call some back: `/jit list` has a button for each.',
  );

export const tooManyAsks = (id: GrantId): Refusal =>
  new Refusal(
    'extension',
    `You have asked for a longer window of ${id} ${MOST_ASKS} times, and nobody has answered yet.`,
    'Ask an approver to answer.',
  );
