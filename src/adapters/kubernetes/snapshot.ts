import {
  type NamespaceObject,
  namespaceFromObject,
  type OwnerLookup,
  type OwnerObject,
  ownerLookup,
  type ServiceObject,
  serviceFromObject,
} from '../../network/objects.ts';
import type { Cluster, NetworkPolicy, Service } from '../../network/types.ts';
import { type Api, ApiError, type Kind, type ListOptions } from './api.ts';
import { type KubePod, keepPods, keepPolicies } from './projection.ts';

/** All that reachability depends on, with the Services by which people name what they dial. */
export interface ClusterSnapshot extends Cluster {
  readonly services: readonly Service[];
}

/**
 * Reads a cluster, or some of its namespaces as if there were no others; pods are counted to the workload on top.
 * Only lists and reads; of each page only what reachability depends on is kept.
 * @throws ApiError for what may not be read and for a namespace that is not there; Unavailable when there is no answer
 */
export async function readCluster(api: Api, namespaces: readonly string[] = []): Promise<Cluster> {
  const list = lister(api, namespaces);
  const [found, owners, policies] = await Promise.all([
    readNamespaces(api, namespaces),
    readOwners(list),
    list<NetworkPolicy, NetworkPolicy>('NetworkPolicy', { keep: keepPolicies() }),
  ]);
  // After what stands between pods and their workloads, so that a page of them is done with at once.
  const pods = await list<KubePod, Cluster['pods'][number]>('Pod', { keep: keepPods(owners) });
  return { namespaces: found, pods, policies };
}

/** {@link readCluster}, with its Services. */
export async function readSnapshot(api: Api, namespaces: readonly string[] = []): Promise<ClusterSnapshot> {
  const services = lister(api, namespaces)('Service', {
    keep: (page: readonly ServiceObject[]) => page.map(serviceFromObject),
  });
  const [cluster, found] = await Promise.all([readCluster(api, namespaces), services]);
  return { ...cluster, services: found };
}

type List = <T, R>(kind: Kind, options: ListOptions<T, R>) => Promise<R[]>;

/** Lists of some namespaces; none: of all. */
function lister(api: Api, namespaces: readonly string[]): List {
  const wanted = namespaces.length === 0 ? [null] : [...new Set(namespaces)];
  return async (kind, options) => (await Promise.all(wanted.map((name) => api.list(kind, name, options)))).flat();
}

async function readNamespaces(api: Api, namespaces: readonly string[]): Promise<Cluster['namespaces']> {
  if (namespaces.length === 0)
    return api.list('Namespace', null, {
      metadataOnly: true,
      keep: (page: readonly NamespaceObject[]) => page.map(namespaceFromObject),
    });
  const found = [...new Set(namespaces)].map(async (name) => {
    const object = await api.read<NamespaceObject>('Namespace', null, name);
    if (object === null) throw new ApiError(404, `there is no namespace ${name} in the cluster`);
    return namespaceFromObject(object);
  });
  return Promise.all(found);
}

/** Of each ReplicaSet and Job what is on top of it. */
async function readOwners(list: List): Promise<OwnerLookup> {
  const top = (page: readonly OwnerObject[]): OwnerObject[] =>
    page.flatMap(({ metadata: { name, namespace, ownerReferences } = {} }) =>
      ownerReferences === undefined ? [] : [{ metadata: { name, namespace, ownerReferences } }],
    );
  const [replicaSets, jobs] = await Promise.all([
    list('ReplicaSet', { metadataOnly: true, keep: top }),
    list('Job', { metadataOnly: true, keep: top }),
  ]);
  return ownerLookup({ replicaSets, jobs });
}
