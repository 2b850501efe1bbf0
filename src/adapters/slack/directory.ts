import type { webApi } from '@slack/bolt';
import type { Logger } from 'pino';
import type { Directory } from '../../app/ports.ts';
import type { Account } from '../../domain/people.ts';
import { slackError } from './client.ts';
import type { SlackConnection, SlackIdentity } from './connection.ts';

/** Members of a channel beyond this many are not read: such a channel is no list of approvers. */
const MOST_PAGES = 25;
const PAGE = 1000;
/** Milliseconds for all pages together: somebody waits for the decision. */
const MOST_TIME = 5000;

type User = NonNullable<webApi.UsersInfoResponse['user']>;

/** Accounts and memberships as Slack has them now. Nothing is cached: rights are looked up when they are used. */
export function createDirectory(connection: SlackConnection, log: Logger): Directory {
  const { quick } = connection;

  async function userGroup(id: string): Promise<string[]> {
    const { users } = await quick.call('usergroups.users.list', (web) =>
      web.usergroups.users.list({ usergroup: id, include_disabled: false }),
    );
    if (users === undefined) throw new Error('the answer has no list of users');
    return users;
  }

  async function channel(id: string): Promise<string[]> {
    const until = Date.now() + MOST_TIME;
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
      if (Date.now() > until) throw new Error('reading the members takes too long');
    }
    throw new Error('there are too many members');
  }

  return {
    async account(slackId) {
      const identity = await connection.identity();
      try {
        const { user } = await quick.call('users.info', (web) => web.users.info({ user: slackId }));
        return user?.id === slackId ? accountOf(user, identity) : null;
      } catch (error) {
        const word = slackError(error);
        if (word === 'user_not_found' || word === 'user_not_visible') return null;
        throw error;
      }
    },

    async members(id) {
      try {
        const found = id.startsWith('S') ? await userGroup(id) : await channel(id);
        return found.filter((member) => member !== '');
      } catch (error) {
        log.warn(
          { id, err: error },
          'members can not be read: nobody counts as in this list, and everybody where it denies',
        );
        return null;
      }
    },
  };
}

/** The account in our words; what Slack leaves out counts against it. */
function accountOf(user: User, { teamId, enterpriseId }: SlackIdentity): Account {
  const own =
    user.team_id === teamId || (enterpriseId !== null && user.enterprise_user?.enterprise_id === enterpriseId);
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
  };
}
