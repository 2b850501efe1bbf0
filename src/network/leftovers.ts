import { contains, parseCidr } from './cidr.ts';
import { blocksOf, createClassifier } from './classes.ts';
import { byClass, explainAllowed, governedPods, namespaceLabels } from './connections.ts';
import { mustBeFew } from './cost.ts';
import { outsideClasses } from './outside.ts';
import { compilePolicies } from './policy.ts';
import { fromRanges, NO_PORTS, type PortSet, subtract, union } from './portset.ts';
import { createReach, type EndClass, type Pair } from './reach.ts';
import { matches } from './selector.ts';
import { atOnce, type Steps } from './steps.ts';
import type { Cluster, Connection, LabelSelector, Pod, PortRange } from './types.ts';
import {
  connectOutside,
  connectWorkloads,
  groupByWorkload,
  isSome,
  keysWhere,
  partsOf,
  sortPods,
} from './workloads.ts';

/** What a pod is meant to reach: pods of one namespace by selector, or addresses outside; on these ports. */
export type AllowedTarget =
  | { readonly namespace: string; readonly selector: LabelSelector; readonly ports: readonly PortRange[] }
  | { readonly cidr: string; readonly ports: readonly PortRange[] };

/**
 * What the cluster's policies let a pod reach beyond its allowed targets, with the policies that let it as reasons. The
 * pod need not exist yet; where it does, the given one counts. Empty: it reaches its targets at most.
 * @throws TooLarge
 */
export function* leftoversInSteps(
  cluster: Cluster,
  pod: Pod,
  allowedTargets: readonly AllowedTarget[],
): Steps<Connection[]> {
  const policies = yield* compilePolicies(cluster.policies);
  const others = governedPods(cluster).filter((other) => other.namespace !== pod.namespace || other.name !== pod.name);
  const selectors = allowedTargets.flatMap((target) => ('selector' in target ? [target.selector] : []));
  const classify = createClassifier(policies, selectors)(namespaceLabels(cluster));
  const reach = createReach(policies);
  const targets = allowedTargets.map((target) => {
    const block = 'cidr' in target ? parseCidr(target.cidr) : undefined;
    const meant = ({ end }: EndClass): boolean => {
      if (end.kind === 'outside') return block !== undefined && contains(block, end.cidr);
      return 'selector' in target && end.namespace === target.namespace && matches(target.selector, end.labels);
    };
    return { block, meant, ports: fromRanges(target.ports) };
  });
  const blocks = targets.flatMap(({ block }) => (block ? [block] : []));
  const outside = outsideClasses([...blocksOf(policies), ...blocks], [...others, pod]);

  const self = classify(pod);
  const beyond = (to: EndClass): Pair => {
    const pair = reach.pair(self, to);
    const meant = targets
      .filter((target) => target.meant(to))
      .reduce<PortSet>((sum, { ports }) => union(sum, ports), NO_PORTS);
    return { ...pair, sure: subtract(pair.sure, meant), dependent: subtract(pair.dependent, meant) };
  };
  const sorting = byClass(classify);
  const kinds = yield* sortPods(others, sorting);
  mustBeFew(1, kinds.size, outside.length);
  const reached = yield* keysWhere(kinds, ({ found }) => isSome(beyond(found)));
  const groups = yield* groupByWorkload(others, sorting, reached);
  const result: Connection[] = [];
  for (const from of yield* groupByWorkload([pod], sorting)) {
    mustBeFew(1, partsOf(groups), outside.length);
    for (const to of groups)
      for (const item of yield* connectWorkloads(from, to, (_, part) => beyond(part.found), explainAllowed(undefined)))
        result.push(item);
    for (const item of yield* connectOutside(from, outside, 'to', (_, world) => beyond(world), explainAllowed('to')))
      result.push(item);
  }
  return result;
}

/** {@link leftoversInSteps} in one go. */
export function leftovers(...given: Parameters<typeof leftoversInSteps>): Connection[] {
  return atOnce(leftoversInSteps(...given));
}
