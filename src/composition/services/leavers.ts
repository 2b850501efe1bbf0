import { setTimeout as sleep } from 'node:timers/promises';
import type { World } from '../../app/ports/world.ts';
import { endForLeavers } from '../../app/upkeep/leavers.ts';
import { takesSpan } from '../../app/upkeep/lookout.ts';
import { createPeopleChanges, type PeopleChanges } from '../../app/upkeep/people-changes.ts';
import { every, type Service, type ServiceLog } from '../service.ts';

/** Milliseconds between two looks for people who have left while something of theirs is open. */
const LOOK_EVERY = 600_000;

/** Ends what people who have left have open: as soon as Slack hints at it (`heard`), and from time to time, for what no hint told. */
export function leaversService({
  world,
  log,
}: {
  readonly world: World;
  readonly log: ServiceLog;
}): Service & Pick<PeopleChanges, 'heard'> {
  const couldNotLook = (error: unknown) => log.warn({ err: error }, 'who has left could not be looked at');
  const changes = createPeopleChanges(world, couldNotLook, (milliseconds, signal) =>
    sleep(milliseconds, undefined, { signal }).catch(() => {}),
  );
  async function look(): Promise<void> {
    if (await takesSpan(world.store, 'leavers', LOOK_EVERY)) await endForLeavers(world, couldNotLook);
  }
  const looks = every(LOOK_EVERY, look, couldNotLook);
  return {
    heard: (change) => changes.heard(change),
    start() {
      // Not waited for: no end that is due waits for it.
      void look().catch(couldNotLook);
      looks.start();
    },
    stop() {
      looks.stop();
      changes.stop();
    },
  };
}
