import type { Logger } from 'pino';
import { createClock, type ProcessClock } from '../adapters/clock/clock.ts';
import { createScheduler } from '../adapters/queue/scheduler.ts';
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
import type { Grant } from '../domain/grant/grant.ts';
import { channelOf } from '../domain/policy/policy.ts';
import { clocksAhead } from './clocks-ahead.ts';
import { type ConnectedCluster, clustersPort, connectClusters, identifyClusters } from './clusters.ts';
import { countAudit } from './count-audit.ts';
import { tellConditions } from './tell-conditions.ts';

/** Every adapter, and the world that they make. Services take of it what they need. */
export interface Adapters {
  readonly world: World;
  readonly metrics: Metrics;
  readonly redis: RedisClient;
  /** For the workers: its commands wait for Redis. */
  readonly workerRedis: RedisClient;
  readonly clusters: readonly ConnectedCluster[];
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
    clocksAhead: () => clocksAhead(clock, clusters),
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

  const policies = await openPolicyFile(settings.policyFile, log);
  const policy = policies.current();
  const clusters = connectClusters({ settings, log, metrics, clock: () => clock }, policy);
  for (const cluster of clusters) made.defer(() => cluster.close());
  const clock = createClock({
    redis: () => redisTime(redis),
    kubernetes: new Map(clusters.map(({ name, api }) => [name, () => api.time()])),
  });
  await identifyClusters(clusters, log);

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
  const alarms = createAlarms({ scheduler, audit, clock });
  const conditions = createConditions({
    now: () => clock.now(),
    tell: tellConditions({ alarms, clock, log }),
    unknown: (need, error) => log.debug({ need, err: error }, 'what is needed could not be looked at'),
  });
  const { botToken, apiUrl } = settings.slack;
  const connection = connectSlack({ botToken: botToken.reveal(), apiUrl }, log, (method, error) =>
    metrics.slackError(method, error),
  );
  const directory = createDirectory(connection, log);
  const channel = (of: Pick<Grant, 'profile' | 'cluster'> | null) =>
    of === null ? policies.current().approvals.channel : channelOf(policies.current(), of.profile, of.cluster).id;
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
    clusters: clustersPort(settings, clusters, policy),
    alarms,
    conditions,
  };
  const all = made.move();
  return {
    world,
    metrics,
    redis,
    workerRedis,
    clusters,
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
