import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leaseJob, type ManifestContext } from '../../src/adapters/kubernetes/manifests.ts';
import type { KubeObject } from '../../src/adapters/kubernetes/object.ts';
import { seal } from '../../src/adapters/kubernetes/seal.ts';
import { runReaper } from '../../src/cli/reaper.ts';
import { type Installation, uninstallChart } from '../../src/sandbox/chart.ts';
import { installExample, type Targets } from '../support/chart.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { type Hand, handOf } from '../support/hand.ts';
import { changed, KEY, keysIn, makeAll, newGrants, objectsOf, sealedByLaterVersion } from '../support/made.ts';

describeWithCluster('the reaper', (cluster) => {
  let at: Installation;
  let targets: Targets;
  let context: ManifestContext;
  let admin: Hand;
  let bot: Hand;
  let kubeconfig: string;
  const closing: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    ({ at, targets } = await installExample(cluster, 'reaper'));
    closing.push(() => uninstallChart(cluster.adminKubeconfig, at));
    context = { instance: at.instance, workspacesNamespace: at.workspacesNamespace };
    await cluster.apply([
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'Role',
        metadata: { namespace: targets.shop, name: 'configurator' },
        rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'update'] }],
      },
    ]);
    admin = await handOf(cluster.adminKubeconfig);
    bot = await handOf(await cluster.serviceAccountKubeconfig(at.namespace, at.serviceAccount));
    kubeconfig = await cluster.serviceAccountKubeconfig(at.namespace, `${at.serviceAccount}-reaper`);
  });

  afterAll(async () => {
    for (const close of closing) await close();
  });

  /** Runs the program with the reaper's own rights: its exit code and all that it says. */
  async function run(all = false, args: string[] = [], env: NodeJS.ProcessEnv = {}) {
    const lines: string[] = [];
    const out = { print: (text: string) => void lines.push(text), complain: (text: string) => void lines.push(text) };
    const code = await runReaper(all, args, out, {
      KUBECONFIG: kubeconfig,
      INSTANCE: at.instance,
      WORKSPACES_NAMESPACE: at.workspacesNamespace,
      SEAL_KEY: KEY.toString('base64'),
      ...env,
    });
    return { code, text: lines.join('\n') };
  }

  /** Objects of grants that ended a minute ago and whose leases somebody orphaned: nothing but the reaper ends them. */
  async function forgotten(change: (object: KubeObject) => KubeObject = (object) => object): Promise<KubeObject[]> {
    const grants = newGrants(targets, -60);
    const keys = await keysIn(admin);
    const objects = [
      leaseJob(grants.observe, context, targets.staging, Date.now() + 600_000),
      ...Object.values(objectsOf(grants, context)),
    ].map((object) =>
      changed(seal(changed(object, object.kind === 'Job' ? { 'spec.activeDeadlineSeconds': 600 } : {}), keys), {
        'metadata.ownerReferences': undefined,
      }),
    );
    for (const object of objects.map(change)) expect(await admin.apply(object)).toBe('accepted');
    return objects;
  }
  const left = async (objects: readonly KubeObject[]) =>
    (
      await Promise.all(
        objects.map(async (object) => ((await admin.read(object).catch(() => null)) ? [object.kind] : [])),
      )
    ).flat();

  test('takes down what is past its end, and nothing that is not', async () => {
    const live = await makeAll(bot, newGrants(targets), context);
    const ended = await forgotten();
    const first = await run();
    expect(first).toMatchObject({ code: 0 });
    expect(await left(ended)).toEqual([]);
    expect((await left(Object.values(live))).length).toBe(Object.values(live).length);
    expect(first.text).toContain(`removed RoleBinding`);
    expect(await run()).toEqual({ code: 0, text: '0 removed, 0 kept' });
  });

  test('tells what carries our labels without our seal, and leaves it and other installations alone', async () => {
    const [imitated] = await forgotten((object) =>
      changed(object, { 'metadata.annotations.drawbridge|internal/requester': 'another' }),
    );
    const other = changed(objectsOf(newGrants(targets, -60), context).binding, {
      'metadata.labels.drawbridge|internal/instance': 'other',
      'metadata.ownerReferences': undefined,
    });
    expect(await admin.apply(other)).toBe('accepted');
    const { code, text } = await run();
    expect(code).toBe(1);
    expect(text).toContain(`not ours: Job ${imitated?.metadata.namespace}/${imitated?.metadata.name}`);
    expect(text).toContain('0 removed');
    expect(await left([other])).toEqual(['RoleBinding']);
    expect(await run(true, ['--yes'])).toMatchObject({ code: 0 });
    expect(await left([other])).toEqual(['RoleBinding']);
    expect(await admin.remove(other)).toBe('accepted');
  });

  test('leaves to another version what that one sealed, whatever its end, and says so', async () => {
    const keys = await keysIn(admin);
    const objects = await forgotten((object) => sealedByLaterVersion(object, keys));
    const { code, text } = await run();
    expect(code).toBe(0);
    for (const { kind, metadata } of objects)
      expect(text).toContain(`left to the version of Drawbridge that made it: ${kind} ${metadata.namespace}/`);
    expect(text).toContain('0 removed');
    expect((await left(objects)).length).toBe(objects.length);
    expect(await run(true, ['--yes'])).toMatchObject({ code: 0 });
    expect(await left(objects)).toEqual([]);
  });

  test('reports what a finalizer keeps: it is in force, and its guard stays; once it is let go all goes', async () => {
    const objects = await forgotten();
    const binding = objects.find(
      ({ kind, metadata }) => kind === 'RoleBinding' && metadata.namespace === at.workspacesNamespace,
    ) as KubeObject;
    const guard = objects.find(
      ({ kind, metadata }) =>
        kind === 'NetworkPolicy' &&
        metadata.name === binding.metadata.name &&
        metadata.namespace === at.workspacesNamespace,
    ) as KubeObject;
    expect(await admin.patch(binding, { metadata: { finalizers: ['example.test/keep'] } })).toBe('accepted');
    const { code, text } = await run();
    expect(code).toBe(1);
    expect(text).toMatch(new RegExp(`still there: RoleBinding ${at.workspacesNamespace}/.*IT IS IN FORCE`));
    expect(await left([binding, guard])).toEqual(['RoleBinding', 'NetworkPolicy']);
    expect(await admin.patch(binding, { metadata: { finalizers: [] } })).toBe('accepted');
    expect((await run()).code).toBe(0);
    expect(await left(objects)).toEqual([]);
  });

  test('ends everything of this instance at once, when that is meant', async () => {
    const live = await makeAll(bot, newGrants(targets), context);
    const asked = await run(true, [], { SEAL_KEY: undefined });
    expect(asked.code).toBe(1);
    expect(asked.text).toMatch(/say --yes to end them/);
    expect((await left(Object.values(live))).length).toBe(Object.values(live).length);
    expect(await run(true, ['--yes'], { SEAL_KEY: undefined })).toMatchObject({ code: 0 });
    expect(await left(Object.values(live))).toEqual([]);
    // Beside it there may be installations of other tests.
    expect(await run(true)).toEqual({ code: 0, text: expect.stringMatching(/^nothing is open(\n|$)/) as string });
  });

  test('names the instances that have something open where the one that was asked for has nothing', async () => {
    const live = await makeAll(bot, newGrants(targets), context);
    const grants = new Set(Object.values(live).map(({ metadata }) => metadata.labels?.['drawbridge.internal/grant']))
      .size;
    const told = `open of another instance: ${grants} grants; what to type: INSTANCE=${at.instance} WORKSPACES_NAMESPACE=${at.workspacesNamespace} npm run revoke-all`;
    for (const INSTANCE of [undefined, 'none-of-this-name'])
      for (const args of [[], ['--yes']]) {
        const { code, text } = await run(true, args, { INSTANCE });
        expect(code).toBe(0);
        expect(text.split('\n')).toContain(told);
      }
    expect((await left(Object.values(live))).length).toBe(Object.values(live).length);
    expect((await run(true)).text).not.toContain('another instance');
    expect(await run(true, ['--yes'])).toMatchObject({ code: 0 });
    expect((await run(true, [], { INSTANCE: undefined })).text).not.toContain(at.instance);
  });

  test('can do nothing else with its rights', async () => {
    const hand = await handOf(kubeconfig);
    const { binding, lease } = objectsOf(newGrants(targets), context);
    for (const object of [binding, lease]) {
      expect(await hand.create(object, true)).toMatch(/^403 /);
      expect(await hand.apply(object, true)).toMatch(/^403 /);
    }
    const stranger = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { namespace: targets.team, name: 'cy-view' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'cy@example.test' }],
    };
    expect(await admin.apply(stranger)).toBe('accepted');
    expect(await hand.remove(stranger)).toMatch(/^403 .*carries the label/);
    const can = async (...args: string[]) =>
      (await cluster.kubectl(['auth', 'can-i', ...args], { kubeconfig })).stdout.trim();
    for (const args of [
      ['get', 'secrets', '-A'],
      ['create', 'rolebindings', '-A'],
      ['patch', 'rolebindings', '-A'],
      ['list', 'pods', '-A'],
      ['create', 'pods/exec', '-A'],
    ])
      expect(await can(...args)).toBe('no');
  });

  describe('says what is wrong', () => {
    test('with settings and arguments: exit code 2', async () => {
      expect(await run(false, [], { SEAL_KEY: undefined })).toMatchObject({
        code: 2,
        text: expect.stringContaining('SEAL_KEY is not set') as string,
      });
      expect(await run(false, [], { KUBECONFIG: '/nowhere' })).toMatchObject({ code: 2 });
      expect(await run(false, ['--yes'])).toMatchObject({ code: 2 });
      expect(await run(true, ['--all'])).toMatchObject({ code: 2 });
      expect(await run(false, ['--help'])).toMatchObject({
        code: 0,
        text: expect.stringContaining('Exit code') as string,
      });
    });

    test('with the cluster: exit code 3', async () => {
      const nobody = await cluster.kubeconfigFor('cy@example.test', []);
      expect(await run(false, [], { KUBECONFIG: nobody })).toMatchObject({
        code: 3,
        text: expect.stringContaining('forbidden') as string,
      });
    });
  });
});
