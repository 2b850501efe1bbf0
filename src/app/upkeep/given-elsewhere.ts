import { holdsAccess } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { ClusterName } from '../../domain/target.ts';
import type { World } from '../ports/world.ts';

/** After a window has been over for so long, in milliseconds, its lease has ended it wherever it is. */
const SURELY_OVER = 86_400_000;

/**
 * The open grants of a cluster, by its name in the policy, that were given in another one than the one to which the name leads now: in that one they
 * can be ended by nobody.
 * @param uid of `kube-system` in the cluster to which the name leads
 */
export async function givenElsewhere(
  { store, clusters, clock }: Pick<World, 'store' | 'clusters' | 'clock'>,
  cluster: ClusterName,
  uid: string,
): Promise<GrantId[]> {
  // One that changes meanwhile may come twice.
  const found = new Set<GrantId>();
  for await (const portion of store.summaries('not pending'))
    for (const summary of portion) {
      const { id, state, clusterUid, expiresAt } = summary;
      if (!holdsAccess(state) || clusterUid === '' || clusterUid === uid) continue;
      if (clusters.isIn(cluster, summary) && (expiresAt ?? 0) + SURELY_OVER > clock.now()) found.add(id);
    }
  return [...found];
}
