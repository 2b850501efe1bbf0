import { expect, onTestFinished, test, vi } from 'vitest';
import { dueRightsService } from '../../../../src/composition/services/due-rights.ts';
import { appWorld, PEOPLE } from '../../../support/app-world.ts';
import { silentLog } from '../../../support/silent-log.ts';

async function world() {
  const app = appWorld();
  const { grant } = await app.request();
  await app.run();
  await app.useCases.review(PEOPLE.ben, grant.id, 'approve', '', await app.seen(grant.id));
  await app.run();
  const log = silentLog();
  const service = dueRightsService({ world: app.world, log });
  onTestFinished(() => service.stop(0));
  const state = async () => (await app.grant(grant.id)).state;
  return { app, id: grant.id, log, service, state };
}

test('rights go when their window ends, without a job, and not before', async () => {
  const { app, id, service, state } = await world();
  const looks = vi.spyOn(app.world.store, 'takeDue');
  app.clock.pass(30 * 60 - 1);
  void service.start();
  await vi.waitFor(() => expect(looks).toHaveBeenCalledTimes(1));
  expect(app.cluster.hasRights(id)).toBe(true);
  app.clock.pass(1);
  await expect.poll(state, { timeout: 3000 }).toBe('ending');
  expect(app.cluster.hasRights(id)).toBe(false);
});

test('a fault is told, and what is due is tried again', async () => {
  const { app, log, service, state } = await world();
  vi.spyOn(app.world.store, 'takeDue').mockRejectedValueOnce(new Error('Redis is away'));
  app.clock.pass(30 * 60);
  void service.start();
  await expect.poll(state, { timeout: 3000 }).toBe('ending');
  expect(log.lines).toMatchObject([{ level: 'warn', fields: { err: new Error('Redis is away') } }]);
});

test('once stopped it looks no more', async () => {
  const { app, id, service } = await world();
  const looks = vi.spyOn(app.world.store, 'nextDue');
  void service.start();
  await vi.waitFor(() => expect(looks).toHaveBeenCalledTimes(1));
  await service.stop(0);
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  app.clock.pass(30 * 60);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(looks).toHaveBeenCalledTimes(1);
  expect(app.cluster.hasRights(id)).toBe(true);
});
