import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { clockService } from '../../../../src/composition/services/clock.ts';
import { silentLog } from '../../../support/silent-log.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('a doubt is told as soon as it is measured, and once in the log; and that it has gone', async () => {
  const log = silentLog();
  const raised: string[] = [];
  let doubt: string | null = null;
  let measured: string | null = null;
  const service = clockService({
    alarms: { raise: async (_key, _id, text) => void raised.push(text) },
    clock: {
      measure: async () => {
        doubt = measured;
      },
      doubt: () => doubt,
      clocks: () => ({ own: 60_000, redis: 0, kubernetes: null }),
    },
    log,
  });
  await service.start();
  expect([log.lines, raised]).toEqual([[], []]);

  measured = 'the clock of this replica is 1m ahead';
  await vi.advanceTimersByTimeAsync(20_000);
  expect(log.lines).toEqual([
    {
      level: 'error',
      fields: { doubt: measured, redis: 60, kubernetes: null },
      text: 'nothing is granted: the time is in doubt',
    },
  ]);
  expect(raised).toEqual([expect.stringContaining(measured), expect.stringContaining(measured)]);

  measured = null;
  await vi.advanceTimersByTimeAsync(20_000);
  expect(log.lines.slice(1)).toEqual([{ level: 'info', fields: {}, text: 'the clocks are right again' }]);
  await service.stop(0);
  measured = 'again';
  await vi.advanceTimersByTimeAsync(60_000);
  expect(raised).toHaveLength(2);
});

test('a doubt at the start is told at once', async () => {
  const raised: string[] = [];
  const service = clockService({
    alarms: { raise: async (_key, _id, text) => void raised.push(text) },
    clock: {
      measure: async () => {},
      doubt: () => 'the clocks differ',
      clocks: () => ({ own: 0, redis: null, kubernetes: null }),
    },
    log: silentLog(),
  });
  await service.start();
  expect(raised).toHaveLength(1);
  await service.stop(0);
});
