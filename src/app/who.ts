import { type Facts, lookupsFor } from '../domain/decide.ts';
import { Refusal } from '../domain/errors.ts';
import { identify, kubernetesUser, type Members, type Person } from '../domain/people.ts';
import type { Policy, Profile } from '../domain/policy.ts';
import type { Directory } from './ports.ts';

/**
 * The person behind a Slack id, as Slack and the policy say now.
 * @throws Refusal when that account may not act
 */
export async function personBehind(directory: Directory, policy: Policy, slackId: string): Promise<Person> {
  const account = await directory.account(slackId);
  if (account === null) throw new Refusal('identity', 'Slack knows no such account.');
  return identify(account, policy.identity);
}

/** Everything that must be known about people before this profile is asked for, decided on or ended. */
export async function factsFor(directory: Directory, policy: Policy, profile: Profile | undefined): Promise<Facts> {
  if (profile === undefined) return factsOfAdministrators(directory, policy);
  const { memberships, aliases } = lookupsFor(policy, profile);
  const denied = new Set([...profile.deny.groups, ...profile.deny.channels]);
  const [members, users] = await Promise.all([
    Promise.all(memberships.map(async (id) => [id, await membersOf(directory, policy, id, denied.has(id))] as const)),
    Promise.all(aliases.map(async (id) => [id, await userBehind(directory, policy, id)] as const)),
  ]);
  return { memberships: new Map(members), aliases: new Map(users) };
}

async function factsOfAdministrators(directory: Directory, policy: Policy): Promise<Facts> {
  const ids = [...policy.administrators.groups, ...policy.administrators.channels];
  const members = await Promise.all(
    ids.map(async (id) => [id, await membersOf(directory, policy, id, false)] as const),
  );
  return { memberships: new Map(members), aliases: new Map() };
}

/** For deny lists the Kubernetes users behind the members count too: a second account of a denied person is denied. */
async function membersOf(directory: Directory, policy: Policy, id: string, withUsers: boolean): Promise<Members> {
  const slackIds = await directory.members(id);
  if (slackIds === null) return null;
  const users = withUsers ? await Promise.all(slackIds.map((slackId) => userBehind(directory, policy, slackId))) : [];
  return { slackIds: new Set(slackIds), users: new Set(users.filter((user) => user !== null)) };
}

async function userBehind(directory: Directory, policy: Policy, slackId: string): Promise<string | null> {
  const account = await directory.account(slackId);
  return account === null ? null : kubernetesUser(account, policy.identity);
}
