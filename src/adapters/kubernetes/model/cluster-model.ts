import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterListener } from '../../../app/ports/cluster-events.ts';
import type { Instant } from '../../../domain/clocks.ts';
import { Unavailable } from '../../../domain/errors.ts';
import type { OwnerLookup } from '../../../network/objects.ts';
import type { Cluster, NetworkPolicy } from '../../../network/types.ts';
import { isLive } from '../../../network/verdict.ts';
import { type Api, ApiError, type Kind, LARGE, MOST_KEPT } from '../api.ts';
import { INSTANCE_LABEL } from '../manifests.ts';
import {
  type Controlled,
  controllerOf,
  countToWorkload,
  createIntern,
  type HeldPod,
  type HeldService,
  type KubePod,
  type KubeService,
  type Meta,
  podProjection,
  policyProjection,
  projectService,
} from '../projection.ts';
import {
  type Ages,
  agesOf,
  isStale,
  type Pace,
  type Reflector,
  type ReflectorOptions,
  startReflector,
  type Watched,
} from './reflector.ts';

/** For so long the first list of everything is waited for: milliseconds. */
const PATIENCE = 5000;

export interface ClusterModelOptions {
  readonly api: Pick<Api, 'list' | 'version' | 'watch'>;
  readonly instance: string;
  readonly now: () => Instant;
  /** A watch or a list broke off; it is tried again. */
  readonly onFault: (error: unknown) => void;
  readonly pace?: Partial<Pace>;
}

export interface HeldNamespace {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly isDeleting: boolean;
}

/** A workload of the kinds that forms offer. */
export interface HeldWorkload {
  readonly namespace: string;
  readonly kind: Kind;
  readonly name: string;
  readonly isDeleting: boolean;
}

/** The cluster as its watches tell of it: a moment behind the API server, and asked of nothing. */
export interface ClusterModel {
  /** @param onListed it is all listed for the first time: what changed before that is not told */
  start(listener: ClusterListener, onListed?: () => void): void;
  stop(): void;
  /** Resolves once all of it has been listed. @throws Unavailable when that takes longer than some seconds */
  listed(): Promise<void>;
  /** Since when one of its watches is down, if for longer than some seconds; null: it is as of now. */
  staleSince(): Instant | null;
  /** The kinds of which nothing has been heard for that long. */
  staleKinds(): Kind[];
  ages(): Ages;
  /** What reachability is computed from. The rest only once it has been listed. */
  cluster(): Cluster;
  namespaces(): HeldNamespace[];
  workloadsIn(namespace: string): HeldWorkload[];
  podsIn(namespace: string): HeldPod[];
  servicesIn(namespace: string): HeldService[];
  /** By its uid. */
  replicaSetController(uid: string): Controlled['controller'];
  /** What controls a ReplicaSet or Job. */
  readonly lookup: OwnerLookup;
}

type WatchedIn = Watched & { readonly metadata: { readonly namespace?: string | undefined } };

/** Held by a reflector a kind, each object projected when it arrives. */
export function createClusterModel(options: ClusterModelOptions): ClusterModel {
  const { api, instance, now, onFault, pace = {} } = options;
  const firstList = Promise.withResolvers<void>();
  let held: ReturnType<typeof reflectAll> | null = null;

  function reflectAll(listener: ClusterListener) {
    const reflectors: { readonly kind: Kind; readonly reflector: Reflector<unknown> }[] = [];
    let cluster: Cluster | null = null;
    /** ReplicaSets and Jobs of which it has been heard what controls them since pods were counted to their workloads. */
    const resolved = new Set<string>();
    const intern = createIntern();
    const outdate = () => (cluster = null);

    function reflect<O extends WatchedIn, T>(
      kind: Kind,
      project: (object: O) => T,
      how: Pick<ReflectorOptions<O, T>, 'selector' | 'metadataOnly'> & {
        /** Not for what the first list has. */
        readonly changed?: (now: T | null, before: T | null) => void;
        readonly touched?: (now: T | null, before: T | null, uid: string) => void;
      } = {},
    ): Reflector<T> {
      const allowance = createAllowance(kind);
      const { selector, metadataOnly, changed = () => {}, touched = () => {} } = how;
      const reflector: Reflector<T> = startReflector<O, T>({
        api,
        kind,
        selector,
        metadataOnly,
        project(object) {
          const kept = project(object);
          allowance.take(object, kept);
          return kept;
        },
        onChange(now, before, uid) {
          if (now === null) allowance.free(uid);
          touched(now, before, uid);
          if (reflector.synced) changed(now, before);
        },
        onListed() {
          if (reflectors.every((one) => one.reflector.synced)) firstList.resolve();
        },
        onFault,
        pace,
      });
      reflectors.push({ kind, reflector });
      return reflector;
    }

    const controlled = ({ metadata }: { readonly metadata: Meta }): Controlled =>
      intern({ namespace: metadata.namespace, controller: controllerOf(metadata) });
    const resolve = (now: Controlled | null, before: Controlled | null, uid: string): void => {
      if (now === null) resolved.delete(uid);
      else if (now.controller?.uid !== before?.controller?.uid) resolved.add(uid);
    };
    const tellGone = (now: HeldWorkload | null, before: HeldWorkload | null): void => {
      if (now === null && before !== null) listener.onWorkload(before.kind, before.namespace, before.name);
    };
    /** Its pods are those of another workload now, and do not change themselves. */
    const tellMoved = (now: Controlled | null, before: Controlled | null): void => {
      if (now === null || before === null || now.controller?.uid === before.controller?.uid) return;
      for (const { namespace, controller } of [before, now])
        if (controller !== null) listener.onWorkload(controller.kind, namespace, controller.name);
    };
    const replicaSets = reflect('ReplicaSet', controlled, {
      metadataOnly: true,
      touched: resolve,
      changed: tellMoved,
    });
    // Not the leases of grants, of which there are two for each.
    const others = `${INSTANCE_LABEL}!=${instance}`;
    const jobs = reflect(
      'Job',
      (job: { readonly metadata: Meta }): Controlled & HeldWorkload => ({
        ...workload('Job', job),
        ...controlled(job),
      }),
      { metadataOnly: true, selector: others, touched: resolve, changed: tellGone },
    );
    const lookup: OwnerLookup = ({ kind, uid = '' }) =>
      (kind === 'ReplicaSet' ? replicaSets : kind === 'Job' ? jobs : null)?.items.get(uid)?.controller ?? undefined;

    const namespaces = reflect(
      'Namespace',
      ({ metadata }: { readonly metadata: Meta }): HeldNamespace => ({
        name: metadata.name,
        labels: metadata.labels ?? {},
        isDeleting: metadata.deletionTimestamp !== undefined,
      }),
      { metadataOnly: true, touched: outdate },
    );
    const pods = reflect<KubePod, HeldPod>('Pod', podProjection(lookup), {
      touched: outdate,
      changed(now, before) {
        const either = now ?? before;
        if (either === null || isSameToOthers(now, before)) return;
        listener.onPod({
          namespace: either.namespace,
          name: either.name,
          before: before?.labels ?? null,
          now: now?.labels ?? null,
        });
      },
    });
    const policies = reflect<NetworkPolicy & Watched, NetworkPolicy>('NetworkPolicy', policyProjection(instance), {
      touched: outdate,
      changed(now, before) {
        const { namespace = '' } = (now ?? before)?.metadata ?? {};
        if (foreignSpec(now) !== foreignSpec(before)) listener.onPolicy(namespace);
      },
    });
    const services = reflect<KubeService, HeldService>('Service', projectService);
    const workloads = (['Deployment', 'StatefulSet', 'DaemonSet'] as const).map((kind) =>
      reflect(kind, (object: { readonly metadata: Meta }) => workload(kind, object), {
        metadataOnly: true,
        changed: tellGone,
      }),
    );

    /** Counts pods to their workloads that came before their ReplicaSet or Job was known. */
    function recount(): void {
      if (resolved.size === 0) return;
      for (const pod of pods.items.values()) {
        if (pod.controller !== null && resolved.has(pod.controller.uid)) countToWorkload(pod, lookup, intern);
      }
      resolved.clear();
    }

    return {
      reflectors,
      pods: pods.items,
      services: services.items,
      namespaces: namespaces.items,
      workloads: workloads.map(({ items }) => items),
      replicaSets: replicaSets.items,
      lookup,
      cluster(): Cluster {
        recount();
        cluster ??= {
          namespaces: [...namespaces.items.values()],
          pods: [...pods.items.values()],
          policies: [...policies.items.values()],
        };
        return cluster;
      },
    };
  }

  function mustBeHeld(): NonNullable<typeof held> {
    if (held === null || !held.reflectors.every(({ reflector }) => reflector.synced)) throw notListed();
    return held;
  }

  /** By the time of `performance.now()`, oldest first. */
  function lost(): { kind: Kind; since: number }[] {
    return (held?.reflectors ?? [])
      .flatMap(({ kind, reflector }) =>
        reflector.lostAt !== null && isStale(reflector) ? [{ kind, since: reflector.lostAt }] : [],
      )
      .toSorted((a, b) => a.since - b.since);
  }

  return {
    start(listener, onListed = () => {}) {
      held ??= reflectAll(listener);
      void firstList.promise.then(onListed);
    },
    stop() {
      for (const { reflector } of held?.reflectors ?? []) reflector.stop();
    },
    async listed() {
      const waiting = new AbortController();
      const tooLong = sleep(PATIENCE, undefined, { signal: waiting.signal }).then(
        () => Promise.reject(notListed()),
        () => {},
      );
      try {
        await Promise.race([firstList.promise, tooLong]);
      } finally {
        waiting.abort();
      }
    },
    staleSince() {
      const since = lost()[0]?.since;
      return since === undefined ? null : now() - (performance.now() - since);
    },
    staleKinds: () => lost().map(({ kind }) => kind),
    ages: () => agesOf(held?.reflectors ?? []),
    cluster: () => mustBeHeld().cluster(),
    namespaces: () => [...mustBeHeld().namespaces.values()],
    workloadsIn: (namespace) => mustBeHeld().workloads.flatMap((items) => inNamespace(items, namespace)),
    podsIn: (namespace) => inNamespace(mustBeHeld().pods, namespace),
    servicesIn: (namespace) => inNamespace(mustBeHeld().services, namespace),
    replicaSetController: (uid) => mustBeHeld().replicaSets.get(uid)?.controller ?? null,
    lookup: (controller, namespace) => mustBeHeld().lookup(controller, namespace),
  };
}

const notListed = (): Unavailable =>
  new Unavailable('Kubernetes', 'the cluster has not been listed yet', {
    untouched: true,
    words:
      'What is in the cluster has not been read yet. Try again in a minute; if it stays so, tell an administrator of Drawbridge: its log says what can’t be listed or watched.',
  });

const workload = (kind: Kind, { metadata }: { readonly metadata: Meta }): HeldWorkload => ({
  namespace: metadata.namespace,
  kind,
  name: metadata.name,
  isDeleting: metadata.deletionTimestamp !== undefined,
});

function inNamespace<T extends { readonly namespace: string }>(items: ReadonlyMap<string, T>, namespace: string): T[] {
  const found: T[] = [];
  for (const item of items.values()) if (item.namespace === namespace) found.push(item);
  return found;
}

/** Whether policies and rights have to do with it as before. */
function isSameToOthers(a: HeldPod | null, b: HeldPod | null): boolean {
  if (a === null || b === null) return a === b;
  return (
    a.controller?.uid === b.controller?.uid &&
    a.isDeleting === b.isDeleting &&
    isLive(a) === isLive(b) &&
    (a.labels === b.labels || JSON.stringify(a.labels) === JSON.stringify(b.labels))
  );
}

/** What a policy says that is not of a grant of this instance, whose labels alone are held; null: there is none. */
function foreignSpec(policy: NetworkPolicy | null): string | null {
  return policy === null || policy.metadata?.labels !== undefined ? null : JSON.stringify(policy.spec ?? {});
}

/** Of what people have made larger than it need be no more than so much is held of a kind. */
function createAllowance(kind: Kind) {
  /** Characters beyond what is usual, by uid. */
  const large = new Map<string, number>();
  let sum = 0;
  function set(uid: string, size: number): void {
    sum += size - (large.get(uid) ?? 0);
    if (size > 0) large.set(uid, size);
    else large.delete(uid);
  }
  return {
    free: (uid: string) => set(uid, 0),
    /** @throws ApiError 413 where it would be too much */
    take({ metadata: { uid = '', namespace = '' } }: WatchedIn, kept: unknown): void {
      const size = Math.max(0, JSON.stringify(kept).length - LARGE);
      if (size > 0 && sum + size - (large.get(uid) ?? 0) > MOST_KEPT)
        throw new ApiError(413, `${kind}: what matters of them is too large, last in namespace ${namespace}`);
      set(uid, size);
    },
  };
}
