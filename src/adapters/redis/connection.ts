import { Cluster, type Command, Redis } from 'ioredis';
import { parseRedisUrl, REDIS_URL_FORM, type RedisTarget } from '../../config/redis-url.ts';
import { Unavailable } from '../../domain/errors.ts';

export type RedisClient = Redis | Cluster;

/** What a connection says to the log: once when Redis goes away, once when it is back. */
export interface RedisLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export interface ConnectOptions {
  /**
   * `requests`: a command fails at once while Redis is away, after two seconds when it is silent, and is never sent later, behind
   * the back of a caller who was told that it failed. `worker`: for BullMQ's workers, whose commands wait for Redis.
   */
  readonly role: 'requests' | 'worker';
  readonly log: RedisLog;
  /** Called for each command that failed. */
  readonly onFailure?: () => void;
  /** Milliseconds to wait for Redis at the start. */
  readonly startTimeout?: number;
}

/**
 * With INFO ioredis asks whether Redis has loaded its data. Where its host has taken the command away it is not asked again: Redis itself refuses
 * what comes too early.
 */
const NO_INFO = /^ERR unknown command ['`]info\b/i;
const COMMAND_TIMEOUT_MS = 2000;
const LONGEST_PAUSE_MS = 1000;

/**
 * A connection to Redis that is ready. It comes back by itself when Redis does.
 *
 * @param redis a `REDIS_URL`, or what was read from one
 * @throws Unavailable when Redis does not answer in `startTimeout` (10 s)
 */
export async function connectRedis(redis: string | RedisTarget, options: ConnectOptions): Promise<RedisClient> {
  const target = typeof redis === 'string' ? parseRedisUrl(redis) : redis;
  if (target === null) throw new Error(`not a Redis URL: expected ${REDIS_URL_FORM}`);
  const client = open(target, options.role);
  if (options.onFailure !== undefined) countFailures(client, options.onFailure);
  const where = target.hosts.map(({ host, port }) => `${host}:${port}`).join(', ');
  const state = { away: false, lastError: '' };
  client.on('error', (error: Error) => {
    if (client instanceof Redis && NO_INFO.test(error.message)) {
      client.options.enableReadyCheck = false;
      return;
    }
    state.lastError = error.message;
    if (!state.away) options.log.warn({ err: error, redis: where, role: options.role }, 'Redis is away');
    state.away = true;
  });
  // A cluster tells the reason of each of its nodes apart.
  client.on('node error', (error: Error) => {
    state.lastError = error.message;
  });
  client.on('ready', () => {
    if (state.away) options.log.info({ redis: where, role: options.role }, 'Redis is back');
    state.away = false;
  });
  const { startTimeout = 10_000 } = options;
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      client.disconnect();
      const why = state.lastError === '' ? '' : `: ${state.lastError}`;
      reject(new Unavailable('Redis', `Redis (${where}) did not answer in ${startTimeout / 1000} s${why}`));
    }, startTimeout);
    client.once('ready', () => {
      clearTimeout(timer);
      resolve();
    });
  });
  return client;
}

function open(target: RedisTarget, role: ConnectOptions['role']): RedisClient {
  const pause = (times: number) => Math.min(50 * 2 ** Math.min(times, 10), LONGEST_PAUSE_MS);
  const options = {
    ...(target.username === undefined ? {} : { username: target.username }),
    ...(target.password === undefined ? {} : { password: target.password }),
    ...(target.tls ? { tls: {} } : {}),
    connectTimeout: 5000,
    // After a failover an old connection may still lead to what is a replica now.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    ...(role === 'requests'
      ? { commandTimeout: COMMAND_TIMEOUT_MS, maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false }
      : { maxRetriesPerRequest: null }),
  };
  const enableOfflineQueue = role === 'worker';
  if (target.kind === 'cluster')
    return new Cluster([...target.hosts], {
      // Each node would ask INFO, which may be missing; whether the cluster is there is asked with CLUSTER INFO.
      redisOptions: { ...options, enableReadyCheck: false },
      enableOfflineQueue,
      clusterRetryStrategy: pause,
      // Nodes name themselves by addresses; with TLS the names that the certificates have must be kept.
      ...(target.tls ? { dnsLookup: (address, callback) => callback(null, address) } : {}),
    });
  const single = { ...options, enableOfflineQueue, retryStrategy: pause, db: target.db };
  if (target.kind === 'sentinel')
    return new Redis({
      ...single,
      sentinels: [...target.hosts],
      name: target.master,
      sentinelRetryStrategy: pause,
      ...(target.sentinelPassword === undefined ? {} : { sentinelPassword: target.sentinelPassword }),
      ...(target.tls ? { enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
    });
  const [first] = target.hosts;
  return new Redis({ ...single, ...(first === undefined ? {} : { host: first.host, port: first.port }) });
}

/** Sent by ioredis itself with each connection; it bears that they are refused. */
const ITS_OWN = new Set(['client', 'info']);

/** All commands go through here, those of pipelines and of BullMQ's queues too. */
function countFailures(client: RedisClient, onFailure: () => void): void {
  const send = client.sendCommand.bind(client) as (...args: unknown[]) => unknown;
  client.sendCommand = (command: Command, ...rest: unknown[]) => {
    command.promise.catch((error: unknown) => {
      // NOSCRIPT: the script is sent in full then.
      const isPlanned = error instanceof Error && error.message.startsWith('NOSCRIPT');
      if (!isPlanned && !ITS_OWN.has(command.name)) onFailure();
    });
    return send(command, ...rest);
  };
}

/** The prefix of every key of an installation. The braces keep all of them in one slot of a Redis Cluster. */
export function keyPrefix(instance: string): string {
  return `{drawbridge:${instance}}`;
}

/** Redis said no (out of memory, read-only, …), or was not asked at all: nothing was changed, nor will be. */
const wasRefused = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'ReplyError' || error.message.includes("Stream isn't writeable"));

/** Runs commands; whatever goes wrong is `Unavailable`. */
export async function reaching<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Unavailable('Redis', `Redis failed: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
      untouched: wasRefused(error),
    });
  }
}
