import { webApi } from '@slack/bolt';
import { expect, test } from 'vitest';
import { createDueRights } from '../../../../src/app/upkeep/end-due.ts';
import { type Handlers, workersService } from '../../../../src/composition/services/workers.ts';
import { appWorld, PEOPLE } from '../../../support/app-world.ts';

async function started() {
  const app = appWorld();
  const doubted: string[] = [];
  const order: string[] = [];
  let handlers: Handlers | undefined;
  const within: number[] = [];
  const untold: number[] = [];
  const dueRights = createDueRights(app.world, () => {});
  const service = workersService({
    world: app.world,
    conditions: { doubt: (name) => void doubted.push(name) },
    dueRights: {
      async end() {
        order.push('due');
        return dueRights.end();
      },
      async settled() {
        await dueRights.settled();
        order.push('settled');
      },
    },
    metrics: { alarmUntold: () => void untold.push(1) },
    startWorkers: (given) => {
      handlers = given;
      return {
        async close(deadline) {
          within.push(deadline);
          return true;
        },
      };
    },
  });
  await service.start();
  if (handlers === undefined) throw new Error('not started');
  return { app, doubted, untold, order, within, handlers, service };
}

const refusal = (error: string) => new webApi.WebAPIPlatformError({ ok: false, error });

test('what is due has its turn before a revocation, and before nothing else', async () => {
  const { app, order, handlers } = await started();
  const { grant } = await app.request();
  await app.run();
  await app.useCases.review(PEOPLE.ben, grant.id, 'approve', '', await app.seen(grant.id));
  await handlers.handleDeed({ v: 1, kind: 'apply', id: grant.id });
  expect((await app.grant(grant.id)).state).toBe('active');
  expect(order).toEqual([]);
  app.clock.pass(30 * 60);
  await handlers.handleDeed({ v: 1, kind: 'revoke', id: grant.id });
  expect(order).toEqual(['due', 'settled']);
  expect((await app.grant(grant.id)).state).toBe('expired');
});

test.each([
  ['is_archived', ['slack channel']],
  ['internal_error', []],
])('a message that Slack refuses with %s puts the channel in doubt: %o', async (word, doubt) => {
  const { app, doubted, handlers } = await started();
  const { grant } = await app.request();
  app.world.notifier.deliver = () => Promise.reject(refusal(word));
  await expect(handlers.handleWord({ v: 1, kind: 'tell', id: grant.id, news: 'message' })).rejects.toThrow(word);
  expect(doubted).toEqual(doubt);
});

test('a message that fails for another reason puts nothing in doubt', async () => {
  const { app, doubted, handlers } = await started();
  const { grant } = await app.request();
  app.world.notifier.deliver = () => Promise.reject(new Error('the connection was reset'));
  await expect(handlers.handleWord({ v: 1, kind: 'tell', id: grant.id, news: 'message' })).rejects.toThrow('reset');
  expect(doubted).toEqual([]);
});

test.each([
  ['an alarm', { kind: 'alarm', id: null, text: 'the audit was cut' }, 1],
  ['other news', { kind: 'tell', id: 'g-7k3fq2', news: 'message' }, 0],
] as const)('%s that nobody could be told is counted: %o', async (_what, word, times) => {
  const { app, untold, handlers } = await started();
  await handlers.handleWord({ v: 1, kind: 'alarm', id: null, text: 'one that is told' });
  app.world.notifier.alarm = () => Promise.reject(refusal('internal_error'));
  app.world.store.get = () => Promise.reject(new Error('Redis is away'));
  await expect(handlers.handleWord({ v: 1, ...word })).rejects.toThrow();
  expect(untold).toHaveLength(times);
});

test('running jobs get the time that is left', async () => {
  const { within, service } = await started();
  await service.stop(1234);
  expect(within).toEqual([1234]);
});
