import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createConditions } from '../../../../src/app/common/conditions.ts';
import { type Lack, type Need } from '../../../../src/app/ports/conditions.ts';
import { needsOf, needsService } from '../../../../src/composition/services/needs.ts';
import { POLICY } from '../../../support/app-world.ts';
import { silentLog } from '../../../support/silent-log.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function started(...looks: Need['look'][]) {
  const conditions = createConditions({
    now: Date.now,
    tell: { began: () => {}, ended: () => {} },
    unknown: () => {},
  });
  const settle = vi.fn(async () => {});
  const service = needsService({
    needs: looks.map((look, i) => ({ name: `need ${i}`, severity: 'degraded', every: 10_000, look })),
    conditions,
    alarms: { settle },
    log: silentLog(),
  });
  void service.start();
  return { conditions, settle, service };
}

test('all is looked at at the start, and again when it is due', async () => {
  let isThere = true;
  const look = vi.fn(async () => (isThere ? null : { lacks: 'it is away', todo: 'Bring it back.' }));
  const { conditions, service } = started(look);
  expect(service.trouble()).toBe('not tried yet');
  await vi.advanceTimersByTimeAsync(0);
  expect(service.trouble()).toBeNull();
  expect(look).toHaveBeenCalledTimes(1);
  isThere = false;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(conditions.list()).toMatchObject([{ lacks: 'it is away' }]);
  await service.stop(0);
  isThere = true;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(conditions.list()).toHaveLength(1);
});

test('a look that takes long holds up neither the other needs nor the alarms', async () => {
  const look = vi.fn(async () => null);
  const { settle, service } = started(() => new Promise(() => {}), look);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(look).toHaveBeenCalledTimes(4);
  expect(settle).toHaveBeenCalledTimes(6);
  expect(service.trouble()).toBe('not tried yet');
  await service.stop(0);
});

test('watches that are down are told with the rights that are missing, and while none is nothing is asked', async () => {
  const lack: { now: Lack | null } = { now: null };
  const asked: string[] = [];
  const refused = new Set(['services watch']);
  const api = {
    async create(_kind: string, { spec }: { spec: { resourceAttributes: { resource: string; verb: string } } }) {
      const what = `${spec.resourceAttributes.resource} ${spec.resourceAttributes.verb}`;
      asked.push(what);
      return { status: { allowed: !refused.has(what) } };
    },
  };
  const need = needsOf({ lackOfWatch: () => lack.now, api } as never).find(({ name }) => name === 'kubernetes watch');
  expect(await need?.look()).toBeNull();
  expect(asked).toEqual([]);
  lack.now = { lacks: 'the watches on Service are down', todo: 'Look.' };
  expect(await need?.look()).toEqual({
    lacks: 'the watches on Service are down; Drawbridge may not watch on services',
    todo: 'Look.',
  });
  for (const resource of ['pods', 'namespaces', 'replicasets', 'deployments', 'jobs', 'networkpolicies'])
    for (const verb of ['list', 'watch']) expect(asked).toContain(`${resource} ${verb}`);
  refused.clear();
  expect(await need?.look()).toEqual(lack.now);
  api.create = async () => {
    throw new Error('no answer');
  };
  expect(await need?.look()).toEqual(lack.now);
});

test('without a connection that Slack gives it the bot is not ready', async () => {
  let lack: Lack | null = { lacks: 'Slack refuses SLACK_APP_TOKEN: invalid_auth', todo: 'Make another.' };
  const need = needsOf({ lackOfConnection: () => lack } as never).find(({ name }) => name === 'slack connection');
  expect(need).toMatchObject({ severity: 'not ready' });
  expect(await need?.look()).toEqual(lack);
  lack = null;
  expect(await need?.look()).toBeNull();
});

test('what somebody’s webhook changes is told, with no more texts than anybody reads, and hinders nothing by itself', async () => {
  let why: string[] = [];
  const tryWriting = vi.fn(async () => why);
  const need = needsOf({ cluster: { tryWriting }, policies: { current: () => POLICY } } as never).find(
    ({ name }) => name === 'admission webhooks',
  );
  expect(need).toMatchObject({ severity: 'degraded' });
  expect(need?.refuses).toBeUndefined();
  expect(await need?.look()).toBeNull();
  expect(tryWriting).toHaveBeenCalledWith(Object.values(POLICY.profiles));
  why = ['a', 'b', 'c', 'd', 'e'];
  expect(await need?.look()).toMatchObject({ detail: 'a\nb\nc\nd\ne' });
  why = [...why, 'f', 'g'];
  expect(await need?.look()).toMatchObject({ detail: 'a\nb\nc\nd\ne\nand 2 more' });
});
