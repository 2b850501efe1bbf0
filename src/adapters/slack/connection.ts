import type { webApi } from '@slack/bolt';
import type { Logger } from 'pino';
import type { Lack } from '../../app/ports/conditions.ts';
import { Unavailable } from '../../domain/errors.ts';
import { createSlackClient, lastingError, type SlackClient } from './client.ts';
import { describeMissing, missingScopes } from './manifest.ts';
import { createTransport, type Transport } from './transport.ts';

/** The settings of this adapter. Socket Mode with `appToken`, HTTP mode with `signingSecret` and `port`. */
export interface SlackSettings {
  readonly botToken: string;
  /** Another Slack endpoint, for the sandbox and tests: ends with `/api/`. */
  readonly apiUrl?: string | undefined;
  readonly receive:
    | { readonly mode: 'socket'; readonly appToken: string }
    | { readonly mode: 'http'; readonly signingSecret: string; readonly port: number };
}

/** Who the bot is, and where. */
export interface SlackIdentity {
  readonly teamId: string;
  readonly botUserId: string;
  readonly botId: string;
}

/** A token, with the clients that use it. Nothing is called until it is needed: the bot must end grants while Slack is away. */
export interface SlackConnection {
  /** For what a person waits for: fails within seconds. */
  readonly quick: SlackClient;
  readonly transport: Transport;
  /** For messages, which the queue repeats: waits longer for an answer, and never posts twice by itself. */
  readonly patient: SlackClient;
  /**
   * Who the bot is; asked once. @throws Unavailable while Slack is away
   * @throws SlackRefused when the token or its scopes can't work as they are
   */
  identity(): Promise<SlackIdentity>;
}

/** Slack will not let this app work as it is: a person must change the app or the settings. */
export class SlackRefused extends Error {
  constructor({ lacks, todo }: Lack) {
    super(`${lacks}. ${todo}`);
    this.name = 'SlackRefused';
  }
}

/** @param word Slack's own */
export const refusedBotToken = (word: string): Lack => ({
  lacks: `Slack refuses SLACK_BOT_TOKEN: ${word}`,
  todo: 'Install the app again, and start Drawbridge with the bot token (xoxb-…) that it gives.',
});

/** @param word Slack's own */
export const refusedAppToken = (word: string): Lack => ({
  lacks: `Slack refuses SLACK_APP_TOKEN: ${word}`,
  todo: 'Make an app-level token (xapp-…) with the scope connections:write in the settings of the Slack app, and start Drawbridge with it.',
});

/** A token of a person, say. */
export const NO_BOT: Lack = {
  lacks: 'SLACK_BOT_TOKEN is not the token of a bot',
  todo: 'Start Drawbridge with the bot token (xoxb-…) of the installed app.',
};

/** @param onError counts a call that failed, by Slack's word for it */
export function connectSlack(
  settings: Pick<SlackSettings, 'botToken' | 'apiUrl'>,
  log: Logger,
  onError: (method: string, error: string) => void = () => {},
): SlackConnection {
  const transport = createTransport();
  const common = { token: settings.botToken, apiUrl: settings.apiUrl, fetch: transport.fetch, log, onError };
  const quick = createSlackClient({ ...common, timeout: 2500, retries: 1 });
  const patient = createSlackClient({ ...common, timeout: 10_000, retries: 0 });
  let known: Promise<SlackIdentity> | null = null;
  return {
    quick,
    patient,
    transport,
    identity() {
      known ??= identify(quick, log).catch((error: unknown) => {
        known = null;
        throw error;
      });
      return known;
    },
  };
}

async function identify(client: SlackClient, log: Logger): Promise<SlackIdentity> {
  const answer = await client
    .call('auth.test', (web) => web.auth.test())
    .catch((error: unknown) => {
      const word = lastingError(error);
      if (word === null) throw error;
      throw new SlackRefused(refusedBotToken(word));
    });
  checkScopes(answer, log);
  const { team_id: teamId, user_id: botUserId, bot_id: botId } = answer;
  if (!teamId || !botUserId) throw new Unavailable('Slack', 'auth.test does not say who the bot is');
  if (!botId) throw new SlackRefused(NO_BOT);
  return { teamId, botUserId, botId };
}

/** @throws SlackRefused when a scope is missing without which nothing works */
function checkScopes(answer: webApi.AuthTestResponse, log: Logger): void {
  const granted = answer.response_metadata?.scopes;
  if (granted === undefined) {
    log.warn('Slack did not say which scopes the app has: not checked');
    return;
  }
  const missing = missingScopes(granted);
  if (missing.length === 0) return;
  const lack = describeMissing(missing);
  if (missing.some((scope) => scope.necessary)) throw new SlackRefused(lack);
  log.warn({ missing: missing.map((scope) => scope.name) }, `${lack.lacks}. ${lack.todo}`);
}
