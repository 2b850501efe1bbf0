import { createHash, randomBytes } from 'node:crypto';
import { Queue, RedisConnection, type WorkerOptions } from 'bullmq';
import type { Cluster, Redis } from 'ioredis';
import type { Job, Scheduler } from '../../app/ports/scheduler.ts';
import { Unavailable } from '../../domain/errors.ts';
import { type Deed, isDeed, isNewer, jobKey, type Parsed, parseDeed, parseWord, type Word } from './jobs.ts';
import { PatientWorker } from './patient-worker.ts';
import { sparingly } from './sparing.ts';

/**
 * Delayed jobs on Redis by BullMQ. Two queues: deeds and words (see jobs.ts). Every attempt to schedule is a BullMQ job of its own, and
 * its deduplication id (the job's key) keeps one of them: a delayed one is replaced, also when it waits for a retry; while one is active
 * the newest is kept and starts when that has finished, so that the last state is always told and two replicas never work on the same
 * key at once.
 * Source: https://docs.bullmq.io/guide/jobs/deduplication
 */

export interface QueueLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export interface QueueScheduler extends Scheduler {
  /** Jobs by queue: those that are due and wait, or run, or wait for a retry or their time; and those given up. */
  depth(): Promise<Record<QueueName, { waiting: number; active: number; delayed: number; failed: number }>>;
  close(): Promise<void>;
}

interface Retry {
  /** Milliseconds before the first retry; it doubles each time. */
  readonly first: number;
  readonly longest: number;
  readonly attempts: number;
}

/** A deed is retried for weeks: its handler decides when nothing is left to do. */
const DEEDS: Retry = { first: 100, longest: 5000, attempts: 1_000_000 };
/** A word is retried for about three days: nobody wants to hear older news. */
const WORDS: Retry = { first: 1000, longest: 30_000, attempts: 8640 };

/** A job whose worker was killed is taken over after about the sum of these, plus one more interval. */
const LOCK_MS = 5000;
const STALLED_CHECK_MS = 2000;

/** How many jobs are looked up in one go. */
const PORTION = 500;
/** Milliseconds by which a job may be off its time: BullMQ takes a delay, and adds its own clock's time. */
const ACCURACY = 100;

/**
 * BullMQ reads the version of Redis by INFO, which many hosts refuse: a worker that was refused works no more, until the process is started anew.
 * So nothing asks for it (`skipVersionCheck`), and BullMQ goes by the oldest version that knows the commands that are used here. An older one is
 * found by its lack of them (needs.ts).
 */
RedisConnection.minimumVersion = '6.2.0';

/** Deeds, by which grants begin and end, and words, by which people are told. */
export type QueueName = 'deeds' | 'words';
const deedsQueue = 'deeds' satisfies QueueName;
const wordsQueue = 'words' satisfies QueueName;
/** The same prefix as the keys of the grant store: one slot of a Redis Cluster. */
const prefixOf = (instance: string) => `{drawbridge:${instance}}`;

/**
 * @param redis a connection of role `requests`: to schedule fails at once while Redis is away
 * @throws (all methods) Unavailable
 */
export function createScheduler(options: {
  readonly redis: Redis | Cluster;
  readonly instance: string;
  readonly log: QueueLog;
}): QueueScheduler {
  const queue = (name: string, retry: Retry) => {
    const made = new Queue(name, {
      connection: options.redis,
      prefix: prefixOf(options.instance),
      skipVersionCheck: true,
      defaultJobOptions: {
        attempts: retry.attempts,
        backoff: { type: 'custom' },
        removeOnComplete: true,
        removeOnFail: { age: 7 * 86_400, count: 1000 },
        // Traces would hold what errors say; the log has them.
        stackTraceLimit: 0,
      },
    });
    made.on('error', errorsOf(options.log, name));
    return made;
  };
  const deeds = queue(deedsQueue, DEEDS);
  const words = queue(wordsQueue, WORDS);
  const queueOf = (job: Job) => (isDeed(job) ? deeds : words);

  const idOf = (key: string) => `${key}.${randomBytes(6).toString('hex')}`;

  const place = async (job: Job, at: number | undefined): Promise<void> => {
    const key = jobKey(job);
    const target = queueOf(job);
    for (let attempt = 0; attempt < 5; attempt++) {
      const delay = at === undefined ? 0 : Math.max(0, at - Date.now());
      const jobId = idOf(key);
      const added = await target.add(job.kind, job, {
        jobId,
        delay,
        deduplication: { id: key, replace: true, keepLastIfActive: true },
      });
      if (added.id === undefined || added.id === jobId || delay === 0) return;
      // Another one is due already: it is active, and ours will follow it; or it waits for a worker, and must give way to our time.
      const removed = await target.remove(added.id);
      if (removed === 0) return;
    }
    throw new Error(`${key} was scheduled by others again and again`);
  };

  /** Looks up by the keys that BullMQ has: which job a deduplication id stands for, and the time of each delayed job. */
  const missing = async (target: Queue, wanted: readonly [number, { job: Job; at: number }][]): Promise<number[]> => {
    const ids = await options.redis.mget(wanted.map(([, { job }]) => target.toKey(`de:${jobKey(job)}`)));
    const scores = await options.redis.zmscore(target.toKey('delayed'), ...ids.map((id) => id ?? ''));
    return wanted.flatMap(([index, { at }], i) => {
      const score = scores[i];
      // The time in milliseconds, shifted by 12 bits for a counter.
      const isThere = typeof score === 'string' && Math.abs(Number(score) / 0x1000 - at) < ACCURACY;
      return isThere ? [] : [index];
    });
  };

  return {
    async schedule(job, at) {
      await reaching(() => place(job, at));
    },
    async cancel(job) {
      await reaching(async () => {
        const jobId = await queueOf(job).getDeduplicationJobId(jobKey(job));
        // One that is active can't be taken back: its handler looks at the grant.
        if (jobId !== null) await queueOf(job).remove(jobId);
      });
    },
    async scheduleOnce(job, key, seconds) {
      const jobId = idOf(jobKey(job));
      const deduplication = { id: onceKey(key), ttl: seconds * 1000 };
      return reaching(async () => (await queueOf(job).add(job.kind, job, { jobId, deduplication })).id === jobId);
    },
    async forget(key) {
      await reaching(() => words.removeDeduplicationKey(onceKey(key)));
    },
    async unscheduled(wanted) {
      const missed: number[] = [];
      for (const [target, ofQueue] of Map.groupBy(wanted.entries(), ([, { job }]) => queueOf(job)))
        for (let i = 0; i < ofQueue.length; i += PORTION)
          missed.push(...(await reaching(() => missing(target, ofQueue.slice(i, i + PORTION)))));
      return missed;
    },
    async depth() {
      const counts = async (of: Queue) => {
        const found = await of.getJobCounts('waiting', 'active', 'delayed', 'failed');
        return {
          waiting: found.waiting ?? 0,
          active: found.active ?? 0,
          delayed: found.delayed ?? 0,
          failed: found.failed ?? 0,
        };
      };
      return reaching(async () => ({ deeds: await counts(deeds), words: await counts(words) }));
    },
    async close() {
      await Promise.all([deeds.close(), words.close()]);
    },
  };
}

/** Keys may be long, and may have colons, which BullMQ's must not. */
const onceKey = (key: string): string => `once.${createHash('sha256').update(key).digest('hex').slice(0, 32)}`;

/** That Redis is away is told by the connection, once; BullMQ would tell it with every attempt to come back. */
function errorsOf(log: QueueLog, queue: string): (error: Error) => void {
  const tell = sparingly((error, times) => log.warn({ err: error, queue, times }, 'the queue met an error'));
  return (error) => {
    const lost =
      'code' in error || /Connection is closed|max retries per request|enableOfflineQueue/.test(error.message);
    if (!lost) tell(error);
  };
}

async function reaching<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Unavailable('Redis', `the queue failed: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

export interface Workers {
  /**
   * Takes no more jobs, waits for those that run, and gives up on them after `deadline` milliseconds: another replica, or the next
   * start, takes them over.
   * @returns true when all had finished
   */
  close(deadline: number): Promise<boolean>;
}

/**
 * Starts to work on both queues. A handler that throws is called again, sooner or later; so every handler must bear to be called twice.
 *
 * @param options.redis a connection of role `worker`
 * @param options.concurrency how many of each kind run at once in this process
 */
export function startWorkers(options: {
  readonly redis: Redis | Cluster;
  readonly instance: string;
  readonly log: QueueLog;
  /** Called for each error that a worker meets in Redis. */
  readonly onFailure?: () => void;
  /** Called for each attempt at a job that failed, which is tried again. */
  readonly onFailedJob?: (queue: QueueName) => void;
  readonly handleDeed: (deed: Deed) => Promise<void>;
  readonly handleWord: (word: Word) => Promise<void>;
  readonly concurrency?: { readonly deeds: number; readonly words: number };
}): Workers {
  const { concurrency = { deeds: 20, words: 5 }, log } = options;
  const start = <T extends Job>(
    name: QueueName,
    retry: Retry,
    parse: (payload: unknown) => Parsed<T>,
    handle: (job: T) => Promise<void>,
    atOnce: number,
  ) => {
    const settings: WorkerOptions = {
      connection: options.redis,
      prefix: prefixOf(options.instance),
      skipVersionCheck: true,
      concurrency: atOnce,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_MS,
      maxStalledCount: 1_000_000,
      runRetryDelay: 500,
      settings: { backoffStrategy: (attempts, _type, error) => pauseBefore(attempts, retry, error) },
    };
    const worker = new PatientWorker(
      name,
      async (job) => {
        const payload = parse(job.data);
        if ('problem' in payload) {
          // While replicas of two versions run side by side: the newer one will take it.
          if (isNewer(job.data))
            throw new Error('a newer version of Drawbridge wrote this job: it is left for a replica that knows it');
          log.error({ queue: name, job: job.id, problem: payload.problem }, 'an unknown job was dropped');
          return;
        }
        await handle(payload.job);
      },
      settings,
    );
    const tell = errorsOf(log, name);
    worker.on('error', (error) => {
      options.onFailure?.();
      tell(error);
    });
    worker.on('failed', (job, error) => {
      options.onFailedJob?.(name);
      // The first failures, then ever fewer of the same: an outage must not fill the log.
      const attempt = job?.attemptsMade ?? 1;
      if (Number.isInteger(Math.log2(attempt)))
        log.warn({ err: error, queue: name, job: job?.id, attempt }, 'a job failed, and is tried again');
    });
    worker.on('stalled', (jobId) =>
      log.warn({ queue: name, job: jobId }, 'a job was left by its worker, and is run again'),
    );
    return worker;
  };
  const workers = [
    start(deedsQueue, DEEDS, parseDeed, options.handleDeed, concurrency.deeds),
    start(wordsQueue, WORDS, parseWord, options.handleWord, concurrency.words),
  ];
  return {
    async close(deadline) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<false>((resolve) => {
        timer = setTimeout(() => resolve(false), deadline);
      });
      const finished = Promise.all(workers.map((worker) => worker.close())).then(() => true);
      const inTime = await Promise.race([finished, late]);
      clearTimeout(timer);
      if (inTime) return true;
      log.warn({}, 'jobs still run at the end: they are left to another worker');
      finished.catch(() => {});
      // Not waited for: a connection that was lost a moment ago never tells that it has ended.
      for (const worker of workers) worker.disconnect().catch(() => {});
      return false;
    },
  };
}

/**
 * Milliseconds before the next attempt, after so many: as long as the dependency asks for, else doubling; with a tenth at random so that many do
 * not come at once.
 */
export function pauseBefore(attempts: number, { first, longest }: Omit<Retry, 'attempts'>, error?: Error): number {
  const asked = error instanceof Unavailable ? error.retryIn : null;
  if (asked !== null) return Math.round(Math.min(longest, asked * 1000) * (1 + Math.random() * 0.1));
  const full = Math.min(longest, first * 2 ** Math.min(attempts - 1, 20));
  return Math.round(full * (0.9 + Math.random() * 0.1));
}
