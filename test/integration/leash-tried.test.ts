import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createApi } from '../../src/adapters/kubernetes/api.ts';
import { createClusterAccess } from '../../src/adapters/kubernetes/cluster-access.ts';
import type { ClusterAccess } from '../../src/app/ports/cluster-access.ts';
import { type Installation, uninstallChart } from '../../src/sandbox/chart.ts';
import { installExample } from '../support/chart.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { startedModel } from '../support/cluster-model.ts';
import { KEY } from '../support/made.ts';

describeWithCluster('the leash is tried', (cluster) => {
  let at: Installation;
  let access: ClusterAccess;
  const closing: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    ({ at } = await installExample(cluster, 'drawbridge', { 'accounts.enabled': true, 'nodes.enabled': true }));
    closing.push(() => uninstallChart(cluster.adminKubeconfig, at));
    const config = new KubeConfig();
    config.loadFromFile(await cluster.serviceAccountKubeconfig(at.namespace, at.serviceAccount));
    const api = createApi(config);
    const model = startedModel(api, at.instance);
    closing.push(async () => model.stop());
    access = createClusterAccess({
      api,
      model,
      instance: at.instance,
      workspacesNamespace: at.workspacesNamespace,
      nodesNamespace: at.nodesNamespace,
      sealKeys: [KEY],
      probeImage: null,
      ownNamespace: at.namespace,
      now: Date.now,
      sleep,
    });
  }, 120_000);

  afterAll(async () => {
    for (const close of closing.toReversed()) await close();
  });

  async function kubectl(args: string[], input = ''): Promise<string> {
    const { code, stdout, stderr } = await cluster.kubectl(args, { input });
    if (code !== 0) throw new Error(stderr);
    return stdout;
  }
  const policies = async () => {
    const { items } = JSON.parse(await kubectl(['get', 'validatingadmissionpolicies', '-o', 'json'])) as {
      items: { metadata: { name: string } }[];
    };
    return items.filter(({ metadata }) => metadata.name.startsWith(`${at.release}-`));
  };
  /** An object as it was, to be created again. */
  const anew = (text: string) => {
    const { metadata, ...rest } = JSON.parse(text) as {
      metadata: { name: string; namespace?: string; labels: object };
    };
    const { name, namespace, labels } = metadata;
    return JSON.stringify({ ...rest, metadata: { name, namespace, labels } });
  };
  /** Admission takes a moment to see it. */
  const soon = (expected: unknown) =>
    vi.waitFor(async () => expect(await access.tryLeash()).toEqual(expected), { timeout: 20_000, interval: 200 });

  test('one that is installed as it should be holds', async () => {
    expect(await access.tryLeash()).toBeNull();
  });

  test('one that names another account is noticed, and when it is mended', async () => {
    const sound = (await policies()).map((policy) => anew(JSON.stringify(policy)));
    const user = `system:serviceaccount:${at.namespace}:${at.serviceAccount}`;
    const mistyped = sound.map((policy) => policy.replaceAll(user, `${user}x`));
    expect(mistyped).not.toEqual(sound);
    const apply = ['apply', '--server-side', '--force-conflicts', '-f', '-'];
    await kubectl(apply, mistyped.join('\n'));
    await soon(expect.stringMatching(/leash-rolebindings must (refuse|be)/));
    await kubectl(apply, sound.join('\n'));
    await soon(null);
  });

  test.each(['leash', 'leash-rolebindings', 'leash-roles', 'leash-jobs', 'leash-networkpolicies', 'leash-shells'])(
    'where %s is not in force, that is noticed',
    async (policy) => {
      const binding = ['validatingadmissionpolicybinding', `${at.release}-${policy}`];
      const kept = await kubectl(['get', ...binding, '-o', 'json']);
      await kubectl(['delete', ...binding]);
      await soon(expect.stringMatching(new RegExp(`lets it write a \\S+ that the policy \\*-${policy} must refuse`)));
      await kubectl(['create', '-f', '-'], anew(kept));
      await soon(null);
    },
  );

  test('where RBAC refuses already, nothing is shown', async () => {
    const binding = ['rolebinding', at.serviceAccount, `--namespace=${at.workspacesNamespace}`];
    const kept = await kubectl(['get', ...binding, '-o', 'json']);
    await kubectl(['delete', ...binding]);
    await soon(expect.stringMatching(/was refused by something else: .*cannot create/));
    await kubectl(['create', '-f', '-'], anew(kept));
    await soon(null);
  });
});
