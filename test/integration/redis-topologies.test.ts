import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { createScheduler, startWorkers } from '../../src/adapters/queue/scheduler.ts';
import { auditKeys } from '../../src/adapters/redis/audit-stream.ts';
import { redisWarnings } from '../../src/adapters/redis/checks.ts';
import { connectRedis } from '../../src/adapters/redis/connection.ts';
import { createGrantStore } from '../../src/adapters/redis/grant-store.ts';
import { become } from '../../src/domain/grant.ts';
import { freePort } from '../../src/sandbox/ports.ts';
import { ensureRedis, startRedis } from '../../src/sandbox/redis.ts';
import { supervised } from '../../src/sandbox/supervise.ts';
import { auditEntry, auditOn } from '../support/audit.ts';
import { sampleGrant } from '../support/grants.ts';
import { silentLog } from '../support/silent-log.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function start(args: string[], config = ''): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'drawbridge-topology-'));
  const port = await freePort();
  const file = join(dir, 'server.conf');
  await writeFile(file, `port ${port}\nbind 127.0.0.1\ndir ${dir}\nlogfile ""\n${config}`);
  const server = supervised(await ensureRedis({ log: () => {} }), [file, ...args], { cwd: dir, removeOnOrphan: dir });
  cleanups.push(async () => {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  });
  return port;
}

async function client(port: number): Promise<Redis> {
  const redis = new Redis(port, '127.0.0.1', { retryStrategy: () => 20 });
  redis.on('error', () => {});
  cleanups.push(() => redis.disconnect());
  await expect.poll(() => redis.ping(), { timeout: 10_000 }).toBe('PONG');
  return redis;
}

/** What the bot does with Redis, once through. */
async function everythingWorks(url: string): Promise<void> {
  const log = silentLog();
  const requests = await connectRedis(url, { role: 'requests', log });
  const worker = await connectRedis(url, { role: 'worker', log });
  cleanups.push(
    () => requests.disconnect(),
    () => worker.disconnect(),
  );
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
  await scheduler.schedule({ v: 1, kind: 'revoke', id: first.id }, Date.now() + 60_000);
  await scheduler.schedule({ v: 1, kind: 'revoke', id: first.id }, Date.now() + 300);
  await scheduler.schedule({ v: 1, kind: 'tell', id: first.id, news: 'denied' });
  await expect.poll(() => done, { timeout: 10_000 }).toEqual(['tell', 'revoke']);
  expect(await redisWarnings(requests)).toEqual([expect.stringContaining('append-only')]);
}

describe('Redis', () => {
  it('as a Cluster: every key of an installation is in one slot', async () => {
    const port = await start([], 'cluster-enabled yes\ncluster-announce-ip 127.0.0.1\n');
    const admin = await client(port);
    await admin.cluster('ADDSLOTSRANGE', 0, 16_383);
    await expect.poll(() => admin.cluster('INFO'), { timeout: 10_000 }).toContain('cluster_state:ok');
    await everythingWorks(`redis+cluster://127.0.0.1:${port}`);
    const keys = await admin.keys('*');
    expect(keys.length).toBeGreaterThan(5);
    for (const key of keys) expect(key).toMatch(/^\{drawbridge:default\}:/);
  });

  it('behind Sentinel, with a user and a database', async () => {
    const master = await start([], 'user bot on >hunter2 ~* &* +@all\n');
    const sentinel = await start(['--sentinel'], `sentinel monitor mymaster 127.0.0.1 ${master} 1\n`);
    const admin = await client(sentinel);
    await expect
      .poll(() => admin.call('SENTINEL', 'get-master-addr-by-name', 'mymaster'), { timeout: 10_000 })
      .toBeTruthy();
    await everythingWorks(`redis+sentinel://bot:hunter2@127.0.0.1:${sentinel}/mymaster/1`);
    const data = await client(master);
    expect(await data.dbsize()).toBe(0);
    await data.select(1);
    expect(await data.dbsize()).toBeGreaterThan(5);
  });

  it('with a password that is wrong stops the start, and does not show it', async () => {
    const redis = await startRedis({ log: () => {} });
    cleanups.push(() => redis.stop());
    const url = `redis://bot:hunter2@127.0.0.1:${redis.port}`;
    const attempt = connectRedis(url, { role: 'requests', log: silentLog(), startTimeout: 500 });
    await expect(attempt).rejects.toThrow(/did not answer.*(WRONGPASS|AUTH)/);
    await expect(attempt).rejects.not.toThrow('hunter2');
  });
});
