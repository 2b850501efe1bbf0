import type { ClusterModel } from '../../adapters/kubernetes/model/cluster-model.ts';
import type { Ages } from '../../adapters/kubernetes/model/reflector.ts';
import { sparingly } from '../../adapters/queue/sparing.ts';
import type { Lack } from '../../app/ports/conditions.ts';
import type { World } from '../../app/ports/world.ts';
import { createFollower, type Follower, type RoleWatch } from '../../app/upkeep/follower.ts';
import type { ClusterName } from '../../domain/target.ts';
import { every, type Service, type ServiceLog } from '../service.ts';

/** Milliseconds between two looks at everything while a watch is down. */
const LOOK_EVERY = 30_000;

/** What tells of named roles. */
export type NamedRolesListener = Pick<Follower, 'onRole' | 'onRoleListed'>;
export type NamedRoles = RoleWatch & { isKnown(): boolean; ages(): Ages; stop(): void };

/** Follows what active grants depend on, as it changes in the cluster. What a watch that is down would tell is looked for from time to time. */
export function followersService({
  world,
  cluster = null,
  model,
  watchRoles,
  log,
}: {
  readonly world: World;
  readonly cluster?: ClusterName;
  readonly model: Pick<ClusterModel, 'staleKinds'>;
  readonly watchRoles: (listener: NamedRolesListener) => NamedRoles;
  readonly log: ServiceLog;
}): Service & { readonly follower: Follower; lack(): Lack | null; ages(): Ages } {
  const tell = sparingly((error, times) =>
    log.warn({ err: error, times }, 'what is around an active grant could not be looked at: it is tried again'),
  );
  const roles = watchRoles({
    onRole: (role, namespace) => follower.onRole(role, namespace),
    onRoleListed: (role) => follower.onRoleListed(role),
  });
  const follower = createFollower(world, world.clusters.of({ cluster }), roles, tell);
  const turns = every(
    LOOK_EVERY,
    async () => {
      if (model.staleKinds().length > 0 || !roles.isKnown()) follower.lookAtAll();
    },
    tell,
  );
  return {
    follower,
    lack: () =>
      roles.isKnown()
        ? null
        : {
            lacks: 'what the named roles of active grants come to allow is not heard of: the watches on them are down',
            todo: 'A grant whose role grows is ended up to half a minute late. Look at the API server, and at whether the service account of Drawbridge may list and watch these roles; the log has the error.',
          },
    ages: () => roles.ages(),
    start: () => turns.start(),
    stop() {
      turns.stop();
      follower.stop();
      roles.stop();
    },
  };
}
