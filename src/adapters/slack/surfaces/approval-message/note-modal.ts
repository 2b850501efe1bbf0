import type { types } from '@slack/bolt';
import { LONGEST_NOTE, type Verdict } from '../../../../domain/decide/notes.ts';
import { carryNoted, MODALS, type Noted } from '../actions.ts';
import type { StateValues } from '../form/modal.ts';
import { frame } from '../text/modals.ts';
import { clean, LIMITS, plain } from '../text/text.ts';

/** The modal for a note on a decision, and what came of the decision. */

const INPUT = 'input';

/** What came of a decision. */
export function outcomeModal(blocks: readonly types.KnownBlock[]): types.ModalView {
  return frame('Drawbridge', [...blocks]);
}

/** The field from which {@link noteOf} reads a note. */
export function noteField(required: boolean): types.KnownBlock {
  return {
    type: 'input',
    block_id: 'note',
    optional: !required,
    label: plain('Note'),
    hint: plain('The requester and the approvers see it.'),
    element: { type: 'plain_text_input', action_id: INPUT, multiline: true, max_length: LONGEST_NOTE },
  };
}

/** Asks for a note on a decision. */
export function noteModal(verdict: Verdict | 'flag', about: Noted, required: boolean): types.ModalView {
  const label = { approve: 'Approve', deny: 'Deny', flag: 'Flag' }[verdict];
  return frame(`${label} ${about.id}`, [noteField(required)], {
    callback_id: MODALS[verdict],
    submit: plain(label, LIMITS.modalTitle),
    private_metadata: carryNoted(about),
  });
}

export function noteOf(values: StateValues): string {
  return clean(values['note']?.[INPUT]?.value ?? '').slice(0, LONGEST_NOTE);
}
