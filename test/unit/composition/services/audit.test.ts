import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { auditService } from '../../../../src/composition/services/audit.ts';
import { silentLog } from '../../../support/silent-log.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function world(lag: () => Promise<number> = async () => 0) {
  const log = silentLog();
  const did: string[] = [];
  const raised: string[] = [];
  const doing = (what: string) => async () => void did.push(what);
  const audit = { start: doing('start'), collect: doing('collect'), look: doing('look'), close: doing('close') };
  const service = auditService({
    alarms: { raise: async (_key, _id, text) => void raised.push(text) },
    audit,
    feed: { lag },
    log,
  });
  return { log, did, raised, audit, service };
}

test('the chain is begun, looked at once a minute, and given a last chance at the end', async () => {
  const { did, service } = world();
  await service.start();
  expect(did.splice(0)).toEqual(['start', 'collect', 'look']);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(did.splice(0)).toEqual(['collect', 'look']);
  await service.stop(0);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(did).toEqual(['close']);
});

test('a Redis that is away keeps nothing from starting', async () => {
  const { log, audit, service } = world();
  const away = async () => {
    throw new Error('Redis is away');
  };
  Object.assign(audit, { start: away, collect: away });
  await service.start();
  expect(log.lines.map(({ text }) => text)).toEqual([
    'the audit chain could not be begun yet',
    'the audit could not be looked at',
  ]);
  await service.stop(0);
});

test('administrators are told of a webhook that is a quarter of an hour behind', async () => {
  let lag = 900;
  const { raised, service } = world(async () => lag);
  await service.start();
  expect(raised).toEqual([]);
  lag = 960;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(raised).toEqual([expect.stringContaining('an entry that is 16 minutes old')]);
  await service.stop(0);
});
