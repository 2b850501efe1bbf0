import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createApi } from '../../src/adapters/kubernetes/api.ts';
import { readOtherPolicies } from '../../src/adapters/kubernetes/other-policies.ts';
import type { OtherPolicies } from '../../src/network/layer.ts';
import { CONTROL_PLANE, ensureBinaries } from '../../src/sandbox/cluster/binaries.ts';
import { type ControlPlane, startControlPlane } from '../../src/sandbox/cluster/control-plane.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { runPolicy } from '../support/policy-cli.ts';
import { deployment } from '../support/workloads.ts';

/** A CustomResourceDefinition that takes anything. */
function crd(group: string, kind: string, versions: readonly string[] = ['v1']): object {
  const plural = `${kind.toLowerCase().replace(/y$/, 'ie')}s`;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${plural}.${group}`,
      // What keeps others from groups of *.k8s.io. https://kubernetes.io/docs/reference/labels-annotations-taints/#api-approved-kubernetes-io
      annotations: { 'api-approved.kubernetes.io': 'unapproved, a test' },
    },
    spec: {
      group,
      scope: 'Cluster',
      names: { kind, plural },
      versions: versions.map((name, index) => ({
        name,
        served: true,
        storage: index === 0,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      })),
    },
  };
}

// A cluster of its own: what a cluster serves is seen by every suite that works on it.
describeWithCluster('policies of other kinds', () => {
  let own: ControlPlane;
  beforeAll(async () => {
    own = await startControlPlane({ binaries: await ensureBinaries(CONTROL_PLANE, () => {}), log: () => {} });
    await own.apply([
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
      ...deployment('shop', 'web'),
    ]);
  });
  afterAll(() => own?.stop());

  async function seenBy(kubeconfig: string): Promise<OtherPolicies> {
    const config = new KubeConfig();
    config.loadFromFile(kubeconfig);
    return readOtherPolicies(createApi(config));
  }
  /** Anybody who is authenticated, without a single right. */
  const seen = async () => seenBy(await own.kubeconfigFor('nobody@example.test'));
  const becomes = (expected: unknown) =>
    vi.waitFor(async () => expect(await seen()).toEqual(expected), { timeout: 20_000, interval: 200 });
  const remove = (kind: string, name: string) => own.kubectl(['delete', kind, name]);

  test('are found by what the cluster serves, whoever looks, and are gone with it; the command says so', async () => {
    expect(await seen()).toEqual([]);
    const connections = () => runPolicy('connections', '--kubeconfig', own.adminKubeconfig, '-n', 'shop');
    expect(await connections()).toMatchObject({ code: 0, err: '' });

    await own.apply([
      crd('cilium.io', 'CiliumNetworkPolicy', ['v2']),
      crd('cilium.io', 'CiliumIdentity', ['v2']),
      crd('policy.networking.k8s.io', 'AdminNetworkPolicy', ['v1alpha1']),
      crd('policy.networking.k8s.io', 'ClusterNetworkPolicy', ['v1alpha2']),
      crd('crd.antrea.io', 'AntreaAgentInfo', ['v1beta1']),
      crd('crd.projectcalico.org', 'StagedGlobalNetworkPolicy'),
      crd('example.test', 'HomeNetworkPolicy'),
    ]);
    await becomes([
      'CiliumNetworkPolicy (cilium.io)',
      'AdminNetworkPolicy, ClusterNetworkPolicy (policy.networking.k8s.io)',
    ]);
    const said = /NetworkPolicy layer only: .*CiliumNetworkPolicy \(cilium\.io\); AdminNetworkPolicy/;
    expect(await connections()).toMatchObject({ code: 0, err: expect.stringMatching(said) as string });
    const reach = ['reach', '--from', 'shop/deploy/web', '--to', 'shop/svc/web', '--port', '80'];
    expect(await runPolicy(...reach, '--kubeconfig', own.adminKubeconfig, '-n', 'shop')).toMatchObject({
      code: 0,
      err: expect.stringMatching(said) as string,
    });

    for (const name of ['ciliumnetworkpolicies.cilium.io', 'adminnetworkpolicies.policy.networking.k8s.io'])
      await remove('crd', name);
    await becomes(['ClusterNetworkPolicy (policy.networking.k8s.io)']);
    await remove('crd', 'clusternetworkpolicies.policy.networking.k8s.io');
    await becomes([]);
  });

  test('of a server that does not answer count as there; where nothing may be read, nothing is said to be known', async () => {
    await own.apply([
      {
        apiVersion: 'apiregistration.k8s.io/v1',
        kind: 'APIService',
        metadata: { name: 'v3.projectcalico.org' },
        spec: {
          group: 'projectcalico.org',
          version: 'v3',
          groupPriorityMinimum: 1500,
          versionPriority: 200,
          insecureSkipTLSVerify: true,
          service: { namespace: 'shop', name: 'no-such-server', port: 443 },
        },
      },
    ]);
    await becomes([expect.stringMatching(/projectcalico\.org.* can not be read/)]);
    await remove('apiservice', 'v3.projectcalico.org');
    await becomes([]);

    await remove('clusterrolebinding', 'system:discovery');
    await becomes(null);
    expect(await seenBy(own.adminKubeconfig)).toEqual([]);
  });
});
