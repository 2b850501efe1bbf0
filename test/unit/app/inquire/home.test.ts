import { expect, test } from 'vitest';
import type { Which } from '../../../../src/app/ports/use-cases.ts';
import type { GrantSummary } from '../../../../src/domain/grant/summary.ts';
import { appWorld, on, PEOPLE, POLICY } from '../../../support/app-world.ts';

const { ada, ben, cy, dot } = PEOPLE;

const rule = (deed: Promise<unknown>) =>
  deed.then(
    () => null,
    ({ rule: by }: { rule: string }) => by,
  );

test('Home has what is mine, what waits for me, what I may ask for and may ask for again', async () => {
  const app = appWorld();
  const open = await app.pending(ada);
  await app.useCases.review(cy, open, 'approve', '', await app.seen(open));
  await app.run();
  const denied = await app.pending(ada, on('shop'));
  await app.useCases.review(ben, denied, 'deny', 'not now', await app.seen(denied));
  app.clock.pass(1);
  const again = await app.pending(ada, on('shop'));
  await app.useCases.revoke(ada, again, '');
  await app.run();
  const waits = await app.pending(ada, on('cart'));
  const home = async (who: string) => {
    const { mine, waiting, offers, ended, everything } = await app.useCases.home(who, 0);
    return {
      mine: mine.map(({ grant }) => grant.id),
      waiting: waiting.map(({ grant }) => grant.id),
      offers: offers.map(({ profile }) => profile),
      ended: ended.map(({ id }) => id),
      everything: everything?.entries.map(({ id }) => id) ?? null,
    };
  };
  // What is open comes before what waits; of two requests for the same the last one.
  expect(await home(ada)).toEqual({
    mine: [open, waits],
    waiting: [],
    offers: ['debug'],
    ended: [again],
    everything: null,
  });
  expect(await home(cy)).toEqual({ mine: [], waiting: [waits], offers: [], ended: [], everything: null });
  expect(await home(dot)).toEqual({ mine: [], waiting: [], offers: [], ended: [], everything: [open, waits] });
  expect(app.audit.filter(({ event }) => event === 'refused')).toEqual([]);
});

test('everything is for administrators, page by page', async () => {
  const app = appWorld();
  const ids: string[] = [];
  for (let i = 0; i < 8; i++)
    for (const who of [ada, ben]) ids.push((await app.request(who, on(`shop-${i}`))).grant.id);
  const seen: string[] = [];
  for (const page of [0, 1]) {
    const all = await app.useCases.everything(dot, page);
    expect(all).toMatchObject({ page, pages: 2 });
    seen.push(...all.entries.map(({ id }) => id));
  }
  expect(seen.toSorted()).toEqual(ids.toSorted());
  expect(await app.useCases.everything(dot, 99)).toMatchObject({ page: 1 });
  for (const who of [ada, ben, cy]) expect(await rule(app.useCases.everything(who, 0))).toBe('administrators');
});

test('what has ended can be asked for again by whoever asked for it, as it was', async () => {
  const app = appWorld();
  const id = await app.pending(ada, { ...on('shop'), duration: 600, reason: 'it is slow' });
  expect(await rule(app.useCases.again(ada, id))).toBe('state');
  await app.useCases.review(ben, id, 'deny', '', await app.seen(id));
  expect(await app.useCases.again(ada, id)).toEqual({
    profile: 'debug',
    target: { namespace: 'staging', workload: { kind: 'Deployment', name: 'shop' } },
    duration: 600,
    reason: 'it is slow',
  });
  // Whoever may know nothing of it is told the same as where there is none.
  for (const who of [ben, cy, dot]) expect(await rule(app.useCases.again(who, id))).toMatch(/^(requester|id)$/);
  expect(await rule(app.useCases.again(ada, 'g-222222'))).toBe('id');
});

async function approved(app: ReturnType<typeof appWorld>, id: string): Promise<void> {
  await app.run();
  if ((await app.grant(id)).state === 'pending') await app.useCases.review(cy, id, 'approve', '', await app.seen(id));
  await app.run();
}

const inTeam = { target: { namespace: 'team-a', workload: { kind: 'Deployment', name: 'checkout' } } } as const;

test('of everything an administrator sees what matches, whose pages and counts are of that', async () => {
  const app = appWorld();
  const open = await app.active(ada, inTeam);
  app.clock.pass(1);
  for (let i = 0; i < 17; i++) {
    if (i === 9) for (const { grant } of (await app.useCases.list(ada)).mine) await approved(app, grant.id);
    await app.request(ada, on(`shop-${i}`));
  }
  await app.pending(ben, inTeam);
  const seen = async (page: number, which: Which) => {
    const all = (await app.useCases.home(dot, page, which)).everything;
    if (all === null) throw new Error('no administrator');
    expect(all.which).toEqual(which);
    return { ...all, entries: all.entries.map(({ id }) => id) };
  };
  expect(await seen(0, {})).toMatchObject({ count: 19, endable: 19, listed: 19, pages: 2, clusters: [] });
  const second = await seen(1, { person: ada });
  expect(second).toMatchObject({ count: 18, page: 1, pages: 2 });
  expect(second.entries).toHaveLength(3);
  // What is open comes first.
  expect((await seen(0, { person: ada })).entries[0]).toBe(open);
  expect((await seen(1, { person: ada })).entries).not.toContain(open);
  expect((await seen(0, { namespace: 'team-a' })).count).toBe(2);
  expect(await seen(0, { person: ada, namespace: 'team-a' })).toMatchObject({ count: 1, entries: [open] });
  // Nothing matches: a page that is not there any more is the first.
  for (const which of [{ person: cy }, { namespace: 'staging-2' }, { person: 'U0NOBODY' }])
    expect(await seen(7, which)).toMatchObject({ count: 0, endable: 0, entries: [], page: 0, pages: 1 });
  // What is being ended is seen, and not to be ended again.
  await app.useCases.revoke(dot, open, '');
  expect(await seen(0, { person: ada, namespace: 'team-a' })).toMatchObject({ count: 1, endable: 0 });
  // For anybody else a filter is nothing.
  expect((await app.useCases.home(cy, 0, { person: ada })).everything).toBeNull();
  expect(await rule(app.useCases.everything(cy, 0, { person: ada }))).toBe('administrators');
});

test('one that comes twice is one, and of very many the first are listed and all are counted', async () => {
  const app = appWorld();
  const id = await app.active(ada);
  const { summaries } = app.world.store;
  let summary: GrantSummary | undefined;
  for await (const [first] of summaries()) summary ??= first;
  if (summary === undefined) throw new Error('nothing is open');
  const open = summary;
  app.world.store.summaries = async function* () {
    for (let portion = 0; portion < 40; portion++)
      yield Array.from({ length: 100 }, (_one, i) => {
        const name = `g-${(portion * 100 + i)
          .toString(7)
          .padStart(6, '0')
          .replace(/[01]/g, (c) => 'xz'[+c]!)}`;
        return { ...open, id: name, state: 'pending' as const, createdAt: portion * 100 + i };
      });
    yield [open];
    yield [open];
  };
  const all = await app.useCases.everything(dot, 0);
  expect(all).toMatchObject({ count: 4001, endable: 4001, listed: 1500, pages: 100 });
  expect(all.entries.map((one) => one.id)).toEqual([id]);
});

test('of several clusters an administrator sees one', async () => {
  const several = {
    ...POLICY,
    clusters: { eu: {}, us: { context: 'us' } },
    profiles: { debug: { ...POLICY.profiles['debug']!, clusters: ['*'] } },
  };
  const app = appWorld(several, ['eu', 'us']);
  const id = await app.pending(ada, { cluster: 'eu' });
  await app.pending(ada, { cluster: 'us' });
  const { clusters, entries, count } = await app.useCases.everything(dot, 0, { cluster: 'eu' });
  expect({ clusters, count, ids: entries.map((one) => one.id) }).toEqual({
    clusters: ['eu', 'us'],
    count: 1,
    ids: [id],
  });
});
