import type { Policy } from '../../domain/policy/policy.ts';
import type { ClusterName } from '../../domain/target.ts';

/** The policy in force: the last good file. */
export interface PolicySource {
  current(): Policy;
  /** Why a profile is not offered now in this cluster (it needs rights that the bot does not have there), or null. */
  disabled(profile: string, cluster: ClusterName): string | null;
}
