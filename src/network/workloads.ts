import { describeOutside, type OutsideClass } from './outside.ts';
import { isEmpty, type PortSet, partition, toRanges } from './portset.ts';
import { distinct } from './reasons.ts';
import type { Traffic } from './side.ts';
import type { Steps } from './steps.ts';
import type { Connection, Pod, PortRange, WorkloadPeer } from './types.ts';

/** Pods of one workload that are equal in what is asked. */
export interface Part {
  count: number;
}

export interface Group<P extends Part> {
  readonly workload: WorkloadPeer;
  readonly size: number;
  readonly parts: readonly P[];
}

/** Pods, or pairs of parts, that are looked at in one step. */
const IN_ONE_STEP = 50;

function workloadOf(pod: Pod): WorkloadPeer {
  return { namespace: pod.namespace, kind: pod.owner.kind, name: pod.owner.name };
}

/** One text for each workload; sorts by namespace, kind and name (a space sorts before all that names may hold). */
export function workloadKey({ namespace, owner }: Pod): string {
  return `${namespace} ${owner.kind} ${owner.name}`;
}

/** How pods are told apart: pods with equal `keyOf` are one part of their workload, which `create` begins. */
export interface Sorting<P extends Part> {
  readonly keyOf: (pod: Pod) => string | number;
  readonly create: (pod: Pod) => P;
}

/** The parts that there are, whatever workload the pods are of, by their keys. */
export function* sortPods<P extends Part>(
  pods: readonly Pod[],
  { keyOf, create }: Sorting<P>,
): Steps<Map<string | number, P>> {
  const parts = new Map<string | number, P>();
  for (const [index, pod] of pods.entries()) {
    if (index % IN_ONE_STEP === 0) yield;
    countIn(parts, keyOf(pod), pod, create);
  }
  return parts;
}

function countIn<P extends Part>(
  parts: Map<string | number, P>,
  key: string | number,
  pod: Pod,
  create: (pod: Pod) => P,
): void {
  let part = parts.get(key);
  if (part === undefined) parts.set(key, (part = create(pod)));
  part.count++;
}

/**
 * Groups pods by workload, and in it into parts. Sorted by workload.
 * @param asked the keys of parts that are asked about: workloads without any are left out, and of the others the other pods are only counted
 */
export function* groupByWorkload<P extends Part>(
  pods: readonly Pod[],
  { keyOf, create }: Sorting<P>,
  asked?: ReadonlySet<string | number>,
): Steps<Group<P>[]> {
  interface Gathered {
    readonly workload: WorkloadPeer;
    size: number;
    readonly parts: Map<string | number, P>;
  }
  const groups = new Map<string, Gathered>();
  /** Pods of a workload mostly share the object that names it: its text is made once. */
  const known = new Map<string, Map<Pod['owner'], Gathered>>();
  function groupOf(pod: Pod): Gathered {
    let byOwner = known.get(pod.namespace);
    if (byOwner === undefined) known.set(pod.namespace, (byOwner = new Map<Pod['owner'], Gathered>()));
    const same = byOwner.get(pod.owner);
    if (same !== undefined) return same;
    const key = workloadKey(pod);
    const group = groups.get(key) ?? { workload: workloadOf(pod), size: 0, parts: new Map<string | number, P>() };
    groups.set(key, group);
    byOwner.set(pod.owner, group);
    return group;
  }
  const others: Pod[] = [];
  for (const [index, pod] of pods.entries()) {
    if (index % IN_ONE_STEP === 0) yield;
    const partKey = keyOf(pod);
    if (asked?.has(partKey) === false) {
      others.push(pod);
      continue;
    }
    const group = groupOf(pod);
    countIn(group.parts, partKey, pod, create);
    group.size++;
  }
  for (const [index, pod] of others.entries()) {
    if (index % IN_ONE_STEP === 0) yield;
    const byOwner = known.get(pod.namespace);
    if (byOwner === undefined) continue;
    const group = byOwner.get(pod.owner) ?? groups.get(workloadKey(pod));
    if (group !== undefined) group.size++;
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { workload, size, parts }]) => ({ workload, size, parts: [...parts.values()] }));
}

/** How many parts these workloads have together. */
export const partsOf = (groups: readonly Group<Part>[]): number =>
  groups.reduce((sum, { parts }) => sum + parts.length, 0);

/** The keys of parts of which something is true. */
export function* keysWhere<P extends Part>(
  parts: ReadonlyMap<string | number, P>,
  is: (part: P) => boolean,
): Steps<Set<string | number>> {
  const keys = new Set<string | number>();
  for (const [key, part] of parts) {
    yield;
    if (is(part)) keys.add(key);
  }
  return keys;
}

/** What pods of one part may do with pods of another (or with addresses outside). */
interface Flow<A, B, F> {
  readonly from: A;
  readonly to: B;
  readonly flow: F;
}

/** Ports that exactly these flows have in common. */
interface Piece<M> {
  readonly ports: PortSet;
  readonly members: M[];
}

type Reading = 'sure' | 'dependent';
const READINGS: readonly Reading[] = ['sure', 'dependent'];

/** Cuts the flows' overlapping port sets into disjoint pieces, each with the flows that hold all of it. */
function cut<M extends { readonly flow: Traffic }>(flows: readonly M[], reading: Reading): Piece<M>[] {
  const byPorts = Map.groupBy(flows, ({ flow }) => flow[reading]);
  const holders = [...byPorts.values()];
  return partition([...byPorts.keys()]).map(({ ports, sets }) => ({
    ports,
    members: sets.flatMap((index) => holders[index] ?? []),
  }));
}

/** Whether anything may be done. */
export const isSome = ({ sure, dependent }: Traffic): boolean => !isEmpty(sure) || !isEmpty(dependent);

/** Of so many different flows the reasons are told. */
const MOST_EXPLAINED = 20;

/** How a flow is said: its reasons for these ports. */
export type Explain<F> = (flow: F, ports: PortSet) => readonly string[];

const ranges = new WeakMap<PortSet, readonly PortRange[]>();

function rangesOf(ports: PortSet): readonly PortRange[] {
  const known = ranges.get(ports) ?? toRanges(ports);
  ranges.set(ports, known);
  return known;
}

/** Why the flows of a piece are open, in short where they are many. */
function reasonsOf<A, B, F>({ ports, members }: Piece<Flow<A, B, F>>, explain: Explain<F>): readonly string[] {
  const flows = [...new Set(members.map((member) => member.flow))];
  const reasons = distinct(flows.slice(0, MOST_EXPLAINED).flatMap((flow) => explain(flow, ports)));
  const more = flows.length - MOST_EXPLAINED;
  return more > 0 ? [...reasons, `and ${more} more like these`] : reasons;
}

function count(parts: Iterable<Part>): number {
  let sum = 0;
  for (const part of parts) sum += part.count;
  return sum;
}

/** How many (source, destination) pairs of different pods lie in two parts. */
function pairs(from: Part, to: Part): number {
  return from.count * to.count - (from === to ? from.count : 0);
}

function coverage<P extends Part, F>(
  from: Group<P>,
  to: Group<P>,
  members: readonly Flow<P, P, F>[],
): string | undefined {
  const covered = members.reduce((sum, member) => sum + pairs(member.from, member.to), 0);
  const total = from.size * to.size - (from === to ? from.size : 0);
  if (covered === total) return undefined;
  const sources = new Set(members.map((member) => member.from));
  const destinations = new Set(members.map((member) => member.to));
  const text = `${count(sources)} of ${from.size} -> ${count(destinations)} of ${to.size}`;
  const each = from !== to && covered === count(sources) * count(destinations);
  return each ? text : `${text} (${covered} of ${total} pairs)`;
}

/** The connections from one workload's pods to another's (or its own: a pod's traffic to itself is left out). */
export function* connectWorkloads<P extends Part, F extends Traffic>(
  from: Group<P>,
  to: Group<P>,
  flowOf: (from: P, to: P) => F | undefined,
  explain: Explain<F>,
): Steps<Connection[]> {
  const flows: Flow<P, P, F>[] = [];
  for (const source of from.parts) {
    for (const [index, destination] of to.parts.entries()) {
      if (index % IN_ONE_STEP === 0) yield;
      const flow = pairs(source, destination) > 0 && flowOf(source, destination);
      if (flow && isSome(flow)) flows.push({ from: source, to: destination, flow });
    }
  }
  if (flows.length === 0) return [];
  return READINGS.flatMap((reading) =>
    cut(flows, reading).map((piece) => {
      const pods = coverage(from, to, piece.members);
      return {
        from: from.workload,
        to: to.workload,
        ports: rangesOf(piece.ports),
        reasons: reasonsOf(piece, explain),
        pluginDependent: reading === 'dependent',
        ...(pods === undefined ? {} : { pods }),
      };
    }),
  );
}

/** The connections between a workload's pods and the world outside, in the given direction. */
export function* connectOutside<P extends Part, F extends Traffic>(
  group: Group<P>,
  outside: readonly OutsideClass[],
  direction: 'to' | 'from',
  flowOf: (part: P, outside: OutsideClass) => F | undefined,
  explain: Explain<F>,
): Steps<Connection[]> {
  const flows: Flow<P, OutsideClass, F>[] = [];
  for (const part of group.parts) {
    for (const [index, world] of outside.entries()) {
      if (index % IN_ONE_STEP === 0) yield;
      const flow = flowOf(part, world);
      if (flow && isSome(flow)) flows.push({ from: part, to: world, flow });
    }
  }
  if (flows.length === 0) return [];
  const result: Connection[] = [];
  for (const reading of READINGS) {
    for (const { ports, members } of cut(flows, reading)) {
      for (const entries of alikeOutside(group, members)) {
        yield;
        const covered = count(new Set(entries.map((entry) => entry.from)));
        const rest = {
          ports: rangesOf(ports),
          reasons: reasonsOf({ ports, members: entries }, explain),
          pluginDependent: reading === 'dependent',
          ...(covered === group.size ? {} : { pods: `${covered} of ${group.size}` }),
        };
        for (const peer of describeOutside(outside, new Set(entries.map((entry) => entry.to))))
          result.push(
            direction === 'to'
              ? { from: group.workload, to: peer, ...rest }
              : { from: peer, to: group.workload, ...rest },
          );
      }
    }
  }
  return result;
}

/** Gathers addresses that the same parts reach, in the order of the addresses. */
function alikeOutside<P extends Part, F>(
  group: Group<P>,
  members: readonly Flow<P, OutsideClass, F>[],
): Flow<P, OutsideClass, F>[][] {
  const byAddress = [...members].sort((a, b) => a.to.id - b.to.id);
  if (new Set(members.map((member) => member.from)).size === 1) return [byAddress];
  const places = new Map(group.parts.map((part, index) => [part, index]));
  const sources = (entries: readonly Flow<P, OutsideClass, F>[]): string =>
    entries
      .map((entry) => places.get(entry.from) as number)
      .sort((a, b) => a - b)
      .join();
  const alike = Map.groupBy(Map.groupBy(byAddress, (member) => member.to).values(), sources);
  return [...alike.values()].map((entries) => entries.flat());
}
