import { expect, onTestFinished, test, vi } from 'vitest';
import { job } from '../../../../src/app/common/schedule.ts';
import { requestsService } from '../../../../src/composition/services/requests.ts';
import { Refusal, Unavailable } from '../../../../src/domain/errors.ts';
import { appWorld } from '../../../support/app-world.ts';
import { silentLog } from '../../../support/silent-log.ts';

async function world() {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const app = appWorld();
  const { grant } = await app.request();
  await app.run();
  const log = silentLog();
  const service = requestsService({ world: app.world, log });
  onTestFinished(() => service.stop(0));
  const state = async () => {
    await app.run();
    return (await app.grant(grant.id)).state;
  };
  return { app, id: grant.id, log, service, state };
}

test('a time-out that was lost is scheduled again, and the start does not wait for that', async () => {
  const { app, id, service, state } = await world();
  await app.world.scheduler.cancel(job('timeout', id));
  const { summaries } = app.world.store;
  const turn = Promise.withResolvers<void>();
  app.world.store.summaries = async function* (which) {
    await turn.promise;
    yield* summaries(which);
  };
  await service.start();
  app.clock.pass(86_400);
  expect(await state()).toBe('pending');
  turn.resolve();
  await expect.poll(state).toBe('timed-out');
});

test('one replica looks in each span of time', async () => {
  const { app, log, service } = await world();
  const other = requestsService({ world: app.world, log });
  const looks = vi.spyOn(app.world.store, 'summaries');
  await service.start();
  await other.start();
  await vi.waitFor(() => expect(looks).toHaveBeenCalledTimes(2));
  const claims = vi.spyOn(app.world.store, 'firstTime');
  // Both have finished their first look once both ask for the turn.
  await vi.waitFor(async () => {
    await vi.advanceTimersByTimeAsync(30_000);
    expect(claims.mock.calls.length).toBeGreaterThan(1);
  });
  const taken = await Promise.all(claims.mock.results.map(({ value }) => value as Promise<boolean>));
  expect(new Set(claims.mock.calls.map(([key]) => key)).size).toBe(taken.filter(Boolean).length);
  await other.stop(0);
});

test.each([
  ['a store that is away is a warning', new Unavailable('Redis', 'no answer'), 'summaries', 'warn'],
  ['a record of a newer version is a warning', new Refusal('version', 'newer'), 'get', 'warn'],
  ['any other fault of a request is an error', new Error('a fault'), 'get', 'error'],
] as const)('%s, and the next look goes on', async (_name, fault, where, level) => {
  const { app, id, log, service, state } = await world();
  await app.world.scheduler.cancel(job('timeout', id));
  const spy = vi.spyOn(app.world.store, where).mockImplementationOnce(() => {
    throw fault;
  });
  await service.start();
  await vi.waitFor(() => expect(log.lines).toMatchObject([{ level, fields: { err: fault } }]));
  spy.mockRestore();
  app.clock.pass(86_400);
  await vi.advanceTimersByTimeAsync(30_000);
  await expect.poll(state).toBe('timed-out');
});
