import type { Policy } from '../../domain/policy/policy.ts';

/** The policy in force: the last good file. */
export interface PolicySource {
  current(): Policy;
  /** Why a profile is not offered now (it needs rights that the bot does not have), or null. */
  disabled(profile: string): string | null;
}
