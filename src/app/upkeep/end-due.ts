import type { Instant } from '../../domain/clocks.ts';
import type { GrantSummary } from '../../domain/grant/summary.ts';
import type { GrantId } from '../../domain/ids.ts';
import { inParallel } from '../common/in-parallel.ts';
import { expire } from '../grant/end.ts';
import type { ClusterAccess } from '../ports/cluster-access.ts';
import type { World } from '../ports/world.ts';

/** How many grants are claimed at once: replicas share what is due in the same moment. */
const PORTION = 500;
/** Bindings that went last, by which the API server is asked: as many as may have gone in another order than they were answered. */
const WITNESSES = 64;
/** For so long a cluster is waited for while there are others: milliseconds. */
const PATIENCE = 1000;
/** How many records are written at once. */
const MARKS_AT_ONCE = 16;

const patience = (): Promise<true> =>
  new Promise((resolve) => {
    setTimeout(() => resolve(true), PATIENCE).unref();
  });

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
export function createDueRights(world: World, onFault: (error: unknown) => void, portion = PORTION): DueRights {
  let ending: Promise<boolean> | null = null;
  const marking = new Set<Promise<void>>();
  /** The deletions that run in each cluster. */
  const busy = new Map<ClusterAccess, Promise<unknown>>();

  /** Answers whether everything went well. */
  async function endAll(): Promise<boolean> {
    const isCut = Promise.withResolvers<void>();
    const confirmed: Promise<boolean>[] = [];
    try {
      for (let taken = portion; taken === portion; ) {
        const due = await world.store.takeDue(world.clock.now(), portion);
        const places = Map.groupBy(due, (one) => world.clusters.of(one));
        const hands = [...places].map(([cluster, grants]) => endIn(cluster, grants, isCut.promise));
        confirmed.push(...hands.map((hand) => hand.confirmed));
        await Promise.all(hands.map((hand) => hand.cut));
        taken = due.length;
      }
    } finally {
      isCut.resolve();
    }
    return (await Promise.all(confirmed)).every(Boolean);
  }

  /**
   * Cuts these after what is being cut in this cluster already, asks the API server about them, and marks them once all that is due is cut
   * (`isCut`): written meanwhile, the records would take the time of the next deletions. Answers what to wait for: where there are several
   * clusters, not for one that does not answer, since the windows in the others end meanwhile.
   */
  function endIn(cluster: ClusterAccess, grants: readonly GrantSummary[], isCut: Promise<void>) {
    const before = busy.get(cluster);
    const cut = Promise.resolve(before).then(() => cluster.cutRights(grants));
    const settled = cut
      .catch(() => {})
      .finally(() => {
        if (busy.get(cluster) === settled) busy.delete(cluster);
      });
    busy.set(cluster, settled);
    const confirmed = cut
      .then(async (gone) => {
        if (gone.length === 0) return true;
        const at = await confirm(gone);
        const mark = isCut.then(() => markAll(gone, at)).finally(() => marking.delete(mark));
        marking.add(mark);
        return true;
      })
      .catch((error: unknown) => {
        onFault(error);
        return false;
      });
    if (world.clusters.names.length === 1) return { cut: settled, confirmed };
    if (before !== undefined) return { cut: Promise.resolve(), confirmed: Promise.resolve(true) };
    return { cut: Promise.race([settled, patience()]), confirmed: Promise.race([confirmed, patience()]) };
  }

  /**
   * When the API server was seen to refuse: its authorizer learns of deletions in the order in which they were made, so that it knows of all once it
   * knows of the last.
   */
  async function confirm(gone: readonly GrantId[]): Promise<Instant> {
    const last = await Promise.all(gone.slice(-WITNESSES).map((id) => world.store.get(id)));
    const there = last.filter((grant) => grant !== null);
    await Promise.all(there.map((grant) => world.clusters.of(grant).confirmRefused(grant)));
    return world.clock.now();
  }

  async function markAll(gone: readonly GrantId[], at: number): Promise<void> {
    await inParallel(gone, MARKS_AT_ONCE, (id) => expire(world, id, at)).catch(onFault);
  }

  return {
    end() {
      ending ??= endAll()
        .catch((error: unknown) => {
          onFault(error);
          return false;
        })
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
