import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../../../src/adapters/telemetry/metrics.ts';
import type { GrantState } from '../../../../src/domain/grant/grant.ts';
import type { GrantSummary } from '../../../../src/domain/grant/summary.ts';

const NOW = 1_700_000_000_000;
const quiet = {
  now: () => NOW,
  async *openGrants() {},
  queueDepth: async () => ({}),
  policyProblem: () => null,
  conditions: () => [],
  auditWebhookLag: async () => null,
  clocksAhead: () => [],
  loopDelay: () => ({ p90: 0.001, p99: 0.02, longest: 0.3 }),
};
const nothing = { failing: [], ages: new Map() };
const grant = (id: string, state: GrantState, profile: string, more: Partial<GrantSummary> = {}) => ({
  id,
  state,
  profile,
  expiresAt: null,
  endingSince: null,
  ...more,
});
const ours = (body: string) => body.split('\n').filter((line) => line.startsWith('drawbridge_'));

describe('the metrics', () => {
  it('count grants, jobs and decisions as they are at the scrape', async () => {
    let grants = [
      grant('g-1', 'active', 'debug'),
      grant('g-2', 'active', 'debug'),
      grant('g-3', 'pending', 'view'),
      grant('g-1', 'active', 'debug'),
    ];
    const metrics = createMetrics({
      now: quiet.now,
      async *openGrants() {
        yield grants;
      },
      queueDepth: async () => ({ deeds: { waiting: 1, delayed: 7 } }),
      policyProblem: () => 'policy.yaml:1:1 bad',
      conditions: () => [{ name: 'slack channel', severity: 'degraded' }],
      auditWebhookLag: async () => 61.5,
      clocksAhead: () => [
        { of: 'redis', cluster: null, seconds: -300.25 },
        { of: 'kubernetes', cluster: null, seconds: null },
      ],
      loopDelay: quiet.loopDelay,
    });
    metrics.decided('debug', 'approved', 'person');
    metrics.revoked('debug', 'expired', 1.5);
    metrics.slackError('chat.postMessage', 'is_archived');
    metrics.audited('unchained');
    metrics.alarmed('tampering');
    metrics.alarmUntold();
    metrics.jobFailed('words');
    metrics.auditBroken();
    const first = ours((await metrics.scrape(nothing)).body);
    expect(first).toEqual(
      expect.arrayContaining([
        'drawbridge_grants{state="active",profile="debug"} 2',
        'drawbridge_grants{state="pending",profile="view"} 1',
        'drawbridge_queue_jobs{queue="deeds",state="delayed"} 7',
        'drawbridge_policy_bad 1',
        'drawbridge_slack_errors_total{method="chat.postMessage",error="is_archived"} 1',
        'drawbridge_condition{condition="slack channel",severity="degraded"} 1',
        'drawbridge_audit_webhook_lag_seconds 61.5',
        'drawbridge_event_loop_delay_seconds{quantile="0.99"} 0.02',
        'drawbridge_event_loop_delay_seconds{quantile="1"} 0.3',
        'drawbridge_clock_ahead_seconds{of="redis"} -300.25',
        'drawbridge_audit_entries_total{outcome="unchained"} 1',
        'drawbridge_audit_entries_total{outcome="lost"} 0',
        'drawbridge_audit_chain_breaks_total 1',
        'drawbridge_alarms_total{about="tampering"} 1',
        'drawbridge_alarms_total{about="other"} 0',
        'drawbridge_alarm_failures_total 1',
        'drawbridge_job_failures_total{queue="words"} 1',
        'drawbridge_job_failures_total{queue="deeds"} 0',
        'drawbridge_decisions_total{profile="debug",outcome="approved",by="person"} 1',
        'drawbridge_revocation_lateness_seconds_sum{profile="debug",cause="expired"} 1.5',
        'drawbridge_api_errors_total{dependency="Slack"} 1',
        'drawbridge_api_errors_total{dependency="Redis"} 0',
      ]),
    );
    expect(first.join('\n')).not.toContain('of="kubernetes"');
    grants = [];
    expect(ours((await metrics.scrape(nothing)).body).join('\n')).not.toContain('drawbridge_grants{');
  });

  it('tell for how long the grant that waits the longest for its end has been due', async () => {
    const open = [
      grant('g-1', 'active', 'debug', { expiresAt: NOW - 20_000 }),
      grant('g-2', 'ending', 'debug', { expiresAt: NOW + 60_000, endingSince: NOW - 61_500 }),
      grant('g-3', 'active', 'debug', { expiresAt: NOW + 900_000 }),
    ];
    const metrics = createMetrics({
      ...quiet,
      async *openGrants() {
        yield open;
        yield [grant('g-4', 'applying', 'debug', { expiresAt: NOW + 1000 })];
      },
    });
    const told = async () => ours((await metrics.scrape(nothing)).body).find((line) => line.includes('overdue'));
    expect(await told()).toBe('drawbridge_revocation_overdue_seconds 61.5');
    open.splice(0, 2);
    expect(await told()).toBe('drawbridge_revocation_overdue_seconds 0');
  });

  it('tell what keeps it from being ready, and how old what it knows of the cluster is, as each scrape is told', async () => {
    const metrics = createMetrics({ ...quiet, conditions: () => [{ name: 'leash', severity: 'degraded' }] });
    const ages = {
      grants: new Map([['Job', 0]]),
      cluster: new Map([['Job', 71.5]]),
      roles: new Map([['ClusterRole', 3]]),
    };
    expect(ours((await metrics.scrape({ failing: ['redis'], ages: new Map([[null, ages]]) })).body)).toEqual(
      expect.arrayContaining([
        'drawbridge_condition{condition="leash",severity="degraded"} 1',
        'drawbridge_condition{condition="redis",severity="not ready"} 1',
        'drawbridge_model_age_seconds{of="grants",kind="Job"} 0',
        'drawbridge_model_age_seconds{of="cluster",kind="Job"} 71.5',
        'drawbridge_model_age_seconds{of="roles",kind="ClusterRole"} 3',
      ]),
    );
    const after = ours((await metrics.scrape(nothing)).body).join('\n');
    expect(after).not.toContain('condition="redis"');
    expect(after).not.toContain('drawbridge_model_age_seconds{');
  });

  it('leave out what can not be looked up, and give the rest', async () => {
    const away = async () => {
      throw new Error('Redis is away');
    };
    const metrics = createMetrics({
      now: quiet.now,
      async *openGrants() {
        yield [grant('g-1', 'active', 'debug', { expiresAt: NOW - 20_000 })];
        await away();
      },
      queueDepth: away,
      policyProblem: () => null,
      conditions: () => [],
      auditWebhookLag: away,
      clocksAhead: () => [],
      loopDelay: quiet.loopDelay,
    });
    const lines = ours((await metrics.scrape(nothing)).body);
    expect(lines).toContain('drawbridge_policy_bad 0');
    expect(lines.join('\n')).not.toMatch(
      /drawbridge_(grants\{|queue_jobs\{|revocation_overdue_seconds|audit_webhook_lag_seconds)/,
    );
  });

  it('count what changes while they look as it was the last time', async () => {
    const metrics = createMetrics({
      ...quiet,
      async *openGrants() {
        yield [grant('g-1', 'pending', 'debug'), grant('g-2', 'active', 'debug', { cluster: 'prod' })];
        yield [grant('g-1', 'active', 'debug'), grant('g-3', 'active', 'view')];
      },
    });
    const { body } = await metrics.scrape(nothing);
    expect(body.split('\n').filter((line) => line.startsWith('drawbridge_grants{'))).toEqual([
      'drawbridge_grants{state="active",profile="debug",cluster="prod"} 1',
      'drawbridge_grants{state="active",profile="debug"} 1',
      'drawbridge_grants{state="active",profile="view"} 1',
    ]);
  });

  it('count right for two scrapes at once, and what came twice once', async () => {
    const metrics = createMetrics({
      ...quiet,
      async *openGrants() {
        for (const id of ['g-1', 'g-2', 'g-1']) {
          await Promise.resolve();
          yield [grant(id, 'active', 'debug')];
        }
      },
    });
    for (const { body } of await Promise.all([metrics.scrape(nothing), metrics.scrape(nothing)]))
      expect(body).toContain('drawbridge_grants{state="active",profile="debug"} 2');
  });

  it('count no negative lateness', async () => {
    const metrics = createMetrics(quiet);
    metrics.revoked('debug', 'revoked', -3);
    expect((await metrics.scrape(nothing)).body).toContain(
      'drawbridge_revocation_lateness_seconds_sum{profile="debug",cause="revoked"} 0',
    );
  });
});
