import type { AddressInfo, Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { App, HTTPReceiver } from '@slack/bolt';
import type { Logger } from 'pino';
import type { Lack } from '../../app/ports/conditions.ts';
import type { UseCases } from '../../app/ports/use-cases.ts';
import { slackLogger } from './client.ts';
import { type SlackConnection, SlackRefused, type SlackSettings } from './connection.ts';
import { createSocketLink, type Link } from './link.ts';
import { type PeopleHint, registerPeopleEvents } from './people-events.ts';
import type { Turns } from './surfaces/context.ts';
import { registerSurfaces } from './surfaces/index.ts';

export interface SlackAppOptions {
  readonly settings: SlackSettings;
  readonly connection: SlackConnection;
  readonly useCases: UseCases;
  /** True when this key was given before, to this replica or another: a redelivery. Must remember it for at least five minutes. */
  readonly seenBefore: (key: string) => Promise<boolean>;
  /** What people do in a modal, in the order in which it came. Must remember it for as long as somebody may fill in a form. */
  readonly turns: Turns;
  /** Tells administrators what only a person can mend. */
  readonly tell?: (what: string) => void;
  /** Hears what Slack says of people. */
  readonly hinted?: (hint: PeopleHint) => void;
  /** Called with each Socket Mode connection: what Slack said before may not have been heard. */
  readonly connected?: () => void;
  /** Milliseconds after which a Socket Mode connection counts as one that works; default ten seconds. */
  readonly settledAfter?: number | undefined;
  readonly log: Logger;
}

export interface SlackApp {
  /**
   * Resolves once Slack can reach the bot. While Slack is away, or refuses a token, it goes on trying: the caller need not wait for it.
   */
  start(): Promise<{ readonly port: number | null }>;
  /** Takes nothing new, and waits for what is under way (ten seconds at most). */
  stop(): Promise<void>;
  /** Why Slack can't reach the bot now, for an operator; null when it can. */
  trouble(): string | null;
  /** What a person must mend before Slack gives it a connection; null: nothing that is known. The bot token is no part of it. */
  lack(): Lack | null;
}

/** Where Slack posts in HTTP mode. */
const ENDPOINT = '/slack/events';
/** How far a request's time may lie ahead, in seconds: https://docs.slack.dev/authentication/verifying-requests-from-slack */
const AHEAD = 300;
const BODY_LIMIT = 1024 * 1024;
const STOP_WITHIN = 10_000;

/** The Bolt app: receives commands, buttons and modals, and hands them to the use cases. */
export function createSlackApp(options: SlackAppOptions): SlackApp {
  const {
    settings,
    connection,
    useCases,
    seenBefore,
    turns,
    log,
    tell = () => {},
    hinted = () => {},
    connected = () => {},
  } = options;
  const { transport } = connection;
  const stopping = new AbortController();
  const underWay = new Set<Promise<void>>();
  const link =
    settings.receive.mode === 'http'
      ? httpLink(settings.receive)
      : createSocketLink({
          appToken: settings.receive.appToken,
          apiUrl: settings.apiUrl,
          ...transport,
          log,
          tell,
          connected,
          stopping: stopping.signal,
          settledAfter: options.settledAfter,
        });

  const app = new App({
    receiver: link.receiver,
    logger: slackLogger(log),
    // One workspace, one token. Handlers use clients of their own, with limits.
    authorize: async () => {
      const { botId, botUserId } = await connection.identity();
      return { botToken: settings.botToken, botId, botUserId };
    },
    convoStore: false,
    clientOptions: {
      ...(settings.apiUrl !== undefined && { slackApiUrl: settings.apiUrl }),
      // Bolt answers a response_url by this, without a limit of its own.
      fetch: (url, init) => transport.fetch(url, { ...init, signal: init?.signal ?? AbortSignal.timeout(5000) }),
    },
  });
  app.error(async (error) => {
    log.error({ err: error }, 'a handler failed');
  });
  registerSurfaces({
    app,
    useCases,
    connection,
    seenBefore,
    turns,
    log,
    async track(work) {
      underWay.add(work);
      try {
        await work;
      } finally {
        underWay.delete(work);
      }
    },
  });

  registerPeopleEvents(app, { connection, log, hinted });

  return {
    trouble: () => link.trouble(),
    lack: () => link.lack(),
    async start() {
      await untilSlackAnswers();
      return { port: await link.open() };
    },
    async stop() {
      stopping.abort();
      await link.close();
      const rest = AbortSignal.timeout(STOP_WITHIN);
      while (underWay.size > 0 && !rest.aborted)
        await Promise.race([
          Promise.allSettled(underWay),
          sleep(STOP_WITHIN, undefined, { signal: rest }).catch(() => {}),
        ]);
    },
  };

  /**
   * Who the bot is must be known first. A token that is refused now may be taken again (an app that was switched off), and meanwhile the process
   * has grants to end.
   */
  async function untilSlackAnswers(): Promise<void> {
    for (let failures = 1; !stopping.signal.aborted; failures++) {
      try {
        await connection.identity();
        return;
      } catch (error) {
        const what = error instanceof SlackRefused ? 'Slack refuses the bot' : 'Slack does not answer';
        log.warn({ err: error, failures }, `${what}: trying again`);
        await pause(failures);
      }
    }
    throw new Error('stopped before Slack answered');
  }

  async function pause(failures: number): Promise<void> {
    const wait = Math.min(30_000, 500 * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2);
    await sleep(wait, undefined, { signal: stopping.signal }).catch(() => {});
  }

  function httpLink({ signingSecret, port }: { signingSecret: string; port: number }): Link {
    const receiver = new HTTPReceiver({
      signingSecret,
      port,
      endpoints: ENDPOINT,
      // Signed, and no older than five minutes; within them seenBefore tells a replay.
      signatureVerification: true,
      bodyLimit: BODY_LIMIT,
      logger: slackLogger(log),
    });
    const { requestListener } = receiver;
    // Bolt refuses what is too old only; a time ahead of ours would outlive what seenBefore remembers.
    receiver.requestListener = (request, response) => {
      const ahead = Number(request.headers['x-slack-request-timestamp'] ?? 0) - Date.now() / 1000;
      if (ahead > AHEAD) response.writeHead(401).end();
      else requestListener(request, response);
    };
    let server: Server | null = null;
    return {
      receiver,
      trouble: () => (server?.listening === true ? null : 'not listening'),
      lack: () => null,
      async open() {
        server = await receiver.start(port);
        return (server.address() as AddressInfo).port;
      },
      async close() {
        if (server?.listening !== true) return;
        await receiver.stop();
      },
    };
  }
}
