import { parseCidr } from './cidr.ts';
import { compilePolicy, type Policy } from './policy.ts';
import { includesPort, portRange } from './portset.ts';
import { allowedBy, distinct, whyAllowed, whyMissed } from './reasons.ts';
import { applying, type End, evaluateSide, podEnd, type Side, selectsPod } from './side.ts';
import type { Cluster, Direction, OutsidePeer, Pod, Protocol } from './types.ts';

/** What one end's policies say of one connection. */
export interface SideVerdict {
  readonly allowed: boolean;
  readonly isolatedBy: readonly string[];
  readonly allowedBy: readonly string[];
}

export interface Verdict {
  /** By the letter of the API. */
  readonly allowed: boolean;
  /** Network plugins may differ on it. */
  readonly pluginDependent: boolean;
  /** Present when NetworkPolicy does not decide this (fully): says why. */
  readonly notGoverned?: string;
  readonly egress: SideVerdict;
  readonly ingress: SideVerdict;
  /** One text for each side: which policies allow, or which isolate and miss. */
  readonly reasons: readonly string[];
}

const UNGOVERNED: SideVerdict = { allowed: true, isolatedBy: [], allowedBy: [] };

function isPod(end: Pod | OutsidePeer): end is Pod {
  return !('cidr' in end);
}

/** Whether the pod has traffic at all: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase */
export function isLive(pod: Pod): boolean {
  return pod.phase !== 'Succeeded' && pod.phase !== 'Failed';
}

function always(allowed: boolean, why: string, notGoverned?: string): Verdict {
  const base = { allowed, pluginDependent: false, egress: UNGOVERNED, ingress: UNGOVERNED, reasons: [why] };
  return notGoverned === undefined ? base : { ...base, notGoverned };
}

/** Whether `other` is the node on which the pod runs, or shares that node's network. */
function isOwnNode(pod: Pod | OutsidePeer, other: Pod | OutsidePeer): boolean {
  if (!isPod(pod) || !pod.nodeIPs?.length) return false;
  const nodes = new Set(pod.nodeIPs.map((ip) => parseCidr(ip).text));
  const addresses = isPod(other) ? (other.hostNetwork ? [...other.ips, ...(other.nodeIPs ?? [])] : []) : [other.cidr];
  return addresses.some((address) => nodes.has(parseCidr(address).text));
}

/**
 * Judges single connections of one cluster: pod to pod, or with `{cidr}` at one end (allowed: some rule admits the
 * whole block; `except` is not read). Ports are container ports, after translation by Services.
 * https://kubernetes.io/docs/concepts/services-networking/network-policies/
 */
export function createJudge(cluster: Pick<Cluster, 'namespaces' | 'policies'>) {
  const policies: readonly Policy[] = cluster.policies.map(compilePolicy);
  const namespaces = new Map(cluster.namespaces.map((namespace) => [namespace.name, namespace.labels]));
  const endOf = (end: Pod | OutsidePeer): End =>
    isPod(end)
      ? podEnd(end, namespaces.get(end.namespace) ?? {})
      : { kind: 'outside', cidr: parseCidr(end.cidr), whole: true };

  return (from: Pod | OutsidePeer, to: Pod | OutsidePeer, port: number, protocol: Protocol): Verdict => {
    for (const end of [from, to]) {
      if (isPod(end) && !isLive(end)) return always(false, `${end.namespace}/${end.name} has ended (${end.phase})`);
    }
    if (isPod(from) && isPod(to) && from.namespace === to.namespace && from.name === to.name) {
      return always(true, 'a pod always reaches itself');
    }
    if (isOwnNode(from, to) || isOwnNode(to, from)) {
      return always(true, "traffic with the pod's own node is always allowed", 'own node');
    }

    const [source, destination] = [endOf(from), endOf(to)];
    const judgeSide = (direction: Direction, self: End, peer: End): [SideVerdict, Side] => {
      const applied = self.kind === 'outside' ? [] : applying(policies, self, direction);
      const side = evaluateSide(direction, applied, peer, destination);
      const verdict = {
        allowed: includesPort(side.letter, protocol, port),
        isolatedBy: distinct(side.isolatedBy),
        allowedBy: allowedBy(side, portRange(protocol, port)),
      };
      return [verdict, side];
    };
    const [egress, egressSide] = judgeSide('Egress', source, destination);
    const [ingress, ingressSide] = judgeSide('Ingress', destination, source);
    const sides = [egressSide, ingressSide];
    const why = (side: Side): string =>
      includesPort(side.letter, protocol, port) ? whyAllowed(side, portRange(protocol, port)) : whyMissed(side);

    const allowed = egress.allowed && ingress.allowed;
    const verdict = { allowed, egress, ingress, reasons: sides.map(why) };
    if (![source, destination].some((end) => end.kind === 'pod' && end.hostNetwork)) {
      const sure = sides.every((side) => includesPort(side.sure, protocol, port));
      return { ...verdict, pluginDependent: allowed !== sure };
    }
    // Plugins either judge hostNetwork pods like others or take them for their node: it depends wherever a policy
    // touches them.
    const names = (policy: Policy, direction: Direction, end: End): boolean =>
      policy.rules[direction] !== undefined && end.kind === 'pod' && selectsPod(policy, end);
    const touched = policies.some((policy) => names(policy, 'Egress', source) || names(policy, 'Ingress', destination));
    return { ...verdict, pluginDependent: touched, notGoverned: 'hostNetwork' };
  };
}
