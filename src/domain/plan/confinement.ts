/**
 * The NetworkPolicies of a grant, as the plain JSON of networking.k8s.io/v1. Written here once: the preview evaluates the very specs that
 * are applied. None ever has an empty selector, `from`, `to` or `ports`: empty means "all".
 * Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/
 */

/** The label that marks every object of a grant; its value is the grant's id. */
export const GRANT_LABEL = 'drawbridge.internal/grant';

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

export interface PortRef {
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
}

type Peer =
  | { readonly podSelector: LabelSelector; readonly namespaceSelector: LabelSelector }
  | { readonly ipBlock: { readonly cidr: string } };

export interface PolicySpec {
  readonly podSelector: LabelSelector;
  readonly policyTypes: readonly ('Ingress' | 'Egress')[];
  readonly ingress?: readonly { readonly from: readonly Peer[]; readonly ports: readonly PortRef[] }[];
  readonly egress?: readonly { readonly to: readonly Peer[]; readonly ports: readonly PortRef[] }[];
}

/** Others than the target, as a profile names them: pods by namespace and labels, or a network outside. */
export type NamedPeer =
  | { readonly namespace: string; readonly pods: Readonly<Record<string, string>> }
  | { readonly cidr: string };

/** The label that the API server itself puts on every namespace: nobody can imitate it. */
const namespaceNamed = (name: string): LabelSelector => ({ matchLabels: { 'kubernetes.io/metadata.name': name } });

const DNS: { to: Peer[]; ports: PortRef[] } = {
  to: [{ namespaceSelector: namespaceNamed('kube-system'), podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }],
  ports: [
    { port: 53, protocol: 'UDP' },
    { port: 53, protocol: 'TCP' },
  ],
};

export function isEmptySelector(selector: LabelSelector): boolean {
  return Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;
}

/** The guard of a workspace: nothing in; out only to the target's pods on its ports, and to DNS where the profile says so. */
export function guardSpec(
  id: string,
  target: {
    readonly namespace: string;
    readonly selector: LabelSelector;
    readonly ports: readonly PortRef[];
    readonly dns: 'none' | 'cluster';
  },
): PolicySpec {
  demand(target);
  return {
    podSelector: { matchLabels: { [GRANT_LABEL]: id } },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [],
    egress: [
      {
        to: [{ namespaceSelector: namespaceNamed(target.namespace), podSelector: target.selector }],
        ports: [...target.ports],
      },
      ...(target.dns === 'cluster' ? [DNS] : []),
    ],
  };
}

/** The admission on a target that is isolated already: the workspace's pod may come in, on the target's ports. */
export function admissionSpec(
  id: string,
  target: { readonly selector: LabelSelector; readonly ports: readonly PortRef[] },
  workspacesNamespace: string,
): PolicySpec {
  demand(target);
  return {
    podSelector: target.selector,
    policyTypes: ['Ingress'],
    ingress: [
      {
        from: [
          {
            namespaceSelector: namespaceNamed(workspacesNamespace),
            podSelector: { matchLabels: { [GRANT_LABEL]: id } },
          },
        ],
        ports: [...target.ports],
      },
    ],
  };
}

const peerOf = (named: NamedPeer): Peer =>
  'cidr' in named
    ? { ipBlock: { cidr: named.cidr } }
    : { namespaceSelector: namespaceNamed(named.namespace), podSelector: { matchLabels: named.pods } };

/** Contains the target's own pods: out only to what the profile names, and to DNS where it says so. What comes in is left as it is. */
export function containmentSpec(
  selector: LabelSelector,
  to: readonly { readonly peer: NamedPeer; readonly ports: readonly PortRef[] }[],
  dns: 'none' | 'cluster',
): PolicySpec {
  for (const { peer, ports } of to) demand({ selector: 'pods' in peer ? { matchLabels: peer.pods } : selector, ports });
  if (isEmptySelector(selector)) throw new Error('an empty selector would select every pod');
  return {
    podSelector: selector,
    policyTypes: ['Egress'],
    egress: [
      ...to.map(({ peer, ports }) => ({ to: [peerOf(peer)], ports: [...ports] })),
      ...(dns === 'cluster' ? [DNS] : []),
    ],
  };
}

/** Admits sources of a person's own (a VPN, a bastion's pods) to a target that is isolated already. */
export function sourcesSpec(
  target: { readonly selector: LabelSelector; readonly ports: readonly PortRef[] },
  sources: readonly NamedPeer[],
): PolicySpec {
  demand(target);
  if (sources.length === 0) throw new Error('an empty list of sources would admit everybody');
  for (const source of sources)
    if ('pods' in source) demand({ selector: { matchLabels: source.pods }, ports: target.ports });
  return {
    podSelector: target.selector,
    policyTypes: ['Ingress'],
    ingress: [{ from: sources.map(peerOf), ports: [...target.ports] }],
  };
}

function demand(target: { readonly selector: LabelSelector; readonly ports: readonly PortRef[] }): void {
  if (isEmptySelector(target.selector)) throw new Error('an empty selector would select every pod');
  if (target.ports.length === 0) throw new Error('an empty list of ports would open every port');
}
