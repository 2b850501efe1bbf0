import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ProcessClock } from '../adapters/clock/clock.ts';
import { type Api, ApiError, createApi } from '../adapters/kubernetes/api.ts';
import { awayApi } from '../adapters/kubernetes/away.ts';
import { type ClusterOptions, createClusterAccess } from '../adapters/kubernetes/cluster-access.ts';
import { type ClaimUid, readClusterUid } from '../adapters/kubernetes/cluster-keys.ts';
import { entranceOf, followKubeConfig, type WayToCluster } from '../adapters/kubernetes/kube-config.ts';
import { type ClusterModel, createClusterModel } from '../adapters/kubernetes/model/cluster-model.ts';
import { sparingly } from '../adapters/queue/sparing.ts';
import type { Metrics } from '../adapters/telemetry/metrics.ts';
import type { ClusterAccess } from '../app/ports/cluster-access.ts';
import type { Clusters, InCluster } from '../app/ports/clusters.ts';
import type { Settings } from '../config/settings.ts';
import { Unavailable } from '../domain/errors.ts';
import { clusterNames, type Policy } from '../domain/policy/policy.ts';
import type { ClusterName } from '../domain/target.ts';

/** The adapters of one cluster. None knows of another. */
export interface ConnectedCluster {
  readonly name: ClusterName;
  readonly api: Api;
  readonly model: ClusterModel;
  readonly access: ClusterAccess;
  /** Keeps a uid for this cluster alone. */
  readonly claim: ClaimUid;
  /** Tells of a watch on the cluster that broke off. */
  readonly onWatchFault: (error: unknown) => void;
  close(): void;
}

interface Making {
  readonly settings: Settings;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'apiError'>;
  readonly clock: () => Pick<ProcessClock, 'now' | 'heard' | 'fromKubernetes'>;
}

/**
 * The adapters of every cluster of the policy; of a policy that names none those of the only one.
 * @throws Error with a message for the operator when the kubeconfig leads to one of them by no context
 */
export function connectClusters(making: Making, { clusters = {} }: Pick<Policy, 'clusters'>): ConnectedCluster[] {
  const names = clusterNames({ clusters: Object.keys(clusters).length === 0 ? undefined : clusters });
  const claims = createClaims();
  return names.map((name) => {
    const context = name === null ? undefined : clusters[name]?.context;
    return connect(making, name, context, names.length > 1, (uid) => claims(name, uid));
  });
}

/** Each uid is one cluster's: by another name it would be given access to twice, by the rules of either. */
function createClaims(): (name: ClusterName, uid: string) => void {
  const claimed = new Map<string, ClusterName>();
  return (name, uid) => {
    const other = claimed.get(uid);
    if (other !== undefined && other !== name)
      throw new SameCluster(`clusters.${name} and clusters.${other} of the policy lead to one cluster: name it once`);
    claimed.set(uid, name);
  };
}

/** Two names lead to one cluster. */
class SameCluster extends ApiError {
  constructor(message: string) {
    super(409, message);
    this.name = 'SameCluster';
  }
}

function connect(
  { settings, log, metrics, clock }: Making,
  name: ClusterName,
  context: string | undefined,
  isOneOfSeveral: boolean,
  claim: ClaimUid,
): ConnectedCluster {
  const { instance } = settings;
  const of = name === null ? {} : { cluster: name };
  const kube = followKubeConfig(wayTo(settings, name, context), (error) =>
    log.error({ err: error, ...of }, 'the kubeconfig was changed and can not be used: the one before it stays in use'),
  );
  const api = createApi(
    () => kube.current(),
    (status) => {
      if (status === 0 || status === 429 || status >= 500) metrics.apiError('Kubernetes', name);
    },
    (said, took) => clock().heard(said, took, name),
    isOneOfSeveral,
  );
  const onWatchFault = sparingly((error, times) =>
    log.warn({ err: error, times, ...of }, 'a watch on the cluster broke off: it is opened again'),
  );
  const model = createClusterModel({ api, instance, now: () => clock().now(), onFault: onWatchFault });
  // In a pod the bot's own cluster has an address that nobody else reaches; a context has the one by which others reach it, too.
  const entrance = () => entranceOf(kube.current(), context === undefined ? settings.accountsServer : undefined);
  const access = accessTo(settings, api, model, claim, {
    entrance,
    now: () => clock().now(),
    fromServer: (at) => clock().fromKubernetes(at, name),
  });
  return { name, api, model, access, claim, onWatchFault, close: () => kube.stop() };
}

/** The kubeconfig and context by which a cluster is reached. */
function wayTo({ kubernetes }: Settings, name: ClusterName, context: string | undefined): WayToCluster {
  if (context !== undefined) return { ...kubernetes, context, named: `clusters.${name}.context` };
  // Beside others, the bot's own is the one that its pod is in.
  const isInPod = process.env['KUBERNETES_SERVICE_HOST'] !== undefined;
  return name !== null && kubernetes.context === undefined && isInPod
    ? { kubeconfig: undefined, context: undefined }
    : kubernetes;
}

function accessTo(
  settings: Settings,
  api: Api,
  model: ClusterModel,
  claim: ClaimUid,
  own: Required<Pick<ClusterOptions, 'now' | 'fromServer' | 'entrance'>>,
): ClusterAccess {
  return createClusterAccess({
    api,
    model,
    claim,
    instance: settings.instance,
    workspacesNamespace: settings.workspacesNamespace,
    accountsNamespace: settings.accountsNamespace,
    nodesNamespace: settings.nodesNamespace,
    sealKeys: settings.sealKeys.reveal(),
    probeImage: settings.probeImage ?? null,
    pullSecrets: settings.workspacesPullSecrets,
    mostResources: settings.workspacesMaximum,
    ownNamespace: settings.ownNamespace,
    ...own,
    sleep,
  });
}

/**
 * Reads which clusters these are. One that does not answer is read when something is to be done there.
 * @throws Error when two of them are one, or the only one can't be known
 */
export async function identifyClusters(clusters: readonly ConnectedCluster[], log: Logger): Promise<void> {
  await Promise.all(
    clusters.map(async ({ name, api, claim }) => {
      try {
        claim(await readClusterUid(api));
      } catch (error) {
        // With others beside it, one that is not as it should be keeps none of them from its work.
        const isBearable = error instanceof Unavailable || (clusters.length > 1 && !(error instanceof SameCluster));
        if (!isBearable) throw error;
        const of = name === null ? {} : { cluster: name };
        log.warn({ err: error, ...of }, 'which cluster this is can not be read yet: nothing can be sealed until then');
      }
    }),
  );
}

/** All of them by their names. What is in none of them is as in one that is away. */
export function clustersPort(settings: Settings, connected: readonly ConnectedCluster[], policy: Policy): Clusters {
  const byName = new Map(connected.map(({ name, access }) => [name, access]));
  // What was made before the clusters had names is in the bot's own.
  const own = Object.entries(policy.clusters ?? {}).find(([, { context }]) => context === undefined)?.[0] ?? null;
  const nameOf = ({ cluster }: InCluster): ClusterName => cluster ?? own;
  const away = new Map<ClusterName, ClusterAccess>();
  function isAway(name: ClusterName): ClusterAccess {
    const known = away.get(name) ?? accessToNone(settings, name);
    away.set(name, known);
    return known;
  }
  return {
    names: connected.map(({ name }) => name),
    closedNamespaces: [...new Set(connected.flatMap(({ access }) => access.closedNamespaces))],
    of: (place) => byName.get(nameOf(place)) ?? isAway(nameOf(place)),
    isIn: (name, place) => nameOf(place) === name,
  };
}

function accessToNone(settings: Settings, name: ClusterName): ClusterAccess {
  const what = name === null ? 'the cluster without a name' : `cluster ${name}`;
  const api = awayApi(`${what} was not in the policy, or not named in it, when Drawbridge was started`);
  const now = Date.now;
  const model = createClusterModel({ api, instance: settings.instance, now, onFault: () => {} });
  return accessTo(settings, api, model, () => {}, {
    now,
    fromServer: (at) => at,
    entrance: () => ({ server: '', authority: null }),
  });
}
