import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { EXPIRES_AT, objectName } from '../../src/adapters/kubernetes/manifests.ts';
import type { KubeObject } from '../../src/adapters/kubernetes/object.ts';
import { type Installation } from '../../src/sandbox/chart.ts';
import { PEOPLE } from '../support/app-world.ts';
import { type Targets } from '../support/chart.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { type Hand, type ObjectName } from '../support/hand.ts';
import { setLiveStage } from '../support/live-stage.ts';
import { type LiveWorld } from '../support/live-world.ts';
import { changed } from '../support/made.ts';
import { useRedis } from '../support/redis.ts';

/** Within this a deed at an object of a grant is noticed: milliseconds. */
const NOTICED = 2000;

describeWithCluster('what is ours, watched', (cluster) => {
  const redis = useRedis();
  let at: Installation;
  let targets: Targets;
  let admin: Hand;
  let live: LiveWorld;
  let watch: Awaited<ReturnType<LiveWorld['watch']>>;
  const closing: (() => unknown)[] = [];
  const latencies: number[] = [];

  beforeAll(async () => {
    const stage = await setLiveStage({ cluster, redis: redis().url, name: 'watched' });
    closing.push(() => stage.close());
    ({ at, targets, admin, live } = stage);
    watch = await live.watch();
    closing.push(() => watch.stop());
  });
  afterAll(async () => {
    console.info(`noticed after ${latencies.map((ms) => Math.round(ms)).join(', ')} ms`);
    for (const close of closing.toReversed()) await close();
  });

  const placeOf = (kind: string, apiVersion: string, namespace: () => string) => (id: string) => ({
    apiVersion,
    kind,
    metadata: { namespace: namespace(), name: objectName(id) },
  });
  const RBAC = 'rbac.authorization.k8s.io/v1';
  const staging = () => targets.staging;
  const workspaces = () => at.workspacesNamespace;
  const places: [string, (id: string) => ObjectName][] = [
    ['lease', placeOf('Job', 'batch/v1', staging)],
    ['guard', placeOf('NetworkPolicy', 'networking.k8s.io/v1', workspaces)],
    ['admission', placeOf('NetworkPolicy', 'networking.k8s.io/v1', staging)],
    ['Role', placeOf('Role', RBAC, staging)],
    ['RoleBinding', placeOf('RoleBinding', RBAC, staging)],
    ['RoleBinding of the workspace', placeOf('RoleBinding', RBAC, workspaces)],
  ];
  const ending = (id: string) =>
    vi.waitFor(async () => expect((await live.grant(id)).ending?.cause).toBe('failed'), {
      timeout: 20_000,
      interval: 20,
    });

  /** Runs what is due, until it has failed. */
  const over = (id: string) =>
    vi.waitFor(
      async () => {
        await live.run();
        expect((await live.grant(id)).state).toBe('failed');
      },
      { timeout: 20_000, interval: 100 },
    );

  const deeds: [string, RegExp, (object: ObjectName) => Promise<string>][] = [
    ['deleted', /not what was approved/, (o) => admin.remove(o)],
    [
      'edited',
      /was changed behind Drawbridge's back/,
      (o) => admin.patch(o, { metadata: { annotations: { [EXPIRES_AT]: '2036-01-01T00:00:00Z' } } }),
    ],
  ];
  test.each(deeds.flatMap(([what, words, deed]) => places.map(([name, of]) => [name, what, of, deed, words] as const)))(
    'the %s is %s: noticed within two seconds, without a look around',
    async (_name, _what, of, deed, words) => {
      const id = await live.active('debug', targets.staging, 'checkout');
      expect(await deed(of(id))).toBe('accepted');
      const done = performance.now();
      await ending(id);
      latencies.push(performance.now() - done);
      expect(latencies.at(-1)).toBeLessThan(NOTICED);
      expect((await live.grant(id)).ending?.note).toMatch(words);
      await over(id);
    },
  );

  test('rights whose lease was orphaned are taken', async () => {
    const id = await live.active('debug', targets.staging, 'checkout');
    const [, lease] = places[0] ?? [];
    if (lease === undefined) throw new Error('no lease');
    expect(await admin.remove(lease(id), { propagationPolicy: 'Orphan' })).toBe('accepted');
    await ending(id);
    await over(id);
  });

  test('an imitation is told within two seconds, and ends nothing', async () => {
    const id = await live.active('debug', targets.staging, 'checkout');
    const [, , , , [, bindingOf] = []] = places;
    if (bindingOf === undefined) throw new Error('no binding');
    const imitation = changed(await admin.read<KubeObject>(bindingOf(id)), {
      'metadata.namespace': targets.team,
      'metadata.ownerReferences': undefined,
      'metadata.uid': undefined,
      'metadata.resourceVersion': undefined,
      'metadata.managedFields': undefined,
    });
    expect(await admin.create(imitation)).toBe('accepted');
    const done = performance.now();
    await vi.waitFor(
      async () => {
        await live.run();
        expect(live.alarms.join()).toContain(`RoleBinding ${targets.team}/${objectName(id)} carries`);
      },
      { timeout: 20_000, interval: 20 },
    );
    expect(performance.now() - done).toBeLessThan(NOTICED);
    expect((await live.grant(id)).state).toBe('active');
    expect(await admin.remove(imitation)).toBe('accepted');
    await live.useCases.revoke(PEOPLE.ada, id, '');
    await live.run();
  });

  test('what the bot does itself is no surprise: a grant is made, extended and ended, and nothing is told of it', async () => {
    const [alarms, faults] = [live.alarms.length, live.faults.length];
    const id = await live.active('debug', targets.staging, 'checkout');
    const { length } = live.world.clusters.of({ cluster: null }).objectsOf(await live.grant(id));
    await vi.waitFor(() => expect(watch.own.of(id)).toHaveLength(length));
    await live.useCases.extend(PEOPLE.ada, id, 900);
    await live.run();
    await vi.waitFor(async () => {
      const { expiresAt } = await live.grant(id);
      expect(new Set(watch.own.of(id).map((found) => found.expiresAt))).toEqual(new Set([expiresAt]));
    });
    expect(watch.own.of(id).every(({ sealed }) => sealed)).toBe(true);
    await live.useCases.revoke(PEOPLE.ada, id, '');
    await live.run();
    await vi.waitFor(() => expect(watch.own.of(id)).toEqual([]), { timeout: 10_000 });
    // Longer than any change takes to be judged.
    await sleep(500);
    expect((await live.grant(id)).state).toBe('revoked');
    expect([live.alarms.slice(alarms), live.faults.slice(faults)]).toEqual([[], []]);
  });

  test('while nothing happens, nothing is asked of the API server', async () => {
    const id = await live.active('debug', targets.staging, 'checkout');
    await sleep(1000);
    const before = live.calls.length;
    await sleep(2000);
    expect(live.calls.slice(before)).toEqual([]);
    await live.useCases.revoke(PEOPLE.ada, id, '');
    await live.run();
  });

  test('a grant that Redis has lost is adopted by a change of any of its objects', async () => {
    const id = await live.active('debug', targets.staging, 'checkout');
    await live.loseRedis();
    const [, roleOf] = places[3] ?? [];
    if (roleOf === undefined) throw new Error('no Role');
    expect(await admin.remove(roleOf(id))).toBe('accepted');
    await vi.waitFor(async () => expect((await live.world.store.get(id))?.state).toBe('ending'), { timeout: 20_000 });
    await over(id);
  });
});
