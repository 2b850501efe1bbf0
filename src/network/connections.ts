import { blocksOf, createClassifier, type PodClass } from './classes.ts';
import { mustBeFew } from './cost.ts';
import { type OutsideClass, outsideClasses } from './outside.ts';
import { compilePolicies } from './policy.ts';
import type { PortSet } from './portset.ts';
import { createReach, type EndClass, type Pair } from './reach.ts';
import { whyAllowed } from './reasons.ts';
import { atOnce, type Steps } from './steps.ts';
import type { Cluster, Connection, Labels, Pod, WorkloadPeer } from './types.ts';
import { isLive } from './verdict.ts';
import {
  connectOutside,
  connectWorkloads,
  groupByWorkload,
  isSome,
  keysWhere,
  type Part,
  partsOf,
  type Sorting,
  sortPods,
} from './workloads.ts';

interface ClassPart extends Part {
  readonly found: PodClass;
}

/** So many connections are enough where they are shown to people. */
const MOST_FROM_SOURCES = 10_000;
interface SendingPart extends ClassPart {
  readonly sends: boolean;
}

const everyPod = (): boolean => true;

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

/** Pods of one class are one part of their workload. */
export const byClass = (classify: (pod: Pod) => PodClass): Sorting<ClassPart> => ({
  keyOf: (pod) => classify(pod).id,
  create: (pod) => ({ found: classify(pod), count: 0 }),
});

/**
 * All allowed connections of a cluster by workload: pods to pods, pods to addresses outside, and addresses outside to
 * pods; in the order of workloads (namespace, kind, name), each (pod, pod, port) once. hostNetwork pods are not
 * governed and not listed (`notGoverned`); a pod's traffic to itself and to its node is always allowed and not listed
 * either.
 * @param isSource only what these pods may open; of a great many no more than anybody would read
 * @throws TooLarge with `isSource` only
 */
export function* connectionsInSteps(cluster: Cluster, isSource: (pod: Pod) => boolean = everyPod): Steps<Connection[]> {
  const policies = yield* compilePolicies(cluster.policies);
  const pods = governedPods(cluster);
  const classify = createClassifier(policies)(namespaceLabels(cluster));
  const reach = createReach(policies);
  const outside = outsideClasses(blocksOf(policies), pods);
  // Sources are parts of their own, so that a pod among others of its workload is not told of connections to itself.
  const sorting: Sorting<SendingPart> = {
    keyOf: (pod) => `${classify(pod).id} ${isSource(pod)}`,
    create: (pod) => ({ found: classify(pod), count: 0, sends: isSource(pod) }),
  };
  const groups = yield* groupByWorkload(pods, sorting, isSource === everyPod ? undefined : yield* reached());
  const senders = groups.filter(({ parts }) => parts.some(({ sends }) => sends));

  const between = explainAllowed(undefined);
  const toOutside = explainAllowed('to');
  const fromOutside = explainAllowed('from');
  const pair = (from: SendingPart, to: EndClass): Pair | undefined =>
    from.sends ? reach.pair(from.found, to) : undefined;
  /** Sources, and what they may open something to: of a big cluster that is mostly little. */
  function* reached(): Steps<Set<string | number>> {
    const kinds = yield* sortPods(pods, sorting);
    const sources = [...kinds.values()].filter(({ sends }) => sends);
    mustBeFew(sources.length, kinds.size, outside.length);
    return yield* keysWhere(
      kinds,
      (to) => to.sends || sources.some((from) => isSome(reach.pair(from.found, to.found))),
    );
  }

  const result: Connection[] = [];
  for (const from of senders) {
    if (isSource !== everyPod) {
      if (result.length >= MOST_FROM_SOURCES) return result;
      mustBeFew(from.parts.length, partsOf(groups), outside.length);
    }
    for (const to of groups)
      for (const item of yield* connectWorkloads(from, to, (a, b) => pair(a, b.found), between)) result.push(item);
    for (const item of yield* connectOutside(from, outside, 'to', pair, toOutside)) result.push(item);
  }
  if (isSource !== everyPod) return result;
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
  const groups = atOnce(groupByWorkload(pods, { keyOf: () => 0, create: () => ({ count: 0 }) }));
  return groups.map((group) => group.workload);
}
