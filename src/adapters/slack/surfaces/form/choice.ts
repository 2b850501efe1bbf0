import type { Instant } from '../../../../domain/clocks.ts';
import type { Kit } from '../../../../domain/rights/kits.ts';

/** What has been chosen and typed so far. */
export interface Choice {
  /** Left out: there is no choice, or none was made. */
  readonly cluster?: string;
  readonly profile: string | null;
  readonly namespace: string | null;
  /** `deployment/checkout`, in the namespace above. */
  readonly target?: string | null;
  readonly node?: string | null;
  /** Fewer of the profile's rights in words. */
  readonly rights?: readonly Kit[];
  readonly duration?: string | null;
  /** When it is to begin. */
  readonly start?: Instant | null;
  readonly ticket?: string | null;
  readonly reason?: string | null;
}

export const NOTHING_CHOSEN: Choice = { profile: null, namespace: null };
