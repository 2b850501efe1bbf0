import type { PodWatch } from '../../adapters/kubernetes/pod-watch.ts';
import { createFollower, type Followed } from '../../app/follow-workloads.ts';
import type { World } from '../../app/ports.ts';
import type { Service, ServiceLog } from '../service.ts';
import type { AuditListener } from '../world.ts';

/** Follows the workloads of active grants as their pods come and go. */
export function followersService({
  world,
  watchPods,
  audited,
  log,
}: {
  readonly world: World;
  readonly watchPods: (onChange: (namespace: string) => void) => PodWatch;
  /** Are told each entry of the audit. */
  readonly audited: Set<AuditListener>;
  readonly log: ServiceLog;
}): Service & { follow(all: Followed): void } {
  const notFollowed = (error: unknown) =>
    log.error(
      { err: error },
      'what is around an active grant could not be looked at: the next look around tries again',
    );
  const pods = watchPods((namespace) => void follower.changed(namespace).catch(notFollowed));
  const follower = createFollower(world, (namespaces) => pods.watch(namespaces), notFollowed);
  const hear: AuditListener = ({ event, id }) => {
    // A hint only: it must not be able to fail what is being recorded.
    if ((event === 'active' || event === 'adopted') && id !== null) void follower.begun(id).catch(() => {});
  };
  return {
    follow: (all) => void follower.follow(all).catch(notFollowed),
    start: () => void audited.add(hear),
    stop() {
      audited.delete(hear);
      pods.stop();
    },
  };
}
