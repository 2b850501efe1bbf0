import type { RespondFn } from '@slack/bolt';
import { touching } from '../../../domain/errors.ts';
import { directChannel, postMessage } from '../client.ts';
import { StrangeControl } from './actions.ts';
import type { SurfaceContext } from './context.ts';
import type { Message } from './text/blocks.ts';
import { saidMessage, sayError } from './text/say.ts';

/** How one person is answered, alone, wherever something was done. */

export interface Where {
  readonly user: string;
  readonly channel: string | undefined;
  readonly respond: RespondFn | undefined;
  /** The thread that it was done in, where it was in one. */
  readonly thread?: string | undefined;
}

/** True when Slack delivers it again. @throws Unavailable while that can't be known: nothing is done before */
export async function isRepeated(
  { seenBefore, log }: SurfaceContext,
  kind: string,
  id: string | undefined,
): Promise<boolean> {
  if (id === undefined) return false;
  const again = await seenBefore(`slack:${kind}:${id}`).catch((error: unknown) => {
    throw touching(error, false);
  });
  if (!again) return false;
  log.info({ kind }, 'delivered twice: handled once');
  return true;
}

/**
 * Tells one person alone: by the response_url, else as an ephemeral message, else as a direct message. In a thread the ephemeral message comes
 * first: what is posted to a response_url appears outside of it. Never throws.
 */
export async function answer(
  { connection: { quick }, log }: SurfaceContext,
  { user, channel, respond, thread }: Where,
  message: Message,
  replace = false,
): Promise<void> {
  const payload = { text: message.text, blocks: message.blocks };
  const inThread = thread === undefined ? {} : { thread_ts: thread };
  const byUrl =
    respond === undefined ? [] : [() => respond({ ...payload, response_type: 'ephemeral', replace_original: replace })];
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

/** Runs what a person asked for; an error becomes words for that person alone, which `tell` tells. */
export async function answeringErrors(
  context: SurfaceContext,
  doing: string,
  user: string,
  tell: (words: Message) => Promise<void>,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof StrangeControl) await context.useCases.turnAway(user, doing, error);
    await tell(saidMessage(sayError(error, doing, context.log)));
  }
}
