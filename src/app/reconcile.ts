import { type Grant, hasEnded } from '../domain/grant.ts';
import { type GrantSummary, summaryOf } from '../domain/grant-summary.ts';
import type { GrantId } from '../domain/ids.ts';
import type { NetworkPolicy } from '../network/types.ts';
import { beginEnding, dismantle, endIfBroken } from './end-grant.ts';
import { carryOut } from './extend-grant.ts';
import type { ClusterAccess, Found, World } from './ports.ts';
import { foreignPolicies, workspacePod } from './reach.ts';
import { reap } from './reap.ts';
import { alarm, hasRights, job, mayPass, note, noting, scheduleEnd, tell, warningAt } from './steps.ts';

/**
 * Holds what is recorded against what is in the cluster, at the start and twice a minute: schedules what a crash or a lost Redis left out,
 * adopts what only the seal proves, takes down what is past its lease, and tells of what is not ours to trust. One grant's fault does not keep
 * the others from being looked at. What is as it should be is known by its summary: of ten thousand grants only those are read that are not.
 */
export async function reconcile(world: World, onFault: (error: unknown) => void): Promise<void> {
  const byGrant = Map.groupBy(await world.cluster.found(), (object) => object.id ?? '');
  const open = new Map((await world.store.summaries()).map((summary) => [summary.id, summary]));
  const guarded: Guarded = async (work) => {
    try {
      await work();
    } catch (error) {
      if (!mayPass(error)) onFault(error);
    }
  };
  for (const [id, objects] of byGrant) {
    const summary = open.get(id);
    if (summary === undefined || !isWhole(world, summary, objects))
      await guarded(() => lookAt(world, id, objects, open));
  }
  for (const id of await unsettled(world, [...open.values()], byGrant))
    await guarded(() => pushOn(world, id, byGrant.get(id) ?? []));
  await followWorkloads(world, () => true, guarded);
}

type Look = Pick<ClusterAccess, 'podsOf' | 'strangers'>;
type Guarded = (work: () => Promise<void>) => Promise<void>;

/** Every object of an active grant is there, by its seal, and for as long as it should be. */
function isWhole(world: World, summary: GrantSummary, objects: readonly Found[]): boolean {
  return (
    summary.state === 'active' &&
    !isIncomplete(world, summary, objects) &&
    objects.every((o) => o.sealed && !o.deleting && !o.ending && o.expiresAt === summary.expiresAt)
  );
}

/** Those of the open grants for which something is to be done: they are not where they should be in the schedule, or in the cluster. */
async function unsettled(
  world: World,
  open: readonly GrantSummary[],
  byGrant: ReadonlyMap<string, readonly Found[]>,
): Promise<GrantId[]> {
  const timed = open.flatMap(({ id, state, posted, pendingUntil, expiresAt }) => {
    if (state === 'pending' && posted) return [{ job: job('timeout', id), at: pendingUntil, id }];
    return state === 'active' && expiresAt !== null ? [{ job: job('revoke', id), at: expiresAt, id }] : [];
  });
  const missed = await world.scheduler.unscheduled(timed);
  const settled = new Set(timed.map(({ id }) => id));
  for (const index of missed) settled.delete(timed[index]?.id ?? '');
  return open
    .filter((s) => !settled.has(s.id) || (s.state === 'active' && !isWhole(world, s, byGrant.get(s.id) ?? [])))
    .map(({ id }) => id);
}

/**
 * What else may have changed around active grants with a workload: its pods, pods that took its labels, policies that select a workspace.
 * Workloads are looked up once, however many grants there are on each.
 */
export async function followWorkloads(
  world: World,
  which: (summary: GrantSummary) => boolean,
  guarded: Guarded,
): Promise<void> {
  const active = await world.store.open((s) => s.state === 'active' && s.workload && which(s));
  if (active.length === 0) return;
  const look: Look = {
    podsOf: once((grant) => world.cluster.podsOf(grant), workloadOf),
    strangers: once((grant) => world.cluster.strangers(grant), workloadOf),
  };
  for (const grant of active) await guarded(() => followWorkload(world, grant, look));
  const confined = active.filter(({ plan }) => plan.network.mode === 'workspace');
  if (confined.length === 0) return;
  await guarded(async () => {
    const policies = await world.cluster.foreignPolicies();
    for (const grant of confined) await guarded(() => lookForForeign(world, grant, policies));
  });
}

/** What tells the workload of a grant, and the pods that its policies select, from others. */
const workloadOf = ({ target, plan: { workload, network } }: Grant): string =>
  JSON.stringify([target, workload, 'selector' in network ? network.selector : null]);

/** The same question is asked once. */
function once<T>(ask: (grant: Grant) => Promise<T>, key: (grant: Grant) => string): (grant: Grant) => Promise<T> {
  const answers = new Map<string, Promise<T>>();
  return (grant) => {
    const answer = answers.get(key(grant)) ?? ask(grant);
    answers.set(key(grant), answer);
    return answer;
  };
}

/** Policies of others that have begun to select the workspace, so that it can do more than was approved. */
async function lookForForeign(world: World, grant: Grant, policies: readonly NetworkPolicy[]): Promise<void> {
  const { network } = grant.plan;
  if (network.mode !== 'workspace') return;
  const { workspacesNamespace } = world.cluster;
  const found = foreignPolicies(policies, workspacePod(workspacesNamespace, grant.id), grant.id);
  const fresh = found.filter((name) => !network.foreign.includes(name));
  if (fresh.length === 0) return;
  const what = `NetworkPolicy ${fresh.slice(0, 5).join(', ')} in ${workspacesNamespace} has begun to select the workspace of ${grant.id}, and lets it do more than was approved`;
  await alarm(world, `foreign ${grant.id} ${fresh.join()}`, grant.id, `${what}.`);
  if (network.strict) await beginEnding(world, grant.id, 'failed', null, `${what}; the profile is strict.`);
}

/** Pods of somebody else that have taken the labels of the target: the grant's policies can't tell them from it. */
async function lookForStrangers(world: World, grant: Grant, look: Look): Promise<void> {
  const strangers = await look.strangers(grant);
  if (strangers.length === 0) return;
  const { target, plan } = grant;
  const what = `In ${target.namespace} ${strangers.slice(0, 5).join(', ')} has taken the labels of the target of ${grant.id}, whose network policies hold for it too`;
  await alarm(world, `strangers ${grant.id} ${strangers.join()}`, grant.id, `${what}.`);
  if (plan.network.mode === 'workspace' && plan.network.strict)
    await beginEnding(world, grant.id, 'failed', null, `${what}; the profile is strict.`);
}

const nameOf = ({ kind, namespace, name }: Found): string => `${kind} ${namespace}/${name}`;
/** Proven by the seal. */
const isOurs = ({ sealed, orphaned }: Found): boolean => sealed || orphaned;

/** The objects of one id, sealed and not. */
async function lookAt(
  world: World,
  id: string,
  objects: readonly Found[],
  open: Map<string, GrantSummary>,
): Promise<void> {
  const known = id === '' ? null : await world.store.get(id);
  // What was ours once: a place of the grant holds something else now.
  const places = known === null ? [] : world.cluster.objectsOf(known);
  const changed = objects.filter((o) => !o.sealed && !o.deleting && (o.orphaned || places.includes(nameOf(o))));
  for (const object of objects)
    if (!isOurs(object) && !object.deleting && !changed.includes(object)) await tellOfImitation(world, object);
  if (known !== null && hasEnded(known.state)) {
    // Written again by a hand that was slow to die, or put back from a backup.
    if (objects.some(isOurs) || changed.length > 0) await takeAway(world, known);
    return;
  }
  const ours = objects.filter(isOurs);
  const behind = known?.state === 'pending' || known?.state === 'approved';
  if (known === null || behind) {
    if (ours.length > 0) await adopt(world, id, ours, open, known);
    return;
  }
  for (const object of changed) await incident(world, object, known);
  // Redis came back as it was before somebody ended the grant.
  const ending = ours.find((object) => object.ending)?.record()?.ending;
  if (ending && known.state !== 'ending') await beginEnding(world, known.id, ending.cause, ending.by, ending.note);
}

/** Carries our instance, but no seal of ours, and stands where nothing of ours belongs: never trusted, and not ours to touch. */
async function tellOfImitation(world: World, object: Found): Promise<void> {
  await alarm(
    world,
    object.uid,
    object.id,
    `${nameOf(object)} carries Drawbridge's labels but no valid seal: it is no work of Drawbridge's, and is left alone. Look at who made it.`,
  );
}

/** An object of a grant was changed. Its rights go at once; what confines them goes in its turn, after them. */
async function incident(world: World, object: Found, grant: Grant): Promise<void> {
  const what = `${nameOf(object)} ${object.orphaned ? 'has lost its lease' : 'was changed'} behind Drawbridge's back`;
  await alarm(world, object.uid, grant.id, `${what}: the rights of ${grant.id} are taken.`);
  if (object.kind === 'RoleBinding' || object.kind === 'Role') await world.cluster.remove(object);
  await beginEnding(world, grant.id, 'failed', null, `${what}.`);
}

/**
 * Redis lost the grant, or went back to before it was applied (`behind`): its sealed lease holds all that must be known to carry it to its
 * end, and what the seal proves is newer.
 */
async function adopt(
  world: World,
  id: GrantId,
  ours: readonly Found[],
  open: Map<string, GrantSummary>,
  behind: Grant | null,
): Promise<void> {
  const record = firstRecord(ours);
  if (record === null) return takeForgotten(world, id, ours);
  const expiresAt = Math.max(...ours.map((object) => object.expiresAt ?? 0));
  // An ending that had begun goes on: the lease knows of it.
  const { ending } = record;
  const adopted: Grant = {
    ...record,
    revision: 0,
    state: ending === null ? 'active' : 'ending',
    expiresAt,
    extension: null,
    endedAt: null,
  };
  const said = noting(world, 'adopted', null, { objects: ours.map(nameOf) });
  const mutate = (current: Grant) => (current.state === behind?.state ? adopted : null);
  const taken =
    behind === null
      ? await world.store.create(adopted, said)
      : (await world.store.change(adopted.id, mutate, said))?.changed;
  if (taken !== true) return;
  await scheduleEnd(world, adopted);
  if (ending !== null) {
    await world.scheduler.schedule(job('revoke', adopted.id));
  } else if (expiresAt > world.clock.now()) {
    // Past its window it is not active any more: its revocation is due, and tells of the end.
    const differences = await world.cluster.verify(adopted);
    if (differences.length > 0) {
      await beginEnding(
        world,
        adopted.id,
        'failed',
        null,
        `Redis had lost it, and it is not whole in the cluster: ${differences.join('; ')}.`,
      );
      return;
    }
    await world.scheduler.schedule(job('warn', adopted.id), warningAt(world, adopted));
    await tell(world, adopted.id, 'message');
  }
  open.set(adopted.id, summaryOf((await world.store.get(adopted.id)) ?? adopted));
}

function firstRecord(objects: readonly Found[]): Grant | null {
  for (const object of objects) {
    const record = object.record();
    if (record !== null) return record;
  }
  return null;
}

/**
 * What nobody knows any more: Redis lost it, and so did the cluster with the lease that held its record. Nobody could end or extend it, so it
 * is taken at once, rights first. While that lease is there, only its record can't be read (a newer version wrote it), it has its time.
 */
async function takeForgotten(world: World, id: GrantId, ours: readonly Found[]): Promise<void> {
  const { cluster } = world;
  const expiresAt = Math.max(...ours.map((object) => object.expiresAt ?? 0));
  const isLease = ({ kind, namespace, name, sealed }: Found) =>
    sealed && kind === 'Job' && namespace !== cluster.workspacesNamespace && !name.endsWith('-workspace');
  if (expiresAt > world.clock.now() && ours.some(isLease)) return;
  // The kinds are listed one beside the other: the lease may have come, or more have gone, meanwhile.
  const now = (await cluster.found()).filter((object) => object.id === id && isOurs(object));
  if (now.length === 0 || (expiresAt > world.clock.now() && now.some(isLease))) return;
  const { removed, kept } = await reap(cluster, now);
  const objects = [...removed, ...kept.map(({ object }) => object)].map(nameOf);
  const text = `Neither Redis nor a lease knows ${id} any more: what was left of it is taken down (${objects.join(', ')}).`;
  if (objects.some((name) => name.startsWith('RoleBinding'))) await alarm(world, `forgotten ${id}`, id, text);
  else if (removed.length > 0)
    await world.audit.record({ at: world.clock.now(), event: 'taken-away', id, actor: null, note: text, objects });
}

async function takeAway(world: World, ended: Grant): Promise<void> {
  if ((await world.cluster.remains(ended)).length === 0) return;
  await world.locks.exclusively(ended.id, () => dismantle(world.cluster, ended));
  await note(world, ended, 'taken-away', null, { note: 'objects of a grant that has ended' });
}

/** What a crash or a lost queue left undone for one open grant. Scheduling again what is scheduled already moves it to the same time. */
async function pushOn(world: World, id: GrantId, objects: readonly Found[]): Promise<void> {
  const now = world.clock.now();
  // The list is a moment old: somebody may have pressed Revoke since.
  const grant = await world.store.get(id);
  if (grant === null) return;
  const { scheduler } = world;
  switch (grant.state) {
    case 'pending':
      await scheduler.schedule(job('timeout', grant.id), grant.pendingUntil);
      if (grant.message === null) await tell(world, grant.id, 'message');
      return;
    case 'approved':
    case 'applying':
      await scheduleEnd(world, grant);
      await scheduler.schedule(job('apply', grant.id));
      return;
    case 'active':
      await scheduleEnd(world, grant);
      if ((grant.expiresAt ?? 0) <= now) return;
      // No access without its guard, its lease, or anything else that belongs to it. The list may be older than the record: a second look.
      if (isIncomplete(world, grant, objects) && (await endIfBroken(world, grant))) return;
      if (objects.some((object) => object.sealed && object.expiresAt !== null && object.expiresAt !== grant.expiresAt))
        await carryOut(world, grant);
      return;
    case 'ending':
      await scheduler.schedule(job('revoke', grant.id));
      return;
    default:
  }
}

function isIncomplete(world: World, grant: Grant | GrantSummary, objects: readonly Found[]): boolean {
  const there = new Set(objects.filter(({ sealed, deleting }) => sealed && !deleting).map(nameOf));
  return world.cluster.objectsOf(grant).some((name) => !there.has(name));
}

/** Keeps a workload's Role true to the pods that the workload has now, and tells the requester their new names. */
async function followWorkload(world: World, grant: Grant, look: Look): Promise<void> {
  if ((grant.expiresAt ?? 0) <= world.clock.now()) return;
  await lookForStrangers(world, grant, look);
  const same = (a: readonly string[], b: readonly string[]) =>
    a.length === b.length && a.every((name, index) => name === b[index]);
  if (same(await look.podsOf(grant), grant.pods)) return;
  const changed = await world.locks.exclusively(grant.id, async () => {
    const current = await world.store.get(grant.id);
    if (current?.state !== 'active' || (current.expiresAt ?? 0) <= world.clock.now()) return null;
    const pods = await world.cluster.podsOf(current);
    if (same(pods, current.pods)) return null;
    if (!(await hasRights(world, current))) return null;
    await world.cluster.narrowRights(current, pods);
    return world.store.change(
      grant.id,
      (g) => (g.state === 'active' ? { ...g, pods } : null),
      noting(world, 'pods-followed', null, { objects: pods }),
    );
  });
  if (!changed?.changed) return;
  await tell(world, grant.id, 'pods');
}
