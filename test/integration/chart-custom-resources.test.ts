import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';
import { type Rendered, renderChart } from '../../src/sandbox/chart.ts';
import { exampleValues } from '../support/chart.ts';
import { describeWithCluster } from '../support/cluster.ts';

/** Where those who define the kinds have their schemas: in Go modules, which the machine has that builds the cluster. */
const DEFINITIONS = {
  'sigs.k8s.io/gateway-api@v1.6.0': ['config/crd/standard/gateway.networking.k8s.io_httproutes.yaml'],
  'github.com/prometheus-operator/prometheus-operator@v0.85.0': [
    'example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml',
    'example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml',
  ],
};

const run = promisify(execFile);
const hasGo = await run('go', ['version']).then(
  () => true,
  () => false,
);
if (!hasGo) console.warn('SKIPPED, but in CI: kinds that others define: there is no go on the PATH');

describeWithCluster('what the chart makes of kinds that others define', (cluster) => {
  if (!hasGo && !process.env['CI']) return test.skip('no go');
  const OF_OTHERS = ['HTTPRoute', 'PodMonitor', 'PrometheusRule'];
  let objects: Rendered[];

  beforeAll(async () => {
    for (const [module, files] of Object.entries(DEFINITIONS)) {
      const { stdout } = await run('go', ['mod', 'download', '-json', module]);
      const { Dir } = JSON.parse(stdout) as { Dir: string };
      const named = files.flatMap((file) => ['-f', join(Dir, file)]);
      // Not as kubectl applies by itself: it would write all of it into an annotation, for which it is too long.
      for (const args of [
        ['apply', '--server-side'],
        ['wait', '--for=condition=Established'],
      ])
        expect(await cluster.kubectl([...args, ...named])).toMatchObject({ code: 0 });
    }
    const namespace = await cluster.freshNamespace('platform');
    const labels = { release: 'kube-prometheus-stack' };
    const changes = {
      'slack.mode': 'http',
      'slack.httpRoute': {
        enabled: true,
        parentRefs: [{ name: 'public', namespace: 'gateways', sectionName: 'https' }],
        hostnames: ['jit.example.test'],
      },
      'monitoring.podMonitor': { enabled: true, interval: '1m', labels },
      'monitoring.rules': { enabled: true, labels, selector: 'namespace="drawbridge"' },
    };
    const all = await renderChart(exampleValues({}, changes), { namespace });
    objects = all.filter(({ kind }) => OF_OTHERS.includes(kind));
  }, 120_000);

  const tried = (object: object) =>
    cluster.kubectl(['apply', '--dry-run=server', '--validate=strict', '-f', '-'], { input: JSON.stringify(object) });

  test.each(OF_OTHERS)('%s is accepted by the API server that knows their schemas, and only as it is', async (kind) => {
    const object = objects.find((rendered) => rendered.kind === kind) as Rendered & { spec: object };
    expect(await tried(object)).toMatchObject({ code: 0, stderr: '' });
    const misspelt = await tried({ ...object, spec: { ...object.spec, selectr: {} } });
    expect(misspelt).toMatchObject({ code: 1, stderr: expect.stringContaining('unknown field "spec.selectr"') });
  });
});
