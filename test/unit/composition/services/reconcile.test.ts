import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { OwnObjectsListener } from '../../../../src/app/ports/own-objects.ts';
import { reconcileService, type WatchedObjects } from '../../../../src/composition/services/reconcile.ts';
import { Refusal, Unavailable } from '../../../../src/domain/errors.ts';
import { appWorld, followedIn, PEOPLE } from '../../../support/app-world.ts';
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
  const followed = new Set<string>();
  const { grant } = await app.request();
  await app.run();
  await app.useCases.review(PEOPLE.ben, grant.id, 'approve', '', await app.seen(grant.id));
  await app.run();
  const listeners: OwnObjectsListener[] = [];
  const own = { objects: await app.byGrant(), looks: 0, stopped: 0, fault: null as Error | null };
  function watchOwn(listener: OwnObjectsListener): WatchedObjects {
    listeners.push(listener);
    queueMicrotask(listener.onListed);
    return {
      ids() {
        if (own.fault !== null) throw own.fault;
        own.looks += 1;
        return own.objects.keys();
      },
      of: (id) => own.objects.get(id) ?? [],
      isKnown: () => own.fault === null,
      ages: () => new Map([['Job', 1.5]]),
      stop: () => void (own.stopped += 1),
    };
  }
  const replica = () => reconcileService({ world: app.world, watchOwn, follower: followedIn(followed), log });
  return { app, log, followed, replica, own, listeners, id: grant.id };
}

test('all grants are looked at before the start is over, and followed from then on', async () => {
  const { followed, replica, id, own } = await world();
  const service = replica();
  expect(service.trouble()).toBe('not held against the cluster yet');
  await service.start();
  expect(service.trouble()).toBeNull();
  expect([...followed]).toEqual([id]);
  await service.stop(0);
  expect(own.stopped).toBe(1);
});

test('how old what is known of our own objects is can be asked before it has begun, too', async () => {
  const { replica } = await world();
  const service = replica();
  expect([...service.ages()]).toEqual([]);
  await service.start();
  expect([...service.ages()]).toEqual([['Job', 1.5]]);
  await service.stop(0);
});

test('that nothing is heard of what is ours is lacking, once it has been looked at', async () => {
  const { replica, own } = await world();
  const service = replica();
  expect(service.lack()).toBeNull();
  await service.start();
  expect(service.lack()).toBeNull();
  own.fault = new Unavailable('Kubernetes', 'the watches are down');
  expect(service.lack()).toMatchObject({ lacks: expect.stringContaining('watches') as string });
  own.fault = null;
  expect(service.lack()).toBeNull();
  await service.stop(0);
});

test('two replicas take turns', async () => {
  const { replica, own } = await world();
  const [one, other] = [replica(), replica()];
  await one.start();
  await other.start();
  own.looks = 0;
  vi.advanceTimersByTime(30_000);
  await vi.waitFor(() => expect(own.looks).toBe(1));
  for (const service of [one, other]) await service.stop(0);
  vi.advanceTimersByTime(600_000);
  expect(own.looks).toBe(1);
});

test('a new list of what is ours is looked at at once', async () => {
  const { own, replica, listeners } = await world();
  const service = replica();
  await service.start();
  own.looks = 0;
  listeners[0]?.onListed();
  await vi.waitFor(() => expect(own.looks).toBe(1));
  await service.stop(0);
});

test('a change of an object ends its grant without a look', async () => {
  const { app, replica, own, followed, listeners, id } = await world();
  const service = replica();
  await service.start();
  own.looks = 0;
  own.objects = new Map();
  delete app.cluster.held.get(id)?.rights;
  listeners[0]?.onChange(id);
  await vi.waitFor(async () => expect((await app.grant(id)).state).toBe('ending'), { timeout: 5000 });
  expect(own.looks).toBe(0);
  // It is followed no more, which its record says that was read.
  listeners[0]?.onChange(id);
  await vi.waitFor(() => expect([...followed]).toEqual([]), { timeout: 5000 });
  await service.stop(0);
});

test('what is not known at the start is told, and looked at in the next turn', async () => {
  const { log, replica, own } = await world();
  own.fault = new Error('no answer');
  const service = replica();
  await service.start();
  expect(log.lines).toContainEqual(
    expect.objectContaining({ level: 'warn', text: 'reconcile could not look at the cluster or the grants' }),
  );
  expect(service.trouble()).not.toBeNull();
  own.fault = null;
  vi.advanceTimersByTime(30_000);
  await vi.waitFor(() => expect(service.trouble()).toBeNull());
  await service.stop(0);
});

test.each<[string, Error, 'warn' | 'error']>([
  ['that a newer version wrote is a warning', new Refusal('version', 'written by a newer version'), 'warn'],
  ['that is refused otherwise is an error', new Refusal('state', 'no'), 'error'],
])('a record %s, when its objects change and when all are looked at', async (_what, fault, level) => {
  const { app, log, replica, listeners, own, id } = await world();
  own.objects = new Map([...own.objects].map(([of, those]) => [of, those.map((o) => ({ ...o, sealed: false }))]));
  app.world.store.get = async () => {
    throw fault;
  };
  const service = replica();
  await service.start();
  const levels = () => log.lines.filter(({ fields }) => fields['err'] === fault).map((line) => line.level);
  expect(new Set(levels())).toEqual(new Set([level]));
  log.lines.length = 0;
  listeners[0]?.onChange(id);
  await vi.waitFor(() => expect(levels()).toEqual([level]), { timeout: 5000 });
  await service.stop(0);
});
