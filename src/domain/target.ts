import type { WorkloadKind } from './rights/rights.ts';

/** The name of a cluster in the policy; null: the only one, whose name is said nowhere. */
export type ClusterName = string | null;

/** What nothing but the kinds of targets that have it may say. */
interface Without {
  readonly namespace?: never;
  readonly workload?: never;
  readonly service?: never;
  readonly scope?: never;
  readonly node?: never;
}

/** A namespace, or one workload in it; `service` is the Service by which a person has named the workload. */
export type NamespacedTarget =
  | (Omit<Without, 'namespace'> & { readonly namespace: string })
  | (Omit<Without, 'namespace' | 'workload' | 'service'> & {
      readonly namespace: string;
      readonly workload: { readonly kind: WorkloadKind; readonly name: string };
      readonly service?: string;
    });

/** What is in no namespace: the whole cluster, or one node. Rights on it are a ClusterRoleBinding. */
export type WideTarget =
  | (Omit<Without, 'scope'> & { readonly scope: 'cluster' })
  | (Omit<Without, 'scope' | 'node'> & { readonly scope: 'node'; readonly node: string });

/** What a grant is about. */
export type Target = NamespacedTarget | WideTarget;

/**
 * What a person asks for. Which workload is behind a Service is looked up only when the policy has let the person ask, and anew whenever
 * the plan is made: until then a Service has none, and no right can be written for it.
 */
export type NamespacedWanted =
  | NamespacedTarget
  | (Omit<Without, 'namespace' | 'service'> & { readonly namespace: string; readonly service: string });
export type Wanted = NamespacedWanted | WideTarget;

export function isWide<T extends Wanted>(target: T): target is Extract<T, WideTarget> {
  return target.namespace === undefined;
}

/** The target of what only a target in a namespace has: a network mode, a workload. @throws Error for any other, which is a fault of ours */
export function inNamespace(target: Target): NamespacedTarget {
  if (isWide(target)) throw new Error(`${describeTarget(target)} is in no namespace`);
  return target;
}

/** The words for a Service, beside those of the workloads' kinds. */
export const SERVICE_WORDS: readonly string[] = ['svc', 'service', 'services'];

/** The words for a node, before its name. */
export const NODE_WORDS: readonly string[] = ['no', 'node', 'nodes'];

/** `staging`, `staging/deployment/checkout` or `staging/svc/checkout`, as a person can type it; with `→ deployment/checkout` once that is known. */
export function describeTarget(target: Wanted): string {
  if (isWide(target)) return target.scope === 'cluster' ? 'the whole cluster' : `node/${target.node}`;
  const { namespace, workload, service } = target;
  const name = workload === undefined ? null : `${workload.kind.toLowerCase()}/${workload.name}`;
  if (service === undefined) return name === null ? namespace : `${namespace}/${name}`;
  return `${namespace}/svc/${service}${name === null ? '' : ` → ${name}`}`;
}

/** The same with the cluster that it is in, where that has a name: `prod-eu:staging/deployment/checkout`. */
export function describePlace({ cluster, target }: { readonly cluster: ClusterName; readonly target: Wanted }): string {
  if (cluster !== null && target.scope === 'cluster') return `the whole cluster ${cluster}`;
  return `${inCluster(cluster)}${describeTarget(target)}`;
}

/** What stands before a name of something in this cluster: `prod-eu:`, or nothing. */
export function inCluster(cluster: ClusterName): string {
  return cluster === null ? '' : `${cluster}:`;
}
