import { setTimeout as sleep } from 'node:timers/promises';
import { type App, type Receiver, webApi } from '@slack/bolt';
import type { Logger } from 'pino';
import type { Dispatcher } from 'undici';
import type { Lack } from '../../app/ports/conditions.ts';
import { lastingError, slackLogger } from './client.ts';
import { refusedAppToken } from './connection.ts';
import { type Envelope, openSocket, type Socket } from './socket.ts';

/** How Slack reaches the bot. */
export interface Link {
  readonly receiver: Receiver;
  /** What keeps Slack from reaching the bot now, in words for an operator; null when nothing does. */
  trouble(): string | null;
  /** What of it a person must mend; null: nothing that is known. */
  lack(): Lack | null;
  /** Resolves once Slack can reach the bot, with the port in HTTP mode. */
  open(): Promise<number | null>;
  close(): Promise<void>;
}

export interface SocketLinkOptions {
  readonly appToken: string;
  readonly apiUrl: string | undefined;
  readonly dispatcher: Dispatcher;
  readonly fetch: typeof fetch;
  readonly log: Logger;
  /** Tells administrators what only a person can mend. */
  readonly tell: (what: string) => void;
  /** Called with each connection. */
  readonly connected: () => void;
  readonly stopping: AbortSignal;
  /** Milliseconds after which a connection counts as one that works (10,000): the next failure begins a new count. */
  readonly settledAfter?: number | undefined;
}

const SETTLED_AFTER = 10_000;
/** Slack sends `too_many_websockets` right after its hello; and what it sent before it knew of this connection arrives within that time too. */
const PROVED_AFTER = 1000;
const LONGEST_PAUSE = 30_000;
const OPEN_WITHIN = 10_000;
const STOP_WITHIN = 5000;

/** After these Slack still takes answers, and delivers where it has no other connection. */
const STAYS = new Set(['warning', 'refresh_requested']);

/** Slack's reasons that a person must look into. https://docs.slack.dev/apis/events-api/using-socket-mode */
const REASONS: Readonly<Record<string, string>> = {
  link_disabled: 'Socket Mode is switched off for the Slack app: switch it on under "Socket Mode" in its settings.',
  too_many_websockets:
    'the Slack app has more Socket Mode connections than Slack allows (10): another bot uses the same app token, or there are too many replicas.',
};

/**
 * Keeps a Socket Mode connection. At each of Slack's refreshes (about once an hour) the next connection is opened before the old one is left, so
 * that no moment is without one and no answer is lost: https://docs.slack.dev/apis/events-api/using-socket-mode
 */
export function createSocketLink(options: SocketLinkOptions): Link {
  const { log, tell, connected, stopping, settledAfter = SETTLED_AFTER } = options;
  const web = new webApi.WebClient(options.appToken, {
    ...(options.apiUrl !== undefined && { slackApiUrl: options.apiUrl }),
    fetch: options.fetch,
    logger: slackLogger(log),
    timeout: OPEN_WITHIN,
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
  });
  const sockets = new Set<Socket>();
  const stopped = new Promise<string>((resolve) => {
    stopping.addEventListener('abort', () => resolve('stopped'), { once: true });
  });
  let app: App | null = null;
  let loop: Promise<void> | null = null;
  let trouble: string | null = 'not connected yet';
  /** Slack's word for why it gives no connection, until it gives one. */
  let refusal: string | null = null;
  /** What administrators were told, until a connection stays. */
  let told: string | null = null;

  function receive({ payload: body, retry_attempt, retry_reason }: Envelope, ack: (answer?: unknown) => Promise<void>) {
    const event = {
      body,
      ack,
      ...(retry_attempt !== undefined && { retryNum: retry_attempt }),
      ...(retry_reason !== undefined && { retryReason: retry_reason }),
    };
    app?.processEvent(event).catch((error: unknown) => log.error({ err: error }, 'what Slack sent was not handled'));
  }

  async function connect(): Promise<Socket> {
    const { url } = await web.apps.connections.open({});
    if (url === undefined) throw new Error('apps.connections.open names no address');
    return openSocket({ url, dispatcher: options.dispatcher, receive });
  }

  async function leave(socket: Socket, now: boolean): Promise<void> {
    await socket.leave(now);
    sockets.delete(socket);
  }

  /** Once a connection has proved that Slack lets it stay, those before it are left. */
  async function takeOver(socket: Socket): Promise<void> {
    const sentAway = await Promise.race([socket.leaving, sleep(PROVED_AFTER, null, { ref: false })]);
    if (sentAway !== null) return;
    told = null;
    for (const old of sockets) if (old !== socket) void leave(old, false);
  }

  async function stayConnected(onFirst: () => void): Promise<void> {
    for (let failures = 0; !stopping.aborted; ) {
      let atLeast = 0;
      try {
        const socket = await connect();
        const since = performance.now();
        sockets.add(socket);
        trouble = null;
        refusal = null;
        log.info('connected to Slack');
        connected();
        onFirst();
        void takeOver(socket);
        const reason = await Promise.race([socket.leaving, stopped]);
        if (!STAYS.has(reason)) void leave(socket, true);
        // Each hello alone would begin the count anew, and a connection that is sent away at once be asked for without a pause.
        failures = performance.now() - since < settledAfter ? failures + 1 : 0;
        if (!stopping.aborted) note(reason);
      } catch (error) {
        failures += 1;
        refusal = lastingError(error) ?? refusal;
        if (error instanceof webApi.WebAPIRateLimitedError) atLeast = error.retryAfter * 1000;
        if (sockets.size === 0) trouble ??= 'not connected';
        log.warn({ err: error, failures }, 'no connection to Slack: trying again');
      }
      if (failures > 0) await pause(failures, atLeast);
    }
  }

  /** Why a connection ends. */
  function note(reason: string): void {
    const words = REASONS[reason];
    if (words === undefined) {
      log.info({ reason }, 'a connection to Slack ends');
      if (!STAYS.has(reason)) trouble = 'not connected';
      return;
    }
    log.error({ reason }, words);
    if (told !== words) tell(words);
    told = words;
    trouble = words;
  }

  async function pause(failures: number, atLeast: number): Promise<void> {
    const wait = Math.min(LONGEST_PAUSE, 500 * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2);
    await sleep(Math.max(wait, atLeast), undefined, { signal: stopping }).catch(() => {});
  }

  return {
    receiver: {
      init(given) {
        app = given;
      },
      start: async () => {},
      stop: async () => {},
    },
    trouble: () => trouble,
    lack: () => (refusal === null || sockets.size > 0 ? null : refusedAppToken(refusal)),
    open: () =>
      new Promise((resolve, reject) => {
        loop = stayConnected(() => resolve(null)).then(() => resolve(null), reject);
      }),
    async close() {
      await Promise.race([loop, sleep(STOP_WITHIN, undefined, { ref: false })]);
      await Promise.race([
        Promise.all([...sockets].map((socket) => socket.leave(true))),
        sleep(STOP_WITHIN, undefined, { ref: false }),
      ]);
      trouble = 'stopped';
    },
  };
}
