import { setTimeout as sleep } from 'node:timers/promises';
import type { Ages } from '../../adapters/kubernetes/model/reflector.ts';
import { isOfNewerVersion, mayPass } from '../../app/common/faults.ts';
import type { Lack } from '../../app/ports/conditions.ts';
import type { OwnObjects, OwnObjectsListener } from '../../app/ports/own-objects.ts';
import type { World } from '../../app/ports/world.ts';
import type { Follower } from '../../app/upkeep/follower.ts';
import { createChangeJudge } from '../../app/upkeep/judge-changes.ts';
import { createLookout, takesSpan } from '../../app/upkeep/lookout.ts';
import { reconcile } from '../../app/upkeep/reconcile.ts';
import type { ClusterName } from '../../domain/target.ts';
import { every, type Service, type ServiceLog } from '../service.ts';

export type WatchedObjects = OwnObjects & { ages(): Ages };

/** Milliseconds between two looks at all grants. */
const LOOK_EVERY = 30_000;
/** For how long the first list of everything of ours is waited for at the start: milliseconds. */
const LISTED_WITHIN = 10_000;

/**
 * Holds what is recorded and what is in the cluster against each other: each grant when its objects change, and all of them at the start, after
 * each gap in what is heard of the cluster, and from time to time in turn with the other replicas.
 */
export function reconcileService({
  world,
  cluster = null,
  watchOwn,
  follower,
  log,
}: {
  readonly world: World;
  readonly cluster?: ClusterName;
  readonly watchOwn: (listener: OwnObjectsListener) => WatchedObjects;
  readonly follower: Pick<Follower, 'ids' | 'follows' | 'follow' | 'followAll' | 'leave'>;
  readonly log: ServiceLog;
}): Service & { trouble(): string | null; lack(): Lack | null; ages(): Ages } {
  const couldNotLook = (error: unknown) =>
    log.warn({ err: error }, 'reconcile could not look at the cluster or the grants');
  const notReconciled = (error: unknown) =>
    mayPass(error) || isOfNewerVersion(error)
      ? couldNotLook(error)
      : log.error({ err: error }, 'reconcile met a fault');
  const listed = Promise.withResolvers<void>();
  const stopping = new AbortController();
  let own: WatchedObjects | undefined;
  function known(): WatchedObjects {
    if (own === undefined) throw new Error('it has not been started');
    return own;
  }

  const judge = createChangeJudge(
    world,
    cluster,
    (id) => known().of(id),
    (grant) => follower.follow(grant),
    notReconciled,
  );
  const lookout = createLookout({
    claim: () => takesSpan(world.store, cluster === null ? 'reconcile' : `reconcile ${cluster}`, LOOK_EVERY),
    work: () => reconcile(world, cluster, known(), follower, notReconciled),
  });
  const turns = every(LOOK_EVERY, () => lookout.turn(), couldNotLook);
  return {
    trouble: () => (lookout.hasLooked ? null : 'not held against the cluster yet'),
    /** What is lacking once it has looked: until then it is not ready. */
    lack: () =>
      !lookout.hasLooked || known().isKnown()
        ? null
        : {
            lacks: 'what happens to the objects of grants is not heard of: the watches on them are down',
            todo: 'Grants end as ever, but what somebody changes is not noticed. Look at the API server, and at what may cut long answers between it and Drawbridge; the log has the error.',
          },
    ages: () => own?.ages() ?? new Map(),
    async start() {
      own = watchOwn({
        onChange: (id) => judge.changed(id),
        onListed() {
          listed.resolve();
          void lookout.look().catch(couldNotLook);
        },
      });
      const waited = sleep(LISTED_WITHIN, undefined, { signal: stopping.signal, ref: false });
      await Promise.race([listed.promise, waited]).catch(() => {});
      await lookout.look().catch(couldNotLook);
      turns.start();
    },
    stop() {
      stopping.abort();
      turns.stop();
      own?.stop();
      judge.stop();
    },
  };
}
