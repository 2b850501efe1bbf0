/**
 * The words of this folder. Policies are read in the shape in which the Kubernetes API returns them; pods, namespaces
 * and services are reduced to what reachability depends on (objects.ts converts). Nothing here is a vendor's type.
 */

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** A direction of traffic as seen from a selected pod; also the words of `policyTypes`. */
export type Direction = 'Ingress' | 'Egress';

export type Labels = Readonly<Record<string, string>>;

export interface Namespace {
  readonly name: string;
  /** As the API server returns them, `kubernetes.io/metadata.name` included. */
  readonly labels: Labels;
}

export interface ContainerPort {
  readonly name?: string | undefined;
  readonly containerPort: number;
  readonly protocol: Protocol;
}

/** The top of a pod's chain of owners: Deployment rather than ReplicaSet; a bare pod is its own owner (kind Pod). */
export interface Owner {
  readonly kind: string;
  readonly name: string;
}

export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
  /** Empty while the pod has no address yet: every ipBlock then counts as one that may match it. */
  readonly ips: readonly string[];
  readonly hostNetwork: boolean;
  /** Addresses of the pod's node, when known: its traffic is never governed. */
  readonly nodeIPs?: readonly string[];
  readonly ports: readonly ContainerPort[];
  readonly owner: Owner;
  /** Pods in `Succeeded` and `Failed` have no traffic and are ignored everywhere. */
  readonly phase: string;
}

export interface ServicePort {
  readonly name?: string | undefined;
  readonly protocol: Protocol;
  readonly port: number;
  /** The same as `port` when the Service leaves it out. */
  readonly targetPort: number | string;
}

export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly type: string;
  /** Undefined or empty: the endpoints are kept by somebody else. */
  readonly selector: Labels | undefined;
  readonly headless: boolean;
  readonly clusterIPs: readonly string[];
  readonly externalName: string | undefined;
  readonly ports: readonly ServicePort[];
}

export interface LabelSelectorRequirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[] | null | undefined;
}

export interface LabelSelector {
  readonly matchLabels?: Labels | null | undefined;
  readonly matchExpressions?: readonly LabelSelectorRequirement[] | null | undefined;
}

export interface NetworkPolicyPort {
  readonly protocol?: string | null | undefined;
  readonly port?: number | string | null | undefined;
  readonly endPort?: number | null | undefined;
}

export interface NetworkPolicyPeer {
  readonly podSelector?: LabelSelector | null | undefined;
  readonly namespaceSelector?: LabelSelector | null | undefined;
  readonly ipBlock?:
    | { readonly cidr: string; readonly except?: readonly string[] | null | undefined }
    | null
    | undefined;
}

interface NetworkPolicyIngressRule {
  readonly from?: readonly NetworkPolicyPeer[] | null | undefined;
  /** What generated clients name `from`. Read too, since a missing `from` would mean "from everywhere". */
  readonly _from?: readonly NetworkPolicyPeer[] | null | undefined;
  readonly ports?: readonly NetworkPolicyPort[] | null | undefined;
}

interface NetworkPolicyEgressRule {
  readonly to?: readonly NetworkPolicyPeer[] | null | undefined;
  readonly ports?: readonly NetworkPolicyPort[] | null | undefined;
}

/** A `networking.k8s.io/v1` NetworkPolicy as the API returns it. */
export interface NetworkPolicy {
  readonly metadata?:
    | {
        readonly name?: string | undefined;
        readonly namespace?: string | undefined;
        readonly labels?: Labels | undefined;
      }
    | undefined;
  readonly spec?:
    | {
        readonly podSelector?: LabelSelector | null | undefined;
        readonly policyTypes?: readonly string[] | null | undefined;
        readonly ingress?: readonly NetworkPolicyIngressRule[] | null | undefined;
        readonly egress?: readonly NetworkPolicyEgressRule[] | null | undefined;
      }
    | undefined;
}

/** A cluster at one moment, as far as NetworkPolicy is concerned. A namespace that is not listed has no labels. */
export interface Cluster {
  readonly namespaces: readonly Namespace[];
  readonly pods: readonly Pod[];
  readonly policies: readonly NetworkPolicy[];
}

/** Addresses that are no pod's: a block, less the blocks in `except` (absent when there are none). */
export interface OutsidePeer {
  readonly cidr: string;
  readonly except?: readonly string[];
}

export interface WorkloadPeer {
  readonly namespace: string;
  readonly kind: string;
  readonly name: string;
}

/** One end of a connection, as people speak of it. */
export type Workload = WorkloadPeer | OutsidePeer;

/** Ports `from` to `to`, both included; all ports are 1-65535. */
export interface PortRange {
  readonly protocol: Protocol;
  readonly from: number;
  readonly to: number;
}

/** Traffic that may be opened from one workload to another. A list of them holds each (pod, pod, port) once. */
export interface Connection {
  readonly from: Workload;
  readonly to: Workload;
  /** Disjoint and sorted. */
  readonly ports: readonly PortRange[];
  readonly reasons: readonly string[];
  /** Network plugins may differ on this, because an ipBlock against a pod's address decides it. */
  readonly pluginDependent: boolean;
  /**
   * Present when it holds for some pods of the workloads only: `2 of 3 -> 1 of 1` (sources -> destinations), with
   * `(5 of 6 pairs)` behind it where not each of these sources reaches each of these destinations, or where both ends
   * are one workload. With addresses outside `2 of 3`. Pods come and go, so a digest leaves this out.
   */
  readonly pods?: string;
}
