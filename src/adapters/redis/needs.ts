import type { Lack } from '../../app/ports/conditions.ts';
import { Unavailable } from '../../domain/errors.ts';
import { keyPrefix, type RedisClient } from './connection.ts';

/**
 * Every command that Drawbridge and BullMQ send, by themselves or from scripts (for which Redis asks the same rights), with arguments for which
 * Redis must look at the rights. They come after a SET of the one key that they name: those for another type of value fail, which is as good an
 * answer as any, and none leaves anything. BullMQ's are those of its scripts for adding, taking, retrying, finishing and counting jobs.
 */
const TRIED = `
PERSIST k
SET k 0 EX 10
GET k
MGET k
EXISTS k
PTTL k
PEXPIRE k 10000
INCR k
HGET k f
HSET k f v
HMSET k f v
HMGET k f
HDEL k f
HEXISTS k f
HGETALL k
HINCRBY k f 1
HSCAN k 0
LINDEX k 0
LLEN k
LPOS k v
LPUSH k v
LRANGE k 0 0
LREM k 1 v
LTRIM k 0 0
RPOP k
RPOPLPUSH k k
SADD k m
SCARD k
SMEMBERS k
SREM k m
XADD k * f v
XRANGE k - + COUNT 1
XREVRANGE k + - COUNT 1
XTRIM k MAXLEN 0
ZADD k 0 m
ZCARD k
ZCOUNT k 0 0
ZMSCORE k m
ZPOPMIN k
ZRANGE k 0 0
ZRANGEBYSCORE k 0 0
ZREM k m
ZREMRANGEBYRANK k 0 0
ZREMRANGEBYSCORE k 0 0
ZREVRANGE k 0 0
ZREVRANGEBYSCORE k 0 0
ZSCORE k m
BZPOPMIN k 0.01
EVAL return(0) 1 k
EVALSHA 0000000000000000000000000000000000000000 1 k
DEL k`
  .trim()
  .split('\n')
  .map((line) => line.split(' '));

const NO_COMMAND = /^NOPERM .*\bcommand\b|^ERR unknown command/;
const NO_KEY = /^NOPERM .*\bkeys?\b/;
/** Redis' words while it answers, but takes no writes: https://redis.io/docs/latest/operate/oss_and_stack/management/ */
const NO_WRITES = /^(OOM|READONLY|NOREPLICAS|MISCONF|MASTERDOWN|LOADING|CLUSTERDOWN)\b/;

/**
 * What Redis lacks of what Drawbridge needs; null: nothing. Each command is tried, since which user may run what can't be asked everywhere.
 * @throws Unavailable when Redis does not answer
 */
export async function lackOfRedis(redis: RedisClient, instance: string): Promise<Lack | null> {
  const prefix = keyPrefix(instance);
  const key = `${prefix}:needs`;
  const pipeline = redis.pipeline();
  for (const [command = '', ...args] of TRIED) pipeline.call(command, ...args.map((arg) => (arg === 'k' ? key : arg)));
  const answers = await pipeline.exec().catch((error: unknown) => {
    throw new Unavailable('Redis', `Redis failed: ${String(error)}`, { cause: error });
  });
  const refused: string[] = [];
  let keys = false;
  let noWrites: string | null = null;
  for (const [index, [error]] of (answers ?? []).entries()) {
    if (error === null) continue;
    // Not Redis' word, but the connection's: nothing is known.
    if (error.name !== 'ReplyError') throw new Unavailable('Redis', `Redis failed: ${error.message}`, { cause: error });
    if (NO_COMMAND.test(error.message)) refused.push(TRIED[index]?.[0] ?? '');
    else if (NO_KEY.test(error.message)) keys = true;
    else if (NO_WRITES.test(error.message)) noWrites ??= error.message;
  }
  if (refused.length > 0)
    return {
      lacks: `the Redis user may not run ${refused.toSorted().join(', ')}`,
      todo: `Allow it: ACL SETUSER <user> ${refused.map((command) => `+${command.toLowerCase()}`).join(' ')}; an unknown command means a Redis older than 6.2, or one whose host has taken it away.`,
    };
  if (keys)
    return {
      lacks: `the Redis user may not use the keys ${prefix}:*`,
      todo: `Allow it: ACL SETUSER <user> ~${prefix}:*`,
    };
  if (noWrites !== null)
    return {
      lacks: `Redis takes no writes: ${noWrites.slice(0, 200)}`,
      todo: 'Look at Redis: its memory, its disk, its replicas, and whether this is the master.',
    };
  return null;
}
