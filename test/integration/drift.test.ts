import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { EXPIRES_AT, objectName, workspaceName } from '../../src/adapters/kubernetes/manifests.ts';
import type { KubeObject } from '../../src/adapters/kubernetes/object.ts';
import { connectRedis } from '../../src/adapters/redis/connection.ts';
import type { Grant } from '../../src/domain/grant/grant.ts';
import { type Installation, uninstallChart } from '../../src/sandbox/chart.ts';
import { PEOPLE } from '../support/app-world.ts';
import { installExample, type Targets } from '../support/chart.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { grantObjects } from '../support/grant-objects.ts';
import { ADA } from '../support/grants.ts';
import { type Hand, type ObjectName, pathOf } from '../support/hand.ts';
import { setLiveStage } from '../support/live-stage.ts';
import { type LiveWorld, liveWorld } from '../support/live-world.ts';
import { changed } from '../support/made.ts';
import { useRedis } from '../support/redis.ts';
import { silentLog } from '../support/silent-log.ts';

const RBAC = 'rbac.authorization.k8s.io/v1';
const POLICIES = 'networking.k8s.io/v1';
const BATCH = 'batch/v1';

/** Objects of grants that somebody of the emergency group, or with the leash gone anybody, has laid hands on. */
describeWithCluster('what was done to a grant behind our back', (cluster) => {
  const redis = useRedis();
  const otherRedis = useRedis();
  let at: Installation;
  let targets: Targets;
  let admin: Hand;
  let live: LiveWorld;
  let ada: string;
  const closing: (() => unknown)[] = [];

  beforeAll(async () => {
    const stage = await setLiveStage({
      cluster,
      redis: redis().url,
      name: 'drift',
      workloads: ['checkout', 'payments'],
    });
    closing.push(() => stage.close());
    ({ at, targets, admin, live } = stage);
    ada = await cluster.kubeconfigFor(ADA.user, ADA.groups);
  });
  afterAll(async () => {
    for (const close of closing.toReversed()) await close();
  });

  const can = async (...args: string[]) =>
    (await cluster.kubectl(['auth', 'can-i', ...args], { kubeconfig: ada })).stdout.trim();
  const objectsOf = (id: string) => grantObjects(cluster, id);
  const object = (apiVersion: string, kind: string, namespace: string, name: string): ObjectName => ({
    apiVersion,
    kind,
    metadata: { namespace, name },
  });
  const active = (profile: string, workload: string | null = 'checkout') =>
    live.active(profile, targets.staging, workload);
  /** What gives access while it is active, as questions of Ada's. */
  const questions = ({ pods, workspacePod, target }: Grant): string[][] => [
    ...(target.workload === undefined
      ? [['list', 'configmaps', '-n', targets.staging]]
      : [['create', `pods/${pods[0]}`, '--subresource=exec', '-n', targets.staging]]),
    ...(workspacePod === null
      ? []
      : [['create', `pods/${workspacePod}`, '--subresource=exec', '-n', at.workspacesNamespace]]),
  ];
  async function expectRefused(grant: Grant): Promise<void> {
    for (const question of questions(grant)) expect([question, await can(...question)]).toEqual([question, 'no']);
  }
  async function expectOver(grant: Grant): Promise<void> {
    await expectRefused(grant);
    expect(await objectsOf(grant.id)).toEqual([]);
  }

  const until404 = (one: ObjectName) =>
    vi.waitFor(async () => expect(await admin.call('GET', pathOf(one))).toMatch(/^404 /), {
      timeout: 10_000,
      interval: 100,
    });
  const lease = (id: string, namespace = targets.staging) => object(BATCH, 'Job', namespace, objectName(id));

  /** Every object of a grant with a workspace, and the containment: by what it is, where it is. */
  const kinds: readonly [string, string, (id: string) => ObjectName][] = [
    ['the lease', 'debug', (id) => object(BATCH, 'Job', targets.staging, objectName(id))],
    ['the lease of the workspace', 'debug', (id) => object(BATCH, 'Job', at.workspacesNamespace, objectName(id))],
    ['the guard', 'debug', (id) => object(POLICIES, 'NetworkPolicy', at.workspacesNamespace, objectName(id))],
    ['the admission', 'debug', (id) => object(POLICIES, 'NetworkPolicy', targets.staging, objectName(id))],
    ['the workspace', 'debug', (id) => object(BATCH, 'Job', at.workspacesNamespace, workspaceName(id))],
    ['the Role', 'debug', (id) => object(RBAC, 'Role', targets.staging, objectName(id))],
    ['the RoleBinding', 'debug', (id) => object(RBAC, 'RoleBinding', targets.staging, objectName(id))],
    ['the Role of the workspace', 'debug', (id) => object(RBAC, 'Role', at.workspacesNamespace, objectName(id))],
    [
      'the RoleBinding of the workspace',
      'debug',
      (id) => object(RBAC, 'RoleBinding', at.workspacesNamespace, objectName(id)),
    ],
    ['the containment', 'shell', (id) => object(POLICIES, 'NetworkPolicy', targets.staging, objectName(id))],
    [
      'the way in of a bastion',
      'own-tools',
      (id) => object(POLICIES, 'NetworkPolicy', targets.staging, objectName(id)),
    ],
  ];

  const ORPHANED = 'deleted without what it owns (--cascade=orphan)';
  type Deed = (object: ObjectName) => Promise<string>;
  const deeds: readonly [string, RegExp, Deed][] = [
    ['deleted', /not what was approved/, (o) => admin.remove(o)],
    [
      'edited',
      /was changed behind Drawbridge's back/,
      (o) => admin.patch(o, { metadata: { annotations: { [EXPIRES_AT]: '2036-01-01T00:00:00Z' } } }),
    ],
    [ORPHANED, /has lost its lease behind Drawbridge's back/, (o) => admin.remove(o, { propagationPolicy: 'Orphan' })],
  ];

  describe.each(deeds)('%s', (what, words, deed) => {
    const those = kinds.filter(([name]) => what !== ORPHANED || name.startsWith('the lease'));
    const grants = new Map<string, Grant>();
    beforeAll(async () => {
      for (const [name, profile, of] of those) {
        const id = await active(profile);
        grants.set(name, await live.grant(id));
        expect(await deed(of(id))).toBe('accepted');
      }
      if (what === ORPHANED) for (const [name, , of] of those) await until404(of(grants.get(name)?.id ?? ''));
    });

    test.each(those)('%s: the grant ends, all of it goes, administrators are told', async (name) => {
      const before = grants.get(name) as Grant;
      // No later than by the second look: one in each half minute.
      await live.reconcile();
      expect((await live.grant(before.id)).ending?.note).toMatch(words);
      expect((await live.ended(before.id)).state).toBe('failed');
      await expectOver(before);
      expect(live.alarms.filter((text) => text.includes(before.id)).join()).toMatch(words);
    });
  });

  test.each(kinds.filter(([name]) => ['the guard', 'the RoleBinding'].includes(name)))(
    'deleted and kept by a finalizer: %s: the grant ends all the same; that it is still there is told',
    async (_name, profile, of) => {
      const id = await active(profile);
      const before = await live.grant(id);
      const kept = of(id);
      expect(await admin.patch(kept, { metadata: { finalizers: ['example.test/keep'] } })).toBe('accepted');
      expect(await admin.remove(kept)).toBe('accepted');
      await live.reconcile();
      expect((await live.grant(id)).ending?.note).toContain('is being deleted');
      await live.run();
      await expectRefused(before);
      expect(await admin.patch(kept, { metadata: { finalizers: [] } })).toBe('accepted');
      expect((await live.ended(id)).state).toBe('failed');
      await expectOver(before);
    },
  );

  describe('after Redis has lost everything', () => {
    test('rights whose lease was orphaned are taken at once, and the guard once its pod is gone', async () => {
      const id = await active('debug');
      const before = await live.grant(id);
      expect(await admin.remove(lease(id), { propagationPolicy: 'Orphan' })).toBe('accepted');
      await until404(lease(id));
      expect(await can('create', `pods/${before.pods[0]}`, '--subresource=exec', '-n', targets.staging)).toBe('yes');
      await live.loseRedis();
      await live.reconcile();
      await expectRefused(before);
      expect(live.alarms.join()).not.toContain(id);
      await live.run();
      expect(live.alarms.join()).toMatch(new RegExp(`knows ${id} any more: what was left of it is taken down`));
      await vi.waitFor(
        async () => {
          await live.reconcile();
          expect(await objectsOf(id)).toEqual([]);
        },
        { timeout: 10_000, interval: 200 },
      );
    });

    test('what nobody owns is taken too, when the lease is gone with what it owned', async () => {
      const id = await active('debug');
      const before = await live.grant(id);
      expect(await admin.remove(lease(id))).toBe('accepted');
      await until404(object(RBAC, 'RoleBinding', targets.staging, objectName(id)));
      await live.loseRedis();
      await vi.waitFor(
        async () => {
          await live.reconcile();
          expect(await objectsOf(id)).toEqual([]);
        },
        { timeout: 10_000, interval: 200 },
      );
      await expectRefused(before);
    });

    test('an ending that had begun goes on, by the mark on the lease', async () => {
      const id = await active('debug');
      const before = await live.grant(id);
      // What keeps the teardown from being done.
      const guard = object(POLICIES, 'NetworkPolicy', at.workspacesNamespace, objectName(id));
      expect(await admin.patch(guard, { metadata: { finalizers: ['example.test/keep'] } })).toBe('accepted');
      await live.useCases.revoke(PEOPLE.ada, id, 'done with it');
      await live.run();
      expect((await live.grant(id)).state).toBe('ending');
      await live.loseRedis();
      await live.reconcile();
      expect(await live.grant(id)).toMatchObject({
        state: 'ending',
        ending: { cause: 'revoked', note: 'done with it' },
      });
      expect(await admin.patch(guard, { metadata: { finalizers: [] } })).toBe('accepted');
      expect((await live.ended(id)).state).toBe('revoked');
      await expectOver(before);
    });

    test('a Redis that is back as it was before the end was begun goes on with it', async () => {
      const id = await active('debug');
      const before = await live.grant(id);
      await live.world.clusters.of({ cluster: null }).markEnding({
        ...before,
        state: 'ending',
        ending: {
          cause: 'revoked',
          since: Date.now(),
          by: null,
          note: 'found it',
          rightsGoneAt: null,
          policyGoneAt: null,
          workspaceGoneAt: null,
        },
      });
      expect((await live.ended(id)).ending).toMatchObject({ cause: 'revoked', note: 'found it' });
      await expectOver(before);
    });
  });

  test('an imitation is told and left alone: it ends no grant, keeps none from ending, and gets nothing by its labels', async () => {
    const id = await active('debug');
    const before = await live.grant(id);
    const binding = await admin.read<KubeObject>(object(RBAC, 'RoleBinding', targets.staging, objectName(id)));
    const imitation = (grantId: string, name: string) => ({
      ...changed(binding, {
        'metadata.name': name,
        'metadata.namespace': targets.team,
        'metadata.labels.drawbridge|internal/grant': grantId,
        'metadata.ownerReferences': undefined,
        'metadata.uid': undefined,
        'metadata.resourceVersion': undefined,
        'metadata.managedFields': undefined,
      }),
    });
    const those = [
      imitation(id, objectName(id)),
      imitation(id, 'another'),
      imitation('g-zzzzzz', 'drawbridge-g-zzzzzz'),
    ];
    for (const one of those) expect(await admin.create(one)).toBe('accepted');
    await live.reconcile();
    await live.run();
    expect((await live.grant(id)).state).toBe('active');
    for (const { metadata } of those)
      expect(live.alarms.join()).toContain(
        `RoleBinding ${metadata.namespace}/${metadata.name} carries Drawbridge's labels but no valid seal`,
      );
    await live.useCases.revoke(PEOPLE.ada, id, '');
    expect((await live.ended(id)).state).toBe('revoked');
    await expectRefused(before);
    for (const one of those) {
      expect(await admin.read(one)).toMatchObject({ metadata: { name: one.metadata.name } });
      expect(await admin.remove(one)).toBe('accepted');
    }
  });

  test('of two installations that share namespaces, one that loses its Redis leaves the other’s grants alone', async () => {
    const second = await installExample(cluster, 'drift');
    closing.push(() => uninstallChart(cluster.adminKubeconfig, second.at));
    const client = await connectRedis(otherRedis().url, { role: 'requests', log: silentLog() });
    closing.push(() => client.disconnect());
    const other = await liveWorld({ cluster, at: second.at, targets: second.targets, redis: client });
    closing.push(() => other.stop());
    // Both policies cover team-*.
    const mine = await live.active('observe', targets.team, null);
    const theirs = await other.active('observe', targets.team, null);
    await live.loseRedis();
    for (const one of [live, other, live, other]) {
      await one.reconcile();
      await one.run();
    }
    expect((await live.grant(mine)).state).toBe('active');
    expect((await other.grant(theirs)).state).toBe('active');
    expect(await live.world.store.get(theirs)).toBeNull();
    await live.useCases.revoke(PEOPLE.ada, mine, '');
    expect((await live.ended(mine)).state).toBe('revoked');
    await other.reconcile();
    expect((await other.grant(theirs)).state).toBe('active');
    expect(await can('list', 'configmaps', '-n', targets.team)).toBe('yes');
    expect((await live.grant(mine)).remarks.join()).toContain('which are not of this grant');
    expect([...live.alarms, ...other.alarms].join()).not.toContain(theirs);
    await other.useCases.revoke(PEOPLE.ada, theirs, '');
    expect((await other.ended(theirs)).state).toBe('revoked');
  });
});
