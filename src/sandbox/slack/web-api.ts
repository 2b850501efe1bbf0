import { randomBytes } from 'node:crypto';
import {
  type Block,
  blockErrors,
  homeErrors,
  isTooLarge,
  LONGEST_BLOCKS,
  type ViewDefinition,
  viewErrors,
  withIds,
} from './blockkit.ts';
import { type Directory, type Person, slackGroup, slackUser } from './directory.ts';
import type { Modals, Triggers, ViewResult } from './modals.ts';
import type { AppConfig, Json, SlackMessage, TeamConfig, Upstream } from './upstream.ts';

/** The bot token's scopes that some method here asks for. https://docs.slack.dev/reference/scopes */
export const ALL_SCOPES = [
  'channels:history',
  'channels:read',
  'chat:write',
  'commands',
  'groups:read',
  'im:read',
  'im:write',
  'reactions:write',
  'team:read',
  'usergroups:read',
  'users:read',
  'users:read.email',
] as const;

export interface WebApi {
  /** Answers one call of the app. */
  call(method: string, args: Json, token: string): Promise<Json>;
  setScopes(scopes: readonly string[]): void;
  scopes(): readonly string[];
  /** What Slack would refuse in the content of a message, as it answers it; undefined when it would not. */
  contentError(content: Json): Json | undefined;
  /** A message as everybody sees it: a reply that was sent to the channel too says so. https://docs.slack.dev/reference/events/message/thread_broadcast */
  shown(message: SlackMessage): SlackMessage;
  /** A message as the app may see it: with its metadata too. */
  decorate(message: SlackMessage): SlackMessage;
}

export interface WebApiOptions {
  app: AppConfig;
  team: TeamConfig;
  directory: Directory;
  upstream: Upstream;
  modals: Modals;
  triggers: Triggers;
  scopes: readonly string[];
  /** Where the page, and so every permalink, lives. */
  baseUrl: string;
  /** A Socket Mode address that is good for one connection. */
  newSocketUrl(): string;
}

type Handler = (args: Json) => Promise<Json> | Json;

const ok = (fields: Json = {}): Json => ({ ok: true, ...fields });
const fail = (error: string, fields: Json = {}): Json => ({ ok: false, error, ...fields });
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

export function createWebApi(options: WebApiOptions): WebApi {
  const { app, team, directory, upstream, modals, triggers } = options;
  let granted = new Set<string>(options.scopes);
  const metadata = new Map<string, SlackMessage['metadata']>();
  const broadcasts = new Set<string>();
  const shortId = (): string => randomBytes(4).toString('base64url');
  const bot: Person = { id: app.botUserId, name: app.botName, real_name: app.botName, is_bot: true };

  const person = (id: string): Person | undefined => (id === bot.id ? bot : directory.person(id));
  const userObject = (one: Person): Json => slackUser(one, team.teamId, granted.has('users:read.email'));

  const shown = (message: SlackMessage): SlackMessage =>
    broadcasts.has(`${message.channel}:${message.ts}`) ? { ...message, subtype: 'thread_broadcast' } : message;

  const decorate = (message: SlackMessage): SlackMessage => {
    const data = metadata.get(`${message.channel}:${message.ts}`);
    return data ? { ...shown(message), metadata: data } : shown(message);
  };

  /** A list cut at `limit`, with a cursor to go on from; Slack's own page size where none is asked for. */
  const page = <T>(list: readonly T[], args: Json): { items: T[]; response_metadata: Json } => {
    const limit = Number(args.limit) || 100;
    const start = Number(Buffer.from(text(args.cursor), 'base64').toString() || 0);
    const next = start + limit;
    const next_cursor = next < list.length ? Buffer.from(String(next)).toString('base64') : '';
    return { items: list.slice(start, next), response_metadata: { next_cursor } };
  };

  /** The id of the channel that the app names, a person's id being the direct messages with that person. */
  const resolve = async (channel: string): Promise<{ id: string } | { error: string }> => {
    if (/^[UW]/.test(channel)) {
      const error = cannotDm(channel);
      if (error) return { error: error === 'user_not_found' ? 'channel_not_found' : error };
      const opened = await upstream.api('conversations.open', { users: channel });
      return { id: (opened.channel as { id: string }).id };
    }
    const id = channel.startsWith('#')
      ? directory.channels().find((one) => `#${one.name}` === channel)?.id
      : (directory.channel(channel)?.id ??
        (await upstream.directMessages()).find((direct) => direct.id === channel)?.id);
    return id === undefined ? { error: 'channel_not_found' } : { id };
  };

  const cannotDm = (user: string): string | undefined => {
    const found = person(user);
    if (!found) return 'user_not_found';
    if (found.deleted) return 'user_disabled';
    return found.is_bot ? 'cannot_dm_bot' : undefined;
  };

  /** The largest page that these methods take: https://docs.slack.dev/reference/methods/conversations.members (limit) */
  const asksTooMuch = (args: Json): boolean => Number(args.limit ?? 0) > 999;

  const isArchived = (channel: string): boolean => directory.channel(channel)?.is_archived ?? false;

  /** Why nobody can post in this channel, or not the app. */
  const closedTo = (channel: string): Json | undefined => {
    if (isArchived(channel)) return fail('is_archived');
    if (!botIsIn(channel)) return fail(isPrivate(channel) ? 'channel_not_found' : 'not_in_channel');
    return undefined;
  };

  const isPrivate = (channel: string): boolean => directory.channel(channel)?.is_private ?? false;

  const botIsIn = (channel: string): boolean => directory.members(channel)?.includes(bot.id) ?? true;

  /** What is wrong with the content of a message, in Slack's words. */
  const contentError = (args: Json): Json | undefined => {
    if (!args.text && !(Array.isArray(args.blocks) && args.blocks.length > 0) && !args.attachments)
      return fail('no_text');
    if (text(args.text).length > 40_000) return fail('msg_too_long');
    const errors = args.blocks === undefined ? [] : blockErrors(args.blocks, 50);
    if (errors.length === 0 && JSON.stringify(args.blocks ?? []).length > LONGEST_BLOCKS)
      return fail('msg_blocks_too_long');
    return errors.length > 0 ? fail('invalid_blocks', { errors, response_metadata: { messages: errors } }) : undefined;
  };

  const named = (args: Json): Json =>
    Array.isArray(args.blocks) ? { ...args, blocks: withIds(args.blocks as Block[], shortId) } : args;

  const ownMessage = async (channel: string, ts: string): Promise<SlackMessage | undefined> =>
    (await upstream.messages(channel)).find((message) => message.ts === ts && message.subtype !== 'ephemeral');

  const keepMetadata = (channel: string, ts: string, args: Json): void => {
    if (args.metadata) metadata.set(`${channel}:${ts}`, args.metadata as NonNullable<SlackMessage['metadata']>);
  };

  const viewAnswer = (result: ViewResult): Json =>
    result.ok ? ok({ view: result.view }) : fail(result.error, { response_metadata: { messages: [] } });

  const viewError = (view: unknown): Json | undefined => {
    if (isTooLarge(view)) return fail('view_too_large');
    const errors = viewErrors(view);
    return errors.length > 0 ? fail('invalid_arguments', { response_metadata: { messages: errors } }) : undefined;
  };

  const withTrigger = (args: Json, then: (user: string, view: ViewDefinition) => ViewResult): Json => {
    const wrong = viewError(args.view);
    if (wrong) return wrong;
    const trigger = triggers.exchange(args.trigger_id);
    if ('error' in trigger) return fail(trigger.error);
    return viewAnswer(then(trigger.user, args.view as ViewDefinition));
  };

  /** Only what the app may see of a channel's history. */
  const history = async (method: string, args: Json): Promise<Json> => {
    const answer = await upstream.api(method, args);
    if (!answer.ok) return answer;
    const messages = (answer.messages as SlackMessage[]).filter((message) => message.subtype !== 'ephemeral');
    return { ...answer, messages: messages.map(args.include_all_metadata ? decorate : shown) };
  };

  const handlers: Record<string, Handler> = {
    'apps.connections.open': () => ok({ url: options.newSocketUrl() }),

    'users.info': ({ user }) => {
      const found = person(text(user));
      return found ? ok({ user: userObject(found) }) : fail('user_not_found');
    },
    'users.list': (args) => {
      const { items, response_metadata } = page([bot, ...directory.people()], args);
      return ok({ members: items.map(userObject), cache_ts: Math.floor(Date.now() / 1000), response_metadata });
    },
    'users.lookupByEmail': ({ email }) => {
      const wanted = text(email).toLowerCase();
      const found = directory.people().find((one) => one.email?.toLowerCase() === wanted && !one.deleted);
      return found ? ok({ user: userObject(found) }) : fail('users_not_found');
    },
    'users.conversations': async (args) => {
      const user = text(args.user) || bot.id;
      if (!person(user)) return fail('user_not_found');
      if (asksTooMuch(args)) return fail('invalid_limit');
      const types = (text(args.types) || 'public_channel').split(',');
      const rooms = directory.channels().filter((channel) => {
        const { id, is_private } = channel;
        // Private channels are known to the app only where it is a member itself.
        if (is_private && !botIsIn(id)) return false;
        const wanted = types.includes(is_private ? 'private_channel' : 'public_channel');
        return wanted && (directory.members(id)?.includes(user) ?? false);
      });
      const { items, response_metadata } = page(rooms, args);
      const channels = await Promise.all(items.map((room) => channelInfo(room.id)));
      return ok({ channels, response_metadata });
    },

    'usergroups.list': (args) => {
      if (directory.plan === 'free') return fail('plan_upgrade_required');
      const withUsers = isTrue(args.include_users);
      const groups = directory.groups().filter((group) => !group.disabled || isTrue(args.include_disabled));
      return ok({ usergroups: groups.map((group) => slackGroup(group, team.teamId, withUsers)) });
    },
    'usergroups.users.list': (args) => {
      if (directory.plan === 'free') return fail('plan_upgrade_required');
      const group = directory.groups().find((one) => one.id === args.usergroup);
      if (!group || (group.disabled && !isTrue(args.include_disabled))) return fail('no_such_subteam');
      return ok({ users: group.users });
    },

    'conversations.info': async (args) => {
      const channel = text(args.channel);
      if (isPrivate(channel) && !botIsIn(channel)) return fail('channel_not_found');
      const info = await channelInfo(channel);
      return info ? ok({ channel: info }) : fail('channel_not_found');
    },
    'conversations.members': async (args) => {
      const channel = text(args.channel);
      if (isPrivate(channel) && !botIsIn(channel)) return fail('channel_not_found');
      const direct = (await upstream.directMessages()).find((one) => one.id === channel);
      const members = directory.members(channel) ?? (direct ? [direct.user, bot.id] : undefined);
      if (!members) return fail('channel_not_found');
      if (asksTooMuch(args)) return fail('invalid_limit');
      const { items, response_metadata } = page(members, args);
      return ok({ members: items, response_metadata });
    },
    'conversations.open': async (args) => {
      const users = text(args.users).split(',').filter(Boolean);
      const [user] = users;
      if (user === undefined) return fail('users_list_not_supplied');
      const error = cannotDm(user);
      return error ? fail(error) : upstream.api('conversations.open', { users: user });
    },
    'conversations.history': (args) => history('conversations.history', args),
    'conversations.replies': (args) => history('conversations.replies', args),

    'chat.postMessage': async (args) => {
      const channel = await resolve(text(args.channel));
      if ('error' in channel) return fail(channel.error);
      const wrong = closedTo(channel.id) ?? contentError(args);
      if (wrong) return wrong;
      const answer = await upstream.api('chat.postMessage', { ...named(args), channel: channel.id });
      if (answer.ok) keepMetadata(channel.id, text(answer.ts), args);
      if (answer.ok && args.thread_ts && isTrue(args.reply_broadcast))
        broadcasts.add(`${channel.id}:${text(answer.ts)}`);
      return answer;
    },
    'chat.update': async (args) => {
      const channel = text(args.channel);
      // https://docs.slack.dev/reference/methods/chat.update: a direct message goes by its D id, not by the person.
      if (/^[UW#]/.test(channel)) return fail('channel_not_found');
      if (isArchived(channel)) return fail('is_inactive');
      const message = await ownMessage(channel, text(args.ts));
      if (!message) return fail('message_not_found');
      if (message.user !== bot.id) return fail('cant_update_message');
      const keepBlocks = args.blocks === undefined && args.text === undefined && message.blocks !== undefined;
      const content = keepBlocks ? { ...args, blocks: message.blocks } : args;
      const wrong = contentError(content);
      if (wrong) return wrong;
      const answer = await upstream.api('chat.update', { text: message.text, ...named(content) });
      if (answer.ok) keepMetadata(channel, text(args.ts), args);
      return answer;
    },
    'chat.delete': async (args) => {
      const message = await ownMessage(text(args.channel), text(args.ts));
      if (!message) return fail('message_not_found');
      return message.user === bot.id ? upstream.api('chat.delete', args) : fail('cant_delete_message');
    },
    'chat.postEphemeral': async (args) => {
      const channel = await resolve(text(args.channel));
      if ('error' in channel) return fail(channel.error);
      const closed = closedTo(channel.id);
      if (closed) return closed;
      const members = directory.members(channel.id);
      if (members && !members.includes(text(args.user))) return fail('user_not_in_channel');
      return contentError(args) ?? upstream.api('chat.postEphemeral', { ...named(args), channel: channel.id });
    },
    'chat.getPermalink': async (args) => {
      const answer = await upstream.api('chat.getPermalink', args);
      const permalink = text(answer.permalink).replace(upstream.url, options.baseUrl);
      return answer.ok ? { ...answer, permalink } : answer;
    },

    'views.open': (args) => withTrigger(args, (user, view) => modals.open(user, view)),
    'views.push': (args) => withTrigger(args, (user, view) => modals.push(user, view)),
    'views.publish': (args) => {
      const user = text(args.user_id);
      if (isTooLarge(args.view)) return fail('view_too_large');
      const errors = homeErrors(args.view);
      if (errors.length > 0) return fail('invalid_arguments', { response_metadata: { messages: errors } });
      if (!person(user)) return fail('user_not_found');
      return viewAnswer(modals.publish(user, args.view as ViewDefinition, args.hash ? text(args.hash) : undefined));
    },
    'views.update': (args) => {
      const wrong = viewError(args.view);
      if (wrong) return wrong;
      const which: Parameters<Modals['update']>[0] = {};
      if (args.view_id) which.view_id = text(args.view_id);
      else which.external_id = text(args.external_id);
      if (args.hash) which.hash = text(args.hash);
      return viewAnswer(modals.update(which, args.view as ViewDefinition));
    },
  };

  const channelInfo = async (channel: string): Promise<Json | undefined> => {
    const answer = await upstream.api('conversations.info', { channel });
    if (!answer.ok || /^[UW#]/.test(channel)) return undefined;
    const members = directory.members(channel);
    return {
      ...(answer.channel as Json),
      ...(members ? { is_member: members.includes(bot.id), num_members: members.length } : {}),
      is_archived: isArchived(channel),
    };
  };

  return {
    async call(method, args, token) {
      const wanted = method === 'apps.connections.open' ? app.appToken : app.botToken;
      if (token === '') return fail('not_authed');
      if (token !== wanted)
        return fail(token === app.appToken || token === app.botToken ? 'not_allowed_token_type' : 'invalid_auth');
      const needed = scopeFor(method, text(args.channel), isPrivate);
      if (needed !== undefined && !granted.has(needed))
        return fail('missing_scope', { needed, provided: [...granted].join(',') });
      const handler = handlers[method];
      return handler ? handler(args) : upstream.api(method, args);
    },
    setScopes(scopes) {
      granted = new Set(scopes);
    },
    scopes: () => [...granted],
    contentError,
    shown,
    decorate,
  };
}

function isTrue(value: unknown): boolean {
  return value === true || value === 'true' || value === '1' || value === 1;
}

/** The scope that a method asks for, as its reference page says. */
function scopeFor(method: string, channel: string, isPrivate: (channel: string) => boolean): string | undefined {
  switch (method) {
    case 'chat.postMessage':
    case 'chat.update':
    case 'chat.delete':
    case 'chat.postEphemeral':
      return 'chat:write';
    case 'conversations.open':
      return 'im:write';
    case 'conversations.info':
    case 'conversations.members':
      if (channel.startsWith('D')) return 'im:read';
      return isPrivate(channel) ? 'groups:read' : 'channels:read';
    case 'users.conversations':
    case 'conversations.list':
      return 'channels:read';
    case 'conversations.history':
    case 'conversations.replies':
      return 'channels:history';
    case 'users.info':
    case 'users.list':
      return 'users:read';
    case 'users.lookupByEmail':
      return 'users:read.email';
    case 'usergroups.list':
    case 'usergroups.users.list':
      return 'usergroups:read';
    case 'reactions.add':
    case 'reactions.remove':
      return 'reactions:write';
    case 'team.info':
      return 'team:read';
    default:
      return undefined;
  }
}
