import { KubeConfig } from '@kubernetes/client-node';
import { expect, test, vi } from 'vitest';
import { createApi } from '../../src/adapters/kubernetes/api.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { tellingModel } from '../support/cluster-model.ts';
import { defaultDeny, deployment } from '../support/workloads.ts';

describeWithCluster('the model of a real cluster', (kube) => {
  test('has what there is, hears what changes, and tells what matters of it', async () => {
    const namespace = await kube.freshNamespace('modelled');
    await kube.apply([...deployment(namespace, 'checkout'), defaultDeny(namespace)]);
    const config = new KubeConfig();
    config.loadFromFile(kube.adminKubeconfig);
    const { model, pods, policies, workloads, faults } = tellingModel(createApi(config), {});
    await model.listed();
    const eventually = (assert: () => void) => vi.waitFor(assert, { timeout: 20_000, interval: 50 });
    const kubectl = async (...args: string[]) => {
      const { code, stdout, stderr } = await kube.kubectl(['-n', namespace, ...args]);
      expect([code, stdout, code === 0 ? '' : stderr]).toEqual([0, stdout, '']);
    };
    await eventually(() => expect(model.namespaces().map(({ name }) => name)).toContain(namespace));
    await eventually(() =>
      expect(model.workloadsIn(namespace)).toMatchObject([{ kind: 'Deployment', name: 'checkout' }]),
    );
    const owners = () => model.cluster().pods.flatMap((pod) => (pod.namespace === namespace ? [pod.owner] : []));
    await eventually(() => expect(owners()).toContainEqual({ kind: 'Deployment', name: 'checkout' }));
    const own = () => pods.filter((change) => change.namespace === namespace);

    await kubectl('create', 'service', 'clusterip', 'front', '--tcp=80:8080');
    await eventually(() => expect(model.servicesIn(namespace).map(({ name }) => name)).toContain('front'));
    const [first] = model.podsIn(namespace);
    await kubectl('label', 'pod', first?.name ?? '', 'tier=x');
    await eventually(() => expect(own().at(-1)?.now).toMatchObject({ tier: 'x' }));
    expect(own().at(-1)).toMatchObject({ name: first?.name, before: first?.labels });
    await kubectl('delete', 'networkpolicy', '--all');
    await eventually(() => expect(policies).toContain(namespace));
    await kubectl('delete', 'deployment', 'checkout', '--cascade=orphan');
    await eventually(() => expect(workloads).toContain(`Deployment ${namespace}/checkout`));
    await kubectl('delete', 'replicasets', '--all');
    await kubectl('delete', 'pods', '--all', '--force', '--grace-period=0');
    await eventually(() => expect(model.podsIn(namespace)).toEqual([]));
    expect(model.staleSince()).toBeNull();
    expect(faults).toEqual([]);
  });
});
