import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { signedHeaders } from './sign.ts';
import type { Json } from './upstream.ts';
import { acceptWebSocket, type WebSocketConnection } from './websocket.ts';

export type DeliveryKind = 'slash_commands' | 'interactive' | 'events_api';

/** Something that Slack told the app. */
export interface Delivery {
  /** The envelope_id in Socket Mode. */
  id: string;
  kind: DeliveryKind;
  payload: Json;
  /** One for the delivery, one for each redelivery. */
  answers: Answer[];
}

/** What the app said in time, or why there is nothing. */
export type Answer =
  | { acked: true; payload: Json }
  /** operation_timeout: no answer within three seconds. dispatch_failed: nobody there, or an error status. */
  | { acked: false; error: 'operation_timeout' | 'dispatch_failed' };

/** The way from Slack to the app: Socket Mode when the app is connected, signed HTTP when it has a request URL. */
export interface DeliveryService {
  /** Sends once; returns the answer. Each goes to one connection only, in turn, as at Slack. */
  deliver(kind: DeliveryKind, payload: Json): Promise<Answer>;
  /** Sends the same again: the same envelope, or the same signed request byte for byte. */
  redeliver(delivery: Delivery): Promise<Answer>;
  readonly deliveries: readonly Delivery[];
  /** Takes a Socket Mode connection. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  setRequestUrl(url: string | undefined): void;
  /**
   * Looks now and then whether the request URL has a certificate that holds: unsigned. Answers the status.
   * https://docs.slack.dev/interactivity/implementing-slash-commands (ssl_check)
   */
  checkCertificate(): Promise<number>;
  /** Socket Mode connections of the app that have not been told to go. */
  readonly connections: number;
  /** How the app can be reached now. */
  readonly way: 'Socket Mode' | 'HTTP' | null;
  /** Tells the connections that are there to go; a refresh those alone that were warned of it, if any were. */
  disconnect(reason: DisconnectReason): void;
  /** Whether Socket Mode is switched on in the settings of the app. */
  setSocketMode(on: boolean): void;
  /** Cuts all connections without a word. */
  drop(): void;
}

/** What Slack says before it ends a connection. https://docs.slack.dev/apis/events-api/using-socket-mode */
export type DisconnectReason = 'warning' | 'refresh_requested' | 'link_disabled' | 'too_many_websockets';

/** Connections that an app may have at a time. https://docs.slack.dev/apis/events-api/using-socket-mode */
const MOST_CONNECTIONS = 10;
/** Milliseconds after which Slack hangs up on a connection that it has told to go. */
const HANG_UP_MS = 10_000;

interface SentRequest {
  body: string;
  headers: Record<string, string>;
}

export function createDelivery(options: {
  appId: string;
  signingSecret: string;
  requestUrl: string | undefined;
  ackMs: number;
  onChange(): void;
  /** Called before each sending; what it returns is called with the answer. */
  onSending(delivery: Delivery): (answer: Answer) => void;
}): DeliveryService {
  /** Those that the app has not closed. */
  const connections = new Set<WebSocketConnection>();
  /** Those of them that were told to go: they get only what no other can take. */
  const leaving = new Set<WebSocketConnection>();
  /** Those that were told that they will be refreshed. */
  const warned = new Set<WebSocketConnection>();
  /** All whose TCP connection is open. */
  const open = new Set<WebSocketConnection>();
  let isSocketMode = true;
  const staying = (): WebSocketConnection[] => [...connections].filter((one) => !leaving.has(one));
  const waiting = new Map<string, Set<(answer: Answer) => void>>();
  const deliveries: Delivery[] = [];
  const sent = new Map<string, SentRequest>();
  let { requestUrl } = options;
  let turn = 0;

  const overSocket = (connection: WebSocketConnection, delivery: Delivery): Promise<Answer> =>
    new Promise((resolve) => {
      const finish = (answer: Answer): void => {
        clearTimeout(timer);
        waiting.get(delivery.id)?.delete(finish);
        resolve(answer);
      };
      const timer = setTimeout(() => finish({ acked: false, error: 'operation_timeout' }), options.ackMs);
      waiting.set(delivery.id, (waiting.get(delivery.id) ?? new Set()).add(finish));
      const retries = delivery.answers.length;
      connection.send(
        JSON.stringify({
          envelope_id: delivery.id,
          type: delivery.kind,
          payload: delivery.payload,
          accepts_response_payload: delivery.kind !== 'events_api',
          ...(delivery.kind === 'events_api' ? { retry_attempt: retries, retry_reason: retries ? 'timeout' : '' } : {}),
        }),
      );
    });

  const overHttp = async (url: string, delivery: Delivery): Promise<Answer> => {
    const request = sent.get(delivery.id) ?? encode(delivery, options.signingSecret);
    sent.set(delivery.id, request);
    const retries = delivery.answers.length;
    const headers =
      delivery.kind === 'events_api' && retries > 0
        ? { ...request.headers, 'x-slack-retry-num': String(retries), 'x-slack-retry-reason': 'http_timeout' }
        : request.headers;
    try {
      const signal = AbortSignal.timeout(options.ackMs);
      const response = await fetch(url, { method: 'POST', headers, body: request.body, signal });
      const text = await response.text();
      if (!response.ok) return { acked: false, error: 'dispatch_failed' };
      return { acked: true, payload: parseAnswer(text) };
    } catch (error) {
      const late = error instanceof Error && error.name === 'TimeoutError';
      return { acked: false, error: late ? 'operation_timeout' : 'dispatch_failed' };
    }
  };

  const send = async (delivery: Delivery): Promise<Answer> => {
    const answered = options.onSending(delivery);
    turn += 1;
    const takers = staying().length > 0 ? staying() : [...connections];
    const connection = takers[turn % Math.max(takers.length, 1)];
    let answer: Answer = { acked: false, error: 'dispatch_failed' };
    if (connection) answer = await overSocket(connection, delivery);
    else if (requestUrl !== undefined) answer = await overHttp(requestUrl, delivery);
    delivery.answers.push(answer);
    answered(answer);
    return answer;
  };

  const dismiss = (connection: WebSocketConnection, reason: DisconnectReason): void => {
    connection.send(JSON.stringify({ type: 'disconnect', reason, debug_info: { host: 'drawbridge-sandbox' } }));
    if (reason === 'warning') {
      warned.add(connection);
      return;
    }
    warned.delete(connection);
    leaving.add(connection);
    if (reason !== 'refresh_requested') connections.delete(connection);
    setTimeout(() => connection.destroy(), HANG_UP_MS).unref();
  };

  return {
    deliveries,
    get connections() {
      return staying().length;
    },
    get way() {
      if (connections.size > 0) return 'Socket Mode';
      return requestUrl === undefined ? null : 'HTTP';
    },
    deliver(kind, payload) {
      const delivery: Delivery = { id: randomUUID(), kind, payload, answers: [] };
      deliveries.push(delivery);
      return send(delivery);
    },
    redeliver: send,
    setRequestUrl(url) {
      requestUrl = url;
    },
    async checkCertificate() {
      if (requestUrl === undefined) throw new Error('the app has no request URL');
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const body = 'ssl_check=1&token=verification-token';
      return (await fetch(requestUrl, { method: 'POST', headers, body })).status;
    },
    accept(request, socket, head) {
      const connection = acceptWebSocket(request, socket, head, {
        text(text) {
          const { envelope_id, payload } = JSON.parse(text) as { envelope_id?: string; payload?: Json };
          for (const finish of waiting.get(envelope_id ?? '') ?? []) finish({ acked: true, payload: payload ?? {} });
        },
        closed() {
          if (connection) {
            connections.delete(connection);
            warned.delete(connection);
          }
          options.onChange();
        },
      });
      if (!connection) return;
      open.add(connection);
      socket.once('close', () => open.delete(connection));
      const isTooMany = connections.size >= MOST_CONNECTIONS;
      connections.add(connection);
      connection.send(
        JSON.stringify({
          type: 'hello',
          num_connections: connections.size,
          connection_info: { app_id: options.appId },
          debug_info: { host: 'drawbridge-sandbox', build_number: 1, approximate_connection_time: 3600 },
        }),
      );
      // After its hello: https://github.com/slackapi/node-slack-sdk/issues/1654
      if (isTooMany) dismiss(connection, 'too_many_websockets');
      if (!isSocketMode) dismiss(connection, 'link_disabled');
      options.onChange();
    },
    disconnect(reason) {
      const those = reason === 'refresh_requested' && warned.size > 0 ? warned : connections;
      for (const connection of those) dismiss(connection, reason);
    },
    setSocketMode(on) {
      isSocketMode = on;
      if (!on) for (const connection of connections) dismiss(connection, 'link_disabled');
    },
    drop() {
      for (const connection of open) connection.destroy();
    },
  };
}

/** A command is a form, an interaction a form with one field, an event JSON. */
function encode({ kind, payload }: Delivery, secret: string): SentRequest {
  if (kind === 'events_api') {
    const body = JSON.stringify(payload);
    return { body, headers: signedHeaders(body, { secret, contentType: 'application/json' }) };
  }
  const fields =
    kind === 'interactive' ? { payload: JSON.stringify(payload) } : (payload as unknown as Record<string, string>);
  const body = new URLSearchParams(fields).toString();
  return { body, headers: signedHeaders(body, { secret }) };
}

/** The body of an answer: JSON, or a text that is shown as it is. */
function parseAnswer(text: string): Json {
  if (text === '') return {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) return parsed as Json;
  } catch {
    // plain text
  }
  return { text };
}
