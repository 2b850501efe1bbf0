import {
  type NamespaceObject,
  namespaceFromObject,
  ownerLookup,
  type PodObject,
  podFromObject,
  type ServiceObject,
  serviceFromObject,
} from '../../network/objects.ts';
import type { Cluster, NetworkPolicy, Service } from '../../network/types.ts';
import { type Api, ApiError, type Kind } from './api.ts';

/** All that reachability depends on, with the Services by which people name what they dial. */
export interface ClusterSnapshot extends Cluster {
  readonly services: readonly Service[];
}

/**
 * Reads a cluster, or some of its namespaces as if there were no others; pods are counted to the workload on top.
 * Only lists and reads.
 * @throws ApiError for what may not be read and for a namespace that is not there; Unavailable when there is no answer
 */
export async function readSnapshot(api: Api, namespaces: readonly string[] = []): Promise<ClusterSnapshot> {
  const wanted = [...new Set(namespaces)];
  const everywhere = wanted.length === 0;
  const list = async <T>(kind: Kind): Promise<T[]> =>
    (await Promise.all((everywhere ? [null] : wanted).map((name) => api.list<T>(kind, name)))).flat();
  const namespace = async (name: string): Promise<NamespaceObject> => {
    const found = await api.read<NamespaceObject>('Namespace', null, name);
    if (found === null) throw new ApiError(404, `there is no namespace ${name} in the cluster`);
    return found;
  };

  const [found, pods, replicaSets, jobs, services, policies] = await Promise.all([
    everywhere ? api.list<NamespaceObject>('Namespace', null) : Promise.all(wanted.map(namespace)),
    list<PodObject>('Pod'),
    list<PodObject>('ReplicaSet'),
    list<PodObject>('Job'),
    list<ServiceObject>('Service'),
    list<NetworkPolicy>('NetworkPolicy'),
  ]);
  const owners = ownerLookup({ replicaSets, jobs });
  return {
    namespaces: found.map(namespaceFromObject),
    pods: pods.map((pod) => podFromObject(pod, owners)),
    services: services.map(serviceFromObject),
    policies,
  };
}
