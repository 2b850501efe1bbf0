import { setTimeout as sleep } from 'node:timers/promises';
import { LogLevel, type Logger as SlackLogger, type types, webApi } from '@slack/bolt';
import type { Logger } from 'pino';
import { Unavailable } from '../../domain/errors.ts';
import type { MessageRef } from '../../domain/grant/grant.ts';

/** Calls of Slack's Web API, with limits on how long they may take. */
export interface SlackClient {
  /**
   * Runs one call. `method` names it (`chat.postMessage`): Slack limits each method by itself, and messages in each `channel`.
   * https://docs.slack.dev/apis/web-api/rate-limits
   * @throws Unavailable with Slack's error as its cause: see {@link slackError}
   */
  call<T>(method: string, run: (web: webApi.WebClient) => Promise<T>, channel?: string): Promise<T>;
}

export interface SlackClientOptions {
  readonly token: string;
  readonly apiUrl?: string | undefined;
  readonly fetch: typeof fetch;
  readonly log: Logger;
  /** Counts a call that failed: with Slack's word for it, `ratelimited`, or `unreachable`. */
  readonly onError: (method: string, error: string) => void;
  /** Milliseconds for one attempt. */
  readonly timeout: number;
  /** How often a call is tried again after a network error or 5xx. Zero for what must not be done twice. */
  readonly retries: number;
}

/**
 * Milliseconds for which a call sits out a rate limit (429). What would wait longer fails at once, and the queue repeats it in time: while messages
 * are edited too often, others can be posted.
 */
const PATIENCE = 1500;
/** Rate limits in a row that one call sits out. */
const MOST_WAITS = 3;

export function createSlackClient(options: SlackClientOptions): SlackClient {
  const { token, apiUrl, log, onError, timeout, retries } = options;
  const web = new webApi.WebClient(token, {
    ...(apiUrl !== undefined && { slackApiUrl: apiUrl }),
    fetch: options.fetch,
    logger: slackLogger(log),
    timeout,
    retryConfig: { retries, minTimeout: 100, maxTimeout: 500 },
    // The client's own way is to wait as long as Slack says, which may be minutes.
    rejectRateLimitedCalls: true,
  });
  const limitedUntil = new Map<string, number>();

  return {
    async call(method, run, channel = '') {
      const limited = `${method} ${channel}`;
      for (let waits = 0; ; waits++) {
        const wait = (limitedUntil.get(limited) ?? 0) - performance.now();
        if (wait > PATIENCE || (wait > 0 && waits === MOST_WAITS))
          throw new Unavailable('Slack', `${method} is rate limited for ${Math.ceil(wait / 1000)} s`, {
            retryIn: Math.ceil(wait / 1000),
          });
        if (wait > 0) await sleep(wait);
        try {
          return await run(web);
        } catch (error) {
          const isLimited = error instanceof webApi.WebAPIRateLimitedError;
          onError(method, isLimited ? 'ratelimited' : (slackError(error) ?? 'unreachable'));
          if (!isLimited) throw new Unavailable('Slack', `${method}: ${messageOf(error)}`, { cause: error });
          limitedUntil.set(limited, performance.now() + Math.max(1, error.retryAfter) * 1000);
        }
      }
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Posts a message; nothing in it is unfurled or linked. Answers where it is. @throws Unavailable */
export async function postMessage(
  client: SlackClient,
  message: { readonly channel: string; readonly text: string; readonly blocks: types.KnownBlock[] },
  thread?: { readonly ts: string; readonly broadcast: boolean },
): Promise<MessageRef> {
  const content = { ...message, unfurl_links: false, unfurl_media: false, link_names: false } as const;
  const reply = thread && { thread_ts: thread.ts, ...(thread.broadcast && ({ reply_broadcast: true } as const)) };
  const answer = await client.call(
    'chat.postMessage',
    (web) => web.chat.postMessage({ ...content, ...reply } as webApi.ChatPostMessageArguments),
    message.channel,
  );
  if (answer.channel === undefined || answer.ts === undefined)
    throw new Unavailable('Slack', 'chat.postMessage does not say where the message is');
  return { channel: answer.channel, ts: answer.ts };
}

/** The conversation with one person. @throws Unavailable */
export async function directChannel(client: SlackClient, slackId: string): Promise<string> {
  const answer = await client.call('conversations.open', (web) => web.conversations.open({ users: slackId }));
  if (answer.channel?.id === undefined) throw new Unavailable('Slack', 'conversations.open names no channel');
  return answer.channel.id;
}

/** Slack's own word for what is wrong (`message_not_found`), or null when Slack did not answer in words. */
export function slackError(error: unknown): string | null {
  const cause = error instanceof Unavailable ? error.cause : error;
  return cause instanceof webApi.WebAPIPlatformError ? cause.data.error : null;
}

/** Errors by which Slack says that it has troubles of its own. */
const PASSING = new Set([
  'internal_error',
  'fatal_error',
  'service_unavailable',
  'ratelimited',
  'request_timeout',
  'accesslimited',
]);

/** Slack's own word for what a person must mend; null where it may go away by itself, or Slack did not answer in words. */
export function lastingError(error: unknown): string | null {
  const word = slackError(error);
  return word === null || PASSING.has(word) ? null : word;
}

/** A logger for the vendor's code: what it calls debug are whole payloads, which are nobody's business. */
export function slackLogger(log: Logger): SlackLogger {
  const say =
    (level: 'trace' | 'debug' | 'warn') =>
    (...parts: unknown[]): void => {
      const error = parts.find((part) => part instanceof Error);
      log[level]({ ...(error && { err: error }) }, parts.filter((part) => typeof part === 'string').join(' '));
    };
  return {
    debug: () => {},
    info: say('debug'),
    warn: say('warn'),
    error: say('warn'),
    setLevel: () => {},
    getLevel: () => LogLevel.INFO,
    setName: () => {},
  };
}
