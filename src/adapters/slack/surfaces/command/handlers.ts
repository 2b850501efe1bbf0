import { LONGEST_NOTE } from '../../../../domain/decide/notes.ts';
import { ACTIONS, carriedLine, StrangeControl } from '../actions.ts';
import { answer, answeringErrors, isRepeated, type Where } from '../answers.ts';
import { reviewMessage } from '../approval-message/message.ts';
import { onButton } from '../buttons.ts';
import type { SurfaceContext } from '../context.ts';
import { decide, ended, extended, inspected, requestedWithLink, reviewed } from '../decisions.ts';
import { openForm, type Trigger } from '../form/handlers.ts';
import { choiceToAsk, inOneLine } from '../form/modal.ts';
import { type Message, note } from '../text/blocks.ts';
import { escape } from '../text/text.ts';
import { everythingMessage, helpMessage, listMessage, readingsMessage, whoMessage } from './messages.ts';
import { type Command, parseCommand, type ScopeOf } from './parse.ts';

/** `/jit`. */
export function registerCommand(context: SurfaceContext): void {
  registerReadings(context);
  const { app, track } = context;
  app.command('/jit', ({ ack, command, respond }) =>
    track(
      (async () => {
        await ack();
        const where: Where = { user: command.user_id, channel: command.channel_id, respond };
        const tell = (words: Message) => answer(context, where, words);
        await answeringErrors(context, 'command', where.user, tell, async () => {
          if (await isRepeated(context, 'command', command.trigger_id)) return;
          const parsed = parseCommand(command.text ?? '', (profile) => context.useCases.scopeOf(profile));
          if (parsed.kind === 'modal') await openForm(context, command);
          else if (parsed.kind === 'again') await askAgain(context, command, parsed.id, where);
          else if (!(await isOpenedInForm(context, command, parsed)))
            await answer(context, where, await run(context, parsed, command.user_id));
        });
      })(),
    ),
  );
}

/** Which of two readings was meant: the line is taken as if it had been typed so, by the one who typed it. */
function registerReadings(context: SurfaceContext): void {
  const scopeOf: ScopeOf = (profile) => context.useCases.scopeOf(profile);
  for (const actionId of [ACTIONS.reading, ACTIONS.otherReading])
    onButton(context, actionId, async ({ user, value, body }) => {
      // What was typed has been read once: nothing in it is Slack's any more.
      const parsed = parseCommand(escape(carriedLine(value, user)), scopeOf);
      if (parsed.kind !== 'request' && !('begun' in parsed || 'readings' in parsed)) throw new StrangeControl();
      const trigger = { trigger_id: body.trigger_id, user_id: user };
      return (await isOpenedInForm(context, trigger, parsed)) ? null : run(context, parsed, user);
    });
}

/** In the form, filled as it was; where that does not open, as a line. */
async function askAgain(context: SurfaceContext, trigger: Trigger, id: string, where: Where): Promise<void> {
  const again = () => context.useCases.again(trigger.user_id, id).then(choiceToAsk);
  await openForm(context, trigger, again).catch(async (error: unknown) => {
    context.log.info({ err: error }, 'the form could not be opened');
    await answer(context, where, await run(context, { kind: 'again', id }, trigger.user_id));
  });
}

/** A request that ends too early is gone on with in the form; where that does not open, it is answered like any that is wrong. */
async function isOpenedInForm(context: SurfaceContext, trigger: Trigger, parsed: Command): Promise<boolean> {
  if (parsed.kind !== 'wrong' || parsed.begun === undefined) return false;
  const { begun, begunStart } = parsed;
  const whole = async () => ({
    ...begun,
    ...(begunStart && { start: await context.useCases.startOf(trigger.user_id, begunStart) }),
  });
  try {
    await openForm(context, trigger, whole);
    return true;
  } catch (error) {
    context.log.info({ err: error }, 'the form could not be opened');
    return false;
  }
}

async function run(
  context: SurfaceContext,
  command: Exclude<Command, { kind: 'modal' }>,
  user: string,
): Promise<Message> {
  const { useCases } = context;
  switch (command.kind) {
    case 'request':
      return requestedWithLink(context, await useCases.request(user, command.ask));
    case 'review':
      return reviewed(context, user, command.id, command.verdict, command.note);
    case 'list':
      return command.page === null
        ? listMessage(await useCases.list(user))
        : everythingMessage(await useCases.everything(user, command.page));
    case 'again':
      // Where the form can't be opened: the line says the same.
      return note(`To ask for it again, type: ${inOneLine(await useCases.again(user, command.id))}`);
    case 'status':
      return inspected(context, user, command.id);
    case 'approve':
      return reviewMessage(await useCases.consider(user, command.id, command.note), command.note);
    case 'deny': {
      const view = await useCases.status(user, command.id);
      const what = view.grant.state === 'active' ? 'extension' : 'request';
      const seen = { digest: view.digest, message: null };
      return decide(context, user, what, 'deny', command.id, command.note, seen);
    }
    case 'extend':
      return extended(await useCases.extend(user, command.id, command.seconds));
    case 'revoke':
      return ended(await useCases.revoke(user, command.id, command.note.slice(0, LONGEST_NOTE)));
    case 'who':
      return whoMessage(command, await useCases.who(user, command.namespace, command.cluster));
    case 'help': {
      const { topic, unknown, nearest } = command;
      if (unknown === null) return helpMessage(topic);
      return helpMessage(
        nearest,
        `There is no command '${unknown.slice(0, 50)}'.${nearest === null ? '' : ` Did you mean /jit ${nearest}?`}`,
      );
    }
    case 'wrong':
      return command.readings === undefined
        ? helpMessage(command.topic, command.problem)
        : readingsMessage(command.problem, command.readings, user);
    default:
      return command satisfies never;
  }
}
