import type { BlockAction, types, ViewOutput } from '@slack/bolt';
import type { Proposal, Requested } from '../../../../app/ports/use-cases.ts';
import type { Ask } from '../../../../domain/decide/decide.ts';
import { slackError } from '../../client.ts';
import { ACTIONS, carriedAsked, MODALS } from '../actions.ts';
import { isRepeated } from '../answers.ts';
import type { SurfaceContext } from '../context.ts';
import { requestedWithLink } from '../decisions.ts';
import { type Outcome, onSubmit, SENT_ALREADY, showView, takeTurn, valuesOf } from '../modals.ts';
import { note } from '../text/blocks.ts';
import { loadingModal, noticeModal } from '../text/modals.ts';
import { sayError } from '../text/say.ts';
import { type Choice, NOTHING_CHOSEN } from './choice.ts';
import {
  administratorModal,
  askOf,
  choiceOf,
  choiceToAsk,
  errorsOf,
  inOneLine,
  previewModal,
  refusedModal,
  requestedModal,
  requestModal,
} from './modal.ts';
import { registerSuggestions } from './suggest.ts';

/** The request modal: the form, and the preview of what would be granted. */
export function registerForm(context: SurfaceContext): void {
  onForm(context, ACTIONS.cluster, (view) => choiceOf(valuesOf(view)));
  onForm(context, ACTIONS.profile, (view) => choiceOf(valuesOf(view)));
  onForm(context, ACTIONS.namespace, (view) => choiceOf(valuesOf(view)));
  onForm(context, ACTIONS.back, ({ private_metadata }) =>
    private_metadata === '' ? NOTHING_CHOSEN : choiceToAsk(carriedAsked(private_metadata).ask),
  );
  registerSuggestions(context);
  onSubmit(context, MODALS.request, (user, view) => preview(context, user, view));
  onSubmit(context, MODALS.confirm, (user, view) => confirm(context, user, view));
}

/** What lets a modal be opened: somebody did something just now. */
export interface Trigger {
  readonly trigger_id: string;
  readonly user_id: string;
}

/** A trigger id lives for three seconds and the lookups may take longer: first an empty modal, then the form. */
export async function openForm(
  context: SurfaceContext,
  { trigger_id, user_id }: Trigger,
  choice: Choice | (() => Promise<Choice>) = NOTHING_CHOSEN,
): Promise<void> {
  const { quick } = context.connection;
  const opened = await quick.call('views.open', (web) => web.views.open({ trigger_id, view: loadingModal() }));
  const { id, hash } = opened.view ?? {};
  if (id !== undefined)
    await showForm(context, user_id, { id, hash }, typeof choice === 'function' ? choice : () => choice);
}

/**
 * Renders the form for what has been chosen, unless something else was done in the modal meanwhile: that draws it. Errors are shown in the
 * modal: that is where the person looks.
 */
async function showForm(
  context: SurfaceContext,
  user: string,
  { id, hash }: { readonly id: string; readonly hash: string | undefined },
  chosen: () => Choice | Promise<Choice>,
): Promise<void> {
  const { log } = context;
  const isLast = await takeTurn(context, id);
  const form = await Promise.resolve()
    .then(() => chosen())
    .then((choice) => formFor(context, user, choice))
    .catch((error: unknown) => noticeModal(sayError(error, 'request modal', log).text));
  if (!(await isLast())) return;
  try {
    await showView(context, id, form, hash).catch(async (error: unknown) => {
      // Somebody was faster: an older form goes, a newer one stays.
      if (slackError(error) !== 'hash_conflict') throw error;
      if (await isLast()) await showView(context, id, form);
    });
  } catch (error) {
    // The person may have closed it meanwhile.
    log.info({ err: error }, 'the modal could not be updated');
  }
}

async function formFor({ useCases }: SurfaceContext, user: string, choice: Choice): Promise<types.ModalView> {
  const offers = await useCases.offers(user);
  if (offers.length === 0 && (await useCases.home(user, 0)).everything !== null) return administratorModal();
  return requestModal(offers, choice);
}

/** A button or field that leads to the form: `chosen` reads from the modal what to show in it. */
function onForm(context: SurfaceContext, actionId: string, chosen: (view: ViewOutput) => Choice): void {
  const { app, track } = context;
  app.action<BlockAction>(actionId, ({ ack, body }) =>
    track(
      (async () => {
        await ack();
        const { view, user } = body;
        if (view !== undefined) await showForm(context, user.id, view, () => chosen(view));
      })(),
    ),
  );
}

async function preview(context: SurfaceContext, user: string, view: ViewOutput): Promise<Outcome> {
  const { useCases, log } = context;
  const values = valuesOf(view);
  const filled = askOf(values);
  if ('errors' in filled) {
    const text = Object.values(filled.errors).join(' ');
    return { errors: filled.errors, view: noticeModal(text), told: note(text), idle: true };
  }
  try {
    const proposal = await useCases.preview(user, filled.ask);
    const { asked, missed } = proposal;
    if (asked !== undefined)
      return { ...(await shownAsRequested(context, { ...asked, missed, isAgain: true })), idle: true };
    return { ...previewed(proposal, filled.ask, false), idle: true };
  } catch (error) {
    const { text, refusal } = sayError(error, 'preview', log);
    return { ...refused(text, filled.ask), errors: errorsOf(values, text, refusal), idle: true };
  }
}

async function confirm(context: SurfaceContext, user: string, view: ViewOutput): Promise<Outcome> {
  const { useCases, log } = context;
  const { ask, digest } = carriedAsked(view.private_metadata);
  // Slack's "Try again?" after an answer that it missed: a new delivery of the very view that was sent already.
  if (await isRepeated(context, 'confirmed', `${view.id}:${view.hash}`)) return SENT_ALREADY;
  try {
    const result = await useCases.requestAsShown(user, ask, digest ?? '');
    if ('changed' in result) return previewed(result.changed, ask, true);
    return await shownAsRequested(context, result.requested);
  } catch (error) {
    return refused(sayError(error, 'request', log).text, ask);
  }
}

async function shownAsRequested(context: SurfaceContext, requested: Requested): Promise<Outcome> {
  const told = await requestedWithLink(context, requested);
  return { view: requestedModal(told), told };
}

const previewed = (proposal: Proposal, ask: Ask, changed: boolean): Outcome => ({
  view: previewModal(proposal, ask, changed),
  told: note(
    `${changed ? 'What would be granted has changed since you saw it, so nothing has been requested.' : 'The preview could not be shown; nothing has been requested.'} Type /jit again, or in one line: ${inOneLine(ask)}`,
  ),
});

const refused = (text: string, ask: Ask): Outcome => ({
  view: refusedModal(text, ask),
  told: note(`${text} What you asked for: ${inOneLine(ask)}`),
});
