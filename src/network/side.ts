import { type Cidr, contains, overlaps, parseCidr } from './cidr.ts';
import type { BlockPeer, NamedPort, PodsPeer, Policy, Rule } from './policy.ts';
import { ALL_PORTS, isEmpty, NO_PORTS, type PortSet, portRange, subtract, union } from './portset.ts';
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

/**
 * Addresses that are no pod's, a block less some inside it, taken as one: a rule admits them when it admits all of
 * them.
 */
export interface OutsideEnd {
  readonly kind: 'outside';
  readonly cidr: Cidr;
  readonly without: readonly Cidr[];
}

export type End = PodEnd | OutsideEnd;

/** What one policy allows the pod to do with the other end. */
interface Allowance {
  readonly policy: string;
  readonly ports: PortSet;
  readonly sure: boolean;
}

/**
 * What one end's policies say. `letter`: ports allowed by the letter of the API. `sure`: those of them that every
 * network plugin allows; the rest hangs on an ipBlock against a pod's address, on which plugins differ.
 */
export interface Side {
  readonly direction: Direction;
  /** Ids of the policies that isolate this end in this direction; empty when it is not isolated. */
  readonly isolatedBy: readonly string[];
  readonly allowances: readonly Allowance[];
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

type Match = 'no' | 'sure' | 'plugin-dependent';

function inBlock(block: BlockPeer, cidr: Cidr, without: readonly Cidr[] = []): boolean {
  const touches = (except: Cidr): boolean => overlaps(except, cidr) && !without.some((hole) => contains(hole, except));
  return contains(block.cidr, cidr) && !block.except.some(touches);
}

function matchPeer(peer: PodsPeer | BlockPeer, policyNamespace: string, end: End): Match {
  if (peer.kind === 'block') {
    if (end.kind === 'outside') return inBlock(peer, end.cidr, end.without) ? 'sure' : 'no';
    // No address yet: it may get one inside the block.
    const hit = end.addresses.length === 0 || end.addresses.some((address) => inBlock(peer, address));
    return hit ? 'plugin-dependent' : 'no';
  }
  // "ignores hostNetwork pods when matching podSelector and namespaceSelector": the common one of the two documented
  // ways.
  if (end.kind === 'outside' || end.hostNetwork) return 'no';
  const inNamespace = peer.namespaceSelector
    ? matches(peer.namespaceSelector, end.namespaceLabels)
    : end.namespace === policyNamespace;
  return inNamespace && matches(peer.podSelector, end.labels) ? 'sure' : 'no';
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

/** A named port is whatever the destination pod calls so for that protocol; addresses outside have no names. */
function resolveNamed({ protocol, name }: NamedPort, ports: readonly ContainerPort[]): PortSet {
  return ports
    .filter((port) => port.name === name && port.protocol === protocol)
    .reduce((set, port) => union(set, portRange(protocol, port.containerPort)), NO_PORTS);
}

function rulePorts(rule: Rule, destination: End): PortSet {
  if (rule.named.length === 0 || destination.kind === 'outside') return rule.numeric;
  return rule.named.reduce((set, named) => union(set, resolveNamed(named, destination.ports)), rule.numeric);
}

/**
 * What the policies that isolate one end (`applying`) allow with `peer`: their union, or everything when there are
 * none. `destination` is the end whose named ports count: the peer for egress, the selected pod itself for ingress.
 * https://kubernetes.io/docs/concepts/services-networking/network-policies/#the-two-sorts-of-pod-isolation
 */
export function evaluateSide(direction: Direction, policies: readonly Policy[], peer: End, destination: End): Side {
  const isolatedBy = policies.map((policy) => policy.id);
  if (policies.length === 0) return { direction, isolatedBy, allowances: [], letter: ALL_PORTS, sure: ALL_PORTS };
  const allowances: Allowance[] = [];
  let letter = NO_PORTS;
  let sure = NO_PORTS;
  for (const policy of policies) {
    for (const rule of policy.rules[direction] ?? []) {
      const match = matchRule(rule, policy.namespace, peer);
      if (match === 'no') continue;
      const ports = rulePorts(rule, destination);
      if (isEmpty(ports)) continue;
      allowances.push({ policy: policy.id, ports, sure: match === 'sure' });
      letter = union(letter, ports);
      if (match === 'sure') sure = union(sure, ports);
    }
  }
  // The very same value where nothing hangs on a plugin, which spares comparing them later.
  return { direction, isolatedBy, allowances, letter, sure: allowances.every((item) => item.sure) ? letter : sure };
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
  return { sure, dependent: letter === sure ? NO_PORTS : subtract(letter, sure) };
}
