import { expect, test } from 'vitest';
import type { RedisClient } from '../../../../src/adapters/redis/connection.ts';
import { createGrantStore } from '../../../../src/adapters/redis/grant-store.ts';
import { silentLog } from '../../../support/silent-log.ts';

test('a number is taken and given its time in one command, so that none stays for ever when the connection breaks', async () => {
  const sent: string[] = [];
  const redis = new Proxy({} as RedisClient, {
    get: (_, command: string) => async () => {
      sent.push(command);
      return 1;
    },
  });
  const store = createGrantStore({
    redis,
    instance: 'test',
    log: silentLog(),
    audit: { prepare: () => ({}) as never },
  });
  expect(await store.takeNumber('turn V1', 60)).toBe(1);
  expect(sent).toEqual(['eval']);
});
