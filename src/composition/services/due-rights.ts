import { setTimeout as sleep } from 'node:timers/promises';
import { sparingly } from '../../adapters/queue/sparing.ts';
import type { World } from '../../app/ports/world.ts';
import { createDueRights, type DueRights } from '../../app/upkeep/end-due.ts';
import type { Service, ServiceLog } from '../service.ts';

/** Milliseconds between two looks at which grant is due next. */
const LOOK_EVERY = 1000;

/** Ends what is due to the moment, however many jobs wait for a worker. */
export function dueRightsService({
  world,
  log,
}: {
  readonly world: World;
  readonly log: ServiceLog;
}): Service & DueRights {
  const tell = sparingly((error, times) =>
    log.warn(
      { err: error, times },
      'rights that are due could not all be taken at once: each revocation goes on by itself',
    ),
  );
  const rights = createDueRights(world, tell);
  const stopping = new AbortController();
  async function keepTime(): Promise<void> {
    while (!stopping.signal.aborted) {
      const isDone = await rights.end();
      const next = isDone ? await world.store.nextDue().catch(() => null) : null;
      // Another replica may begin a window that ends sooner.
      const wait = Math.min(LOOK_EVERY, Math.max(0, (next ?? Number.POSITIVE_INFINITY) - world.clock.now()));
      await sleep(wait, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }
  return {
    ...rights,
    start: () => void keepTime(),
    // Not waited for: what it leaves undone is done by the job of each grant, here or in another process.
    stop: () => stopping.abort(),
  };
}
