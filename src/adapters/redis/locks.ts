import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Locks } from '../../app/ports/locks.ts';
import { Unavailable } from '../../domain/errors.ts';
import { keyPrefix, type RedisClient, reaching } from './connection.ts';

/** A holder that died lets go after this long; a living one says so three times within it: milliseconds. */
const LEASE = 3000;
/** How long somebody waits for his turn: milliseconds. A job that got none is tried again. */
const PATIENCE = 5000;

const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;
const RENEW = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0`;

/** A lock a grant in Redis. It spares two replicas a quarrel over the same objects; what must hold even so, leases and seals hold. */
export function createLocks(options: { readonly redis: RedisClient; readonly instance: string }): Locks {
  const { redis } = options;
  return {
    async exclusively(id, work) {
      const key = `${keyPrefix(options.instance)}:lock:${id}`;
      const token = randomUUID();
      const end = performance.now() + PATIENCE;
      while ((await reaching(() => redis.set(key, token, 'PX', LEASE, 'NX'))) === null) {
        if (performance.now() > end) throw new Unavailable('Redis', `${id} is being worked on by another`);
        await sleep(50);
      }
      const renewal = setInterval(() => void redis.eval(RENEW, 1, key, token, LEASE).catch(() => {}), LEASE / 3);
      try {
        return await work();
      } finally {
        clearInterval(renewal);
        await redis.eval(RELEASE, 1, key, token).catch(() => {});
      }
    },
  };
}
