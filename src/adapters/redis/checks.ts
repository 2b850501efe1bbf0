import { Cluster, type Redis } from 'ioredis';
import type { RedisClient } from './connection.ts';

/**
 * What is wrong with the settings of Redis, a sentence each, with what is at risk; empty: nothing. Read from INFO, which managed services
 * allow where they refuse CONFIG; what only CONFIG knows is left out then.
 * Source: https://docs.bullmq.io/guide/going-to-production
 */
export async function redisWarnings(redis: RedisClient): Promise<string[]> {
  const nodes = redis instanceof Cluster ? redis.nodes('master') : [redis];
  const warnings = await Promise.all(
    nodes.map(async (node) => {
      const info = await settings(node);
      if (info === null)
        return [
          'Redis refuses INFO, so nobody looked at how it keeps its data: see that it has maxmemory-policy noeviction and appendonly yes.',
        ];
      const found: string[] = [];
      const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
      if (policy !== undefined && policy !== 'noeviction')
        found.push(
          `Redis may evict what it stores (maxmemory-policy ${policy}): grants and their revocations can get lost. Set maxmemory-policy noeviction.`,
        );
      if (/^aof_enabled:0/m.test(info)) found.push(unkept(await setting(node, 'save')));
      else if ((await setting(node, 'appendfsync')) === 'no')
        found.push(
          'Redis writes its append-only file when the system likes (appendfsync no): when its machine crashes it forgets grants and revocations of the last half minute. Set appendfsync everysec.',
        );
      return found;
    }),
  );
  return [...new Set(warnings.flat())];
}

/** What is at risk without an append-only file. @param save when snapshots are made; empty: never; null: not known */
function unkept(save: string | null): string {
  const [what, lost] =
    save === null
      ? ['no append-only file', 'grants and revocations']
      : save === ''
        ? ['nothing on disk, neither an append-only file nor snapshots', 'all grants and revocations']
        : ['snapshots only, and no append-only file', 'grants and revocations since the last snapshot'];
  return `Redis keeps ${what}: a restart of Redis forgets ${lost} (leases end access alone then). Set appendonly yes.`;
}

/** What INFO tells of memory and persistence; null where it is refused. */
async function settings(node: Redis): Promise<string | null> {
  try {
    return `${await node.info('memory')}\n${await node.info('persistence')}`;
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError') return null;
    throw error;
  }
}

/** A setting; null where CONFIG is refused. */
async function setting(node: Redis, name: string): Promise<string | null> {
  const answer = (await node.config('GET', name).catch(() => null)) as readonly string[] | null;
  return answer?.[1] ?? null;
}

/** Redis' own clock: milliseconds since the epoch. */
export async function redisTime(redis: RedisClient): Promise<number> {
  const [seconds, microseconds] = await redis.time();
  return Number(seconds) * 1000 + Number(microseconds) / 1000;
}
