import { type Facts, lookupsFor } from '../domain/decide.ts';
import { Refusal } from '../domain/errors.ts';
import type { Grant } from '../domain/grant.ts';
import type { GrantId } from '../domain/ids.ts';
import { identify, kubernetesUser, type Members, type Person } from '../domain/people.ts';
import { type Policy, type Profile, profileNamed } from '../domain/policy.ts';
import type { Directory, World } from './ports.ts';

/**
 * The person behind a Slack id, as Slack and the policy say now. That an account was turned away is in the audit.
 * @throws Refusal when that account may not act
 */
export async function personBehind(world: World, policy: Policy, slackId: string): Promise<Person> {
  try {
    const account = await world.directory.account(slackId);
    if (account === null) throw new Refusal('identity', 'Slack knows no such account.');
    return identify(account, policy.identity);
  } catch (error) {
    if (error instanceof Refusal)
      await world.audit.record({
        at: world.clock.now(),
        event: 'refused',
        id: null,
        actor: { user: '', slackId },
        rule: error.rule,
        note: error.message,
      });
    throw error;
  }
}

/** All that a decision of one person on one grant is made from, looked up now. */
export interface Hearing {
  readonly policy: Policy;
  /** Undefined when the policy has no such profile any more. */
  readonly profile: Profile | undefined;
  readonly person: Person;
  readonly grant: Grant;
  readonly facts: Facts;
}

/** @throws Refusal when the account may not act, or there is no such grant */
export async function hear(world: World, slackId: string, id: GrantId): Promise<Hearing> {
  const policy = world.policies.current();
  const person = await personBehind(world, policy, slackId);
  const grant = await grantNamed(world, id);
  const profile = profileNamed(policy, grant.profile);
  return { policy, profile, person, grant, facts: await factsFor(world.directory, policy, profile) };
}

/** The grant behind an id, or a refusal that says so. */
export async function grantNamed(world: World, id: GrantId): Promise<Grant> {
  const grant = await world.store.get(id);
  if (grant === null) throw new Refusal('id', `There is no request or grant ${id}.`, '`/jit list` shows yours.');
  return grant;
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
