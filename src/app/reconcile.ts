import { type Grant, hasEnded, holdsAccess } from '../domain/grant.ts';
import type { NetworkPolicy } from '../network/types.ts';
import { beginEnding, dismantle, endIfBroken } from './end-grant.ts';
import { carryOut } from './extend-grant.ts';
import type { Found, World } from './ports.ts';
import { foreignPolicies, workspacePod } from './reach.ts';
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

/** The objects of one id, sealed and not. */
async function lookAt(world: World, id: string, objects: readonly Found[], open: Map<string, Grant>): Promise<void> {
  const known = id === '' ? null : (open.get(id) ?? (await world.store.get(id)));
  for (const object of objects.filter((o) => !o.sealed && !o.deleting)) await incident(world, object, known);
  const sealed = objects.filter((object) => object.sealed);
  if (sealed.length === 0) return;
  if (known !== null && hasEnded(known.state)) {
    // Written again by a hand that was slow to die, or put back from a backup.
    await takeAway(world, known);
    return;
  }
  const behind = known?.state === 'pending' || known?.state === 'approved';
  if (known === null || behind) await adopt(world, sealed, open, known);
}

/** Carries our instance, but no seal of ours over what it is now: never trusted. */
async function incident(world: World, object: Found, known: Grant | null): Promise<void> {
  const what = `${object.kind} ${object.namespace}/${object.name}`;
  if (known === null) {
    await alarm(
      world,
      object.uid,
      object.id,
      `${what} carries Drawbridge's labels but no valid seal, and no grant of that id is known: it is left alone. Look at who made it.`,
    );
    return;
  }
  await alarm(
    world,
    object.uid,
    known.id,
    `${what} of ${known.id} was changed behind Drawbridge's back: its rights are taken.`,
  );
  await world.cluster.disarm(object);
  if (holdsAccess(known.state))
    await beginEnding(world, known.id, 'failed', null, `${what} was changed behind Drawbridge's back.`);
}

/**
 * Redis lost the grant, or went back to before it was applied (`behind`): its sealed lease holds all that must be known to carry it to its
 * end, and what the seal proves is newer.
 */
async function adopt(
  world: World,
  sealed: readonly Found[],
  open: Map<string, Grant>,
  behind: Grant | null,
): Promise<void> {
  const record = sealed.find((object) => object.record !== null)?.record;
  const expiresAt = Math.max(...sealed.map((object) => object.expiresAt ?? 0));
  if (record === undefined || record === null) {
    // The lease is gone, and with it all that it owned; what has no owner (a guard) is harmless, and is removed when its time has come.
    if (expiresAt <= world.clock.now()) for (const object of sealed) await world.cluster.disarm(object);
    return;
  }
  const adopted: Grant = {
    ...record,
    revision: 0,
    state: 'active',
    expiresAt,
    extension: null,
    ending: null,
    endedAt: null,
  };
  const said = noting(world, 'adopted', null, { objects: sealed.map((o) => `${o.kind} ${o.namespace}/${o.name}`) });
  const mutate = (current: Grant) => (current.state === behind?.state ? adopted : null);
  const taken =
    behind === null
      ? await world.store.create(adopted, said)
      : (await world.store.change(adopted.id, mutate, said))?.changed;
  if (taken !== true) return;
  await scheduleEnd(world, adopted);
  // Past its window it is not active any more: its revocation is due, and tells of the end.
  if (expiresAt > world.clock.now()) {
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
      // The list may be older than the record: ended for missing objects only after a second look.
      if (!objects.some((object) => object.kind === 'RoleBinding') && (await endIfBroken(world, grant))) return;
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
