import type { Instant } from '../../domain/clocks.ts';
import type { ClusterName } from '../../domain/target.ts';

export interface Clock {
  now(): Instant;
  /**
   * Why nothing may be granted by this clock now, as a phrase; null: it may. Ending goes on all the same.
   * @param cluster also by the clock of this cluster, by which its leases end; left out: in no cluster
   */
  doubt(cluster?: ClusterName): string | null;
}
