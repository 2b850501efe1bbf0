import type { types } from '@slack/bolt';
import type { EndedAll, Which } from '../../../../app/ports/use-cases.ts';
import { MODALS, whichOf } from '../actions.ts';
import type { FieldErrors, StateValues } from '../form/modal.ts';
import { frame } from '../text/modals.ts';
import { clean, code, LIMITS, mentionOfPerson, plain } from '../text/text.ts';

/** Which of everything an administrator sees on Home: the modal that asks, and the words for it. */

/** @param clusters to choose from; empty where there is one */
export function filterModal({ person, namespace, cluster }: Which, clusters: readonly string[]): types.ModalView {
  const field = (block_id: string, label: string, element: types.InputBlock['element']): types.InputBlock => ({
    type: 'input',
    block_id,
    optional: true,
    label: plain(label),
    element,
  });
  const options = clusters.slice(0, LIMITS.options).map((name) => ({ text: plain(name, LIMITS.label), value: name }));
  const chosen = options.find(({ value }) => value === cluster);
  return frame(
    'Filter',
    [
      field('person', 'Person', {
        type: 'users_select',
        action_id: 'person',
        ...(person !== undefined && { initial_user: person }),
      }),
      field('namespace', 'Namespace', {
        type: 'plain_text_input',
        action_id: 'namespace',
        max_length: 63,
        ...(namespace !== undefined && { initial_value: namespace }),
      }),
      ...(options.length === 0
        ? []
        : [
            field('cluster', 'Cluster', {
              type: 'static_select',
              action_id: 'cluster',
              options,
              ...(chosen && { initial_option: chosen }),
            }),
          ]),
    ],
    { callback_id: MODALS.filter, submit: plain('Show', LIMITS.modalTitle) },
  );
}

/** What was filled in, or what is wrong with it, beside its field. */
export function filterIn(values: StateValues): { readonly which: Which } | { readonly errors: FieldErrors } {
  const person = values['person']?.['person']?.selected_user;
  const namespace = clean(values['namespace']?.['namespace']?.value ?? '').toLowerCase();
  const cluster = values['cluster']?.['cluster']?.selected_option?.value;
  const which = whichOf({
    ...(person && { person }),
    ...(namespace !== '' && { namespace }),
    ...(cluster && { cluster }),
  });
  return which === null
    ? { errors: { namespace: 'A namespace has lower-case letters, digits and dashes.' } }
    : { which };
}

/** `of @ada in namespace staging in cluster eu`, in Slack's markup; '' for everything. */
export const whichWords = ({ person, namespace, cluster }: Which): string =>
  [
    ...(person === undefined ? [] : [`of ${mentionOfPerson(person)}`]),
    ...(namespace === undefined ? [] : [`in namespace ${code(namespace)}`]),
    ...(cluster === undefined ? [] : [`in cluster ${code(cluster)}`]),
  ].join(' ');

/** What came of ending all that matches, as plain words. */
export function endedAll({ ended, withdrawn, failures, failed }: EndedAll, say: (error: unknown) => string): string {
  const done = [
    ...(ended > 0 ? [`${ended} ${ended === 1 ? 'is' : 'are'} being ended.`] : []),
    ...(withdrawn > 0 ? [`${withdrawn} ${withdrawn === 1 ? 'was' : 'were'} withdrawn.`] : []),
  ];
  if (failures === 0) return done.join(' ') || 'Nothing was left to end.';
  const why = failed.map(({ id, error }) => `${id}: ${say(error)}`).join(' ');
  const others = failures > failed.length ? ` … and ${failures - failed.length} more.` : '';
  return `${done.join(' ') || 'Nothing was ended.'} ${failures} could not be ended. ${why}${others}`;
}
