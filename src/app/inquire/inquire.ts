import { mayBreakGlass } from '../../domain/decide/break-glass.ts';
import { mayAsk, mayDecide } from '../../domain/decide/decide.ts';
import { clustersFor } from '../../domain/decide/in-cluster.ts';
import { type NoteRule, noteRule, type Verdict, whyNotNote } from '../../domain/decide/notes.ts';
import { Refusal, Unavailable } from '../../domain/errors.ts';
import { type Grant, holdsAccess } from '../../domain/grant/grant.ts';
import { type OpenAccess, openAccess } from '../../domain/grant/reading.ts';
import type { GrantSummary } from '../../domain/grant/summary.ts';
import type { GrantId } from '../../domain/ids.ts';
import { nearest } from '../../domain/nearest.ts';
import type { Person } from '../../domain/people/people.ts';
import { digestOfPlan } from '../../domain/plan/plan.ts';
import { describeOnCall } from '../../domain/policy/conditions-in-words.ts';
import {
  clusterNames,
  decidersOf,
  isSystemNamespace,
  matchesNamespace,
  matchesNode,
  type Policy,
  type Principals,
  type Profile,
  profileNamed,
  type Scope,
  together,
} from '../../domain/policy/policy.ts';
import { type ClusterName, inCluster, isWide } from '../../domain/target.ts';
import { hindranceTo } from '../common/giving.ts';
import { seenBy } from '../people/seen-by.ts';
import { answering, personBehind, rulesNow } from '../people/who.ts';
import { makePlanAnew } from '../plan/make-plan.ts';
import type { ClusterAccess } from '../ports/cluster-access.ts';
import type { Freshness } from '../ports/directory.ts';
import type { Anew, ClosedCluster, Inspected, Offer } from '../ports/use-cases.ts';
import { type View } from '../ports/view.ts';
import type { World } from '../ports/world.ts';
import { viewOf } from './view.ts';

/** Questions: nothing here changes anything. */

/** How many records are read at once. */
const PAGE = 50;

/**
 * What this person may ask for, in the policy's order, of each profile once for each cluster. A cluster that is away offers nothing now.
 * @param freshness of the account
 */
export async function offers(world: World, slackId: string, freshness: Freshness = 'now'): Promise<Offer[]> {
  const policy = world.policies.current();
  const person = await personBehind(world, slackId, freshness);
  const existing = await namespacesOfAll(world);
  const all = await Promise.all(
    Object.entries(policy.profiles).map(async ([name, profile]): Promise<Offer[]> => {
      const clusters = clustersFor(policy, profile, person).filter(
        (cluster) => world.policies.disabled(name, cluster) === null,
      );
      if (clusters.length === 0 || !(await answering(world, mayAsk(policy, name, person), 'recently')).allowed)
        return [];
      const glass = await glassOf(world, policy, name, person);
      const offered = clusters.map((cluster) => offerOf(world, policy, name, cluster, existing.get(cluster)));
      return (await Promise.all(offered)).flatMap((offer) => (offer === null ? [] : [{ ...offer, ...glass }]));
    }),
  );
  return all.flat();
}

/** The clusters of what this person may ask for in which nothing can be asked for now. A single one has no name: then each request says why. */
export async function closedClusters(world: World, slackId: string): Promise<ClosedCluster[]> {
  const policy = world.policies.current();
  const person = await personBehind(world, slackId);
  const closed = clusterNames(policy).flatMap((name) => {
    const hindrance = name === null ? null : hindranceTo(world, { cluster: name }, 'asking');
    return name === null || hindrance === null ? [] : [{ name, why: hindrance.why, remedy: hindrance.remedy }];
  });
  if (closed.length === 0) return [];
  const theirs = new Set<ClusterName>();
  for (const [name, profile] of Object.entries(policy.profiles))
    if ((await answering(world, mayAsk(policy, name, person), 'recently')).allowed)
      for (const cluster of clustersFor(policy, profile, person)) theirs.add(cluster);
  return closed.filter(({ name }) => theirs.has(name));
}

/** The namespaces of each cluster that answers. @throws what the clusters say when none of them does */
async function namespacesOfAll({ clusters }: World): Promise<ReadonlyMap<ClusterName, readonly string[]>> {
  const { names, closedNamespaces } = clusters;
  const isOpen = (ns: string) => !isSystemNamespace(ns) && !closedNamespaces.includes(ns);
  const asked = await Promise.allSettled(names.map((cluster) => clusters.of({ cluster }).namespaces()));
  const known = new Map<ClusterName, readonly string[]>();
  for (const [index, answer] of asked.entries())
    if (answer.status === 'fulfilled') known.set(names[index] ?? null, answer.value.filter(isOpen).toSorted());
    else if (!(answer.reason instanceof Unavailable)) throw answer.reason;
  const [first] = asked;
  if (known.size === 0 && first?.status === 'rejected') throw first.reason;
  return known;
}

/** Whether the glass may be broken for it, and who hears of that. While a list can't be read, it names nobody. */
async function glassOf(world: World, policy: Policy, name: string, person: Person): Promise<Pick<Offer, 'breakGlass'>> {
  const profile = policy.profiles[name] as Profile;
  const { breakGlass } = profile;
  if (breakGlass === undefined || !(await answering(world, mayBreakGlass(policy, name, person), 'recently')).allowed)
    return {};
  const [administrators, approvers, reviewers] = await Promise.all(
    [policy.administrators, together(decidersOf(name, profile)), breakGlass.review.from].map((people) =>
      namesOf(world, people),
    ),
  );
  const told = ['the channel of its requests', named('administrators', administrators), named('approvers', approvers)]
    .filter(Boolean)
    .join(', ');
  return { breakGlass: { maximum: breakGlass.maximum, told, reviewers: reviewers ?? '' } };
}

const named = (who: string, names = ''): string => (names === '' ? '' : `${who} (${names})`);

/** So many entries of a list are named. */
const MOST_NAMED = 3;

/** The entries of a list as people know them: addresses, handles of groups. */
async function namesOf({ directory }: World, { users, groups, channels, oncall = [] }: Principals): Promise<string> {
  const handles = groups.slice(0, MOST_NAMED).map(async (group) => {
    const handle = await directory.handle(group).catch(() => null);
    return handle === null ? `group ${group}` : `@${handle}`;
  });
  const all = [
    ...(await Promise.all(handles)),
    ...users,
    ...oncall.map(describeOnCall),
    ...channels.map((channel) => `members of channel ${channel}`),
  ];
  const others = groups.length + users.length + oncall.length + channels.length - MOST_NAMED;
  return `${all.slice(0, MOST_NAMED).join(', ')}${others > 0 ? ` and ${others} more` : ''}`;
}

/**
 * Null: the profile covers nothing there.
 * @param existing the namespaces there; left out: the cluster does not answer
 */
async function offerOf(
  { clusters }: World,
  policy: Policy,
  profile: string,
  cluster: ClusterName,
  existing: readonly string[] | undefined,
): Promise<Offer | null> {
  const p = policy.profiles[profile] as Profile;
  if (existing === undefined) return null;
  const namespaces = existing.filter((ns) => matchesNamespace(p.namespaces ?? [], ns));
  const nodes = p.scope === 'node' ? await nodesOf(clusters.of({ cluster }), p) : [];
  if (p.scope !== 'cluster' && namespaces.length + nodes.length === 0) return null;
  return {
    profile,
    cluster,
    description: p.description,
    scope: p.scope,
    rights: p.rights ?? null,
    ...(p.ticket !== 'none' && policy.tickets && { ticket: { need: p.ticket, pattern: policy.tickets.pattern } }),
    ...(p.reason !== undefined && { reason: p.reason }),
    namespaces,
    ...(p.scope === 'node' && { nodes }),
    defaultDuration: p.duration.default,
    maximumDuration: p.duration.maximum,
  };
}

const nodesOf = async (cluster: ClusterAccess, { nodes = [] }: Profile): Promise<string[]> =>
  (await cluster.nodes()).filter((node) => matchesNode(nodes, node));

/** What a request of this profile names; null: there is no such profile. */
export function scopeOf(world: World, name: string): Scope | null {
  return profileNamed(world.policies.current(), name)?.scope ?? null;
}

/** Possible targets in a namespace that one of the person's offers covers. */
export async function workloads(
  world: World,
  slackId: string,
  profile: string,
  cluster: ClusterName,
  namespace: string,
): Promise<{ kind: string; name: string }[]> {
  const isIt = (o: Offer) => o.profile === profile && o.cluster === cluster && o.namespaces.includes(namespace);
  // With each letter that somebody types: what Slack allows would soon be used up.
  if (!(await offers(world, slackId, 'recently')).some(isIt))
    throw new Refusal(
      `profiles.${profile}`,
      `Profile '${profile}' offers you no namespace '${inCluster(cluster)}${namespace}'.`,
    );
  return world.clusters.of({ cluster }).workloads(namespace);
}

/** Everything about one, as it is on record. @throws Refusal for who may not read it */
export async function status(world: World, slackId: string, id: GrantId): Promise<View> {
  const seen = await seenBy(world, slackId, id);
  if ('grant' in seen)
    return viewOf(seen.grant, world.policies.current(), world.clusters.of(seen.grant), world.clock.now());
  throw new Refusal(
    'readers',
    `${id} is shown to its requester, to those who may decide on it or end it, and in the channel of its message.`,
    isWide(seen.access.target) ? '' : `\`/jit who ${seen.access.target.namespace}\` shows who has access there.`,
  );
}

/** The same for who is about to approve it with this note. @throws Refusal also when the note is not taken */
export async function consider(world: World, slackId: string, id: GrantId, note: string): Promise<View> {
  const view = await status(world, slackId, id);
  const name = view.grant.profile;
  const profile = profileNamed(world.policies.current(), name);
  // One that is needed and missing is asked for by the button.
  const why = note === '' || profile === undefined ? null : whyNotNote(name, profile, 'approve', note);
  if (why !== null) throw why;
  return view;
}

/** How a note goes with a decision on this grant by the policy as it is now. */
export async function noteOn(world: World, id: GrantId, verdict: Verdict): Promise<NoteRule> {
  const grant = await world.store.get(id);
  const profile = grant === null ? undefined : profileNamed(world.policies.current(), grant.profile);
  // Whatever is decided without a note is refused then, with the reason.
  return profile === undefined ? 'none' : noteRule(profile, verdict);
}

/** What this person may see of it; of a request that waits with its plan made anew, from the person, the policy and the cluster as they are now. */
export async function inspect(world: World, slackId: string, id: GrantId): Promise<Inspected> {
  const read = await seenBy(world, slackId, id);
  if ('access' in read) return read;
  const { grant } = read;
  const seen = (shown: Grant) => viewOf(shown, world.policies.current(), world.clusters.of(shown), world.clock.now());
  return { view: seen(grant), anew: grant.state === 'pending' ? await madeAnew(world, grant, seen) : null };
}

async function madeAnew(world: World, grant: Grant, seen: (grant: Grant) => View): Promise<Anew> {
  try {
    const { plan, requester } = await makePlanAnew(world, grant, 'shown');
    if (digestOfPlan(plan) === grant.digest) return { kind: 'same' };
    return { kind: 'changed', view: seen({ ...grant, plan, requester, target: plan.target, pods: plan.pods }) };
  } catch (error) {
    if (error instanceof Refusal) return { kind: 'refused', refusal: error };
    // What is on record can be shown all the same.
    if (error instanceof Unavailable) return { kind: 'unknown' };
    throw error;
  }
}

const newestFirst = (one: { readonly createdAt: number }, other: { readonly createdAt: number }): number =>
  other.createdAt - one.createdAt;

/** The person's own, what is open before what waits, and those that wait for this person's decision: of these the newest, `more` where there may be others. */
export async function list(world: World, slackId: string): Promise<{ mine: View[]; waiting: View[]; more: boolean }> {
  const policy = world.policies.current();
  const person = await personBehind(world, slackId);
  const own = await world.store.records((await world.store.requestedBy(person)).map(({ id }) => id));
  const waiting = await waitingFor(world, person);
  const view = (grant: Grant) => viewOf(grant, policy, world.clusters.of(grant), world.clock.now());
  const openFirst = own.toSorted(
    (one, other) => Number(holdsAccess(other.state)) - Number(holdsAccess(one.state)) || newestFirst(one, other),
  );
  return { mine: openFirst.map(view), waiting: waiting.grants.map(view), more: waiting.more };
}

/** Records are read by the page, and no more pages than it takes: a hundred thousand requests may wait. */
async function waitingFor(world: World, person: Person): Promise<{ grants: Grant[]; more: boolean }> {
  const rules = rulesNow(world);
  const pending = new Map<GrantId, Pick<GrantSummary, 'id' | 'createdAt'>>();
  for await (const portion of world.store.summaries('pending'))
    for (const { id, createdAt } of portion) pending.set(id, { id, createdAt });
  const ids = [...pending.values()].toSorted(newestFirst).map(({ id }) => id);
  const grants: Grant[] = [];
  let read = 0;
  for (; read < ids.length && grants.length < PAGE; read += PAGE)
    for (const grant of (await world.store.records(ids.slice(read, read + PAGE))).toSorted(newestFirst))
      if (grant.state === 'pending' && (await answering(world, mayDecide(rules, grant, person), 'recently')).allowed)
        grants.push(grant);
  return { grants, more: read < ids.length };
}

/**
 * Who has access to a namespace now, by the whole cluster too; soonest end first.
 * @param cluster left out: in the namespace of that name of whichever cluster
 * @throws Refusal when there is no such cluster
 */
export async function who(world: World, slackId: string, namespace: string, cluster?: string): Promise<OpenAccess[]> {
  await personBehind(world, slackId);
  const { clusters } = world;
  if (cluster !== undefined && !clusters.names.includes(cluster))
    throw new Refusal('clusters', `There is no cluster '${cluster.slice(0, 63)}'.`, knownClusters(clusters.names));
  const isThere = (s: GrantSummary) =>
    (s.namespace === namespace || s.namespace === null) && (cluster === undefined || clusters.isIn(cluster, s));
  const open = await world.store.open((s) => isThere(s) && holdsAccess(s.state));
  const there = open.filter(({ target }) => target.scope !== 'node');
  if (there.length === 0) await mustExist(world, namespace, cluster);
  return there.toSorted((a, b) => (a.expiresAt ?? 0) - (b.expiresAt ?? 0)).flatMap((grant) => openAccess(grant) ?? []);
}

/**
 * Nobody has access to what is not there: a slip of the keyboard is no answer. While a cluster can't say what it has, it may be there.
 * @throws Refusal
 */
async function mustExist({ clusters }: World, namespace: string, cluster: string | undefined): Promise<void> {
  const asked = clusters.names.filter((name) => cluster === undefined || name === cluster);
  const found = await Promise.allSettled(asked.map((name) => clusters.of({ cluster: name }).namespaces()));
  if (found.some(({ status }) => status === 'rejected')) return;
  const names = found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  if (names.includes(namespace)) return;
  const near = nearest(namespace.slice(0, 63), names);
  throw new Refusal(
    'namespaces',
    `There is no namespace '${namespace.slice(0, 63)}'.`,
    near === null ? '' : `Did you mean '${near}'?`,
  );
}

const knownClusters = (names: readonly ClusterName[]): string =>
  names.some((name) => name !== null)
    ? `Clusters are: ${names.join(', ')}.`
    : 'There is one, without a name: leave the word before the colon out.';
