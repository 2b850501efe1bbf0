import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Dispatcher, ping, WebSocket } from 'undici';

/** What Slack sends over Socket Mode. https://docs.slack.dev/apis/events-api/using-socket-mode */
export interface Envelope {
  readonly envelope_id: string;
  readonly payload: Record<string, unknown>;
  readonly retry_attempt?: number;
  readonly retry_reason?: string;
}

/** One Socket Mode connection, from Slack's hello on. */
export interface Socket {
  /**
   * Settles when another connection must take its place: with Slack's reason (`warning`, `refresh_requested`, `link_disabled`,
   * `too_many_websockets`), `silent` when nothing was heard for too long, or `closed`. Until it is left it takes what still comes.
   */
  readonly leaving: Promise<string>;
  /** Waits until Slack sends nothing more here and all that it sent is answered, then hangs up; `now` waits for the answers alone. */
  leave(now?: boolean): Promise<void>;
}

export interface SocketOptions {
  readonly url: string;
  readonly dispatcher: Dispatcher;
  /** Called for each envelope. `ack` answers it, once. @throws by ack Error when the connection is gone */
  readonly receive: (envelope: Envelope, ack: (answer?: unknown) => Promise<void>) => void;
}

const HELLO_WITHIN = 15_000;
const PING_EVERY = 5000;
/** Milliseconds without a word, ping or pong after which nobody is there. Slack pings more often. */
const SILENCE = 20_000;
/** Slack says `warning` about ten seconds before it asks to go: until then it delivers here. */
const WARNED_FOR = 15_000;
/** Slack takes an answer for three seconds. */
const ACK_WITHIN = 3000;
/** Slack answers a goodbye, and leaves TCP open: https://github.com/slackapi/node-slack-sdk/issues/2752 */
const GOODBYE_WITHIN = 500;

/** Opens a connection. @throws Error when Slack does not say hello */
export async function openSocket({ url, dispatcher, receive }: SocketOptions): Promise<Socket> {
  let raw: Duplex | null = null;
  const socket = new WebSocket(url, {
    dispatcher: keepingRawSocket(dispatcher, (duplex) => {
      raw = duplex;
    }),
  });
  const hello = Promise.withResolvers<void>();
  const leaving = Promise.withResolvers<string>();
  /** Slack sends nothing more here. */
  const dismissed = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  const unanswered = new Set<string>();
  let idle = Promise.withResolvers<void>();
  idle.resolve();

  function hangUp(why: string): void {
    if (raw === null) socket.close();
    raw?.destroy();
    end(why);
  }

  function end(why: string): void {
    clearInterval(heart);
    unsubscribe('undici:websocket:ping', onSign);
    unsubscribe('undici:websocket:pong', onSign);
    hello.reject(new Error(`Slack ended the connection before it said hello: ${why}`));
    leaving.resolve(why);
    dismissed.resolve();
    gone.resolve();
  }

  // By a clock that is never set: a step of the wall clock is no silence.
  let heardAt = performance.now();
  const onSign = (message: unknown): void => {
    if ((message as { websocket?: unknown }).websocket === socket) heardAt = performance.now();
  };
  subscribe('undici:websocket:ping', onSign);
  subscribe('undici:websocket:pong', onSign);
  const heart = setInterval(() => {
    if (performance.now() - heardAt > SILENCE) hangUp('silent');
    else if (socket.readyState === WebSocket.OPEN) ping(socket);
  }, PING_EVERY);

  socket.addEventListener('close', () => end('closed'));
  socket.addEventListener('error', ({ message }) => end(message));
  socket.addEventListener('message', ({ data }) => {
    heardAt = performance.now();
    const said = parse(data);
    if (said === null) return;
    if (said.type === 'hello') hello.resolve();
    else if (said.type === 'disconnect') {
      leaving.resolve(said.reason ?? 'closed');
      if (said.reason !== 'warning') dismissed.resolve();
    } else take(said as Envelope);
  });

  function take(envelope: Envelope): void {
    const { envelope_id: id } = envelope;
    if (unanswered.size === 0) idle = Promise.withResolvers();
    unanswered.add(id);
    const settle = (): void => {
      clearTimeout(timer);
      unanswered.delete(id);
      if (unanswered.size === 0) idle.resolve();
    };
    const timer = setTimeout(settle, ACK_WITHIN).unref();
    let isAnswered = false;
    receive(envelope, async (answer) => {
      if (isAnswered) return;
      isAnswered = true;
      if (socket.readyState !== WebSocket.OPEN) throw new Error('the connection to Slack is gone: not acknowledged');
      const payload = typeof answer === 'string' ? { text: answer } : (answer ?? {});
      socket.send(JSON.stringify({ envelope_id: id, payload }));
      settle();
    });
  }

  const late = setTimeout(() => hangUp('no hello'), HELLO_WITHIN);
  await hello.promise.finally(() => clearTimeout(late));

  return {
    leaving: leaving.promise,
    async leave(now = false) {
      if (!now) await Promise.race([dismissed.promise, pause(WARNED_FOR)]);
      await Promise.race([gone.promise, idle.promise, pause(ACK_WITHIN)]);
      socket.close(1000);
      await Promise.race([gone.promise, pause(GOODBYE_WITHIN)]);
      hangUp('closed');
    },
  };
}

/** A wait that keeps no process alive. */
const pause = (ms: number): Promise<void> => sleep(ms, undefined, { ref: false });

interface Said {
  readonly type?: string;
  readonly reason?: string;
}

function parse(data: unknown): Said | null {
  try {
    const said: unknown = JSON.parse(String(data));
    return typeof said === 'object' ? said : null;
  } catch {
    return null;
  }
}

/** A WebSocket hides the socket under it, which alone can be hung up when the other side keeps it open. */
function keepingRawSocket(dispatcher: Dispatcher, keep: (socket: Duplex) => void): Dispatcher {
  return dispatcher.compose((dispatch) => (options, handler) => {
    const pass = handler.onRequestUpgrade?.bind(handler);
    handler.onRequestUpgrade = (controller, status, headers, socket) => {
      keep(socket);
      pass?.(controller, status, headers, socket);
    };
    return dispatch(options, handler);
  });
}
