import type { ProcessClock } from '../adapters/clock/clock.ts';
import { secondsAhead } from '../domain/clocks.ts';
import type { ClusterName } from '../domain/target.ts';

/** By how much the own clock is ahead of one server's. */
export interface Ahead {
  readonly of: 'redis' | 'kubernetes';
  readonly cluster: ClusterName;
  /** Null: not known. */
  readonly seconds: number | null;
}

/** By how much the own clock is ahead of Redis', and of that of each cluster. */
export function clocksAhead(
  clock: Pick<ProcessClock, 'clocks' | 'clockOf'>,
  clusters: readonly { readonly name: ClusterName }[],
): Ahead[] {
  const clocks = clock.clocks();
  const { redis } = secondsAhead(clocks);
  return [
    { of: 'redis', cluster: null, seconds: redis },
    ...clusters.map(({ name }): Ahead => {
      const { kubernetes } = secondsAhead({ ...clocks, kubernetes: clock.clockOf(name) });
      return { of: 'kubernetes', cluster: name, seconds: kubernetes };
    }),
  ];
}
