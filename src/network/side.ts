import { type Cidr, contains, overlaps, parseCidr } from './cidr.ts';
import type { BlockPeer, NamedPort, PodsPeer, Policy, Rule } from './policy.ts';
import { ALL_PORTS, isEmpty, NO_PORTS, type PortSet, portRange, subtract, union, unionAll } from './portset.ts';
import { matches } from './selector.ts';
import type { ContainerPort, Direction, Labels, Pod } from './types.ts';

/** What policies can see of a pod. Equal ends get equal answers: that is what a class of pods is (classes.ts). */
export interface PodEnd {
  readonly kind: 'pod';
  readonly namespace: string;
  readonly namespaceLabels: Labels;
  readonly labels: Labels;
  readonly addresses: readonly Cidr[];
  readonly ports: readonly ContainerPort[];
  readonly hostNetwork: boolean;
}

/** Addresses that are no pod's, taken as one: a rule admits them when it admits all of them. */
export interface OutsideEnd {
  readonly kind: 'outside';
  readonly cidr: Cidr;
  /** All of the block; else without the blocks inside it that policies name. */
  readonly whole: boolean;
}

export type End = PodEnd | OutsideEnd;

/** What one policy allows the pod to do with the other end. */
interface Allowance {
  readonly policy: string;
  readonly ports: PortSet;
}

/**
 * What one end's policies say. `letter`: ports allowed by the letter of the API. `sure`: those of them that every
 * network plugin allows; the rest hangs on an ipBlock against a pod's address, on which plugins differ.
 */
export interface Side {
  readonly direction: Direction;
  /** Ids of the policies that isolate this end in this direction; empty when it is not isolated. */
  readonly isolatedBy: readonly string[];
  /** Computed when asked for: only reasons need it. */
  readonly allowances: () => readonly Allowance[];
  readonly letter: PortSet;
  readonly sure: PortSet;
}

export function podEnd(pod: Pod, namespaceLabels: Labels): PodEnd {
  const { namespace, labels, ports, hostNetwork } = pod;
  return { kind: 'pod', namespace, namespaceLabels, labels, addresses: pod.ips.map(parseCidr), ports, hostNetwork };
}

/** What a policy's own podSelector looks at: a Pod as well as its class. */
type Selectable = Pick<PodEnd, 'namespace' | 'labels' | 'hostNetwork'>;

/** Whether the policy's own podSelector selects the pod: same namespace and labels. */
export function selectsPod(policy: Policy, pod: Selectable): boolean {
  return policy.namespace === pod.namespace && matches(policy.podSelector, pod.labels);
}

/** The policies that isolate this pod in this direction. hostNetwork pods are not governed. */
export function applying(policies: readonly Policy[], pod: Selectable, direction: Direction): Policy[] {
  if (pod.hostNetwork) return [];
  return policies.filter((policy) => policy.rules[direction] && selectsPod(policy, pod));
}

/** How a rule meets the other end, if it does: `plugin-dependent` by an ipBlock against a pod's address. */
type Match = 'no' | 'sure' | 'plugin-dependent';

function inBlock(
  { cidr: block, except }: BlockPeer,
  cidr: Cidr,
  isExcepted: (hole: Cidr, cidr: Cidr) => boolean,
): boolean {
  return contains(block, cidr) && !except.some((hole) => isExcepted(hole, cidr));
}

/**
 * Whether a peer of a policy in this namespace names the pod by its labels. "ignores hostNetwork pods when matching
 * podSelector and namespaceSelector": the common one of the two documented ways.
 */
export function namesPod(peer: PodsPeer, policyNamespace: string, end: PodEnd): boolean {
  if (end.hostNetwork) return false;
  const inNamespace = peer.namespaceSelector
    ? matches(peer.namespaceSelector, end.namespaceLabels)
    : end.namespace === policyNamespace;
  return inNamespace && matches(peer.podSelector, end.labels);
}

function matchPeer(peer: PodsPeer | BlockPeer, policyNamespace: string, end: End): Match {
  if (peer.kind === 'pods') return end.kind === 'pod' && namesPod(peer, policyNamespace, end) ? 'sure' : 'no';
  if (end.kind === 'outside') return inBlock(peer, end.cidr, end.whole ? overlaps : contains) ? 'sure' : 'no';
  // No address yet: it may get one inside the block.
  const hit = end.addresses.length === 0 || end.addresses.some((address) => inBlock(peer, address, contains));
  return hit ? 'plugin-dependent' : 'no';
}

function matchRule(rule: Rule, policyNamespace: string, end: End): Match {
  if (rule.peers === 'any') return 'sure';
  let best: Match = 'no';
  for (const peer of rule.peers) {
    const match = matchPeer(peer, policyNamespace, end);
    if (match === 'sure') return match;
    if (match !== 'no') best = match;
  }
  return best;
}

const namedPorts = new WeakMap<readonly ContainerPort[], Map<string, PortSet>>();

/** What a pod calls by each name: any number of ports for each protocol. */
function portsByName(ports: readonly ContainerPort[]): ReadonlyMap<string, PortSet> {
  const known = namedPorts.get(ports);
  if (known) return known;
  const groups = Map.groupBy(ports, ({ protocol, name }) => `${protocol} ${name ?? ''}`);
  const found = new Map(
    [...groups].map(([key, list]) => [key, unionAll(list.map((port) => portRange(port.protocol, port.containerPort)))]),
  );
  namedPorts.set(ports, found);
  return found;
}

/** A named port is whatever the destination pod calls so for that protocol; addresses outside have no names. */
export function namedPortsOf(named: readonly NamedPort[], destination: End): PortSet {
  if (destination.kind === 'outside') return NO_PORTS;
  const ports = portsByName(destination.ports);
  return unionAll(named.map(({ protocol, name }) => ports.get(`${protocol} ${name}`) ?? NO_PORTS));
}

/** What an end may do that no policy isolates. */
export function openSide(direction: Direction): Side {
  return { direction, isolatedBy: [], allowances: () => [], letter: ALL_PORTS, sure: ALL_PORTS };
}

/** What each rule of these policies allows with `peer`, as far as it allows any. */
export function allowancesOf(
  direction: Direction,
  policies: readonly Policy[],
  peer: End,
  destination: End,
): (Allowance & { readonly sure: boolean })[] {
  return policies.flatMap((policy) =>
    (policy.rules[direction] ?? []).flatMap((rule) => {
      const match = matchRule(rule, policy.namespace, peer);
      if (match === 'no') return [];
      const ports = union(rule.numeric, namedPortsOf(rule.named, destination));
      return isEmpty(ports) ? [] : [{ policy: policy.id, ports, sure: match === 'sure' }];
    }),
  );
}

/**
 * What the policies that isolate one end (`applying`) allow with `peer`: their union, or everything when there are
 * none. `destination` is the end whose named ports count: the peer for egress, the selected pod itself for ingress.
 * https://kubernetes.io/docs/concepts/services-networking/network-policies/#the-two-sorts-of-pod-isolation
 */
export function evaluateSide(direction: Direction, policies: readonly Policy[], peer: End, destination: End): Side {
  if (policies.length === 0) return openSide(direction);
  const allowances = allowancesOf(direction, policies, peer, destination);
  return {
    direction,
    isolatedBy: policies.map((policy) => policy.id),
    allowances: () => allowances,
    letter: unionAll(allowances.map(({ ports }) => ports)),
    sure: unionAll(allowances.filter(({ sure }) => sure).map(({ ports }) => ports)),
  };
}

/** What two ends may do together: `sure` on every plugin, `dependent` by the letter only. Disjoint. */
export interface Traffic {
  readonly sure: PortSet;
  readonly dependent: PortSet;
}

export function letterOf(traffic: Traffic): PortSet {
  return union(traffic.sure, traffic.dependent);
}

/** Splits a letter and a sure reading into disjoint halves. */
export function traffic(letter: PortSet, sure: PortSet): Traffic {
  return { sure, dependent: subtract(letter, sure) };
}
