import { afterEach, describe, expect, it } from 'vitest';
import { createScheduler, startWorkers } from '../../src/adapters/queue/scheduler.ts';
import { redisWarnings } from '../../src/adapters/redis/checks.ts';
import { connectRedis } from '../../src/adapters/redis/connection.ts';
import { createGrantStore } from '../../src/adapters/redis/grant-store.ts';
import type { Job } from '../../src/app/ports/scheduler.ts';
import { Unavailable } from '../../src/domain/errors.ts';
import { become } from '../../src/domain/grant/grant.ts';
import { newGrantId } from '../../src/domain/ids.ts';
import { auditEntry, auditOn } from '../support/audit.ts';
import { sampleGrant } from '../support/grants.ts';
import { useRedis } from '../support/redis.ts';
import { silentLog } from '../support/silent-log.ts';

/** A Redis that dies, comes back, or forgets everything, under a bot that runs. */
const redis = useRedis({ appendfsync: 'always' });
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  await redis().restart();
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const instance = 'default';
async function connected() {
  const log = silentLog();
  const requests = await connectRedis(redis().url, { role: 'requests', log });
  const worker = await connectRedis(redis().url, { role: 'worker', log });
  cleanups.push(
    () => requests.disconnect(),
    () => worker.disconnect(),
  );
  return { log, requests, worker };
}

async function bot(handle: (job: Job) => Promise<void> = async () => {}) {
  const { log, requests, worker } = await connected();
  const done: string[] = [];
  const handler = async (job: Job) => {
    await handle(job);
    done.push(job.id ?? '');
  };
  const scheduler = createScheduler({ redis: requests, instance, log });
  const workers = startWorkers({ redis: worker, instance, log, handleDeed: handler, handleWord: handler });
  cleanups.push(
    () => scheduler.close(),
    () => workers.close(2000),
  );
  const revokeSoon = async (inMs = 0) => {
    const id = newGrantId();
    await scheduler.schedule({ v: 1, kind: 'revoke', id }, Date.now() + inMs);
    return id;
  };
  const store = createGrantStore({ redis: requests, instance, log, audit: auditOn(requests).audit });
  return { log, requests, scheduler, store, done, revokeSoon };
}

describe('while Redis is away', () => {
  it('everything that a request needs fails at once, as Unavailable', async () => {
    const { store, scheduler } = await bot();
    await redis().kill9();
    const started = Date.now();
    await expect(store.create(sampleGrant())).rejects.toThrow(Unavailable);
    await expect(store.get('g-7k3fq2')).rejects.toThrow(Unavailable);
    await expect(store.open(() => true)).rejects.toThrow(Unavailable);
    await expect(store.firstTime('x', 10)).rejects.toThrow(Unavailable);
    await expect(store.change('g-7k3fq2', (g) => g)).rejects.toThrow(Unavailable);
    await expect(scheduler.schedule({ v: 1, kind: 'apply', id: 'g-7k3fq2' })).rejects.toThrow(Unavailable);
    await expect(scheduler.cancel({ v: 1, kind: 'apply', id: 'g-7k3fq2' })).rejects.toThrow(Unavailable);
    expect(Date.now() - started).toBeLessThan(5000);
  });

  it('a request does not wait for a Redis that is silent', async () => {
    const { store, requests } = await bot();
    await requests.client('PAUSE', 20_000, 'ALL');
    const started = Date.now();
    await expect(store.get('g-7k3fq2')).rejects.toThrow(Unavailable);
    expect(Date.now() - started).toBeLessThan(4000);
    await redis().kill9();
  });

  it('a change that was refused is not made later, when Redis is back', async () => {
    const { store } = await bot();
    const grant = sampleGrant();
    await redis().kill9();
    await expect(store.create(grant)).rejects.toThrow(Unavailable);
    await redis().restart();
    await expect.poll(() => store.get(grant.id).catch(() => 'away'), { timeout: 10_000 }).toBeNull();
  });

  it('a bot that was just starting can schedule as soon as Redis is back', async () => {
    const { log, requests } = await connected();
    // Silent for longer than a command may take, in the moment in which the queues are made.
    await requests.client('PAUSE', 3000, 'ALL');
    const scheduler = createScheduler({ redis: requests, instance, log });
    cleanups.push(() => scheduler.close());
    await expect
      .poll(() => scheduler.schedule({ v: 1, kind: 'apply', id: 'g-7k3fq2' }).then(() => 'scheduled', String), {
        timeout: 10_000,
      })
      .toBe('scheduled');
  });

  it('says that it is away once, and that it is back once', async () => {
    const { log, store } = await bot();
    await redis().kill9();
    await redis().restart();
    await expect
      .poll(
        () =>
          store
            .open(() => true)
            .then(
              () => true,
              () => false,
            ),
        { timeout: 10_000 },
      )
      .toBe(true);
    for (const role of ['requests', 'worker']) {
      const of = (text: string) => log.lines.filter((line) => line.text === text && line.fields.role === role);
      await expect.poll(() => of('Redis is back').length, { timeout: 10_000 }).toBe(of('Redis is away').length);
      expect(of('Redis is away').length).toBeLessThanOrEqual(1);
    }
  });

  it('the start stops with words that name the place and no password', async () => {
    await redis().kill9();
    const url = `redis://bot:hunter2-hunter2@127.0.0.1:${redis().port}`;
    const attempt = connectRedis(url, { role: 'requests', log: silentLog(), startTimeout: 300 });
    await expect(attempt).rejects.toThrow(`127.0.0.1:${redis().port}`);
    await expect(attempt).rejects.not.toThrow('hunter2');
  });
});

describe('while Redis refuses to write', () => {
  const refusals = [
    ['out of memory', ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']],
    ['read-only', ['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']],
    [
      'short of replicas',
      ['CONFIG', 'SET', 'min-replicas-to-write', '1'],
      ['CONFIG', 'SET', 'min-replicas-to-write', '0'],
    ],
  ] as const;

  it.each(refusals)(
    '%s: whatever writes fails as a whole and says so; afterwards all goes on',
    async (_name, begin, end) => {
      const { requests, scheduler, store, done, revokeSoon, log } = await bot();
      const { audit, printed } = auditOn(requests);
      await audit.start();
      const grant = sampleGrant();
      expect(await store.create(grant)).toBe(true);
      const due = await revokeSoon(700);
      const admin = await connectRedis(redis().url, { role: 'worker', log });
      cleanups.push(() => admin.disconnect());
      await admin.call(begin[0], ...begin.slice(1));
      const stored = await admin.get(`{drawbridge:default}:grant:${grant.id}`);
      const keys = async () =>
        (await admin.keys('*')).filter((key) => !/:lock$|:(marker|stalled.*)$/.test(key)).toSorted();
      const before = await keys();
      const refused = { name: 'Unavailable', untouched: true };
      const other = sampleGrant();
      await expect(store.create(other)).rejects.toMatchObject(refused);
      const noting = () => auditEntry('denied', { id: grant.id });
      // Read-only makes the connection look for the master anew, and until it has there is no asking.
      await expect(store.change(grant.id, (g) => become(g, 'denied'), noting)).rejects.toMatchObject(refused);
      await expect(store.firstTime('once', 60)).rejects.toMatchObject(refused);
      await expect(scheduler.schedule({ v: 1, kind: 'apply', id: grant.id })).rejects.toThrow(Unavailable);
      await audit.record(auditEntry('refused', { note: 'while Redis refuses' }));
      expect(printed.at(-1)).toMatchObject({ chained: false, note: 'while Redis refuses' });
      expect(await keys()).toEqual(before);
      expect(await admin.get(`{drawbridge:default}:grant:${grant.id}`)).toBe(stored);
      // The worker met it too, again and again, and told of it now and then.
      const told = () => log.lines.filter(({ text }) => text === 'the queue met an error');
      await expect.poll(() => told().length, { timeout: 10_000 }).toBeGreaterThan(0);
      await admin.call(end[0], ...end.slice(1));
      await expect.poll(() => done, { timeout: 15_000 }).toEqual([due]);
      await expect
        .poll(() => printed.at(-1), { timeout: 10_000 })
        .toMatchObject({ note: 'while Redis refuses', seq: expect.any(Number) as number });
      expect(told().length).toBeLessThan(10);
      await expect.poll(() => store.create(other).catch(() => false), { timeout: 5000 }).toBe(true);
      const after = await revokeSoon();
      await expect.poll(() => done, { timeout: 10_000 }).toContain(after);
    },
    40_000,
  );
});

describe('when Redis comes back', () => {
  it('after kill -9 a running worker goes on, with what was scheduled before and after', async () => {
    const { done, revokeSoon } = await bot();
    const before = await revokeSoon(1000);
    await redis().kill9();
    await redis().restart();
    await expect.poll(() => done, { timeout: 15_000 }).toContain(before);
    const after = await revokeSoon();
    await expect.poll(() => done, { timeout: 10_000 }).toContain(after);
  });

  it('a job that ran meanwhile is finished, or run again, never stuck', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let begun = 0;
    const { done, revokeSoon, scheduler } = await bot(async () => {
      begun++;
      await held;
    });
    const id = await revokeSoon();
    await expect.poll(() => begun).toBe(1);
    await redis().kill9();
    release();
    await redis().restart();
    await expect.poll(() => done, { timeout: 15_000 }).toContain(id);
    await expect
      .poll(async () => (await scheduler.depth()).deeds, { timeout: 20_000 })
      .toEqual({ waiting: 0, active: 0, delayed: 0, failed: 0 });
  });
});

describe('when Redis has lost everything (FLUSHALL)', () => {
  it('a running worker goes on with what is scheduled afterwards, due now and later', async () => {
    const { requests, done, revokeSoon, store } = await bot();
    await revokeSoon(60_000);
    expect(await store.create(sampleGrant({ id: 'g-aaaaaa' }))).toBe(true);
    await requests.flushall();
    expect(await store.open(() => true)).toEqual([]);
    const now = await revokeSoon();
    const later = await revokeSoon(700);
    await expect.poll(() => done, { timeout: 15_000 }).toEqual(expect.arrayContaining([now, later]));
    expect(await store.create(sampleGrant({ id: 'g-aaaaaa' }))).toBe(true);
  });

  it('a job that was running does not block its successor', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let begun = 0;
    const { requests, scheduler } = await bot(async () => {
      if (++begun === 1) await held;
    });
    const job: Job = { v: 1, kind: 'revoke', id: newGrantId() };
    await scheduler.schedule(job);
    await expect.poll(() => begun).toBe(1);
    await requests.flushall();
    await scheduler.schedule(job);
    await expect.poll(() => begun, { timeout: 15_000 }).toBe(2);
    release();
    await scheduler.schedule(job);
    await expect.poll(() => begun, { timeout: 15_000 }).toBe(3);
  });
});

describe('the checks of Redis', () => {
  it('warns of eviction and of a missing append-only file, and of nothing else', async () => {
    const { requests } = await connected();
    expect(await redisWarnings(requests)).toEqual([]);
    await requests.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await requests.config('SET', 'appendonly', 'no');
    const warnings = await redisWarnings(requests);
    expect(warnings).toHaveLength(2);
    expect(warnings.join()).toMatch(/noeviction.*append-only/s);
  });

  it('says what is at risk: with snapshots only, the changes since the last one; without any, everything', async () => {
    const { requests } = await connected();
    await requests.config('SET', 'appendonly', 'no');
    await requests.config('SET', 'save', '3600 1');
    expect(await redisWarnings(requests)).toEqual([
      expect.stringMatching(/snapshots only.*since the last snapshot.*appendonly yes/),
    ]);
    await requests.config('SET', 'save', '');
    expect(await redisWarnings(requests)).toEqual([
      expect.stringMatching(/keeps nothing.*all grants and revocations.*appendonly yes/),
    ]);
  });

  it('tells of an append-only file that is written when the system likes', async () => {
    const { requests } = await connected();
    await requests.config('SET', 'appendfsync', 'no');
    expect(await redisWarnings(requests)).toEqual([expect.stringMatching(/appendfsync no/)]);
  });
});
