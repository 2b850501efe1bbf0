import { formatDuration } from './duration.ts';

/** Milliseconds since the epoch. */
export type Instant = number;

/** What three clocks say in one and the same moment; null: that one is not known yet. */
export interface Clocks {
  /** Of the machine that this process runs on. */
  readonly own: Instant;
  readonly redis: Instant | null;
  /** Of the API server, by which leases end; of several clusters the {@link middleOf} them. It tells whole seconds. */
  readonly kubernetes: Instant | null;
}

/** Clocks that differ by less are the same one, read with the error that reading over a network has: milliseconds. */
export const SAME_TIME = 2000;
/** Clocks that differ by more are wrong, at least one of them: milliseconds. */
const WRONG = 30_000;

const isSame = (a: Instant, b: Instant): boolean => Math.abs(a - b) <= SAME_TIME;

/**
 * The time to go by. Of three clocks the middle one is believed: one that is wrong, whichever it is, is never that. Of two, the server's.
 * The own clock is left alone while it is as good; else Redis' takes its place, which all replicas have in common and which is exact.
 */
export function timeBelieved({ own, redis, kubernetes }: Clocks): Instant {
  const believed =
    redis === null || kubernetes === null
      ? (redis ?? kubernetes ?? own)
      : ([own, redis, kubernetes].toSorted((a, b) => a - b)[1] ?? own);
  if (isSame(own, believed)) return own;
  return redis !== null && isSame(redis, believed) ? redis : believed;
}

/**
 * The clock of most clusters: the middle one; of two in the middle the one nearer to another clock, so that one cluster whose clock is off is not
 * believed. Null: none is known.
 */
export function middleOf(clusters: readonly Instant[], another: Instant): Instant | null {
  const sorted = clusters.toSorted((a, b) => a - b);
  const [lower, upper] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  if (lower === undefined || upper === undefined) return null;
  return Math.abs(lower - another) <= Math.abs(upper - another) ? lower : upper;
}

/** Why nothing may be granted in a cluster by its clock, as a phrase for people; null: it may, as far as that goes. */
export function doubtOfCluster(name: string, at: Instant, believed: Instant): string | null {
  const off = at - believed;
  return Math.abs(off) > WRONG
    ? `the clock of cluster ${name} is ${length(off)} ${off > 0 ? 'ahead' : 'behind'}`
    : null;
}

/** Why nothing may be granted by these clocks, as a phrase for people; null: it may. */
export function clockDoubt(clocks: Clocks): string | null {
  const { own, redis, kubernetes } = clocks;
  if (redis !== null && kubernetes !== null && Math.abs(redis - kubernetes) > WRONG)
    return `the clocks of Redis and of the API server differ by ${length(redis - kubernetes)}`;
  const off = own - timeBelieved(clocks);
  return Math.abs(off) > WRONG ? `the clock of this replica is ${length(off)} ${off > 0 ? 'ahead' : 'behind'}` : null;
}

const length = (milliseconds: number): string => formatDuration(Math.abs(milliseconds) / 1000);

/** By how much the own clock is ahead of each server's; null: not known. */
export function secondsAhead({ own, redis, kubernetes }: Clocks): Record<'redis' | 'kubernetes', number | null> {
  const ahead = (other: Instant | null) => (other === null ? null : (own - other) / 1000);
  return { redis: ahead(redis), kubernetes: ahead(kubernetes) };
}
