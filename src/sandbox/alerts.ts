import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { CHART } from './chart-values.ts';
import { markdownTable, withMadePart } from './made-part.ts';

/**
 * What to alert on: alerts.yaml of the chart, which its PrometheusRule reads too. Run as a program this writes the part of docs/operations.md
 * that is made of it.
 */

const alertsSchema = z.strictObject({
  alerts: z.array(
    z.strictObject({
      alert: z.string().regex(/^Drawbridge[A-Z][A-Za-z]+$/),
      /** `$installation` stands for the matchers by which an installation is told from others. */
      expr: z.string().includes('{$installation'),
      for: z.string().regex(/^\d+[sm]$/),
      severity: z.enum(['critical', 'warning']),
      means: z.string().min(1),
      do: z.string().min(1),
    }),
  ),
});

export type Alert = z.infer<typeof alertsSchema>['alerts'][number];

export const OPERATIONS = fileURLToPath(new URL('../../docs/operations.md', import.meta.url));

/** The alerts of the chart, in the order of its table. */
export async function readAlerts(): Promise<Alert[]> {
  return alertsSchema.parse(parse(await readFile(join(CHART, 'alerts.yaml'), 'utf8'))).alerts;
}

/** An expression for one installation, or (null) for all that Prometheus knows. */
export function exprFor({ expr }: Pick<Alert, 'expr'>, installation: string | null): string {
  if (installation !== null) return expr.replaceAll('$installation', installation);
  return expr.replaceAll('{$installation}', '').replaceAll('$installation,', '');
}

/** The document with its table of alerts as it should be. @throws Error when it has no place for one */
export const withAlerts = (document: string, alerts: readonly Alert[]): string =>
  withMadePart(document, 'helm/drawbridge/alerts.yaml', table(alerts));

const table = (alerts: readonly Alert[]): string =>
  markdownTable([
    ['alert', 'fires on', 'means', 'do'],
    ...alerts.map((alert) => [
      `\`${alert.alert}\` (${alert.severity})`,
      `\`${exprFor(alert, null)}\`${alert.for === '0s' ? '' : ` for ${alert.for}`}`,
      alert.means,
      alert.do,
    ]),
  ]);

if (import.meta.main) {
  const document = await readFile(OPERATIONS, 'utf8');
  await writeFile(OPERATIONS, withAlerts(document, await readAlerts()));
}
