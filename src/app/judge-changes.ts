import type { Found, World } from './ports.ts';
import { reconcileGrant } from './reconcile.ts';

/** What is written together settles for so long before it is judged, and what is being applied is judged again after this: milliseconds. */
const SETTLE = 300;
const AGAIN = 1000;
/** How many grants are judged at once. */
const HANDS = 8;

/** Holds the grants of changed objects against their records, each soon after its change. */
export interface ChangeJudge {
  /** Objects that carry this id ('': none) have changed. */
  changed(id: string): void;
  stop(): void;
}

/** @param onFault what fails is left to the next look at everything */
export function createChangeJudge(
  world: World,
  objectsOf: (id: string) => readonly Found[],
  onFault: (error: unknown) => void,
): ChangeJudge {
  const settling = new Map<string, NodeJS.Timeout>();
  const due = new Set<string>();
  let hands = 0;
  let isStopped = false;

  function after(milliseconds: number, id: string): void {
    // What was being judged when it was stopped would come back otherwise.
    if (isStopped || settling.has(id)) return;
    const settled = () => {
      settling.delete(id);
      due.add(id);
      void work();
    };
    settling.set(id, setTimeout(settled, milliseconds));
  }

  async function work(): Promise<void> {
    if (hands === HANDS) return;
    hands++;
    for (const id of due) {
      due.delete(id);
      try {
        // The objects first: a record that is read after them is no older.
        if ((await reconcileGrant(world, id, objectsOf(id))) === 'unsettled') after(AGAIN, id);
      } catch (error) {
        onFault(error);
      }
    }
    hands--;
  }

  return {
    changed: (id) => after(SETTLE, id),
    stop() {
      isStopped = true;
      for (const timer of settling.values()) clearTimeout(timer);
      settling.clear();
      due.clear();
    },
  };
}
