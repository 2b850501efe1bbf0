/** Work by keys, each some time after it was asked for, so that what changes together is one piece of work. */
export interface Agenda<K> {
  /** Has the key worked on in so many milliseconds; sooner, where that was asked for before. */
  ask(key: K, after: number): void;
  /** Begins nothing any more. */
  stop(): void;
}

/**
 * A key is worked on by one hand at a time: what is asked for while it is being worked on is done once more after that.
 * @param hands how many keys are worked on at once
 */
export function createAgenda<K>(
  hands: number,
  work: (key: K) => Promise<void>,
  onFault: (error: unknown) => void,
): Agenda<K> {
  const settling = new Map<K, { readonly at: number; readonly timer: NodeJS.Timeout }>();
  const due = new Set<K>();
  const busy = new Set<K>();
  let isStopped = false;

  async function workOn(key: K): Promise<void> {
    due.delete(key);
    busy.add(key);
    try {
      await work(key);
    } catch (error) {
      onFault(error);
    }
    busy.delete(key);
    begin();
  }

  function begin(): void {
    for (const key of due) {
      if (busy.size === hands) return;
      if (!busy.has(key)) void workOn(key);
    }
  }

  return {
    ask(key, after) {
      // What was being worked on when it was stopped may ask for more.
      if (isStopped || due.has(key)) return;
      const at = performance.now() + after;
      const earlier = settling.get(key);
      if (earlier !== undefined && earlier.at <= at) return;
      clearTimeout(earlier?.timer);
      const settled = () => {
        settling.delete(key);
        due.add(key);
        begin();
      };
      settling.set(key, { at, timer: setTimeout(settled, after) });
    },
    stop() {
      isStopped = true;
      for (const { timer } of settling.values()) clearTimeout(timer);
      settling.clear();
      due.clear();
    },
  };
}
