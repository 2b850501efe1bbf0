import type { Requested, Seen } from '../../../app/ports/use-cases.ts';
import type { View } from '../../../app/ports/view.ts';
import type { Verdict } from '../../../domain/decide/notes.ts';
import { formatDuration } from '../../../domain/duration.ts';
import type { GlassReview } from '../../../domain/grant/grant.ts';
import { accessMessage, outcomeMessage, requestedMessage, statusMessage } from './command/messages.ts';
import type { SurfaceContext } from './context.ts';
import type { Message } from './text/blocks.ts';
import { instead } from './text/standing.ts';
import { utc } from './text/text.ts';

/** What a person did, carried out, and what that person is told of it: the same from a command, a button or a modal. */

/** What was asked for before is told with a link to its message. */
export async function requestedWithLink(
  { connection: { quick }, log }: SurfaceContext,
  requested: Requested,
): Promise<Message> {
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

export async function inspected({ useCases }: SurfaceContext, user: string, id: string): Promise<Message> {
  const seen = await useCases.inspect(user, id);
  return 'access' in seen ? accessMessage(seen.access) : statusMessage(seen.view, seen.anew);
}

export async function decide(
  { useCases }: SurfaceContext,
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

export async function reviewed(
  { useCases }: SurfaceContext,
  user: string,
  id: string,
  verdict: GlassReview['verdict'],
  words: string,
): Promise<Message> {
  const view = await useCases.reviewBreakGlass(user, id, verdict, words);
  return outcomeMessage(view, verdict === 'accepted' ? 'Accepted.' : 'Flagged: administrators are told.');
}

/** For which of several steps people must still approve. */
function forSteps({ steps }: View): string {
  const open = steps.flatMap(({ name, state }) => (state === 'asked' || state === 'waits' ? [name] : []));
  return steps.length > 1 ? `, for ${open.join(', ')}` : '';
}

export function decided(view: View, verdict: Verdict, seen: Seen): Message {
  const { grant, missing } = view;
  if (verdict === 'deny') return outcomeMessage(view, grant.state === 'denied' ? 'Denied.' : 'It was not denied.');
  if (view.digest !== seen.digest)
    return outcomeMessage(view, 'The plan has changed since you saw it, so your approval does not count. Look again.');
  return outcomeMessage(
    view,
    grant.state === 'pending'
      ? `Your approval counts; ${missing} more needed${forSteps(view)}.`
      : 'Your approval counts. The message of the request says when access is open.',
  );
}

export function extended(view: View): Message {
  const { extension, expiresAt } = view.grant;
  if (extension === null) return outcomeMessage(view, 'Extended.');
  const until = expiresAt === null ? '' : `, until ${utc(expiresAt + extension.duration * 1000)}`;
  return outcomeMessage(
    view,
    `Extension requested: ${formatDuration(extension.duration)} more${until}${instead(extension)}. The approvers decide.`,
  );
}

export function ended(view: View): Message {
  const { state } = view.grant;
  if (state === 'cancelled') return outcomeMessage(view, 'Withdrawn.');
  return outcomeMessage(view, state === 'revoked' ? 'Revoked.' : "Revoking; the request's message will confirm.");
}
