import { Cluster } from 'ioredis';
import type { RedisClient } from './connection.ts';

/**
 * What is wrong with the settings of Redis, a sentence each; empty: nothing. Read from INFO, which managed services allow where they
 * refuse CONFIG.
 * Source: https://docs.bullmq.io/guide/going-to-production
 */
export async function redisWarnings(redis: RedisClient): Promise<string[]> {
  const nodes = redis instanceof Cluster ? redis.nodes('master') : [redis];
  const warnings = await Promise.all(
    nodes.map(async (node) => {
      const info = `${await node.info('memory')}\n${await node.info('persistence')}`;
      const found: string[] = [];
      const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
      if (policy !== undefined && policy !== 'noeviction')
        found.push(
          `Redis may evict what it stores (maxmemory-policy ${policy}): grants and their revocations can get lost. Set maxmemory-policy noeviction.`,
        );
      if (/^aof_enabled:0/m.test(info))
        found.push(
          'Redis keeps no append-only file: a restart of Redis forgets grants and revocations (leases end access alone then). Set appendonly yes.',
        );
      return found;
    }),
  );
  return [...new Set(warnings.flat())];
}

/** Redis' own clock: milliseconds since the epoch. */
export async function redisTime(redis: RedisClient): Promise<number> {
  const [seconds, microseconds] = await redis.time();
  return Number(seconds) * 1000 + Number(microseconds) / 1000;
}
