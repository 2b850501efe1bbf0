import { beforeEach, expect, test } from 'vitest';
import { EVERYTHING, lookAround } from '../../../../src/app/upkeep/look-around.ts';
import { appWorld, on, PEOPLE } from '../../../support/app-world.ts';

let app: ReturnType<typeof appWorld>;
let faults: unknown[];
beforeEach(() => {
  app = appWorld();
  faults = [];
});

const active = (by: string = PEOPLE.ada, name = 'checkout') => app.active(by, on(name));
async function look(...ids: string[]): Promise<{ over: string[]; failed: readonly string[] }> {
  const over: string[] = [];
  const onRecord = (id: string, grant: unknown) => void (grant === null && over.push(id));
  return {
    over,
    failed: await lookAround(app.world, app.cluster.access, ids, EVERYTHING, onRecord, (error) => faults.push(error)),
  };
}
const podsOf = async (id: string) => (await app.grant(id)).pods;

test('a workload is looked up once, however many grants there are on it', async () => {
  const ids = [await active(), await active(PEOPLE.ben)];
  let looks = 0;
  const { strangers } = app.cluster.access;
  app.cluster.access.strangers = async (grant) => {
    looks += 1;
    return strangers(grant);
  };
  app.cluster.target.pods = ['checkout-7'];
  expect(await look(...ids)).toEqual({ over: [], failed: [] });
  expect(looks).toBe(1);
  for (const id of ids) expect(await podsOf(id)).toEqual(['checkout-7']);
});

test('a grant that has ended is left alone, and the fault of one is not that of the others', async () => {
  const [ended, broken, sound] = [await active(), await active(PEOPLE.ben), await active(PEOPLE.ada, 'ledger')];
  await app.useCases.revoke(PEOPLE.ada, ended, '');
  app.cluster.target.pods = ['checkout-7'];
  const { narrowRights } = app.cluster.access;
  app.cluster.access.narrowRights = async (grant, pods) => {
    if (grant.id === broken) throw new Error('broken');
    expect(grant.id).toBe(sound);
    return narrowRights(grant, pods);
  };
  expect(await look(ended, broken, sound, 'g-zzzzzz')).toEqual({ over: [ended, 'g-zzzzzz'], failed: [broken] });
  expect(faults).toEqual([new Error('broken')]);
  expect(await podsOf(sound)).toEqual(['checkout-7']);
  expect(await podsOf(broken)).not.toEqual(['checkout-7']);
});

test('what was not asked for is not looked at', async () => {
  const id = await active();
  app.cluster.target.pods = ['checkout-7'];
  await lookAround(
    app.world,
    app.cluster.access,
    [id],
    ['policies', 'role'],
    () => {},
    (error) => faults.push(error),
  );
  expect(await podsOf(id)).not.toEqual(['checkout-7']);
  await lookAround(
    app.world,
    app.cluster.access,
    [id],
    ['workload'],
    () => {},
    (error) => faults.push(error),
  );
  expect(await podsOf(id)).toEqual(['checkout-7']);
});

test('a grant ends whose workload was deleted, and does not follow another of its name', async () => {
  const id = await active();
  app.cluster.target.pods = [];
  app.cluster.target.gone = 'Deployment checkout in namespace staging was deleted, and another has its name';
  app.cluster.target.strangers = ['pod checkout-new'];
  await look(id);
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
  await look(id);
  expect(await app.grant(id)).toMatchObject({ state: 'active', pods: [] });
});

test('one pod of several that is another is followed, until the window ends', async () => {
  app.cluster.target.pods = ['checkout-1', 'checkout-2'];
  const id = await active();
  app.cluster.target.pods = ['checkout-1', 'checkout-3'];
  await look(id);
  expect(await podsOf(id)).toEqual(['checkout-1', 'checkout-3']);
  app.clock.set((await app.grant(id)).expiresAt ?? 0);
  app.cluster.target.pods = ['checkout-4'];
  await look(id);
  expect(await podsOf(id)).toEqual(['checkout-1', 'checkout-3']);
});

test('a rollout is told once, with all names, when no pod has changed for a while', async () => {
  app.cluster.target.pods = ['checkout-1', 'checkout-2'];
  const id = await active();
  const told = () => app.told.filter(({ news }) => news === 'pods').length;
  for (const pods of [
    ['checkout-2', 'checkout-3'],
    ['checkout-3', 'checkout-4'],
  ]) {
    app.cluster.target.pods = pods;
    await look(id);
    app.clock.pass(9);
    await app.run();
    expect(told()).toBe(0);
  }
  app.clock.pass(1);
  await app.run();
  expect(told()).toBe(1);
  expect(await podsOf(id)).toEqual(['checkout-3', 'checkout-4']);
});

test('a window that is over ends as such, also when the workload is gone in that moment', async () => {
  const id = await active();
  app.clock.set((await app.grant(id)).expiresAt ?? 0);
  app.cluster.target.pods = [];
  app.cluster.target.gone = 'Deployment checkout in namespace staging was deleted';
  await look(id);
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
  await look(id);
  expect(faults).toEqual([]);
  expect(app.cluster.held.get(id)?.rights).toEqual(['checkout-1']);
  expect(await podsOf(id)).toEqual(['checkout-1']);
});
