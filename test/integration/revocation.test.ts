import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { objectName } from '../../src/adapters/kubernetes/manifests.ts';
import { type Installation } from '../../src/sandbox/chart.ts';
import { PEOPLE } from '../support/app-world.ts';
import { type Targets } from '../support/chart.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { grantObjects } from '../support/grant-objects.ts';
import { ADA } from '../support/grants.ts';
import { type Hand, handOf } from '../support/hand.ts';
import { setLiveStage } from '../support/live-stage.ts';
import { type LiveWorld } from '../support/live-world.ts';
import { useRedis } from '../support/redis.ts';
import { clusterWide } from '../support/workloads.ts';

/** A cluster that does not do as it is told: access is over all the same, or it is said that it is not. */
describeWithCluster('a cluster that resists', (cluster) => {
  const redis = useRedis();
  let at: Installation;
  let targets: Targets;
  let admin: Hand;
  let bot: Hand;
  let live: LiveWorld;
  let ada: string;
  const closing: (() => unknown)[] = [];

  beforeAll(async () => {
    const stage = await setLiveStage({ cluster, redis: redis().url, name: 'revocation' });
    closing.push(() => stage.close());
    ({ at, targets, admin, live } = stage);
    bot = await handOf(await cluster.serviceAccountKubeconfig(at.namespace, at.serviceAccount));
    ada = await cluster.kubeconfigFor(ADA.user, ADA.groups);
  });
  afterAll(async () => {
    for (const close of closing.toReversed()) await close();
  });

  const can = async (...args: string[]) =>
    (await cluster.kubectl(['auth', 'can-i', ...args], { kubeconfig: ada })).stdout.trim();
  const left = (id: string) => grantObjects(cluster, id);
  const binding = (id: string, namespace: string) => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { namespace, name: objectName(id) },
  });

  let freezes = 0;
  const botAlone = () => `request.userInfo.username != 'system:serviceaccount:${at.namespace}:${at.serviceAccount}'`;
  /**
   * Somebody's admission policy for the team's namespace: these operations are refused but where `except` holds. Returns once it is in force,
   * which a try with an object of this grant shows (null: with a new one), and answers what takes it away.
   */
  async function frozen(resources: string[], operations: string[], id: string | null, except = 'false') {
    const name = `freeze-${++freezes}-${at.namespace}`;
    const words = `Change freeze ${freezes}: ask the platform team.`;
    const group = 'admissionregistration.k8s.io/v1';
    const policy = {
      apiVersion: group,
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name },
      spec: {
        matchConstraints: {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': targets.team } },
          resourceRules: [{ apiGroups: ['rbac.authorization.k8s.io'], apiVersions: ['v1'], resources, operations }],
        },
        validations: [{ expression: except, message: words }],
      },
    };
    const inForce = {
      apiVersion: group,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name },
      spec: { policyName: name, validationActions: ['Deny'] },
    };
    await cluster.apply([policy, inForce]);
    const probe = {
      ...binding('g-zzzzzz', targets.team),
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
    };
    const attempt = () =>
      id === null ? admin.create(probe, true) : bot.remove(binding(id, targets.team), { dryRun: 'All' });
    await vi.waitFor(async () => expect(await attempt()).toContain(words), { timeout: 15_000 });
    return async () => {
      for (const object of [inForce, policy]) expect(await admin.remove(object)).toBe('accepted');
      await vi.waitFor(async () => expect(await admin.create(probe, true)).toBe('accepted'), { timeout: 15_000 });
    };
  }

  describe('somebody’s admission policy', () => {
    test('that lets nobody delete RoleBindings: the subjects go, and with them the access', async () => {
      const id = await live.active('observe', targets.team, null);
      const lift = await frozen(['rolebindings'], ['DELETE'], id);
      await live.useCases.revoke(PEOPLE.ada, id, '');
      const { state, remarks } = await live.ended(id);
      expect([state, remarks]).toEqual(['revoked', []]);
      expect(await can('list', 'configmaps', '-n', targets.team)).toBe('no');
      expect((await admin.read<{ subjects?: object[] }>(binding(id, targets.team))).subjects ?? []).toEqual([]);
      await lift();
      await vi.waitFor(async () => expect(await left(id)).toEqual([]), { timeout: 40_000, interval: 500 });
    });

    test('that lets the bot change none either: its lease goes, and Kubernetes takes the rights', async () => {
      const id = await live.active('observe', targets.team, null);
      const lift = await frozen(['rolebindings'], ['DELETE', 'UPDATE'], id, botAlone());
      await live.useCases.revoke(PEOPLE.ada, id, '');
      expect((await live.ended(id)).state).toBe('revoked');
      expect(await can('list', 'configmaps', '-n', targets.team)).toBe('no');
      expect(await left(id)).toEqual([]);
      await lift();
    });

    test('that lets nobody do anything: "revoked" is not said, administrators are told who refuses, and it is tried again', async () => {
      const id = await live.active('observe', targets.team, null);
      const lift = await frozen(['rolebindings'], ['DELETE', 'UPDATE'], id);
      await live.useCases.revoke(PEOPLE.ada, id, '');
      await live.run();
      expect((await live.grant(id)).state).toBe('ending');
      expect(await can('list', 'configmaps', '-n', targets.team)).toBe('yes');
      live.wait(31_000);
      await live.run();
      await live.run();
      expect(live.alarms.filter((text) => text.includes(id)).join()).toMatch(
        /could not be taken down yet: .*Change freeze/,
      );
      expect(live.told.filter((one) => one.id === id).map((one) => one.news)).not.toContain('ended');
      await lift();
      const { state, remarks } = await live.ended(id, 40_000);
      expect([state, remarks.join()]).toEqual(['revoked', expect.stringMatching(/confirmed \d+ s late/)]);
      expect(await can('list', 'configmaps', '-n', targets.team)).toBe('no');
      expect(live.printed.findLast((line) => line['id'] === id && line['event'] === 'revoked')).toMatchObject({
        lateness: expect.any(Number) as number,
      });
    });

    test('that lets no RoleBinding be made: nothing of the grant stays, and the refusal is said', async () => {
      const id = await live.approved('observe', targets.team, null);
      const lift = await frozen(['rolebindings'], ['CREATE'], null);
      const { state, ending } = await live.ended(id);
      expect([state, ending?.note]).toEqual(['failed', expect.stringContaining('Change freeze')]);
      expect(await left(id)).toEqual([]);
      expect(await can('list', 'configmaps', '-n', targets.team)).toBe('no');
      await lift();
    });
  });

  test('a quota that admits no lease: nothing is granted, and the quota is named', async () => {
    const quota = {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { namespace: targets.team, name: 'no-jobs' },
      spec: { hard: { 'count/jobs.batch': '0' } },
    };
    await cluster.apply([quota]);
    await vi.waitFor(async () => expect(await admin.read(quota)).toHaveProperty('status.hard'), { timeout: 20_000 });
    const id = await live.approved('observe', targets.team, null);
    const { state, ending } = await live.ended(id);
    expect([state, ending?.note]).toEqual(['failed', expect.stringMatching(/exceeded quota: no-jobs/)]);
    expect(await left(id)).toEqual([]);
    expect(await can('list', 'configmaps', '-n', targets.team)).toBe('no');
    await admin.remove(quota);
  });

  test('a namespace that is being deleted: its grants end, and none is made in it', async () => {
    const team = await cluster.freshNamespace('team');
    // So that it does not go before the test has looked.
    const anchor = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: team, name: 'anchor', finalizers: ['example.test/keep'] },
    };
    await cluster.apply([anchor]);
    const id = await live.active('observe', team, null);
    const waiting = await live.approved('observe', team, null);
    expect(await admin.remove({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: team } })).toBe('accepted');
    await vi.waitFor(async () => expect(await left(id)).toEqual([]), { timeout: 20_000, interval: 200 });
    const unapplied = await live.ended(waiting);
    expect([unapplied.state, unapplied.remarks.join()]).toEqual([
      'cancelled',
      expect.stringMatching(new RegExp(`^Not applied: .*${team}.* is being deleted`)),
    ]);
    const { state, ending } = await live.ended(id);
    expect([state, ending?.note]).toEqual(['failed', expect.stringContaining('is not there')]);
    expect(await can('list', 'configmaps', '-n', team)).toBe('no');
    expect(await admin.patch(anchor, { metadata: { finalizers: [] } })).toBe('accepted');
  });

  test('a Role that a finalizer keeps gives nothing any more; a lease that one keeps is told', async () => {
    const id = await live.active('debug', targets.staging, 'checkout');
    const { pods } = await live.grant(id);
    const keep = (apiVersion: string, kind: string, finalizers: string[]) =>
      admin.patch(
        { apiVersion, kind, metadata: { namespace: targets.staging, name: objectName(id) } },
        { metadata: { finalizers } },
      );
    expect(await keep('rbac.authorization.k8s.io/v1', 'Role', ['example.test/keep'])).toBe('accepted');
    expect(await keep('batch/v1', 'Job', ['example.test/keep'])).toBe('accepted');
    await live.useCases.revoke(PEOPLE.ada, id, '');
    await live.run();
    expect(await can('create', `pods/${pods[0]}`, '--subresource=exec', '-n', targets.staging)).toBe('no');
    expect((await left(id)).map((name) => name.split('/')[0])).toEqual([
      'role.rbac.authorization.k8s.io',
      'job.batch',
      'job.batch',
    ]);
    expect((await live.grant(id)).state).toBe('ending');
    live.wait(31_000);
    await live.run();
    await live.run();
    expect(live.alarms.filter((text) => text.includes(id)).join()).toMatch(
      /not be taken down yet: Job .* goes: not within/,
    );
    expect(await keep('batch/v1', 'Job', [])).toBe('accepted');
    const { state, remarks } = await live.ended(id);
    // The rights were gone in time: what a finalizer kept afterwards is no lateness.
    expect([state, remarks.join()]).toEqual(['revoked', expect.not.stringContaining('late')]);
    expect(await keep('rbac.authorization.k8s.io/v1', 'Role', [])).toBe('accepted');
  });

  test('access that the person has by other bindings is named, is not counted as ours, and stays', async () => {
    const other = clusterWide(`cm-${at.namespace}`, 'view', {
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'Group',
      name: ADA.groups[0] ?? '',
    });
    const id = await live.active('observe', targets.team, null);
    await cluster.apply([other]);
    await vi.waitFor(async () => expect(await can('list', 'services', '-n', at.namespace)).toBe('yes'), {
      timeout: 5000,
    });
    await live.useCases.revoke(PEOPLE.ada, id, '');
    const { state, remarks } = await live.ended(id);
    expect([state, remarks.join()]).toEqual(['revoked', expect.stringContaining(`cm-${at.namespace}`)]);
    expect(await can('list', 'configmaps', '-n', targets.team)).toBe('yes');
    expect((await cluster.kubectl(['delete', 'clusterrolebinding', `cm-${at.namespace}`])).code).toBe(0);
  });
});
