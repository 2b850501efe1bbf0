import { expect, test } from 'vitest';
import type { News } from '../../../../src/app/ports/notifier.ts';
import type { World } from '../../../../src/app/ports/world.ts';
import { runJob } from '../../../../src/app/upkeep/run-job.ts';
import { appWorld } from '../../../support/app-world.ts';

/** What the message of a request says, when each edit of it reaches Slack only once the test lets it. */
function slowSlack(app: ReturnType<typeof appWorld>, slow: News) {
  const shown: string[] = [];
  const { promise: mayLand, resolve: land } = Promise.withResolvers<void>();
  const { promise: isOnItsWay, resolve: onItsWay } = Promise.withResolvers<void>();
  const world: World = {
    ...app.world,
    notifier: {
      ...app.world.notifier,
      async deliver(view, news) {
        const { state } = view.grant;
        if (news === slow) {
          onItsWay();
          await mayLand;
        }
        if (news === 'message' || news === 'reminder') shown.push(state);
        return app.world.notifier.deliver(view, news);
      },
    },
  };
  return { world, shown, land, isOnItsWay };
}

test('a reminder that reaches Slack after the end does not leave the message of the request waiting for ever', async () => {
  const app = appWorld();
  const { grant } = await app.request();
  await app.run();
  const { world, shown, land, isOnItsWay } = slowSlack(app, 'reminder');
  const reminder = runJob(world, { v: 1, kind: 'tell', id: grant.id, news: 'reminder' });
  await isOnItsWay;
  app.clock.pass(86_400);
  await app.run(world);
  expect((await app.grant(grant.id)).state).toBe('timed-out');
  expect(shown.at(-1)).toBe('timed-out');
  land();
  await reminder;
  await app.run(world);
  expect(shown.at(-1)).toBe('timed-out');
  expect(app.jobs()).toEqual([]);
});

test('nor does one whose worker died while it was on its way: the next sees that it is not true any more', async () => {
  const app = appWorld();
  const { grant } = await app.request();
  await app.run();
  app.clock.pass(86_400);
  await app.run();
  app.told.length = 0;
  await runJob(app.world, { v: 1, kind: 'tell', id: grant.id, news: 'reminder' });
  await app.run();
  expect(app.told.at(-1)).toEqual({ id: grant.id, news: 'message', state: 'timed-out' });
});

test('what has not changed meanwhile is told once', async () => {
  const app = appWorld();
  const { grant } = await app.request();
  await app.run();
  app.told.length = 0;
  await runJob(app.world, { v: 1, kind: 'tell', id: grant.id, news: 'reminder' });
  await runJob(app.world, { v: 1, kind: 'tell', id: grant.id, news: 'message' });
  await app.run();
  expect(app.told.map(({ news }) => news)).toEqual(['reminder', 'message']);
});

test('news of which nothing is to be remembered writes no record', async () => {
  const app = appWorld();
  const { grant } = await app.request();
  await app.run();
  const { revision } = await app.grant(grant.id);
  await runJob(app.world, { v: 1, kind: 'tell', id: grant.id, news: 'reminder' });
  expect((await app.grant(grant.id)).revision).toBe(revision);
});

test('news that is dropped after the end does not count as having told of it', async () => {
  const app = appWorld();
  const { grant } = await app.request();
  await app.run();
  app.clock.pass(86_400);
  // It ends, and the process dies before it can tell anybody.
  const scheduler = { ...app.world.scheduler, schedule: () => Promise.reject(new Error('the process is dead')) };
  const timeout = { v: 1, kind: 'timeout', id: grant.id } as const;
  await expect(runJob({ ...app.world, scheduler }, timeout)).rejects.toThrow('dead');
  await runJob(app.world, { v: 1, kind: 'tell', id: grant.id, news: 'reminder' });
  app.told.length = 0;
  await runJob(app.world, timeout);
  await app.run();
  expect(app.told.map(({ news }) => news)).toEqual(expect.arrayContaining(['message', 'timed-out']));
  expect((await app.grant(grant.id)).endTold).toBe(true);
});
