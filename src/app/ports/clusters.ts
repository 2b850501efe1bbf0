import type { ClusterName } from '../../domain/target.ts';
import type { ClusterAccess } from './cluster-access.ts';

/** Where something is: the name of its cluster in the policy. */
export interface InCluster {
  readonly cluster: ClusterName;
}

/** All clusters, each by the same port; none knows of the others. An installation with one cluster has a single one, without a name. */
export interface Clusters {
  /** Those that are connected, in the policy's order. */
  readonly names: readonly ClusterName[];
  /** Namespaces that no request can name, in no cluster: Drawbridge's own. */
  readonly closedNamespaces: readonly string[];
  /**
   * The cluster in which something is. Of one that is not connected (any more) every question and every step is Unavailable, so that what is there is
   * ended by its leases.
   */
  of(place: InCluster): ClusterAccess;
  /** Whether something is in the cluster of that name: what was made before clusters had names is in the bot's own. */
  isIn(name: ClusterName, place: InCluster): boolean;
}
