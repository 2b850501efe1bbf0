import { BINDINGS, type Found, ROLES } from '../ports/own-objects.ts';

/** What the reaper needs of the cluster: to list and to delete. */
export interface ReaperCluster {
  found(): Promise<Found[]>;
  /** Deletes that very object; false when it is still there afterwards (a finalizer keeps it). */
  remove(found: Found): Promise<boolean>;
  /** True once no pod of the grant is in that namespace, its workspace or its shell on a node. */
  podsGone(id: string, namespace: string): Promise<boolean>;
  readonly workspacesNamespace: string;
}

export interface Reaped {
  readonly removed: readonly Found[];
  /** What is still there though it should be gone, with why. */
  readonly kept: readonly { readonly object: Found; readonly why: string }[];
}

const KEPT = 'a finalizer keeps it';
const GUARDED = 'it confines what is still there';
const RUNNING = 'the pod of its grant is still there';

/**
 * Takes grants out of the cluster by deleting alone: no Redis, no Slack, no record. The order of a teardown holds: rights first, the guard
 * only once its pod is gone, the lease last. Running it again goes on where it was.
 */
export async function reap(cluster: Omit<ReaperCluster, 'found'>, objects: readonly Found[]): Promise<Reaped> {
  const removed: Found[] = [];
  const kept: { object: Found; why: string }[] = [];
  const byGrant = Map.groupBy(objects, (object) => object.id ?? `${object.namespace}/${object.name}`);
  const take = async (list: readonly Found[]): Promise<boolean> => {
    const results = await Promise.all(list.map((object) => cluster.remove(object)));
    for (const [index, object] of list.entries())
      if (results[index] === true) removed.push(object);
      else kept.push({ object, why: KEPT });
    return results.every(Boolean);
  };
  // The rights of all first: what is slow in one grant must not keep another's in force.
  const rights = new Map<string, boolean>();
  await Promise.all(
    [...byGrant].map(async ([id, list]) => {
      rights.set(id, await take(list.filter(({ kind }) => BINDINGS.includes(kind))));
      await take(list.filter(({ kind }) => ROLES.includes(kind)));
      await take(list.filter(({ kind }) => kind === 'ServiceAccount'));
    }),
  );
  await Promise.all(
    [...byGrant].map(async ([id, list]) => {
      const { workspacesNamespace } = cluster;
      const isWorkspace = (object: Found) => object.kind === 'Job' && object.name.endsWith('-workspace');
      const guards = list.filter((object) => object.kind === 'NetworkPolicy');
      const leases = list.filter((object) => object.kind === 'Job' && !isWorkspace(object));
      if (rights.get(id) !== true) {
        // No access without its guard: while the rights are in force what confines them stays.
        for (const object of guards) kept.push({ object, why: GUARDED });
        return;
      }
      await take(guards.filter((object) => object.namespace !== workspacesNamespace));
      const workspaces = list.filter(isWorkspace);
      await take(workspaces);
      const own = guards.filter((object) => object.namespace === workspacesNamespace);
      // A shell on a node has no guard: its lease waits for its pod.
      const shells = workspaces.filter((object) => object.namespace !== workspacesNamespace);
      const places = [...new Set([...own, ...shells].map(({ namespace }) => namespace))];
      const gone = await Promise.all(places.map((namespace) => cluster.podsGone(id, namespace)));
      if (!gone.every(Boolean)) {
        for (const object of own) kept.push({ object, why: GUARDED });
        if (shells.length > 0) for (const object of leases) kept.push({ object, why: RUNNING });
        return;
      }
      await take(own);
      await take(leases);
    }),
  );
  return { removed, kept };
}
