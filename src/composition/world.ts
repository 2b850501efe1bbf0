import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { createClock, type ProcessClock } from '../adapters/clock/clock.ts';
import { type Api, createApi } from '../adapters/kubernetes/api.ts';
import { createClusterAccess } from '../adapters/kubernetes/cluster-access.ts';
import { readClusterUid } from '../adapters/kubernetes/cluster-keys.ts';
import { loadKubeConfig } from '../adapters/kubernetes/kube-config.ts';
import { type ClusterModel, createClusterModel } from '../adapters/kubernetes/model/cluster-model.ts';
import { createScheduler } from '../adapters/queue/scheduler.ts';
import { sparingly } from '../adapters/queue/sparing.ts';
import { type ChainedAudit, createAudit } from '../adapters/redis/audit.ts';
import { type AuditFeed, createAuditFeed } from '../adapters/redis/audit-feed.ts';
import { redisTime, redisWarnings } from '../adapters/redis/checks.ts';
import { connectRedis, type RedisClient } from '../adapters/redis/connection.ts';
import { createGrantStore } from '../adapters/redis/grant-store.ts';
import { createLocks } from '../adapters/redis/locks.ts';
import { connectSlack, type SlackConnection } from '../adapters/slack/connection.ts';
import { type CachedDirectory, createDirectory } from '../adapters/slack/directory.ts';
import { createNotifier } from '../adapters/slack/notifier.ts';
import { createOnCall } from '../adapters/sources/on-call.ts';
import { createTickets } from '../adapters/sources/tickets.ts';
import { watchEventLoop } from '../adapters/telemetry/event-loop.ts';
import { createMetrics, type Metrics } from '../adapters/telemetry/metrics.ts';
import { createAlarms } from '../app/common/alarms.ts';
import { createConditions } from '../app/common/conditions.ts';
import { type Conditions } from '../app/ports/conditions.ts';
import type { World } from '../app/ports/world.ts';
import { openPolicyFile, type PolicyFile } from '../config/policy-file.ts';
import type { Settings } from '../config/settings.ts';
import { createAuditChain } from '../domain/audit/chain.ts';
import { secondsAhead } from '../domain/clocks.ts';
import { Unavailable } from '../domain/errors.ts';
import { channelOf } from '../domain/policy/policy.ts';
import { countAudit } from './count-audit.ts';
import { tellConditions } from './tell-conditions.ts';

/** Every adapter, and the world that they make. Services take of it what they need. */
export interface Adapters {
  readonly world: World;
  readonly metrics: Metrics;
  readonly redis: RedisClient;
  /** For the workers: its commands wait for Redis. */
  readonly workerRedis: RedisClient;
  readonly api: Api;
  readonly model: ClusterModel;
  /** Tells of a watch on the cluster that broke off. */
  readonly onWatchFault: (error: unknown) => void;
  readonly clock: ProcessClock;
  readonly audit: ChainedAudit;
  /** What the webhook gets of the audit; null: there is no webhook. */
  readonly feed: AuditFeed | null;
  readonly policies: PolicyFile;
  readonly conditions: Conditions;
  readonly connection: SlackConnection;
  readonly directory: CachedDirectory;
  /** Ends every connection. */
  close(): Promise<void>;
}

/**
 * Makes every adapter and joins them: the only place that knows them all.
 * @param write takes a line of the audit
 * @throws Error with a message for the operator when Redis, the kubeconfig or the policy can't be used
 */
export async function makeAdapters(settings: Settings, log: Logger, write: (line: string) => void): Promise<Adapters> {
  const { instance } = settings;
  await using made = new AsyncDisposableStack();
  const loop = made.adopt(watchEventLoop(), (watch) => watch.stop());
  const metrics = createMetrics({
    now: () => clock.now(),
    openGrants: () => store.summaries(),
    queueDepth: () => scheduler.depth(),
    policyProblem: () => policies.problem(),
    conditions: () => conditions.list(),
    clocksAhead: () => secondsAhead(clock.clocks()),
    auditWebhookLag: async () => (await feed?.lag()) ?? null,
    loopDelay: () => loop.delay(),
  });

  const connect = async (role: 'requests' | 'worker') =>
    made.adopt(
      await connectRedis(settings.redis.reveal(), { role, log, onFailure: () => metrics.apiError('Redis') }),
      (redis) => redis.disconnect(),
    );
  const redis = await connect('requests');
  const workerRedis = await connect('worker');
  for (const warning of await redisWarnings(redis).catch(() => [])) log.warn(warning);

  const kube = loadKubeConfig(settings.kubernetes);
  const clock = createClock({ redis: () => redisTime(redis), kubernetes: () => api.time() });
  const api = createApi(
    kube,
    (status) => {
      if (status === 0 || status === 429 || status >= 500) metrics.apiError('Kubernetes');
    },
    (said, took) => clock.heard(said, took),
  );
  await readClusterUid(api).catch((error: unknown) => {
    if (!(error instanceof Unavailable)) throw error;
    log.warn({ err: error }, 'which cluster this is can not be read yet: nothing can be sealed until then');
  });

  await clock.measure();
  // Before whatever takes the time is made: all of it goes by the time that is believed.
  made.defer(clock.install());

  const chain = createAuditChain({ keys: settings.sealKeys.reveal(), instance });
  const audit = createAudit({
    redis,
    instance,
    chain,
    write,
    log,
    watcher: {
      said(line, how) {
        countAudit(metrics, line);
        metrics.audited(how);
      },
      lost: () => metrics.audited('lost'),
      broken(what) {
        metrics.auditBroken();
        void alarms.raise('audit chain', null, what);
      },
    },
  });
  const feed = settings.auditWebhook === null ? null : createAuditFeed({ redis, instance, chain, log });
  const store = createGrantStore({ redis, instance, log, audit });
  const scheduler = made.adopt(createScheduler({ redis, instance, log }), (queues) => queues.close());
  const onWatchFault = sparingly((error, times) =>
    log.warn({ err: error, times }, 'a watch on the cluster broke off: it is opened again'),
  );
  const model = createClusterModel({ api, instance, now: () => clock.now(), onFault: onWatchFault });
  const cluster = createClusterAccess({
    api,
    model,
    instance,
    workspacesNamespace: settings.workspacesNamespace,
    accountsNamespace: settings.accountsNamespace,
    sealKeys: settings.sealKeys.reveal(),
    probeImage: settings.probeImage ?? null,
    pullSecrets: settings.workspacesPullSecrets,
    mostResources: settings.workspacesMaximum,
    ownNamespace: settings.ownNamespace,
    now: () => clock.now(),
    fromServer: (at) => clock.fromKubernetes(at),
    sleep,
  });
  const alarms = createAlarms({ scheduler, audit, clock });
  const conditions = createConditions({
    now: () => clock.now(),
    tell: tellConditions({ alarms, clock, log }),
    unknown: (need, error) => log.debug({ need, err: error }, 'what is needed could not be looked at'),
  });
  const policies = await openPolicyFile(settings.policyFile, log);

  const { botToken, apiUrl } = settings.slack;
  const connection = connectSlack({ botToken: botToken.reveal(), apiUrl }, log, (method, error) =>
    metrics.slackError(method, error),
  );
  const directory = createDirectory(connection, log);
  const channel = (profile: string | null) =>
    profile === null ? policies.current().approvals.channel : channelOf(policies.current(), profile).id;
  const notifier = createNotifier({ connection, channel, directory, log });

  const { pagerDuty, jira } = settings;
  const onCall = createOnCall({ pagerDuty: pagerDuty && { ...pagerDuty, token: pagerDuty.token.reveal() }, log });
  const tickets = createTickets({ jira: jira && { ...jira, token: jira.token.reveal() }, log });
  const locks = createLocks({ redis, instance });
  const world = {
    clock,
    policies,
    store,
    locks,
    scheduler,
    notifier,
    directory,
    onCall,
    tickets,
    audit,
    cluster,
    alarms,
    conditions,
  };
  const all = made.move();
  return {
    world,
    metrics,
    redis,
    workerRedis,
    api,
    model,
    onWatchFault,
    clock,
    audit,
    feed,
    policies,
    conditions,
    connection,
    directory,
    close: () => all.disposeAsync(),
  };
}
