import type { AddressInfo, Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { App, HTTPReceiver, SocketModeReceiver } from '@slack/bolt';
import type { Logger } from 'pino';
import type { UseCases } from '../../app/use-cases.ts';
import { slackError, slackLogger } from './client.ts';
import { isPassing, type SlackConnection, SlackRefused, type SlackSettings } from './connection.ts';
import { registerHandlers } from './handlers.ts';

export interface SlackAppOptions {
  readonly settings: SlackSettings;
  readonly connection: SlackConnection;
  readonly useCases: UseCases;
  /** True when this key was given before, to this replica or another: a redelivery. Must remember it for at least five minutes. */
  readonly seenBefore: (key: string) => Promise<boolean>;
  readonly log: Logger;
}

export interface SlackApp {
  /**
   * Resolves once Slack can reach the bot. While Slack is away it goes on trying: the caller need not wait for it.
   * @throws SlackRefused when the tokens or their scopes can't work
   */
  start(): Promise<{ readonly port: number | null }>;
  /** Takes nothing new, and waits for what is under way (ten seconds at most). */
  stop(): Promise<void>;
  /** Can Slack reach the bot now? */
  connected(): boolean;
}

/** Where Slack posts in HTTP mode. */
const ENDPOINT = '/slack/events';
/** How far a request's time may lie ahead, in seconds: https://docs.slack.dev/authentication/verifying-requests-from-slack */
const AHEAD = 300;
const BODY_LIMIT = 1024 * 1024;
const HELLO_WITHIN = 15_000;
const STOP_WITHIN = 10_000;

/** The Bolt app: receives commands, buttons and modals, and hands them to the use cases. */
export function createSlackApp({ settings, connection, useCases, seenBefore, log }: SlackAppOptions): SlackApp {
  const stopping = new AbortController();
  const underWay = new Set<Promise<void>>();
  const link = settings.receive.mode === 'socket' ? socketLink() : httpLink();

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
      fetch: (url, init) => fetch(url, { ...init, signal: init?.signal ?? AbortSignal.timeout(5000) }),
    },
  });
  app.error(async (error) => {
    log.error({ err: error }, 'a handler failed');
  });
  registerHandlers(app, {
    useCases,
    connection,
    seenBefore,
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

  return {
    connected: link.connected,
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

  /** Who the bot is must be known first; a refusal is final, an outage is not. */
  async function untilSlackAnswers(): Promise<void> {
    for (let failures = 1; !stopping.signal.aborted; failures++) {
      try {
        await connection.identity();
        return;
      } catch (error) {
        if (error instanceof SlackRefused) throw error;
        log.warn({ err: error, failures }, 'Slack does not answer: trying again');
        await pause(failures);
      }
    }
    throw new Error('stopped before Slack answered');
  }

  async function pause(failures: number): Promise<void> {
    const wait = Math.min(30_000, 500 * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2);
    await sleep(wait, undefined, { signal: stopping.signal }).catch(() => {});
  }

  function httpLink() {
    if (settings.receive.mode !== 'http') throw new Error('not in HTTP mode');
    const { signingSecret, port } = settings.receive;
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
      connected: () => server?.listening === true,
      async open(): Promise<number> {
        server = await receiver.start(port);
        return (server.address() as AddressInfo).port;
      },
      async close(): Promise<void> {
        if (server?.listening !== true) return;
        await receiver.stop();
      },
    };
  }

  /**
   * The Socket Mode client reconnects by itself only until a call fails in the wrong way, and then brings the process down by an unhandled
   * rejection; and it waits five seconds at each of Slack's hourly refreshes. So the loop is ours.
   */
  function socketLink() {
    if (settings.receive.mode !== 'socket') throw new Error('not in Socket Mode');
    const receiver = new SocketModeReceiver({
      appToken: settings.receive.appToken,
      autoReconnectEnabled: false,
      logger: slackLogger(log),
      installerOptions: {
        clientOptions: {
          ...(settings.apiUrl !== undefined && { slackApiUrl: settings.apiUrl }),
          timeout: 10_000,
          retryConfig: { retries: 0 },
          rejectRateLimitedCalls: true,
        },
      },
    });
    const { client } = receiver;
    let isConnected = false;
    let loop: Promise<void> | null = null;

    /** `gone` settles when the connection ends; in an object, since a promise that is returned would be waited for. */
    async function connectOnce(): Promise<{ readonly gone: Promise<void> }> {
      let told = (): void => {};
      const gone = new Promise<void>((resolve) => {
        told = resolve;
      });
      client.once('disconnected', told);
      const hello = new AbortController();
      try {
        await Promise.race([
          client.start(),
          sleep(HELLO_WITHIN, undefined, { signal: hello.signal }).then(() => {
            throw new Error('Slack did not say hello');
          }),
        ]);
      } catch (error) {
        client.off('disconnected', told);
        void client.disconnect();
        throw error;
      } finally {
        hello.abort();
      }
      return { gone };
    }

    async function stayConnected(onFirst: () => void): Promise<void> {
      let ever = false;
      for (let failures = 0; !stopping.signal.aborted; ) {
        try {
          const { gone } = await connectOnce();
          isConnected = true;
          failures = 0;
          ever = true;
          log.info('connected to Slack');
          onFirst();
          // A stop that came while the connection was being made had nothing to close.
          if (stopping.signal.aborted) void client.disconnect();
          await gone;
          isConnected = false;
          log.info('disconnected from Slack');
        } catch (error) {
          isConnected = false;
          failures += 1;
          const word = slackError(error);
          if (!ever && word !== null && !isPassing(word))
            throw new SlackRefused(
              `SLACK_APP_TOKEN does not work: Slack says ${word}. Expected an app-level token (xapp-…) with the scope connections:write.`,
            );
          log.warn({ err: error, failures }, 'no connection to Slack: trying again');
        }
        if (failures > 0) await pause(failures);
      }
    }

    return {
      receiver,
      connected: () => isConnected,
      async open(): Promise<null> {
        await new Promise<void>((resolve, reject) => {
          loop = stayConnected(resolve).then(resolve, reject);
        });
        return null;
      },
      async close(): Promise<void> {
        if (loop === null) return;
        // Asked once it says goodbye and waits for the answer, asked twice it hangs up.
        void client.disconnect();
        const closed = await Promise.race([loop.then(() => true), sleep(1000, false)]);
        if (!closed) {
          void client.disconnect();
          await Promise.race([loop, sleep(1000)]);
        }
      },
    };
  }
}
