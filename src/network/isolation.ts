import { compilePolicy, type Policy } from './policy.ts';
import { distinct } from './reasons.ts';
import { applying, selectsPod } from './side.ts';
import { type Snapshot, takeSnapshots } from './snapshots.ts';
import { atOnce, type Steps } from './steps.ts';
import type { Cluster, Direction, NetworkPolicy, Pod, WorkloadPeer } from './types.ts';
import { isLive } from './verdict.ts';
import { groupByWorkload } from './workloads.ts';

const DIRECTIONS: readonly Direction[] = ['Ingress', 'Egress'];

export interface Isolation {
  /** Ids (`namespace/name`) of the policies that isolate the pod for ingress; empty: everything may come in. */
  readonly ingress: readonly string[];
  readonly egress: readonly string[];
  /** hostNetwork: no policy governs the pod, whatever selects it. */
  readonly notGoverned: boolean;
}

function isolatingIds(policies: readonly Policy[], pod: Pod, direction: Direction): string[] {
  return distinct(applying(policies, pod, direction).map((policy) => policy.id));
}

/** Whether the policy selects the pod (its namespace and podSelector; whether it governs it is another question). */
export function selects(policy: NetworkPolicy, pod: Pod): boolean {
  return selectsPod(compilePolicy(policy), pod);
}

/** Which policies isolate a pod, for each direction. */
export function isolation(cluster: Pick<Cluster, 'policies'>, pod: Pod): Isolation {
  const policies = cluster.policies.filter((policy) => policy.metadata?.namespace === pod.namespace).map(compilePolicy);
  return {
    ingress: isolatingIds(policies, pod, 'Ingress'),
    egress: isolatingIds(policies, pod, 'Egress'),
    notGoverned: pod.hostNetwork,
  };
}

/**
 * Whether every one of these pods is isolated already, so that a further policy only adds allowances; else the pods
 * that are not. Ended pods do not count; no pods at all are not isolated; hostNetwork pods never are.
 */
export function isolatedByAll(
  cluster: Pick<Cluster, 'policies'>,
  pods: readonly Pod[],
  direction: Direction = 'Ingress',
): { isolated: boolean; open: Pod[] } {
  const live = pods.filter(isLive);
  const word = direction === 'Ingress' ? 'ingress' : 'egress';
  const open = live.filter((pod) => isolation(cluster, pod)[word].length === 0);
  return { isolated: live.length > 0 && open.length === 0, open };
}

/** Pods that are looked at in one step. */
const IN_ONE_STEP = 50;

export interface NewIsolation {
  readonly workload: WorkloadPeer;
  readonly direction: Direction;
  /** Ids of the policies that isolate now. */
  readonly policies: readonly string[];
  /** Names of the pods, sorted. */
  readonly pods: readonly string[];
}

/** Pods that live before and after, that nothing isolated before in a direction, and that something isolates after. */
export function newlyIsolated(before: Cluster, after: Cluster): NewIsolation[] {
  return atOnce(newlyIsolatedInSteps(before, after));
}

/** {@link newlyIsolated}, step by step. */
export function* newlyIsolatedInSteps(before: Cluster, after: Cluster): Steps<NewIsolation[]> {
  return yield* newlyIsolatedBetween(...(yield* takeSnapshots(before, after)));
}

/** `newlyIsolated` for snapshots that are at hand. */
export function* newlyIsolatedBetween(before: Snapshot, after: Snapshot): Steps<NewIsolation[]> {
  const isolating = (pod: Pod, direction: Direction): readonly Policy[] =>
    after.reach.isolating(after.classify(pod), direction);

  const result: NewIsolation[] = [];
  for (const direction of DIRECTIONS) {
    const isolated: Pod[] = [];
    for (const [index, pod] of after.pods.entries()) {
      if (index % IN_ONE_STEP === 0) yield;
      if (after.isUntouched(pod) || isolating(pod, direction).length === 0) continue;
      const earlier = before.find(pod);
      if (earlier && before.reach.isolating(before.classify(earlier), direction).length === 0) isolated.push(pod);
    }
    const groups = yield* groupByWorkload(isolated, {
      keyOf: (pod) => pod.name,
      create: (pod) => ({ pod, count: 0 }),
    });
    for (const { workload, parts } of groups)
      result.push({
        workload,
        direction,
        policies: distinct(parts.flatMap(({ pod }) => isolating(pod, direction)).map((policy) => policy.id)),
        pods: distinct(parts.map(({ pod }) => pod.name)),
      });
  }
  return result;
}
