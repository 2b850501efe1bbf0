import { setTimeout as sleep } from 'node:timers/promises';
import type { AckFn, types, ViewOutput, ViewResponseAction } from '@slack/bolt';
import { slackError } from '../client.ts';
import { StrangeControl } from './actions.ts';
import { answer, isRepeated } from './answers.ts';
import type { SurfaceContext } from './context.ts';
import { errorsOf, type FieldErrors, type StateValues } from './form/modal.ts';
import { type Message, note } from './text/blocks.ts';
import { loadingModal, noticeModal } from './text/modals.ts';
import { sayError } from './text/say.ts';

/** Modals, from the moment when one is sent in until the person sees what came of it. */

/** Slack takes a modal's answer for three seconds; what takes longer is shown by views.update. */
const MODAL_PATIENCE = 2000;
/** A trigger lives for three seconds: what is not known by then is waited for in a modal. */
const TRIGGER_PATIENCE = 1500;
/** Milliseconds for that answer to have arrived: a views.update that overtakes it would be covered by it. */
const ANSWER_SETTLES = 400;
/** Milliseconds that a modal's answer waits for its turn: with MODAL_PATIENCE before it, the answer is still in time when Redis is silent. */
const TURN_PATIENCE = 200;

/** What comes of a modal that was submitted. */
export interface Outcome {
  /** What the modal shows next. */
  readonly view: types.ModalView;
  /** While the modal that was submitted is still there: what is wrong, beside its fields, instead. */
  readonly errors?: FieldErrors;
  /** What the person is told when the modal can't show it any more. */
  readonly told: Message;
  /** True when somebody who has closed the modal meanwhile has no need to know: nothing was done. */
  readonly idle?: boolean;
  /** What came of it is seen elsewhere: in time the modal closes instead. */
  readonly closes?: true;
}

const SENT = 'This was sent already. /jit list shows what came of it.';
export const SENT_ALREADY: Outcome = { view: noticeModal(SENT), told: note(SENT) };

/** @param hash of what is shown there: when it is another by now, Slack refuses (`hash_conflict`) */
export function showView(
  { connection: { quick } }: SurfaceContext,
  viewId: string,
  view: types.ModalView,
  hash?: string,
): Promise<unknown> {
  return quick.call('views.update', (web) =>
    web.views.update({ view_id: viewId, view, ...(hash !== undefined && { hash }) }),
  );
}

/** Takes the next turn in a modal; answers whether it is still the last. While that can't be known, it counts as the last. */
export async function takeTurn({ turns, log }: SurfaceContext, viewId: string): Promise<() => Promise<boolean>> {
  const unknown = (error: unknown): null => {
    log.warn({ err: error }, 'which was done last in a modal is not known');
    return null;
  };
  const mine = await turns.take(viewId).catch(unknown);
  return async () => mine === null || [mine, null].includes(await turns.last(viewId).catch(unknown));
}

/**
 * Opens a modal that takes a look to make, while its trigger lives. What fails in time is thrown, and nothing opens; what takes longer is shown in a
 * modal that was opened meanwhile.
 */
export async function openWhenKnown(
  context: SurfaceContext,
  triggerId: string,
  view: Promise<types.ModalView>,
  from: 'message' | 'modal' | 'home',
): Promise<void> {
  const { quick } = context.connection;
  // It may fail while something else is waited for.
  view.catch(() => {});
  // On top of the modal that it was asked for in.
  const how = from === 'modal' ? 'push' : 'open';
  const open = (shown: types.ModalView) =>
    quick.call(`views.${how}`, (web) => web.views[how]({ trigger_id: triggerId, view: shown }));
  const timely = await Promise.race([view, sleep(TRIGGER_PATIENCE, null)]);
  if (timely !== null) {
    await open(timely);
    return;
  }
  const { view: opened } = await open(loadingModal());
  if (opened?.id === undefined) return;
  const late = await view.catch((error: unknown) => noticeModal(sayError(error, 'modal', context.log).text));
  await showView(context, opened.id, late);
}

/** A modal of ours that is sent in: guarded, handled once, and answered in time. */
export function onSubmit(
  context: SurfaceContext,
  callbackId: string,
  work: (user: string, view: ViewOutput) => Promise<Outcome>,
): void {
  const { app, track, useCases } = context;
  app.view(callbackId, ({ ack, body, view }) =>
    track(
      (async () => {
        const acknowledge = ack as AckFn<ViewResponseAction | void>;
        const triggerId = 'trigger_id' in body ? body.trigger_id : undefined;
        const outcome = isRepeated(context, 'view', triggerId)
          .then((again) => (again ? SENT_ALREADY : work(body.user.id, view)))
          .catch(async (error: unknown): Promise<Outcome> => {
            if (error instanceof StrangeControl) await useCases.turnAway(body.user.id, callbackId, error);
            return failed(context, valuesOf(view), error, callbackId);
          });
        const timely = await Promise.race([outcome, sleep(MODAL_PATIENCE, 'late' as const)]);
        // A form that is still in the making is not drawn over what comes now; beside errors it is what they wait for.
        if (timely === 'late' || timely.errors === undefined)
          await Promise.race([takeTurn(context, view.id), sleep(TURN_PATIENCE)]);
        if (timely !== 'late') await acknowledge(answerTo(timely));
        else {
          await acknowledge({
            response_action: 'update',
            view: loadingModal('Working it out: this takes a moment …'),
          });
          const [late] = await Promise.all([outcome, sleep(ANSWER_SETTLES)]);
          await showLate(context, body.user.id, view.id, late);
        }
      })(),
    ),
  );
}

function answerTo({ view, errors, closes }: Outcome): ViewResponseAction | undefined {
  if (errors !== undefined) return { response_action: 'errors', errors };
  return closes ? undefined : { response_action: 'update', view };
}

/** Shows what came after the modal was answered; where the modal is gone, or Slack does not take it, by a message. */
async function showLate(
  context: SurfaceContext,
  user: string,
  viewId: string,
  { view, told, idle = false }: Outcome,
): Promise<void> {
  try {
    await showView(context, viewId, view);
  } catch (error) {
    context.log.info({ err: error }, 'the modal could not be updated');
    if (idle && slackError(error) === 'not_found') return;
    await answer(context, { user, channel: undefined, respond: undefined }, told);
  }
}

/** An error of a form: beside a field where it has any, else as words. */
function failed({ log }: SurfaceContext, values: StateValues, error: unknown, doing: string): Outcome {
  const { text, refusal } = sayError(error, doing, log);
  const hasFields = Object.keys(values).length > 0;
  return {
    view: noticeModal(text),
    told: note(text),
    ...(hasFields && { errors: errorsOf(values, text, refusal) }),
  };
}

export function valuesOf(view: { readonly state: { readonly values: unknown } }): StateValues {
  return view.state.values as StateValues;
}
