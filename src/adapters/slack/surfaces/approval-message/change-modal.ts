import type { types } from '@slack/bolt';
import type { View } from '../../../../app/ports/view.ts';
import { formatDuration } from '../../../../domain/duration.ts';
import type { Grant } from '../../../../domain/grant/grant.ts';
import {
  describeSource,
  isWholeNamespace,
  type Narrowing,
  openedBy,
  portKey,
  sourceKey,
  takenAway,
} from '../../../../domain/plan/narrower.ts';
import type { Plan } from '../../../../domain/plan/plan.ts';
import { describeKit, isKit } from '../../../../domain/rights/kits.ts';
import { describeTarget } from '../../../../domain/target.ts';
import { wholeDuration } from '../../../../domain/typed-duration.ts';
import { type CarriedChanges, carryChanges, carryNoted, LONGEST_TYPED, MODALS, type Noted } from '../actions.ts';
import { parseTarget } from '../command/parse.ts';
import type { FieldErrors, StateValues } from '../form/modal.ts';
import { context, section } from '../text/blocks.ts';
import { frame } from '../text/modals.ts';
import { clean, LIMITS, plain } from '../text/text.ts';
import { noteField } from './note-modal.ts';
import { details, essentials } from './plan-blocks.ts';

/** Approval with changes: the dialog in which something is taken away, and what would be granted then. */

/** Slack takes so many checkboxes; of more there is a menu, of still more no field. */
const MOST_BOXES = 10;

const option = (value: string, text: string, description = ''): types.PlainTextOption => ({
  text: plain(text, LIMITS.label),
  value,
  ...(description !== '' && { description: plain(description, LIMITS.label) }),
});

/** All that was asked for, chosen; nothing where there is no choice. */
function keptField(
  field: 'rights' | 'ports' | 'sources',
  label: string,
  options: readonly types.PlainTextOption[],
): types.KnownBlock[] {
  if (options.length < 2 || options.length > LIMITS.options) return [];
  const held = { action_id: field, options: [...options], initial_options: [...options] };
  return [
    {
      type: 'input',
      block_id: field,
      label: plain(label),
      hint: plain('Take away what is not needed.'),
      element:
        options.length <= MOST_BOXES
          ? { type: 'checkboxes', ...held }
          : { type: 'multi_static_select', placeholder: plain('What is left', 150), ...held },
    },
  ];
}

function workloadField({ target }: Plan): types.KnownBlock {
  return {
    type: 'input',
    // A refusal of the workload stands beside it.
    block_id: 'target',
    optional: true,
    label: plain('One workload'),
    hint: plain(`Leave it empty for all of ${describeTarget(target)}.`),
    element: {
      type: 'plain_text_input',
      action_id: 'target',
      placeholder: plain('deploy/checkout', 150),
      max_length: LONGEST_TYPED,
    },
  };
}

/** Each field holds what was asked for: it is only made less. */
export function changeModal({ grant: { id, plan } }: View, about: Noted, needsNote: boolean): types.ModalView {
  const { rights, duration } = plan;
  const { ports, sources } = openedBy(plan.network);
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
      ...(isWholeNamespace(plan) ? [workloadField(plan)] : []),
      ...keptField(
        'rights',
        'Rights',
        (rights ?? []).map((kit) => option(kit, kit, describeKit(kit))),
      ),
      ...keptField(
        'ports',
        'Ports',
        ports.map((port) => option(portKey(port), portKey(port))),
      ),
      ...keptField(
        'sources',
        'Who is let in',
        sources.map((peer) => option(sourceKey(peer), describeSource(peer))),
      ),
      noteField(needsNote),
      context('The next step shows what would be granted. Nothing is decided until then.'),
    ],
    { callback_id: MODALS.change, submit: plain('Show', LIMITS.modalTitle), private_metadata: carryNoted(about) },
  );
}

/** What was taken away, or what is wrong beside its field. */
export function changesIn(
  values: StateValues,
  { plan: { target } }: Pick<Grant, 'plan'>,
): { readonly changes: Narrowing } | { readonly errors: FieldErrors } {
  const typedLength = clean(values['duration']?.['duration']?.value ?? '');
  const duration = wholeDuration(typedLength);
  if (duration === null) return { errors: { duration: 'That is not a duration: 30m, 1h30m.' } };
  const [rights, ports, sources] = (['rights', 'ports', 'sources'] as const).map((field) => checked(values, field));
  const empty = Object.entries({ rights, ports, sources }).find(([, keys]) => keys?.length === 0);
  if (empty !== undefined) return { errors: { [empty[0]]: 'Leave at least one, or deny the request.' } };
  const named = clean(values['target']?.['target']?.value ?? '');
  const where = named === '' ? null : parseTarget(`${target.namespace ?? ''}/${named}`);
  const workload = where !== null && typeof where !== 'string' ? where.workload : undefined;
  if (where !== null && workload === undefined)
    return { errors: { target: 'Name one workload by its kind and name, such as deploy/checkout.' } };
  return {
    changes: {
      duration,
      ...(rights && { rights: rights.filter(isKit) }),
      ...(ports && { ports }),
      ...(sources && { sources }),
      ...(workload && { workload }),
    },
  };
}

/** Which options of a field are chosen; null: there is no such field. */
function checked(values: StateValues, field: string): string[] | null {
  const options = values[field]?.[field]?.selected_options;
  return options == null ? null : options.flatMap(({ value }) => (typeof value === 'string' ? [value] : []));
}

/** What would be granted with these changes; the button approves it. */
export function changedModal(asked: View, changed: View, carriedOn: CarriedChanges): types.ModalView {
  const taken = takenAway(asked.grant.plan, carriedOn.changes).join('; ');
  return frame(
    'With your changes',
    [
      section(`✂️ *Less than was asked for:* ${taken}.`),
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
