import { askedAs } from '../../domain/decide/asked.ts';
import { askedLists } from '../../domain/decide/steps.ts';
import { Refusal } from '../../domain/errors.ts';
import { type Grant, waitsForApproval } from '../../domain/grant/grant.ts';
import { type Entry, identify, type Person } from '../../domain/people/people.ts';
import { addressOfUser, isSameUser, isSlackId } from '../../domain/policy/identity.ts';
import {
  decidersOf,
  type Policy,
  type Principals,
  type Profile,
  profileNamed,
  together,
} from '../../domain/policy/policy.ts';
import { everybodyOnCall } from '../people/sources.ts';
import { answering } from '../people/who.ts';
import type { Naming } from '../ports/view.ts';
import type { World } from '../ports/world.ts';

/** Who is asked to decide: whom the message names and calls, and who gets a direct message. It decides nothing; what can't be read calls one too many. */

/** So many people of a list are looked up; a message names no more. */
const MOST_NAMED = 20;
/** So many members of a group are called one by one, since quiet people are among them. */
const MOST_CALLED = 20;
/** So many people get a direct message about one request, of so many that are looked at for it. */
const MOST_ASKED = 20;
const MOST_LOOKED_AT = 40;

/** Not named at all. */
const UNNAMED: Naming = { words: null, call: [] };
const words = (text: string): Naming => ({ words: text, call: [] });

/** Who is called of those who are named. */
interface Calls {
  readonly nobody: boolean;
  /** Slack ids that are not called. */
  readonly quiet: ReadonlySet<string>;
  /** Slack ids that alone are called: who is on call; null: all. */
  readonly only: ReadonlySet<string> | null;
}

const isCalled = ({ nobody, quiet, only }: Calls, slackId: string): boolean =>
  !nobody && !quiet.has(slackId) && (only?.has(slackId) ?? true);

/** How the entries of the approvers are named in a message about this grant; an entry that is left out is named as it stands in the policy. */
export async function namingOf(world: World, grant: Grant): Promise<ReadonlyMap<string, Naming>> {
  const policy = world.policies.current();
  const profile = profileNamed(policy, grant.profile);
  if (profile === undefined) return new Map();
  const { mention } = profile.approval.notify;
  // What the policy approves by itself asks nobody.
  const nobody = mention === 'none' || (grant.state === 'pending' && grant.approvalsNeeded === 0);
  const quiet = await quietOf(world, policy, profile);
  const only = mention === 'oncall' && !nobody ? await onCallNow(world, policy) : null;
  const named = await namingBy(world, grant, { nobody, quiet, only });
  // None of those who may decide is on call: a request of which nobody hears would be worse.
  const { groups } = together(askedLists(grant, profile, world.clock.now()));
  const isHeard = [...named.values()].some(({ call }) => call.length > 0) || groups.some((group) => !named.has(group));
  return only === null || isHeard ? named : namingBy(world, grant, { nobody, quiet, only: null });
}

async function namingBy(world: World, grant: Grant, calls: Calls): Promise<Map<string, Naming>> {
  const policy = world.policies.current();
  const named = new Map<string, Naming>();
  const profile = profileNamed(policy, grant.profile);
  if (profile === undefined) return named;
  const { approval } = profile;
  const approvers = together(askedLists(grant, profile, world.clock.now()));
  for (const user of approvers.users.slice(0, MOST_NAMED))
    named.set(user, await namingOfUser(world, policy, grant, user, calls));
  for (const group of approvers.groups) {
    const naming = await namingOfGroup(world, group, grant, approval.notify.quiet, calls);
    if (naming !== null) named.set(group, naming);
  }
  // Members of a channel are not called by naming it.
  for (const channel of calls.only === null ? [] : approvers.channels) {
    const naming = await namingByMembers(world, channel, grant, calls);
    if (naming !== null) named.set(channel, naming);
  }
  for (const name of approvers.oncall ?? [])
    named.set(`oncall.${name}`, calling(calls.nobody ? [] : await calledOnCall(world, name, grant, calls)));
  // Nobody is called before their turn, or for what the policy approves by itself.
  const others = together(decidersOf(grant.profile, profile));
  const isAsked = (entry: string) => [...approvers.users, ...approvers.groups].includes(entry);
  for (const user of others.users.filter((one) => !isAsked(one)).slice(0, MOST_NAMED)) named.set(user, words(user));
  for (const group of others.groups.filter((one) => !isAsked(one)))
    named.set(group, words(await handleOf(world, group)));
  return named;
}

async function namingOfUser(world: World, policy: Policy, grant: Grant, user: string, calls: Calls): Promise<Naming> {
  const { requester } = grant;
  if (isSlackId(user) ? user === requester.slackId : isSameUser(user, requester.user)) return UNNAMED;
  const person = await personNamed(world, policy, user);
  if (person === null) return isSlackId(user) && isCalled(calls, user) ? calling([user]) : words(user);
  if (person instanceof Refusal || (await entryFor(world, policy, grant, person)) === null) return UNNAMED;
  return isCalled(calls, person.slackId) ? calling([person.slackId]) : words(user);
}

const calling = (call: readonly string[]): Naming => ({ words: null, call });

/** Null: as it stands in the policy. */
async function namingOfGroup(
  world: World,
  group: string,
  grant: Grant,
  list: Principals,
  calls: Calls,
): Promise<Naming | null> {
  if (calls.nobody || list.groups.includes(group)) return words(await handleOf(world, group));
  return calls.only === null && calls.quiet.size === 0 ? null : namingByMembers(world, group, grant, calls);
}

/** A list of which only some are called, one by one. Null: all of it is, or who is in it can't be read. */
async function namingByMembers(world: World, list: string, { requester }: Grant, calls: Calls): Promise<Naming | null> {
  const members = await world.directory.members(list, 'recently');
  if ('retryIn' in members || [...members].every((id) => isCalled(calls, id))) return null;
  const called = [...members].filter((id) => isCalled(calls, id) && id !== requester.slackId);
  return { words: await handleOf(world, list), call: called.slice(0, MOST_CALLED) };
}

/** Who is called of those who are on call by this source, as far as that can be read. */
async function calledOnCall(world: World, name: string, grant: Grant, calls: Calls): Promise<string[]> {
  const policy = world.policies.current();
  const found = await everybodyOnCall(world, name).catch(() => ({ retryIn: null }));
  if ('retryIn' in found) return [];
  const called: string[] = [];
  for (const id of [...found].filter((one) => isCalled(calls, one)).slice(0, MOST_CALLED))
    if ((await entryOf(world, policy, grant, id)) !== null) called.push(id);
  return called;
}

/** Slack ids of all who are on call by a source of the policy; null: not every source can be read. */
async function onCallNow(world: World, policy: Policy): Promise<ReadonlySet<string> | null> {
  const found = new Set<string>();
  for (const answer of await Promise.all(
    Object.keys(policy.oncall ?? {}).map((name) => everybodyOnCall(world, name).catch(() => ({ retryIn: null }))),
  )) {
    if ('retryIn' in answer) return null;
    for (const id of answer) found.add(id);
  }
  return found;
}

/** Slack ids of whom the profile does not call, as far as that can be read. */
async function quietOf(world: World, policy: Policy, { approval }: Profile): Promise<ReadonlySet<string>> {
  const { users, groups, channels } = approval.notify.quiet;
  const found = new Set<string>();
  for (const user of users.slice(0, MOST_NAMED)) {
    const id = await slackIdOf(world, policy, user);
    if (id !== null) found.add(id);
  }
  for (const list of [...groups, ...channels]) {
    const members = await world.directory.members(list, 'recently');
    if (!('retryIn' in members)) for (const id of members) found.add(id);
  }
  return found;
}

async function handleOf(world: World, group: string): Promise<string> {
  const handle = await world.directory.handle(group).catch(() => null);
  return handle === null ? group : `@${handle}`;
}

/** The Slack account that an entry of the policy names; null: none, or it can't be read now. */
async function slackIdOf(world: World, { identity }: Policy, user: string): Promise<string | null> {
  if (isSlackId(user)) return user;
  const override = identity.overrides.find((one) => isSameUser(one.user, user));
  if (override !== undefined) return override.slack;
  const email = addressOfUser(user, identity);
  const account = email === null ? null : await world.directory.accountWith(email, 'recently').catch(() => null);
  return account === null || 'retryIn' in account ? null : account.slackId;
}

/** The person whom an entry of the policy names; a refusal: that account may not act; null: there is none, or it can't be read now. */
async function personNamed(world: World, policy: Policy, user: string): Promise<Person | Refusal | null> {
  const id = await slackIdOf(world, policy, user);
  return id === null ? null : personOf(world, policy, id);
}

async function personOf(world: World, policy: Policy, slackId: string): Promise<Person | Refusal | null> {
  const account = await world.directory.account(slackId, 'recently').catch(() => null);
  return account === null ? null : identify(account, policy);
}

/** As what somebody is asked, as far as that can be read; null: they are not. */
const entryFor = (world: World, policy: Policy, grant: Grant, person: Person): Promise<Entry | 'unknown' | null> =>
  answering(world, askedAs({ policy, now: world.clock.now() }, grant, person), 'recently').catch(
    () => 'unknown' as const,
  );

/** A person who is asked by a direct message, and the entry of the policy that names them. */
export interface Asked {
  readonly slackId: string;
  readonly entry: Entry;
}

/** Who gets a direct message about this request: those who may decide on it now and are not quiet, named people first. */
export async function peopleToAsk(world: World, grant: Grant): Promise<Asked[]> {
  const policy = world.policies.current();
  const profile = profileNamed(policy, grant.profile);
  if (!isAskedDirectly(grant, profile)) return [];
  const quiet = await quietOf(world, policy, profile);
  const asked: Asked[] = [];
  const lists = askedLists(grant, profile, world.clock.now());
  const candidates = await candidatesOf(world, policy, together(lists));
  for (const slackId of candidates.filter((id) => !quiet.has(id)).slice(0, MOST_LOOKED_AT)) {
    const entry = await entryOf(world, policy, grant, slackId);
    if (entry !== null) asked.push({ slackId, entry });
    if (asked.length === MOST_ASKED) break;
  }
  return asked;
}

/** Whether this person is still to have a direct message about what waits, and by which entry; null: not any more. */
export async function stillAsked(world: World, grant: Grant, slackId: string): Promise<Asked | null> {
  const policy = world.policies.current();
  const profile = profileNamed(policy, grant.profile);
  if (!isAskedDirectly(grant, profile)) return null;
  if ((await quietOf(world, policy, profile)).has(slackId)) return null;
  const entry = await entryOf(world, policy, grant, slackId);
  return entry && { slackId, entry };
}

function isAskedDirectly(grant: Grant, profile: Profile | undefined): profile is Profile {
  const isWaiting = waitsForApproval(grant) && grant.message !== null;
  return isWaiting && profile?.approval.notify.direct === true;
}

async function entryOf(world: World, policy: Policy, grant: Grant, slackId: string): Promise<Entry | null> {
  const person = await personOf(world, policy, slackId);
  if (person === null || person instanceof Refusal) return null;
  const entry = await entryFor(world, policy, grant, person);
  return entry === 'unknown' ? null : entry;
}

async function candidatesOf(world: World, policy: Policy, list: Principals): Promise<string[]> {
  const found = new Set<string>();
  for (const user of list.users.slice(0, MOST_NAMED)) {
    const id = await slackIdOf(world, policy, user);
    if (id !== null) found.add(id);
  }
  for (const id of [...list.groups, ...list.channels]) {
    const members = await world.directory.members(id, 'recently');
    if (!('retryIn' in members)) for (const member of members) found.add(member);
  }
  for (const name of list.oncall ?? []) {
    const members = await everybodyOnCall(world, name).catch(() => ({ retryIn: null }));
    if (!('retryIn' in members)) for (const member of members) found.add(member);
  }
  return [...found];
}
