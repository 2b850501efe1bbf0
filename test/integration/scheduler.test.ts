import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Deed, Word } from '../../src/adapters/queue/jobs.ts';
import {
  createScheduler,
  type QueueScheduler,
  startWorkers,
  type Workers,
} from '../../src/adapters/queue/scheduler.ts';
import { connectRedis, type RedisClient } from '../../src/adapters/redis/connection.ts';
import type { Job } from '../../src/app/ports/scheduler.ts';
import { Unavailable } from '../../src/domain/errors.ts';
import { newGrantId } from '../../src/domain/ids.ts';
import { useRedis } from '../support/redis.ts';
import { silentLog } from '../support/silent-log.ts';

const redis = useRedis();
const log = silentLog();
let instances = 0;
let instance = '';
let requests: RedisClient;
let worker: RedisClient;
let scheduler: QueueScheduler;
let running: Workers[] = [];

beforeAll(async () => {
  requests = await connectRedis(redis().url, { role: 'requests', log });
  worker = await connectRedis(redis().url, { role: 'worker', log });
});
afterAll(() => {
  requests.disconnect();
  worker.disconnect();
});
beforeEach(() => {
  instance = `t${instances++}`;
  log.lines.length = 0;
  scheduler = createScheduler({ redis: requests, instance, log });
});
afterEach(async () => {
  await Promise.all(running.map((workers) => workers.close(2000)));
  running = [];
  await scheduler.close();
});

const revoke = (id = newGrantId()): Job => ({ v: 1, kind: 'revoke', id });
const tell = (id = newGrantId()): Job => ({ v: 1, kind: 'tell', id, news: 'message' });

/** Workers that note what they are given, and when. */
function work(
  handle: { deed?: (deed: Deed) => Promise<void>; word?: (word: Word) => Promise<void> } = {},
  connection = worker,
) {
  const done: { job: Job; at: number }[] = [];
  const note = async (job: Job) => {
    done.push({ job, at: Date.now() });
  };
  const workers = startWorkers({
    redis: connection,
    instance,
    log,
    handleDeed: async (deed) => {
      await note(deed);
      await handle.deed?.(deed);
    },
    handleWord: async (word) => {
      await note(word);
      await handle.word?.(word);
    },
  });
  running.push(workers);
  return { done, workers };
}

/** A promise and the function that fulfils it. */
function gate() {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, passed };
}

const NOTHING = { waiting: 0, active: 0, delayed: 0, failed: 0 };

describe('the scheduler', () => {
  it('runs a job at its time, with its payload', async () => {
    const { done } = work();
    const job = revoke();
    const at = Date.now() + 400;
    await scheduler.schedule(job, at);
    await expect.poll(() => done.length).toBe(1);
    expect(done[0]?.job).toEqual(job);
    expect((done[0]?.at ?? 0) - at).toBeGreaterThanOrEqual(0);
    expect((done[0]?.at ?? 0) - at).toBeLessThan(1000);
  });

  it('runs a job at once when its time has passed or none is given', async () => {
    const { done } = work();
    await scheduler.schedule(revoke(), Date.now() - 60_000);
    await scheduler.schedule(tell());
    await expect.poll(() => done.length).toBe(2);
  });

  it('moves a job that is scheduled again to a later time, and runs it once', async () => {
    const { done } = work();
    const job = revoke();
    await scheduler.schedule(job, Date.now() + 150);
    const later = Date.now() + 700;
    await scheduler.schedule(job, later);
    await expect.poll(() => done.length).toBe(1);
    expect(done[0]?.at).toBeGreaterThanOrEqual(later);
    expect(await scheduler.depth()).toMatchObject({ deeds: { waiting: 0, delayed: 0 } });
  });

  it('moves a job that is scheduled again to an earlier time', async () => {
    const { done } = work();
    const job = revoke();
    await scheduler.schedule(job, Date.now() + 3_600_000);
    await scheduler.schedule(job);
    await expect.poll(() => done.length).toBe(1);
    expect(await scheduler.depth()).toMatchObject({ deeds: { waiting: 0, delayed: 0 } });
  });

  it('moves a job that is due but has found no worker yet', async () => {
    const job = revoke();
    await scheduler.schedule(job);
    const later = Date.now() + 600;
    await scheduler.schedule(job, later);
    expect(await scheduler.depth()).toMatchObject({ deeds: { waiting: 0, delayed: 1 } });
    const { done } = work();
    await expect.poll(() => done.length).toBe(1);
    expect(done[0]?.at).toBeGreaterThanOrEqual(later);
  });

  it('runs a job again that is scheduled after it has run', async () => {
    const { done } = work();
    const job = revoke();
    await scheduler.schedule(job);
    await expect.poll(() => done.length).toBe(1);
    await scheduler.schedule(job);
    await expect.poll(() => done.length).toBe(2);
  });

  it('keeps jobs of one grant apart by kind and news', async () => {
    const { done } = work();
    const id = newGrantId();
    const jobs: Job[] = [
      { v: 1, kind: 'revoke', id },
      { v: 1, kind: 'warn', id },
      { v: 1, kind: 'tell', id, news: 'warning' },
      { v: 1, kind: 'tell', id, news: 'ended' },
      { v: 1, kind: 'alarm', id, text: 'one' },
      { v: 1, kind: 'alarm', id, text: 'two' },
      { v: 1, kind: 'alarm', id: null, text: 'two' },
    ];
    for (const job of jobs) await scheduler.schedule(job);
    await expect.poll(() => done.length).toBe(jobs.length);
    expect(done.map(({ job }) => JSON.stringify(job)).toSorted()).toEqual(
      jobs.map((job) => JSON.stringify(job)).toSorted(),
    );
  });

  it('tells which of many jobs are not scheduled for their time', async () => {
    const at = Date.now() + 3_600_000;
    const wanted = [
      { job: revoke(), at },
      { job: revoke(), at },
      { job: tell(), at },
      { job: revoke(), at },
      { job: revoke(), at },
    ];
    const [, moved, word, cancelled, due] = wanted.map(({ job }) => job) as [Job, Job, Job, Job, Job];
    for (const { job } of wanted) await scheduler.schedule(job, at);
    expect(await scheduler.unscheduled(wanted)).toEqual([]);
    await scheduler.schedule(moved, at + 1000);
    await scheduler.cancel(word);
    await scheduler.cancel(cancelled);
    await scheduler.schedule(due);
    const missed = await scheduler.unscheduled(wanted);
    expect(missed.toSorted()).toEqual([1, 2, 3, 4]);
    expect(await scheduler.unscheduled([])).toEqual([]);
  });

  it('does not run a job that was cancelled', async () => {
    const cancelled = revoke();
    const later = revoke();
    await scheduler.schedule(cancelled, Date.now() + 200);
    await scheduler.schedule(later, Date.now() + 500);
    await scheduler.cancel(cancelled);
    await scheduler.cancel(revoke());
    const { done } = work();
    await expect.poll(() => done.length).toBe(1);
    expect(done[0]?.job).toEqual(later);
  });

  it('tries a job again until it succeeds', async () => {
    let left = 3;
    const { done } = work({
      deed: async () => {
        if (left-- > 0) throw new Error('not yet');
      },
    });
    await scheduler.schedule(revoke());
    await expect.poll(() => done.length, { timeout: 5000 }).toBe(4);
    await expect.poll(async () => (await scheduler.depth()).deeds).toEqual(NOTHING);
  });

  it('runs a job at once that waits for a retry and is scheduled again', async () => {
    let broken = true;
    const { done } = work({
      word: async () => {
        if (broken) throw new Error('Slack is away');
      },
    });
    const job = tell();
    await scheduler.schedule(job);
    // The fourth pause is longer than this test waits below.
    await expect.poll(() => done.length, { timeout: 10_000, interval: 20 }).toBe(3);
    broken = false;
    await expect.poll(async () => (await scheduler.depth()).words.delayed).toBe(1);
    await scheduler.schedule(job);
    await expect.poll(() => done.length, { timeout: 1500 }).toBe(4);
    await expect.poll(async () => (await scheduler.depth()).words).toEqual(NOTHING);
  });

  it('lets a Slack that is away delay no revocation', async () => {
    const { open, passed } = gate();
    const { done } = work({ word: () => passed });
    for (let i = 0; i < 30; i++) await scheduler.schedule(tell());
    const job = revoke();
    await scheduler.schedule(job);
    await expect.poll(() => done.some((entry) => entry.job.kind === 'revoke'), { timeout: 2000 }).toBe(true);
    open();
  });

  it('tells again what was scheduled while it was being told: once, and never both at a time', async () => {
    const first = gate();
    const told: string[] = [];
    let state = 'old';
    let begun = 0;
    const word = async () => {
      const seen = state;
      begun++;
      if (seen === 'old') await first.passed;
      told.push(seen);
    };
    work({ word });
    work({ word }); // another replica, which would be free
    const job = tell();
    await scheduler.schedule(job);
    await expect.poll(() => begun).toBe(1);
    state = 'new';
    await scheduler.schedule(job);
    await scheduler.schedule(job);
    expect(told).toEqual([]);
    first.open();
    await expect.poll(() => told).toEqual(['old', 'new']);
    await expect.poll(async () => (await scheduler.depth()).words).toEqual(NOTHING);
    expect(told).toEqual(['old', 'new']);
  });

  it('moves a job that is scheduled for later by its own handler', async () => {
    const times: number[] = [];
    const job = revoke();
    const { done } = work({
      deed: async () => {
        if (times.length === 0) {
          times.push(Date.now() + 500);
          await scheduler.schedule(job, times[0]);
        }
      },
    });
    await scheduler.schedule(job);
    await expect.poll(() => done.length).toBe(2);
    expect(done[1]?.at).toBeGreaterThanOrEqual(times[0] ?? 0);
  });

  it('drops a payload that it does not know, and says so', async () => {
    const prefix = `{drawbridge:${instance}}`;
    const { Queue } = await import('bullmq');
    const raw = new Queue('deeds', { connection: requests, prefix });
    for (const data of [
      { v: 0, kind: 'revoke', id: 'g-7k3fq2' },
      { v: 1, kind: 'grant-everything', id: 'g-7k3fq2' },
      { v: 1, kind: 'tell', id: 'g-7k3fq2', news: 'ended' },
      { v: 1, kind: 'revoke', id: '../etc' },
      'text',
    ])
      await raw.add('x', data);
    const { done } = work();
    await expect.poll(() => log.lines.filter((line) => line.text.includes('unknown job')).length).toBe(5);
    await expect.poll(async () => (await scheduler.depth()).deeds).toEqual(NOTHING);
    expect(done).toEqual([]);
    await raw.close();
  });

  it('leaves a job that a newer version wrote to a replica that knows it: it is not lost, and not done by halves', async () => {
    const prefix = `{drawbridge:${instance}}`;
    const { Queue, Worker } = await import('bullmq');
    const raw = new Queue('deeds', { connection: requests, prefix });
    const { done } = work();
    const payload = { v: 99, kind: 'revoke-by-halves', grants: ['g-7k3fq2'] };
    await raw.add('revoke-by-halves', payload, {
      attempts: 1_000_000,
      backoff: { type: 'custom' },
      removeOnComplete: true,
    });
    const told = () =>
      log.lines.filter((line) => String((line.fields['err'] as Error | undefined)?.message).includes('newer version'));
    await expect.poll(() => told().length, { timeout: 10_000 }).toBeGreaterThan(1);
    expect(done).toEqual([]);
    // A replica of the next version joins.
    const taken: unknown[] = [];
    const newer = new Worker('deeds', async (job) => taken.push(job.data), {
      connection: worker,
      prefix,
      concurrency: 20,
      settings: { backoffStrategy: () => 100 },
    });
    await expect.poll(() => taken, { timeout: 20_000 }).toEqual([payload]);
    await expect.poll(async () => (await scheduler.depth()).deeds).toEqual(NOTHING);
    await newer.close();
    await raw.close();
  }, 40_000);

  it('gives a job to another replica when the one that had it is gone', async () => {
    const own = await connectRedis(redis().url, { role: 'worker', log });
    const { passed } = gate();
    const dying = work({ deed: () => passed }, own);
    const job = revoke();
    await scheduler.schedule(job);
    await expect.poll(() => dying.done.length).toBe(1);
    // As kill -9 does it: the locks are renewed no more, nothing is said.
    expect(await dying.workers.close(0)).toBe(false);
    own.disconnect();
    running = [];
    const { done } = work();
    await expect.poll(() => done.length, { timeout: 15_000 }).toBe(1);
    expect(done[0]?.job).toEqual(job);
  }, 20_000);

  it('waits at the end for jobs that run', async () => {
    const { open, passed } = gate();
    let finished = false;
    const { done, workers } = work({
      deed: async () => {
        await passed;
        finished = true;
      },
    });
    await scheduler.schedule(revoke());
    await expect.poll(() => done.length).toBe(1);
    const closing = workers.close(5000);
    open();
    expect(await closing).toBe(true);
    expect(finished).toBe(true);
    expect((await scheduler.depth()).deeds).toEqual(NOTHING);
  });
});

describe('a job under a key', () => {
  const alarm = (text: string): Job => ({ v: 1, kind: 'alarm', id: null, text });
  const texts = ({ done }: ReturnType<typeof work>) => done.map(({ job }) => (job.kind === 'alarm' ? job.text : ''));

  it('is stored once among all replicas, also when it has run', async () => {
    const other = createScheduler({ redis: requests, instance, log });
    const stored = await Promise.all(
      [scheduler, other, scheduler].map((one, i) => one.scheduleOnce(alarm(`late ${i}`), 'late: g-7k3fq2', 60)),
    );
    expect(stored.filter(Boolean)).toHaveLength(1);
    const worked = work();
    await expect.poll(() => texts(worked)).toEqual([`late ${stored.indexOf(true)}`]);
    expect(await other.scheduleOnce(alarm('late again'), 'late: g-7k3fq2', 60)).toBe(false);
    expect(await other.scheduleOnce(alarm('another'), 'late: g-aaaaaa', 60)).toBe(true);
    await expect.poll(() => texts(worked)).toEqual([`late ${stored.indexOf(true)}`, 'another']);
    await other.close();
  });

  it('may be stored again when its time is over, and when the key is forgotten', async () => {
    const worked = work();
    expect(await scheduler.scheduleOnce(alarm('one'), 'soon', 1)).toBe(true);
    await expect.poll(() => scheduler.scheduleOnce(alarm('two'), 'soon', 60), { timeout: 5000 }).toBe(true);
    expect(await scheduler.scheduleOnce(alarm('three'), 'soon', 60)).toBe(false);
    await scheduler.forget('soon');
    expect(await scheduler.scheduleOnce(alarm('four'), 'soon', 60)).toBe(true);
    await expect.poll(() => texts(worked).toSorted()).toEqual(['four', 'one', 'two']);
  });

  it('that can not be stored takes no key', async () => {
    await requests.config('SET', 'maxmemory', '1');
    await expect(scheduler.scheduleOnce(alarm('lost?'), 'once', 60)).rejects.toThrow(Unavailable);
    await requests.config('SET', 'maxmemory', '0');
    expect(await scheduler.scheduleOnce(alarm('told'), 'once', 60)).toBe(true);
  });
});
