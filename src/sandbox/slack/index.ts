import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { controlClient, type LogEntry, type SlackControl } from './control.ts';
import { type Answer, createDelivery, type DeliveryKind } from './delivery.ts';
import { type Channel, createDirectory, type Person, type UserGroup } from './directory.ts';
import { announcing } from './events.ts';
import { createFaults, type Fault, type Faults } from './faults.ts';
import { createLimits } from './limits.ts';
import { createModals, createTriggers } from './modals.ts';
import { createPage } from './page.ts';
import { clickKey, commandKey, createPeople } from './people.ts';
import {
  type AppConfig,
  type Json,
  type SlackMessage,
  startUpstream,
  type TeamConfig,
  type Upstream,
} from './upstream.ts';
import { ALL_SCOPES, createWebApi, type WebApi } from './web-api.ts';

export { blocksText, controls } from './blockkit.ts';
export type { LogEntry, SlackControl } from './control.ts';
export type { Answer, Delivery } from './delivery.ts';
export type { Channel, Person, UserGroup } from './directory.ts';
export type { Fault, Faults } from './faults.ts';
export type { View } from './modals.ts';
export type { Submitted, Which } from './people.ts';
export { signature, signedRequest } from './sign.ts';
export type { SlackMessage } from './upstream.ts';

/** A Slack workspace on this machine, with one app. */
export interface LocalSlack {
  /** `http://ADDRESS:PORT` */
  readonly url: string;
  /** What SLACK_API_URL takes; ends with a slash. */
  readonly apiUrl: string;
  /** The page to act as a person: `?as=` an id or a handle. */
  pageUrl(user: string): string;
  /** local-slack's own page, to look at only: what is done there does not reach the app. */
  readonly inspectorUrl: string;
  readonly botToken: string;
  readonly appToken: string;
  readonly signingSecret: string;
  readonly botUserId: string;
  readonly teamId: string;
  readonly control: SlackControl;
  readonly faults: Faults;
  stop(): Promise<void>;
}

export interface SlackOptions {
  users: Person[];
  channels: Channel[];
  userGroups?: UserGroup[];
  app?: Partial<AppConfig> & {
    /** Where Slack posts when the app has no Socket Mode connection; may be set later with control.setRequestUrl. */
    requestUrl?: string;
    /** The bot token's scopes; default: all that are known here. */
    scopes?: readonly string[];
  };
  team?: Partial<TeamConfig>;
  log: (line: string) => void;
  /** Where it listens, and is known; default: the loopback address, which pods can't reach. */
  address?: string;
  /** Default: a free port. */
  port?: number;
  /** How long Slack waits for the app (3000), and how long a trigger_id lives (3000): less or more patience. */
  ackMs?: number;
  triggerMs?: number;
  /** How long a minute of the rate limits lasts (60,000): a test may shorten it. */
  minuteMs?: number;
}

/** https://docs.slack.dev/interactivity/handling-user-interaction#message_responses */
const RESPONSE_URL_USES = 5;
const RESPONSE_URL_MS = 30 * 60 * 1000;
/** How long an answer by response_url may wait for the ack that it has overtaken. */
const OVERTAKE_MS = 50;
const SOCKET_PATH = '/socket/';

/**
 * Starts a Slack: the program local-slack, which keeps channels and messages, and in front of it, at the wire, what it
 * lacks (user groups, scopes, guests, modals of several people with their block actions, one delivery per event,
 * Slack's own checks and limits) and what tests need (faults, redelivery, forged requests).
 *
 * @throws Error when there is no local-slack for this machine.
 */
export async function startSlack(options: SlackOptions): Promise<LocalSlack> {
  const { log, address = '127.0.0.1', ackMs = 3000, triggerMs = 3000, minuteMs = 60_000 } = options;
  const { requestUrl, scopes = ALL_SCOPES, ...given } = options.app ?? {};
  const app: AppConfig = {
    appId: 'A0DRAWBRIDGE',
    botUserId: 'U0BOT',
    botName: 'drawbridge',
    botToken: 'xoxb-local-bot',
    appToken: 'xapp-local-app',
    signingSecret: 'local-signing-secret',
    ...given,
  };
  const team: TeamConfig = { teamId: 'T0LOCAL', name: 'Example', domain: 'example', ...options.team };
  const directory = createDirectory({
    teamId: team.teamId,
    botUserId: app.botUserId,
    users: options.users,
    userGroups: options.userGroups ?? [],
    channels: options.channels,
  });

  const server = createServer();
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, address, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const url = `http://${address}:${port}`;

  // What local-slack sends comes back here: the way to the app is ours.
  const deliverPath = `/deliver/${randomUUID()}`;
  let upstream: Upstream;
  try {
    upstream = await startUpstream({ app, team, directory, deliverUrl: `${url}${deliverPath}` });
  } catch (error) {
    server.close();
    throw error;
  }

  const entries: LogEntry[] = [];
  const hanging = new Set<ServerResponse>();
  const expected = new Map<string, Array<(answer: Answer) => void>>();
  const tickets = new Set<string>();
  const responseUrls = new Map<string, { uses: number; issued: number; answerShown: Promise<void> }>();
  const botId = `B${app.botUserId.slice(1)}`;

  const changed = (): void => page.changed();
  const triggers = createTriggers(triggerMs);
  const modals = createModals({ teamId: team.teamId, appId: app.appId, botId }, changed);
  const delivery = createDelivery({
    appId: app.appId,
    signingSecret: app.signingSecret,
    requestUrl,
    ackMs,
    onChange: changed,
    onSending: ({ kind, payload }) => {
      const entry: LogEntry = { at: Date.now(), from: 'slack', what: kind, detail: payload };
      entries.push(entry);
      return (answer) => {
        entry.answer = answer;
      };
    },
  });
  const limits = createLimits(minuteMs);
  const faults = createFaults(
    () => {
      for (const response of hanging) response.destroy();
    },
    () => delivery.drop(),
  );
  let areEventsLost = false;
  const api = createWebApi({
    app,
    team,
    directory,
    upstream,
    modals,
    triggers,
    scopes,
    baseUrl: url,
    newSocketUrl() {
      const ticket = randomUUID();
      tickets.add(ticket);
      return `ws://${address}:${port}${SOCKET_PATH}${ticket}`;
    },
  });
  const people = createPeople({
    app,
    team,
    directory,
    upstream,
    delivery,
    modals,
    triggers,
    onChange: changed,
    expect: (key) =>
      new Promise((resolve) => {
        expected.set(key, [...(expected.get(key) ?? []), resolve]);
      }),
  });
  const page = createPage({ url, team, app, directory, people, modals, delivery, upstream, api });

  /** Shows the person who typed a command what the app answered in time, or that it did not. */
  const showAnswer = async (path: string, command: string, answer: Answer): Promise<void> => {
    const shown = answer.acked ? answer.payload : { text: `${command} failed with the error "${answer.error}"` };
    if (shown.text || shown.blocks) await upstream.respond(path, { response_type: 'ephemeral', ...shown });
  };

  /** Passes on what local-slack built for a command or a click, completed by what it lacks. */
  const passOn = async (contentType: string, raw: string): Promise<void> => {
    const { kind, payload } = decode(contentType, raw);
    // local-slack listens on all addresses of the machine: what nobody here has done is not passed on.
    const tell = expected.get(keyOf(kind, payload))?.shift();
    if (kind !== 'events_api' && !tell) return;
    if (typeof payload.response_url === 'string')
      payload.response_url = payload.response_url.replace(upstream.url, url);
    const user =
      typeof payload.user_id === 'string' ? payload.user_id : (payload.user as { id?: string } | undefined)?.id;
    if (typeof payload.trigger_id === 'string' && user !== undefined) triggers.issue(payload.trigger_id, user);
    if (payload.type === 'block_actions') completeClick(payload, api);

    const path = typeof payload.response_url === 'string' ? new URL(payload.response_url).pathname : '';
    const shown = Promise.withResolvers<void>();
    responseUrls.set(path, { uses: 0, issued: Date.now(), answerShown: shown.promise });
    const answer = await delivery.deliver(kind, payload);
    if (kind === 'slash_commands') await showAnswer(path, String(payload.command), answer);
    shown.resolve();
    tell?.(answer);
  };

  const respond = async (path: string, raw: string): Promise<{ status: number; text: string }> => {
    const known = responseUrls.get(path);
    if (!known || Date.now() - known.issued > RESPONSE_URL_MS) return { status: 404, text: 'expired_url' };
    known.uses += 1;
    if (known.uses > RESPONSE_URL_USES) return { status: 404, text: 'used_url' };
    let body: Json;
    try {
      body = JSON.parse(raw) as Json;
    } catch {
      return { status: 400, text: 'invalid_payload' };
    }
    // Slack words it in the body alone: https://github.com/sourcegraph/sourcegraph-public-snapshot/issues/49979
    const wrong = body.delete_original === true ? undefined : api.contentError(body);
    if (wrong) return { status: 400, text: String(wrong.error) };
    // What came with the ack is shown first, although it may be overtaken on its way here.
    await Promise.race([known.answerShown, delay(OVERTAKE_MS)]);
    const result = await upstream.respond(path, { response_type: 'ephemeral', ...body });
    return { status: result.status, text: result.status === 200 ? 'ok' : result.text };
  };

  /** 429 for a call beyond Slack's limits. */
  const tooMany = (method: string, channel: unknown): Fault | undefined => {
    const retryAfter = limits.take(method, typeof channel === 'string' ? channel : '');
    return retryAfter === null ? undefined : { kind: 'ratelimited', retryAfter };
  };

  /** Does the call, unless a fault is planned; true when an answer was or will be given by the fault. */
  const faulty = (fault: Fault | undefined, request: IncomingMessage, response: ServerResponse): boolean => {
    switch (fault?.kind) {
      case 'ratelimited':
        send(response, 429, { ok: false, error: 'ratelimited' }, { 'retry-after': String(fault.retryAfter) });
        return true;
      case 'status':
        response.writeHead(fault.status, { 'content-type': 'text/html' }).end('<html>upstream trouble</html>');
        return true;
      case 'error':
        send(response, 200, { ok: false, error: fault.error });
        return true;
      case 'hang':
        hanging.add(response);
        response.once('close', () => hanging.delete(response));
        return true;
      case 'reset':
        request.socket.destroy();
        return true;
      case 'lost-answer':
      case undefined:
        return false;
      default:
        return fault satisfies never;
    }
  };

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? '/', url);
    const raw = await readBody(request);
    const contentType = request.headers['content-type'] ?? '';

    if (pathname === deliverPath) {
      await passOn(contentType, raw);
      // An empty answer: what the app said is shown already.
      send(response, 200, {});
      return;
    }
    const method = pathname.startsWith('/api/') ? pathname.slice('/api/'.length) : 'response_url';
    if (method === 'response_url' && !pathname.startsWith('/_hooks/')) {
      await page.handle(request, response, pathname, searchParams, raw);
      return;
    }

    if (faults.isAway) {
      request.socket.destroy();
      return;
    }
    const { args, token } = parseCall(request, contentType, raw, searchParams);
    const fault = faults.take(method) ?? tooMany(method, args.channel);
    const entry: LogEntry = { at: Date.now(), from: 'app', what: method, detail: args };
    entries.push(entry);
    if (fault) entry.fault = fault.kind;
    if (faulty(fault, request, response)) return;

    if (method === 'response_url') {
      const result = await respond(pathname, raw);
      entry.answer = result;
      changed();
      if (fault) request.socket.destroy();
      else response.writeHead(result.status, { 'content-type': 'text/plain' }).end(result.text);
      return;
    }
    const answer = await api.call(method, args, token);
    entry.answer = answer;
    changed();
    if (fault) {
      request.socket.destroy();
      return;
    }
    send(response, 200, answer, { 'x-oauth-scopes': api.scopes().join(','), 'x-slack-req-id': randomUUID() });
  };

  server.on('request', (request, response) => {
    handle(request, response).catch((error: unknown) => {
      log(`slack: ${request.method} ${request.url}: ${error instanceof Error ? error.message : String(error)}`);
      if (!response.headersSent) send(response, 500, { ok: false, error: 'internal_error' });
    });
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const path = request.url ?? '';
    const ticket = path.startsWith(SOCKET_PATH) ? path.slice(SOCKET_PATH.length) : '';
    if (faults.isAway || !tickets.delete(ticket)) socket.destroy();
    else delivery.accept(request, socket, head);
  });

  log(`slack: ${url}`);

  return {
    url,
    apiUrl: `${url}/api/`,
    pageUrl: (user) => `${url}/?as=${encodeURIComponent(user)}`,
    inspectorUrl: upstream.url,
    botToken: app.botToken,
    appToken: app.appToken,
    signingSecret: app.signingSecret,
    botUserId: app.botUserId,
    teamId: team.teamId,
    control: controlClient({
      app,
      directory: announcing(directory, {
        ...app,
        teamId: team.teamId,
        scopes: () => api.scopes(),
        send(payload) {
          if (delivery.way !== null && !areEventsLost) void delivery.deliver('events_api', payload);
        },
      }),
      people,
      modals,
      upstream,
      delivery,
      api,
      entries,
    }),
    faults: {
      ...faults.plan,
      warnSockets: () => delivery.disconnect('warning'),
      refreshSockets: () => delivery.disconnect('refresh_requested'),
      dropSockets: () => delivery.drop(),
      loseEvents(isLost) {
        areEventsLost = isLost;
      },
      socketMode: (on) => delivery.setSocketMode(on),
    },
    async stop() {
      faults.plan.clear();
      delivery.drop();
      page.stop();
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      server.closeAllConnections();
      await closed;
      await upstream.stop();
    },
  };
}

/** What local-slack posts: a form for a command, a form with one JSON field for an interaction, JSON for an event. */
function decode(contentType: string, raw: string): { kind: DeliveryKind; payload: Json } {
  if (contentType.startsWith('application/json')) return { kind: 'events_api', payload: JSON.parse(raw) as Json };
  const form = new URLSearchParams(raw);
  const payload = form.get('payload');
  if (payload !== null) return { kind: 'interactive', payload: JSON.parse(payload) as Json };
  return { kind: 'slash_commands', payload: Object.fromEntries(form) };
}

/** What Slack has in block_actions of a message and local-slack has not. */
function completeClick(payload: Json, api: WebApi): void {
  // https://github.com/slackapi/bolt-python/issues/513
  payload.actions = withTextsEscaped(payload.actions);
  const message = payload.message as SlackMessage | undefined;
  if (!message) return;
  if (message.subtype === 'ephemeral') {
    // https://docs.slack.dev/reference/interaction-payloads/block_actions-payload: no message then.
    delete payload.message;
    payload.container = { ...(payload.container as Json), is_ephemeral: true };
  } else {
    const shown = api.decorate(message);
    payload.message = { ...shown, blocks: withTextsEscaped(shown.blocks) };
  }
}

/** Copies blocks or actions; the values of buttons, and plain texts, as Slack hands them back. Markup was escaped by the app already. */
function withTextsEscaped(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(withTextsEscaped);
  if (typeof part !== 'object' || part === null) return part;
  const isMarkup = 'type' in part && part.type === 'mrkdwn';
  return Object.fromEntries(
    Object.entries(part).map(([name, value]) => {
      const isText = typeof value === 'string' && (name === 'value' || (name === 'text' && !isMarkup));
      return [name, isText ? escaped(value) : withTextsEscaped(value)];
    }),
  );
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

function keyOf(kind: DeliveryKind, payload: Json): string {
  if (kind === 'slash_commands') {
    const { user_id, channel_id, command, text } = payload as Record<string, string>;
    return commandKey(user_id ?? '', channel_id ?? '', command ?? '', text ?? '');
  }
  if (payload.type !== 'block_actions') return '';
  const { user, channel, container, actions } = payload as {
    user: { id: string };
    channel: { id: string };
    container: { message_ts: string };
    actions: Array<{ action_id: string }>;
  };
  return clickKey(user.id, channel.id, container.message_ts, actions[0]?.action_id ?? '');
}

/** The arguments of a Web API call: query, form or JSON, where nested ones may be JSON in a string. */
function parseCall(
  request: IncomingMessage,
  contentType: string,
  raw: string,
  query: URLSearchParams,
): { args: Json; token: string } {
  const args: Json = Object.fromEntries(query);
  if (contentType.startsWith('application/json')) Object.assign(args, raw === '' ? {} : JSON.parse(raw));
  else Object.assign(args, Object.fromEntries(new URLSearchParams(raw)));
  for (const name of ['blocks', 'attachments', 'view', 'metadata']) {
    const value = args[name];
    if (typeof value !== 'string') continue;
    try {
      args[name] = JSON.parse(value);
    } catch {
      // stays a string, which the method then refuses
    }
  }
  const header = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
  const token = header ?? (typeof args.token === 'string' ? args.token : '');
  delete args.token;
  return { args, token };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

function send(response: ServerResponse, status: number, body: Json, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
  response.end(JSON.stringify(body));
}
