import { setTimeout as sleep } from 'node:timers/promises';
import type { webApi } from '@slack/bolt';
import type { Logger } from 'pino';
import type { Directory, Freshness, Unreadable } from '../../app/ports/directory.ts';
import { Unavailable } from '../../domain/errors.ts';
import type { Account } from '../../domain/people/people.ts';
import { isZone } from '../../domain/policy/hours.ts';
import { lastingError, slackError } from './client.ts';
import type { SlackConnection, SlackIdentity } from './connection.ts';

/** Members of a channel beyond this many are not read: such a channel is no list of approvers. */
const MOST_PAGES = 25;
/** The most that Slack takes. Sources: https://docs.slack.dev/reference/methods/conversations.members and methods/users.list (limit). */
const PAGE = 999;
/** Milliseconds between two pages of all accounts: 15 a minute, of the 20 that Slack allows (users.list is Tier 2). */
const PAGES_APART = 4000;
/** Milliseconds for all pages together: somebody waits for the decision. */
const MOST_TIME = 5000;
/** For how long a list that was read may be used: milliseconds since its reading began. */
export const STAYS_FRESH: Readonly<Record<Freshness, number>> = { now: 10_000, recently: 60_000 };
/**
 * How many readings a minute may be given up before their time since Slack said that the list has changed: a flood of such words must not use up
 * what Slack allows (Tier 2 for user groups, Tier 4 for channels). Beyond it a reading stays as fresh as ever.
 */
const GIVEN_UP: Readonly<Record<'group' | 'channel', number>> = { group: 8, channel: 30 };
const MINUTE = 60_000;
/** Milliseconds for which an account and the handle of a group are taken as they were, where they only say who is told. */
const STAYS_KNOWN = 600_000;
/** Accounts that are kept at most. */
const MOST_ACCOUNTS = 2000;
/** Lists that are kept at most. */
const MOST_LISTS = 100;
/** Seconds after which it is worth to try again where Slack does not say so. */
const TRY_AGAIN = 10;

type User = NonNullable<webApi.UsersInfoResponse['user']>;

interface Reading {
  readonly begunAt: number;
  readonly members: Promise<ReadonlySet<string> | Unreadable>;
  /** Slack has said since that the list is another. */
  isDoubted: boolean;
}

/** The directory, and what Slack's events tell it. They only make it read again. */
export interface CachedDirectory extends Directory {
  /** Who is in these lists may have changed; `all`: in any. */
  doubt(lists: readonly string[] | 'all'): void;
  /** Nothing that was read counts any more: Slack may have said what was not heard. */
  forget(): void;
}

/**
 * Accounts as Slack has them now, and who is in which list, of which readings are shared: all people together may read a list 20 times a minute.
 * Source: https://docs.slack.dev/apis/web-api/rate-limits (usergroups.users.list is Tier 2).
 * @param now milliseconds of a clock that only goes forward
 * @param pause waits so many milliseconds
 */
export function createDirectory(
  connection: SlackConnection,
  log: Logger,
  now: () => number = () => performance.now(),
  pause: (milliseconds: number) => Promise<unknown> = (milliseconds) => sleep(milliseconds, undefined, { ref: false }),
): CachedDirectory {
  const { quick, patient } = connection;

  async function userGroup(id: string): Promise<string[]> {
    try {
      const { users } = await quick.call('usergroups.users.list', (web) =>
        web.usergroups.users.list({ usergroup: id, include_disabled: false }),
      );
      if (users === undefined) throw new Error('the answer has no list of users');
      return users;
    } catch (error) {
      if (!(error instanceof Unavailable) || error.retryIn === null) throw error;
      const users = (await userGroups()).get(id);
      if (users === undefined) throw error;
      return users;
    }
  }

  /**
   * All user groups with their members, of any size, by a method that Slack limits by itself: for when the calls for single groups are used up.
   * Those that somebody needed a moment ago need no call of their own then. Empty when it can't be read either.
   */
  function userGroups(): Promise<ReadonlyMap<string, string[]>> {
    if (underWay !== null) return underWay;
    const reading = readUserGroups().finally(() => {
      if (underWay === reading) underWay = null;
    });
    underWay = reading;
    return reading;
  }

  /** The call that others may share; null: none, or Slack has said since it began that groups have changed. */
  let underWay: ReturnType<typeof readUserGroups> | null = null;
  async function readUserGroups(): Promise<ReadonlyMap<string, string[]>> {
    const begunAt = now();
    const answer = await quick
      .call('usergroups.list', (web) => web.usergroups.list({ include_users: true, include_disabled: false }))
      .catch((error: unknown) => {
        log.warn({ err: error }, 'the user groups can not be read together either');
        return null;
      });
    const found = new Map<string, string[]>();
    for (const { id, users } of answer?.usergroups ?? [])
      if (id !== undefined && users !== undefined) found.set(id, users);
    for (const [id, users] of found) {
      const known = readings.get(id);
      // What Slack said of it meanwhile still holds.
      if (known !== undefined && known.begunAt < begunAt)
        keep(id, { ...known, begunAt, members: Promise.resolve(new Set(users)) });
    }
    return found;
  }

  async function channel(id: string): Promise<string[]> {
    const until = performance.now() + MOST_TIME;
    const members: string[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < MOST_PAGES; page++) {
      const answer = await quick.call('conversations.members', (web) =>
        web.conversations.members({ channel: id, limit: PAGE, ...(cursor !== undefined && { cursor }) }),
      );
      if (answer.members === undefined) throw new Error('the answer has no list of members');
      members.push(...answer.members);
      cursor = answer.response_metadata?.next_cursor || undefined;
      if (cursor === undefined) return members;
      if (performance.now() > until) throw new Error('reading the members takes too long');
    }
    throw new Error('there are too many members');
  }

  async function read(list: string): Promise<ReadonlySet<string> | Unreadable> {
    try {
      const found = isUserGroup(list) ? await userGroup(list) : await channel(list);
      return new Set(found.filter((member) => member !== ''));
    } catch (error) {
      log.warn(
        { list, err: error },
        'members can not be read: nobody counts as in this list, and everybody where it denies',
      );
      return { retryIn: retryIn(error) };
    }
  }

  /** Accounts by Slack id and by address, for who is told: decisions look them up anew. */
  const accounts = new Map<string, { readonly at: number; readonly account: Account }>();
  function knownAccount(key: string, freshness: Freshness): Account | null {
    const known = freshness === 'recently' ? accounts.get(key) : undefined;
    return known !== undefined && now() < known.at + STAYS_KNOWN ? known.account : null;
  }
  function kept(account: Account, email?: string): Account {
    for (const key of [account.slackId, ...(email === undefined ? [] : [email.toLowerCase()])]) {
      accounts.delete(key);
      accounts.set(key, { at: now(), account });
    }
    for (const oldest of accounts.keys()) {
      if (accounts.size <= MOST_ACCOUNTS) break;
      accounts.delete(oldest);
    }
    return account;
  }

  /** The handles of user groups; null: not read yet. */
  let handles: { readonly until: number; readonly names: Promise<ReadonlyMap<string, string>> } | null = null;
  async function readHandles(): Promise<ReadonlyMap<string, string>> {
    try {
      const { usergroups } = await quick.call('usergroups.list', (web) => web.usergroups.list({}));
      return new Map((usergroups ?? []).flatMap(({ id, handle }) => (id && handle ? [[id, handle] as const] : [])));
    } catch (error) {
      log.warn({ err: error }, 'the names of user groups can not be read: they are told by their ids');
      return new Map();
    }
  }

  const readings = new Map<string, Reading>();
  function keep(list: string, reading: Reading): void {
    readings.delete(list);
    readings.set(list, reading);
    for (const [other, { begunAt }] of readings)
      if (readings.size > MOST_LISTS || begunAt + STAYS_FRESH.recently <= now()) readings.delete(other);
  }

  const givenUp: Record<'group' | 'channel', number[]> = { group: [], channel: [] };
  /** Whether one more reading may be given up now. */
  function mayGiveUp(list: string): boolean {
    const kind = isUserGroup(list) ? 'group' : 'channel';
    const recent = givenUp[kind].filter((at) => at + MINUTE > now());
    const may = recent.length < GIVEN_UP[kind];
    givenUp[kind] = may ? [...recent, now()] : recent;
    return may;
  }

  return {
    doubt(lists) {
      for (const [list, reading] of readings) if (lists === 'all' || lists.includes(list)) reading.isDoubted = true;
      if (lists === 'all' || lists.some(isUserGroup)) underWay = null;
    },
    forget() {
      readings.clear();
      accounts.clear();
      underWay = null;
    },

    async account(slackId, freshness = 'now') {
      const known = knownAccount(slackId, freshness);
      if (known !== null) return known;
      const identity = await connection.identity();
      try {
        const { user } = await quick.call('users.info', (web) => web.users.info({ user: slackId }));
        return user?.id === slackId ? kept(accountOf(user, identity)) : null;
      } catch (error) {
        const word = slackError(error);
        if (word === 'user_not_found' || word === 'user_not_visible') return null;
        throw error;
      }
    },

    async *everyone() {
      const identity = await connection.identity();
      let cursor: string | undefined;
      for (;;) {
        const answer = await patient.call('users.list', (web) =>
          web.users.list({ limit: PAGE, ...(cursor !== undefined && { cursor }) }),
        );
        yield (answer.members ?? []).map((user) => accountOf(user, identity));
        cursor = answer.response_metadata?.next_cursor || undefined;
        if (cursor === undefined) return;
        await pause(PAGES_APART);
      }
    },

    async accountWith(email, freshness = 'now') {
      const known = knownAccount(email.toLowerCase(), freshness);
      if (known !== null) return known;
      const identity = await connection.identity();
      try {
        const { user } = await quick.call('users.lookupByEmail', (web) => web.users.lookupByEmail({ email }));
        return user === undefined ? null : kept(accountOf(user, identity), email);
      } catch (error) {
        if (slackError(error) === 'users_not_found') return null;
        log.warn({ err: error }, 'whose address it is can not be read: every list that denies counts as theirs');
        return { retryIn: retryIn(error) };
      }
    },

    async handle(group) {
      if (handles === null || now() >= handles.until) {
        // One that fails is not tried again at once: what it is for can be said without.
        handles = { until: now() + STAYS_KNOWN, names: readHandles() };
      }
      return (await handles.names).get(group) ?? null;
    },

    async members(list, freshness) {
      const known = readings.get(list);
      const isFresh = known !== undefined && now() < known.begunAt + STAYS_FRESH[freshness];
      if (isFresh && !(known.isDoubted && mayGiveUp(list))) return known.members;
      const reading: Reading = { begunAt: now(), members: read(list), isDoubted: false };
      keep(list, reading);
      const members = await reading.members;
      if ('retryIn' in members && readings.get(list) === reading) readings.delete(list);
      return members;
    },
  };
}

const isUserGroup = (list: string) => list.startsWith('S');

function retryIn(error: unknown): number | null {
  if (lastingError(error) !== null) return null;
  return (error instanceof Unavailable ? error.retryIn : null) ?? TRY_AGAIN;
}

/** The account in our words; what Slack leaves out counts against it. */
function accountOf(user: User, { teamId }: SlackIdentity): Account {
  // In an Enterprise Grid the team can be missing; the workspaces of the person are named instead.
  const own = user.team_id === teamId || user.enterprise_user?.teams?.includes(teamId) === true;
  return {
    slackId: user.id ?? '',
    name: user.profile?.real_name || user.real_name || user.name || '',
    email: user.profile?.email ?? '',
    emailConfirmed: user.is_email_confirmed === true,
    bot:
      user.is_bot === true ||
      user.is_workflow_bot === true ||
      user.is_connector_bot === true ||
      user.id === 'USLACKBOT',
    guest: user.is_restricted === true || user.is_ultra_restricted === true,
    external: user.is_stranger === true || !own,
    deactivated: user.deleted === true,
    ...(user.tz !== undefined && isZone(user.tz) && { zone: user.tz }),
  };
}
