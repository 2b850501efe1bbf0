import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Followed } from '../../../../src/app/follow-workloads.ts';
import { reconcileService } from '../../../../src/composition/services/reconcile.ts';
import { appWorld, PEOPLE } from '../../../support/app-world.ts';
import { silentLog } from '../../../support/silent-log.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

async function world() {
  const app = appWorld();
  const log = silentLog();
  const followed: Followed[] = [];
  const replica = () =>
    reconcileService({ world: app.world, followers: { follow: (all) => void followed.push(all) }, log });
  const { grant } = await app.request();
  await app.run();
  await app.useCases.review(PEOPLE.ben, grant.id, 'approve', '', await app.seen(grant.id));
  await app.run();
  return { app, log, followed, replica, id: grant.id };
}

test('the cluster is looked at before the start is over, and its workloads are followed', async () => {
  const { followed, replica, id } = await world();
  const service = replica();
  expect(service.trouble()).toBe('not held against the cluster yet');
  await service.start();
  expect(service.trouble()).toBeNull();
  expect(followed).toEqual([new Map([['staging', new Set([id])]])]);
  await service.stop(0);
});

test('two replicas take turns: the one that does not look follows nothing', async () => {
  const { app, followed, replica } = await world();
  const [one, other] = [replica(), replica()];
  await one.start();
  await other.start();
  followed.length = 0;
  const found = vi.spyOn(app.cluster.access, 'found');
  vi.advanceTimersByTime(30_000);
  await vi.waitFor(() => expect(followed).toHaveLength(2));
  expect(found).toHaveBeenCalledTimes(1);
  expect(followed.map(({ size }) => size).toSorted()).toEqual([0, 1]);
  for (const service of [one, other]) await service.stop(0);
  vi.advanceTimersByTime(600_000);
  expect(found).toHaveBeenCalledTimes(1);
});

test('a cluster that does not answer at the start is told, and looked at in the next turn', async () => {
  const { app, log, replica } = await world();
  const { found } = app.cluster.access;
  app.cluster.access.found = () => Promise.reject(new Error('no answer'));
  const service = replica();
  await service.start();
  expect(log.lines).toMatchObject([{ level: 'warn', text: 'reconcile could not look at the cluster or the grants' }]);
  expect(service.trouble()).not.toBeNull();
  app.cluster.access.found = found;
  vi.advanceTimersByTime(30_000);
  await vi.waitFor(() => expect(service.trouble()).toBeNull());
  await service.stop(0);
});
