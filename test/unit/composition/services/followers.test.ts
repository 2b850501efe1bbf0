import { expect, onTestFinished, test, vi } from 'vitest';
import type { Kind } from '../../../../src/adapters/kubernetes/api.ts';
import { followersService, type NamedRolesListener } from '../../../../src/composition/services/followers.ts';
import { appWorld } from '../../../support/app-world.ts';
import { silentLog } from '../../../support/silent-log.ts';

function service() {
  const app = appWorld();
  const log = silentLog();
  const stopped: string[] = [];
  const heard: { roles?: NamedRolesListener } = {};
  const known = { roles: true, stale: [] as Kind[] };
  const followers = followersService({
    world: app.world,
    model: { staleKinds: () => known.stale },
    watchRoles(listener) {
      heard.roles = listener;
      return {
        watch() {},
        unwatch() {},
        isKnown: () => known.roles,
        ages: () => new Map(),
        stop: () => stopped.push('roles'),
      };
    },
    log,
  });
  return { app, log, followers, heard, known, stopped };
}
const podsAre = (app: ReturnType<typeof appWorld>, id: string, ...pods: string[]) =>
  vi.waitFor(async () => expect((await app.grant(id)).pods).toEqual(pods), { timeout: 5000 });

test('what is heard is followed until the end', async () => {
  const { app, followers, stopped } = service();
  await followers.start();
  const { follower } = followers;
  const id = await app.active();
  follower.follow(await app.grant(id));
  app.cluster.target.pods = ['checkout-2'];
  await podsAre(app, id, 'checkout-2');
  app.cluster.target.pods = ['checkout-3'];
  follower.onPod({ namespace: 'staging', name: 'x', before: null, now: { app: 'checkout' } });
  await podsAre(app, id, 'checkout-3');
  await followers.stop(0);
  expect(stopped).toEqual(['roles']);
});

test('a named role that grows is heard of', async () => {
  const { app, followers, heard } = service();
  const role = { kind: 'ClusterRole', name: 'view' } as const;
  const asked: string[] = [];
  app.cluster.access.rulesOf = async ({ name }) => {
    asked.push(name);
    return [];
  };
  const id = await app.active();
  const grant = await app.world.store.change(id, (g) => ({ ...g, plan: { ...g.plan, role, roleMayGrow: false } }));
  if (grant === null) throw new Error('it is gone');
  followers.follower.follow(grant.grant);
  const askedTimes = (times: number) =>
    vi.waitFor(() => expect(asked).toEqual(Array.from({ length: times }, () => 'view')), { timeout: 5000 });
  await askedTimes(1);
  heard.roles?.onRole(role, null);
  await askedTimes(2);
  heard.roles?.onRoleListed(role);
  await askedTimes(3);
  await followers.stop(0);
});

test('what can not be looked at is told, and fails nothing', async () => {
  const { app, log, followers } = service();
  await followers.start();
  const id = await app.active();
  app.cluster.access.podsOf = async () => {
    throw new Error('broken');
  };
  followers.follower.follow(await app.grant(id));
  await vi.waitFor(
    () => expect(log.lines).toMatchObject([{ level: 'warn', fields: { err: new Error('broken'), times: 1 } }]),
    { timeout: 5000 },
  );
  await followers.stop(0);
});

test('all are looked at every half minute while a watch is down, and only then', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const { app, followers, known } = service();
  await followers.start();
  const id = await app.active();
  let looks = 0;
  app.cluster.access.podsOf = async () => {
    looks += 1;
    return app.cluster.target.pods;
  };
  const looksIn = async (milliseconds: number) => {
    looks = 0;
    await vi.advanceTimersByTimeAsync(milliseconds);
    for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
    return looks;
  };
  followers.follower.follow(await app.grant(id));
  expect(await looksIn(1000)).toBe(1);
  expect(await looksIn(119_000)).toBe(0);
  known.stale = ['NetworkPolicy'];
  expect(await looksIn(30_000)).toBe(0);
  expect(await looksIn(1000)).toBe(1);
  expect(await looksIn(28_999)).toBe(0);
  known.stale = [];
  known.roles = false;
  expect(await looksIn(1)).toBe(0);
  expect(await looksIn(1000)).toBe(1);
  known.roles = true;
  expect(await looksIn(60_000)).toBe(0);
  known.roles = false;
  await followers.stop(0);
  expect(await looksIn(60_000)).toBe(0);
});

test('that nothing is heard of named roles is lacking', () => {
  const { followers, known } = service();
  expect(followers.lack()).toBeNull();
  known.roles = false;
  expect(followers.lack()).toMatchObject({ lacks: expect.stringContaining('named roles') as string });
});
