import { blocksOf, createClassifier, type PodClass } from './classes.ts';
import { mustBeFew } from './cost.ts';
import { type OutsideClass, outsideClasses } from './outside.ts';
import { compilePolicies } from './policy.ts';
import type { PortSet } from './portset.ts';
import { createReach, type Pair } from './reach.ts';
import { whyAllowed } from './reasons.ts';
import { atOnce, type Steps } from './steps.ts';
import type { Cluster, Connection, Labels, Pod, WorkloadPeer } from './types.ts';
import { isLive } from './verdict.ts';
import { connectOutside, connectWorkloads, type Group, groupByWorkload, type Part } from './workloads.ts';

interface ClassPart extends Part {
  readonly found: PodClass;
}

/** So many connections are enough where they are shown to people. */
const MOST_FROM_SOURCES = 10_000;

/** Pods that NetworkPolicy governs: running ones with a network of their own. */
export function governedPods(cluster: Pick<Cluster, 'pods'>): Pod[] {
  return cluster.pods.filter((pod) => isLive(pod) && !pod.hostNetwork);
}

export function namespaceLabels(cluster: Pick<Cluster, 'namespaces'>): Map<string, Labels> {
  return new Map(cluster.namespaces.map(({ name, labels }) => [name, labels]));
}

/** Both sides' reasons; a side outside the cluster has none. */
export function explainAllowed(outside: 'from' | 'to' | undefined): (pair: Pair, ports: PortSet) => string[] {
  return ({ egress, ingress }, ports) => [
    ...(outside === 'from' ? [] : [whyAllowed(egress, ports)]),
    ...(outside === 'to' ? [] : [whyAllowed(ingress, ports)]),
  ];
}

export function groupByClass(pods: readonly Pod[], classify: (pod: Pod) => PodClass): Steps<Group<ClassPart>[]> {
  return groupByWorkload(
    pods,
    (pod) => classify(pod).id,
    (pod) => ({ found: classify(pod), count: 0 }),
  );
}

/**
 * All allowed connections of a cluster by workload: pods to pods, pods to addresses outside, and addresses outside to
 * pods; in the order of workloads (namespace, kind, name), each (pod, pod, port) once. hostNetwork pods are not
 * governed and not listed (`notGoverned`); a pod's traffic to itself and to its node is always allowed and not listed
 * either.
 * @param isSource only what the pods of these workloads may open; of a great many no more than anybody would read
 * @throws TooLarge with `isSource` only
 */
export function* connectionsInSteps(
  cluster: Cluster,
  isSource?: (workload: WorkloadPeer) => boolean,
): Steps<Connection[]> {
  const policies = yield* compilePolicies(cluster.policies);
  const pods = governedPods(cluster);
  const classify = createClassifier(policies)(namespaceLabels(cluster));
  const reach = createReach(policies);
  const outside = outsideClasses(blocksOf(policies), pods);
  const groups = yield* groupByClass(pods, classify);
  const senders = isSource === undefined ? groups : groups.filter(({ workload }) => isSource(workload));

  const between = explainAllowed(undefined);
  const toOutside = explainAllowed('to');
  const fromOutside = explainAllowed('from');
  const result: Connection[] = [];
  for (const from of senders) {
    if (isSource !== undefined) {
      if (result.length >= MOST_FROM_SOURCES) return result;
      mustBeFew([from], groups, outside);
    }
    for (const to of groups) {
      const pair = (a: ClassPart, b: ClassPart) => reach.pair(a.found, b.found);
      for (const item of yield* connectWorkloads(from, to, pair, between)) result.push(item);
    }
    const pair = (part: ClassPart, world: OutsideClass) => reach.pair(part.found, world);
    for (const item of yield* connectOutside(from, outside, 'to', pair, toOutside)) result.push(item);
  }
  if (isSource !== undefined) return result;
  for (const to of groups) {
    const pair = (part: ClassPart, world: OutsideClass) => reach.pair(world, part.found);
    for (const item of yield* connectOutside(to, outside, 'from', pair, fromOutside)) result.push(item);
  }
  return result;
}

/** {@link connectionsInSteps} in one go. */
export function connections(...given: Parameters<typeof connectionsInSteps>): Connection[] {
  return atOnce(connectionsInSteps(...given));
}

/** The workloads with hostNetwork pods: plugins treat these as their nodes, and policies do not govern them. */
export function notGoverned(cluster: Pick<Cluster, 'pods'>): WorkloadPeer[] {
  const pods = cluster.pods.filter((pod) => isLive(pod) && pod.hostNetwork);
  const groups = atOnce(
    groupByWorkload(
      pods,
      () => 0,
      () => ({ count: 0 }),
    ),
  );
  return groups.map((group) => group.workload);
}
