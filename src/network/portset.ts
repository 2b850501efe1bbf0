import type { PortRange, Protocol } from './types.ts';

/**
 * A set of (protocol, port) as a value: disjoint sorted intervals on one line, start and end in turn, both included.
 * Each protocol has a stretch of 65536 on that line, of which it leaves out 0, so that intervals of two protocols
 * never touch.
 */
export type PortSet = readonly number[];

const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];
const STRETCH = 65536;

export const NO_PORTS: PortSet = [];
export const ALL_PORTS: PortSet = PROTOCOLS.flatMap((_, index) => [index * STRETCH + 1, index * STRETCH + 65535]);

/** Ports `from` to `to`, both included. Ports that do not exist are left out; a range without ports is empty. */
export function portRange(protocol: Protocol, from = 1, to = from): PortSet {
  const base = PROTOCOLS.indexOf(protocol) * STRETCH;
  const first = Math.max(from, 1);
  const last = Math.min(to, 65535);
  return first <= last ? [base + first, base + last] : NO_PORTS;
}

export function allPorts(protocol: Protocol): PortSet {
  return portRange(protocol, 1, 65535);
}

/** Walks both sets and keeps what `keep` says of (in a, in b); the other operations are this with another table. */
function combine(a: PortSet, b: PortSet, keep: (inA: boolean, inB: boolean) => boolean): PortSet {
  const result: number[] = [];
  let i = 0;
  let j = 0;
  // Even index: the next edge is a start; odd: it is an end, and the edge lies behind it.
  const edge = (set: PortSet, at: number): number => (set[at] ?? Number.POSITIVE_INFINITY) + (at % 2);
  let open = false;
  while (i < a.length || j < b.length) {
    const at = Math.min(edge(a, i), edge(b, j));
    // Not `if`: ranges that touch have an end and a start at one edge.
    while (edge(a, i) === at) i++;
    while (edge(b, j) === at) j++;
    const now = keep(i % 2 === 1, j % 2 === 1);
    if (now !== open) result.push(now ? at : at - 1);
    open = now;
  }
  return result;
}

export function union(a: PortSet, b: PortSet): PortSet {
  if (b.length === 0) return a;
  if (a.length === 0) return b;
  return combine(a, b, (inA, inB) => inA || inB);
}

/** More than the last edge of the line: an interval is one number, so that many of them are sorted without comparing by a function. */
const WIDE = 2 ** 18;

/** The union of many sets, in the time of sorting their intervals. */
export function unionAll(sets: Iterable<PortSet>): PortSet {
  const distinct = [...new Set(sets)].filter((set) => set.length > 0);
  if (distinct.includes(ALL_PORTS)) return ALL_PORTS;
  const [first = NO_PORTS, second = NO_PORTS] = distinct;
  if (distinct.length <= 2) return union(first, second);
  const intervals = new Float64Array(distinct.reduce((sum, set) => sum + set.length / 2, 0));
  let count = 0;
  for (const set of distinct)
    for (let i = 0; i < set.length; i += 2) intervals[count++] = (set[i] as number) * WIDE + (set[i + 1] as number);
  const result: number[] = [];
  for (const interval of intervals.sort()) {
    const [start, end] = [Math.floor(interval / WIDE), interval % WIDE];
    const last = result.at(-1);
    if (last === undefined || start > last + 1) result.push(start, end);
    else if (end > last) result[result.length - 1] = end;
  }
  return result;
}

/** Ports that exactly these sets (by their place in the list) have in common. */
export interface PortPiece {
  readonly ports: PortSet;
  readonly sets: readonly number[];
}

/** Cuts overlapping sets into disjoint pieces, by which of them hold it; in the order of their first ports. */
export function partition(sets: readonly PortSet[]): PortPiece[] {
  const edges = new Float64Array(sets.reduce((sum, set) => sum + set.length, 0));
  let count = 0;
  // An end is an edge behind the interval. Place on the line and set, in one number.
  for (const [index, set] of sets.entries())
    for (let i = 0; i < set.length; i++) edges[count++] = ((set[i] as number) + (i % 2)) * sets.length + index;
  edges.sort();
  const pieces = new Map<string, { ports: number[]; sets: readonly number[] }>();
  const open = new Set<number>();
  for (let i = 0; i < edges.length; ) {
    const at = Math.floor((edges[i] as number) / sets.length);
    for (; i < edges.length && Math.floor((edges[i] as number) / sets.length) === at; i++) {
      const set = (edges[i] as number) % sets.length;
      if (!open.delete(set)) open.add(set);
    }
    if (open.size === 0) continue;
    const holders = [...open].sort((a, b) => a - b);
    const key = holders.join();
    const piece = pieces.get(key) ?? { ports: [], sets: holders };
    pieces.set(key, piece);
    piece.ports.push(at, Math.floor((edges[i] as number) / sets.length) - 1);
  }
  return [...pieces.values()];
}

export function intersect(a: PortSet, b: PortSet): PortSet {
  return combine(a, b, (inA, inB) => inA && inB);
}

export function subtract(a: PortSet, b: PortSet): PortSet {
  return combine(a, b, (inA, inB) => inA && !inB);
}

export function isEmpty(set: PortSet): boolean {
  return set.length === 0;
}

export function includesPort(set: PortSet, protocol: Protocol, port: number): boolean {
  return !isEmpty(intersect(set, portRange(protocol, port)));
}

/** The set as people and JSON see it: TCP, UDP, SCTP, ascending, disjoint. */
export function toRanges(set: PortSet): PortRange[] {
  const ranges: PortRange[] = [];
  for (let i = 0; i < set.length; i += 2) {
    const start = set[i] as number;
    const protocol = PROTOCOLS[Math.floor(start / STRETCH)] as Protocol;
    ranges.push({ protocol, from: start % STRETCH, to: (set[i + 1] as number) % STRETCH });
  }
  return ranges;
}

export function fromRanges(ranges: readonly PortRange[]): PortSet {
  return unionAll(ranges.map(({ protocol, from, to }) => portRange(protocol, from, to)));
}
