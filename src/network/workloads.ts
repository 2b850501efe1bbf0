import { describeOutside, type OutsideClass } from './outside.ts';
import { intersect, isEmpty, type PortSet, subtract, toRanges } from './portset.ts';
import { distinct } from './reasons.ts';
import type { Traffic } from './side.ts';
import type { Connection, Pod, PortRange, Workload, WorkloadPeer } from './types.ts';

/** Pods of one workload that are equal in what is asked. */
export interface Part {
  count: number;
}

export interface Group<P extends Part> {
  readonly workload: WorkloadPeer;
  readonly size: number;
  readonly parts: readonly P[];
}

function workloadOf(pod: Pod): WorkloadPeer {
  return { namespace: pod.namespace, kind: pod.owner.kind, name: pod.owner.name };
}

/** One text for each workload; sorts by namespace, kind and name (a space sorts before all that names may hold). */
export function workloadKey({ namespace, owner }: Pod): string {
  return `${namespace} ${owner.kind} ${owner.name}`;
}

/** Groups pods by workload, and in it into parts: pods with equal `keyOf`. Sorted by workload. */
export function groupByWorkload<P extends Part>(
  pods: readonly Pod[],
  keyOf: (pod: Pod) => string | number,
  create: (pod: Pod) => P,
): Group<P>[] {
  const groups = new Map<string, { workload: WorkloadPeer; size: number; parts: Map<string | number, P> }>();
  for (const pod of pods) {
    const key = workloadKey(pod);
    let group = groups.get(key);
    if (!group) {
      group = { workload: workloadOf(pod), size: 0, parts: new Map() };
      groups.set(key, group);
    }
    const partKey = keyOf(pod);
    let part = group.parts.get(partKey);
    if (!part) {
      part = create(pod);
      group.parts.set(partKey, part);
    }
    part.count++;
    group.size++;
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { workload, size, parts }]) => ({ workload, size, parts: [...parts.values()] }));
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
  let pieces: Piece<M>[] = [];
  for (const member of flows) {
    let rest = member.flow[reading];
    if (isEmpty(rest)) continue;
    const next: Piece<M>[] = [];
    for (const piece of pieces) {
      const common = intersect(piece.ports, rest);
      const left = isEmpty(common) ? piece.ports : subtract(piece.ports, common);
      if (isEmpty(common)) next.push(piece);
      else if (isEmpty(left)) {
        piece.members.push(member);
        next.push(piece);
      } else {
        next.push({ ports: left, members: [...piece.members] }, { ports: common, members: [...piece.members, member] });
      }
      rest = subtract(rest, common);
    }
    if (!isEmpty(rest)) next.push({ ports: rest, members: [member] });
    pieces = next;
  }
  return pieces.sort((a, b) => (a.ports[0] as number) - (b.ports[0] as number));
}

/** How a flow is said: its reasons for these ports. */
export type Explain<F> = (flow: F, ports: PortSet) => readonly string[];

const ranges = new WeakMap<PortSet, readonly PortRange[]>();

function rangesOf(ports: PortSet): readonly PortRange[] {
  const known = ranges.get(ports) ?? toRanges(ports);
  ranges.set(ports, known);
  return known;
}

function connection<A, B, F>(
  from: Workload,
  to: Workload,
  { ports, members }: Piece<Flow<A, B, F>>,
  explain: Explain<F>,
  reading: Reading,
  pods: string | undefined,
): Connection {
  const [only] = members;
  const reasons =
    members.length === 1 && only
      ? explain(only.flow, ports)
      : distinct(members.flatMap((member) => explain(member.flow, ports)));
  const base = { from, to, ports: rangesOf(ports), reasons, pluginDependent: reading === 'dependent' };
  return pods === undefined ? base : { ...base, pods };
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
export function connectWorkloads<P extends Part, F extends Traffic>(
  from: Group<P>,
  to: Group<P>,
  flowOf: (from: P, to: P) => F | undefined,
  explain: Explain<F>,
): Connection[] {
  const flows: Flow<P, P, F>[] = [];
  for (const source of from.parts) {
    for (const destination of to.parts) {
      const flow = pairs(source, destination) > 0 && flowOf(source, destination);
      if (flow) flows.push({ from: source, to: destination, flow });
    }
  }
  return READINGS.flatMap((reading) =>
    cut(flows, reading).map((piece) =>
      connection(from.workload, to.workload, piece, explain, reading, coverage(from, to, piece.members)),
    ),
  );
}

/** The connections between a workload's pods and the world outside, in the given direction. */
export function connectOutside<P extends Part, F extends Traffic>(
  group: Group<P>,
  outside: readonly OutsideClass[],
  direction: 'to' | 'from',
  flowOf: (part: P, outside: OutsideClass) => F | undefined,
  explain: Explain<F>,
): Connection[] {
  const flows: Flow<P, OutsideClass, F>[] = [];
  for (const part of group.parts) {
    for (const world of outside) {
      const flow = flowOf(part, world);
      if (flow) flows.push({ from: part, to: world, flow });
    }
  }
  return READINGS.flatMap((reading) =>
    cut(flows, reading).flatMap(({ ports, members }) =>
      alikeOutside(group, members).flatMap((entries) => {
        const covered = count(new Set(entries.map((entry) => entry.from)));
        const pods = covered === group.size ? undefined : `${covered} of ${group.size}`;
        return describeOutside(outside, new Set(entries.map((entry) => entry.to))).map((peer) => {
          const [from, to] = direction === 'to' ? [group.workload, peer] : [peer, group.workload];
          return connection(from, to, { ports, members: entries }, explain, reading, pods);
        });
      }),
    ),
  );
}

/** Gathers addresses that the same parts reach, in the order of the addresses. */
function alikeOutside<P extends Part, F>(
  group: Group<P>,
  members: readonly Flow<P, OutsideClass, F>[],
): Flow<P, OutsideClass, F>[][] {
  const byAddress = [...members].sort((a, b) => a.to.id - b.to.id);
  const sources = (entries: readonly Flow<P, OutsideClass, F>[]): string =>
    entries
      .map((entry) => group.parts.indexOf(entry.from))
      .sort((a, b) => a - b)
      .join();
  const alike = Map.groupBy(Map.groupBy(byAddress, (member) => member.to).values(), sources);
  return [...alike.values()].map((entries) => entries.flat());
}
