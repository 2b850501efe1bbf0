import type { ClusterAccess } from '../../src/app/ports/cluster-access.ts';
import type { Clusters } from '../../src/app/ports/clusters.ts';
import type { ClusterName } from '../../src/domain/target.ts';

/** Clusters by their names; `oneCluster` is that of an installation whose cluster has none. */
export function clustersOf(byName: ReadonlyMap<ClusterName, ClusterAccess>): Clusters {
  return {
    names: [...byName.keys()],
    closedNamespaces: [...byName.values()].flatMap(({ closedNamespaces }) => closedNamespaces),
    of({ cluster }) {
      const access = byName.get(cluster);
      if (access === undefined) throw new Error(`the test has no cluster ${cluster}`);
      return access;
    },
    isIn: (name, { cluster }) => name === cluster,
  };
}

export const oneCluster = (access: ClusterAccess): Clusters => clustersOf(new Map([[null, access]]));
