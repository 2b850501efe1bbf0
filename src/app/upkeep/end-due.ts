import type { Instant } from '../../domain/clocks.ts';
import type { GrantId } from '../../domain/ids.ts';
import { inParallel } from '../common/in-parallel.ts';
import { expire } from '../grant/end.ts';
import type { World } from '../ports/world.ts';

/** How many grants are claimed at once: replicas share what is due in the same moment. */
const PORTION = 500;
/** Bindings that went last, by which the API server is asked: as many as may have gone in another order than they were answered. */
const WITNESSES = 64;
/** How many records are written at once. */
const MARKS_AT_ONCE = 16;

export interface DueRights {
  /** Takes the rights of every grant whose window has ended. Never throws; false: something failed, and what is due may still be. */
  end(): Promise<boolean>;
  /** Waits until what was begun is recorded. */
  settled(): Promise<void>;
}

/**
 * The rights of all grants that are due go first, and everything else that an ending is made of comes after: of a thousand windows that end in
 * one second the last must not wait for the words of the first. Nothing depends on it but the hour: each grant's own revocation, which is
 * scheduled beside it, does whatever was left undone here, and all the rest.
 */
export function createDueRights(world: World, onFault: (error: unknown) => void): DueRights {
  let ending: Promise<boolean> | null = null;
  const marking = new Set<Promise<void>>();

  async function endAll(): Promise<void> {
    const gone: GrantId[] = [];
    for (let taken = PORTION; taken === PORTION; ) {
      const due = await world.store.takeDue(world.clock.now(), PORTION);
      gone.push(...(await world.cluster.cutRights(due)));
      taken = due.length;
    }
    if (gone.length === 0) return;
    const at = await confirm(gone);
    const mark = markAll(gone, at).finally(() => marking.delete(mark));
    marking.add(mark);
  }

  /**
   * When the API server was seen to refuse: its authorizer learns of deletions in the order in which they were made, so that it knows of all once it
   * knows of the last.
   */
  async function confirm(gone: readonly GrantId[]): Promise<Instant> {
    const last = await Promise.all(gone.slice(-WITNESSES).map((id) => world.store.get(id)));
    const there = last.filter((grant) => grant !== null);
    await Promise.all(there.map((grant) => world.cluster.confirmRefused(grant)));
    return world.clock.now();
  }

  async function markAll(gone: readonly GrantId[], at: number): Promise<void> {
    await inParallel(gone, MARKS_AT_ONCE, (id) => expire(world, id, at)).catch(onFault);
  }

  return {
    end() {
      ending ??= endAll()
        .then(
          () => true,
          (error: unknown) => {
            onFault(error);
            return false;
          },
        )
        .finally(() => {
          ending = null;
        });
      return ending;
    },
    async settled() {
      await ending;
      await Promise.all(marking);
    },
  };
}
