import { expect, test } from 'vitest';
import { appWorld, on, PEOPLE } from '../../../support/app-world.ts';

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
