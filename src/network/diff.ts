import { blocksOf, type PodClass } from './classes.ts';
import { explainAllowed, notGoverned } from './connections.ts';
import { mustBeFew } from './cost.ts';
import { type NewIsolation, newlyIsolatedBetween } from './isolation.ts';
import { onceForEach } from './memo.ts';
import { type OutsideClass, outsideClasses } from './outside.ts';
import type { Policy } from './policy.ts';
import { isEmpty, type PortSet, subtract, union } from './portset.ts';
import type { EndClass, Pair } from './reach.ts';
import { whyMissed } from './reasons.ts';
import { letterOf, type Side, type Traffic } from './side.ts';
import { type Snapshot, takeSnapshots } from './snapshots.ts';
import { atOnce, type Steps } from './steps.ts';
import type { Cluster, Connection, Direction, Pod, WorkloadPeer } from './types.ts';
import {
  connectOutside,
  connectWorkloads,
  type Explain,
  groupByWorkload,
  isSome,
  keysWhere,
  type Part,
  partsOf,
  type Sorting,
  sortPods,
  workloadKey,
} from './workloads.ts';

export interface ReachabilityDiff {
  readonly opens: readonly Connection[];
  readonly closes: readonly Connection[];
  /** Some of it may differ between network plugins. */
  readonly pluginDependent: boolean;
  /** Workloads in the cluster after the change that policies do not govern (hostNetwork). */
  readonly notGoverned: readonly WorkloadPeer[];
}

/**
 * Pods of one workload that are equal in both clusters. `there` is undefined for a workload that is not in the other
 * one.
 */
interface ChangePart extends Part {
  readonly here: PodClass;
  readonly there: PodClass | undefined;
  /** Whether what it may send (receive) can have changed. */
  readonly sends: boolean;
  readonly receives: boolean;
}

interface Change extends Traffic {
  readonly here: Pair;
  readonly there: Pair | undefined;
}

/**
 * Which pod on the other side each pod is compared with: itself; else, in a workload that is there on both sides, one
 * that it replaces or joins. So a rollout or a new replica is no change, unless the new pod may do more than the
 * others.
 */
function counterparts(here: Snapshot, there: Snapshot): (pod: Pod) => Pod | undefined {
  const same = (pod: Pod, { find }: Snapshot): Pod | undefined => {
    const other = find(pod);
    return other && (other === pod || workloadKey(other) === workloadKey(pod)) ? other : undefined;
  };
  const lonely = Map.groupBy(
    here.pods.filter((pod) => !same(pod, there)),
    workloadKey,
  );
  const replaced = new Map<Pod, Pod>();
  if (lonely.size === 0) return (pod) => same(pod, there);
  const workloads = Map.groupBy(there.pods, workloadKey);
  const byName = (a: Pod, b: Pod): number => (a.name < b.name ? -1 : 1);
  for (const [key, newcomers] of lonely) {
    const members = (workloads.get(key) ?? []).sort(byName);
    const gone = members.filter((pod) => !same(pod, here));
    for (const [index, pod] of newcomers.sort(byName).entries()) {
      const other = gone[index] ?? members[0];
      if (other) replaced.set(pod, other);
    }
  }
  return (pod) => same(pod, there) ?? replaced.get(pod);
}

function explainGain(outside: 'from' | 'to' | undefined): Explain<Change> {
  const explain = explainAllowed(outside);
  return ({ here }, ports) => explain(here, ports);
}

/** A loss is a gain looked at backwards in time: `there` is the cluster after the change. */
function explainLoss({ there }: Change, ports: PortSet): string[] {
  if (!there) return ['the pods are gone'];
  const misses = (side: Side): boolean => !isEmpty(subtract(ports, side.letter));
  const hard = [there.egress, there.ingress].filter(misses);
  // Still open by the letter: from now on only by an ipBlock.
  if (hard.length === 0) return ['from now on allowed by an ipBlock only'];
  return hard.map(whyMissed);
}

/**
 * What may be done in `here` and could not be in `there`, in any of the two readings. Certain only if in both of them.
 */
function gain(here: Pair, there: Pair | undefined): Change {
  if (!there) return { sure: here.sure, dependent: here.dependent, here, there };
  const sure = subtract(here.sure, letterOf(there));
  const any = union(subtract(letterOf(here), letterOf(there)), subtract(here.sure, there.sure));
  return { sure, dependent: subtract(any, sure), here, there };
}

/** Whether pods that these policies isolate may do nothing that those do not allow: policies only add to one another. */
function allowNoMore(these: readonly Policy[], those: readonly Policy[]): boolean {
  if (those.length === 0) return true;
  if (these.length === 0 || these.length > those.length) return false;
  const known = new Set(those);
  return these.every((policy) => known.has(policy));
}

/** Pods that are looked at in one step. */
const IN_ONE_STEP = 200;

/** The connections of one cluster (`here`) that the other one (`there`) does not have. */
function* gains(
  here: Snapshot,
  there: Snapshot,
  outside: readonly OutsideClass[],
  explain: (outside: 'from' | 'to' | undefined) => Explain<Change>,
): Steps<Connection[]> {
  const counterpart = counterparts(here, there);
  const mayNoMore = onceForEach(allowNoMore);
  const gainOf = onceForEach(gain);
  const mayGain = (a: PodClass, b: PodClass | undefined, direction: Direction): boolean => {
    if (a !== b) return true;
    return !mayNoMore(here.reach.isolating(a, direction), there.reach.isolating(b, direction));
  };
  const classThere = (pod: Pod, a: PodClass): PodClass | undefined => {
    if (here.isUntouched(pod)) return a;
    const other = counterpart(pod);
    return other && there.classify(other);
  };
  if (!(yield* someMayGain())) return [];
  const sorting: Sorting<ChangePart> = {
    keyOf(pod) {
      const a = here.classify(pod);
      const b = classThere(pod, a);
      return a === b ? a.id : `${a.id} ${b?.id}`;
    },
    create(pod) {
      const a = here.classify(pod);
      const b = classThere(pod, a);
      return { here: a, there: b, count: 0, sends: mayGain(a, b, 'Egress'), receives: mayGain(a, b, 'Ingress') };
    },
  };
  const change = (
    from: EndClass,
    to: EndClass,
    before: { from: EndClass | undefined; to: EndClass | undefined },
  ): Change => gainOf(here.reach.pair(from, to), before.from && before.to && there.reach.pair(before.from, before.to));

  const between = (from: ChangePart, to: ChangePart): Change | undefined =>
    from.sends || to.receives ? change(from.here, to.here, { from: from.there, to: to.there }) : undefined;
  const toOutside = (part: ChangePart, world: OutsideClass): Change | undefined =>
    part.sends ? change(part.here, world, { from: part.there, to: world }) : undefined;
  const fromOutside = (part: ChangePart, world: OutsideClass): Change | undefined =>
    part.receives ? change(world, part.here, { from: world, to: part.there }) : undefined;

  /** What may do more, and what it may do more with: of a big cluster that is mostly little. */
  function* touched(): Steps<Set<string | number>> {
    const kinds = yield* sortPods(here.pods, sorting);
    const all = [...kinds.values()];
    const [sending, receiving] = [all.filter(({ sends }) => sends), all.filter(({ receives }) => receives)];
    mustBeFew(sending.length, all.length, outside.length);
    mustBeFew(receiving.length, all.length, outside.length);
    const gained = (from: ChangePart, to: ChangePart): boolean => {
      const flow = between(from, to);
      return flow !== undefined && isSome(flow);
    };
    return yield* keysWhere(
      kinds,
      (part) =>
        part.sends ||
        part.receives ||
        sending.some((from) => gained(from, part)) ||
        receiving.some((to) => gained(part, to)),
    );
  }

  function* someMayGain(): Steps<boolean> {
    for (const [index, pod] of here.pods.entries()) {
      if (index % IN_ONE_STEP === 0) yield;
      if (here.isUntouched(pod)) continue;
      const a = here.classify(pod);
      const b = classThere(pod, a);
      if (mayGain(a, b, 'Egress') || mayGain(a, b, 'Ingress')) return true;
    }
    return false;
  }

  const groups = yield* groupByWorkload(here.pods, sorting, yield* touched());
  const senders = new Set(groups.filter((group) => group.parts.some((part) => part.sends)));
  const receiving = groups.filter((group) => group.parts.some((part) => part.receives));
  mustBeFew(partsOf([...senders]), partsOf(groups), outside.length);
  mustBeFew(partsOf(receiving), partsOf(groups), outside.length);
  const result: Connection[] = [];
  for (const from of groups) {
    for (const to of senders.has(from) ? groups : receiving) {
      for (const item of yield* connectWorkloads(from, to, between, explain(undefined))) result.push(item);
    }
    if (!senders.has(from)) continue;
    for (const item of yield* connectOutside(from, outside, 'to', toOutside, explain('to'))) result.push(item);
  }
  for (const to of receiving)
    for (const item of yield* connectOutside(to, outside, 'from', fromOutside, explain('from'))) result.push(item);
  return result;
}

function* diffBetween(
  old: Snapshot,
  fresh: Snapshot,
): Steps<Pick<ReachabilityDiff, 'opens' | 'closes' | 'pluginDependent'>> {
  const outside = outsideClasses(blocksOf(new Set([...old.policies, ...fresh.policies])), [...old.pods, ...fresh.pods]);
  const opens = yield* gains(fresh, old, outside, explainGain);
  const closes = yield* gains(old, fresh, outside, () => explainLoss);
  return { opens, closes, pluginDependent: [...opens, ...closes].some((connection) => connection.pluginDependent) };
}

/**
 * Which connections a change opens and closes, by workload: everything between two clusters (policies, pods, labels,
 * namespaces) counts. Only what a change can have touched is computed. A change for a part of a workload's pods is
 * listed, with `pods` saying for how many. A connection that turns from certain to plugin-dependent, or back, is listed
 * as plugin-dependent.
 * @throws TooLarge
 */
export function diffReachability(before: Cluster, after: Cluster): ReachabilityDiff {
  return atOnce(diffInSteps(before, after));
}

/** {@link diffReachability}, step by step. */
export function* diffInSteps(before: Cluster, after: Cluster): Steps<ReachabilityDiff> {
  return { ...(yield* diffBetween(...(yield* takeSnapshots(before, after)))), notGoverned: notGoverned(after) };
}

export interface Preview extends ReachabilityDiff {
  /** Pods that live before and after, and that the change isolates for the first time. */
  readonly newlyIsolated: readonly NewIsolation[];
}

/**
 * What an approver sees of a change, computed before anything is applied.
 * @throws TooLarge
 */
export function* previewInSteps(before: Cluster, after: Cluster): Steps<Preview> {
  const [old, fresh] = yield* takeSnapshots(before, after);
  return {
    ...(yield* diffBetween(old, fresh)),
    notGoverned: notGoverned(after),
    newlyIsolated: yield* newlyIsolatedBetween(old, fresh),
  };
}

/** {@link previewInSteps} in one go. */
export function previewChange(before: Cluster, after: Cluster): Preview {
  return atOnce(previewInSteps(before, after));
}
