import type {
  Cluster,
  Connection,
  LabelSelector,
  Labels,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  Pod,
  Protocol,
  Workload,
} from '../../../src/network/types.ts';

/*
 * The semantics written down once more, as plainly as can be and sharing no code with src/network: every pod against
 * every pod, one port at a time. The other side of the properties, and the baseline of the bench.
 */

/** `letter`: allowed by the letter. `sure`: allowed also where ipBlocks are not compared with pods' addresses. */
export interface Answer {
  readonly letter: boolean;
  readonly sure: boolean;
}

function selected(selector: LabelSelector, labels: Labels): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    if (labels[key] !== value) return false;
  }
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const value = labels[key];
    if (operator === 'In' && (value === undefined || !values?.includes(value))) return false;
    if (operator === 'NotIn' && value !== undefined && values?.includes(value)) return false;
    if (operator === 'Exists' && value === undefined) return false;
    if (operator === 'DoesNotExist' && value !== undefined) return false;
  }
  return true;
}

/** The bits of an address as text: a block is then a prefix. IPv6 only in the full or `::` form. */
function bits(address: string): string {
  if (!address.includes(':'))
    return `4/${address
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('')}`;
  const [head = '', tail = ''] = address.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const middle = Array<string>(8 - groups(head).length - groups(tail).length).fill('0');
  const all = [...groups(head), ...middle, ...groups(tail)];
  return `6/${all.map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0')).join('')}`;
}

function within(block: string, address: string): boolean {
  const [network = '', length] = block.split('/');
  return bits(address).startsWith(bits(network).slice(0, 2 + Number(length)));
}

/** A pod, or a single address outside. */
export type Place = Pod | { readonly address: string };

const isPod = (place: Place): place is Pod => 'labels' in place;

function peerMatches(
  peer: NetworkPolicyPeer,
  policy: NetworkPolicy,
  cluster: Cluster,
  other: Place,
  blocksSeePods: boolean,
): boolean {
  const block = peer.ipBlock;
  if (block) {
    const has = (address: string): boolean =>
      within(block.cidr, address) && !(block.except ?? []).some((except) => within(except, address));
    if (!isPod(other)) return has(other.address);
    return blocksSeePods && (other.ips.length === 0 || other.ips.some(has));
  }
  if (!isPod(other)) return false;
  if (peer.namespaceSelector) {
    const labels = cluster.namespaces.find((namespace) => namespace.name === other.namespace)?.labels ?? {};
    return selected(peer.namespaceSelector, labels) && selected(peer.podSelector ?? {}, other.labels);
  }
  return peer.podSelector
    ? other.namespace === policy.metadata?.namespace && selected(peer.podSelector, other.labels)
    : false;
}

function portMatches(entry: NetworkPolicyPort, destination: Place, port: number, protocol: Protocol): boolean {
  if ((entry.protocol ?? 'TCP') !== protocol) return false;
  if (entry.port === undefined || entry.port === null) return true;
  if (typeof entry.port === 'number') return entry.port <= port && port <= (entry.endPort ?? entry.port);
  return (
    isPod(destination) &&
    destination.ports.some(
      (item) => item.name === entry.port && item.protocol === protocol && item.containerPort === port,
    )
  );
}

function sideAllows(
  cluster: Cluster,
  direction: 'Ingress' | 'Egress',
  self: Place,
  other: Place,
  port: number,
  protocol: Protocol,
  blocksSeePods: boolean,
): boolean {
  if (!isPod(self)) return true;
  const applied = cluster.policies.filter((policy) => {
    const types = policy.spec?.policyTypes ?? [];
    const isolates =
      types.length > 0 ? types.includes(direction) : direction === 'Ingress' || (policy.spec?.egress ?? []).length > 0;
    return (
      isolates && policy.metadata?.namespace === self.namespace && selected(policy.spec?.podSelector ?? {}, self.labels)
    );
  });
  if (applied.length === 0) return true;
  return applied.some((policy) => {
    const rules =
      direction === 'Ingress'
        ? (policy.spec?.ingress ?? []).map((rule) => ({ peers: rule.from ?? [], ports: rule.ports ?? [] }))
        : (policy.spec?.egress ?? []).map((rule) => ({ peers: rule.to ?? [], ports: rule.ports ?? [] }));
    const destination = direction === 'Ingress' ? self : other;
    return rules.some(
      ({ peers, ports }) =>
        (peers.length === 0 || peers.some((peer) => peerMatches(peer, policy, cluster, other, blocksSeePods))) &&
        (ports.length === 0 || ports.some((entry) => portMatches(entry, destination, port, protocol))),
    );
  });
}

/** Whether one place may open a connection to another. For different pods with networks of their own. */
export function mayConnect(cluster: Cluster, from: Place, to: Place, port: number, protocol: Protocol): Answer {
  const reading = (blocksSeePods: boolean): boolean =>
    sideAllows(cluster, 'Egress', from, to, port, protocol, blocksSeePods) &&
    sideAllows(cluster, 'Ingress', to, from, port, protocol, blocksSeePods);
  return { letter: reading(true), sure: reading(false) };
}

export const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];

/**
 * A few ports for each protocol that tell all policies of the cluster apart: the edges of every range, and beside
 * them.
 */
export function tellingPorts(clusters: readonly Cluster[]): number[] {
  const ports = new Set([1, 65535]);
  const add = (port: number): void => {
    for (const near of [port - 1, port, port + 1]) if (near >= 1 && near <= 65535) ports.add(near);
  };
  for (const { policies, pods } of clusters) {
    for (const { spec } of policies) {
      for (const rule of [...(spec?.ingress ?? []), ...(spec?.egress ?? [])]) {
        for (const { port, endPort } of rule.ports ?? []) {
          if (typeof port === 'number') add(port);
          if (endPort) add(endPort);
        }
      }
    }
    for (const pod of pods) for (const { containerPort } of pod.ports) add(containerPort);
  }
  return [...ports].sort((a, b) => a - b);
}

export function live(cluster: Cluster): Pod[] {
  return cluster.pods.filter((pod) => pod.phase === 'Running' && !pod.hostNetwork);
}

export function nameOf(end: Workload | Pod): string {
  if ('cidr' in end) return end.cidr;
  return 'owner' in end
    ? `${end.namespace} ${end.owner.kind} ${end.owner.name}`
    : `${end.namespace} ${end.kind} ${end.name}`;
}

/** How many pairs of pods a connection stands for: all of them, or what its `pods` says. */
export function pairsOf(connection: Connection, all: number): number {
  if (!connection.pods) return all;
  const exact = /\((\d+) of/.exec(connection.pods);
  if (exact) return Number(exact[1]);
  return [...connection.pods.matchAll(/(\d+) of/g)].reduce((product, match) => product * Number(match[1]), 1);
}
