import type { types } from '@slack/bolt';
import type { View } from '../../../../app/ports/view.ts';
import type { Grant } from '../../../../domain/grant/grant.ts';
import { ACTIONS } from '../actions.ts';
import { button } from './blocks.ts';
import { subject } from './standing.ts';

/** Buttons that stand under several messages. */

export function revokeButton(view: View): types.Button {
  const { grant } = view;
  return button(ACTIONS.revoke, grant.state === 'active' ? 'Revoke' : 'Withdraw', view, {
    style: 'danger',
    confirm: `This ends ${grant.id} (${subject(grant)}) for ${grant.requester.user}.`,
  });
}

export function canBeEnded({ state }: Grant): boolean {
  return state === 'approved' || state === 'applying' || state === 'active';
}
