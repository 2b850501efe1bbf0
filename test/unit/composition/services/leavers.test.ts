import { expect, onTestFinished, test, vi } from 'vitest';
import { leaversService } from '../../../../src/composition/services/leavers.ts';
import { account, appWorld, PEOPLE } from '../../../support/app-world.ts';
import { silentLog } from '../../../support/silent-log.ts';

const { ada, ben } = PEOPLE;

async function world() {
  const app = appWorld();
  const { grant } = await app.request(ada);
  await app.run();
  await app.useCases.review(ben, grant.id, 'approve', '', await app.seen(grant.id));
  await app.run();
  const log = silentLog();
  const replica = () => {
    const service = leaversService({ world: app.world, log });
    onTestFinished(() => service.stop(0));
    return service;
  };
  const leave = () => app.accounts.set(ada, { ...account(ada, 'ada'), deactivated: true });
  const state = async () => {
    await app.run();
    return (await app.grant(grant.id)).state;
  };
  return { app, log, replica, leave, state };
}

test('who has left before the start loses what is open', async () => {
  const { replica, leave, state } = await world();
  leave();
  expect(await state()).toBe('active');
  void replica().start();
  await expect.poll(state).toBe('revoked');
});

test('one replica looks in each span of time, and the other hears what Slack hints at', async () => {
  const { app, replica, leave, state } = await world();
  const accounts = vi.spyOn(app.world.directory, 'account');
  const spans = vi.spyOn(app.world.store, 'firstTime');
  const [one, other] = [replica(), replica()];
  void one.start();
  await vi.waitFor(() => expect(accounts).toHaveBeenCalledTimes(1));
  leave();
  void other.start();
  await vi.waitFor(async () => expect(await spans.mock.results[1]?.value).toBe(false));
  expect(await state()).toBe('active');
  other.heard({ lists: [], deactivated: [ada] });
  await expect.poll(state).toBe('revoked');
});

test('a store that is away is told, and the next look goes on', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const { app, log, replica, leave, state } = await world();
  const { firstTime } = app.world.store;
  Object.assign(app.world.store, { firstTime: () => Promise.reject(new Error('Redis is away')) });
  leave();
  void replica().start();
  await vi.waitFor(() =>
    expect(log.lines).toMatchObject([{ level: 'warn', text: 'who has left could not be looked at' }]),
  );
  expect(await state()).toBe('active');
  Object.assign(app.world.store, { firstTime });
  vi.advanceTimersByTime(600_000);
  await expect.poll(state).toBe('revoked');
});
