import { beforeEach, expect, test } from 'vitest';
import { createFollower, type Followed, type Follower } from '../../../src/app/follow-workloads.ts';
import { appWorld, PEOPLE } from '../../support/app-world.ts';

let app: ReturnType<typeof appWorld>;
let follower: Follower;
let watched: string[];
let faults: unknown[];
beforeEach(() => {
  app = appWorld();
  watched = [];
  faults = [];
  follower = createFollower(
    app.world,
    (namespaces) => (watched = [...namespaces].toSorted()),
    (error) => faults.push(error),
  );
});

async function active(): Promise<string> {
  const { grant } = await app.request();
  await app.useCases.review(PEOPLE.ben, grant.id, 'approve', '', await app.seen(grant.id));
  await app.run();
  return grant.id;
}
const followedNow = (...ids: string[]): Followed => new Map([['staging', new Set(ids)]]);
const podsOf = async (id: string) => (await app.grant(id)).pods;

test('new pods of a workload come into the grants on it, between two looks and with each', async () => {
  const id = await active();
  await follower.follow(followedNow(id));
  expect(watched).toEqual(['staging']);
  app.cluster.target.pods = ['checkout-7'];
  await follower.changed('elsewhere');
  expect(await podsOf(id)).not.toEqual(['checkout-7']);
  await follower.changed('staging');
  expect(await podsOf(id)).toEqual(['checkout-7']);
  app.cluster.target.pods = ['checkout-8'];
  await follower.follow(followedNow(id));
  expect(await podsOf(id)).toEqual(['checkout-8']);
});

test('a grant that begins while somebody looks around is followed too, once that look has ended', async () => {
  const id = await active();
  await follower.begun(id);
  await follower.follow(new Map());
  expect(watched).toEqual(['staging']);
  app.cluster.target.pods = ['checkout-7'];
  await follower.changed('staging');
  expect(await podsOf(id)).toEqual(['checkout-7']);
  // The next look would have seen it.
  await follower.follow(new Map());
  expect(watched).toEqual([]);
});

test('what is found while workloads are being followed still is followed after them', async () => {
  const [first, second] = [await active(), await active()];
  const { narrowRights } = app.cluster.access;
  app.cluster.target.pods = ['checkout-7'];
  const meanwhile: Promise<void>[] = [];
  app.cluster.access.narrowRights = async (grant, pods) => {
    if (meanwhile.length === 0) meanwhile.push(follower.follow(followedNow(second)));
    return narrowRights(grant, pods);
  };
  await follower.follow(followedNow(first));
  expect(meanwhile).toHaveLength(1);
  await Promise.all(meanwhile);
  expect(await podsOf(first)).toEqual(['checkout-7']);
  expect(await podsOf(second)).toEqual(['checkout-7']);
});

test('a grant that has ended is left alone, and the fault of one is not that of the others', async () => {
  const [ended, broken, sound] = [await active(), await active(), await active()];
  await app.useCases.revoke(PEOPLE.ada, ended, '');
  await app.run();
  app.cluster.target.pods = ['checkout-7'];
  const { narrowRights } = app.cluster.access;
  app.cluster.access.narrowRights = async (grant, pods) => {
    if (grant.id === broken) throw new Error('broken');
    expect(grant.id).toBe(sound);
    return narrowRights(grant, pods);
  };
  await follower.follow(followedNow(ended, broken, sound));
  expect(faults).toEqual([new Error('broken')]);
  expect(await podsOf(sound)).toEqual(['checkout-7']);
  expect(await podsOf(broken)).not.toEqual(['checkout-7']);
});

test('a grant ends whose workload was deleted, and does not follow another of its name', async () => {
  const id = await active();
  app.cluster.target.pods = [];
  app.cluster.target.gone = 'Deployment checkout in namespace staging was deleted, and another has its name';
  app.cluster.target.strangers = ['pod checkout-new'];
  await follower.follow(followedNow(id));
  expect(faults).toEqual([]);
  expect(await app.grant(id)).toMatchObject({
    state: 'ending',
    ending: {
      cause: 'revoked',
      by: null,
      note: expect.stringMatching(/gone: .*another has its name. Ask again/) as string,
    },
  });
  // The pods of the other one are not somebody's who took labels.
  expect(app.alarms).toEqual([]);
});

test('a workload that has no pods for a while keeps its grant', async () => {
  const id = await active();
  app.cluster.target.pods = [];
  await follower.follow(followedNow(id));
  expect(await app.grant(id)).toMatchObject({ state: 'active', pods: [] });
});

test('one pod of several that is another is followed, until the window ends', async () => {
  app.cluster.target.pods = ['checkout-1', 'checkout-2'];
  const id = await active();
  app.cluster.target.pods = ['checkout-1', 'checkout-3'];
  await follower.follow(followedNow(id));
  expect(await podsOf(id)).toEqual(['checkout-1', 'checkout-3']);
  app.clock.set((await app.grant(id)).expiresAt ?? 0);
  app.cluster.target.pods = ['checkout-4'];
  await follower.follow(followedNow(id));
  expect(await podsOf(id)).toEqual(['checkout-1', 'checkout-3']);
});

test('a window that is over ends as such, also when the workload is gone in that moment', async () => {
  const id = await active();
  app.clock.set((await app.grant(id)).expiresAt ?? 0);
  app.cluster.target.pods = [];
  app.cluster.target.gone = 'Deployment checkout in namespace staging was deleted';
  await follower.follow(followedNow(id));
  expect((await app.grant(id)).ending).toBeNull();
});

test.each<[string, (id: string) => unknown]>([
  ['is revoked', (id) => app.useCases.revoke(PEOPLE.ada, id, '')],
  ['ends', async (id) => app.clock.set((await app.grant(id)).expiresAt ?? 0)],
])('a grant that %s while its pods are looked up gets no rights on the new ones', async (_, end) => {
  const id = await active();
  app.cluster.target.pods = ['checkout-7'];
  app.cluster.access.strangers = async () => {
    await end(id);
    return [];
  };
  await follower.follow(followedNow(id));
  expect(faults).toEqual([]);
  expect(app.cluster.held.get(id)?.rights).toEqual(['checkout-1']);
  expect(await podsOf(id)).toEqual(['checkout-1']);
});
