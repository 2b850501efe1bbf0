import {
  type OwnerLookup,
  ownerOf,
  type PodObject,
  podFromObject,
  type ServiceObject,
  serviceFromObject,
} from '../../network/objects.ts';
import type { Labels, NetworkPolicy, Owner, Pod, ServicePort } from '../../network/types.ts';
import { INSTANCE_LABEL } from './manifests.ts';

/** What decisions need of objects. All else is dropped as they arrive: of the 6 KB of a pod some 300 bytes matter. */

/** What controls an object, as the object itself says. */
export interface Controller {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

/** What stands between pods and their workloads: a ReplicaSet, a Job. */
export interface Controlled {
  readonly namespace: string;
  readonly controller: Controller | null;
}

export interface Meta {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly labels?: Labels;
  readonly deletionTimestamp?: string;
  readonly ownerReferences?: readonly (Controller & { readonly controller?: boolean })[];
}

export interface KubePod extends PodObject {
  readonly metadata: Meta;
}
export interface KubeService extends ServiceObject {
  readonly metadata: Meta;
}

export interface HeldPod extends Pod {
  readonly uid: string;
  readonly controller: Controller | null;
  readonly isDeleting: boolean;
  /** Another one once it is known what controls its controller. */
  owner: Owner;
}

/** Of a Service what plans and forms say of it. */
export interface HeldService {
  readonly namespace: string;
  readonly name: string;
  readonly type: string;
  readonly selector: Labels;
  /** Null: it has none of its own. */
  readonly clusterIP: string | null;
  readonly ports: readonly ServicePort[];
  readonly isDeleting: boolean;
}

type Intern = <T>(value: T) => T;

/** Characters of the values that are remembered, as JSON: of all together, since they may outlive what has them, and of one. */
const MOST_INTERNED = 2 * 2 ** 20;
const LONGEST_INTERNED = 4096;

/** Equal values become one. What is seen for longer than a list brings ever new ones: then all are forgotten, and some are held twice. */
export function createIntern(): Intern {
  const known = new Map<string, unknown>();
  let size = 0;
  return <T>(value: T): T => {
    const key = JSON.stringify(value);
    if (key.length > LONGEST_INTERNED) return value;
    if (!known.has(key)) {
      if (size + key.length > MOST_INTERNED) {
        known.clear();
        size = 0;
      }
      known.set(key, value);
      size += key.length;
    }
    return known.get(key) as T;
  };
}

export function controllerOf({ ownerReferences }: Pick<Meta, 'ownerReferences'>): Controller | null {
  const found = ownerReferences?.find((owner) => owner.controller);
  return found === undefined ? null : { kind: found.kind, name: found.name, uid: found.uid };
}

/** Once it is known what controls its controller. */
export function countToWorkload(pod: HeldPod, lookup: OwnerLookup, intern: Intern = (owner) => owner): void {
  const { name, namespace, labels, controller } = pod;
  if (controller === null) return;
  pod.owner = intern(
    ownerOf({ name, namespace, labels, ownerReferences: [{ ...controller, controller: true }] }, lookup),
  );
}

/** For the pods of one list, and of the watch after it. */
export function podProjection(lookup?: OwnerLookup): (pod: KubePod) => HeldPod {
  const intern = createIntern();
  return (object) => {
    const { namespace, labels, ports, nodeIPs = [], owner, phase, ...own } = podFromObject(object, lookup);
    return {
      ...own,
      namespace: intern(namespace),
      labels: intern(labels),
      ports: intern(ports),
      nodeIPs: intern(nodeIPs),
      // A pod that nothing owns is the only one of this owner.
      owner: owner.kind === 'Pod' ? owner : intern(owner),
      phase: intern(phase),
      uid: object.metadata.uid,
      controller: intern(controllerOf(object.metadata)),
      isDeleting: object.metadata.deletionTimestamp !== undefined,
    };
  };
}

/** For the pages of one list of pods. */
export function keepPods(lookup?: OwnerLookup): (page: readonly KubePod[]) => HeldPod[] {
  const project = podProjection(lookup);
  return (page) => page.map(project);
}

export function projectService(service: KubeService): HeldService {
  const { metadata, spec = {} } = service;
  const { type = 'ClusterIP', selector = {}, clusterIP = '' } = spec;
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    type,
    selector,
    clusterIP: clusterIP === 'None' || clusterIP === '' ? null : clusterIP,
    ports: serviceFromObject(service).ports,
    isDeleting: metadata.deletionTimestamp !== undefined,
  };
}

/**
 * Labels tell which grant a policy is of, and are kept where they are those of this instance, which nobody else may set. Anybody may set those
 * of another, and would hide a policy from who looks for others' by them.
 */
export function policyProjection(instance?: string): (policy: NetworkPolicy) => NetworkPolicy {
  const isOwn = (labels: Meta['labels']) => instance !== undefined && labels?.[INSTANCE_LABEL] === instance;
  return ({ metadata: { name, namespace, labels } = {}, spec }) => ({
    metadata: { name, namespace, ...(isOwn(labels) ? { labels } : {}) },
    ...(spec === undefined ? {} : { spec }),
  });
}

/** For the pages of one list of policies. */
export function keepPolicies(instance?: string): (page: readonly NetworkPolicy[]) => NetworkPolicy[] {
  const project = policyProjection(instance);
  return (page) => page.map(project);
}
