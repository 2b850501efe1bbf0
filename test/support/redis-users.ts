import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import type { LocalRedis } from '../../src/sandbox/redis.ts';

/** What hosters of Redis take from their users, as rules of an ACL. */
export const HOSTED = {
  'all but what is dangerous': '+@all -@dangerous',
  'all but what is dangerous and what administers': '+@all -@dangerous -@admin',
  'no INFO': '+@all -info',
  'no CONFIG': '+@all -config',
  'no CLIENT': '+@all -client',
} as const;

/** A user of a Redis, whose rights a test takes and gives back. */
export interface RedisUser {
  readonly url: string;
  /** Changes the rights of the user; connections that are open have the new ones from then on. */
  allow(rules: string): Promise<void>;
}

/** Makes a user with these rights, over all keys unless the rules say which (`~…`). */
export async function redisUser(server: Pick<LocalRedis, 'port'>, rules: string): Promise<RedisUser> {
  const [name, password] = [`hosted-${randomBytes(3).toString('hex')}`, randomBytes(8).toString('hex')];
  const allow = async (next: string) => {
    const admin = new Redis(server.port, '127.0.0.1');
    try {
      const keys = next.includes('~') ? [] : ['~*'];
      await admin.call('ACL', 'SETUSER', name, 'reset', 'on', `>${password}`, ...keys, '&*', ...next.split(' '));
    } finally {
      admin.disconnect();
    }
  };
  await allow(rules);
  return { url: `redis://${name}:${password}@127.0.0.1:${server.port}`, allow };
}
