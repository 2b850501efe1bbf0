import type { Cluster, Namespace, NetworkPolicy, Pod } from '../../../src/network/types.ts';

export type Spec = NonNullable<NetworkPolicy['spec']>;

/** A running pod that is its own workload unless said otherwise. */
export function pod(namespace: string, name: string, rest: Partial<Pod> = {}): Pod {
  return {
    namespace,
    name,
    labels: { app: name },
    ips: [],
    hostNetwork: false,
    ports: [],
    owner: { kind: 'Pod', name },
    phase: 'Running',
    ...rest,
  };
}

export function namespace(name: string, labels: Record<string, string> = {}): Namespace {
  return { name, labels: { 'kubernetes.io/metadata.name': name, ...labels } };
}

export function policy(namespace: string, name: string, spec: Spec): NetworkPolicy {
  return { metadata: { namespace, name }, spec };
}

export function cluster(
  pods: readonly Pod[],
  policies: readonly NetworkPolicy[] = [],
  namespaces?: readonly Namespace[],
): Cluster {
  const names = [...new Set(pods.map((item) => item.namespace))];
  return { pods, policies, namespaces: namespaces ?? names.map((name) => namespace(name)) };
}
