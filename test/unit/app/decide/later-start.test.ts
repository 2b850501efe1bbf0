import { describe, expect, it } from 'vitest';
import { Refusal } from '../../../../src/domain/errors.ts';
import type { PolicyInput } from '../../../../src/domain/policy/schema.ts';
import { appWorld, PEOPLE, POLICY } from '../../../support/app-world.ts';

const HOUR = 3600;
const { debug } = POLICY.profiles as { debug: PolicyInput['profiles'][string] };
const withAutomatic = (automatic: object): PolicyInput => ({ ...POLICY, profiles: { debug: { ...debug, automatic } } });
const ruleOf = (work: Promise<unknown>) =>
  work.then(
    () => null,
    (error: unknown) => (error instanceof Refusal ? error.rule : String(error)),
  );

/** Ada's request for access that begins in two hours, approved by Ben. */
async function approved() {
  const app = appWorld();
  const startAt = app.clock.now() + 2 * HOUR * 1000;
  const id = await app.pending(PEOPLE.ada, { start: { at: startAt } });
  await app.useCases.review(PEOPLE.ben, id, 'approve', '', await app.seen(id));
  await app.run();
  return { app, id, startAt };
}

describe('access that begins later', () => {
  it('is decided now, told so, and opened at its start for the whole window', async () => {
    const { app, id, startAt } = await approved();
    expect(await app.grant(id)).toMatchObject({ state: 'approved', startsAt: startAt });
    expect(app.told.map(({ news }) => news)).toContain('scheduled');
    app.clock.pass(2 * HOUR - 1);
    await app.run();
    await app.reconcile();
    await app.run();
    expect((await app.grant(id)).state).toBe('approved');
    expect(await app.cluster.access.found()).toEqual([]);
    app.clock.pass(1);
    await app.run();
    expect(await app.grant(id)).toMatchObject({ state: 'active', startsAt: startAt, expiresAt: startAt + 1800_000 });
    app.clock.pass(1800);
    await app.run();
    expect((await app.grant(id)).state).toBe('expired');
  });

  it('is asked again where the plan is another at its start, and nothing is opened', async () => {
    const { app, id } = await approved();
    app.cluster.target.uid = 'uid-2';
    app.clock.pass(2 * HOUR);
    await app.run();
    expect((await app.grant(id)).state).toBe('pending');
    expect(app.told.map(({ news }) => news)).toContain('asked-again');
    expect(await app.cluster.access.found()).toEqual([]);
    await app.useCases.review(PEOPLE.ben, id, 'approve', '', await app.seen(id));
    await app.run();
    expect((await app.grant(id)).state).toBe('active');
  });

  it('is not opened for somebody who is denied it by then', async () => {
    const { app, id } = await approved();
    app.setPolicy({ ...POLICY, profiles: { debug: { ...debug, deny: { users: ['ada@example.test'] } } } });
    app.clock.pass(2 * HOUR);
    await app.run();
    expect((await app.grant(id)).state).toBe('cancelled');
  });

  it('can be withdrawn until then', async () => {
    const { app, id } = await approved();
    await app.useCases.revoke(PEOPLE.ada, id, '');
    app.clock.pass(3 * HOUR);
    await app.run();
    expect((await app.grant(id)).state).toBe('cancelled');
    expect(await app.cluster.access.found()).toEqual([]);
  });

  it('begins when all that was scheduled is lost, too', async () => {
    const { app, id } = await approved();
    app.loseQueue();
    await app.reconcile();
    app.clock.pass(2 * HOUR);
    await app.run();
    expect((await app.grant(id)).state).toBe('active');
  });

  it.each([false, true])(
    'is not opened at another time, where nothing ran until after it (queue lost: %s)',
    async (isLost) => {
      const { app, id } = await approved();
      app.clock.pass(11 * HOUR);
      if (isLost) {
        app.loseQueue();
        await app.reconcile();
      }
      await app.run();
      expect((await app.grant(id)).state).toBe('cancelled');
      expect(await app.cluster.access.found()).toEqual([]);
      expect(app.told.map(({ news }) => news)).not.toContain('granted');
    },
  );

  it('is by the clocks of the account', async () => {
    const app = appWorld();
    const ada = app.accounts.get(PEOPLE.ada);
    if (ada === undefined) throw new Error('no account');
    app.accounts.set(PEOPLE.ada, { ...ada, zone: 'Asia/Kolkata' });
    const { grant } = await app.request(PEOPLE.ada, { start: { date: null, time: '22:00' } });
    expect(new Date(grant.startAt ?? 0).toISOString()).toMatch(/T16:30:00.000Z$/);
  });

  it('begins at once where it is approved after its start', async () => {
    const app = appWorld();
    const id = await app.pending(PEOPLE.ada, { start: { at: app.clock.now() + 60_000 } });
    app.clock.pass(600);
    await app.useCases.review(PEOPLE.ben, id, 'approve', '', await app.seen(id));
    await app.run();
    expect(await app.grant(id)).toMatchObject({ state: 'active', startsAt: app.clock.now() });
  });

  it.each<[string, number]>([
    ['that has passed', -3600],
    ['more than seven days ahead', 7 * 24 * HOUR + 60],
  ])('is refused with a start %s', async (_what, ahead) => {
    const app = appWorld();
    expect(await ruleOf(app.request(PEOPLE.ada, { start: { at: app.clock.now() + ahead * 1000 } }))).toBe('start');
  });

  it('is another request than the same for now', async () => {
    const { app, id, startAt } = await approved();
    expect((await app.request(PEOPLE.ada)).grant.id).not.toBe(id);
    expect((await app.request(PEOPLE.ada, { start: { at: startAt } })).grant.id).toBe(id);
  });

  it('is not approved by the hours in which it is asked for, to begin outside of them', async () => {
    const app = appWorld();
    const now = new Date(app.clock.now());
    const at = (hours: number) => new Date(now.getTime() + hours * HOUR * 1000).toISOString().slice(11, 16);
    app.setPolicy(withAutomatic([{ when: { hours: `Mon-Sun ${at(-1)}-${at(1)} UTC` } }]));
    const asked = (ahead: number) => app.request(PEOPLE.ada, { start: { at: now.getTime() + ahead * 1000 } });
    expect((await asked(1800)).grant.approvalsNeeded).toBe(0);
    expect((await asked(2 * HOUR)).grant.approvalsNeeded).toBe(1);
  });
});
