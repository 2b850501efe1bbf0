import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../../../src/adapters/telemetry/metrics.ts';

const quiet = {
  async *openGrants() {},
  queueDepth: async () => ({}),
  policyProblem: () => null,
  conditions: () => [],
  auditWebhookLag: async () => null,
  clocksAhead: () => ({ redis: null, kubernetes: null }),
  loopDelay: () => ({ p90: 0.001, p99: 0.02, longest: 0.3 }),
};
const ours = (body: string) => body.split('\n').filter((line) => line.startsWith('drawbridge_'));

describe('the metrics', () => {
  it('count grants, jobs and decisions as they are at the scrape', async () => {
    let grants = [
      { id: 'g-1', state: 'active', profile: 'debug' },
      { id: 'g-2', state: 'active', profile: 'debug' },
      { id: 'g-3', state: 'pending', profile: 'view' },
      { id: 'g-1', state: 'active', profile: 'debug' },
    ];
    const metrics = createMetrics({
      async *openGrants() {
        yield grants;
      },
      queueDepth: async () => ({ deeds: { waiting: 1, delayed: 7 } }),
      policyProblem: () => 'policy.yaml:1:1 bad',
      conditions: () => [{ name: 'slack channel', severity: 'degraded' }],
      auditWebhookLag: async () => 61.5,
      clocksAhead: () => ({ redis: -300.25, kubernetes: null }),
      loopDelay: quiet.loopDelay,
    });
    metrics.decided('debug', 'approved', 'person');
    metrics.revoked('debug', 'expired', 1.5);
    metrics.slackError('chat.postMessage', 'is_archived');
    metrics.audited('unchained');
    metrics.auditBroken();
    const first = ours((await metrics.scrape()).body);
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
        'drawbridge_decisions_total{profile="debug",outcome="approved",by="person"} 1',
        'drawbridge_revocation_lateness_seconds_sum{profile="debug",cause="expired"} 1.5',
        'drawbridge_api_errors_total{dependency="Slack"} 1',
        'drawbridge_api_errors_total{dependency="Redis"} 0',
      ]),
    );
    expect(first.join('\n')).not.toContain('of="kubernetes"');
    grants = [];
    expect(ours((await metrics.scrape()).body).join('\n')).not.toContain('drawbridge_grants{');
  });

  it('leave out what can not be looked up, and give the rest', async () => {
    const away = async () => {
      throw new Error('Redis is away');
    };
    const metrics = createMetrics({
      async *openGrants() {
        yield [{ id: 'g-1', state: 'active', profile: 'debug' }];
        await away();
      },
      queueDepth: away,
      policyProblem: () => null,
      conditions: () => [],
      auditWebhookLag: async () => null,
      clocksAhead: () => ({ redis: null, kubernetes: null }),
      loopDelay: quiet.loopDelay,
    });
    const lines = ours((await metrics.scrape()).body);
    expect(lines).toContain('drawbridge_policy_bad 0');
    expect(lines.join('\n')).not.toMatch(/drawbridge_(grants|queue_jobs)\{/);
  });

  it('count right for two scrapes at once, and what came twice once', async () => {
    const metrics = createMetrics({
      ...quiet,
      async *openGrants() {
        for (const id of ['g-1', 'g-2', 'g-1']) {
          await Promise.resolve();
          yield [{ id, state: 'active', profile: 'debug' }];
        }
      },
    });
    for (const { body } of await Promise.all([metrics.scrape(), metrics.scrape()]))
      expect(body).toContain('drawbridge_grants{state="active",profile="debug"} 2');
  });

  it('count no negative lateness', async () => {
    const metrics = createMetrics(quiet);
    metrics.revoked('debug', 'revoked', -3);
    expect((await metrics.scrape()).body).toContain(
      'drawbridge_revocation_lateness_seconds_sum{profile="debug",cause="revoked"} 0',
    );
  });
});
