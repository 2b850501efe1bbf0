import { createBlockPorts, type RulePorts } from './block-ports.ts';
import type { PodClass } from './classes.ts';
import { onceForEach } from './memo.ts';
import type { OutsideClass } from './outside.ts';
import type { Policy, Rule } from './policy.ts';
import { intersect, type PortSet, union, unionAll } from './portset.ts';
import {
  allowancesOf,
  applying,
  namedPortsOf,
  namesPod,
  openSide,
  type PodEnd,
  type Side,
  type Traffic,
  traffic,
} from './side.ts';
import type { Direction } from './types.ts';

export type EndClass = PodClass | OutsideClass;

/** The policies that isolate a class in one direction, and what they say of the classes on the other side, once asked. */
interface Profile {
  readonly policies: readonly Policy[];
  readonly isolatedBy: readonly string[];
  /** Rules whose peers are all there are. */
  readonly forAny: readonly Rule[];
  /** Rules with peers by label, with the namespaces of their policies. */
  readonly forPods: readonly { readonly namespace: string; readonly rule: Rule }[];
  readonly forBlocks: readonly Rule[];
  /** What `forBlocks` admit at an address. */
  readonly blockPorts: ReturnType<typeof createBlockPorts>;
  readonly podSides: (Side | undefined)[];
  readonly outsideSides: (Side | undefined)[];
}

export interface Pair extends Traffic {
  readonly egress: Side;
  readonly ingress: Side;
}

function profileOf(policies: readonly Policy[], direction: Direction): Profile {
  const rules = policies.flatMap(({ namespace, rules: of }) =>
    (of[direction] ?? []).map((rule) => ({ namespace, rule })),
  );
  const having = (kind: 'pods' | 'block') =>
    rules.filter(({ rule: { peers } }) => peers !== 'any' && peers.some((peer) => peer.kind === kind));
  const forBlocks = having('block').map(({ rule }) => rule);
  return {
    policies,
    isolatedBy: policies.map((policy) => policy.id),
    forAny: rules.filter(({ rule }) => rule.peers === 'any').map(({ rule }) => rule),
    forPods: having('pods'),
    forBlocks,
    blockPorts: createBlockPorts(forBlocks),
    podSides: [],
    outsideSides: [],
  };
}

/**
 * Reachability between classes: each distinct set of policies is asked once for each class, and only when somebody
 * asks.
 */
export function createReach(policies: readonly Policy[]) {
  const numbers = new Map(policies.map((policy, index) => [policy, index]));
  const byNamespace = Map.groupBy(policies, (policy) => policy.namespace);
  const profiles = new Map<string, Profile>();
  const assigned: Record<Direction, (Profile | undefined)[]> = { Ingress: [], Egress: [] };
  const free: Record<Direction, Profile> = { Ingress: profileOf([], 'Ingress'), Egress: profileOf([], 'Egress') };
  const open: Record<Direction, Side> = { Ingress: openSide('Ingress'), Egress: openSide('Egress') };
  const portSets = new Map<string, PortSet>();

  const assign = (found: EndClass, direction: Direction): Profile => {
    if (found.end.kind === 'outside') return free[direction];
    const known = assigned[direction][found.id];
    if (known) return known;
    const applied = applying(byNamespace.get(found.end.namespace) ?? [], found.end, direction);
    // Named ports of an ingress rule are the selected pod's own, so they are part of what its policies say.
    const own = applied.some((policy) => policy.rules.Ingress?.some((rule) => rule.named.length > 0));
    const suffix = direction === 'Ingress' && own ? `#${found.id}` : '';
    const key = `${direction} ${applied.map((policy) => numbers.get(policy)).join()}${suffix}`;
    const profile = profiles.get(key) ?? (applied.length === 0 ? free[direction] : profileOf(applied, direction));
    profiles.set(key, profile);
    assigned[direction][found.id] = profile;
    return profile;
  };

  /** Equal sets as one value: what is equal is then seen at a glance. */
  const same = (ports: PortSet): PortSet => {
    const key = ports.join();
    const known = portSets.get(key) ?? ports;
    portSets.set(key, known);
    return known;
  };

  const makeSide = (
    direction: Direction,
    profile: Profile,
    { end: peer }: EndClass,
    destination: EndClass['end'],
  ): Side => {
    const portsOf = (list: readonly RulePorts[]): PortSet =>
      unionAll(list.map(({ numeric, named }) => union(numeric, namedPortsOf(named, destination))));
    const byLabel =
      peer.kind === 'outside'
        ? []
        : profile.forPods.filter(({ namespace, rule }) => admitsByLabel(rule, namespace, peer)).map(({ rule }) => rule);
    const byBlock =
      peer.kind === 'outside'
        ? [profile.blockPorts(peer.cidr)]
        : // No address yet: it may get one inside any block.
          peer.addresses.length === 0
          ? profile.forBlocks
          : peer.addresses.map(profile.blockPorts);
    const blocks = portsOf(byBlock);
    const others = portsOf([...profile.forAny, ...byLabel]);
    const letter = same(union(others, blocks));
    return {
      direction,
      isolatedBy: profile.isolatedBy,
      allowances: once(() => allowancesOf(direction, profile.policies, peer, destination)),
      letter,
      sure: peer.kind === 'outside' ? letter : same(others),
    };
  };

  const sideWith = (direction: Direction, self: EndClass, peer: EndClass): Side => {
    const profile = assign(self, direction);
    if (profile.policies.length === 0) return open[direction];
    const sides = peer.end.kind === 'outside' ? profile.outsideSides : profile.podSides;
    const side = sides[peer.id] ?? makeSide(direction, profile, peer, direction === 'Egress' ? peer.end : self.end);
    sides[peer.id] = side;
    return side;
  };

  const pairOf = onceForEach((egress: Side, ingress: Side): Pair => {
    const { sure, dependent } = traffic(
      same(intersect(egress.letter, ingress.letter)),
      same(intersect(egress.sure, ingress.sure)),
    );
    return { sure, dependent: same(dependent), egress, ingress };
  });

  return {
    /** The policies that isolate this class in this direction; the same list for classes that have the same ones. */
    isolating: (found: EndClass, direction: Direction): readonly Policy[] => assign(found, direction).policies,

    /** What any pod of one class may do with any other pod of the other class. */
    pair(from: EndClass, to: EndClass): Pair {
      return pairOf(sideWith('Egress', from, to), sideWith('Ingress', to, from));
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** Whether one of the rule's peers names the pod by its labels. */
function admitsByLabel({ peers }: Rule, namespace: string, end: PodEnd): boolean {
  return peers !== 'any' && peers.some((peer) => peer.kind === 'pods' && namesPod(peer, namespace, end));
}

export type Reach = ReturnType<typeof createReach>;
