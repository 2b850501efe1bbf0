import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { createApi } from '../../src/adapters/kubernetes/api.ts';
import { watchNamedRoles } from '../../src/adapters/kubernetes/model/named-roles.ts';
import { type Installation, uninstallChart } from '../../src/sandbox/chart.ts';
import { installExample, type Targets } from '../support/chart.ts';
import { describeWithCluster } from '../support/cluster.ts';

/** With the token of the bot, and the rights of the chart. */
describeWithCluster('roles that grants bind, watched by name', (cluster) => {
  let at: Installation;
  let targets: Targets;
  let config: KubeConfig;

  beforeAll(async () => {
    ({ at, targets } = await installExample(cluster, 'roles'));
    config = new KubeConfig();
    config.loadFromFile(await cluster.serviceAccountKubeconfig(at.namespace, at.serviceAccount));
  });
  afterAll(() => uninstallChart(cluster.adminKubeconfig, at));

  function watched() {
    const told: string[] = [];
    const faults: unknown[] = [];
    const roles = watchNamedRoles({
      api: createApi(config),
      onRole: ({ name }, namespace) => told.push(`${namespace}/${name}`),
      onRoleListed: ({ name }) => told.push(`${name} listed`),
      onFault: (error) => faults.push(error),
    });
    onTestFinished(() => roles.stop());
    return { told, faults, roles };
  }
  const eventually = (assert: () => void) => vi.waitFor(assert, { timeout: 10_000, interval: 20 });
  const role = (name: string, ...resources: string[]) => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { namespace: targets.staging, name },
    rules: [{ apiGroups: [''], resources, verbs: ['get'] }],
  });

  test('a Role that grows is told, and no other one', async () => {
    await cluster.apply([role('look', 'pods'), role('other', 'pods')]);
    const { told, faults, roles } = watched();
    roles.watch({ kind: 'Role', name: 'look' });
    await eventually(() => expect(told).toEqual(['look listed']));
    await cluster.apply([role('other', 'pods', 'pods/log')]);
    await cluster.apply([role('look', 'pods', 'pods/log')]);
    await eventually(() => expect(told).toEqual(['look listed', `${targets.staging}/look`]));
    expect(faults).toEqual([]);
  });

  test('a ClusterRole that grows is told, and no other one', async () => {
    const clusterRole = (name: string, ...resources: string[]) => ({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name },
      rules: [{ apiGroups: [''], resources, verbs: ['get'] }],
    });
    const [name, other] = [`look-${targets.staging}`, `other-${targets.staging}`];
    onTestFinished(async () => {
      await cluster.kubectl(['delete', 'clusterrole', name, other]);
    });
    await cluster.apply([clusterRole(name, 'pods'), clusterRole(other, 'pods')]);
    const { told, faults, roles } = watched();
    roles.watch({ kind: 'ClusterRole', name });
    await eventually(() => expect(told).toEqual([`${name} listed`]));
    await cluster.apply([clusterRole(other, 'pods', 'pods/log')]);
    await cluster.apply([clusterRole(name, 'pods', 'pods/log')]);
    await eventually(() => expect(told).toHaveLength(2));
    expect(told[1]).toContain(`/${name}`);
    expect(faults).toEqual([]);
  });
});
