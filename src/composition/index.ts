import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { createClock } from '../adapters/clock/clock.ts';
import { createPost, startAuditWebhook } from '../adapters/http/audit-webhook.ts';
import { type ReadinessCheck, startOps } from '../adapters/http/ops.ts';
import { createApi } from '../adapters/kubernetes/api.ts';
import { createClusterAccess } from '../adapters/kubernetes/cluster-access.ts';
import { readClusterUid } from '../adapters/kubernetes/cluster-keys.ts';
import { loadKubeConfig } from '../adapters/kubernetes/kube-config.ts';
import { createPodWatch } from '../adapters/kubernetes/pod-watch.ts';
import { lackOfEnding } from '../adapters/kubernetes/reviews.ts';
import { createScheduler, startWorkers } from '../adapters/queue/scheduler.ts';
import { sparingly } from '../adapters/queue/sparing.ts';
import { type AuditLine, createAudit } from '../adapters/redis/audit.ts';
import { createAuditFeed } from '../adapters/redis/audit-feed.ts';
import { redisTime, redisWarnings } from '../adapters/redis/checks.ts';
import { connectRedis } from '../adapters/redis/connection.ts';
import { createGrantStore } from '../adapters/redis/grant-store.ts';
import { createLocks } from '../adapters/redis/locks.ts';
import { lackOfRedis } from '../adapters/redis/needs.ts';
import { createSlackApp } from '../adapters/slack/app.ts';
import { slackError } from '../adapters/slack/client.ts';
import { connectSlack, isPassing, type SlackSettings } from '../adapters/slack/connection.ts';
import { createDirectory } from '../adapters/slack/directory.ts';
import { lackOfChannel, lackOfLists, lackOfScopes } from '../adapters/slack/needs.ts';
import { createNotifier } from '../adapters/slack/notifier.ts';
import { watchEventLoop } from '../adapters/telemetry/event-loop.ts';
import { createMetrics, type Metrics } from '../adapters/telemetry/metrics.ts';
import { createAlarms } from '../app/alarms.ts';
import { type Condition, createConditions, type Lack, type Need } from '../app/conditions.ts';
import { createUseCases } from '../app/create-use-cases.ts';
import { createDueRights } from '../app/end-due.ts';
import { createFollower } from '../app/follow-workloads.ts';
import { endForLeavers } from '../app/leavers.ts';
import { createLookout } from '../app/lookout.ts';
import { createPeopleChanges } from '../app/people-changes.ts';
import type { ClusterAccess, World } from '../app/ports.ts';
import { reconcile } from '../app/reconcile.ts';
import { runJob } from '../app/run-job.ts';
import { alarm } from '../app/steps.ts';
import { type PolicyWatch, watchPolicy } from '../config/policy-file.ts';
import type { Settings } from '../config/settings.ts';
import { createAuditChain } from '../domain/audit-chain.ts';
import type { Clocks } from '../domain/clocks.ts';
import { Unavailable } from '../domain/errors.ts';

/** Milliseconds between two looks at which grant is due next. */
const LOOK_AT_DUE_EVERY = 1000;
/** Milliseconds between two looks at the cluster. */
const RECONCILE_EVERY = 30_000;
/** Milliseconds between two looks at the clocks of Redis and of the API server. */
const LOOK_AT_CLOCKS_EVERY = 10_000;
/** Milliseconds between two looks at which needs are due to be looked at, and between two tries of an alarm that the queue did not take. */
const TEND_EVERY = 5000;
/** Milliseconds between two looks at what seldom goes away while nothing is missing. */
const RARELY = 600_000;
/** Milliseconds between two looks for people who have left while something of theirs is open. */
const LOOK_FOR_LEAVERS_EVERY = 600_000;
/** Milliseconds between two looks at the audit chain; its head is printed with each. */
const LOOK_AT_AUDIT_EVERY = 60_000;
/** Seconds that the audit webhook may lag before administrators are told. */
const WEBHOOK_LATE = 900;
/** How many problems of a policy file administrators are told. */
const MOST_PROBLEMS = 5;
/** How long running work may take at the end: milliseconds. */
const STOP_WITHIN = 20_000;

export interface Drawbridge {
  /** Resolves when Slack can reach the bot. Grants are ended from before that on. @throws SlackRefused when Slack will not let it work */
  readonly reachable: Promise<void>;
  readonly opsPort: number;
  stop(): Promise<void>;
}

/**
 * Makes every adapter and joins them: the only place that knows them all. Work on grants begins before Slack is there: a Slack that is
 * away delays words, never a revocation.
 * @throws Error with a message for the operator when Redis, the kubeconfig or the policy can't be used
 */
export async function startDrawbridge(
  settings: Settings,
  log: Logger,
  write: (line: string) => void,
): Promise<Drawbridge> {
  const { instance } = settings;
  const loop = watchEventLoop();
  const metrics = createMetrics({
    openGrants: () => store.summaries(),
    queueDepth: () => scheduler.depth(),
    policyProblem: () => policies.problem(),
    conditions: () => conditions.list(),
    clocksAhead: () => aheadOf(clock.clocks()),
    auditWebhookLag: async () => (await feed?.lag()) ?? null,
    loopDelay: () => loop.delay(),
  });
  const redisFailed = () => metrics.apiError('Redis');
  const redis = await connectRedis(settings.redis.reveal(), { role: 'requests', log, onFailure: redisFailed });
  const workerRedis = await connectRedis(settings.redis.reveal(), { role: 'worker', log, onFailure: redisFailed });
  for (const warning of await redisWarnings(redis).catch(() => [])) log.warn(warning);
  const kube = loadKubeConfig(settings.kubernetes);
  const api = createApi(kube, (status) => {
    if (status === 0 || status === 429 || status >= 500) metrics.apiError('Kubernetes');
  });
  await readClusterUid(api).catch((error: unknown) => {
    if (!(error instanceof Unavailable)) throw error;
    log.warn({ err: error }, 'which cluster this is can not be read yet: nothing can be sealed until then');
  });
  const clock = createClock({ redis: () => redisTime(redis), kubernetes: () => api.time() });
  await clock.measure();
  // Before anything else is made: all of it goes by the time that is believed.
  const giveClockBack = clock.install();

  const chain = createAuditChain({ keys: settings.sealKeys.reveal(), instance });
  const audit = createAudit({
    redis,
    instance,
    chain,
    write,
    log,
    watcher: {
      said(line, how) {
        observe(metrics, line);
        metrics.audited(how);
        // A hint only: it must not be able to fail what is being recorded.
        if (line.event === 'active' && line.id !== null) void follower.begun(line.id).catch(() => {});
      },
      lost: () => metrics.audited('lost'),
      broken(what) {
        metrics.auditBroken();
        void alarm(world, 'audit chain', null, what).catch(() => {});
      },
    },
  });
  const feed = settings.auditWebhook === null ? null : createAuditFeed({ redis, instance, chain, log });
  const store = createGrantStore({ redis, instance, log, audit });
  const scheduler = createScheduler({ redis, instance, log });
  const cluster = createClusterAccess({
    api,
    instance,
    workspacesNamespace: settings.workspacesNamespace,
    sealKeys: settings.sealKeys.reveal(),
    probeImage: settings.probeImage ?? null,
    ownNamespace: settings.ownNamespace,
    now: () => clock.now(),
    fromServer: (at) => clock.fromKubernetes(at),
    sleep,
  });

  const alarms = createAlarms({ scheduler, audit, clock });
  const conditions = createConditions({
    now: () => clock.now(),
    tell: {
      began(condition, before) {
        const { name: lacking, lacks, todo, detail, severity } = condition;
        log[severity === 'degraded' ? 'warn' : 'error']({ lacking, todo, detail, severity }, lacks);
        void alarms.over(againKey(lacking));
        if (before !== null) void alarms.over(lackKey(before));
        void alarms.raise(lackKey(condition), null, `${[lacks, detail].filter(Boolean).join(':\n')}. ${todo}`);
      },
      ended(condition) {
        const { name: lacking, lacks, since } = condition;
        log.info({ lacking, seconds: Math.round((clock.now() - since) / 1000) }, 'nothing is missing any more');
        void alarms.over(lackKey(condition));
        void alarms.raise(againKey(lacking), null, `Mended: it is no longer so that ${lacks}.`);
      },
    },
    unknown: (need, error) => log.debug({ need, err: error }, 'what is needed could not be looked at'),
  });
  const policies = await watchPolicy({
    file: settings.policyFile,
    log,
    onChange: () => void conditions.tend(true),
    onProblems: (problems) => conditions.report(POLICY_FILE, lackOfPolicy(problems)),
  });

  if (policies.current().identity.confirmedBy === 'workspace')
    log.info(
      {},
      "e-mail addresses of members count as confirmed by the workspace's single sign-on (identity.confirmedBy)",
    );

  const slackSettings = slackSettingsOf(settings);
  const connection = connectSlack(slackSettings, log, (method, error) => metrics.slackError(method, error));
  const directory = createDirectory(connection, log);
  const notifier = createNotifier({ connection, channel: () => policies.current().approvals.channel, directory, log });
  const world: World = {
    clock,
    policies,
    store,
    locks: createLocks({ redis, instance }),
    scheduler,
    notifier,
    directory,
    audit,
    cluster,
    alarms,
    conditions,
  };

  for (const need of [
    { name: 'redis commands', severity: 'not ready', every: 10_000, look: () => lackOfRedis(redis, instance) },
    { name: 'kubernetes rights', severity: 'not ready', every: RARELY, look: () => lackOfEnding(api) },
    {
      name: 'leash',
      severity: 'degraded',
      refuses: 'giving',
      every: 600_000,
      again: 30_000,
      untilKnown: lackOfLeash('it has not been tried yet'),
      look: async () => {
        const doubt = await cluster.tryLeash();
        return doubt === null ? null : lackOfLeash(doubt);
      },
    },
    { name: 'profiles', severity: 'degraded', every: RARELY, look: () => lackOfProfiles(cluster, policies, log) },
    {
      name: 'slack token',
      severity: 'not ready',
      every: RARELY,
      again: 30_000,
      look: () => lackOfScopes(connection, true),
    },
    {
      name: 'slack scopes',
      severity: 'degraded',
      every: RARELY,
      again: 30_000,
      look: () => lackOfScopes(connection, false),
    },
    {
      name: APPROVALS_CHANNEL,
      severity: 'degraded',
      refuses: 'asking',
      every: RARELY,
      again: 30_000,
      look: () => lackOfChannel(connection, policies.current().approvals.channel),
    },
    {
      name: 'slack lists',
      severity: 'degraded',
      every: RARELY,
      again: 60_000,
      look: () => lackOfLists(connection, policies.current()),
    },
  ] satisfies Need[])
    conditions.add(need);
  let isTried = false;
  void conditions.tend(true).then(() => (isTried = true));
  const conditionsTimer = setInterval(() => void conditions.tend().then(() => alarms.settle()), TEND_EVERY);

  async function tendAudit(): Promise<void> {
    try {
      await audit.collect();
      await audit.look();
      const lag = (await feed?.lag()) ?? 0;
      if (lag > WEBHOOK_LATE)
        await alarm(
          world,
          'audit webhook',
          null,
          `The audit webhook has not taken an entry that is ${Math.round(lag / 60)} minutes old. The log says why; nothing is lost while Redis keeps it.`,
        );
    } catch (error) {
      log.warn({ err: error }, 'the audit could not be looked at');
    }
  }

  const notLooked = (error: unknown) => log.warn({ err: error }, 'who has left could not be looked at');
  const peopleChanges = createPeopleChanges(world, notLooked, (milliseconds, signal) =>
    sleep(milliseconds, undefined, { signal }).catch(() => {}),
  );
  /** One replica looks in each span of time. */
  async function tendLeavers(): Promise<void> {
    try {
      const span = Math.floor(Date.now() / LOOK_FOR_LEAVERS_EVERY);
      if (await store.firstTime(`leavers ${span}`, (2 * LOOK_FOR_LEAVERS_EVERY) / 1000))
        await endForLeavers(world, notLooked);
    } catch (error) {
      notLooked(error);
    }
  }

  let doubted: string | null = null;
  /** That the clocks are in doubt is told, and that they are not any more. */
  async function tendClock(): Promise<void> {
    const doubt = clock.doubt();
    const was = doubted;
    doubted = doubt;
    if (doubt === null) {
      if (was !== null) log.info({}, 'the clocks are right again');
      return;
    }
    if (was === null) log.error({ doubt, ...aheadOf(clock.clocks()) }, 'nothing is granted: the time is in doubt');
    const text = `On ${hostname()} ${doubt}. It grants nothing until that is mended; grants end by the time that most clocks agree on. Look at time synchronisation there.`;
    await alarm(world, `clock ${hostname()}`, null, text).catch(() => {});
  }

  const notFollowed = (error: unknown) =>
    log.error(
      { err: error },
      'what is around an active grant could not be looked at: the next look around tries again',
    );
  const podWatch = createPodWatch(kube, (namespace) => void follower.changed(namespace).catch(notFollowed));
  const follower = createFollower(world, (namespaces) => podWatch.watch(namespaces), notFollowed);

  const clockTimer = setInterval(() => void clock.measure().then(tendClock), LOOK_AT_CLOCKS_EVERY);
  await audit.start().catch((error: unknown) => log.warn({ err: error }, 'the audit chain could not be begun yet'));
  await tendAudit();
  await tendClock();
  const auditTimer = setInterval(() => void tendAudit(), LOOK_AT_AUDIT_EVERY);
  void tendLeavers();
  const leaversTimer = setInterval(() => void tendLeavers(), LOOK_FOR_LEAVERS_EVERY);
  const webhook =
    settings.auditWebhook === null || feed === null
      ? null
      : startAuditWebhook({
          next: (send) => feed.next(send),
          post: createPost({
            url: settings.auditWebhook.url.reveal(),
            secret: settings.auditWebhook.secret?.reveal(),
          }),
          log,
        });

  const tellOfDue = sparingly((error, times) =>
    log.warn(
      { err: error, times },
      'rights that are due could not all be taken at once: each revocation goes on by itself',
    ),
  );
  const dueRights = createDueRights(world, (error) =>
    tellOfDue(error instanceof Error ? error : new Error(String(error))),
  );
  const stopping = new AbortController();
  /** Ends what is due to the moment, however many jobs wait for a worker. */
  async function keepTime(): Promise<void> {
    while (!stopping.signal.aborted) {
      const isDone = await dueRights.end();
      const next = isDone ? await store.nextDue().catch(() => null) : null;
      // Another replica may begin a window that ends sooner.
      const wait = Math.min(LOOK_AT_DUE_EVERY, Math.max(0, (next ?? Number.POSITIVE_INFINITY) - world.clock.now()));
      await sleep(wait, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }
  void keepTime();

  const workers = startWorkers({
    redis: workerRedis,
    instance,
    log,
    onFailure: redisFailed,
    async handleDeed(deed) {
      if (deed.kind === 'revoke') {
        // What is due beside it has its turn first.
        await dueRights.end();
        await dueRights.settled();
      }
      await runJob(world, deed);
    },
    async handleWord(word) {
      try {
        await runJob(world, word);
      } catch (error) {
        // It may be the channel, which somebody has archived, or from which the bot was removed.
        const refused = slackError(error);
        if (refused !== null && !isPassing(refused)) conditions.doubt(APPROVALS_CHANNEL);
        throw error;
      }
    },
  });

  const lookout = createLookout({
    // One replica looks in each span of time.
    claim: () => store.firstTime(`reconcile ${Math.floor(Date.now() / RECONCILE_EVERY)}`, 60),
    async work() {
      const followed = await reconcile(world, (error) => log.error({ err: error }, 'reconcile met a fault'));
      // Not waited for: no right outlives its window by it.
      follower.follow(followed).catch(notFollowed);
    },
    leave: () => void follower.follow(new Map()).catch(notFollowed),
  });
  const couldNotLook = (error: unknown) =>
    log.warn({ err: error }, 'reconcile could not look at the cluster or the grants');
  await lookout.look().catch(couldNotLook);
  const timer = setInterval(() => void lookout.turn().catch(couldNotLook), RECONCILE_EVERY);

  const useCases = createUseCases(world);
  const slack = createSlackApp({
    settings: slackSettings,
    connection,
    useCases,
    seenBefore: async (key) => !(await store.firstTime(`seen ${key}`, 600)),
    turns: {
      take: (modal) => store.takeNumber(`turn ${modal}`, 3600),
      last: (modal) => store.lastNumber(`turn ${modal}`),
    },
    hinted({ lists, deactivated }) {
      directory.doubt(lists);
      peopleChanges.heard({ lists: lists === 'all' ? [] : lists, deactivated });
    },
    connected: () => directory.forget(),
    tell: (what) => void alarms.raise('slack connection', null, `Slack can't reach Drawbridge: ${what}`),
    log,
  });
  const checks: Record<string, ReadinessCheck> = {
    redis: async () => ((await redis.ping()) === 'PONG' ? null : 'no answer'),
    kubernetes: async () => {
      await api.ready();
      return null;
    },
    clock: () => clock.doubt(),
    grants: () => (lookout.hasLooked ? null : 'not held against the cluster yet'),
    slack: () => slack.trouble(),
    needs: () => (isTried ? null : 'not tried yet'),
  };
  const ops = await startOps({
    port: settings.opsPort,
    checks,
    conditions: () => conditions.list(),
    metrics: () => metrics.scrape(),
  });

  return {
    reachable: slack.start().then(() => undefined),
    opsPort: ops.port,
    async stop() {
      clearInterval(timer);
      clearInterval(auditTimer);
      clearInterval(leaversTimer);
      clearInterval(clockTimer);
      clearInterval(conditionsTimer);
      podWatch.stop();
      peopleChanges.stop();
      // Not waited for: what it leaves undone is done by the job of each grant, here or in another process.
      stopping.abort();
      await Promise.all([slack.stop(), workers.close(STOP_WITHIN), webhook?.stop()]);
      await audit.close();
      policies.close();
      await scheduler.close();
      await ops.close();
      redis.disconnect();
      workerRedis.disconnect();
      loop.stop();
      giveClockBack();
    },
  };
}

const APPROVALS_CHANNEL = 'slack channel';
const POLICY_FILE = { name: 'policy file', severity: 'degraded' } as const;

function lackOfPolicy(problems: readonly string[]): Lack | null {
  if (problems.length === 0) return null;
  const more = problems.length > MOST_PROBLEMS ? [`and ${problems.length - MOST_PROBLEMS} more`] : [];
  return {
    lacks: 'the policy file is bad, so the last good one stays in force',
    todo: 'Mend it: the log has all that is wrong, and so has `npm run policy -- check`.',
    detail: [...problems.slice(0, MOST_PROBLEMS), ...more].join('\n'),
  };
}

/** Profiles that need more than the bot may give are switched off, by name, until it may; the others stay. */
async function lackOfProfiles(
  cluster: Pick<ClusterAccess, 'missingRights'>,
  policies: Pick<PolicyWatch, 'current' | 'disabled' | 'setDisabled'>,
  log: Logger,
): Promise<Lack | null> {
  const reasons = new Map<string, string>();
  for (const [name, profile] of Object.entries(policies.current().profiles)) {
    const missing = await cluster.missingRights(profile);
    if (missing.length === 0) continue;
    const reason = `Drawbridge may not ${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ', …' : ''}`;
    reasons.set(name, reason);
    if (policies.disabled(name) !== reason)
      log.error({ profile: name, missing }, 'a profile is disabled: the bot lacks the rights to give it');
  }
  policies.setDisabled(reasons);
  if (reasons.size === 0) return null;
  return {
    lacks: `profiles are disabled: ${[...reasons].map(([name, reason]) => `${name} (${reason})`).join('; ')}`,
    todo: 'Bring the chart up to the policy: helm upgrade with the same one.',
  };
}

/** An alarm of what is missing, and one that it is there again, each until the other. */
const lackKey = ({ name, lacks, detail = '' }: Condition) => `lack ${name} ${lacks} ${detail}`;
const againKey = (name: string) => `no lack ${name}`;

/** @param doubt why the leash does not hold */
const lackOfLeash = (doubt: string): Lack => ({
  lacks: `the leash on Drawbridge in this cluster does not hold: ${doubt}`,
  todo: "It grants nothing until that is mended; grants end as ever. Look at the chart's ValidatingAdmissionPolicies and their bindings, and at the service account of the bot.",
});

/** Seconds. */
function aheadOf({ own, redis, kubernetes }: Clocks): Record<'redis' | 'kubernetes', number | null> {
  const ahead = (other: number | null) => (other === null ? null : (own - other) / 1000);
  return { redis: ahead(redis), kubernetes: ahead(kubernetes) };
}

/** Counts what the audit tells. */
function observe(metrics: Metrics, { event, actor, profile = 'none', lateness = 0 }: AuditLine): void {
  switch (event) {
    case 'approval':
      return metrics.decided(profile, 'approved', actor === null ? 'policy' : 'person');
    case 'denied':
    case 'refused':
    case 'timed-out':
    case 'cancelled':
      return metrics.decided(profile, event, actor === null ? 'policy' : 'person');
    case 'expired':
    case 'revoked':
    case 'failed':
      return metrics.revoked(profile, event, lateness / 1000);
    default:
  }
}

function slackSettingsOf({ slack }: Settings): SlackSettings {
  const { transport } = slack;
  return {
    botToken: slack.botToken.reveal(),
    apiUrl: slack.apiUrl,
    receive:
      transport.mode === 'socket'
        ? { mode: 'socket', appToken: transport.appToken.reveal() }
        : { mode: 'http', signingSecret: transport.signingSecret.reveal(), port: transport.port },
  };
}
