import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contains, parseCidr } from '../../../src/network/cidr.ts';
import { connections } from '../../../src/network/connections.ts';
import { diffReachability } from '../../../src/network/diff.ts';
import { isolatedByAll } from '../../../src/network/isolation.ts';
import type { Cluster, Connection, NetworkPolicy, OutsidePeer, Pod, Protocol } from '../../../src/network/types.ts';
import { createJudge } from '../../../src/network/verdict.ts';
import { anyChange, anyCluster, policies } from './arbitrary.ts';
import { type Answer, live, mayConnect, nameOf, type Place, PROTOCOLS, pairsOf, tellingPorts } from './reference.ts';

/** Addresses outside, on each side of every edge of the blocks that random policies hold. */
const ADDRESSES = [
  '10.0.0.2',
  '10.0.0.5',
  '10.0.0.9',
  '10.9.9.9',
  '198.51.100.7',
  '198.51.100.8',
  '203.0.113.1',
  'fd00::2',
  'fd00::9',
  '2001:db8::1',
];

type Told = Map<string, { sure: number; dependent: number }>;

function add(told: Told, key: string, kind: 'sure' | 'dependent', pairs: number): void {
  const entry = told.get(key) ?? { sure: 0, dependent: 0 };
  entry[kind] += pairs;
  told.set(key, entry);
}

function holds(peer: OutsidePeer, address: string): boolean {
  const inside = (block: string): boolean => contains(parseCidr(block), parseCidr(address));
  return inside(peer.cidr) && !(peer.except ?? []).some(inside);
}

function sizes(pods: readonly Pod[]): Map<string, number> {
  return new Map([...Map.groupBy(pods, nameOf)].map(([name, group]) => [name, group.length]));
}

/** What connections say: per workload pair (or address), protocol and port, for how many pairs of pods. */
function toldBy(
  list: readonly Connection[],
  pods: readonly Pod[],
  addresses: readonly string[],
  ports: readonly number[],
): Told {
  const told: Told = new Map();
  const size = sizes(pods);
  for (const connection of list) {
    const ends = [connection.from, connection.to].map((end) =>
      'cidr' in end ? addresses.filter((address) => holds(end, address)) : [nameOf(end)],
    );
    const [n, m] = [connection.from, connection.to].map((end) => ('cidr' in end ? 1 : (size.get(nameOf(end)) ?? 0)));
    const self = nameOf(connection.from) === nameOf(connection.to) ? (n ?? 0) : 0;
    const pairs = pairsOf(connection, (n ?? 0) * (m ?? 0) - self);
    for (const from of ends[0] ?? []) {
      for (const to of ends[1] ?? []) {
        for (const range of connection.ports) {
          for (const port of ports) {
            if (port < range.from || port > range.to) continue;
            add(
              told,
              `${from} > ${to} ${range.protocol}/${port}`,
              connection.pluginDependent ? 'dependent' : 'sure',
              pairs,
            );
          }
        }
      }
    }
  }
  return told;
}

/** The same from the reference: `judge` gives for each pair of places what counts as sure and as plugin-dependent. */
function toldPairwise(
  pods: readonly Pod[],
  addresses: readonly string[],
  ports: readonly number[],
  judge: (from: Place, to: Place, port: number, protocol: Protocol) => { sure: boolean; dependent: boolean },
): Told {
  const told: Told = new Map();
  const places: Place[] = [...pods, ...addresses.map((address) => ({ address }))];
  const name = (place: Place): string => ('address' in place ? place.address : nameOf(place));
  for (const from of places) {
    for (const to of places) {
      if (from === to || ('address' in from && 'address' in to)) continue;
      for (const protocol of PROTOCOLS) {
        for (const port of ports) {
          const answer = judge(from, to, port, protocol);
          const key = `${name(from)} > ${name(to)} ${protocol}/${port}`;
          if (answer.sure) add(told, key, 'sure', 1);
          if (answer.dependent) add(told, key, 'dependent', 1);
        }
      }
    }
  }
  return told;
}

function shuffled<T>(items: readonly T[], seed: number): T[] {
  return items
    .map((item, index): [number, T] => [((index + 1) * (seed * 2 + 1) * 7919) % 101, item])
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

const both = ({ letter, sure }: Answer): { sure: boolean; dependent: boolean } => ({
  sure,
  dependent: letter && !sure,
});

describe('the engine by classes and the plain pairwise one agree', () => {
  test('on all connections of a cluster', () => {
    fc.assert(
      fc.property(anyCluster, (cluster) => {
        const ports = tellingPorts([cluster]);
        const expected = toldPairwise(live(cluster), ADDRESSES, ports, (...args) => both(mayConnect(cluster, ...args)));
        expect(toldBy(connections(cluster), live(cluster), ADDRESSES, ports)).toEqual(expected);
      }),
      { numRuns: 150 },
    );
  }, 120_000);

  test('on single verdicts', () => {
    fc.assert(
      fc.property(anyCluster, (cluster) => {
        const judge = createJudge(cluster);
        const pods = live(cluster);
        for (const from of pods) {
          for (const to of pods) {
            if (from === to) continue;
            for (const port of [79, 80, 81, 8080, 9000]) {
              const { letter, sure } = mayConnect(cluster, from, to, port, 'TCP');
              const verdict = judge(from, to, port, 'TCP');
              expect([verdict.allowed, verdict.pluginDependent]).toEqual([letter, letter !== sure]);
            }
          }
        }
      }),
      { numRuns: 150 },
    );
  }, 120_000);

  test('on what a change opens and closes', () => {
    fc.assert(
      fc.property(anyChange, ([before, after]) => {
        const diff = diffReachability(before, after);
        const ports = tellingPorts([before, after]);
        const gained = (here: Cluster, there: Cluster) => {
          const others = new Map(live(there).map((pod) => [pod.name, pod]));
          const counterpart = (place: Place): Place | undefined =>
            'address' in place ? place : others.get(place.name);
          return toldPairwise(live(here), ADDRESSES, ports, (from, to, port, protocol) => {
            const [a, b] = [counterpart(from), counterpart(to)];
            const now = mayConnect(here, from, to, port, protocol);
            const then = a && b ? mayConnect(there, a, b, port, protocol) : { letter: false, sure: false };
            const sure = now.sure && !then.letter;
            return { sure, dependent: !sure && ((now.letter && !then.letter) || (now.sure && !then.sure)) };
          });
        };
        expect(toldBy(diff.opens, live(after), ADDRESSES, ports)).toEqual(gained(after, before));
        expect(toldBy(diff.closes, live(before), ADDRESSES, ports)).toEqual(gained(before, after));
      }),
      { numRuns: 150 },
    );
  }, 120_000);
});

function reorder(policy: NetworkPolicy, seed: number): NetworkPolicy {
  const { ingress, egress, ...rest } = policy.spec ?? {};
  return {
    ...policy,
    spec: {
      ...rest,
      ...(ingress && {
        ingress: shuffled(ingress, seed).map((rule) => ({
          ...rule,
          ...(rule.from && { from: shuffled(rule.from, seed) }),
        })),
      }),
      ...(egress && {
        egress: shuffled(egress, seed).map((rule) => ({
          ...rule,
          ...(rule.ports && { ports: shuffled(rule.ports, seed) }),
        })),
      }),
    },
  };
}

test('the order of namespaces, pods, policies, rules, peers and ports never matters', () => {
  fc.assert(
    fc.property(anyChange, fc.nat(50), ([before, after], seed) => {
      const other = (cluster: Cluster): Cluster => ({
        namespaces: shuffled(cluster.namespaces, seed),
        pods: shuffled(cluster.pods, seed),
        policies: shuffled(cluster.policies, seed).map((policy) => reorder(policy, seed)),
      });
      expect(connections(other(after))).toEqual(connections(after));
      expect(diffReachability(other(before), other(after))).toEqual(diffReachability(before, after));
    }),
    { numRuns: 200 },
  );
}, 120_000);

test('a policy more never closes anything for pods that are isolated already', () => {
  fc.assert(
    fc.property(anyCluster, policies('more', 3), (before, more) => {
      const after = { ...before, policies: [...before.policies, ...more] };
      const isolated = (pod: Pod): boolean =>
        isolatedByAll(before, [pod], 'Ingress').isolated && isolatedByAll(before, [pod], 'Egress').isolated;
      fc.pre(live(before).some(isolated));
      const pods = before.pods.filter(isolated);
      const among = (cluster: Cluster): Cluster => ({ ...cluster, pods });
      expect(diffReachability(among(before), among(after)).closes).toEqual([]);
    }),
    { numRuns: 300 },
  );
}, 120_000);

test('what a change opens its taking back closes, and both together change nothing', () => {
  fc.assert(
    fc.property(anyCluster, policies('grant', 3), (cluster, added) => {
      const applied = { ...cluster, policies: [...cluster.policies, ...added] };
      const removed = {
        ...applied,
        policies: applied.policies.filter((policy) => !policy.metadata?.name?.startsWith('grant')),
      };
      const flat = (list: readonly Connection[]): unknown[] => list.map((item) => ({ ...item, reasons: [] }));
      const there = diffReachability(cluster, applied);
      const back = diffReachability(applied, removed);
      expect(flat(back.closes)).toEqual(flat(there.opens));
      expect(flat(back.opens)).toEqual(flat(there.closes));
      expect(diffReachability(cluster, removed)).toMatchObject({ opens: [], closes: [] });
      expect(connections(removed)).toEqual(connections(cluster));
    }),
    { numRuns: 200 },
  );
}, 120_000);

test('each pod pair and port is told once: ports are disjoint and sorted, connections in a stable order', () => {
  fc.assert(
    fc.property(anyCluster, (cluster) => {
      for (const { ports, reasons } of connections(cluster)) {
        expect(ports.length).toBeGreaterThan(0);
        expect(reasons.length).toBeGreaterThan(0);
        for (const [index, range] of ports.entries()) {
          const previous = ports[index - 1];
          expect(range.from).toBeLessThanOrEqual(range.to);
          if (previous?.protocol === range.protocol) expect(range.from).toBeGreaterThan(previous.to + 1);
        }
      }
    }),
    { numRuns: 200 },
  );
}, 120_000);
