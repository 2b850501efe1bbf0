import { blocksOf, createClassifier, type PodClass } from './classes.ts';
import { outsideClasses } from './outside.ts';
import { compilePolicy } from './policy.ts';
import type { PortSet } from './portset.ts';
import { createReach, type Pair } from './reach.ts';
import { whyAllowed } from './reasons.ts';
import type { Cluster, Connection, Labels, Pod, WorkloadPeer } from './types.ts';
import { isLive } from './verdict.ts';
import { connectOutside, connectWorkloads, type Group, groupByWorkload, type Part } from './workloads.ts';

interface ClassPart extends Part {
  readonly found: PodClass;
}

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

export function groupByClass(pods: readonly Pod[], classify: (pod: Pod) => PodClass): Group<ClassPart>[] {
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
 * @param isSource only what the pods of these workloads may open
 */
export function connections(cluster: Cluster, isSource?: (workload: WorkloadPeer) => boolean): Connection[] {
  const policies = cluster.policies.map(compilePolicy);
  const pods = governedPods(cluster);
  const classify = createClassifier(policies)(namespaceLabels(cluster));
  const reach = createReach(policies);
  const outside = outsideClasses(blocksOf(policies), pods);
  const groups = groupByClass(pods, classify);
  const senders = isSource === undefined ? groups : groups.filter(({ workload }) => isSource(workload));

  const between = explainAllowed(undefined);
  const toOutside = explainAllowed('to');
  const fromOutside = explainAllowed('from');
  const result: Connection[] = [];
  for (const from of senders) {
    for (const to of groups) {
      for (const item of connectWorkloads(from, to, (a, b) => reach.pair(a.found, b.found), between)) result.push(item);
    }
    result.push(...connectOutside(from, outside, 'to', (part, world) => reach.pair(part.found, world), toOutside));
  }
  if (isSource !== undefined) return result;
  for (const to of groups) {
    result.push(...connectOutside(to, outside, 'from', (part, world) => reach.pair(world, part.found), fromOutside));
  }
  return result;
}

/** The workloads with hostNetwork pods: plugins treat these as their nodes, and policies do not govern them. */
export function notGoverned(cluster: Pick<Cluster, 'pods'>): WorkloadPeer[] {
  const pods = cluster.pods.filter((pod) => isLive(pod) && pod.hostNetwork);
  const groups = groupByWorkload(
    pods,
    () => 0,
    () => ({ count: 0 }),
  );
  return groups.map((group) => group.workload);
}
