import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../ports.ts';
import { supervised } from '../supervise.ts';
import type { Block } from './blockkit.ts';
import type { Directory } from './directory.ts';

/** A message as local-slack keeps it. */
export interface SlackMessage {
  ts: string;
  channel: string;
  user: string;
  text: string;
  bot_id?: string;
  app_id?: string;
  username?: string;
  blocks?: Block[];
  thread_ts?: string;
  subtype?: string;
  /** The only person who sees it. */
  ephemeral_to?: string;
  edited?: { user: string; ts: string };
  metadata?: { event_type: string; event_payload: Record<string, unknown> };
}

/** The app under test, as its settings page at Slack has it. */
export interface AppConfig {
  appId: string;
  botUserId: string;
  botName: string;
  botToken: string;
  appToken: string;
  signingSecret: string;
}

export interface TeamConfig {
  teamId: string;
  name: string;
  domain: string;
}

export type Json = Record<string, unknown>;

/** local-slack itself: it keeps channels and messages, and builds what a command or a click sends to the app. */
export interface Upstream {
  readonly url: string;
  /** Calls a Web API method as the bot; returns Slack's JSON answer. */
  api(method: string, args: Json): Promise<Json>;
  /** Posts to a response_url of its own making; returns the HTTP status. */
  respond(path: string, body: Json): Promise<{ status: number; text: string }>;
  messages(channel: string): Promise<SlackMessage[]>;
  /** The message of a channel, not of a thread, with this ts, also when one person alone sees it. */
  messageAt(channel: string, ts: string): Promise<SlackMessage | undefined>;
  /** Direct messages with the bot: id of the channel and of the person. */
  directMessages(): Promise<Array<{ id: string; user: string }>>;
  /** A person types a command, presses something in a message, writes a message; returns after the app's answer. */
  command(body: { user: string; channel: string; command: string; text: string }): Promise<void>;
  interact(body: { user: string; channel: string; messageTs: string; action: Json }): Promise<void>;
  message(body: { user: string; channel: string; text: string; thread_ts?: string }): Promise<SlackMessage>;
  stop(): Promise<void>;
}

const START_MS = 20_000;

/**
 * Starts the local-slack program on a free port. All that it wants to tell the app goes to `deliverUrl`.
 *
 * @throws Error when there is no local-slack for this machine, or with its own words when it does not start.
 */
export async function startUpstream(options: {
  app: AppConfig;
  team: TeamConfig;
  directory: Directory;
  deliverUrl: string;
}): Promise<Upstream> {
  const { app, team, directory, deliverUrl } = options;
  const program = findLocalSlack();
  const dir = await mkdtemp(join(tmpdir(), 'drawbridge-slack-'));
  const config = {
    workspace: team,
    apps: [{ ...app, mode: 'events', requestUrl: deliverUrl }],
    users: directory.people().map(({ id, name, real_name, email }) => ({ id, name, real_name, email })),
    channels: directory.channels().map(({ id, name, is_private }) => ({
      id,
      name,
      is_private: is_private ?? false,
      members: directory.members(id) ?? [],
    })),
  };
  const configFile = join(dir, 'workspace.json');
  const logFile = join(dir, 'local-slack.log');
  await writeFile(configFile, JSON.stringify(config));

  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const args = ['--config', configFile, '--port', String(port), '--base-host', '127.0.0.1', '--files-dir', dir];
  const child = supervised(program, args, { cwd: dir, logFile, removeOnOrphan: dir });
  let ended = false;
  const exited = child.exited.then(() => {
    ended = true;
  });
  const stop = async (): Promise<void> => {
    await child.stop();
    await rm(dir, { recursive: true, force: true });
  };

  const deadline = Date.now() + START_MS;
  while (!(await isUp(url))) {
    if (ended || Date.now() > deadline) {
      const words = await readFile(logFile, 'utf8').catch(() => '');
      await stop();
      throw new Error(`local-slack did not start: ${words.trim() || 'it said nothing'}`);
    }
    await Promise.race([exited, delay(30)]);
  }

  const call = async (method: string, path: string, body?: Json): Promise<Response> =>
    fetch(`${url}${path}`, {
      method,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${app.botToken}` },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });

  const control = async <T>(method: string, path: string, body?: Json): Promise<T> => {
    const response = await call(method, `/_control${path}`, body);
    if (!response.ok) throw new Error(`local-slack refused ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  };

  return {
    url,
    api: async (method, args) => (await (await call('POST', `/api/${method}`, args)).json()) as Json,
    async respond(path, body) {
      const response = await call('POST', path, body);
      return { status: response.status, text: await response.text() };
    },
    messages: async (channel) =>
      (await control<{ messages: SlackMessage[] }>('GET', `/messages/${encodeURIComponent(channel)}`)).messages,
    async messageAt(channel, ts) {
      const response = await call('POST', '/api/conversations.replies', { channel, ts });
      const { messages = [] } = (await response.json()) as { messages?: SlackMessage[] };
      return messages.find((message) => message.ts === ts);
    },
    async directMessages() {
      const state = await control<{ channels: Array<{ id: string; is_im: boolean; members: string[] }> }>(
        'GET',
        '/state',
      );
      return state.channels
        .filter((channel) => channel.is_im)
        .map((channel) => ({ id: channel.id, user: channel.members.find((id) => id !== app.botUserId) ?? '' }));
    },
    async command(body) {
      await control('POST', '/command', body);
    },
    async interact(body) {
      await control('POST', '/interact', body);
    },
    message: async (body) => (await control<{ message: SlackMessage }>('POST', '/message', body)).message,
    stop,
  };
}

async function isUp(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/_control/state`)).ok;
  } catch {
    return false;
  }
}

/**
 * Path of the local-slack program.
 * @throws Error when there is none for this machine
 */
export function findLocalSlack(): string {
  const name = `local-slack-${process.platform}-${process.arch}`;
  try {
    return createRequire(import.meta.url).resolve(`${name}/bin/local-slack`);
  } catch {
    throw new Error(
      `no local Slack for this machine: the npm package ${name} is not installed. npm ci installs it on Linux (x64); elsewhere use a Linux machine or container.`,
    );
  }
}
