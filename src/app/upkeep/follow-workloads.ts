import type { Grant } from '../../domain/grant/grant.ts';
import { once } from '../common/once.ts';
import { alarm, noting } from '../common/telling.ts';
import { beginEnding } from '../grant/end.ts';
import { hasRights } from '../grant/has-rights.ts';
import type { ClusterAccess } from '../ports/cluster-access.ts';
import type { World } from '../ports/world.ts';

/**
 * The pods of a grant are told when they have not changed for so long: milliseconds. A rollout replaces a pod once the one before it is ready,
 * which takes most of them some seconds.
 */
const ROLLOUT = 10_000;

type Look = Pick<ClusterAccess, 'podsOf' | 'targetGone' | 'strangers'>;

/** Looks at the pods of the workloads of grants, and at pods that took their labels. A workload is looked up once, however many grants there are on it. */
export function workloadsLook(world: World, cluster: ClusterAccess): (grant: Grant) => Promise<void> {
  const look: Look = {
    podsOf: once((grant) => cluster.podsOf(grant), workloadOf),
    targetGone: once((grant) => cluster.targetGone(grant), workloadOf),
    strangers: once((grant) => cluster.strangers(grant), workloadOf),
  };
  return async (grant) => {
    if (grant.target.workload !== undefined) await followWorkload(world, cluster, grant, look);
  };
}

/** What tells the workload of a grant, and the pods that its policies select, from others. */
const workloadOf = ({ target, plan: { workload, network } }: Grant): string =>
  JSON.stringify([target, workload, 'selector' in network ? network.selector : null]);

/** Pods of somebody else that have taken the labels of the target: the grant's policies can't tell them from it. */
async function lookForStrangers(world: World, grant: Grant, look: Look): Promise<void> {
  const strangers = await look.strangers(grant);
  if (strangers.length === 0) return;
  const { target, plan } = grant;
  const what = `In ${target.namespace} ${strangers.slice(0, 5).join(', ')} has taken the labels of the target of ${grant.id}, whose network policies hold for it too`;
  await alarm(world, `strangers ${grant.id} ${strangers.join()}`, grant, `${what}.`);
  if ('strict' in plan.network && plan.network.strict)
    await beginEnding(world, grant.id, 'failed', null, `${what}; the profile is strict.`);
}

/** Keeps a workload's Role true to the pods that the workload has now, and tells the requester their new names, once they stay. */
async function followWorkload(world: World, cluster: ClusterAccess, grant: Grant, look: Look): Promise<void> {
  if ((grant.expiresAt ?? 0) <= world.clock.now()) return;
  const same = (a: readonly string[], b: readonly string[]) =>
    a.length === b.length && a.every((name, index) => name === b[index]);
  const now = await look.podsOf(grant);
  const gone = now.length === 0 ? await look.targetGone(grant) : null;
  if (gone !== null) {
    // Its name leads to something else now, or may at any moment; its labels as well, by which policies of the grant go.
    await beginEnding(world, grant.id, 'revoked', null, `What was approved is gone: ${gone}. Ask again.`);
    return;
  }
  await lookForStrangers(world, grant, look);
  if (same(now, grant.pods)) return;
  const changed = await world.locks.exclusively(grant.id, async () => {
    const current = await world.store.get(grant.id);
    if (current?.state !== 'active' || (current.expiresAt ?? 0) <= world.clock.now()) return null;
    const pods = await cluster.podsOf(current);
    if (same(pods, current.pods)) return null;
    if (!(await hasRights(world, current))) return null;
    await cluster.narrowRights(current, pods);
    return world.store.change(
      grant.id,
      (g) => (g.state === 'active' ? { ...g, pods } : null),
      noting(world, 'pods-followed', null, { objects: pods }),
    );
  });
  if (!changed?.changed) return;
  // Moved with each change: one message has all names, once the rollout is over.
  await world.scheduler.schedule({ v: 1, kind: 'tell', id: grant.id, news: 'pods' }, world.clock.now() + ROLLOUT);
}
