import type { Grant } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { ClusterAccess } from '../ports/cluster-access.ts';
import type { ClusterListener } from '../ports/cluster-events.ts';
import type { World } from '../ports/world.ts';
import { createAgenda } from './agenda.ts';
import { createGrantIndex, type Dependency, type NamedRole } from './grant-index.ts';
import { EVERYTHING, lookAround } from './look-around.ts';

/** What changes together settles for so long before it is looked at: milliseconds. */
const SETTLE = 1000;
/** What could not be looked at of a grant is looked at again after so long, then after twice as long, at most: milliseconds. */
const AGAIN = [5000, 60_000] as const;
/** Of so many things the grants are looked at at once. */
const HANDS = 4;

/** Watches named roles, and tells the follower of them. */
export interface RoleWatch {
  /** Also of one that is watched already. */
  watch(role: NamedRole): void;
  unwatch(role: NamedRole): void;
}

/** Follows what active grants of one cluster depend on, as it changes there: workloads, policies of others, named roles. */
export interface Follower extends ClusterListener {
  /** A record as it is, or was a moment ago: an active grant is followed from now on, and looked at once; another no more. */
  follow(grant: Grant): void;
  /** Likewise active grants of which the record is not at hand: it is read soon. */
  followAll(ids: Iterable<GrantId>): void;
  leave(id: GrantId): void;
  follows(id: GrantId): boolean;
  ids(): Iterable<GrantId>;
  /** Everything may have changed unheard. */
  lookAtAll(): void;
  /** The role was changed, deleted, or made anew. @param namespace null of a ClusterRole */
  onRole(role: NamedRole, namespace: string | null): void;
  /** The role may have changed unheard, in any namespace. */
  onRoleListed(role: NamedRole): void;
  stop(): void;
}

/** @param onFault what fails is tried again */
export function createFollower(
  world: World,
  cluster: ClusterAccess,
  roles: RoleWatch,
  onFault: (error: unknown) => void,
): Follower {
  const index = createGrantIndex(cluster.workspacesNamespace);
  /** Grants of which everything is to be looked at, by the pause before that. */
  const waiting = new Map<number, Set<GrantId>>();
  const agenda = createAgenda<Dependency | number>(HANDS, look, onFault);

  async function look(at: Dependency | number): Promise<void> {
    const [pause, ids, what] =
      typeof at === 'number' ? [at, [...(waiting.get(at) ?? [])], EVERYTHING] : [SETTLE, [...at.ids], [at.on]];
    if (typeof at === 'number') waiting.delete(at);
    try {
      const failed = await lookAround(world, cluster, ids, what, onRecord, onFault);
      lookAgain(failed, Math.min(AGAIN[1], Math.max(AGAIN[0], 2 * pause)));
    } catch (error) {
      // No fault of one grant.
      lookAgain(ids, AGAIN[0]);
      throw error;
    }
  }

  /** One that waits already waits no less for failing elsewhere too. */
  function lookAgain(ids: readonly GrantId[], pause: number): void {
    const isWaiting = (id: GrantId) => [...waiting.values()].some((those) => those.has(id));
    lookAfter(
      pause,
      ids.filter((id) => !isWaiting(id)),
    );
  }

  function lookAfter(pause: number, ids: Iterable<GrantId>): void {
    const those = waiting.get(pause) ?? new Set();
    for (const id of ids) those.add(id);
    if (those.size === 0) return;
    waiting.set(pause, those);
    agenda.ask(pause, pause);
  }

  function lookAt(dependencies: Iterable<Dependency>): void {
    for (const one of dependencies) agenda.ask(one, SETTLE);
  }

  /** What changes from then on is heard; what has changed before is seen by a look after it. False: it is held already. */
  function hold(grant: Grant): boolean {
    if (!index.add(grant)) return false;
    const { role, roleMayGrow } = grant.plan;
    if (role !== null && !roleMayGrow) roles.watch(role);
    return true;
  }

  function onRecord(id: GrantId, grant: Grant | null): void {
    if (grant === null) leave(id);
    else hold(grant);
  }

  function leave(id: GrantId): void {
    for (const role of index.remove(id)) roles.unwatch(role);
  }

  return {
    follow(grant) {
      if (grant.state !== 'active') leave(grant.id);
      else if (hold(grant)) lookAfter(SETTLE, [grant.id]);
    },
    followAll: (ids) => lookAfter(SETTLE, ids),
    leave,
    follows: (id) => index.has(id),
    ids: () => index.ids(),
    lookAtAll: () => lookAfter(SETTLE, index.ids()),
    onPod: (change) => lookAt(index.ofPod(change)),
    onWorkload: (kind, namespace, name) => lookAt(index.ofWorkload(kind, namespace, name)),
    onPolicy: (namespace) => lookAt(index.ofPolicies(namespace)),
    onRole: (role, namespace) => lookAt(index.ofRole(role, namespace)),
    onRoleListed: (role) => lookAt(index.ofRoleNamed(role)),
    stop: () => agenda.stop(),
  };
}
