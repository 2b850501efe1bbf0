import type { Clock } from '../../app/ports/clock.ts';
import type { Instant } from '../../domain/clocks.ts';
import { type Clocks, clockDoubt, SAME_TIME, timeBelieved } from '../../domain/clocks.ts';

/** A reading that took longer says too little to take the place of one that is there: milliseconds. */
const LONGEST_READING = 1000;
/** A reading that is younger is good enough: milliseconds. */
const FRESH = 10_000;
/** So seldom the API server is asked, where no other answer of it came: milliseconds. */
const SELDOM = 5 * 60_000;

/** By how much what it says is behind, on average: milliseconds. */
const MIDDLE: Record<keyof ServerClocks, number> = { redis: 0, kubernetes: 500 };

export interface ServerClocks {
  /** Redis' TIME, exact. @throws when it does not answer */
  redis(): Promise<Instant>;
  /** The Date of the API server, cut to whole seconds. @throws when it does not answer */
  kubernetes(): Promise<Instant>;
}

export interface ProcessClock extends Clock {
  /**
   * Asks Redis for its time, and the API server where nothing was heard of its time for minutes, or where the time is in doubt. One that does
   * not answer keeps the one that it had. Never throws.
   */
  measure(): Promise<void>;
  /** The Date of an answer of the API server that came by now, after so many milliseconds. */
  heard(said: Instant, took: number): void;
  /** The three clocks now. */
  clocks(): Clocks;
  /** A time that the API server wrote, as the time that we go by. */
  fromKubernetes(at: Instant): Instant;
  /** Makes this the clock of the whole process (`Date.now`). Answers what takes that back. */
  install(): () => void;
}

/**
 * The time that we go by (domain/clocks.ts). What a server said is kept against the monotonic clock of the process, so that a step of the
 * machine's own clock is seen at once, not only at the next reading.
 */
export function createClock(
  servers: ServerClocks,
  { own, monotonic }: { own: () => Instant; monotonic: () => number } = {
    own: Date.now,
    monotonic: () => performance.now(),
  },
): ProcessClock {
  /** A server's time when the monotonic clock was at 0. */
  const origins: Record<keyof ServerClocks, number | null> = { redis: null, kubernetes: null };
  /** When something was heard of the time of the API server. */
  let heardAt = -Infinity;

  /** It was read somewhere between question and answer. */
  function take(server: keyof ServerClocks, said: Instant, took: number): void {
    if (took > LONGEST_READING && origins[server] !== null) return;
    if (server === 'kubernetes') heardAt = monotonic();
    origins[server] = said + MIDDLE[server] - (monotonic() - took / 2);
  }

  async function read(server: keyof ServerClocks): Promise<void> {
    const sent = monotonic();
    const said = await servers[server]().catch(() => null);
    if (said !== null) take(server, said, monotonic() - sent);
  }

  const clocks = (): Clocks => {
    const elapsed = monotonic();
    const of = (origin: number | null) => (origin === null ? null : Math.round(origin + elapsed));
    return { own: own(), redis: of(origins.redis), kubernetes: of(origins.kubernetes) };
  };

  const now = (): Instant => timeBelieved(clocks());
  return {
    now,
    doubt: () => clockDoubt(clocks()),
    clocks,
    async measure() {
      const isAsked = monotonic() - heardAt >= SELDOM || clockDoubt(clocks()) !== null;
      await Promise.all([read('redis'), ...(isAsked ? [read('kubernetes')] : [])]);
    },
    heard(said, took) {
      if (monotonic() - heardAt >= FRESH) take('kubernetes', said, took);
    },
    fromKubernetes(at) {
      const { kubernetes } = clocks();
      const ahead = kubernetes === null ? 0 : kubernetes - now();
      return Math.abs(ahead) <= SAME_TIME ? at : at - ahead;
    },
    install() {
      const { now: before } = Date;
      // BullMQ takes no clock: what is due it works out by the one of the process, for every replica.
      Date.now = now;
      return () => {
        Date.now = before;
      };
    },
  };
}
