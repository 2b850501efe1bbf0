import { expect, test } from 'vitest';
import { APPROVALS_CHANNEL } from '../../../../src/app/ports/conditions.ts';
import type { News } from '../../../../src/app/ports/notifier.ts';
import type { World } from '../../../../src/app/ports/world.ts';
import { runJob } from '../../../../src/app/upkeep/run-job.ts';
import { Unavailable, Undeliverable } from '../../../../src/domain/errors.ts';
import { appWorld, PEOPLE } from '../../../support/app-world.ts';

/** A world whose Slack answers the approval message with this error, as long as there is one. */
function refusing(app: ReturnType<typeof appWorld>, error: Error) {
  const slack = { error: error as Error | null, tried: 0 };
  const world: World = {
    ...app.world,
    notifier: {
      ...app.world.notifier,
      async deliver(view, news) {
        if (news === 'message') slack.tried += 1;
        if (slack.error !== null && (news === 'message' || news === 'reminder')) throw slack.error;
        return app.world.notifier.deliver(view, news);
      },
    },
  };
  return { world, slack };
}

const news = (app: ReturnType<typeof appWorld>): News[] => app.told.map((one) => one.news);

test('a message that Slack will never take is tried once: administrators are told why, and the requester that nobody was asked', async () => {
  const app = appWorld();
  const { world, slack } = refusing(app, new Undeliverable('C0ACCESS', 'is_archived'));
  const { grant } = await app.request();
  await app.run(world);
  expect(slack.tried).toBe(1);
  expect(app.alarms).toEqual([expect.stringMatching(/C0ACCESS.*is_archived.*approvals\.channel/s)]);
  expect(app.alarms[0]).toContain(grant.id);
  expect(news(app)).toEqual(['unposted']);
  expect((await app.grant(grant.id)).state).toBe('pending');

  // A look at what waits tries the message again.
  await runJob(world, { v: 1, kind: 'tell', id: grant.id, news: 'message' });
  await app.run(world);
  expect(slack.tried).toBe(2);
  expect(news(app)).toEqual(['unposted']);

  // Mended meanwhile: the reminder brings the message.
  slack.error = null;
  await runJob(world, { v: 1, kind: 'tell', id: grant.id, news: 'reminder' });
  expect(news(app)).toEqual(['unposted', 'reminder']);
});

test('that approval messages can be posted is looked at at once, not when its time comes', async () => {
  const app = appWorld();
  const lack = { lacks: 'the channel is archived', todo: 'Unarchive it.' };
  let found: typeof lack | null = null;
  const look = async () => found;
  app.conditions.add({ name: APPROVALS_CHANNEL, severity: 'degraded', refuses: 'asking', every: 600_000, look });
  await app.conditions.tend();
  const { world } = refusing(app, new Undeliverable('C0ACCESS', 'is_archived'));
  found = lack;
  await app.request();
  await app.run(world);
  await app.conditions.tend();
  expect(app.conditions.list()).toMatchObject([lack]);
  await expect(app.request()).rejects.toMatchObject({ rule: APPROVALS_CHANNEL });
});

test('the next request tells its requester too, and administrators not again within the hour', async () => {
  const app = appWorld();
  const { world } = refusing(app, new Undeliverable('C0ACCESS', 'not_in_channel'));
  await app.request();
  await app.request(PEOPLE.ben);
  await app.run(world);
  expect(app.alarms).toHaveLength(1);
  expect(news(app)).toEqual(['unposted', 'unposted']);
});

test('a message that Slack did not take this time is tried again, and nobody is bothered', async () => {
  const app = appWorld();
  const { world } = refusing(app, new Unavailable('Slack', 'chat.postMessage: internal_error'));
  const { grant } = await app.request();
  const posting = runJob(world, { v: 1, kind: 'tell', id: grant.id, news: 'message' });
  await expect(posting).rejects.toThrow(Unavailable);
  expect(app.alarms).toEqual([]);
  expect(news(app)).toEqual([]);
});
