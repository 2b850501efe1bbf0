import { isOfNewerVersion, mayPass } from '../../app/common/faults.ts';
import type { World } from '../../app/ports/world.ts';
import { createLookout, takesSpan } from '../../app/upkeep/lookout.ts';
import { reconcileRequests } from '../../app/upkeep/reconcile-requests.ts';
import { every, type Service, type ServiceLog } from '../service.ts';

/** Milliseconds between two looks at all requests that wait. */
const LOOK_EVERY = 30_000;

/** Holds the requests that wait against the schedule: at the start, and from time to time in turn with the other replicas. */
export function requestsService({ world, log }: { readonly world: World; readonly log: ServiceLog }): Service {
  const couldNotLook = (error: unknown) => log.warn({ err: error }, 'the requests that wait could not be looked at');
  const onFault = (error: unknown) =>
    mayPass(error) || isOfNewerVersion(error)
      ? couldNotLook(error)
      : log.error({ err: error }, 'a request that waits met a fault');
  const lookout = createLookout({
    claim: () => takesSpan(world.store, 'requests', LOOK_EVERY),
    work: () => reconcileRequests(world, onFault),
  });
  const turns = every(LOOK_EVERY, () => lookout.turn(), couldNotLook);
  return {
    start() {
      // Not waited for: nobody has access by them.
      void lookout.look().catch(couldNotLook);
      turns.start();
    },
    stop: () => turns.stop(),
  };
}
