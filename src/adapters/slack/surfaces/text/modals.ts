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

/** A Home of plain words. */
export function noticeHome(text: string): types.HomeView {
  return { type: 'home', blocks: [{ type: 'section', text: plain(text) }] };
}

/** What is said in a message, as a modal: what is no button of it, or all of it. */
export function messageModal(
  title: string,
  { blocks }: { readonly blocks: types.KnownBlock[] },
  private_metadata = '',
): types.ModalView {
  return frame(title, blocks, { ...(private_metadata !== '' && { private_metadata }) });
}

/** Shown while something is looked up: a trigger id lives for three seconds only. */
export function loadingModal(text = 'One moment …'): types.ModalView {
  return noticeModal(text);
}

/** Plain words, and nothing to do. */
export function noticeModal(text: string): types.ModalView {
  return frame('Drawbridge', [{ type: 'section', text: plain(text) }]);
}
