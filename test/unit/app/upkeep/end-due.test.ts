import { beforeEach, expect, test } from 'vitest';
import { createDueRights } from '../../../../src/app/upkeep/end-due.ts';
import { Unavailable } from '../../../../src/domain/errors.ts';
import { appWorld, on, PEOPLE } from '../../../support/app-world.ts';

let app: ReturnType<typeof appWorld>;
let faults: unknown[];
beforeEach(() => {
  app = appWorld();
  faults = [];
});
const dueRights = (portion?: number) => createDueRights(app.world, (error) => faults.push(error), portion);

const active = (minutes: number, name = 'checkout') => app.active(PEOPLE.ada, { duration: minutes * 60, ...on(name) });

test.each([1, 2, 500])(
  'the rights of all that are due, claimed %i at once, are gone before anything else is done for one of them',
  async (portion) => {
    const ids = [await active(10), await active(10, 'ledger'), await active(10, 'frontend')];
    const later = await active(11, 'catalog');
    app.clock.pass(10 * 60);
    const { change } = app.world.store;
    const heldAtChange: boolean[] = [];
    app.world.store.change = (...args) => {
      heldAtChange.push(ids.some(app.cluster.hasRights));
      return change(...args);
    };
    const due = dueRights(portion);
    expect(await due.end()).toBe(true);
    await due.settled();
    expect(heldAtChange).toEqual([false, false, false]);
    expect(app.cluster.hasRights(later)).toBe(true);

    // What comes after does not make them late.
    app.clock.pass(20);
    app.world.store.change = change;
    await app.run();
    for (const id of ids) {
      expect(await app.grant(id)).toMatchObject({ state: 'expired', remarks: [] });
      expect(app.audit.find((entry) => entry.id === id && entry.event === 'expired')?.lateness).toBe(0);
    }
    expect((await app.grant(later)).state).toBe('active');
    expect(app.cluster.breaches).toEqual([]);
  },
);

test('rights that were given again meanwhile count until they are gone', async () => {
  const id = await active(10);
  app.clock.pass(10 * 60);
  const due = dueRights();
  await due.end();
  await due.settled();
  // A write that was on its way when the window ended.
  const held = app.cluster.held.get(id);
  if (held !== undefined) held.rights = ['checkout-1'];
  app.clock.pass(20);
  await app.run();
  expect(app.cluster.hasRights(id)).toBe(false);
  expect(app.audit.find((entry) => entry.id === id && entry.event === 'expired')?.lateness).toBe(20_000);
});

test('what the API server did not confirm is left to the revocation of each grant', async () => {
  const id = await active(10);
  app.clock.pass(10 * 60);
  const { confirmRefused } = app.world.clusters.of({ cluster: null });
  app.world.clusters.of({ cluster: null }).confirmRefused = async () => {
    throw new Unavailable('Kubernetes', 'no answer');
  };
  const due = dueRights();
  expect(await due.end()).toBe(false);
  await due.settled();
  expect(faults).toHaveLength(1);
  expect((await app.grant(id)).state).toBe('active');
  app.world.clusters.of({ cluster: null }).confirmRefused = confirmRefused;
  await app.run();
  expect((await app.grant(id)).state).toBe('expired');
});

test('a grant whose end was claimed can not be extended by a slower clock', async () => {
  const id = await active(10);
  const expiresAt = (await app.grant(id)).expiresAt ?? 0;
  expect(await app.world.store.takeDue(expiresAt, 10)).toHaveLength(1);
  const { digest } = await app.useCases.extend(PEOPLE.ada, id, 600);
  await expect(
    app.useCases.reviewExtension(PEOPLE.ben, id, 'approve', '', { digest, message: null }),
  ).rejects.toMatchObject({ rule: 'state' });
  expect((await app.grant(id)).expiresAt).toBe(expiresAt);
});
