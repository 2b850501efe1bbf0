import { setTimeout as sleep } from 'node:timers/promises';
import type {
  AckFn,
  App,
  BlockAction,
  RespondFn,
  SlashCommand,
  types,
  ViewOutput,
  ViewResponseAction,
} from '@slack/bolt';
import type { Logger } from 'pino';
import type { Proposal, Requested, Seen, UseCases } from '../../app/ports/use-cases.ts';
import type { View } from '../../app/ports/view.ts';
import type { Ask } from '../../domain/decide/decide.ts';
import { LONGEST_NOTE, type Verdict } from '../../domain/decide/notes.ts';
import { formatDuration } from '../../domain/duration.ts';
import { touching } from '../../domain/errors.ts';
import { ACTIONS, carried, carriedAsked, carriedNoted, MODALS, messageOf, StrangeControl } from './actions.ts';
import { type Message, note } from './blocks.ts';
import { directChannel, postMessage, slackError } from './client.ts';
import { type Command, parseCommand } from './commands.ts';
import type { SlackConnection } from './connection.ts';
import {
  accessMessage,
  helpMessage,
  listMessage,
  networkMessage,
  outcomeMessage,
  requestedMessage,
  reviewMessage,
  statusMessage,
  whoMessage,
} from './messages.ts';
import {
  askOf,
  type Choice,
  choiceOf,
  choiceToAsk,
  errorsOf,
  type FieldErrors,
  inOneLine,
  loadingModal,
  NOTHING_CHOSEN,
  noteModal,
  noteOf,
  noticeModal,
  outcomeModal,
  previewModal,
  refusedModal,
  requestedModal,
  requestModal,
  type StateValues,
  settle,
} from './modal.ts';
import { saidMessage, sayError } from './say.ts';
import { instead } from './standing.ts';

/** What Slack sends, turned into use cases and their results into words. Handlers ack, parse, delegate, render; they hold no rules. */

/** The order of what was done in a modal, among all replicas: the last thing that was done decides what it shows. */
export interface Turns {
  /** Takes the next turn in this modal. */
  take(viewId: string): Promise<number>;
  /** The turn that was taken last. */
  last(viewId: string): Promise<number>;
}

export interface HandlerOptions {
  readonly useCases: UseCases;
  readonly connection: SlackConnection;
  /** True when this was handled before, by this replica or another. */
  readonly seenBefore: (key: string) => Promise<boolean>;
  readonly turns: Turns;
  readonly log: Logger;
  /** Keeps a handler in mind until it is done, so that a stop can wait for it. */
  readonly track: (work: Promise<void>) => Promise<void>;
}

/** Slack takes a modal's answer for three seconds; what takes longer is shown by views.update. */
const MODAL_PATIENCE = 2000;
/** Milliseconds for that answer to have arrived: a views.update that overtakes it would be covered by it. */
const ANSWER_SETTLES = 400;
/** Milliseconds that a modal's answer waits for its turn: with MODAL_PATIENCE before it, the answer is still in time when Redis is silent. */
const TURN_PATIENCE = 200;

export function registerHandlers(
  app: App,
  { useCases, connection, seenBefore, turns, log, track }: HandlerOptions,
): void {
  const { quick } = connection;

  const twice = async (kind: string, id: string | undefined): Promise<boolean> => {
    if (id === undefined) return false;
    const again = await seenBefore(`slack:${kind}:${id}`).catch((error: unknown) => {
      // Nothing is done before this is known.
      throw touching(error, false);
    });
    if (!again) return false;
    log.info({ kind }, 'delivered twice: handled once');
    return true;
  };

  // --- Answers ------------------------------------------------------------------------------------------------------------------------

  interface Where {
    readonly user: string;
    readonly channel: string | undefined;
    readonly respond: RespondFn | undefined;
    /** The thread that it was done in, where it was in one. */
    readonly thread?: string | undefined;
  }

  /**
   * Tells one person alone: by the response_url, else as an ephemeral message, else as a direct message. In a thread the ephemeral message comes
   * first: what is posted to a response_url appears outside of it. Never throws.
   */
  async function answer({ user, channel, respond, thread }: Where, message: Message, replace = false): Promise<void> {
    const payload = { text: message.text, blocks: message.blocks };
    const inThread = thread === undefined ? {} : { thread_ts: thread };
    const byUrl =
      respond === undefined
        ? []
        : [() => respond({ ...payload, response_type: 'ephemeral', replace_original: replace })];
    const ephemeral =
      channel === undefined
        ? []
        : [
            () =>
              quick.call('chat.postEphemeral', (web) =>
                web.chat.postEphemeral({ ...payload, ...inThread, channel, user }),
              ),
          ];
    const ways: (() => Promise<unknown>)[] = [
      ...(thread === undefined || replace ? [...byUrl, ...ephemeral] : [...ephemeral, ...byUrl]),
      async () => postMessage(quick, { ...payload, channel: await directChannel(quick, user) }),
    ];
    for (const [index, way] of ways.entries()) {
      try {
        await way();
        return;
      } catch (error) {
        log.warn({ err: error, left: ways.length - index - 1 }, 'an answer did not reach Slack');
      }
    }
  }

  /** Runs what a person asked for; an error becomes words for that person alone. */
  async function guard(doing: string, where: Where, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof StrangeControl) await useCases.turnAway(where.user, doing, error);
      await answer(where, saidMessage(sayError(error, doing, log)));
    }
  }

  /** @param hash of what is shown there: when it is another by now, Slack refuses (`hash_conflict`) */
  const showView = (viewId: string, view: types.ModalView, hash?: string): Promise<unknown> =>
    quick.call('views.update', (web) =>
      web.views.update({ view_id: viewId, view, ...(hash !== undefined && { hash }) }),
    );

  /** Takes the next turn in a modal; answers whether it is still the last. While that can't be known, it counts as the last. */
  async function takeTurn(viewId: string): Promise<() => Promise<boolean>> {
    const unknown = (error: unknown): null => {
      log.warn({ err: error }, 'which was done last in a modal is not known');
      return null;
    };
    const mine = await turns.take(viewId).catch(unknown);
    return async () => mine === null || [mine, null].includes(await turns.last(viewId).catch(unknown));
  }

  // --- /jit ---------------------------------------------------------------------------------------------------------------------------

  app.command('/jit', ({ ack, command, respond }) =>
    track(
      (async () => {
        await ack();
        const where: Where = { user: command.user_id, channel: command.channel_id, respond };
        await guard('command', where, async () => {
          if (await twice('command', command.trigger_id)) return;
          const parsed = parseCommand(command.text ?? '');
          if (parsed.kind === 'modal') await openRequest(command);
          else await answer(where, await run(parsed, command.user_id));
        });
      })(),
    ),
  );

  async function run(command: Exclude<Command, { kind: 'modal' }>, user: string): Promise<Message> {
    switch (command.kind) {
      case 'request':
        return requestedWithLink(await useCases.request(user, command.ask));
      case 'list':
        return listMessage(await useCases.list(user));
      case 'status':
        return inspected(user, command.id);
      case 'approve':
        return reviewMessage(await useCases.consider(user, command.id, command.note), command.note);
      case 'deny': {
        const view = await useCases.status(user, command.id);
        const what = view.grant.state === 'active' ? 'extension' : 'request';
        const seen = { digest: view.digest, message: null };
        return decide(user, what, 'deny', command.id, command.note, seen);
      }
      case 'extend':
        return extended(await useCases.extend(user, command.id, command.seconds));
      case 'revoke':
        return ended(await useCases.revoke(user, command.id, command.note.slice(0, LONGEST_NOTE)));
      case 'who':
        return whoMessage(command.namespace, await useCases.who(user, command.namespace));
      case 'help': {
        const { topic, unknown, nearest } = command;
        if (unknown === null) return helpMessage(topic);
        return helpMessage(
          nearest,
          `There is no command '${unknown.slice(0, 50)}'.${nearest === null ? '' : ` Did you mean /jit ${nearest}?`}`,
        );
      }
      case 'wrong':
        return helpMessage(command.topic, command.problem);
      default:
        return command satisfies never;
    }
  }

  /** What was asked for before is told with a link to its message. */
  async function requestedWithLink(requested: Requested): Promise<Message> {
    const { message } = requested.grant;
    if (!requested.isAgain || message === null) return requestedMessage(requested);
    const { channel, ts } = message;
    const link = await quick
      .call('chat.getPermalink', (web) => web.chat.getPermalink({ channel, message_ts: ts }))
      .then(({ permalink }) => permalink ?? null)
      .catch((error: unknown) => {
        log.info({ err: error }, 'the link to a message is not known');
        return null;
      });
    return requestedMessage(requested, link);
  }

  async function inspected(user: string, id: string): Promise<Message> {
    const seen = await useCases.inspect(user, id);
    return 'access' in seen ? accessMessage(seen.access) : statusMessage(seen.view, seen.anew);
  }

  async function decide(
    user: string,
    what: 'request' | 'extension',
    verdict: Verdict,
    id: string,
    words: string,
    seen: Seen,
  ): Promise<Message> {
    if (what === 'request') return decided(await useCases.review(user, id, verdict, words, seen), verdict, seen);
    const view = await useCases.reviewExtension(user, id, verdict, words, seen);
    const waits = view.grant.extension !== null;
    return outcomeMessage(
      view,
      verdict === 'deny'
        ? 'The longer window is denied.'
        : waits
          ? 'Your approval of the longer window counts; more are needed.'
          : 'The longer window is approved.',
    );
  }

  /** For which of several steps people must still approve. */
  function forSteps({ steps }: View): string {
    const open = steps.flatMap(({ name, state }) => (state === 'asked' || state === 'waits' ? [name] : []));
    return steps.length > 1 ? `, for ${open.join(', ')}` : '';
  }

  function decided(view: View, verdict: Verdict, seen: Seen): Message {
    const { grant, missing } = view;
    if (verdict === 'deny') return outcomeMessage(view, grant.state === 'denied' ? 'Denied.' : 'It was not denied.');
    if (view.digest !== seen.digest)
      return outcomeMessage(
        view,
        'The plan has changed since you saw it, so your approval does not count. Look again.',
      );
    return outcomeMessage(
      view,
      grant.state === 'pending'
        ? `Your approval counts; ${missing} more needed${forSteps(view)}.`
        : 'Your approval counts. The message of the request says when access is open.',
    );
  }

  function extended(view: View): Message {
    const { extension } = view.grant;
    if (extension === null) return outcomeMessage(view, 'Extended.');
    return outcomeMessage(
      view,
      `Asked for ${formatDuration(extension.duration)} more${instead(extension)}: the approvers decide.`,
    );
  }

  function ended(view: View): Message {
    const { state } = view.grant;
    if (state === 'cancelled') return outcomeMessage(view, 'Withdrawn.');
    return outcomeMessage(view, state === 'revoked' ? 'Revoked.' : "Revoking; the request's message will confirm.");
  }

  // --- Buttons ------------------------------------------------------------------------------------------------------------------------

  /**
   * A button of ours in a message: acked, guarded, handled once. `work` answers what the person is told, or null for nothing; in a message
   * that only this person sees it takes the place of the message, unless that one `stays`.
   */
  function onButton(
    actionId: string,
    work: (click: { user: string; value: unknown; seen: () => Seen; body: BlockAction }) => Promise<Message | null>,
    stays = false,
  ): void {
    app.action<BlockAction>(actionId, ({ ack, body, action, respond }) =>
      track(
        (async () => {
          await ack();
          const where: Where = { user: body.user.id, channel: body.channel?.id, respond, thread: threadOf(body) };
          await guard(actionId, where, async () => {
            if (await twice('action', body.trigger_id)) return;
            const value = 'value' in action ? action.value : undefined;
            const seen = (): Seen => ({ digest: carried(value).digest, message: messageOf(body.container) });
            const told = await work({ user: where.user, value, seen, body });
            if (told !== null) await answer(where, told, !stays && body.container['is_ephemeral'] === true);
          });
        })(),
      ),
    );
  }

  for (const [actionId, verdict, of] of [
    [ACTIONS.approve, 'approve', 'request'],
    [ACTIONS.approveExtension, 'approve', 'extension'],
    [ACTIONS.deny, 'deny', 'request'],
    [ACTIONS.denyExtension, 'deny', 'extension'],
  ] as const)
    onButton(actionId, async ({ user, value, seen, body }) => {
      const { id, note: words } = carried(value);
      const { digest, message } = seen();
      const rule = words === '' ? await useCases.noteOn(id, verdict) : 'none';
      if (rule === 'none' || rule === 'in the line') return decide(user, of, verdict, id, words, { digest, message });
      const form = noteModal(verdict, { id, digest, message, of }, rule === 'required');
      await quick.call('views.open', (web) => web.views.open({ trigger_id: body.trigger_id, view: form }));
      return null;
    });

  onButton(ACTIONS.revoke, async ({ user, value }) => ended(await useCases.revoke(user, carried(value).id, '')));
  onButton(ACTIONS.extend, async ({ user, value }) => extended(await useCases.extend(user, carried(value).id, null)));
  onButton(ACTIONS.status, ({ user, value }) => inspected(user, carried(value).id));
  onButton(ACTIONS.look, async ({ user, value }) => reviewMessage(await useCases.status(user, carried(value).id), ''));

  for (const [actionId, stays] of [
    [ACTIONS.showAll, true],
    [ACTIONS.page, false],
  ] as const)
    onButton(
      actionId,
      async ({ user, value }) => {
        const { id, page } = carried(value);
        return networkMessage(await useCases.status(user, id), page ?? 0);
      },
      stays,
    );

  // --- The request modal --------------------------------------------------------------------------------------------------------------

  /** A trigger id lives for three seconds and the lookups may take longer: first an empty modal, then the form. */
  async function openRequest({ trigger_id, user_id }: SlashCommand): Promise<void> {
    const opened = await quick.call('views.open', (web) => web.views.open({ trigger_id, view: loadingModal() }));
    const { id, hash } = opened.view ?? {};
    if (id !== undefined) await showForm(user_id, { id, hash }, () => NOTHING_CHOSEN);
  }

  /**
   * Renders the form for what has been chosen, unless something else was done in the modal meanwhile: that draws it. Errors are shown in the
   * modal: that is where the person looks.
   */
  async function showForm(
    user: string,
    { id, hash }: { readonly id: string; readonly hash: string | undefined },
    chosen: () => Choice,
  ): Promise<void> {
    const isLast = await takeTurn(id);
    const form = await Promise.resolve()
      .then(() => formFor(user, chosen()))
      .catch((error: unknown) => noticeModal(sayError(error, 'request modal', log).text));
    if (!(await isLast())) return;
    try {
      await showView(id, form, hash).catch(async (error: unknown) => {
        // Somebody was faster: an older form goes, a newer one stays.
        if (slackError(error) !== 'hash_conflict') throw error;
        if (await isLast()) await showView(id, form);
      });
    } catch (error) {
      // The person may have closed it meanwhile.
      log.info({ err: error }, 'the modal could not be updated');
    }
  }

  async function formFor(user: string, choice: Choice): Promise<types.ModalView> {
    const offers = await useCases.offers(user);
    const { offer, namespace } = settle(offers, choice);
    if (offer === null || namespace === null || offer.scope === 'namespace') return requestModal(offers, choice, null);
    const workloads = await useCases.workloads(user, offer.profile, namespace).catch((error: unknown) => {
      // The target can be typed as well.
      log.warn({ err: error, namespace }, 'workloads can not be listed');
      return null;
    });
    return requestModal(offers, choice, workloads);
  }

  /** A button or field that leads to the form: `chosen` reads from the modal what to show in it. */
  function onForm(actionId: string, chosen: (view: ViewOutput) => Choice): void {
    app.action<BlockAction>(actionId, ({ ack, body }) =>
      track(
        (async () => {
          await ack();
          const { view, user } = body;
          if (view !== undefined) await showForm(user.id, view, () => chosen(view));
        })(),
      ),
    );
  }

  onForm(ACTIONS.profile, (view) => choiceOf(valuesOf(view)));
  onForm(ACTIONS.namespace, (view) => choiceOf(valuesOf(view)));
  onForm(ACTIONS.back, ({ private_metadata }) =>
    private_metadata === '' ? NOTHING_CHOSEN : choiceToAsk(carriedAsked(private_metadata).ask),
  );

  /** What comes of a modal that was submitted. */
  interface Outcome {
    /** What the modal shows next. */
    readonly view: types.ModalView;
    /** While the modal that was submitted is still there: what is wrong, beside its fields, instead. */
    readonly errors?: FieldErrors;
    /** What the person is told when the modal can't show it any more. */
    readonly told: Message;
    /** True when somebody who has closed the modal meanwhile has no need to know: nothing was done. */
    readonly idle?: boolean;
  }

  const SENT = 'This was sent already. /jit list shows what came of it.';
  const SENT_ALREADY: Outcome = { view: noticeModal(SENT), told: note(SENT) };

  function onSubmit(callbackId: string, work: (user: string, view: ViewOutput) => Promise<Outcome>): void {
    app.view(callbackId, ({ ack, body, view }) =>
      track(
        (async () => {
          const acknowledge = ack as AckFn<ViewResponseAction | void>;
          const triggerId = 'trigger_id' in body ? body.trigger_id : undefined;
          const outcome = twice('view', triggerId)
            .then((again) => (again ? SENT_ALREADY : work(body.user.id, view)))
            .catch(async (error: unknown): Promise<Outcome> => {
              if (error instanceof StrangeControl) await useCases.turnAway(body.user.id, callbackId, error);
              return failed(valuesOf(view), error, callbackId);
            });
          const timely = await Promise.race([outcome, sleep(MODAL_PATIENCE, 'late' as const)]);
          // A form that is still in the making is not drawn over what comes now; beside errors it is what they wait for.
          if (timely === 'late' || timely.errors === undefined)
            await Promise.race([takeTurn(view.id), sleep(TURN_PATIENCE)]);
          if (timely !== 'late')
            await acknowledge(
              timely.errors === undefined
                ? { response_action: 'update', view: timely.view }
                : { response_action: 'errors', errors: timely.errors },
            );
          else {
            await acknowledge({
              response_action: 'update',
              view: loadingModal('Working it out: this takes a moment …'),
            });
            const [late] = await Promise.all([outcome, sleep(ANSWER_SETTLES)]);
            await showLate(body.user.id, view.id, late);
          }
        })(),
      ),
    );
  }

  /** Shows what came after the modal was answered; where the modal is gone, or Slack does not take it, by a message. */
  async function showLate(user: string, viewId: string, { view, told, idle = false }: Outcome): Promise<void> {
    try {
      await showView(viewId, view);
    } catch (error) {
      log.info({ err: error }, 'the modal could not be updated');
      if (idle && slackError(error) === 'not_found') return;
      await answer({ user, channel: undefined, respond: undefined }, told);
    }
  }

  /** An error of a form: beside a field where it has any, else as words. */
  function failed(values: StateValues, error: unknown, doing: string): Outcome {
    const { text, refusal } = sayError(error, doing, log);
    const hasFields = Object.keys(values).length > 0;
    return {
      view: noticeModal(text),
      told: note(text),
      ...(hasFields && { errors: errorsOf(values, text, refusal) }),
    };
  }

  onSubmit(MODALS.request, async (user, view) => {
    const values = valuesOf(view);
    const filled = askOf(values);
    if ('errors' in filled) {
      const text = Object.values(filled.errors).join(' ');
      return { errors: filled.errors, view: noticeModal(text), told: note(text), idle: true };
    }
    try {
      const proposal = await useCases.preview(user, filled.ask);
      const { asked, missed } = proposal;
      if (asked !== undefined) return { ...(await shownAsRequested({ ...asked, missed, isAgain: true })), idle: true };
      return { ...previewed(proposal, filled.ask, false), idle: true };
    } catch (error) {
      const { text, refusal } = sayError(error, 'preview', log);
      return { ...refused(text, filled.ask), errors: errorsOf(values, text, refusal), idle: true };
    }
  });

  onSubmit(MODALS.confirm, async (user, view) => {
    const { ask, digest } = carriedAsked(view.private_metadata);
    // Slack's "Try again?" after an answer that it missed: a new delivery of the very view that was sent already.
    if (await twice('confirmed', `${view.id}:${view.hash}`)) return SENT_ALREADY;
    try {
      const result = await useCases.requestAsShown(user, ask, digest ?? '');
      if ('changed' in result) return previewed(result.changed, ask, true);
      return await shownAsRequested(result.requested);
    } catch (error) {
      return refused(sayError(error, 'request', log).text, ask);
    }
  });

  const shownAsRequested = async (requested: Requested): Promise<Outcome> => {
    const told = await requestedWithLink(requested);
    return { view: requestedModal(told), told };
  };

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

  for (const verdict of ['approve', 'deny'] as const)
    onSubmit(MODALS[verdict], async (user, view) => {
      const { id, digest, message, of } = carriedNoted(view.private_metadata);
      const told = await decide(user, of, verdict, id, noteOf(valuesOf(view)), { digest, message });
      return { view: outcomeModal(told.blocks), told };
    });
}

/** The thread of the message that a button was in; undefined for a message that is in none, or begins one. */
function threadOf({ message }: BlockAction): string | undefined {
  const thread: unknown = message?.['thread_ts'];
  return typeof thread === 'string' && thread !== message?.ts ? thread : undefined;
}

function valuesOf(view: { readonly state: { readonly values: unknown } }): StateValues {
  return view.state.values as StateValues;
}
