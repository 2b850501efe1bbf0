import type { Lack } from '../../app/ports/conditions.ts';

/** The scopes that the bot's token needs, the least that works; `slack-app-manifest.yaml` is held against this list by a test. */

export interface Scope {
  readonly name: string;
  /** What it is for, as a phrase: it is shown where the scope is missing. */
  readonly purpose: string;
  /** Without a necessary one the bot does not start; without another it goes on, with less. */
  readonly necessary: boolean;
}

export const SCOPES: readonly Scope[] = [
  { name: 'commands', purpose: 'the slash command /jit', necessary: true },
  { name: 'chat:write', purpose: 'approval messages and direct messages', necessary: true },
  { name: 'im:write', purpose: 'opening direct messages', necessary: true },
  { name: 'users:read', purpose: 'who is a bot, a guest, deactivated or from another workspace', necessary: true },
  { name: 'users:read.email', purpose: 'the e-mail address behind a Slack account', necessary: true },
  {
    name: 'usergroups:read',
    purpose: 'members of user groups: without it nobody asks or approves by being in one',
    necessary: false,
  },
  {
    name: 'channels:read',
    purpose: 'members of public channels: without it nobody asks or approves by being in one',
    necessary: false,
  },
  {
    name: 'groups:read',
    purpose: 'members of private channels: without it nobody asks or approves by being in one',
    necessary: false,
  },
];

/** The scopes that a token lacks. */
export function missingScopes(granted: readonly string[]): Scope[] {
  return SCOPES.filter((scope) => !granted.includes(scope.name));
}

/** Scopes that are missing: each by name, and what it is for. */
export function describeMissing(missing: readonly Scope[]): Lack {
  const lines = missing.map((scope) => `${scope.name} (${scope.purpose})`);
  const one = missing.length === 1;
  return {
    lacks: `the Slack app lacks ${one ? 'the scope' : 'the scopes'} ${lines.join('; ')}`,
    todo: `Add ${one ? 'it' : 'them'} under "OAuth & Permissions", as in slack-app-manifest.yaml, and install the app again.`,
  };
}

/**
 * The events that the app hears: they only make it read anew. `scope` is what each needs, beside `groups:read` for the members of private
 * channels. Sources: https://docs.slack.dev/reference/events/user_change and the page of each other under its name.
 */
export const EVENTS = [
  { name: 'user_change', scope: 'users:read' },
  { name: 'team_join', scope: 'users:read' },
  { name: 'subteam_members_changed', scope: 'usergroups:read' },
  { name: 'subteam_updated', scope: 'usergroups:read' },
  { name: 'member_joined_channel', scope: 'channels:read' },
  { name: 'member_left_channel', scope: 'channels:read' },
] as const;

/** Somebody looks at the Home of the bot. It needs no scope: https://docs.slack.dev/reference/events/app_home_opened */
export const HOME_OPENED = 'app_home_opened';
