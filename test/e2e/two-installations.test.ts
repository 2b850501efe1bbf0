import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keyPrefix } from '../../src/adapters/redis/connection.ts';
import { startWorld } from '../../src/sandbox/world.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { askingAgain, type Stage, stageOf } from '../support/e2e.ts';

/** Two Drawbridges in one cluster, with grants on the same workload; one of them loses all that Redis kept for it. */

async function active(s: Stage, line: string): Promise<string> {
  const id = await s.request(line);
  await s.press('ben', id, 'approve');
  await s.until(id, 'Active until', 40_000);
  return id;
}

describeWithCluster('of two installations in one cluster', (kube) => {
  const stages: Stage[] = [];
  beforeAll(async () => {
    const one = stageOf(await startWorld({ log: () => {}, cluster: kube, policy: askingAgain() }));
    stages.push(one);
    // The other one covers the namespaces of the first.
    const other = await startWorld({
      log: () => {},
      cluster: kube,
      policy: askingAgain(({ profiles: { debug } }) => {
        if (debug !== undefined) debug.namespaces = [one.namespaces.staging];
        delete debug?.automatic;
      }),
    });
    stages.push(stageOf(other));
  }, 180_000);
  afterAll(async () => {
    // The other's rights are in a namespace of the first: they go first.
    for (const stage of stages.toReversed()) await stage.stop();
  }, 120_000);

  test.each([
    ['a Redis each', false],
    ['one Redis', true],
  ])(
    'with %s, the one that lost its data adopts its grants, and no hand is on those of the other',
    async (how, isShared) => {
      const [one, other] = stages;
      if (one === undefined || other === undefined) throw new Error('no worlds');
      const { staging } = one.namespaces;
      expect(one.installation.instance).not.toBe(other.installation.instance);
      const name = isShared ? 'shared' : 'own';
      const [bot] = await Promise.all([
        one.startBot({ name }),
        other.startBot({ name, env: isShared ? { REDIS_URL: one.redisUrl } : {} }),
      ]);
      /** Objects of the other's grants: uid and resourceVersion change with every hand on them. */
      const snapshot = () => {
        const selector = `drawbridge.internal/instance=${other.installation.instance}`;
        const fields = '{.kind} {.metadata.name} {.metadata.uid} {.metadata.resourceVersion}';
        const format = `-o=jsonpath={range .items[*]}${fields}{"\\n"}{end}`;
        return one.adminKubectl(['get', 'jobs,roles,rolebindings', '-n', staging, '-l', selector, format]);
      };
      const started = (id: string) =>
        one.adminKubectl(['get', 'job', `drawbridge-${id}`, '-n', staging, '-o=jsonpath={.status.startTime}']);
      const endOf = async (id: string) => {
        const path = '-o=jsonpath={.metadata.annotations.drawbridge\\.internal/expires-at}';
        return Date.parse(await one.adminKubectl(['-n', staging, 'get', 'rolebinding', `drawbridge-${id}`, path]));
      };

      const theirs = await active(other, `debug ${staging}/deploy/checkout 34s ${how}: not to be touched`);
      const ours = await active(one, `debug ${staging}/deploy/checkout 20s ${how}: to be forgotten`);
      await one.slack.control.waitFor(() => started(theirs), { what: 'the lease has begun' });
      const [ourEnd, theirEnd] = [await endOf(ours), await endOf(theirs)];
      const before = await snapshot();
      expect(before.trim().split('\n')).toHaveLength(3);

      await bot.kill9();
      const redis = new Redis(one.redisUrl);
      if (isShared) {
        const mine = await redis.keys(`${keyPrefix(one.installation.instance)}:*`);
        expect(mine.length).toBeGreaterThan(5);
        await redis.del(...mine);
        expect(await redis.dbsize()).toBeGreaterThan(5);
      } else await redis.flushall();
      redis.disconnect();
      await bot.restart();
      await one.slack.control.waitFor(async () => (await one.audited(ours)).includes('adopted'), { timeout: 10_000 });
      expect(await one.audited(theirs)).toEqual([]);

      const words = await one.until(ours, 'access was confirmed gone', 40_000);
      // By the other's binding the same person may still do it, and that is said.
      expect(words).toContain(`drawbridge-${theirs}`);
      expect(Date.now() - ourEnd).toBeGreaterThan(0);
      expect(Date.now() - ourEnd).toBeLessThan(8000);
      expect(await one.objectsOf(ours)).toEqual([]);
      expect(Date.now()).toBeLessThan(theirEnd);
      expect(await snapshot()).toBe(before);

      await other.until(theirs, 'access was confirmed gone', 60_000);
      expect(await other.audited(theirs)).toEqual(['requested', 'approval', 'applying', 'active', 'ending', 'expired']);
      const [end] = (await other.bots.get(name)?.audit())?.filter(({ event }) => event === 'expired') ?? [];
      expect(end?.lateness).toBeLessThan(3000);
      expect(await snapshot()).toBe('');
      for (const world of [one, other]) await world.bots.get(name)?.stop();
    },
  );
});
