import type { Lack } from '../../app/ports/conditions.ts';
import { listsOf, ownChannels, type Policy } from '../../domain/policy/policy.ts';
import { lastingError, slackError } from './client.ts';
import { NO_BOT, refusedAppToken, refusedBotToken, type SlackConnection } from './connection.ts';
import { describeMissing, missingScopes } from './manifest.ts';

/** Slack's word for why a call can't work until somebody changes something. @throws the error, when it may pass or is none of Slack's words */
function lastingWord(error: unknown): string {
  const word = lastingError(error);
  // A scope that is missing is told as that, not as the loss of all that it would show.
  if (word === null || word === 'missing_scope') throw error;
  return word;
}

/** The token, and the scopes without which (`necessary`) nothing works, or the others. @throws Unavailable while Slack is away */
export async function lackOfScopes({ quick }: SlackConnection, necessary: boolean): Promise<Lack | null> {
  try {
    const { response_metadata: metadata, bot_id: bot } = await quick.call('auth.test', (web) => web.auth.test());
    if (necessary && !bot) return NO_BOT;
    const missing = missingScopes(metadata?.scopes ?? []).filter((scope) => scope.necessary === necessary);
    if (metadata?.scopes === undefined || missing.length === 0) return null;
    return describeMissing(missing);
  } catch (error) {
    const word = lastingWord(error);
    if (!necessary) return null;
    return refusedBotToken(word);
  }
}

/** Whether Slack would give a connection for an app-level token. None is opened. @throws Unavailable while Slack is away */
export async function lackOfAppToken(app: SlackConnection): Promise<Lack | null> {
  try {
    await app.quick.call('apps.connections.open', (web) => web.apps.connections.open({}));
    return null;
  } catch (error) {
    return refusedAppToken(lastingWord(error));
  }
}

/** The same of the channels that profiles have of their own; the first that lacks something is told. @throws Unavailable while Slack is away */
export async function lackOfOwnChannels(connection: SlackConnection, policy: Policy): Promise<Lack | null> {
  for (const { id, path } of ownChannels(policy)) {
    const lack = await lackOfChannel(connection, id, path);
    if (lack !== null) return lack;
  }
  return null;
}

/**
 * Why nothing can be posted in a channel in which approvers are asked; null: it can.
 * @param path where the policy names it
 * @throws Unavailable while Slack is away
 */
export async function lackOfChannel(
  { quick }: SlackConnection,
  id: string,
  path = 'approvals.channel',
): Promise<Lack | null> {
  const which = path === 'approvals.channel' ? `the approvals channel ${id}` : `the channel ${id} of ${path}`;
  try {
    const { channel } = await quick.call('conversations.info', (web) => web.conversations.info({ channel: id }));
    if (channel?.is_archived === true)
      return {
        lacks: `${which} is archived`,
        todo: `Unarchive it and invite the bot, or name another one in ${path} of the policy.`,
      };
    if (channel?.is_member === false)
      return { lacks: `the bot is not in ${which}`, todo: 'Invite it there: /invite @Drawbridge.' };
    return null;
  } catch (error) {
    const word = lastingWord(error);
    return {
      lacks: `${which} is not there, or is private and without the bot (${word})`,
      todo: `Invite the bot there, or name another one in ${path} of the policy.`,
    };
  }
}

/** Ids of the user groups that are in force; null: the plan of the workspace has none. @throws Unavailable */
async function userGroups(quick: SlackConnection['quick']): Promise<ReadonlySet<string | undefined> | null> {
  try {
    const { usergroups } = await quick.call('usergroups.list', (web) =>
      web.usergroups.list({ include_disabled: false }),
    );
    return new Set((usergroups ?? []).map(({ id }) => id));
  } catch (error) {
    if (slackError(error) === 'plan_upgrade_required') return null;
    throw error;
  }
}

/** The user groups and channels of the policy that are not there, or that the bot may not read. @throws Unavailable while Slack is away */
export async function lackOfLists({ quick }: SlackConnection, policy: Policy): Promise<Lack | null> {
  const ids = listsOf(policy);
  const missing: string[] = [];
  const wanted = [...ids].filter((id) => id.startsWith('S'));
  if (wanted.length > 0) {
    const there = await userGroups(quick);
    if (there === null)
      return {
        lacks: `this Slack workspace has no user groups (its plan is a free one), and the policy names ${wanted.join(', ')}: nobody is in it, and whom it denies can't be told`,
        todo: 'Name channels in the policy instead: who is in a channel can be read on every plan.',
      };
    missing.push(...wanted.filter((id) => !there.has(id)));
  }
  for (const id of [...ids].filter((one) => !one.startsWith('S')))
    try {
      await quick.call('conversations.info', (web) => web.conversations.info({ channel: id }));
    } catch (error) {
      lastingWord(error);
      missing.push(id);
    }
  if (missing.length === 0) return null;
  return {
    lacks: `the policy names ${missing.join(', ')}, which is not there or which the bot may not see: nobody is in it, and whom it denies can't be told`,
    todo: 'Correct the policy, or invite the bot to the private channel.',
  };
}
