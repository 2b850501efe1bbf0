import { type Grant, hasEnded } from '../domain/grant.ts';
import type { GrantId } from '../domain/ids.ts';
import type { NetworkPolicy } from '../network/types.ts';
import { beginEnding, dismantle, endIfBroken } from './end-grant.ts';
import { carryOut } from './extend-grant.ts';
import type { Found, World } from './ports.ts';
import { foreignPolicies, workspacePod } from './reach.ts';
import { reap } from './reap.ts';
import { alarm, hasRights, job, mayPass, note, noting, scheduleEnd, tell, warningAt } from './steps.ts';

/**
 * Holds what is recorded against what is in the cluster, at the start and twice a minute: schedules what a crash or a lost Redis left out,
 * adopts what only the seal proves, takes down what is past its lease, and tells of what is not ours to trust. One grant's fault does not keep
 * the others from being looked at.
 */
export async function reconcile(world: World, onFault: (error: unknown) => void): Promise<void> {
  const found = await world.cluster.found();
  const open = new Map((await world.store.open()).map((grant) => [grant.id, grant]));
  const byGrant = Map.groupBy(found, (object) => object.id ?? '');
  const guarded = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      if (!mayPass(error)) onFault(error);
    }
  };
  for (const [id, objects] of byGrant) await guarded(() => lookAt(world, id, objects, open));
  for (const grant of open.values()) await guarded(() => pushOn(world, grant, byGrant.get(grant.id) ?? []));
  const confined = [...open.values()].filter(
    ({ state, plan }) => state === 'active' && plan.network.mode === 'workspace',
  );
  if (confined.length === 0) return;
  await guarded(async () => {
    const policies = await world.cluster.foreignPolicies();
    for (const grant of confined) await guarded(() => lookForForeign(world, grant, policies));
  });
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
async function lookForStrangers(world: World, grant: Grant): Promise<void> {
  const strangers = await world.cluster.strangers(grant);
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
async function lookAt(world: World, id: string, objects: readonly Found[], open: Map<string, Grant>): Promise<void> {
  const known = id === '' ? null : (open.get(id) ?? (await world.store.get(id)));
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
  const ending = ours.find((object) => object.record?.state === 'ending')?.record?.ending;
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
  open: Map<string, Grant>,
  behind: Grant | null,
): Promise<void> {
  const record = ours.find((object) => object.record !== null)?.record;
  if (record === undefined || record === null) return takeForgotten(world, id, ours);
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
  open.set(adopted.id, (await world.store.get(adopted.id)) ?? adopted);
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
async function pushOn(world: World, listed: Grant, objects: readonly Found[]): Promise<void> {
  const now = world.clock.now();
  // The list is a moment old: somebody may have pressed Revoke since.
  const grant = await world.store.get(listed.id);
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
      await followWorkload(world, grant);
      return;
    case 'ending':
      await scheduler.schedule(job('revoke', grant.id));
      return;
    default:
  }
}

function isIncomplete(world: World, grant: Grant, objects: readonly Found[]): boolean {
  const there = new Set(objects.filter(({ sealed, deleting }) => sealed && !deleting).map(nameOf));
  return world.cluster.objectsOf(grant).some((name) => !there.has(name));
}

/** Keeps a workload's Role true to the pods that the workload has now, and tells the requester their new names. */
export async function followWorkload(world: World, grant: Grant): Promise<void> {
  if (grant.target.workload === undefined) return;
  await lookForStrangers(world, grant);
  const same = (a: readonly string[], b: readonly string[]) =>
    a.length === b.length && a.every((name, index) => name === b[index]);
  if (same(await world.cluster.podsOf(grant), grant.pods)) return;
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
