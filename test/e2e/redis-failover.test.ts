import { expect, test } from 'vitest';
import { startWorld } from '../../src/sandbox/world.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { askingAgain, stageOf } from '../support/e2e.ts';
import { redisProcesses } from '../support/redis-topology.ts';

describeWithCluster('when the master of Redis dies and Sentinel promotes its replica', (kube) => {
  const redis = redisProcesses();

  test('what was scheduled runs in time, what waited is decided, and people hear no untruth', async () => {
    const { master, replica, admin, url } = await redis.sentinel();
    const world = await startWorld({ log: () => {}, cluster: kube, env: { REDIS_URL: url }, policy: askingAgain() });
    redis.cleanups.push(() => world.stop());
    const s = stageOf(world);
    const bot = await s.startBot();
    const { staging } = s.namespaces;
    const [pod = ''] = await s.podsOf(staging, 'checkout');
    const waiting = await s.request(`debug ${staging}/deploy/checkout 5m decided after the failover`);
    const id = await s.request(`debug ${staging}/deploy/checkout 20s ends after the failover`);
    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until');
    const path = '-o=jsonpath={.metadata.annotations.drawbridge\\.internal/expires-at}';
    const due = Date.parse(await s.adminKubectl(['-n', staging, 'get', 'rolebinding', `drawbridge-${id}`, path]));
    const data = await redis.client(master.port);
    expect(await data.wait(1, 5000)).toBe(1);
    const { pid } = bot;

    master.server.kill('SIGKILL');
    await master.server.exited;
    await s.type('ada', `request debug ${staging}/deploy/checkout 5m asked in between`);
    await s.toldTo('ada', 'Redis does not answer as it should, so nothing was requested or changed.');
    await expect
      .poll(() => admin.call('SENTINEL', 'get-master-addr-by-name', 'mymaster'), { timeout: 20_000 })
      .toEqual(['127.0.0.1', String(replica.port)]);
    expect(Date.now()).toBeLessThan(due);
    expect(await s.can('ada', 'get', `pods/${pod}`, '-n', staging)).toBe('yes');
    await s.slack.control.waitFor(() => bot.ready(), { timeout: 20_000, what: 'the bot has found the new master' });

    await s.press('ben', waiting, 'approve');
    await s.until(waiting, 'Active until');
    const words = await s.until(id, 'access was confirmed gone', 30_000);
    expect(words).not.toContain('late');
    const [end] = (await bot.audit()).filter((line) => line.id === id && line.event === 'expired');
    expect(end?.lateness).toBeLessThan(3000);
    await s.type('ada', `revoke ${waiting}`);
    await s.until(waiting, 'Revoked');
    const opening = ['requested', 'approval', 'applying', 'active', 'ending'];
    expect(await s.audited(id)).toEqual([...opening, 'expired']);
    expect(await s.audited(waiting)).toEqual([...opening, 'revoked']);
    expect(await s.grantObjects()).toEqual([]);
    expect(bot.pid).toBe(pid);
  });
});
