import { describe, expect, it } from 'vitest';
import { createScheduler, startWorkers } from '../../src/adapters/queue/scheduler.ts';
import { auditKeys } from '../../src/adapters/redis/audit-stream.ts';
import { redisWarnings } from '../../src/adapters/redis/checks.ts';
import { connectRedis, keyPrefix } from '../../src/adapters/redis/connection.ts';
import { createGrantStore } from '../../src/adapters/redis/grant-store.ts';
import { Unavailable } from '../../src/domain/errors.ts';
import { become } from '../../src/domain/grant/grant.ts';
import { startRedis } from '../../src/sandbox/redis.ts';
import { auditEntry, auditOn } from '../support/audit.ts';
import { sampleGrant } from '../support/grants.ts';
import { redisProcesses } from '../support/redis-topology.ts';
import { silentLog } from '../support/silent-log.ts';

const { cleanups, start, client, sentinel, cluster } = redisProcesses();

/** The bot's connections and its queues; `done` has the kinds of jobs that were run. */
async function connected(url: string) {
  const log = silentLog();
  const requests = await connectRedis(url, { role: 'requests', log });
  const worker = await connectRedis(url, { role: 'worker', log });
  cleanups.push(
    () => requests.disconnect(),
    () => worker.disconnect(),
  );
  const done: string[] = [];
  const handle = async (job: { kind: string }) => {
    done.push(job.kind);
  };
  const scheduler = createScheduler({ redis: requests, instance: 'default', log });
  const workers = startWorkers({ redis: worker, instance: 'default', log, handleDeed: handle, handleWord: handle });
  cleanups.push(
    () => scheduler.close(),
    () => workers.close(2000),
  );
  return { log, requests, scheduler, done };
}

/** What the bot does with Redis, once through. */
async function everythingWorks(url: string, warning = 'append-only'): Promise<void> {
  const { log, requests, scheduler, done } = await connected(url);
  const { audit } = auditOn(requests);
  await audit.start();
  const store = createGrantStore({ redis: requests, instance: 'default', log, audit });
  const grants = [sampleGrant(), sampleGrant(), sampleGrant()];
  for (const grant of grants) expect(await store.create(grant)).toBe(true);
  const [first = sampleGrant()] = grants;
  const denied = () => auditEntry('denied', { id: first.id });
  expect(await store.change(first.id, (g) => become(g, 'denied'), denied)).toMatchObject({ changed: true });
  expect(await store.open(() => true)).toHaveLength(2);
  expect(await store.firstTime('x', 10)).toBe(true);

  await audit.record(auditEntry('refused'));
  expect(await requests.xlen(auditKeys('default').stream)).toBe(3);

  await scheduler.schedule({ v: 1, kind: 'revoke', id: first.id }, Date.now() + 60_000);
  await scheduler.schedule({ v: 1, kind: 'revoke', id: first.id }, Date.now() + 300);
  await scheduler.schedule({ v: 1, kind: 'tell', id: first.id, news: 'denied' });
  await expect.poll(() => done, { timeout: 10_000 }).toEqual(['tell', 'revoke']);
  expect(await redisWarnings(requests)).toEqual([expect.stringContaining(warning)]);
  expect(log.lines.map(({ fields }) => String(fields['err']))).not.toContainEqual(
    expect.stringContaining('unknown command'),
  );
}

describe('Redis', () => {
  it('as a Cluster of three masters: every key of an installation is in one slot, installations in several', async () => {
    const { clients, url } = await cluster();
    await everythingWorks(url);
    const held = await Promise.all(clients.map((node) => node.keys('*')));
    const keys = held.flat();
    expect(keys.length).toBeGreaterThan(5);
    for (const key of keys) expect(key).toMatch(/^\{drawbridge:default\}:/);
    expect(held.filter((some) => some.length > 0)).toHaveLength(1);
    const slots = ['default', 'one', 'two', 'three'].map(async (name) =>
      clients[0]?.cluster('KEYSLOT', keyPrefix(name)),
    );
    expect(new Set(await Promise.all(slots)).size).toBeGreaterThan(1);
  });

  it('as a Cluster: a master that is away is found again, and what was scheduled on it runs', async () => {
    const { nodes, clients, url } = await cluster();
    const { scheduler, done } = await connected(url);
    await scheduler.schedule({ v: 1, kind: 'revoke', id: 'g-7k3fq2' }, Date.now() + 1500);
    const sizes = await Promise.all(clients.map((node) => node.dbsize()));
    const holder = nodes[sizes.findIndex((size) => size > 0)];
    // Silent, as behind a broken network: for longer than the job has, and than the others wait before they say that it has failed.
    holder?.server.kill('SIGSTOP');
    await expect(scheduler.schedule({ v: 1, kind: 'apply', id: 'g-7k3fq2' })).rejects.toThrow(Unavailable);
    holder?.server.kill('SIGCONT');
    await expect.poll(() => done, { timeout: 20_000 }).toContain('revoke');
    await expect
      .poll(() => scheduler.schedule({ v: 1, kind: 'warn', id: 'g-7k3fq2' }).then(() => 'scheduled', String), {
        timeout: 20_000,
      })
      .toBe('scheduled');
    await expect.poll(() => done, { timeout: 10_000 }).toContain('warn');
  });

  it('behind Sentinel, with a user and a database', async () => {
    const { port: master } = await start([], 'user bot on >hunter2 ~* &* +@all\n');
    const { port: watcher } = await start(['--sentinel'], `sentinel monitor mymaster 127.0.0.1 ${master} 1\n`);
    const admin = await client(watcher);
    await expect
      .poll(() => admin.call('SENTINEL', 'get-master-addr-by-name', 'mymaster'), { timeout: 10_000 })
      .toBeTruthy();
    await everythingWorks(`redis+sentinel://bot:hunter2@127.0.0.1:${watcher}/mymaster/1`);
    const data = await client(master);
    expect(await data.dbsize()).toBe(0);
    await data.select(1);
    expect(await data.dbsize()).toBeGreaterThan(5);
  });

  const WITHOUT_INFO = 'rename-command INFO ""\n';
  const NOBODY_LOOKED = 'Redis refuses INFO';
  it('without INFO, which its host has taken away: everything works, and nobody looked at how it keeps its data', async () => {
    const { port } = await start([], `appendonly yes\n${WITHOUT_INFO}`);
    await everythingWorks(`redis://127.0.0.1:${port}`, NOBODY_LOOKED);
  });

  it('behind Sentinel without INFO, by its host or by the rights of its user: everything works', async () => {
    const user = 'user bot on >hunter2 ~* &* +@all -info\n';
    for (const [config, credentials] of [
      [WITHOUT_INFO, ''],
      [user, 'bot:hunter2@'],
    ]) {
      const { port: master } = await start([], config);
      const { port: watcher } = await start(['--sentinel'], `sentinel monitor mymaster 127.0.0.1 ${master} 1\n`);
      const admin = await client(watcher);
      await expect
        .poll(() => admin.call('SENTINEL', 'get-master-addr-by-name', 'mymaster'), { timeout: 10_000 })
        .toBeTruthy();
      await everythingWorks(`redis+sentinel://${credentials}127.0.0.1:${watcher}/mymaster`, NOBODY_LOOKED);
    }
  });

  it('as a Cluster without INFO: everything works', async () => {
    const { url } = await cluster(WITHOUT_INFO);
    await everythingWorks(url, NOBODY_LOOKED);
  });

  it('behind Sentinel: after kill -9 of the master the replica is promoted, and a revocation that was scheduled runs in time', async () => {
    const { master, replica, url } = await sentinel();
    const log = silentLog();
    const requests = await connectRedis(url, { role: 'requests', log });
    const worker = await connectRedis(url, { role: 'worker', log });
    cleanups.push(
      () => requests.disconnect(),
      () => worker.disconnect(),
    );
    const done: { kind: string; at: number }[] = [];
    const handle = async ({ kind }: { kind: string }) => {
      done.push({ kind, at: Date.now() });
    };
    const scheduler = createScheduler({ redis: requests, instance: 'default', log });
    const workers = startWorkers({ redis: worker, instance: 'default', log, handleDeed: handle, handleWord: handle });
    cleanups.push(
      () => scheduler.close(),
      () => workers.close(2000),
    );
    const store = createGrantStore({ redis: requests, instance: 'default', log, audit: auditOn(requests).audit });
    const grant = sampleGrant();
    expect(await store.create(grant)).toBe(true);
    const due = Date.now() + 12_000;
    await scheduler.schedule({ v: 1, kind: 'revoke', id: grant.id }, due);
    expect(await requests.wait(1, 5000)).toBe(1);
    master.server.kill('SIGKILL');
    await master.server.exited;
    await expect(store.get(grant.id)).rejects.toThrow(Unavailable);
    const data = await client(replica.port);
    await expect.poll(() => data.info('replication'), { timeout: 20_000 }).toContain('role:master');
    expect(Date.now()).toBeLessThan(due);
    await expect.poll(() => store.get(grant.id).catch(() => null), { timeout: 20_000 }).toMatchObject({ id: grant.id });
    await expect.poll(() => done, { timeout: 30_000 }).toHaveLength(1);
    expect(done[0]?.kind).toBe('revoke');
    expect((done[0]?.at ?? 0) - due).toBeGreaterThanOrEqual(0);
    expect((done[0]?.at ?? 0) - due).toBeLessThan(3000);
  }, 60_000);

  it('with a password that is wrong stops the start, and does not show it', async () => {
    const redis = await startRedis({ log: () => {} });
    cleanups.push(() => redis.stop());
    const url = `redis://bot:hunter2@127.0.0.1:${redis.port}`;
    const attempt = connectRedis(url, { role: 'requests', log: silentLog(), startTimeout: 500 });
    await expect(attempt).rejects.toThrow(/did not answer.*(WRONGPASS|AUTH)/);
    await expect(attempt).rejects.not.toThrow('hunter2');
  });
});
