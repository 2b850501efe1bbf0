import type { Followed } from '../../app/follow-workloads.ts';
import { createLookout } from '../../app/lookout.ts';
import type { World } from '../../app/ports.ts';
import { reconcile } from '../../app/reconcile.ts';
import { every, type Service, type ServiceLog } from '../service.ts';

/** Milliseconds between two looks at the cluster. */
const LOOK_EVERY = 30_000;

/** Holds what is recorded and what is in the cluster against each other: at the start, and from time to time in turn with the other replicas. */
export function reconcileService({
  world,
  followers,
  log,
}: {
  readonly world: World;
  /** Not waited for: no right outlives its window by it. */
  readonly followers: { follow(all: Followed): void };
  readonly log: ServiceLog;
}): Service & { trouble(): string | null } {
  const lookout = createLookout({
    // One replica looks in each span of time.
    claim: () => world.store.firstTime(`reconcile ${Math.floor(Date.now() / LOOK_EVERY)}`, 60),
    work: async () =>
      followers.follow(await reconcile(world, (error) => log.error({ err: error }, 'reconcile met a fault'))),
    leave: () => followers.follow(new Map()),
  });
  const couldNotLook = (error: unknown) =>
    log.warn({ err: error }, 'reconcile could not look at the cluster or the grants');
  const turns = every(LOOK_EVERY, () => lookout.turn(), couldNotLook);
  return {
    trouble: () => (lookout.hasLooked ? null : 'not held against the cluster yet'),
    async start() {
      await lookout.look().catch(couldNotLook);
      turns.start();
    },
    stop: () => turns.stop(),
  };
}
