import type { Clock } from '../../app/ports/clock.ts';
import type { Instant } from '../../domain/clocks.ts';
import { type Clocks, clockDoubt, doubtOfCluster, middleOf, SAME_TIME, timeBelieved } from '../../domain/clocks.ts';
import type { ClusterName } from '../../domain/target.ts';

/** A reading that took longer says too little to take the place of one that is there: milliseconds. */
const LONGEST_READING = 1000;
/** A reading that is younger is good enough: milliseconds. */
const FRESH = 10_000;
/** So seldom the API server is asked, where no other answer of it came: milliseconds. */
const SELDOM = 5 * 60_000;

/** By how much what an API server says is behind, on average: milliseconds. */
const MIDDLE_OF_SECOND = 500;

/** What a server's clock says. @throws when it does not answer */
type Ask = () => Promise<Instant>;

export interface ServerClocks {
  /** Redis' TIME, exact. */
  readonly redis: Ask;
  /** The Date of the API server, cut to whole seconds; of several clusters by their names. */
  readonly kubernetes: Ask | ReadonlyMap<ClusterName, Ask>;
}

/** What is known of a server's clock. */
interface Reading {
  readonly ask: Ask;
  /** By how much it is behind, on average: milliseconds. */
  readonly behind: number;
  /** Its time when the monotonic clock was at 0. */
  origin: number | null;
  /** When something was heard of it. */
  heardAt: number;
}

export interface ProcessClock extends Clock {
  /**
   * Asks Redis for its time, and an API server where nothing was heard of its time for minutes, or where the time is in doubt. One that does
   * not answer keeps the one that it had. Never throws.
   */
  measure(): Promise<void>;
  /** The Date of an answer of this cluster's API server that came by now, after so many milliseconds. */
  heard(said: Instant, took: number, cluster?: ClusterName): void;
  /** The three clocks now. */
  clocks(): Clocks;
  /** That of this cluster; null: not known. */
  clockOf(cluster: ClusterName): Instant | null;
  /** A time that the API server of this cluster wrote, as the time that we go by. */
  fromKubernetes(at: Instant, cluster?: ClusterName): Instant;
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
  const reading = (ask: Ask, behind: number): Reading => ({ ask, behind, origin: null, heardAt: -Infinity });
  const redis = reading(servers.redis, 0);
  const asked = typeof servers.kubernetes === 'function' ? new Map([[null, servers.kubernetes]]) : servers.kubernetes;
  const clusters = new Map([...asked].map(([name, ask]) => [name, reading(ask, MIDDLE_OF_SECOND)]));

  /** It was read somewhere between question and answer. */
  function take(server: Reading, said: Instant, took: number): void {
    if (took > LONGEST_READING && server.origin !== null) return;
    server.heardAt = monotonic();
    server.origin = said + server.behind - (monotonic() - took / 2);
  }

  async function read(server: Reading): Promise<void> {
    const sent = monotonic();
    const said = await server.ask().catch(() => null);
    if (said !== null) take(server, said, monotonic() - sent);
  }

  const timeOf = ({ origin }: Reading): Instant | null => (origin === null ? null : Math.round(origin + monotonic()));
  const clockOf = (cluster: ClusterName) => {
    const known = clusters.get(cluster);
    return known === undefined ? null : timeOf(known);
  };

  const clocks = (): Clocks => {
    const [mine, shared] = [own(), timeOf(redis)];
    const known = [...clusters.values()].flatMap((server) => timeOf(server) ?? []);
    return { own: mine, redis: shared, kubernetes: middleOf(known, shared ?? mine) };
  };

  const now = (): Instant => timeBelieved(clocks());

  /** Of one cluster, where there are others. Of the only one it is among the three. */
  function doubtIn(cluster: ClusterName): string | null {
    const at = clockOf(cluster);
    return cluster === null || at === null || clusters.size === 1 ? null : doubtOfCluster(cluster, at, now());
  }
  const doubt = (cluster: ClusterName = null) => clockDoubt(clocks()) ?? doubtIn(cluster);

  return {
    now,
    doubt,
    clocks,
    clockOf,
    async measure() {
      const isDue = ([name, { heardAt }]: [ClusterName, Reading]) =>
        monotonic() - heardAt >= SELDOM || doubt(name) !== null;
      const due = [...clusters].filter(isDue).map(([, server]) => server);
      await Promise.all([redis, ...due].map(read));
    },
    heard(said, took, cluster = null) {
      const server = clusters.get(cluster);
      if (server !== undefined && monotonic() - server.heardAt >= FRESH) take(server, said, took);
    },
    fromKubernetes(at, cluster = null) {
      const theirs = clockOf(cluster);
      const ahead = theirs === null ? 0 : theirs - now();
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
