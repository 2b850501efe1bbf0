import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { type Rendered, renderChart } from '../../src/sandbox/chart.ts';
import { exampleValues } from '../support/chart.ts';
import { describeWithCluster } from '../support/cluster.ts';

interface PodSpec {
  readonly containers: readonly [Readonly<Record<string, unknown>> & { readonly command?: string[] }];
  readonly [field: string]: unknown;
}

/** The pod of `helm test`, which tries what the bot needs, and the bot's. */
describeWithCluster('the pod of helm test', (cluster) => {
  async function rendered(changes: Record<string, unknown> = {}) {
    const objects = await renderChart(exampleValues({}, changes));
    const pod = objects.find(({ kind }) => kind === 'Pod') as unknown as Rendered & { spec: PodSpec };
    const bot = objects.find(
      ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'drawbridge',
    ) as unknown as { spec: { template: { metadata: { labels: object }; spec: PodSpec } } };
    return { pod, bot: bot.spec.template };
  }

  test.each([
    ['as it is', {}],
    ['by HTTP, with another port, without a probe', { 'slack.mode': 'http', opsPort: 9191, 'probe.enabled': false }],
  ])('is that of the bot, with another program (%s)', async (_what, changes) => {
    const { pod, bot } = await rendered(changes);
    expect(pod.metadata).toMatchObject({
      name: 'drawbridge-check',
      annotations: { 'helm.sh/hook': 'test', 'helm.sh/hook-delete-policy': 'before-hook-creation' },
      labels: { ...bot.metadata.labels, 'app.kubernetes.io/component': 'check' },
    });
    const { containers, restartPolicy, ...rest } = pod.spec;
    const { containers: ofBot, topologySpreadConstraints, ...same } = bot.spec;
    expect(topologySpreadConstraints).toBeDefined();
    expect([rest, restartPolicy]).toEqual([same, 'Never']);
    const { ports, startupProbe, livenessProbe, readinessProbe, ...bare } = ofBot[0];
    expect([ports, startupProbe, livenessProbe, readinessProbe]).not.toContain(undefined);
    expect(containers).toEqual([{ ...bare, name: 'check', command: ['node', 'dist/cli/check-installation.js'] }]);
  });

  test('is a pod that the API server takes, in a namespace that is restricted', async () => {
    const namespace = await cluster.freshNamespace('helm-test', { 'pod-security.kubernetes.io/enforce': 'restricted' });
    const { pod } = await rendered();
    await cluster.apply([
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'drawbridge', namespace } },
      { ...pod, metadata: { ...pod.metadata, namespace } },
    ]);
    const { stdout } = await cluster.kubectl(['get', 'pod', 'drawbridge-check', '-n', namespace, '-o', 'name']);
    expect(stdout.trim()).toBe('pod/drawbridge-check');
  });

  test('runs a program that the image has', async () => {
    const { pod } = await rendered();
    const [, program = ''] = pod.spec.containers[0].command ?? [];
    const [, name = ''] = /^dist\/(.*)\.js$/.exec(program) ?? [];
    expect(await readFile('rolldown.config.ts', 'utf8')).toContain(`'${name}'`);
  });
});
