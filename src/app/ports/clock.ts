import type { Instant } from '../../domain/clocks.ts';

export interface Clock {
  now(): Instant;
  /** Why nothing may be granted by this clock now, as a phrase; null: it may. Ending goes on all the same. */
  doubt(): string | null;
}
