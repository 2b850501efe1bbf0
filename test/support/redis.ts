import { afterAll, beforeAll } from 'vitest';
import { type LocalRedis, type RedisOptions, startRedis } from '../../src/sandbox/redis.ts';

/**
 * A Redis of its own for the suite (about 50 ms to start): no suite sees another one's keys, and each may crash its
 * own. Call it at the top of a `describe`; the returned function gives the server once the suite runs.
 */
export function useRedis(options: Partial<RedisOptions> = {}): () => LocalRedis {
  let redis: LocalRedis | undefined;
  beforeAll(async () => {
    redis = await startRedis({ log: (line) => process.stderr.write(`${line}\n`), ...options });
  }, 60_000);
  afterAll(async () => {
    await redis?.stop();
  });
  return () => {
    if (!redis) throw new Error('the Redis of this suite has not started yet');
    return redis;
  };
}
