import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { AuditEntry } from '../../app/ports.ts';

/** What a scrape looks up. A source that fails leaves its metric out of that scrape. */
export interface MetricSources {
  /** Grants that have not ended. */
  openGrants(): Promise<readonly { readonly state: string; readonly profile: string }[]>;
  /** Jobs by queue and state. */
  queueDepth(): Promise<Readonly<Record<string, Readonly<Record<string, number>>>>>;
  /** Why the policy file as it is now is not in force; null: it is. */
  policyProblem(): string | null;
}

export interface Metrics {
  readonly registry: Registry;
  /** Counts what happens to requests and grants, and how late their ends were. */
  audited(entry: AuditEntry): void;
  /** Counts a call to the API server by the class of its answer; 0: there was none. */
  kubernetesCall(status: number): void;
  /** From now on scrapes look these up. To be called once. */
  watch(sources: MetricSources): void;
}

/** Prometheus metrics. Labels are words of the policy and of this code only: never ids, people, namespaces or reasons. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  const events = new Counter({
    name: 'drawbridge_events_total',
    help: 'What happened to requests and grants, as in the audit; by: a person, or drawbridge itself.',
    labelNames: ['event', 'profile', 'by'] as const,
    registers,
  });
  const lateness = new Histogram({
    name: 'drawbridge_revocation_lateness_seconds',
    help: 'From the moment that access was due to end until the API server had confirmed that it has.',
    labelNames: ['profile', 'end'] as const,
    buckets: [0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600],
    registers,
  });
  const calls = new Counter({
    name: 'drawbridge_kubernetes_calls_total',
    help: 'Calls to the API server by the class of the answer.',
    labelNames: ['answer'] as const,
    registers,
  });

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

  return {
    registry,
    audited(entry) {
      const profile = entry.profile ?? '';
      events.inc({ event: entry.event, profile, by: entry.actor === null ? 'drawbridge' : 'person' });
      if (entry.lateness !== undefined)
        lateness.observe({ profile, end: entry.event }, Math.max(0, entry.lateness) / 1000);
    },
    kubernetesCall(status) {
      calls.inc({ answer: status > 0 ? `${Math.floor(status / 100)}xx` : 'none' });
    },
    watch(sources) {
      lookedUp('drawbridge_grants', 'Requests and grants that have not ended.', ['state', 'profile'], async (gauge) => {
        for (const { state, profile } of await sources.openGrants()) gauge.inc({ state, profile });
      });
      lookedUp('drawbridge_queue_jobs', 'Jobs in the queues.', ['queue', 'state'], async (gauge) => {
        for (const [queue, counts] of Object.entries(await sources.queueDepth()))
          for (const [state, count] of Object.entries(counts)) gauge.set({ queue, state }, count);
      });
      lookedUp(
        'drawbridge_policy_bad',
        '1 when the policy file is bad and the last good one stays in force.',
        [],
        async (gauge) => gauge.set(sources.policyProblem() === null ? 0 : 1),
      );
    },
  };
}
