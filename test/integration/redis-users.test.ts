import { afterEach, describe, expect, it } from 'vitest';
import { createScheduler, startWorkers } from '../../src/adapters/queue/scheduler.ts';
import { redisWarnings } from '../../src/adapters/redis/checks.ts';
import { connectRedis } from '../../src/adapters/redis/connection.ts';
import { createGrantStore } from '../../src/adapters/redis/grant-store.ts';
import { createLocks } from '../../src/adapters/redis/locks.ts';
import { lackOfRedis } from '../../src/adapters/redis/needs.ts';
import { become } from '../../src/domain/grant/grant.ts';
import { newGrantId } from '../../src/domain/ids.ts';
import { auditEntry, auditOn } from '../support/audit.ts';
import { sampleGrant } from '../support/grants.ts';
import { useRedis } from '../support/redis.ts';
import { HOSTED, type RedisUser, redisUser } from '../support/redis-users.ts';
import { silentLog } from '../support/silent-log.ts';

/** Redis users as hosters give them: either all goes on, or it is told which command is missing, and all goes on once it is allowed. */
const redis = useRedis();
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const instance = 'default';
async function as({ url }: RedisUser) {
  const log = silentLog();
  const requests = await connectRedis(url, { role: 'requests', log });
  const worker = await connectRedis(url, { role: 'worker', log });
  cleanups.push(
    () => requests.disconnect(),
    () => worker.disconnect(),
  );
  const done: string[] = [];
  const late: number[] = [];
  const due = new Map<string, number>();
  const handle = async (job: { kind: string; id: string | null }) => {
    done.push(job.kind);
    const at = due.get(job.id ?? '');
    if (at !== undefined) late.push(Date.now() - at);
  };
  const scheduler = createScheduler({ redis: requests, instance, log });
  const workers = startWorkers({ redis: worker, instance, log, handleDeed: handle, handleWord: handle });
  cleanups.push(
    () => scheduler.close(),
    () => workers.close(2000),
  );
  return { log, requests, scheduler, done, late, due, lack: () => lackOfRedis(requests, instance) };
}

type As = Awaited<ReturnType<typeof as>>;

/** What the bot does with Redis, once through. */
async function everythingWorks({ log, requests, scheduler, done, late, due }: As): Promise<void> {
  const { audit } = auditOn(requests);
  await audit.start();
  const store = createGrantStore({ redis: requests, instance, log, audit });
  const grant = sampleGrant({ id: newGrantId() });
  expect(await store.create(grant)).toBe(true);
  const change = store.change(
    grant.id,
    (g) => become(g, 'denied'),
    () => auditEntry('denied', { id: grant.id }),
  );
  expect(await change).toMatchObject({ changed: true });
  expect(await store.firstTime(grant.id, 10)).toBe(true);
  expect(await createLocks({ redis: requests, instance }).exclusively(grant.id, async () => 'done')).toBe('done');
  expect(await store.open(({ id }) => id === grant.id)).toEqual([]);

  done.length = 0;
  // To wait for it as BullMQ does for an old Redis, in whole seconds, would be late by 800 ms.
  const at = Date.now() + 1200;
  due.set(grant.id, at);
  await scheduler.schedule({ v: 1, kind: 'revoke', id: grant.id }, Date.now() + 60_000);
  await scheduler.schedule({ v: 1, kind: 'revoke', id: grant.id }, at);
  expect(await scheduler.unscheduled([{ job: { v: 1, kind: 'revoke', id: grant.id }, at }])).toEqual([]);
  await scheduler.schedule({ v: 1, kind: 'tell', id: newGrantId(), news: 'denied' });
  await expect.poll(() => done, { timeout: 10_000 }).toEqual(['tell', 'revoke']);
  expect(late[0]).toBeLessThan(400);
  expect(await scheduler.depth()).toMatchObject({ deeds: { delayed: 0 } });
}

describe('a Redis user that may run', () => {
  it.each(Object.entries(HOSTED))('%s: everything works', async (_name, rules) => {
    const bot = await as(await redisUser(redis(), rules));
    expect(await bot.lack()).toBeNull();
    await everythingWorks(bot);
  });

  it('no INFO is told that nobody looked at how Redis keeps its data', async () => {
    const { requests } = await as(await redisUser(redis(), HOSTED['no INFO']));
    expect(await redisWarnings(requests)).toEqual([expect.stringMatching(/INFO.*noeviction.*appendonly yes/)]);
  });
});

describe('a Redis user without a command that is needed', () => {
  it.each(['eval', 'evalsha', 'bzpopmin', 'zmscore', 'hscan', 'xadd', 'zrange', 'set', 'rpoplpush'])(
    '%s: it is named, and all goes on once it is allowed',
    async (command) => {
      const user = await redisUser(redis(), `+@all -@dangerous -${command}`);
      const bot = await as(user);
      const lack = await bot.lack();
      expect(lack?.lacks).toBe(`the Redis user may not run ${command.toUpperCase()}`);
      expect(lack?.todo).toContain(`+${command}`);
      // The workers have met it, again and again.
      if (['evalsha', 'bzpopmin'].includes(command))
        await expect
          .poll(() => bot.log.lines.some(({ text }) => text === 'the queue met an error'), { timeout: 10_000 })
          .toBe(true);
      await user.allow('+@all -@dangerous');
      expect(await bot.lack()).toBeNull();
      await everythingWorks(bot);
    },
  );

  it('several are named together', async () => {
    const { lack } = await as(await redisUser(redis(), '+@all -eval -zmscore -bzpopmin'));
    expect((await lack())?.lacks).toBe('the Redis user may not run BZPOPMIN, EVAL, ZMSCORE');
  });

  it('a user for other keys is told which keys are needed', async () => {
    const user = await redisUser(redis(), '~other:* +@all');
    const bot = await as(user);
    expect(await bot.lack()).toMatchObject({
      lacks: 'the Redis user may not use the keys {drawbridge:default}:*',
      todo: expect.stringContaining('~{drawbridge:default}:*') as string,
    });
    await user.allow('~{drawbridge:default}:* +@all -@dangerous');
    expect(await bot.lack()).toBeNull();
    await everythingWorks(bot);
  });

  it('a Redis that takes no writes is named with its own words', async () => {
    const bot = await as(await redisUser(redis(), '+@all'));
    await bot.requests.config('SET', 'min-replicas-to-write', '1');
    expect(await bot.lack()).toMatchObject({ lacks: expect.stringMatching(/takes no writes.*NOREPLICAS/) as string });
    await bot.requests.config('SET', 'min-replicas-to-write', '0');
    expect(await bot.lack()).toBeNull();
  });

  it('each command that fails is counted, also those of workers', async () => {
    const user = await redisUser(redis(), '+@all -get');
    let failures = 0;
    const onFailure = () => {
      failures += 1;
    };
    const log = silentLog();
    const requests = await connectRedis(user.url, { role: 'requests', log, onFailure });
    cleanups.push(() => requests.disconnect());
    const store = createGrantStore({ redis: requests, instance, log, audit: auditOn(requests).audit });
    await store.create(sampleGrant({ id: newGrantId() }));
    expect(failures).toBe(0);
    await expect(store.get(newGrantId())).rejects.toThrow('NOPERM');
    expect(failures).toBe(1);
    await user.allow('+@all -@dangerous -evalsha');
    const worker = await connectRedis(user.url, { role: 'worker', log });
    cleanups.push(() => worker.disconnect());
    const idle = async () => {};
    const workers = startWorkers({ redis: worker, instance, log, onFailure, handleDeed: idle, handleWord: idle });
    cleanups.push(() => workers.close(2000));
    await expect.poll(() => failures, { timeout: 10_000 }).toBeGreaterThan(1);
    await user.allow('+@all');
  });

  it('trying leaves nothing behind', async () => {
    const bot = await as(await redisUser(redis(), '+@all'));
    const keys = async () => (await bot.requests.keys('*')).filter((key) => key.includes('need'));
    await bot.lack();
    expect(await keys()).toEqual([]);
  });
});
