/** The people, user groups and channel members of the local Slack. All of it may change while the bot runs. */

/** A person as Slack's `user` object has it; what is left out is as for an ordinary member. */
export interface Person {
  /** Starts with U or W. */
  id: string;
  /** The handle, without @. */
  name: string;
  real_name?: string;
  email?: string;
  /** Default true; null: not set, as of those who joined by single sign-on. */
  is_email_confirmed?: boolean | null;
  is_bot?: boolean;
  /** Guest of several channels. */
  is_restricted?: boolean;
  /** Guest of one channel. */
  is_ultra_restricted?: boolean;
  /** Somebody of another workspace, met in a shared channel. */
  is_stranger?: boolean;
  /** Deactivated. */
  deleted?: boolean;
  /** Another workspace than this one; null: not set, as it can be in an Enterprise Grid. */
  team_id?: string | null;
  /** The workspaces of a person in an Enterprise Grid. */
  teams?: string[];
}

export interface UserGroup {
  /** Starts with S. */
  id: string;
  /** Without @. */
  handle: string;
  name?: string;
  users: string[];
  disabled?: boolean;
}

export interface Channel {
  /** Starts with C (or G when private). */
  id: string;
  /** Without #. */
  name: string;
  is_private?: boolean;
  is_archived?: boolean;
  /** Ids of people. The bot is a member unless `withoutBot`. */
  members: string[];
  withoutBot?: boolean;
}

/** User groups are a feature of paid plans. */
export type Plan = 'free' | 'paid';

/** The workspace as the tests may read and change it; changes hold from the next call of the bot on. */
export interface Directory {
  person(id: string): Person | undefined;
  people(): Person[];
  /** Changes a person, or adds one. */
  setPerson(person: Partial<Person> & { id: string }): void;
  groups(): UserGroup[];
  /** Changes a user group, or adds one. */
  setGroup(group: Partial<UserGroup> & { id: string }): void;
  /** The members of a channel, the bot among them; undefined for a channel that is not in the configuration. */
  members(channel: string): string[] | undefined;
  setMembers(channel: string, members: string[]): void;
  channel(id: string): Channel | undefined;
  channels(): Channel[];
  setArchived(channel: string, isArchived: boolean): void;
  readonly plan: Plan;
  setPlan(plan: Plan): void;
}

export interface Workspace {
  teamId: string;
  botUserId: string;
  users: Person[];
  userGroups: UserGroup[];
  channels: Channel[];
}

export function createDirectory({ botUserId, users, userGroups, channels }: Workspace): Directory {
  const people = new Map(users.map((person) => [person.id, person]));
  const groups = new Map(userGroups.map((group) => [group.id, group]));
  const rooms = new Map(channels.map((channel) => [channel.id, channel]));
  const members = new Map(
    channels.map((channel) => [channel.id, channel.withoutBot ? channel.members : [...channel.members, botUserId]]),
  );
  let plan: Plan = 'paid';
  return {
    person: (id) => people.get(id),
    people: () => [...people.values()],
    setPerson(change) {
      people.set(change.id, { name: change.id.toLowerCase(), ...people.get(change.id), ...change });
    },
    groups: () => [...groups.values()],
    setGroup(change) {
      groups.set(change.id, { handle: change.id.toLowerCase(), users: [], ...groups.get(change.id), ...change });
    },
    members: (id) => members.get(id),
    setMembers(id, ids) {
      members.set(id, ids);
    },
    channel: (id) => rooms.get(id),
    channels: () => [...rooms.values()],
    setArchived(id, isArchived) {
      const room = rooms.get(id);
      if (room) rooms.set(id, { ...room, is_archived: isArchived });
    },
    get plan() {
      return plan;
    },
    setPlan(other) {
      plan = other;
    },
  };
}

/** The `user` object of users.info and users.list. `withEmail` is whether the bot has users:read.email. */
export function slackUser(person: Person, teamId: string, withEmail: boolean): Record<string, unknown> {
  const real_name = person.real_name ?? person.name;
  const team_id = person.team_id === undefined ? teamId : person.team_id;
  const confirmed = person.is_email_confirmed === undefined ? true : person.is_email_confirmed;
  return {
    id: person.id,
    ...(team_id !== null && { team_id }),
    ...(person.teams && { enterprise_user: { id: person.id, enterprise_id: 'E0LOCAL', teams: person.teams } }),
    name: person.name,
    deleted: person.deleted ?? false,
    real_name,
    tz: 'Europe/London',
    tz_label: 'Greenwich Mean Time',
    tz_offset: 0,
    profile: {
      real_name,
      display_name: person.name,
      ...(team_id !== null && { team: team_id }),
      ...(withEmail && person.email !== undefined ? { email: person.email } : {}),
    },
    is_admin: false,
    is_owner: false,
    is_primary_owner: false,
    is_restricted: person.is_restricted ?? false,
    is_ultra_restricted: person.is_ultra_restricted ?? false,
    ...(person.is_stranger ? { is_stranger: true } : {}),
    is_bot: person.is_bot ?? false,
    is_app_user: false,
    ...(confirmed !== null && { is_email_confirmed: confirmed }),
    updated: 1_700_000_000,
  };
}

/** The `usergroup` object of usergroups.list. */
export function slackGroup(group: UserGroup, teamId: string, withUsers: boolean): Record<string, unknown> {
  return {
    id: group.id,
    team_id: teamId,
    is_usergroup: true,
    name: group.name ?? group.handle,
    description: '',
    handle: group.handle,
    is_external: false,
    date_create: 1_700_000_000,
    date_update: 1_700_000_000,
    date_delete: group.disabled ? 1_700_000_000 : 0,
    auto_type: null,
    user_count: group.users.length,
    ...(withUsers ? { users: group.users } : {}),
  };
}
