import type { Clock } from '../../app/ports.ts';
import type { Instant } from '../../domain/clocks.ts';
import { type Clocks, clockDoubt, SAME_TIME, timeBelieved } from '../../domain/clocks.ts';

/** A reading that took longer says too little to take the place of one that is there: milliseconds. */
const LONGEST_READING = 1000;

export interface ServerClocks {
  /** Redis' TIME, exact. @throws when it does not answer */
  redis(): Promise<Instant>;
  /** The Date of the API server, cut to whole seconds. @throws when it does not answer */
  kubernetes(): Promise<Instant>;
}

export interface ProcessClock extends Clock {
  /** Asks the servers for their time. One that does not answer keeps the one that it had. Never throws. */
  measure(): Promise<void>;
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

  async function read(server: keyof ServerClocks, middle: number): Promise<void> {
    const sent = monotonic();
    const said = await servers[server]().catch(() => null);
    const took = monotonic() - sent;
    if (said === null || (took > LONGEST_READING && origins[server] !== null)) return;
    // It was read somewhere between question and answer.
    origins[server] = said + middle - (sent + took / 2);
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
      await Promise.all([read('redis', 0), read('kubernetes', 500)]);
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
