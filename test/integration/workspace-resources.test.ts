import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ManifestContext, workspaceJob } from '../../src/adapters/kubernetes/manifests.ts';
import type { KubeObject } from '../../src/adapters/kubernetes/object.ts';
import { isSealed, seal } from '../../src/adapters/kubernetes/seal.ts';
import type { Resources } from '../../src/domain/quantity.ts';
import { type Installation, renderChart, uninstallChart } from '../../src/sandbox/chart.ts';
import { exampleValues, installExample, type Targets } from '../support/chart.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { applyingGrant } from '../support/grants.ts';
import { type Hand, handOf } from '../support/hand.ts';
import { changed, keysIn, newGrants, THE_PROBE } from '../support/made.ts';

const profile = 'policy.profiles.debug.network.resources';

describe('the chart', () => {
  test.each<[string, string, object]>([
    ['more CPU', 'cpu: 3 is more than workspaces.maximum.cpu (2)', { cpu: 3, memory: '1Gi' }],
    ['more CPU in thousandths', 'cpu: 2001m is more than', { cpu: '2001m', memory: '1Gi' }],
    ['more memory', 'memory: 4097Mi is more than workspaces.maximum.memory (4Gi)', { cpu: 1, memory: '4097Mi' }],
  ])('refuses a policy that gives a workspace %s than there may be', async (_what, words, resources) => {
    await expect(renderChart(exampleValues({}, { [profile]: resources }))).rejects.toThrow(
      `policy.profiles.debug.network.resources.${words}`,
    );
    const more = { [profile]: resources, 'workspaces.maximum': { cpu: '3', memory: '5Gi' } };
    await expect(renderChart(exampleValues({}, more))).resolves.toBeDefined();
  });

  test.each([
    { cpu: 0, memory: '1Gi' },
    { cpu: 1e9, memory: '1Gi' },
    { cpu: 1, memory: '1Ki' },
    { cpu: '-1', memory: '1Gi' },
  ])('takes no such amounts: %j', async (resources) => {
    await expect(renderChart(exampleValues({}, { [profile]: resources }))).rejects.toThrow(/network\/resources/);
  });

  test('tells the bot the most that there may be, as the bot reads it', async () => {
    const objects = await renderChart(exampleValues({}, { 'workspaces.maximum': { cpu: 4, memory: '8192Mi' } }));
    const text = JSON.stringify(objects);
    expect(text).toContain('{"name":"WORKSPACES_MAXIMUM_CPU","value":"4"}');
    expect(text).toContain('{"name":"WORKSPACES_MAXIMUM_MEMORY","value":"8Gi"}');
  });
});

describeWithCluster('a workspace with resources of its profile', (cluster) => {
  let at: Installation;
  let targets: Targets;
  let context: ManifestContext;
  let bot: Hand;

  beforeAll(async () => {
    const { debug } = exampleValues().policy.profiles;
    // Of another command, so that its resources are not those of the first one.
    const roomy = {
      ...debug,
      namespaces: ['roomy-*'],
      network: { ...debug?.network, command: ['tail', '-f', '/dev/null'] },
    };
    ({ at, targets } = await installExample(cluster, 'resources', {
      [profile]: { cpu: '1500m', memory: '2048Mi' },
      'policy.profiles.roomy': { ...roomy, network: { ...roomy.network, resources: { cpu: 2, memory: '4Gi' } } },
    }));
    context = { instance: at.instance, workspacesNamespace: at.workspacesNamespace };
    bot = await handOf(await cluster.serviceAccountKubeconfig(at.namespace, at.serviceAccount));
  });
  afterAll(() => uninstallChart(cluster.adminKubeconfig, at));

  async function workspace(resources: Resources | null): Promise<KubeObject> {
    const { debug } = newGrants(targets);
    const network = { ...debug.plan.network, ...(resources && { resources }) } as typeof debug.plan.network;
    const grant = applyingGrant(600, { plan: { ...debug.plan, network } });
    return seal(workspaceJob(grant, context, Date.now(), THE_PROBE), await keysIn(bot));
  }

  test('is made, and what the API server keeps is what was sealed', async () => {
    const job = await workspace({ cpu: '1500m', memory: '2Gi' });
    expect(await bot.apply(job)).toBe('accepted');
    const kept = await bot.read<KubeObject>(job);
    expect(isSealed({ ...kept, kind: 'Job' }, await keysIn(bot))).toBe(true);
  });

  test.each<[string, Resources | null]>([
    ['what all get', null],
    ['more CPU', { cpu: '1501m', memory: '2Gi' }],
    ['more memory', { cpu: '1500m', memory: '3Gi' }],
    ['those of another profile', { cpu: '2', memory: '4Gi' }],
    ['the CPU of one and the memory of another', { cpu: '2', memory: '2Gi' }],
  ])('is refused with %s', async (_what, resources) => {
    expect(await bot.apply(await workspace(resources))).toMatch(/resources/);
  });

  test('is refused with less kept for it than it may use, which crowds out others', async () => {
    const job = await workspace({ cpu: '1500m', memory: '2Gi' });
    const less = changed(job, { 'spec.template.spec.containers.0.resources.requests.cpu': '10m' });
    expect(await bot.apply(less)).toMatch(/resources/);
  });
});
