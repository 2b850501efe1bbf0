import type { Logger } from 'pino';
import type { Directory } from '../../app/ports/directory.ts';
import type { Notifier } from '../../app/ports/notifier.ts';
import type { View } from '../../app/ports/view.ts';
import { Undeliverable } from '../../domain/errors.ts';
import type { Grant, MessageRef } from '../../domain/grant/grant.ts';
import { addressOfUser, isSameUser, isSlackId } from '../../domain/policy/identity.ts';
import type { Policy } from '../../domain/policy/policy.ts';
import { directChannel, lastingError, postMessage, slackError } from './client.ts';
import type { SlackConnection } from './connection.ts';
import { approvalMessage } from './surfaces/approval-message/message.ts';
import {
  alarmMessage,
  askMessage,
  type DirectNews,
  directMessage,
  grantedMessage,
  stillTrue,
  type ThreadNews,
  threadMessage,
} from './surfaces/direct-messages/news.ts';
import type { Message } from './surfaces/text/blocks.ts';

export interface NotifierOptions {
  readonly connection: SlackConnection;
  /** Where the approval message of a grant goes, and (null) what concerns all: by the policy in force. */
  readonly channel: (of: Pick<Grant, 'profile' | 'cluster'> | null) => string;
  readonly directory: Directory;
  readonly log: Logger;
}

/** Slack's words for a message that can't be edited any more. */
const GONE = new Set([
  'message_not_found',
  'cant_update_message',
  'channel_not_found',
  'is_archived',
  'edit_window_closed',
  // Said of a channel that was archived: https://docs.slack.dev/reference/methods/chat.update
  'is_inactive',
]);

/**
 * Slack's words for what it will not take however often it is tried: https://docs.slack.dev/reference/methods/chat.postMessage
 */
const NEVER = new Set([
  'channel_not_found',
  'invalid_blocks',
  'invalid_blocks_format',
  'is_archived',
  'msg_blocks_too_long',
  'msg_too_long',
  'no_text',
  'not_in_channel',
  'restricted_action',
  'restricted_action_read_only_channel',
]);

/** Slack's words for a thread whose first message is gone. */
const NO_THREAD = new Set(['thread_not_found', 'cannot_reply_to_message', 'message_not_found']);
/** Slack's words for somebody whom no message reaches any more: no later attempt would. */
const NOBODY = new Set(['user_disabled', 'user_not_found', 'user_not_visible', 'users_not_found', 'cannot_dm_bot']);

/**
 * Tells people. Renders the grant as it is now, whatever was queued; news that is not true any more is dropped.
 *
 * Slack has no idempotency key: a post whose answer was lost is posted again. A second approval message is harmless: its buttons are refused,
 * since the grant names the one message that counts.
 */
export function createNotifier({ connection, channel, directory, log }: NotifierOptions): Notifier {
  const { patient } = connection;

  const post = (where: string, message: Message, thread?: { ts: string; broadcast: boolean }): Promise<MessageRef> =>
    postMessage(patient, { channel: where, ...message }, thread);

  /** False when the message is not there any more. */
  async function edit(at: MessageRef, message: Message): Promise<boolean> {
    try {
      await patient.call('chat.update', (web) =>
        web.chat.update({ channel: at.channel, ts: at.ts, ...message, link_names: false }),
      );
      return true;
    } catch (error) {
      if (!GONE.has(slackError(error) ?? '')) throw error;
      log.info({ at, word: slackError(error) }, 'a message is gone from Slack');
      return false;
    }
  }

  async function approval(view: View): Promise<MessageRef> {
    const rendered = approvalMessage(view);
    const { message } = view.grant;
    const where = channel(view.grant);
    try {
      return message !== null && (await edit(message, rendered)) ? message : await post(where, rendered);
    } catch (error) {
      const word = slackError(error) ?? '';
      throw NEVER.has(word) ? new Undeliverable(where, word, { cause: error }) : error;
    }
  }

  /** The first direct message, whose thread the others go into; told again, it is brought up to date. */
  async function granted(view: View): Promise<MessageRef> {
    const rendered = grantedMessage(view);
    const { thread, requester } = view.grant;
    if (thread !== null && (await edit(thread, rendered))) return thread;
    return post(await directChannel(patient, requester.slackId), rendered);
  }

  async function direct(view: View, news: Exclude<DirectNews, 'granted'>): Promise<void> {
    const { thread, requester } = view.grant;
    const message = directMessage(view, news);
    if (thread === null) {
      await post(await directChannel(patient, requester.slackId), message);
      return;
    }
    if (news === 'ended' || news === 'extended' || news === 'pods') await edit(thread, grantedMessage(view));
    // In a thread nobody is notified unless the reply is shown in the conversation as well.
    try {
      await post(thread.channel, message, { ts: thread.ts, broadcast: news !== 'pods' });
    } catch (error) {
      if (!NO_THREAD.has(slackError(error) ?? '')) throw error;
      await post(thread.channel, message);
    }
  }

  /** Runs what tells the requester; null when that account can't be told anything any more. */
  async function reaching<T>(view: View, work: Promise<T>): Promise<T | null> {
    try {
      return await work;
    } catch (error) {
      if (!NOBODY.has(slackError(error) ?? '')) throw error;
      log.warn({ id: view.grant.id, word: slackError(error) }, 'the requester can not be told');
      return null;
    }
  }

  /** Where Slack shows a message; null: it does not say. */
  async function linkTo({ channel: room, ts }: MessageRef): Promise<string | null> {
    try {
      const { permalink } = await patient.call('chat.getPermalink', (web) =>
        web.chat.getPermalink({ channel: room, message_ts: ts }),
      );
      return permalink ?? null;
    } catch (error) {
      if (lastingError(error) === null) throw error;
      log.warn({ err: error }, 'Slack gives no link to a message');
      return null;
    }
  }

  async function intoThread(view: View, news: ThreadNews): Promise<{ message?: MessageRef }> {
    const before = view.grant.message;
    // Its message is on its way, and notifies by itself; so does one that has to be posted anew, or that Slack did not take until now.
    if (before === null && news !== 'reminder') return {};
    const at = await approval(view);
    if (before?.ts === at.ts)
      await post(at.channel, threadMessage(view, news), { ts: at.ts, broadcast: news !== 'extension-answer' });
    return { message: at };
  }

  return {
    async deliver(view, news) {
      if (!stillTrue(view.grant, news)) {
        log.info({ id: view.grant.id, news, state: view.grant.state }, 'news is not true any more: not told');
        return {};
      }
      switch (news) {
        case 'message':
          return { message: await approval(view) };
        case 'reminder':
        case 'step':
        case 'escalated':
        case 'asked-again':
        case 'extension':
        case 'extension-answer':
        case 'review':
          return intoThread(view, news);
        case 'granted':
          return { thread: await reaching(view, granted(view)) };
        case 'scheduled':
        case 'narrowed':
        case 'unposted':
        case 'denied':
        case 'cancelled':
        case 'timed-out':
        case 'warning':
        case 'extended':
        case 'not-extended':
        case 'extension-denied':
        case 'pods':
        case 'reviewed':
        case 'ended':
          await reaching(view, direct(view, news));
          return {};
        default:
          return news satisfies never;
      }
    },

    async ask(view, slackId, entry) {
      const { message } = view.grant;
      if (message === null) return;
      const link = await linkTo(message);
      try {
        await post(await directChannel(patient, slackId), askMessage(view, entry, link));
      } catch (error) {
        if (!NOBODY.has(slackError(error) ?? '')) throw error;
        log.warn({ id: view.grant.id, word: slackError(error) }, 'an approver can not be asked by a direct message');
      }
    },

    async alarm(policy, id, text) {
      const message = alarmMessage(id, text);
      const { channels } = policy.administrators;
      const people = await administrators(policy);
      const results = await Promise.allSettled([
        ...channels.map((room) => post(room, message)),
        ...people.map(async (slackId) => post(await directChannel(patient, slackId), message)),
      ]);
      const failed = results.filter((result) => result.status === 'rejected');
      for (const { reason } of failed) log.error({ err: reason, id }, 'an administrator could not be told');
      if (failed.length < results.length) return;
      // Limited, or away: the queue tries again, and the approvers need not hear it.
      const passing = failed.find(({ reason }) => lastingError(reason) === null);
      if (passing !== undefined) throw passing.reason;
      // Nobody heard it: the approvers' channel is better than the log alone.
      await post(channel(null), message);
    },
  };

  /** Slack ids of the administrators that are named as people or in user groups. */
  async function administrators({ administrators: { users, groups }, identity }: Policy): Promise<string[]> {
    const found = new Set<string>();
    for (const group of groups) {
      const members = await directory.members(group, 'recently');
      for (const id of 'retryIn' in members ? [] : members) found.add(id);
    }
    for (const user of users) {
      const id = await slackIdOf(user, identity).catch((error: unknown) => {
        log.error({ err: error, user }, 'an administrator is not found in Slack');
        return null;
      });
      if (id !== null) found.add(id);
    }
    return [...found];
  }

  /** Of a Slack id, an override, or a Kubernetes user behind whom there is an e-mail address. */
  async function slackIdOf(user: string, identity: Policy['identity']): Promise<string | null> {
    if (isSlackId(user)) return user;
    const override = identity.overrides.find((o) => isSameUser(o.user, user));
    if (override !== undefined) return override.slack;
    const email = addressOfUser(user, identity);
    const account = email === null ? null : await directory.accountWith(email);
    return account === null || 'retryIn' in account ? null : account.slackId;
  }
}
