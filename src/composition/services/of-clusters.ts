import { createClusterKeys } from '../../adapters/kubernetes/cluster-keys.ts';
import { watchNamedRoles } from '../../adapters/kubernetes/model/named-roles.ts';
import { watchOwnObjects } from '../../adapters/kubernetes/model/own-objects.ts';
import type { Observed } from '../../adapters/telemetry/metrics.ts';
import type { OwnObjectsListener } from '../../app/ports/own-objects.ts';
import type { World } from '../../app/ports/world.ts';
import type { Settings } from '../../config/settings.ts';
import type { ConnectedCluster } from '../clusters.ts';
import type { Service, ServiceLog } from '../service.ts';
import { clusterModelService } from './cluster-model.ts';
import { followersService } from './followers.ts';
import type { NeededCluster } from './needs.ts';
import { reconcileService } from './reconcile.ts';

interface Common {
  readonly world: World;
  readonly settings: Settings;
  readonly instance: string;
  readonly log: ServiceLog;
}

/** What lives for one cluster. */
interface ClusterServices {
  readonly followers: Service;
  readonly model: Service;
  readonly reconcile: Service;
  readonly needed: NeededCluster;
  trouble(): string | null;
  ages(): [ConnectedCluster['name'], ReturnType<Observed['ages']['get']> & object];
}

function servicesOf(connected: ConnectedCluster, { world, settings, instance, log }: Common): ClusterServices {
  const { name, api, model } = connected;
  const own = { world, cluster: name, log: name === null ? log : namingLog(log, name) };
  const watching = { api, instance, onFault: connected.onWatchFault };
  const followers = followersService({
    ...own,
    model,
    watchRoles: (listener) => watchNamedRoles({ ...watching, ...listener }),
  });
  const { follower } = followers;
  const clusterModel = clusterModelService({ model, listener: follower, onListed: () => follower.lookAtAll() });
  const keysOf = createClusterKeys(api, settings.sealKeys.reveal(), connected.claim);
  const watchOwn = (listener: OwnObjectsListener) => watchOwnObjects({ ...watching, keysOf, ...listener });
  const reconcile = reconcileService({ ...own, follower, watchOwn });
  return {
    followers,
    model: clusterModel,
    reconcile,
    needed: { ...connected, lackOfWatch: () => reconcile.lack() ?? followers.lack() ?? clusterModel.lack() },
    trouble: () => reconcile.trouble(),
    ages: () => [name, { grants: reconcile.ages(), cluster: model.ages(), roles: followers.ages() }],
  };
}

/** Says with each line in which cluster it is. */
function namingLog(log: ServiceLog, cluster: string): ServiceLog {
  return {
    info: (fields, text) => log.info({ cluster, ...fields }, text),
    warn: (fields, text) => log.warn({ cluster, ...fields }, text),
    error: (fields, text) => log.error({ cluster, ...fields }, text),
  };
}

/** Started and stopped side by side: one that is slow to begin keeps none of the others waiting. */
function sideBySide(services: readonly Service[]): Service {
  return {
    start: async () => void (await Promise.all(services.map(async (service) => service.start()))),
    stop: async (within) => void (await Promise.all(services.map(async (service) => service.stop(within)))),
  };
}

/** What lives for each cluster, each kind as one service. */
export function servicesOfClusters(clusters: readonly ConnectedCluster[], common: Common) {
  const all = clusters.map((cluster) => servicesOf(cluster, common));
  const [first] = clusters;
  return {
    followers: sideBySide(all.map(({ followers }) => followers)),
    models: sideBySide(all.map(({ model }) => model)),
    reconciles: sideBySide(all.map(({ reconcile }) => reconcile)),
    needed: all.map(({ needed }) => needed),
    /** Why grants are held against no cluster yet. With several, those that can be are: one that is away is told otherwise. */
    trouble(): string | null {
      const troubles = all.map((one) => one.trouble());
      return troubles.includes(null) ? null : (troubles[0] ?? null);
    },
    /** What the API server says, of several the first that answers. @throws when none does */
    async answers(): Promise<null> {
      if (clusters.length === 1) await first?.api.ready();
      else await Promise.any(clusters.map(({ api }) => api.ready()));
      return null;
    },
    ages: () => new Map(all.map((one) => one.ages())),
  };
}
