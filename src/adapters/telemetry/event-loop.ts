import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Milliseconds between two samples: what the loop was late beyond them is its delay. */
const RESOLUTION = 10;
/** Milliseconds after which what was seen begins to be forgotten; longer than any scrape is apart from the next. */
const REMEMBERED = 300_000;

type Histogram = ReturnType<typeof monitorEventLoopDelay>;

/** Seconds; of the last five to ten minutes. */
export interface LoopDelay {
  /** Nine of ten, and 99 of 100 turns of the loop came no later. */
  readonly p90: number;
  readonly p99: number;
  /** The longest time in which nothing else could run. */
  readonly longest: number;
}

/** Watches how late the event loop comes: while it is held up, no access is ended. */
export function watchEventLoop(): { delay(): LoopDelay; stop(): void } {
  const begin = () => {
    const histogram = monitorEventLoopDelay({ resolution: RESOLUTION });
    histogram.enable();
    return histogram;
  };
  let current = begin();
  let previous: Histogram | null = null;
  const timer = setInterval(() => {
    previous?.disable();
    previous = current;
    current = begin();
  }, REMEMBERED).unref();

  const worst = (of: (histogram: Histogram) => number): number => {
    const nanoseconds = [current, previous].flatMap((histogram) =>
      histogram === null || histogram.count === 0 ? [] : [of(histogram)],
    );
    return Math.max(0, ...nanoseconds.map((value) => value / 1e9 - RESOLUTION / 1000));
  };
  return {
    delay: () => ({
      p90: worst((histogram) => histogram.percentile(90)),
      p99: worst((histogram) => histogram.percentile(99)),
      longest: worst((histogram) => histogram.max),
    }),
    stop() {
      clearInterval(timer);
      current.disable();
      previous?.disable();
    },
  };
}
