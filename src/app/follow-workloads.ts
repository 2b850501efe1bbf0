import type { Grant } from '../domain/grant.ts';
import type { GrantId } from '../domain/ids.ts';
import type { IsolatedDirection, Surroundings } from '../domain/plan.ts';
import { describeTarget } from '../domain/target.ts';
import { beginEnding } from './end-grant.ts';
import { inParallel } from './in-parallel.ts';
import { once } from './once.ts';
import type { ClusterAccess, World } from './ports.ts';
import { workspacePod } from './reach.ts';
import { recordsOf } from './records.ts';
import { surroundingsNow } from './since-approval.ts';
import { alarm, type Guarded, guardedBy, hasRights, noting, tell } from './steps.ts';
import { allowances, podLabelled, rulesOf } from './surroundings.ts';

/** Active grants on a workload, by the namespace of their target. */
export type Followed = Map<string, Set<GrantId>>;

export function alsoFollow(followed: Followed, namespace: string, id: GrantId): void {
  followed.set(namespace, (followed.get(namespace) ?? new Set()).add(id));
}

/** How many grants are looked at at once. */
const LOOKS_AT_ONCE = 8;

type Look = Pick<ClusterAccess, 'podsOf' | 'targetGone' | 'strangers' | 'foreignPolicies'>;

/**
 * What may have changed around active grants with a workload: its pods, pods that took its labels, policies that let confined pods do more.
 * Workloads, and the policies of a namespace, are looked up once, however many grants there are on each.
 */
async function followWorkloads(world: World, ids: Iterable<GrantId>, guarded: Guarded): Promise<void> {
  const look: Look = {
    podsOf: once((grant) => world.cluster.podsOf(grant), workloadOf),
    targetGone: once((grant) => world.cluster.targetGone(grant), workloadOf),
    strangers: once((grant) => world.cluster.strangers(grant), workloadOf),
    foreignPolicies: once((namespace) => world.cluster.foreignPolicies(namespace), String),
  };
  for await (const grants of recordsOf(world.store, ids))
    await inParallel(grants, LOOKS_AT_ONCE, async (grant) => {
      if (grant.state !== 'active') return;
      await guarded(() => lookForForeign(world, grant, look));
      await guarded(() => lookForIsolation(world, grant, look));
      await guarded(() => followWorkload(world, grant, look));
    });
}

/** Follows the workloads of active grants between two looks at everything, by hints only: what it misses the next look finds. */
export interface Follower {
  /**
   * These are all, as of a look that has just ended, and those that have begun since the one before: follows each. None: another replica has
   * looked, and follows them.
   */
  follow(all: Followed): Promise<void>;
  /** A grant that has become active. */
  begun(id: GrantId): Promise<void>;
  /** Pods have come or gone there. */
  changed(namespace: string): Promise<void>;
}

/** @param watch is told the namespaces whose pods are of interest */
export function createFollower(
  world: World,
  watch: (namespaces: ReadonlySet<string>) => void,
  onFault: (error: unknown) => void,
): Follower {
  const guarded = guardedBy(onFault);
  let followed: Followed = new Map();
  /** A look at everything does not see what begins meanwhile. */
  let sinceLook: Followed = new Map();
  let busy = false;
  let again = false;
  return {
    async follow(all) {
      for (const [namespace, ids] of sinceLook) for (const id of ids) alsoFollow(all, namespace, id);
      sinceLook = new Map();
      followed = all;
      watch(new Set(followed.keys()));
      again = true;
      if (busy) return;
      busy = true;
      try {
        while (again) {
          again = false;
          const ids = [...followed.values()].flatMap((some) => [...some]);
          await followWorkloads(world, ids, guarded);
        }
      } finally {
        busy = false;
      }
    },
    async begun(id) {
      const grant = await world.store.get(id);
      if (grant?.state !== 'active' || grant.target.workload === undefined) return;
      const { namespace } = grant.target;
      for (const list of [followed, sinceLook]) alsoFollow(list, namespace, id);
      watch(new Set(followed.keys()));
    },
    async changed(namespace) {
      await followWorkloads(world, followed.get(namespace) ?? [], guarded);
    },
  };
}

/** What tells the workload of a grant, and the pods that its policies select, from others. */
const workloadOf = ({ target, plan: { workload, network } }: Grant): string =>
  JSON.stringify([target, workload, 'selector' in network ? network.selector : null]);

/** Rules of others that let the confined pods of a grant do more than was known when it was approved, in policies new, changed or not. */
async function lookForForeign(world: World, grant: Grant, look: Look): Promise<void> {
  const { network, workload } = grant.plan;
  if ((network.mode !== 'workspace' && network.mode !== 'contain') || workload === null) return;
  const { workspacesNamespace } = world.cluster;
  const [pods, pod] =
    network.mode === 'workspace'
      ? ['the workspace', workspacePod(workspacesNamespace, grant.id)]
      : ['the pods', podLabelled(grant.target.namespace, workload.labels, grant.target.workload)];
  const policies = await look.foreignPolicies(pod.namespace);
  const fresh = allowances(network.mode, policies, pod).filter(({ rules }) =>
    rules.some((rule) => !network.foreign.includes(rule)),
  );
  if (fresh.length === 0) return;
  const names = fresh.map(({ name }) => name);
  const what = `NetworkPolicy ${names.slice(0, 5).join(', ')} in ${pod.namespace} has begun to select ${pods} of ${grant.id}, or was changed, and lets it do more than was approved`;
  await alarm(world, `foreign ${grant.id} ${rulesOf(fresh).join()}`, grant.id, `${what}.`);
  if (network.strict) await beginEnding(world, grant.id, 'failed', null, `${what}; the profile is strict.`);
}

/**
 * An admission lets something into pods that others isolate. Where they do so no more, it isolates the pods itself, and cuts off everybody
 * whom it does not admit; where they never did, the approver has acknowledged that. And pods that others contained have no containment of the
 * grant's own: once those policies are gone, whoever is in them reaches everything.
 */
async function lookForIsolation(world: World, grant: Grant, look: Look): Promise<void> {
  const { network, surroundings } = grant.plan;
  if (network.mode === 'none') return;
  const { workspacesNamespace } = world.cluster;
  const { foreignPolicies } = look;
  const now = await surroundingsNow({ foreignPolicies, workspacesNamespace }, grant);
  const planned = newlyIsolated(surroundings);
  const surprises = newlyIsolated(now).filter((direction) => !planned.includes(direction));
  const name = describeTarget(grant.target);
  const what =
    surprises.length > 0
      ? `Nothing but ${grant.id} isolates ${name} any more (${surprises.join(', ').toLowerCase()})`
      : network.mode === 'contain' && !network.applies && isContained(surroundings) && !isContained(now)
        ? `Nothing contains ${name} any more`
        : null;
  if (what === null) return;
  await beginEnding(world, grant.id, 'failed', null, `${what}: the policies of others that did are gone.`);
}

/** The directions in which the grant alone isolates its target. */
function newlyIsolated({ isolation }: Surroundings): IsolatedDirection[] {
  return isolation
    .filter(({ pods }) => pods === 'target')
    .flatMap((target) => target.with.filter((direction) => !target.before.includes(direction)));
}

/** Whether policies of others isolate the target's pods for egress. */
function isContained({ isolation }: Surroundings): boolean {
  return isolation.some(({ pods, before }) => pods === 'target' && before.includes('Egress'));
}

/** Pods of somebody else that have taken the labels of the target: the grant's policies can't tell them from it. */
async function lookForStrangers(world: World, grant: Grant, look: Look): Promise<void> {
  const strangers = await look.strangers(grant);
  if (strangers.length === 0) return;
  const { target, plan } = grant;
  const what = `In ${target.namespace} ${strangers.slice(0, 5).join(', ')} has taken the labels of the target of ${grant.id}, whose network policies hold for it too`;
  await alarm(world, `strangers ${grant.id} ${strangers.join()}`, grant.id, `${what}.`);
  if ('strict' in plan.network && plan.network.strict)
    await beginEnding(world, grant.id, 'failed', null, `${what}; the profile is strict.`);
}

/** Keeps a workload's Role true to the pods that the workload has now, and tells the requester their new names. */
async function followWorkload(world: World, grant: Grant, look: Look): Promise<void> {
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
