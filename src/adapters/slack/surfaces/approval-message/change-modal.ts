import type { types } from '@slack/bolt';
import type { View } from '../../../../app/ports/view.ts';
import { formatDuration } from '../../../../domain/duration.ts';
import { type Narrowing, takenAway } from '../../../../domain/plan/narrower.ts';
import { describeKit, isKit, type Kit } from '../../../../domain/rights/kits.ts';
import { wholeDuration } from '../../../../domain/typed-duration.ts';
import { type CarriedChanges, carryChanges, carryNoted, MODALS, type Noted } from '../actions.ts';
import type { FieldErrors, StateValues } from '../form/modal.ts';
import { context, section } from '../text/blocks.ts';
import { frame } from '../text/modals.ts';
import { clean, LIMITS, plain } from '../text/text.ts';
import { noteField } from './note-modal.ts';
import { details, essentials } from './plan-blocks.ts';

/** Approval with changes: the dialog in which something is taken away, and what would be granted then. */

const option = (kit: Kit) => ({
  text: plain(kit, LIMITS.label),
  value: kit,
  description: plain(describeKit(kit), LIMITS.label),
});

/** Each field holds what was asked for: it is only made less. */
export function changeModal({ grant: { id, plan } }: View, about: Noted, needsNote: boolean): types.ModalView {
  const { rights, duration } = plan;
  const all = (rights ?? []).map(option);
  const checkboxes: types.KnownBlock[] =
    all.length < 2
      ? []
      : [
          {
            type: 'input',
            block_id: 'rights',
            label: plain('Rights'),
            hint: plain('Take away what is not needed.'),
            element: { type: 'checkboxes', action_id: 'rights', options: all, initial_options: all },
          },
        ];
  return frame(
    `Change ${id}`,
    [
      {
        type: 'input',
        block_id: 'duration',
        label: plain('How long'),
        hint: plain(`No longer than the ${formatDuration(duration)} that were asked for.`),
        element: {
          type: 'plain_text_input',
          action_id: 'duration',
          initial_value: formatDuration(duration),
          max_length: 50,
        },
      },
      ...checkboxes,
      noteField(needsNote),
      context('The next step shows what would be granted. Nothing is decided until then.'),
    ],
    { callback_id: MODALS.change, submit: plain('Show', LIMITS.modalTitle), private_metadata: carryNoted(about) },
  );
}

/** What was taken away, or what is wrong beside its field. */
export function changesIn(values: StateValues): { readonly changes: Narrowing } | { readonly errors: FieldErrors } {
  const typedLength = clean(values['duration']?.['duration']?.value ?? '');
  const duration = wholeDuration(typedLength);
  if (duration === null) return { errors: { duration: 'That is not a duration: 30m, 1h30m.' } };
  const checked = values['rights']?.['rights']?.selected_options;
  if (checked == null) return { changes: { duration } };
  const rights = checked.flatMap(({ value }) => (typeof value === 'string' && isKit(value) ? [value] : []));
  return rights.length === 0
    ? { errors: { rights: 'Leave at least one right, or deny the request.' } }
    : { changes: { duration, rights } };
}

/** What would be granted with these changes; the button approves it. */
export function changedModal(asked: View, changed: View, carriedOn: CarriedChanges): types.ModalView {
  const taken = takenAway(asked.grant.plan, carriedOn.changes).join('; ');
  return frame(
    'With your changes',
    [
      section(`✂️ *Taken away:* ${taken}.`),
      ...essentials(changed),
      ...details(changed, true).filter((block) => block !== null),
      context('Nothing is decided until you press Approve.'),
    ],
    {
      callback_id: MODALS.changed,
      submit: plain('Approve', LIMITS.modalTitle),
      private_metadata: carryChanges(carriedOn),
    },
  );
}
