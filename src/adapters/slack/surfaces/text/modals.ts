import type { types } from '@slack/bolt';
import { LIMITS, plain } from './text.ts';

/** The frame of every modal, and those that have nothing but words. */

export function frame(title: string, blocks: types.KnownBlock[], rest: Partial<types.ModalView> = {}): types.ModalView {
  return {
    type: 'modal',
    title: plain(title, LIMITS.modalTitle),
    close: plain('Close', LIMITS.modalTitle),
    blocks,
    ...rest,
  };
}

/** Shown while something is looked up: a trigger id lives for three seconds only. */
export function loadingModal(text = 'One moment …'): types.ModalView {
  return noticeModal(text);
}

/** Plain words, and nothing to do. */
export function noticeModal(text: string): types.ModalView {
  return frame('Drawbridge', [{ type: 'section', text: plain(text) }]);
}
