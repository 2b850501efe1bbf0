import type { BlockAction, types, ViewOutput } from '@slack/bolt';
import type { Proposal, Requested } from '../../../../app/ports/use-cases.ts';
import { slackError } from '../../client.ts';
import { ACTIONS, carriedAsked, carriedForm, MODALS, StrangeControl } from '../actions.ts';
import { isRepeated } from '../answers.ts';
import { onButton } from '../buttons.ts';
import type { SurfaceContext } from '../context.ts';
import { requestedWithLink } from '../decisions.ts';
import { type Outcome, onSubmit, SENT_ALREADY, showView, takeTurn, valuesOf } from '../modals.ts';
import { type Message, note } from '../text/blocks.ts';
import { loadingModal, noticeModal } from '../text/modals.ts';
import { sayError } from '../text/say.ts';
import { type Choice, NOTHING_CHOSEN } from './choice.ts';
import {
  administratorModal,
  askOf,
  choiceOf,
  choiceToAsk,
  errorsOf,
  type FormAsk,
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
  registerBreakGlass(context);
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
 * @param said what came of a button of the form
 */
async function showForm(
  context: SurfaceContext,
  user: string,
  { id, hash }: { readonly id: string; readonly hash: string | undefined },
  chosen: () => Choice | Promise<Choice>,
  said = '',
): Promise<void> {
  const { log } = context;
  const isLast = await takeTurn(context, id);
  const form = await Promise.resolve()
    .then(() => chosen())
    .then((choice) => formFor(context, user, choice, said))
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

async function formFor(
  { useCases }: SurfaceContext,
  user: string,
  choice: Choice,
  said: string,
): Promise<types.ModalView> {
  const [offers, closed] = await Promise.all([useCases.offers(user), useCases.closedClusters(user)]);
  if (offers.length === 0 && closed.length === 0 && (await useCases.home(user, 0)).everything !== null)
    return administratorModal();
  return requestModal(offers, choice, said, closed);
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

/** The red button: what is filled in, at once. What is wrong with it is said above the form, which stays as it was filled in. */
function registerBreakGlass(context: SurfaceContext): void {
  onButton(context, ACTIONS.breakGlass, async ({ user, body: { view } }): Promise<Message | null> => {
    if (view === undefined) throw new StrangeControl();
    const shown = carriedForm(view.private_metadata);
    // A form that is still in the making is not drawn over what comes now.
    await takeTurn(context, view.id);
    const values = valuesOf(view);
    const again = async (said: string) => {
      await showForm(context, user, view, () => choiceOf(values), said);
      return null;
    };
    const filled = askOf(values);
    if ('errors' in filled) return again(Object.values(filled.errors).join(' '));
    const { ask } = filled;
    if (ask.profile !== shown.profile || (ask.cluster ?? null) !== (shown.cluster ?? null))
      return again('The form was still changing to this profile. Try again.');
    try {
      const { useCases } = context;
      const offer = (await useCases.offers(user)).find(
        ({ profile, cluster }) => profile === ask.profile && cluster === (ask.cluster ?? null),
      );
      const { maximum = ask.duration ?? 0 } = offer?.breakGlass ?? {};
      const duration = ask.duration === null ? null : Math.min(ask.duration, maximum);
      return await requestedWithLink(context, await useCases.request(user, { ...ask, duration, breaksGlass: true }));
    } catch (error) {
      return again(sayError(error, 'break-glass', context.log).text);
    }
  });
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

const previewed = (proposal: Proposal, ask: FormAsk, changed: boolean): Outcome => ({
  view: previewModal(proposal, ask, changed),
  told: note(
    `${changed ? 'What would be granted has changed since you saw it, so nothing has been requested.' : 'The preview could not be shown; nothing has been requested.'} Type /jit again, or in one line: ${inOneLine(ask)}`,
  ),
});

const refused = (text: string, ask: FormAsk): Outcome => ({
  view: refusedModal(text, ask),
  told: note(`${text} What you asked for: ${inOneLine(ask)}`),
});
