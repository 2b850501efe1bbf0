import type { ContainerPort, Labels, Namespace, Owner, Pod, Protocol, Service } from './types.ts';

/*
 * From Kubernetes JSON to the words of this folder. The shapes below name only the fields that are read, so that any
 * client's objects fit.
 */

interface OwnerReference {
  readonly kind: string;
  readonly name: string;
  readonly uid?: string | undefined;
  readonly controller?: boolean | undefined;
}

interface ObjectMeta {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly labels?: Labels | undefined;
  readonly ownerReferences?: readonly OwnerReference[] | undefined;
}

export interface NamespaceObject {
  readonly metadata?: ObjectMeta | undefined;
}

interface ContainerObject {
  readonly restartPolicy?: string | undefined;
  readonly ports?:
    | readonly {
        readonly name?: string | undefined;
        readonly containerPort: number;
        readonly protocol?: string | undefined;
      }[]
    | undefined;
}

export interface PodObject {
  readonly metadata?: ObjectMeta | undefined;
  readonly spec?:
    | {
        readonly hostNetwork?: boolean | undefined;
        readonly containers?: readonly ContainerObject[] | undefined;
        readonly initContainers?: readonly ContainerObject[] | undefined;
      }
    | undefined;
  readonly status?:
    | {
        readonly phase?: string | undefined;
        readonly podIP?: string | undefined;
        readonly podIPs?: readonly { readonly ip: string }[] | undefined;
        readonly hostIP?: string | undefined;
        readonly hostIPs?: readonly { readonly ip: string }[] | undefined;
      }
    | undefined;
}

/** A ReplicaSet or Job (anything that stands between a pod and its workload). */
export interface OwnerObject {
  readonly kind?: string | undefined;
  readonly metadata?: ObjectMeta | undefined;
}

export interface ServiceObject {
  readonly metadata?: ObjectMeta | undefined;
  readonly spec?:
    | {
        readonly type?: string | undefined;
        readonly selector?: Labels | undefined;
        readonly clusterIP?: string | undefined;
        readonly clusterIPs?: readonly string[] | undefined;
        readonly externalName?: string | undefined;
        readonly ports?:
          | readonly {
              readonly name?: string | undefined;
              readonly protocol?: string | undefined;
              readonly port: number;
              readonly targetPort?: number | string | undefined;
            }[]
          | undefined;
      }
    | undefined;
}

/**
 * What stands between pods and their workloads; lists of the API leave `kind` out of their items, so each list has a
 * name.
 */
export interface Owners {
  readonly replicaSets?: readonly OwnerObject[] | undefined;
  readonly jobs?: readonly OwnerObject[] | undefined;
}

/** What controls this controller of a pod in that namespace. */
export type OwnerLookup = (controller: OwnerReference, namespace: string) => OwnerReference | undefined;

function controllerOf(meta: ObjectMeta | undefined): OwnerReference | undefined {
  return meta?.ownerReferences?.find((owner) => owner.controller) ?? meta?.ownerReferences?.[0];
}

/** Indexes ReplicaSets and Jobs by name, once for all pods of a cluster. */
export function ownerLookup(owners: Owners): OwnerLookup {
  const index = new Map<string, OwnerReference>();
  const add = (kind: string, objects: readonly OwnerObject[] = []): void => {
    for (const { metadata } of objects) {
      const owner = controllerOf(metadata);
      if (owner) index.set(`${kind}/${metadata?.namespace}/${metadata?.name}`, owner);
    }
  };
  add('ReplicaSet', owners.replicaSets);
  add('Job', owners.jobs);
  return ({ kind, name }, namespace) => index.get(`${kind}/${namespace}/${name}`);
}

/**
 * The workload on top: what the supplied ReplicaSet or Job names as its owner; without it, a ReplicaSet whose name ends
 * in the pod's `pod-template-hash` belongs to the Deployment of the rest of the name. Pods of a node (static pods) and
 * bare pods are their own owners.
 * https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pod-template-hash-label
 */
export function ownerOf(meta: ObjectMeta, lookup: OwnerLookup): Owner {
  const direct = controllerOf(meta);
  if (!direct || direct.kind === 'Node') return { kind: 'Pod', name: meta.name ?? '' };
  const top = lookup(direct, meta.namespace ?? '');
  if (top) return { kind: top.kind, name: top.name };
  const suffix = `-${meta.labels?.['pod-template-hash']}`;
  if (direct.kind === 'ReplicaSet' && direct.name.endsWith(suffix)) {
    return { kind: 'Deployment', name: direct.name.slice(0, -suffix.length) };
  }
  return { kind: direct.kind, name: direct.name };
}

export function namespaceFromObject(object: NamespaceObject): Namespace {
  return { name: object.metadata?.name ?? '', labels: object.metadata?.labels ?? {} };
}

function containerPorts(container: ContainerObject): ContainerPort[] {
  return (container.ports ?? []).map(({ name, containerPort, protocol }) => ({
    name,
    containerPort,
    protocol: (protocol ?? 'TCP') as Protocol,
  }));
}

function addresses(list: readonly { readonly ip: string }[] | undefined, single: string | undefined): string[] {
  return list?.length ? list.map(({ ip }) => ip) : single ? [single] : [];
}

/**
 * Ports are those of containers and sidecars (init containers that restart always), as named ports resolve in
 * Services.
 */
export function podFromObject(object: PodObject, lookup: OwnerLookup = () => undefined): Pod {
  const { metadata = {}, spec = {}, status = {} } = object;
  const sidecars = (spec.initContainers ?? []).filter((container) => container.restartPolicy === 'Always');
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    labels: metadata.labels ?? {},
    ips: addresses(status.podIPs, status.podIP),
    hostNetwork: spec.hostNetwork ?? false,
    nodeIPs: addresses(status.hostIPs, status.hostIP),
    ports: [...(spec.containers ?? []), ...sidecars].flatMap(containerPorts),
    owner: ownerOf(metadata, lookup),
    phase: status.phase ?? 'Pending',
  };
}

export function serviceFromObject(object: ServiceObject): Service {
  const { metadata = {}, spec = {} } = object;
  const clusterIPs = spec.clusterIPs?.length ? spec.clusterIPs : spec.clusterIP ? [spec.clusterIP] : [];
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    type: spec.type ?? 'ClusterIP',
    selector: spec.selector,
    headless: clusterIPs.includes('None'),
    clusterIPs: clusterIPs.filter((ip) => ip !== 'None'),
    externalName: spec.externalName,
    ports: (spec.ports ?? []).map(({ name, protocol, port, targetPort }) => ({
      name,
      protocol: (protocol ?? 'TCP') as Protocol,
      port,
      targetPort: targetPort || port,
    })),
  };
}
