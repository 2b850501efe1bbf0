import { type Grant, hasEnded } from '../../domain/grant/grant.ts';
import type { GrantSummary } from '../../domain/grant/summary.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { ClusterName } from '../../domain/target.ts';
import { isolatingFaults } from '../common/faults.ts';
import { job, scheduleEnd, scheduleEscalation, warningAt } from '../common/schedule.ts';
import { alarm, note, noting, tell } from '../common/telling.ts';
import { beginEnding, dismantle, endIfBroken } from '../grant/end.ts';
import { carryOut } from '../grant/lengthen.ts';
import { BINDINGS, type Found, isBindingNamed, nameOfRef, type OwnObjects, ROLES } from '../ports/own-objects.ts';
import type { World } from '../ports/world.ts';
import type { Follower } from './follower.ts';
import { reap } from './reap.ts';

/**
 * Holds all that is recorded of one cluster against what is in it: schedules what a crash or a lost Redis left out, adopts what only the seal proves,
 * takes down what is past its lease, and tells of what is not ours to trust. One grant's fault does not keep
 * the others from being looked at. What is as it should be is known by its summary: of ten thousand grants only those are read that are not. Requests that
 * wait have nothing in a cluster: see reconcile-requests.ts.
 */
export async function reconcile(
  world: World,
  cluster: ClusterName,
  own: Pick<OwnObjects, 'ids' | 'of'>,
  follower: Pick<Follower, 'ids' | 'follows' | 'follow' | 'followAll' | 'leave'>,
  onFault: (error: unknown) => void,
): Promise<void> {
  const isolated = isolatingFaults(onFault);
  /** Why objects are not known. Nothing is concluded from them then; what begins is followed all the same. */
  let unknown: unknown;
  const known = <T>(ask: () => Iterable<T>): readonly T[] => {
    try {
      return [...ask()];
    } catch (error) {
      unknown ??= error;
      return [];
    }
  };
  /** Ids that objects carry, except of grants that are whole. */
  const odd = new Set(known(() => own.ids()));
  /** Open grants for which something is to be done. */
  const unsettled = new Set<GrantId>();
  // A grant that begins while this runs is not among them, and may be in no summary.
  const over = new Set(follower.ids());
  const begun: GrantId[] = [];
  let fault: unknown;
  for await (const portion of world.store.summaries('not pending')) {
    const whole = new Set<GrantId>();
    const here = portion.filter((summary) => isSettledIn(world, cluster, summary));
    for (const summary of here) {
      const { id } = summary;
      if (!world.clusters.isIn(cluster, summary)) continue;
      const objects = known(() => own.of(id));
      if (isWhole(world, summary, objects)) whole.add(id);
      if (summary.state !== 'active') continue;
      over.delete(id);
      if (mayDepend(summary) && !follower.follows(id)) begun.push(id);
    }
    for (const id of whole) odd.delete(id);
    try {
      for (const id of await unsettledOf(world, here, whole)) unsettled.add(id);
    } catch (error) {
      // What was changed or forgotten in the cluster is looked at all the same.
      fault ??= error;
    }
  }
  for (const id of over) follower.leave(id);
  follower.followAll(begun);
  if (unknown !== undefined) throw unknown;
  for (const id of odd)
    await isolated(async () => {
      const { record, adopted } = await lookAt(world, cluster, id, own.of(id));
      if (record === null) return;
      if (adopted) unsettled.add(record.id);
      follower.follow(record);
    });
  for (const id of unsettled) await isolated(() => pushOn(world, id, own.of(id)));
  if (fault !== undefined) throw fault;
}

/**
 * Holds one grant against its objects, some of which have just changed. What was found before its record is read is no newer than that. Answers
 * the record, as it was found or adopted; null: there is none, or it is left to another version.
 */
export async function reconcileGrant(
  world: World,
  cluster: ClusterName,
  id: string,
  objects: readonly Found[],
): Promise<Grant | null> {
  const { record, adopted } = await lookAt(world, cluster, id, objects);
  if (record === null) return null;
  // Once its window is over its objects go one by one, and its revocation is due already.
  const isOpen = record.state === 'active' && (record.expiresAt ?? 0) > world.clock.now();
  if (adopted || (isOpen && isIncomplete(world, record, objects))) await pushOn(world, record.id, objects);
  return record;
}

/** Whether it is settled with this cluster: what is in it, and with the first one also what is in none that is connected. */
function isSettledIn({ clusters }: World, cluster: ClusterName, summary: GrantSummary): boolean {
  if (clusters.isIn(cluster, summary)) return true;
  return cluster === clusters.names[0] && !clusters.names.some((name) => clusters.isIn(name, summary));
}

/** It is on a workload, or its role is not its own: what others do may concern it. */
const mayDepend = ({ workload, has }: GrantSummary): boolean => workload || !has.role;

/** Every object of an active grant is there, by its seal, and for as long as it should be. */
function isWhole(world: World, summary: GrantSummary, objects: readonly Found[]): boolean {
  return (
    summary.state === 'active' &&
    !isIncomplete(world, summary, objects) &&
    objects.every((o) => o.sealed && !o.deleting && !o.ending && o.expiresAt === summary.expiresAt)
  );
}

/** Those of these open grants for which something is to be done: they are not where they should be in the schedule, or in the cluster. */
async function unsettledOf(
  world: World,
  open: readonly GrantSummary[],
  whole: ReadonlySet<GrantId>,
): Promise<GrantId[]> {
  const timed = open.flatMap(({ id, state, expiresAt }) =>
    state === 'active' && expiresAt !== null ? [{ job: job('revoke', id), at: expiresAt, id }] : [],
  );
  const settled = new Set(timed.map(({ id }) => id));
  for (const index of await world.scheduler.unscheduled(timed)) settled.delete(timed[index]?.id ?? '');
  return open.filter(({ id, state }) => !settled.has(id) || (state === 'active' && !whole.has(id))).map(({ id }) => id);
}

/** Proven by the seal. */
const isOurs = ({ sealed, orphaned }: Found): boolean => sealed || orphaned;

interface Looked {
  readonly record: Grant | null;
  readonly adopted: boolean;
}

/** The objects of one id, sealed and not. Answers its record as it was found, or adopted; null: there is none, or it is left to another version. */
async function lookAt(world: World, cluster: ClusterName, id: string, objects: readonly Found[]): Promise<Looked> {
  // Whether it is whole only the version that wrote it can tell. What has no id no version wrote.
  if (id !== '' && objects.some(({ otherVersion }) => otherVersion)) return { record: null, adopted: false };
  const stored = id === '' ? null : await world.store.get(id);
  // What carries here the id of a grant in another cluster does not concern that one: whoever can write here must not end what is there.
  const known = stored !== null && world.clusters.isIn(cluster, stored) ? stored : null;
  // What was ours once: a place of the grant holds something else now.
  const places = known === null ? [] : world.clusters.of(known).objectsOf(known);
  const changed = objects.filter((o) => !o.sealed && !o.deleting && (o.orphaned || places.includes(nameOfRef(o))));
  for (const object of objects)
    if (!isOurs(object) && !object.deleting && !changed.includes(object)) await tellOfImitation(world, cluster, object);
  if (known !== null && hasEnded(known.state)) {
    // Written again by a hand that was slow to die, or put back from a backup.
    if (objects.some(isOurs) || changed.length > 0) await takeAway(world, known);
    return { record: known, adopted: false };
  }
  const ours = objects.filter(isOurs);
  const behind = known?.state === 'pending' || known?.state === 'approved';
  if (known === null || behind) {
    const adopted = ours.length > 0 ? await adopt(world, cluster, id, ours, known) : null;
    return { record: adopted ?? known, adopted: adopted !== null };
  }
  for (const object of tamperedWith(known, changed)) await incident(world, object, known);
  // Redis came back as it was before somebody ended the grant.
  const marked = known.state === 'ending' ? undefined : ours.find((object) => object.ending);
  const ending = (await marked?.record())?.ending;
  if (ending) await beginEnding(world, known.id, ending.cause, ending.by, ending.note);
  return { record: known, adopted: false };
}

/**
 * Those of the changed objects of an open grant that somebody else has changed. While it is applied, a webhook may have changed them on their way:
 * whoever applies it finds that and tells the cause, and what is left of it is judged again after that. While it ends, what gives nothing any more
 * is no incident: where a webhook refuses the deletion, the ending itself empties it, which breaks the seal.
 */
function tamperedWith({ state }: Grant, changed: readonly Found[]): readonly Found[] {
  if (state === 'applying') return [];
  return state === 'ending' ? changed.filter(({ inert }) => !inert) : changed;
}

/** Carries our instance, but no seal of ours, and stands where nothing of ours belongs: never trusted, and not ours to touch. */
async function tellOfImitation(world: World, cluster: ClusterName, object: Found): Promise<void> {
  await alarm(
    world,
    object.uid,
    { cluster, id: object.id },
    `${nameOfRef(object)} carries Drawbridge's labels but no valid seal: it is no work of Drawbridge's, and is left alone. Look at who made it.`,
    'tampering',
  );
}

/** An object of a grant was changed. Its rights go at once; what confines them goes in its turn, after them. */
async function incident(world: World, object: Found, grant: Grant): Promise<void> {
  const what = `${nameOfRef(object)} ${object.orphaned ? 'has lost its lease' : 'was changed'} behind Drawbridge's back`;
  await alarm(world, object.uid, grant, `${what}: the rights of ${grant.id} are taken.`, 'tampering');
  if (BINDINGS.includes(object.kind) || ROLES.includes(object.kind)) await world.clusters.of(grant).remove(object);
  await beginEnding(world, grant.id, 'failed', null, `${what}.`);
}

/**
 * Redis lost the grant, or went back to before it was applied (`behind`): its sealed lease holds all that must be known to carry it to its
 * end, and what the seal proves is newer. Answers the grant, where it is followed from now on; null: another replica has adopted it, or it goes.
 */
async function adopt(
  world: World,
  cluster: ClusterName,
  id: GrantId,
  ours: readonly Found[],
  behind: Grant | null,
): Promise<Grant | null> {
  const record = await firstRecord(ours);
  if (record === null) {
    await takeForgotten(world, cluster, id, ours);
    return null;
  }
  const expiresAt = Math.max(...ours.map((object) => object.expiresAt ?? 0));
  // An ending that had begun goes on: the lease knows of it.
  const { ending } = record;
  const adopted: Grant = {
    ...record,
    // Its clusters may have other names by now.
    cluster,
    revision: 0,
    state: ending === null ? 'active' : 'ending',
    expiresAt,
    extension: null,
    endedAt: null,
  };
  const said = noting(world, 'adopted', null, { objects: ours.map(nameOfRef) });
  const mutate = (current: Grant) => (current.state === behind?.state ? adopted : null);
  const taken =
    behind === null
      ? await world.store.create(adopted, said)
      : (await world.store.change(adopted.id, mutate, said))?.changed;
  if (taken !== true) return null;
  await scheduleEnd(world, adopted);
  if (ending !== null) {
    await world.scheduler.schedule(job('revoke', adopted.id));
  } else if (expiresAt > world.clock.now()) {
    // Past its window it is not active any more: its revocation is due, and tells of the end.
    const differences = await world.clusters.of(adopted).verify(adopted);
    if (differences.length > 0) {
      await beginEnding(
        world,
        adopted.id,
        'failed',
        null,
        `Redis had lost it, and it is not whole in the cluster: ${differences.join('; ')}.`,
      );
      return null;
    }
    await world.scheduler.schedule(job('warn', adopted.id), warningAt(world, adopted));
    await tell(world, adopted.id, 'message');
  }
  return adopted;
}

async function firstRecord(objects: readonly Found[]): Promise<Grant | null> {
  for (const object of objects) {
    const record = await object.record();
    if (record !== null) return record;
  }
  return null;
}

/**
 * What nobody knows any more: Redis lost it, and so did the cluster with the lease that held its record. Nobody could end or extend it, so it
 * is taken at once, rights first. While that lease is there, only its record can't be read (a newer version wrote it), it has its time.
 */
async function takeForgotten(world: World, name: ClusterName, id: GrantId, ours: readonly Found[]): Promise<void> {
  const cluster = world.clusters.of({ cluster: name });
  const expiresAt = Math.max(...ours.map((object) => object.expiresAt ?? 0));
  const isLease = ({ kind, namespace, name, sealed }: Found) =>
    sealed &&
    kind === 'Job' &&
    namespace !== cluster.workspacesNamespace &&
    namespace !== cluster.nodesNamespace &&
    !name.endsWith('-workspace');
  if (expiresAt > world.clock.now() && ours.some(isLease)) return;
  // The kinds are listed one beside the other: the lease may have come, or more have gone, meanwhile.
  const now = (await cluster.found()).filter((object) => object.id === id && isOurs(object));
  if (now.length === 0 || (expiresAt > world.clock.now() && now.some(isLease))) return;
  const { removed, kept } = await reap(cluster, now);
  const objects = [...removed, ...kept.map(({ object }) => object)].map(nameOfRef);
  const text = `Neither Redis nor a lease knows ${id} any more: what was left of it is taken down (${objects.join(', ')}).`;
  if (objects.some(isBindingNamed)) await alarm(world, `forgotten ${id}`, { cluster: name, id }, text, 'tampering');
  else if (removed.length > 0)
    await world.audit.record({ at: world.clock.now(), event: 'taken-away', id, actor: null, note: text, objects });
}

async function takeAway(world: World, ended: Grant): Promise<void> {
  if ((await world.clusters.of(ended).remains(ended)).length === 0) return;
  await world.locks.exclusively(ended.id, () => dismantle(world.clusters.of(ended), ended));
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
    case 'approved':
    case 'applying':
      await scheduleEnd(world, grant);
      await scheduler.schedule(job('apply', grant.id), Math.max(now, grant.startAt ?? now));
      return;
    case 'active':
      await scheduleEnd(world, grant);
      if ((grant.expiresAt ?? 0) <= now) return;
      await scheduleEscalation(world, grant);
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
  const there = new Set(objects.filter(({ sealed, deleting }) => sealed && !deleting).map(nameOfRef));
  return world.clusters
    .of(grant)
    .objectsOf(grant)
    .some((name) => !there.has(name));
}
