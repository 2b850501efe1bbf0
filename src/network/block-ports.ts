import { type Cidr, contains } from './cidr.ts';
import { innermost, type OutsideClass, outsideClasses } from './outside.ts';
import type { BlockPeer, NamedPort, Rule } from './policy.ts';
import type { PortSet } from './portset.ts';

/** Ports by number, and by names that depend on whose they are. */
export interface RulePorts {
  readonly numeric: PortSet;
  readonly named: readonly NamedPort[];
}

/** Names stand behind all numbers on the line of a port set, so that both are counted alike. */
const FIRST_NAME = 2 ** 18;

/** An ipBlock of one rule. */
interface Peer {
  readonly ports: PortSet;
  readonly block: BlockPeer;
}

/**
 * What the ipBlocks of these rules admit, for addresses that none of the blocks divides. Blocks nest: each rule is
 * counted in where its block begins and out where an exception does, on one walk through all of them. So it takes the
 * time of the blocks and what each begins or ends, not of blocks times rules.
 */
export function createBlockPorts(rules: readonly Rule[]): (cidr: Cidr) => RulePorts {
  const names = new Map<string, { readonly at: number; readonly port: NamedPort }>();
  const withNames = ({ numeric, named }: Rule): PortSet => [
    ...numeric,
    ...named
      .map((port) => {
        const key = `${port.protocol} ${port.name}`;
        const found = names.get(key) ?? { at: FIRST_NAME + 2 * names.size, port };
        names.set(key, found);
        return found.at;
      })
      .sort((a, b) => a - b)
      .flatMap((at) => [at, at]),
  ];
  const peers = rules.flatMap((rule): Peer[] => {
    const blocks = rule.peers === 'any' ? [] : rule.peers.filter((peer) => peer.kind === 'block');
    if (blocks.length === 0) return [];
    const ports = withNames(rule);
    return blocks.map((block) => ({ ports, block }));
  });
  const world = outsideClasses(
    peers.flatMap(({ block }) => [block.cidr, ...block.except]),
    [],
  );
  const byBlock = admitted(peers, world);
  const byAt = [...names.values()];
  const split = new Map<PortSet, RulePorts>();
  return (cidr) => {
    const block = innermost(world, cidr);
    const ports = (block && byBlock[block.id]) ?? [];
    const known = split.get(ports);
    if (known) return known;
    const there = new Set(ports.filter((edge) => edge >= FIRST_NAME));
    const found = {
      numeric: there.size === 0 ? ports : ports.filter((edge) => edge < FIRST_NAME),
      named: there.size === 0 ? [] : byAt.filter(({ at }) => there.has(at)).map(({ port }) => port),
    };
    split.set(ports, found);
    return found;
  };
}

/** The ports that are admitted for each block, by its id: the same value again wherever nothing differs. */
function admitted(peers: readonly Peer[], world: readonly OutsideClass[]): PortSet[] {
  const counts = createCounts(peers.map(({ ports }) => ports));
  const begins = new Map<OutsideClass, number[]>();
  const ends = new Map<OutsideClass, number[]>();
  const put = (map: Map<OutsideClass, number[]>, cidr: Cidr, peer: number): void => {
    const place = innermost(world, cidr);
    if (!place) return;
    const there = map.get(place) ?? [];
    map.set(place, there);
    there.push(peer);
  };
  for (const [peer, { block }] of peers.entries()) {
    // What is excepted as a whole begins nowhere.
    if (block.except.some((hole) => contains(hole, block.cidr))) continue;
    put(begins, block.cidr, peer);
    for (const hole of block.except) put(ends, hole, peer);
  }

  const isIn = peers.map(() => false);
  const turn = (peer: number): void => {
    isIn[peer] = !isIn[peer];
    counts.add(peer, isIn[peer] ? 1 : -1);
  };
  const result: PortSet[] = [];
  const path: { readonly block: OutsideClass; readonly turned: readonly number[] }[] = [];
  for (const block of world) {
    while (path.length > 0 && path.at(-1)?.block !== block.parent)
      for (const peer of path.pop()?.turned ?? []) turn(peer);
    const turned = [
      ...(begins.get(block) ?? []),
      // An exception inside another one ends nothing.
      ...new Set((ends.get(block) ?? []).filter((peer) => isIn[peer])),
    ];
    for (const peer of turned) turn(peer);
    path.push({ block, turned });
    result[block.id] = counts.present();
  }
  return result;
}

/** Counts sets in and out, and tells their union as it is. */
function createCounts(sets: readonly PortSet[]) {
  const edges = [...new Set(sets.flatMap((set) => set.map((edge, index) => edge + (index % 2))))].sort((a, b) => a - b);
  const placeOf = new Map(edges.map((edge, index) => [edge, index]));
  const places = sets.map((set) => set.map((edge, index) => placeOf.get(edge + (index % 2)) as number));
  const counts = new Int32Array(edges.length);
  let union: PortSet | undefined = [];
  return {
    add(set: number, by: 1 | -1): void {
      const [of, bound] = [places[set] as readonly number[], by === 1 ? 1 : 0];
      for (let i = 0; i < of.length; i += 2)
        for (let place = of[i] as number; place < (of[i + 1] as number); place++) {
          counts[place] = (counts[place] as number) + by;
          if (counts[place] === bound) union = undefined;
        }
    },
    present(): PortSet {
      if (union) return union;
      const result: number[] = [];
      for (const [place, count] of counts.entries()) {
        if (count === 0) continue;
        const [start, end] = [edges[place] as number, edges[place + 1] as number];
        if (result.at(-1) === start - 1) result[result.length - 1] = end - 1;
        else result.push(start, end - 1);
      }
      union = result;
      return union;
    },
  };
}
