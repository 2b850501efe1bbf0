import type { BlockAction } from '@slack/bolt';
import type { Seen } from '../../../app/ports/use-cases.ts';
import { carried, messageOf } from './actions.ts';
import { answer, answeringErrors, isRepeated, type Where } from './answers.ts';
import type { SurfaceContext } from './context.ts';
import type { Message } from './text/blocks.ts';

/** A click on a button of ours in a message. */
export interface Click {
  readonly user: string;
  readonly value: unknown;
  /** What a decision by this button is made on. @throws StrangeControl when it carries nothing of ours */
  readonly seen: () => Seen;
  readonly body: BlockAction;
}

/**
 * A button of ours in a message: acked, guarded, handled once. `work` answers what the person is told, or null for nothing; in a message
 * that only this person sees it takes the place of the message, unless that one `stays`.
 */
export function onButton(
  context: SurfaceContext,
  actionId: string,
  work: (click: Click) => Promise<Message | null>,
  stays = false,
): void {
  const { app, track } = context;
  app.action<BlockAction>(actionId, ({ ack, body, action, respond }) =>
    track(
      (async () => {
        await ack();
        const where: Where = { user: body.user.id, channel: body.channel?.id, respond, thread: threadOf(body) };
        await answeringErrors(context, actionId, where, async () => {
          if (await isRepeated(context, 'action', body.trigger_id)) return;
          const value = 'value' in action ? action.value : undefined;
          const seen = (): Seen => ({ digest: carried(value).digest, message: messageOf(body.container) });
          const told = await work({ user: where.user, value, seen, body });
          if (told !== null) await answer(context, where, told, !stays && body.container['is_ephemeral'] === true);
        });
      })(),
    ),
  );
}

/** The thread of the message that a button was in; undefined for a message that is in none, or begins one. */
function threadOf({ message }: BlockAction): string | undefined {
  const thread: unknown = message?.['thread_ts'];
  return typeof thread === 'string' && thread !== message?.ts ? thread : undefined;
}
