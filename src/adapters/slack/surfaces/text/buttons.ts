import type { types } from '@slack/bolt';
import type { View } from '../../../../app/ports/view.ts';
import { formatDuration } from '../../../../domain/duration.ts';
import { type Grant, waitsForApproval } from '../../../../domain/grant/grant.ts';
import { ACTIONS } from '../actions.ts';
import { type ButtonOptions, button } from './blocks.ts';
import { subject } from './standing.ts';

/** Buttons that stand under several messages. */

export function revokeButton(view: View, options: Pick<ButtonOptions, 'list'> = {}): types.Button {
  const { grant } = view;
  return button(ACTIONS.revoke, grant.state === 'active' ? 'Revoke' : 'Withdraw', view, {
    ...options,
    style: 'danger',
    confirm: `This ends ${grant.id} (${subject(grant)}) for ${grant.requester.user}.`,
  });
}

/** Usual lengths by which a window is made longer, in seconds. */
const LENGTHS = [900, 1800, 3600];
const EXTENDS = [ACTIONS.extend, ACTIONS.extendMore, ACTIONS.extendMost];

/** A button for each usual length, as far as the profile lets it grow: three at most, the last one all of it. */
export function extendButtons(view: View): types.Button[] {
  if (view.extendable <= 0) return [];
  const lengths = [...LENGTHS.filter((seconds) => seconds < view.extendable).slice(0, 2), view.extendable];
  return lengths.map((seconds, index) =>
    button(EXTENDS[index] ?? ACTIONS.extend, `Extend ${formatDuration(seconds)}`, view, {
      seconds,
      ...(index === 0 && { style: 'primary' as const }),
    }),
  );
}

/** For the requester, while people are to decide. */
export function nudgeButton(view: View, options: Pick<ButtonOptions, 'list'> = {}): types.Button | false {
  return waitsForApproval(view.grant) && button(ACTIONS.nudge, 'Nudge', view, options);
}

export function canBeEnded({ state }: Grant): boolean {
  return state === 'approved' || state === 'applying' || state === 'active';
}
