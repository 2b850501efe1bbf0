import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../../src/adapters/telemetry/metrics.ts';
import { exprFor, OPERATIONS, readAlerts, withAlerts } from '../../../src/sandbox/alerts.ts';
import { queriesOf, readDashboard } from '../../support/dashboard.ts';

/** By name of a metric, by label: the values that the bot gives it. */
type Exported = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;

/** What is exported by a bot to which everything has happened. */
async function exported(): Promise<Exported> {
  const metrics = createMetrics({
    now: () => 0,
    async *openGrants() {
      yield [{ id: 'g-7k3fq2', state: 'active', profile: 'debug', cluster: 'prod', expiresAt: 1, endingSince: null }];
    },
    queueDepth: async () => ({
      deeds: { waiting: 1, active: 1, delayed: 1, failed: 1 },
      words: { waiting: 1, active: 1, delayed: 1, failed: 1 },
    }),
    policyProblem: () => null,
    conditions: () => [{ name: 'leash', severity: 'degraded', cluster: 'prod' }],
    auditWebhookLag: async () => 1,
    clocksAhead: () => [
      { of: 'redis', cluster: null, seconds: 1 },
      { of: 'kubernetes', cluster: 'prod', seconds: 1 },
    ],
    loopDelay: () => ({ p90: 1, p99: 1, longest: 1 }),
  });
  metrics.decided('debug', 'approved', 'person');
  metrics.revoked('debug', 'expired', 1);
  metrics.slackError('chat.postMessage', 'is_archived');
  const ages = new Map([['Pod', 0]]);
  const { body } = await metrics.scrape({
    failing: ['redis'],
    ages: new Map([['prod', { grants: ages, cluster: ages, roles: ages }]]),
  });
  const known = new Map<string, Map<string, Set<string>>>();
  for (const [, name = '', labels = ''] of body.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
    const metric = known.get(name) ?? new Map<string, Set<string>>();
    known.set(name, metric);
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="([^"]*)"/g))
      metric.set(label, (metric.get(label) ?? new Set()).add(value));
  }
  return known;
}

/** What Prometheus' operator gives a target. */
const OF_TARGETS = ['namespace', 'job', 'pod', 'container', 'endpoint', 'instance'];
/** Of the language, as far as it is used. */
const WORDS = [
  'sum',
  'max',
  'by',
  'increase',
  'rate',
  'abs',
  'absent',
  'histogram_quantile',
  'vector',
  'or',
  'unless',
  'offset',
];

/** Why an expression asks for what the bot does not export. */
function strange(expression: string, known: Exported): string[] {
  const why: string[] = [];
  const grouped = [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, labels = '']) => labels.split(', '));
  const plain = expression.replaceAll(/\bby \([^)]*\)/g, '').replaceAll(/\[[^\]]*\]/g, '');
  const labels = new Set(OF_TARGETS);
  for (const [, name = '', matchers = ''] of plain.matchAll(/\b([a-z_]\w*)(?:\{([^}]*)\})?/g)) {
    if (WORDS.includes(name) || name === 'up') continue;
    const metric = known.get(name);
    if (metric === undefined) {
      why.push(`no metric ${name}`);
      continue;
    }
    for (const label of metric.keys()) labels.add(label);
    for (const [, label = '', value = ''] of matchers.matchAll(/(\w+)="([^"]*)"/g))
      if (!OF_TARGETS.includes(label) && metric.get(label)?.has(value) !== true)
        why.push(`no ${name}{${label}="${value}"}`);
  }
  return [...why, ...grouped.filter((label) => !labels.has(label)).map((label) => `no label ${label}`)];
}

describe('what is asked of the metrics', async () => {
  const known = await exported();
  const [alerts, dashboard] = await Promise.all([readAlerts(), readDashboard()]);

  it.each(alerts.map((alert) => [alert.alert, exprFor(alert, 'job="a/b"')]))(
    'by the alert %s is exported',
    (_name, expr) => {
      expect(strange(expr, known)).toEqual([]);
    },
  );

  it('by the dashboard is exported', () => {
    expect(queriesOf(dashboard).flatMap((query) => strange(query, known))).toEqual([]);
    const [definition = ''] = dashboard.templating.list.flatMap((variable) => variable.definition ?? []);
    const [, metric = '', label] = /^label_values\((\w+), (\w+)\)$/.exec(definition) ?? [];
    expect([known.has(metric), label]).toEqual([true, 'job']);
  });

  it.each([
    ['drawbridge_nothing', 'no metric drawbridge_nothing'],
    ['sum(drawbridge_alarms_total{about="weather"})', 'no drawbridge_alarms_total{about="weather"}'],
    ['max(drawbridge_policy_bad{severity="degraded"})', 'no drawbridge_policy_bad{severity="degraded"}'],
    ['sum by (of, pod, queue) (drawbridge_model_age_seconds)', 'no label queue'],
  ])('is refused where it is not: %s', (expression, why) => {
    expect(strange(expression, known)).toEqual([why]);
  });

  it('on the dashboard, leaves out no metric of ours that alerts are about', () => {
    const namesIn = (text: string) => [...text.matchAll(/\bdrawbridge_\w+/g)].map(([name]) => name);
    const shown = new Set(queriesOf(dashboard).flatMap(namesIn));
    expect(alerts.flatMap(({ expr }) => namesIn(expr)).filter((name) => !shown.has(name))).toEqual([]);
  });

  it('on the dashboard, is shown by panels that have a place of their own and an installation to show', () => {
    const { panels } = dashboard;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)} ${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const query of queriesOf(dashboard)) expect(query).toContain('{job="$job"');
    // A legend of a label that the query has summed away would be empty.
    for (const { title, targets } of panels)
      for (const { expr, legendFormat } of targets)
        for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
          expect(expr.includes(' by (') ? expr : label, title).toMatch(new RegExp(`\\b(${label})\\b`));
  });
});

describe('the table of alerts', async () => {
  const [alerts, operations] = await Promise.all([readAlerts(), readFile(OPERATIONS, 'utf8')]);

  it('is in docs/operations.md as it is in the chart (npm run chart-files)', () => {
    expect(withAlerts(operations, alerts)).toBe(operations);
    expect(withAlerts(operations, alerts.slice(1))).not.toBe(operations);
    expect(() => withAlerts('# Operations', alerts)).toThrow(
      'no place for what is made of helm/drawbridge/alerts.yaml',
    );
  });

  it('has each once, and links to what is there', () => {
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
    const headings = [...operations.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    );
    const links = alerts.flatMap(({ means, do: todo }) => [...`${means} ${todo}`.matchAll(/\(#([^)]*)\)/g)]);
    expect(links.length).toBeGreaterThan(3);
    for (const [, link] of links) expect(headings).toContain(link);
  });

  it('asks for one installation, or for all', () => {
    const expr = 'a{$installation} + b{$installation,c="d"}';
    expect(exprFor({ expr }, 'job="x"')).toBe('a{job="x"} + b{job="x",c="d"}');
    expect(exprFor({ expr }, null)).toBe('a + b{c="d"}');
  });
});
