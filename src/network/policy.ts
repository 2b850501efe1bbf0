import { type Cidr, parseCidr } from './cidr.ts';
import { ALL_PORTS, allPorts, NO_PORTS, type PortSet, portRange, unionAll } from './portset.ts';
import type { Steps } from './steps.ts';
import type {
  Direction,
  LabelSelector,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  Protocol,
} from './types.ts';

export interface PodsPeer {
  readonly kind: 'pods';
  /** Undefined: the policy's own namespace. */
  readonly namespaceSelector: LabelSelector | undefined;
  readonly podSelector: LabelSelector;
}

export interface BlockPeer {
  readonly kind: 'block';
  readonly cidr: Cidr;
  readonly except: readonly Cidr[];
}

export interface NamedPort {
  readonly protocol: Protocol;
  readonly name: string;
}

export interface Rule {
  readonly peers: 'any' | readonly (PodsPeer | BlockPeer)[];
  readonly numeric: PortSet;
  /** Resolved for each destination pod. */
  readonly named: readonly NamedPort[];
}

/** A policy with its defaults filled in and "empty" told from "missing". */
export interface Policy {
  /** `namespace/name`. */
  readonly id: string;
  readonly namespace: string;
  readonly podSelector: LabelSelector;
  /** Per direction: undefined does not isolate, an empty list isolates and allows nothing. */
  readonly rules: Readonly<Record<Direction, readonly Rule[] | undefined>>;
}

function compilePeer(peer: NetworkPolicyPeer): (PodsPeer | BlockPeer)[] {
  const { ipBlock, namespaceSelector, podSelector } = peer;
  if (ipBlock) {
    return [{ kind: 'block', cidr: parseCidr(ipBlock.cidr), except: (ipBlock.except ?? []).map(parseCidr) }];
  }
  // A peer without any field names nobody; the API server refuses it.
  if (!namespaceSelector && !podSelector) return [];
  return [{ kind: 'pods', namespaceSelector: namespaceSelector ?? undefined, podSelector: podSelector ?? {} }];
}

function protocolOf(port: NetworkPolicyPort): Protocol {
  const protocol = port.protocol ?? 'TCP';
  if (protocol !== 'TCP' && protocol !== 'UDP' && protocol !== 'SCTP') throw new Error(`unknown protocol: ${protocol}`);
  return protocol;
}

function numericPorts(entry: NetworkPolicyPort): PortSet {
  const protocol = protocolOf(entry);
  if (entry.port === undefined || entry.port === null) return allPorts(protocol);
  if (typeof entry.port === 'string') return NO_PORTS;
  return portRange(protocol, entry.port, entry.endPort ?? entry.port);
}

function compileRule(
  peers: readonly NetworkPolicyPeer[] | null | undefined,
  ports: readonly NetworkPolicyPort[] | null | undefined,
): Rule {
  return {
    peers: peers?.length ? peers.flatMap(compilePeer) : 'any',
    numeric: ports?.length ? unionAll(ports.map(numericPorts)) : ALL_PORTS,
    named: (ports ?? []).flatMap((entry) =>
      typeof entry.port === 'string' ? [{ protocol: protocolOf(entry), name: entry.port }] : [],
    ),
  };
}

/** `namespace/name`, by which reasons name a policy. */
function policyId(policy: NetworkPolicy): string {
  return `${policy.metadata?.namespace ?? ''}/${policy.metadata?.name ?? ''}`;
}

const compiled = new WeakMap<NetworkPolicy, Policy>();

/**
 * Reads a policy as the API server does: policyTypes left out (or empty) means Ingress always, and Egress only if
 * there are egress rules; a listed type without rules denies all; an empty or missing `from`, `to` or `ports` allows
 * all.
 * https://kubernetes.io/docs/concepts/services-networking/network-policies/#networkpolicy-resource
 * Each object is read once: one that is not changed afterwards.
 * @throws Error on a CIDR, protocol or selector operator that no API server accepts.
 */
export function compilePolicy(policy: NetworkPolicy): Policy {
  const known = compiled.get(policy) ?? compile(policy);
  compiled.set(policy, known);
  return known;
}

/** Policies that are compiled in one step. */
const IN_ONE_STEP = 50;

export function* compilePolicies(policies: readonly NetworkPolicy[]): Steps<Policy[]> {
  const result: Policy[] = [];
  for (const policy of policies) if (result.push(compilePolicy(policy)) % IN_ONE_STEP === 0) yield;
  return result;
}

function compile(policy: NetworkPolicy): Policy {
  const spec = policy.spec ?? {};
  const types = spec.policyTypes?.length ? spec.policyTypes : ['Ingress', ...(spec.egress?.length ? ['Egress'] : [])];
  return {
    id: policyId(policy),
    namespace: policy.metadata?.namespace ?? '',
    podSelector: spec.podSelector ?? {},
    rules: {
      Ingress: types.includes('Ingress')
        ? (spec.ingress ?? []).map((rule) => compileRule(rule.from ?? rule._from, rule.ports))
        : undefined,
      Egress: types.includes('Egress')
        ? (spec.egress ?? []).map((rule) => compileRule(rule.to, rule.ports))
        : undefined,
    },
  };
}
