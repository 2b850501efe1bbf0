import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { ALARM_SUBJECTS, type AlarmSubject } from '../../app/ports/alarms.ts';
import type { Instant } from '../../domain/clocks.ts';
import { type GrantSummary, overdueBy } from '../../domain/grant/summary.ts';
import type { ClusterName } from '../../domain/target.ts';
import type { LoopDelay } from './event-loop.ts';

/** What a scrape looks up. A source that fails leaves its metric out of that scrape. */
export interface MetricSources {
  now(): Instant;
  /** Grants that have not ended, in portions; one may come twice. */
  openGrants(): AsyncIterable<
    readonly ({ readonly id: string } & Pick<GrantSummary, 'state' | 'profile' | 'expiresAt' | 'endingSince'> &
      Partial<Pick<GrantSummary, 'cluster'>>)[]
  >;
  /** Jobs by queue and state. */
  queueDepth(): Promise<Readonly<Record<string, Readonly<Record<string, number>>>>>;
  /** Why the policy file as it is now is not in force; null: it is. */
  policyProblem(): string | null;
  /** What Drawbridge lacks of what it needs. */
  conditions(): readonly { readonly name: string; readonly severity: string; readonly cluster?: string | undefined }[];
  /** Seconds by which the clock of this machine is ahead of each server's; null: not known. */
  clocksAhead(): readonly {
    readonly of: 'redis' | 'kubernetes';
    readonly cluster: ClusterName;
    readonly seconds: number | null;
  }[];
  /** Seconds since the oldest audit entry that the webhook has not taken was stored; null: there is no webhook. */
  auditWebhookLag(): Promise<number | null>;
  loopDelay(): LoopDelay;
}

/** What a scrape is told beside its sources. */
export interface Observed {
  /** What must be so for it to be ready, and is not now. */
  readonly failing: readonly string[];
  /** How old what is known of each cluster is, by what it is known for and by kind: seconds. */
  readonly ages: ReadonlyMap<
    ClusterName,
    Readonly<Record<'grants' | 'cluster' | 'roles', ReadonlyMap<string, number>>>
  >;
}

export type Outcome = 'approved' | 'denied' | 'refused' | 'timed-out' | 'cancelled';

export interface Metrics {
  /** What became of a request, and whether a person or the policy itself said so. */
  decided(profile: string, outcome: Outcome, by: 'person' | 'policy'): void;
  /** A grant has ended: seconds between due and confirmed. */
  revoked(profile: string, cause: 'expired' | 'revoked' | 'failed', latenessSeconds: number): void;
  /** An audit entry was said, in the chain or (Redis was away) on stdout alone until it is chained; or will never be chained. */
  audited(how: 'chained' | 'unchained' | 'lost'): void;
  /** The chain of the audit was found broken. */
  auditBroken(): void;
  /** Administrators are to be told of something. */
  alarmed(about: AlarmSubject): void;
  /** A try to tell them failed: nobody heard it. */
  alarmUntold(): void;
  /** An attempt at a job of the queue failed. */
  jobFailed(queue: 'deeds' | 'words'): void;
  apiError(dependency: 'Kubernetes' | 'Redis' | 'Slack', cluster?: ClusterName): void;
  /** A call of Slack that failed, by Slack's word for it. */
  slackError(method: string, error: string): void;
  /** The text of a scrape and its content type. */
  scrape(observed: Observed): Promise<{ readonly contentType: string; readonly body: string }>;
}

/** The label of what is in one of several clusters. */
const inCluster = (cluster: ClusterName | undefined): { cluster?: string } => (cluster == null ? {} : { cluster });

/** Prometheus metrics. Labels are words of the policy and of this code only: never ids, people, namespaces or reasons. */
export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  /** Takes out what it has told. A reset alone gives a gauge without labels the value 0. */
  const clear = (gauge: Gauge) => {
    gauge.reset();
    gauge.remove({});
  };
  /** A gauge that is looked up with each scrape. */
  const lookedUp = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    fill: (gauge: Gauge<L>) => Promise<void>,
  ) =>
    new Gauge<L>({
      name,
      help,
      labelNames,
      registers,
      async collect() {
        clear(this);
        await fill(this).catch(() => clear(this));
      },
    });

  const look = shared(() => lookAtGrants(sources));
  lookedUp(
    'drawbridge_grants',
    'Requests and grants that have not ended.',
    ['state', 'profile', 'cluster'],
    async (gauge) => {
      const { open } = await look();
      // In one go: another scrape may be looking, too.
      gauge.reset();
      for (const { labels, count } of open) gauge.set(labels, count);
    },
  );
  lookedUp(
    'drawbridge_revocation_overdue_seconds',
    'Since access that has not ended yet was due to end, of the grant that waits the longest; 0: none is due.',
    [],
    async (gauge) => gauge.set((await look()).overdue / 1000),
  );
  lookedUp('drawbridge_queue_jobs', 'Jobs in the queues.', ['queue', 'state'], async (gauge) => {
    for (const [queue, counts] of Object.entries(await sources.queueDepth()))
      for (const [state, count] of Object.entries(counts)) gauge.set({ queue, state }, count);
  });
  lookedUp(
    'drawbridge_policy_bad',
    '1 when the policy file is bad: the last good one stays in force.',
    [],
    async (gauge) => gauge.set(sources.policyProblem() === null ? 0 : 1),
  );

  let observed: Observed = { failing: [], ages: new Map() };
  lookedUp(
    'drawbridge_condition',
    '1 for each thing that Drawbridge needs and lacks: /readyz says what, and what to do.',
    ['condition', 'severity', 'cluster'],
    async (gauge) => {
      for (const { name, severity, cluster } of sources.conditions())
        gauge.set({ condition: name, severity, ...inCluster(cluster) }, 1);
      for (const condition of observed.failing) gauge.set({ condition, severity: 'not ready' }, 1);
    },
  );
  lookedUp(
    'drawbridge_model_age_seconds',
    'For how long changes in the cluster may have gone unheard: of grants, of the cluster around them, of the roles that they bind; 0: it is as of now.',
    ['of', 'kind', 'cluster'],
    async (gauge) => {
      for (const [cluster, ages] of observed.ages)
        for (const [of, kinds] of Object.entries(ages))
          for (const [kind, seconds] of kinds) gauge.set({ of, kind, ...inCluster(cluster) }, seconds);
    },
  );
  lookedUp(
    'drawbridge_audit_webhook_lag_seconds',
    'Since the oldest audit entry that the webhook has not taken yet was stored; 0: it has all.',
    [],
    async (gauge) => {
      const lag = await sources.auditWebhookLag();
      if (lag !== null) gauge.set(lag);
    },
  );
  lookedUp(
    'drawbridge_clock_ahead_seconds',
    'By how much the clock of this machine is ahead of that of Redis and of the API server, negative: behind.',
    ['of', 'cluster'],
    async (gauge) => {
      for (const { of, cluster, seconds } of sources.clocksAhead())
        if (seconds !== null) gauge.set({ of, ...inCluster(cluster) }, seconds);
    },
  );

  lookedUp(
    'drawbridge_event_loop_delay_seconds',
    'How late the event loop came in the last five to ten minutes: while it is held up, nothing is ended.',
    ['quantile'],
    async (gauge) => {
      const { p90, p99, longest } = sources.loopDelay();
      for (const [quantile, seconds] of Object.entries({ '0.9': p90, '0.99': p99, '1': longest }))
        gauge.set({ quantile }, seconds);
    },
  );

  const auditEntries = new Counter({
    name: 'drawbridge_audit_entries_total',
    help: 'Audit entries by what became of them: chained, unchained (printed while Redis was away, chained later), lost (printed, never chained).',
    labelNames: ['outcome'] as const,
    registers,
  });
  for (const outcome of ['chained', 'unchained', 'lost']) auditEntries.inc({ outcome }, 0);
  const auditBreaks = new Counter({
    name: 'drawbridge_audit_chain_breaks_total',
    help: 'How often the audit chain in Redis was found cut or changed.',
    registers,
  });
  const decisions = new Counter({
    name: 'drawbridge_decisions_total',
    help: 'What became of requests.',
    labelNames: ['profile', 'outcome', 'by'] as const,
    registers,
  });
  const lateness = new Histogram({
    name: 'drawbridge_revocation_lateness_seconds',
    help: 'From the moment that access was due to end until the API server had confirmed that it has.',
    labelNames: ['profile', 'cause'] as const,
    buckets: [0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600],
    registers,
  });
  const alarms = new Counter({
    name: 'drawbridge_alarms_total',
    help: 'What administrators were to be told of: tampering (what Drawbridge made was changed or imitated), other.',
    labelNames: ['about'] as const,
    registers,
  });
  for (const about of ALARM_SUBJECTS) alarms.inc({ about }, 0);
  const untoldAlarms = new Counter({
    name: 'drawbridge_alarm_failures_total',
    help: 'Tries to tell administrators of something that nobody heard; each is made again.',
    registers,
  });
  const jobFailures = new Counter({
    name: 'drawbridge_job_failures_total',
    help: 'Attempts at jobs that failed: deeds, by which grants begin and end, and words, by which people are told.',
    labelNames: ['queue'] as const,
    registers,
  });
  for (const queue of ['deeds', 'words'] as const) jobFailures.inc({ queue }, 0);
  const apiErrors = new Counter({
    name: 'drawbridge_api_errors_total',
    help: 'Calls to a dependency that failed.',
    labelNames: ['dependency', 'cluster'] as const,
    registers,
  });
  for (const dependency of ['Kubernetes', 'Redis', 'Slack']) apiErrors.inc({ dependency }, 0);

  const slackErrors = new Counter({
    name: 'drawbridge_slack_errors_total',
    help: "Calls of Slack's Web API that failed, by method and Slack's word for it.",
    labelNames: ['method', 'error'] as const,
    registers,
  });

  return {
    decided: (profile, outcome, by) => decisions.inc({ profile, outcome, by }),
    revoked: (profile, cause, seconds) => lateness.observe({ profile, cause }, Math.max(0, seconds)),
    audited: (outcome) => auditEntries.inc({ outcome }),
    auditBroken: () => auditBreaks.inc(),
    alarmed: (about) => alarms.inc({ about }),
    alarmUntold: () => untoldAlarms.inc(),
    jobFailed: (queue) => jobFailures.inc({ queue }),
    apiError: (dependency, cluster) => apiErrors.inc({ dependency, ...inCluster(cluster) }),
    slackError(method, error) {
      apiErrors.inc({ dependency: 'Slack' });
      slackErrors.inc({ method, error });
    },
    async scrape(now) {
      observed = now;
      return { contentType: registry.contentType, body: await registry.metrics() };
    },
  };
}

/** Whoever asks while somebody is being answered gets the same answer. */
function shared<T>(ask: () => Promise<T>): () => Promise<T> {
  let asking: Promise<T> | null = null;
  return () => {
    asking ??= ask().finally(() => {
      asking = null;
    });
    return asking;
  };
}

/** Open grants with the same labels. */
interface Alike {
  readonly labels: { readonly state: string; readonly profile: string; readonly cluster?: string };
  count: number;
}

async function lookAtGrants(
  sources: Pick<MetricSources, 'now' | 'openGrants'>,
): Promise<{ readonly open: readonly Alike[]; readonly overdue: number }> {
  const kinds = new Map<string, Alike>();
  /** One that changes meanwhile may come twice: it counts as it was the last time. */
  const seen = new Map<string, Alike>();
  let overdue = 0;
  for await (const portion of sources.openGrants())
    for (const summary of portion) {
      const { id, state, profile, cluster } = summary;
      const kind = `${state} ${profile} ${cluster ?? ''}`;
      const alike = kinds.get(kind) ?? { labels: { state, profile, ...inCluster(cluster) }, count: 0 };
      kinds.set(kind, alike);
      alike.count += 1;
      const before = seen.get(id);
      if (before !== undefined) before.count -= 1;
      seen.set(id, alike);
      overdue = Math.max(overdue, overdueBy(summary, sources.now()));
    }
  return { open: [...kinds.values()].filter(({ count }) => count > 0), overdue };
}
