import { randomUUID } from 'node:crypto';
import { type Directory, slackGroup, slackUser } from './directory.ts';
import type { Json } from './upstream.ts';

/**
 * The directory with the events by which Slack tells the app of each change, where the app has the scope for them:
 * https://docs.slack.dev/reference/events
 */
export function announcing(
  directory: Directory,
  options: {
    appId: string;
    botUserId: string;
    teamId: string;
    scopes(): readonly string[];
    /** Delivers an Events API payload to the app. */
    send(payload: Json): void;
  },
): Directory {
  const { appId, botUserId, teamId } = options;
  const has = (scope: string): boolean => options.scopes().includes(scope);

  function tell(scope: string, event: Json): void {
    if (!has(scope)) return;
    const seconds = Math.floor(Date.now() / 1000);
    options.send({
      token: 'verification-token',
      team_id: teamId,
      api_app_id: appId,
      event: { ...event, event_ts: `${Date.now() / 1000}` },
      type: 'event_callback',
      event_id: `Ev${randomUUID().slice(0, 8).toUpperCase()}`,
      event_time: seconds,
      authorizations: [
        { enterprise_id: null, team_id: teamId, user_id: botUserId, is_bot: true, is_enterprise_install: false },
      ],
      is_ext_shared_channel: false,
    });
  }

  return {
    ...directory,
    get plan() {
      return directory.plan;
    },
    setPerson(change) {
      const type = directory.person(change.id) === undefined ? 'team_join' : 'user_change';
      directory.setPerson(change);
      const person = directory.person(change.id);
      if (person) tell('users:read', { type, user: slackUser(person, teamId, has('users:read.email')) });
    },
    setGroup(change) {
      const find = () => directory.groups().find(({ id }) => id === change.id);
      const before = find();
      directory.setGroup(change);
      const group = find();
      // A new one is announced as subteam_created, which the app does not hear.
      if (!before || !group) return;
      const added = less(group.users, before.users);
      const removed = less(before.users, group.users);
      if (added.length > 0 || removed.length > 0)
        tell('usergroups:read', {
          type: 'subteam_members_changed',
          subteam_id: group.id,
          team_id: teamId,
          added_users: added,
          added_users_count: added.length,
          removed_users: removed,
          removed_users_count: removed.length,
        });
      tell('usergroups:read', { type: 'subteam_updated', subteam: slackGroup(group, teamId, true) });
    },
    setMembers(id, ids) {
      const before = directory.members(id) ?? [];
      directory.setMembers(id, ids);
      // Only who is a member hears of the others.
      if (!ids.includes(botUserId)) return;
      const scope = directory.channel(id)?.is_private ? 'groups:read' : 'channels:read';
      const channel = { channel: id, channel_type: id.slice(0, 1), team: teamId };
      for (const user of less(ids, before)) tell(scope, { type: 'member_joined_channel', user, ...channel });
      for (const user of less(before, ids)) tell(scope, { type: 'member_left_channel', user, ...channel });
    },
  };
}

/** Those that the other list has not. */
function less(list: readonly string[], other: readonly string[]): string[] {
  const known = new Set(other);
  return list.filter((one) => !known.has(one));
}
