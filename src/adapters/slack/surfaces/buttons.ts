import type { BlockAction, RespondFn } from '@slack/bolt';
import type { Seen } from '../../../app/ports/use-cases.ts';
import { ACTIONS, carried, carryPage, messageOf, shownOfAll } from './actions.ts';
import { answer, answeringErrors, isRepeated, type Where } from './answers.ts';
import type { SurfaceContext } from './context.ts';
import { publishHome } from './home/publish.ts';
import { showView } from './modals.ts';
import type { Message } from './text/blocks.ts';
import { messageModal } from './text/modals.ts';
import { unescape } from './text/text.ts';

/** A click on a button of ours. */
export interface Click {
  readonly user: string;
  readonly value: unknown;
  /** What a decision by this button is made on. @throws StrangeControl when it carries nothing of ours */
  readonly seen: () => Seen;
  readonly on: 'message' | 'modal' | 'home';
  readonly body: BlockAction;
}

/** Those that show something and do nothing. */
const LOOKS: ReadonlySet<string> = new Set([
  ACTIONS.status,
  ACTIONS.look,
  ACTIONS.details,
  ACTIONS.showAll,
  ACTIONS.page,
]);

/**
 * A button of ours: acked, guarded, handled once. `work` answers what the person is told, or null for nothing: in a message that only this person
 * sees it takes the place of the message, unless that one `stays` (by the button's value); in a modal the place of the modal; on Home it stands at the top.
 */
export function onButton(
  context: SurfaceContext,
  actionId: string,
  work: (click: Click) => Promise<Message | null>,
  stays: (value: unknown) => boolean = () => false,
): void {
  const { app, track } = context;
  app.action<BlockAction>(actionId, ({ ack, body, action, respond }) =>
    track(
      (async () => {
        await ack();
        const user = body.user.id;
        // Slack says where it was; what says nothing of it is refused where that counts.
        const { container } = body as { readonly container?: { readonly is_ephemeral?: unknown } };
        const isSeenAlone = container?.is_ephemeral === true;
        const tell = (words: Message, replace = false) => tellWhere(context, actionId, body, respond, words, replace);
        await answeringErrors(context, actionId, user, tell, async () => {
          if (await isRepeated(context, 'action', body.trigger_id)) return;
          const value = 'value' in action ? action.value : undefined;
          const seen = (): Seen => ({ digest: carried(value).digest, message: messageOf(body.container) });
          const told = await work({ user, value, seen, on: surfaceOf(body), body });
          if (told !== null) await tell(told, isSeenAlone && !stays(value));
        });
      })(),
    ),
  );
}

function surfaceOf({ view }: BlockAction): Click['on'] {
  if (view === undefined) return 'message';
  return view.type === 'home' ? 'home' : 'modal';
}

/** Tells what came of a click where it was clicked. */
async function tellWhere(
  context: SurfaceContext,
  actionId: string,
  body: BlockAction,
  respond: RespondFn | undefined,
  words: Message,
  replace: boolean,
): Promise<void> {
  const { view, user, channel } = body;
  const where: Where = { user: user.id, channel: channel?.id, respond, thread: threadOf(body) };
  if (view === undefined) return answer(context, where, words, replace);
  const shown = shownOfAll(view.private_metadata);
  if (view.type === 'home') return publishHome(context, user.id, { said: unescape(words.text), ...shown });
  const modal = messageModal('Drawbridge', words, carryPage(shown.page, shown.which));
  await showView(context, view.id, modal).catch(async (error: unknown) => {
    context.log.info({ err: error }, 'the modal could not be updated');
    await answer(context, where, words);
  });
  if (!LOOKS.has(actionId)) await publishHome(context, user.id, shown);
}

/** The thread of the message that a button was in; undefined for a message that is in none, or begins one. */
function threadOf({ message }: BlockAction): string | undefined {
  const thread: unknown = message?.['thread_ts'];
  return typeof thread === 'string' && thread !== message?.ts ? thread : undefined;
}
