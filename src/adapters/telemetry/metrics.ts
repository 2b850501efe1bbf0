import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { LoopDelay } from './event-loop.ts';

/** What a scrape looks up. A source that fails leaves its metric out of that scrape. */
export interface MetricSources {
  /** Grants that have not ended, in portions; one may come twice. */
  openGrants(): AsyncIterable<readonly { readonly id: string; readonly state: string; readonly profile: string }[]>;
  /** Jobs by queue and state. */
  queueDepth(): Promise<Readonly<Record<string, Readonly<Record<string, number>>>>>;
  /** Why the policy file as it is now is not in force; null: it is. */
  policyProblem(): string | null;
  /** What Drawbridge lacks of what it needs. */
  conditions(): readonly { readonly name: string; readonly severity: string }[];
  /** Seconds by which the clock of this machine is ahead of each server's; null: not known. */
  clocksAhead(): Readonly<Record<'redis' | 'kubernetes', number | null>>;
  /** Seconds since the oldest audit entry that the webhook has not taken was stored; null: there is no webhook. */
  auditWebhookLag(): Promise<number | null>;
  loopDelay(): LoopDelay;
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
  apiError(dependency: 'Kubernetes' | 'Redis' | 'Slack'): void;
  /** A call of Slack that failed, by Slack's word for it. */
  slackError(method: string, error: string): void;
  /** The text of a scrape and its content type. */
  scrape(): Promise<{ readonly contentType: string; readonly body: string }>;
}

/** Prometheus metrics. Labels are words of the policy and of this code only: never ids, people, namespaces or reasons. */
export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

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
        this.reset();
        await fill(this).catch(() => this.reset());
      },
    });

  lookedUp('drawbridge_grants', 'Requests and grants that have not ended.', ['state', 'profile'], async (gauge) => {
    const counted = new Map<string, { state: string; profile: string }>();
    for await (const portion of sources.openGrants())
      for (const { id, state, profile } of portion) counted.set(id, { state, profile });
    // In one go: another scrape may be looking, too.
    gauge.reset();
    for (const labels of counted.values()) gauge.inc(labels);
  });
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

  lookedUp(
    'drawbridge_condition',
    '1 for each thing that Drawbridge needs and lacks: /readyz says what, and what to do.',
    ['condition', 'severity'],
    async (gauge) => {
      for (const { name, severity } of sources.conditions()) gauge.set({ condition: name, severity }, 1);
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
    ['of'],
    async (gauge) => {
      for (const [of, ahead] of Object.entries(sources.clocksAhead())) if (ahead !== null) gauge.set({ of }, ahead);
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
  const apiErrors = new Counter({
    name: 'drawbridge_api_errors_total',
    help: 'Calls to a dependency that failed.',
    labelNames: ['dependency'] as const,
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
    apiError: (dependency) => apiErrors.inc({ dependency }),
    slackError(method, error) {
      apiErrors.inc({ dependency: 'Slack' });
      slackErrors.inc({ method, error });
    },
    scrape: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}
