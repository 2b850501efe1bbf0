import { describe, expect, it } from 'vitest';
import { createUseCases } from '../../../../src/app/create-use-cases.ts';
import type { PolicyInput } from '../../../../src/domain/policy/schema.ts';
import { appWorld, on, PEOPLE, POLICY } from '../../../support/app-world.ts';

type ProfileInput = PolicyInput['profiles'][string];
const { debug } = POLICY.profiles;
const withProfile = (change: Partial<ProfileInput>): PolicyInput => ({
  ...POLICY,
  profiles: { debug: { ...debug, ...change } as ProfileInput },
});

describe('a request in one line', () => {
  const members = { users: ['ada@example.test'] };

  it('is told the one condition that it just misses, and waits for people', async () => {
    const app = appWorld(withProfile({ automatic: { members, maximum: '30m' } }));
    expect(await app.request(PEOPLE.ada, { duration: 1860 })).toMatchObject({
      missed: '30m would have been approved at once: you asked for 31m.',
      grant: { state: 'pending', approvalsNeeded: 1 },
    });
    expect(await app.request(PEOPLE.ada, { duration: 1800, ...on('ledger') })).toMatchObject({
      missed: null,
      grant: { state: 'approved' },
    });
    // Who is none of the members is not told what others need not wait for.
    expect(await app.request(PEOPLE.ben, { duration: 1860 })).toMatchObject({ missed: null });
  });

  it('is told nothing while it can not be read who the members are', async () => {
    const app = appWorld(withProfile({ automatic: { members: { groups: ['S0CALL'] }, maximum: '30m' } }));
    expect(await app.request(PEOPLE.ada, { duration: 1860 })).toMatchObject({ missed: null });
  });

  it('of what was shown in the form is told nothing twice', async () => {
    const app = appWorld(withProfile({ automatic: { members, maximum: '30m' } }));
    const ask = { profile: 'debug', ...on('checkout'), duration: 1860, reason: 'checkout returns 502' };
    const { missed, digest } = await app.useCases.preview(PEOPLE.ada, ask);
    expect(missed).toMatch(/you asked for 31m/);
    expect(await app.useCases.requestAsShown(PEOPLE.ada, ask, digest)).toMatchObject({ requested: { missed: null } });
  });

  it('for fewer rights is approved at once where more would not be', async () => {
    const app = appWorld(
      withProfile({
        rules: undefined,
        rights: ['read', 'logs', 'exec'],
        automatic: [{ when: { rights: ['read', 'logs'] } }],
      }),
    );
    expect(await app.request()).toMatchObject({
      missed: 'With no more than read, logs it would have been approved at once.',
      grant: { state: 'pending' },
    });
    expect(await app.request(PEOPLE.ada, { rights: ['logs'] })).toMatchObject({ grant: { state: 'approved' } });
  });

  it('of a profile without rights in words never meets that, and is not told that it could', async () => {
    const app = appWorld(withProfile({ automatic: [{ when: { rights: ['read', 'logs', 'exec'] } }] }));
    expect(await app.request()).toMatchObject({ missed: null, grant: { state: 'pending' } });
  });
});

describe('so many a day', () => {
  const perDay = (count: number, change: object = {}) =>
    withProfile({ automatic: [{ when: { maximum: '1h', perDay: count, ...change } }] });
  const states = (views: readonly { readonly grant: { readonly state: string } }[]) =>
    views.map(({ grant }) => grant.state).toSorted();

  it('are approved at once, and of several at the same moment no more; people decide on the others', async () => {
    const app = appWorld(perDay(2));
    const asked = await Promise.all(['a', 'b', 'c', 'd'].map((name) => app.request(PEOPLE.ada, on(name))));
    expect(states(asked)).toEqual(['approved', 'approved', 'pending', 'pending']);
    const told = '2 a day are approved at once, and you have had 2 today.';
    for (const { grant, missed } of asked) expect(missed).toBe(grant.state === 'pending' ? told : null);
    expect(asked.map(({ grant }) => grant.approvalsNeeded).toSorted()).toEqual([0, 0, 1, 1]);
    await app.run();
    expect((await app.world.store.open(({ state }) => state === 'active')).length).toBe(2);
    // Somebody else has a day of their own.
    expect(states([await app.request(PEOPLE.ben)])).toEqual(['approved']);
    // At midnight another one begins.
    app.clock.set(Date.UTC(2026, 0, 6) - 1);
    expect(states([await app.request(PEOPLE.ada, on('e'))])).toEqual(['pending']);
    app.clock.set(Date.UTC(2026, 0, 6));
    expect(states([await app.request(PEOPLE.ada, on('f'))])).toEqual(['approved']);
  });

  it('by the day of the zone of the hours', async () => {
    const app = appWorld(perDay(1, { hours: 'Mon-Sun 00:00-24:00 Europe/Berlin' }));
    expect(states([await app.request(PEOPLE.ada, on('a'))])).toEqual(['approved']);
    app.clock.set(Date.UTC(2026, 0, 5, 22, 59, 59));
    expect(states([await app.request(PEOPLE.ada, on('b'))])).toEqual(['pending']);
    app.clock.set(Date.UTC(2026, 0, 5, 23));
    expect(states([await app.request(PEOPLE.ada, on('c'))])).toEqual(['approved']);
  });

  it('count whatever entry approved them, so that a change of the entries forgets none', async () => {
    const app = appWorld(
      withProfile({ automatic: [{ when: { maximum: '5m' } }, { when: { maximum: '1h', perDay: 1 } }] }),
    );
    expect(states([await app.request(PEOPLE.ada, { duration: 300, ...on('a') })])).toEqual(['approved']);
    expect(states([await app.request(PEOPLE.ada, on('b'))])).toEqual(['pending']);
    expect(states([await app.request(PEOPLE.ada, { duration: 300, ...on('c') })])).toEqual(['approved']);
    app.setPolicy(perDay(2));
    expect(states([await app.request(PEOPLE.ada, on('d'))])).toEqual(['pending']);
  });

  it('are judged by those before them, where the process that made the request died', async () => {
    const app = appWorld(perDay(2));
    await app.request(PEOPLE.ada, on('a'));
    const dies = async () => {
      throw new Error('the process is dead');
    };
    const dying = createUseCases({ ...app.world, store: { ...app.world.store, change: dies } });
    const ask = { profile: 'debug', ...on('b'), duration: null, reason: 'checkout returns 502' };
    await expect(dying.request(PEOPLE.ada, ask)).rejects.toThrow('the process is dead');
    await app.run();
    app.clock.pass(10);
    await app.reconcile();
    await app.run();
    const all = await app.world.store.open(() => true);
    expect(all.map(({ state }) => state)).toEqual(['active', 'active']);
  });

  it('shown in the form and gone by then, it is shown anew', async () => {
    const app = appWorld(perDay(1));
    const ask = { profile: 'debug', ...on('checkout'), duration: null, reason: 'checkout returns 502' };
    const { digest, view } = await app.useCases.preview(PEOPLE.ada, ask);
    expect(view.grant.approvalsNeeded).toBe(0);
    await app.request(PEOPLE.ada, on('other'));
    expect(await app.useCases.requestAsShown(PEOPLE.ada, ask, digest)).toMatchObject({
      changed: { missed: '1 a day are approved at once, and you have had 1 today.' },
    });
  });

  it('a longer window of one of them is no other one; of a grant that people approved it is', async () => {
    const app = appWorld(perDay(1));
    const { grant: automatic } = await app.request(PEOPLE.ada, on('a'));
    const { grant: byPeople } = await app.request(PEOPLE.ada, on('b'));
    await app.run();
    await app.useCases.review(PEOPLE.ben, byPeople.id, 'approve', '', await app.seen(byPeople.id));
    await app.run();
    const extend = async (id: string) => (await app.useCases.extend(PEOPLE.ada, id, 600)).grant;
    expect(await extend(automatic.id)).toMatchObject({ duration: 2400, extension: null });
    expect(await extend(byPeople.id)).toMatchObject({ duration: 1800, extension: { duration: 600 } });
  });

  it('of two longer windows at the same moment one is the last; people decide on the other', async () => {
    const app = appWorld(perDay(1, { members: { groups: ['S0CALL'] } }));
    app.members.set('S0CALL', []);
    const ids = [await app.active(PEOPLE.ada, on('a')), await app.active(PEOPLE.ada, on('b'))];
    app.members.set('S0CALL', [PEOPLE.ada]);
    const asked = await Promise.all(ids.map((id) => app.useCases.extend(PEOPLE.ada, id, 600)));
    expect(asked.map(({ grant }) => grant.duration).toSorted()).toEqual([1800, 2400]);
    expect(asked.filter(({ grant }) => grant.extension !== null)).toHaveLength(1);
    await app.run();
    expect(app.told.filter(({ news }) => news === 'extension')).toHaveLength(1);
  });

  it('a Redis that lost its data counts fewer', async () => {
    const app = appWorld(perDay(1));
    await app.request();
    app.loseRedis();
    expect(states([await app.request(PEOPLE.ada, on('b'))])).toEqual(['approved']);
  });
});
