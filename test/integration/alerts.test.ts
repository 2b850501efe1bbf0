import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { readAlerts } from '../../src/sandbox/alerts.ts';
import { type Rendered, renderChart } from '../../src/sandbox/chart.ts';
import { exampleValues } from '../support/chart.ts';
import { readDashboard } from '../support/dashboard.ts';
import { findPrometheus } from '../support/prometheus.ts';

/** The chart's alerts, as Prometheus itself reads them: on what they fire, and on what they must not. */

const JOB = 'drawbridge/drawbridge';

interface Case {
  readonly when: string;
  /** Values by series, one each half minute, in promtool's notation; labels beside job and pod. */
  readonly series: Readonly<Record<string, string>>;
  readonly at: string;
  /** Of each alert that fires, beside those that all have. */
  readonly fires: readonly Readonly<Record<string, string>>[];
}

const STEADY = 'x60';
const once = [{}];
const none: Case['fires'] = [];
const LATENESS = 'drawbridge_revocation_lateness_seconds';

/** One more than before is one too many, also where the process that counted it was new. */
const ofCount = (metric: string): Case[] => [
  { when: 'it rises', series: { [metric]: `0 0 0 1${STEADY}` }, at: '3m', fires: once },
  {
    when: 'a new process counted one before its first scrape',
    series: { [metric]: `_ _ 1${STEADY}` },
    at: '2m',
    fires: once,
  },
  { when: 'it rose long ago', series: { [metric]: `0 0 0 1${STEADY}` }, at: '18m', fires: none },
  { when: 'nothing has happened', series: { [metric]: `0${STEADY}` }, at: '3m', fires: none },
];

const CASES: Readonly<Record<string, readonly Case[]>> = {
  DrawbridgeAbsent: [
    { when: 'nothing is scraped', series: {}, at: '5m', fires: once },
    { when: 'no replica answers', series: { up: `0${STEADY}` }, at: '5m', fires: once },
    {
      when: 'only another installation answers',
      series: { 'up@other/drawbridge': `1${STEADY}` },
      at: '5m',
      fires: once,
    },
    { when: 'one of two answers', series: { up: `0${STEADY}`, 'up{pod="b"}': `1${STEADY}` }, at: '9m', fires: none },
    { when: 'there has been none for a moment', series: { up: `1 1 0 0 1${STEADY}` }, at: '5m', fires: none },
  ],
  DrawbridgeRevocationOverdue: [
    {
      when: 'an end is late and later',
      series: { drawbridge_revocation_overdue_seconds: `0 15+30${STEADY}` },
      at: '1m',
      fires: once,
    },
    {
      when: 'an end takes some seconds',
      series: { drawbridge_revocation_overdue_seconds: `0 9 0 10${STEADY}` },
      at: '3m',
      fires: none,
    },
    {
      when: 'an end was late, and came',
      series: { drawbridge_revocation_overdue_seconds: `0 12 0${STEADY}` },
      at: '1m',
      fires: none,
    },
  ],
  DrawbridgeRevokedLate: [
    {
      when: 'one of many was late',
      series: {
        [`${LATENESS}_count{profile="a"}`]: `8 8 9 12${STEADY}`,
        [`${LATENESS}_bucket{profile="a",le="10"}`]: `8 8 9 11${STEADY}`,
      },
      at: '3m',
      fires: once,
    },
    {
      when: 'the first of its profile was late',
      series: {
        [`${LATENESS}_count{profile="a"}`]: `_ _ 1${STEADY}`,
        [`${LATENESS}_bucket{profile="a",le="10"}`]: `_ _ 0${STEADY}`,
      },
      at: '3m',
      fires: once,
    },
    {
      when: 'all came in time',
      series: {
        [`${LATENESS}_count{profile="a"}`]: `_ 1 2 5 7${STEADY}`,
        [`${LATENESS}_bucket{profile="a",le="10"}`]: `_ 1 2 5 7${STEADY}`,
        [`${LATENESS}_count{profile="b"}`]: `3 3 4 5${STEADY}`,
        [`${LATENESS}_bucket{profile="b",le="10"}`]: `3 3 4 5${STEADY}`,
        [`${LATENESS}_bucket{profile="b",le="0.5"}`]: `0${STEADY}`,
      },
      at: '3m',
      fires: none,
    },
  ],
  DrawbridgeNotReady: [
    {
      when: 'Redis is missing to one replica',
      series: { 'drawbridge_condition{condition="redis",severity="not ready"}': `1${STEADY}` },
      at: '2m',
      fires: [{ pod: 'a', condition: 'redis' }],
    },
    {
      when: 'a replica has just begun',
      series: { 'drawbridge_condition{condition="grants",severity="not ready"}': '1 1 1 stale' },
      at: '2m30s',
      fires: none,
    },
    {
      when: 'it is degraded',
      series: { 'drawbridge_condition{condition="leash",severity="degraded"}': `1${STEADY}` },
      at: '9m',
      fires: none,
    },
  ],
  DrawbridgeDegraded: [
    {
      when: 'two replicas lack the same',
      series: {
        'drawbridge_condition{condition="leash",severity="degraded"}': `1${STEADY}`,
        'drawbridge_condition{condition="leash",severity="degraded",pod="b"}': `1${STEADY}`,
      },
      at: '5m',
      fires: [{ condition: 'leash' }],
    },
    {
      when: 'it is not ready',
      series: { 'drawbridge_condition{condition="redis",severity="not ready"}': `1${STEADY}` },
      at: '9m',
      fires: none,
    },
    {
      when: 'it lacked something for a moment',
      series: { 'drawbridge_condition{condition="leash",severity="degraded"}': '1 1 1 stale' },
      at: '6m',
      fires: none,
    },
  ],
  DrawbridgeCallsFail: [
    {
      when: 'calls of Redis fail all the time',
      series: {
        'drawbridge_api_errors_total{dependency="Redis"}': `0+5${STEADY}`,
        'drawbridge_api_errors_total{dependency="Slack"}': `7${STEADY}`,
      },
      at: '10m',
      fires: [{ dependency: 'Redis' }],
    },
    {
      when: 'one fails each minute',
      series: {
        'drawbridge_api_errors_total{dependency="Slack"}': `0 1 1 2 2 3 3 4 4 5 5 6 6 7 7 8 8 9 9 10 10 11 11`,
      },
      at: '10m',
      fires: none,
    },
    {
      when: 'many failed in one moment',
      series: { 'drawbridge_api_errors_total{dependency="Slack"}': `0 0 20${STEADY}` },
      at: '6m30s',
      fires: none,
    },
  ],
  DrawbridgeModelStale: [
    {
      when: 'the watch on pods is down',
      series: {
        'drawbridge_model_age_seconds{of="cluster",kind="Pod"}': `0 12+30${STEADY}`,
        'drawbridge_model_age_seconds{of="grants",kind="Job"}': `0${STEADY}`,
      },
      at: '2m',
      fires: [{ of: 'cluster', kind: 'Pod' }],
    },
    {
      when: 'it was down for a moment',
      series: { 'drawbridge_model_age_seconds{of="cluster",kind="Pod"}': `0 12 0 9${STEADY}` },
      at: '2m',
      fires: none,
    },
  ],
  DrawbridgeTampering: [
    ...ofCount('drawbridge_alarms_total{about="tampering"}'),
    {
      when: 'administrators are told of something else',
      series: { 'drawbridge_alarms_total{about="other"}': `0 1 2 3${STEADY}` },
      at: '3m',
      fires: none,
    },
    {
      when: 'it is another installation',
      series: { 'drawbridge_alarms_total{about="tampering"}@other/drawbridge': `0 1${STEADY}` },
      at: '3m',
      fires: none,
    },
  ],
  DrawbridgeAuditBroken: ofCount('drawbridge_audit_chain_breaks_total'),
  DrawbridgeAuditWebhookLags: [
    {
      when: 'the receiver is away',
      series: { drawbridge_audit_webhook_lag_seconds: `0+60${STEADY}` },
      at: '8m',
      fires: once,
    },
    {
      when: 'the receiver is slow',
      series: { drawbridge_audit_webhook_lag_seconds: `300${STEADY}` },
      at: '20m',
      fires: none,
    },
    { when: 'there is no receiver', series: {}, at: '20m', fires: none },
  ],
  DrawbridgeAlarmsUntold: [
    {
      when: 'Slack takes it for nobody, again and again',
      series: { drawbridge_alarm_failures_total: `0 1 2 3${STEADY}` },
      at: '2m',
      fires: once,
    },
    {
      when: 'it was told at the second try',
      series: { drawbridge_alarm_failures_total: `0 1${STEADY}` },
      at: '2m',
      fires: none,
    },
  ],
  DrawbridgeQueueFails: [
    {
      when: 'a revocation fails all the time',
      series: {
        'drawbridge_job_failures_total{queue="deeds"}': `0+6${STEADY}`,
        'drawbridge_job_failures_total{queue="words"}': `0${STEADY}`,
      },
      at: '8m',
      fires: [{ queue: 'deeds' }],
    },
    {
      when: 'some fail, and then do not',
      series: { 'drawbridge_job_failures_total{queue="words"}': `0 3 6 8${STEADY}` },
      at: '9m',
      fires: none,
    },
  ],
  DrawbridgeQueueWaits: [
    {
      when: 'hundreds are due',
      series: { 'drawbridge_queue_jobs{queue="deeds",state="waiting"}': `101${STEADY}` },
      at: '5m',
      fires: [{ queue: 'deeds' }],
    },
    {
      when: 'hundreds have their time',
      series: {
        'drawbridge_queue_jobs{queue="deeds",state="delayed"}': `5000${STEADY}`,
        'drawbridge_queue_jobs{queue="deeds",state="waiting"}': `100${STEADY}`,
      },
      at: '9m',
      fires: none,
    },
  ],
  DrawbridgeEventLoopStalls: [
    {
      when: 'it stalls again and again',
      series: { 'drawbridge_event_loop_delay_seconds{quantile="1"}': `0.7${STEADY}` },
      at: '15m',
      fires: [{ pod: 'a' }],
    },
    {
      when: 'it has stalled once',
      series: { 'drawbridge_event_loop_delay_seconds{quantile="1"}': `3x20 0.1${STEADY}` },
      at: '15m',
      fires: none,
    },
    {
      when: 'it stalls for a moment',
      series: { 'drawbridge_event_loop_delay_seconds{quantile="1"}': `0.5${STEADY}` },
      at: '20m',
      fires: none,
    },
  ],
  DrawbridgeClockWrong: [
    {
      when: 'the clock of Redis is ahead',
      series: {
        'drawbridge_clock_ahead_seconds{of="redis"}': `-6${STEADY}`,
        'drawbridge_clock_ahead_seconds{of="kubernetes"}': `1${STEADY}`,
      },
      at: '5m',
      fires: [{ pod: 'a', of: 'redis' }],
    },
    {
      when: 'clocks are off as clocks are',
      series: { 'drawbridge_clock_ahead_seconds{of="redis"}': `5${STEADY}` },
      at: '9m',
      fires: none,
    },
  ],
};

/** `name{labels}@job` with the labels that a target has; job and pod need not be given. */
function seriesOf(given: string): string {
  const [, name, inner = '', job = JOB] = /^(\w+)(?:\{(.*?)\})?(?:@(.*))?$/.exec(given) ?? [];
  const labels = [inner, `job="${job}"`, ...(inner.includes('pod=') ? [] : ['pod="a"'])].filter((one) => one !== '');
  return `${name}{${labels.join()}}`;
}

interface Rule {
  readonly expr: string;
  readonly alert: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

const objectsWith = (monitoring: object) => renderChart(exampleValues({}, { monitoring }));

async function rendered(monitoring: object): Promise<readonly Rule[]> {
  const objects = await objectsWith(monitoring);
  const { spec } = objects.find(({ kind }) => kind === 'PrometheusRule') as unknown as {
    spec: { groups: [{ rules: Rule[] }] };
  };
  return spec.groups[0].rules;
}

describe("the chart's monitoring", () => {
  const KINDS = ['PodMonitor', 'PrometheusRule', 'ConfigMap drawbridge-dashboard'];
  const kindsOf = (objects: readonly Rendered[]) =>
    objects.flatMap(({ kind, metadata: { name } }) =>
      KINDS.filter((one) => one === kind || one === `${kind} ${name}`).map((one) => one.split(' ')[0]),
    );

  test.each([
    [{}, []],
    [{ podMonitor: { enabled: true } }, ['PodMonitor']],
    [{ rules: { enabled: true } }, ['PrometheusRule']],
    [{ dashboard: { enabled: true } }, ['ConfigMap']],
  ])('makes what was asked for, and nothing by default: %o', async (monitoring, kinds) => {
    expect(kindsOf(await objectsWith(monitoring))).toEqual(kinds);
  });

  test('scrapes the port of the bot, and calls it as the alerts do', async () => {
    const labels = { release: 'kube-prometheus-stack' };
    const objects = await objectsWith({
      podMonitor: { enabled: true, interval: '15s', labels },
      rules: { enabled: true, labels },
    });
    const of = (wanted: string) =>
      objects.find(({ kind, metadata }) => kind === wanted && metadata.name === 'drawbridge') as unknown as Rendered & {
        spec: {
          selector: { matchLabels: Readonly<Record<string, string>> };
          podMetricsEndpoints: { port: string; path: string; interval: string }[];
          groups: { rules: Rule[] }[];
          template: { metadata: { labels: object }; spec: { containers: { ports: { name: string }[] }[] } };
        };
      };
    const [monitor, rule, bot] = [of('PodMonitor'), of('PrometheusRule'), of('Deployment')];
    expect(bot.spec.template.metadata.labels).toMatchObject(monitor.spec.selector.matchLabels);
    const [endpoint] = monitor.spec.podMetricsEndpoints;
    expect(endpoint).toEqual({ port: 'ops', path: '/metrics', interval: '15s' });
    expect(bot.spec.template.spec.containers[0]?.ports.map(({ name }) => name)).toContain(endpoint?.port);
    const { name, namespace } = monitor.metadata;
    for (const { expr } of rule.spec.groups[0]?.rules ?? []) expect(expr).toContain(`job="${namespace}/${name}"`);
    for (const { metadata } of [monitor, rule])
      expect(metadata).toMatchObject({
        namespace: 'drawbridge',
        labels: { ...labels, 'app.kubernetes.io/name': 'drawbridge' },
      });
  });

  test("gives the dashboard as it is to Grafana's sidecar", async () => {
    const objects = await objectsWith({ dashboard: { enabled: true, annotations: { grafana_folder: 'Access' } } });
    const { metadata, data } = objects.find(({ metadata }) => metadata.name === 'drawbridge-dashboard') as unknown as {
      metadata: object;
      data: Readonly<Record<string, string>>;
    };
    expect(metadata).toMatchObject({ labels: { grafana_dashboard: '1' }, annotations: { grafana_folder: 'Access' } });
    expect(JSON.parse(data['drawbridge.json'] ?? '')).toEqual(await readDashboard());
  });

  test.each([{ podMonitor: { interval: 'often' } }, { rules: { labels: { a: 1 } } }, { grafana: {} }])(
    'refuses what it does not know: %o',
    async (monitoring) => {
      await expect(objectsWith(monitoring)).rejects.toThrow('monitoring');
    },
  );
});

const programs = await findPrometheus();

describe.skipIf(programs === null)("the chart's alerts, by promtool", async () => {
  const alerts = await readAlerts();
  const rules = programs === null ? [] : await rendered({ rules: { enabled: true } });

  /** What promtool says of these files; the first is its argument. @throws Error with its words */
  async function promtool(command: readonly string[], files: Readonly<Record<string, unknown>>): Promise<string> {
    const dir = await mkdtemp(join(tmpdir(), 'drawbridge-promtool-'));
    try {
      for (const [name, content] of Object.entries(files)) await writeFile(join(dir, name), stringify(content));
      const args = [...command, Object.keys(files)[0] ?? ''];
      return await promisify(execFile)(programs?.promtool ?? '', args, { cwd: dir }).then(
        ({ stdout }) => stdout,
        (error: { stdout: string; stderr: string }) => {
          throw new Error(error.stdout + error.stderr);
        },
      );
    } finally {
      await rm(dir, { recursive: true });
    }
  }

  test('each has a case on which it fires, and one on which it does not', () => {
    expect(Object.keys(CASES)).toEqual(alerts.map(({ alert }) => alert));
    expect(rules.map(({ alert }) => alert)).toEqual(Object.keys(CASES));
    for (const cases of Object.values(CASES))
      expect([true, false].every((fires) => cases.some((one) => one.fires.length > 0 === fires))).toBe(true);
  });

  test('are rules as Prometheus wants them, also for a selector of their own', async () => {
    const groups = [{ name: 'chart', rules }];
    expect(await promtool(['check', 'rules'], { 'rules.yaml': { groups } })).toContain(`${alerts.length} rules found`);
    const own = await rendered({ rules: { enabled: true, selector: 'namespace="access", app="drawbridge"' } });
    expect(await promtool(['check', 'rules'], { 'rules.yaml': { groups: [{ name: 'own', rules: own }] } })).toContain(
      'SUCCESS',
    );
    expect(JSON.stringify(own)).not.toContain('job=');
  });

  test('say what they mean and what to do in plain words', () => {
    for (const { annotations } of rules) {
      expect(Object.keys(annotations)).toEqual(['summary', 'description']);
      expect(Object.values(annotations).join()).not.toMatch(/\]\(|\{\{/);
    }
    expect(rules.find(({ alert }) => alert === 'DrawbridgeNotReady')?.annotations).toMatchObject({
      summary: expect.stringContaining('names what it lacks (the conditions)') as string,
    });
  });

  test.each(rules.map((rule) => [rule.alert, rule] as const))(
    '%s fires on what it is for, and on nothing else',
    async (name, rule) => {
      const tests = (CASES[name] ?? []).map(({ when, series, at, fires }) => ({
        name: when,
        interval: '30s',
        input_series: Object.entries(series).map(([given, values]) => ({ series: seriesOf(given), values })),
        alert_rule_test: [
          {
            eval_time: at,
            alertname: name,
            exp_alerts: fires.map((labels) => ({ exp_labels: { ...rule.labels, ...labels } })),
          },
        ],
      }));
      await promtool(['test', 'rules'], {
        'tests.yaml': { rule_files: ['rules.yaml'], evaluation_interval: '30s', tests },
        'rules.yaml': { groups: [{ name: 'chart', rules: [{ ...rule, annotations: {} }] }] },
      });
    },
  );
});
