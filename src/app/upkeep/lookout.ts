import type { GrantStore } from '../ports/grant-store.ts';

/** Looks around from time to time, in turn with the other replicas. */
export interface Lookout {
  /** Looks now; whoever asks while it does gets that look. @throws what the work throws */
  look(): Promise<void>;
  /**
   * Looks when nobody else has taken this span of time. A replica that could not look the last time, or still does, takes none from the
   * others, and looks beside them: else one that alone is cut off from the cluster would keep all of them from looking.
   */
  turn(): Promise<void>;
  /** It has looked at least once. */
  readonly hasLooked: boolean;
}

/** Replicas take turns: true for the first that asks in this span of so many milliseconds. */
export function takesSpan(store: Pick<GrantStore, 'firstTime'>, what: string, milliseconds: number): Promise<boolean> {
  return store.firstTime(`${what} ${Math.floor(Date.now() / milliseconds)}`, (2 * milliseconds) / 1000);
}

/** @param claim true for the first who asks in this span of time */
export function createLookout(options: {
  readonly claim: () => Promise<boolean>;
  readonly work: () => Promise<void>;
}): Lookout {
  let running: Promise<void> | undefined;
  let sound = false;
  let hasLooked = false;
  async function lookOnce(): Promise<void> {
    sound = false;
    try {
      await options.work();
      sound = true;
      hasLooked = true;
    } finally {
      running = undefined;
    }
  }
  const look = () => (running ??= lookOnce());
  return {
    look,
    async turn() {
      if (running !== undefined) return;
      if (!sound || (await options.claim())) await look();
    },
    get hasLooked() {
      return hasLooked;
    },
  };
}
