import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, vi } from 'vitest';
import { parse } from 'yaml';
import { type Installation, installChart } from '../../src/sandbox/chart.ts';
import { CHART, type ValuesWithPolicy } from '../../src/sandbox/chart-values.ts';
import type { TestCluster } from './cluster.ts';

/** The chart's example values, with other names for the namespaces `staging` and `shop`, or with changes by path (`a.b.0.c`). */
export function exampleValues(
  names: { readonly staging?: string; readonly shop?: string } = {},
  changes: Readonly<Record<string, unknown>> = {},
): ValuesWithPolicy {
  const values = parse(readFileSync(join(CHART, 'ci/example-values.yaml'), 'utf8'), (_key, value: unknown) =>
    value === 'staging' || value === 'shop' ? (names[value] ?? value) : value,
  ) as ValuesWithPolicy;
  for (const [path, value] of Object.entries(changes)) setAt(values, path, value);
  return values;
}

/** Sets what is at `a.b.0.c`, or removes it when `value` is undefined; what is missing on the way is made. */
export function setAt(root: object, path: string, value: unknown): void {
  const keys = path.split('.').map((key) => key.replaceAll('|', '.'));
  const last = keys.pop() ?? '';
  let at = root as Record<string, unknown>;
  for (const key of keys) at = (at[key] ??= {}) as Record<string, unknown>;
  if (value === undefined) delete at[last];
  else at[last] = value;
}

/** The namespaces of one installation of the example policy, beside its own. */
export interface Targets {
  readonly staging: string;
  readonly shop: string;
  readonly team: string;
}

/** Installs the chart under names of its own, with the namespaces of the example policy, and with changes to its values by path. */
export async function installExample(
  cluster: TestCluster,
  release: string,
  changes: Readonly<Record<string, unknown>> = {},
): Promise<{ at: Installation; targets: Targets }> {
  const targets = {
    staging: await cluster.freshNamespace('staging'),
    shop: await cluster.freshNamespace('shop'),
    team: await cluster.freshNamespace('team'),
  };
  const namespace = await cluster.freshNamespace(release);
  const values = exampleValues(targets, {
    'workspaces.namespace': `${namespace}-workspaces`,
    'accounts.namespace': `${namespace}-accounts`,
    'nodes.namespace': `${namespace}-nodes`,
    ...changes,
  });
  const at = await installChart({ kubeconfig: cluster.adminKubeconfig, values, release: namespace, namespace });
  return { at, targets };
}

/** What the API server, which looks at each admission policy after it was written, says of the types in those of a release. Waits for it. */
export async function typeWarnings(
  cluster: TestCluster,
  release: string,
): Promise<{ policies: number; warnings: object[] }> {
  return vi.waitFor(
    async () => {
      const { stdout } = await cluster.kubectl(['get', 'validatingadmissionpolicies', '-o', 'json']);
      const { items } = JSON.parse(stdout) as {
        items: {
          metadata: { name: string; generation: number };
          status?: { observedGeneration?: number; typeChecking?: { expressionWarnings?: object[] } };
        }[];
      };
      const ours = items.filter(({ metadata }) => metadata.name.startsWith(`${release}-`));
      expect(ours.map(({ status }) => status?.observedGeneration)).toEqual(
        ours.map(({ metadata }) => metadata.generation),
      );
      return {
        policies: ours.length,
        warnings: ours.flatMap(({ status }) => status?.typeChecking?.expressionWarnings ?? []),
      };
    },
    { timeout: 20_000 },
  );
}
