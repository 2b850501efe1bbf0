import { describe, expect, it } from 'vitest';
import type { PolicyInput } from '../../../../src/domain/policy/schema.ts';
import { appWorld, on, PEOPLE, POLICY } from '../../../support/app-world.ts';

const { ada, ben, cy } = PEOPLE;
type ProfileInput = PolicyInput['profiles'][string];
const withProfile = (change: Partial<ProfileInput>): PolicyInput => ({
  ...POLICY,
  profiles: { debug: { ...POLICY.profiles.debug, ...change } as ProfileInput },
});

describe('what was asked for already', () => {
  it('is answered with the one that waits, whatever the duration and the reason; nothing new is stored, told or audited', async () => {
    const app = appWorld();
    const first = await app.request();
    await app.run();
    const [audited, told] = [app.audit.length, app.told.length];
    const second = await app.request(ada, { duration: 7200, reason: 'still broken' });
    expect(second).toMatchObject({ isAgain: true, grant: { id: first.grant.id, duration: 1800 } });
    expect(first.isAgain).toBe(false);
    await app.run();
    expect([app.audit.length, app.told.length]).toEqual([audited, told]);
    expect(await app.world.store.open(() => true)).toHaveLength(1);
  });

  it('is asked once, also thirty times at the same moment', async () => {
    const app = appWorld();
    const asked = await Promise.all(Array.from({ length: 30 }, () => app.request()));
    expect(new Set(asked.map(({ grant }) => grant.id)).size).toBe(1);
    expect(asked.filter(({ isAgain }) => !isAgain)).toHaveLength(1);
    expect(app.audit.filter(({ event }) => event === 'requested')).toHaveLength(1);
  });

  it('is answered with the one that is open, and by the name of a Service in front of it', async () => {
    const app = appWorld();
    const id = await app.active();
    expect(await app.request()).toMatchObject({ isAgain: true, grant: { id, state: 'active' } });
    const target = { namespace: 'staging', service: 'shop' };
    expect(await app.request(ada, { target })).toMatchObject({ isAgain: true, grant: { id } });
  });

  it('is another by the name of a Service that opens other ports', async () => {
    const ports = [{ port: 8080 }, { port: 9090 }];
    const app = appWorld(withProfile({ network: { mode: 'workspace', image: 'example.test/tools:1', ports } }));
    const target = { namespace: 'staging', service: 'shop' };
    const id = await app.active(ada, { target });
    expect(await app.request(ada, { target })).toMatchObject({ isAgain: true, grant: { id } });
    const { survey } = app.cluster.access;
    app.cluster.access.survey = async (...asked) => {
      const found = await survey(...asked);
      const metrics = [{ dialled: 90, port: 9090, protocol: 'TCP' as const }];
      return { ...found, service: found.service && { ...found.service, ports: metrics } };
    };
    expect(await app.request(ada, { target })).toMatchObject({ isAgain: false });
  });

  it('can be asked again when it was denied, withdrawn, timed out or has ended', async () => {
    const app = appWorld();
    const ids = new Set<string>();
    const anew = async () => {
      const { grant, isAgain } = await app.request();
      expect(isAgain).toBe(false);
      ids.add(grant.id);
      await app.run();
      return grant.id;
    };
    let id = await anew();
    await app.useCases.review(ben, id, 'deny', '', await app.seen(id));
    id = await anew();
    await app.useCases.revoke(ada, id, '');
    await anew();
    // Its time is over, and nobody has looked yet.
    app.clock.pass(3600);
    id = await anew();
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    await app.run();
    await app.useCases.revoke(ada, id, '');
    await anew();
    expect(ids.size).toBe(5);
  });

  it('is another of another person, target, profile or choice of rights', async () => {
    const app = appWorld({
      ...withProfile({ rules: undefined, rights: ['read', 'logs'] }),
      profiles: {
        ...withProfile({ rules: undefined, rights: ['read', 'logs'] }).profiles,
        more: { ...POLICY.profiles.debug } as ProfileInput,
      },
    });
    const made = [
      await app.request(),
      await app.request(ben),
      await app.request(ada, on('ledger')),
      await app.request(ada, { profile: 'more' }),
      await app.request(ada, { rights: ['logs'] }),
    ];
    expect(made.map(({ isAgain }) => isAgain)).toEqual([false, false, false, false, false]);
    // All of its rights by name are the same as all of its rights.
    expect(await app.request(ada, { rights: ['logs', 'read'] })).toMatchObject({ isAgain: true });
  });

  it('of a user who is another one by now is another', async () => {
    const app = appWorld();
    const { grant } = await app.request();
    const account = app.accounts.get(ada);
    if (account !== undefined) app.accounts.set(ada, { ...account, email: 'ada.new@example.test' });
    app.setPolicy(withProfile({ requesters: { users: ['ada.new@example.test'] } }));
    const { grant: anew, isAgain } = await app.request();
    expect([isAgain, anew.id === grant.id]).toEqual([false, false]);
  });

  it('says what the policy itself would approve now, so that one knows to call the other back', async () => {
    const app = appWorld(withProfile({ automatic: [{ when: { maximum: '30m' } }] }));
    const { grant, missed } = await app.request(ada, { duration: 1860 });
    expect(missed).toBe('30m would have been approved at once: you asked for 31m.');
    expect(await app.request(ada, { duration: 1800 })).toMatchObject({
      isAgain: true,
      missed: 'It would be approved automatically as you ask now: withdraw this one, then ask again.',
    });
    await app.useCases.revoke(ada, grant.id, '');
    expect(await app.request(ada, { duration: 1800 })).toMatchObject({ isAgain: false, grant: { state: 'approved' } });
  });

  it('is said in the preview, and by the button of one that was shown before', async () => {
    const app = appWorld();
    const ask = { profile: 'debug', ...on('checkout'), duration: null, reason: 'checkout returns 502' };
    const shown = await app.useCases.preview(ada, ask);
    expect(shown.asked).toBeUndefined();
    const { grant } = await app.request();
    expect((await app.useCases.preview(ada, ask)).asked?.grant.id).toBe(grant.id);
    expect(await app.useCases.requestAsShown(ada, ask, shown.digest)).toMatchObject({
      requested: { isAgain: true, grant: { id: grant.id } },
    });
    // Somebody else is told nothing of it.
    expect((await app.useCases.preview(ben, ask)).asked).toBeUndefined();
  });

  it('of which the record is broken is refused, not asked for ever', async () => {
    const app = appWorld();
    const { grant } = await app.request();
    const { get } = app.world.store;
    app.world.store.get = async (id) => (id === grant.id ? null : get(id));
    await expect(app.request()).rejects.toMatchObject({ rule: 'asked', message: expect.stringContaining(grant.id) });
  });
});

describe('limits of a profile', () => {
  const outcome = (asked: Promise<unknown>) =>
    asked.then(
      () => 'made',
      (error: unknown) => (error as { rule: string }).rule,
    );

  it('say which, the figure, and what to do; at the same moment, too', async () => {
    const app = appWorld(withProfile({ limits: { openPerPerson: 2, perPersonADay: 4, open: 3 } }));
    const asked = await Promise.all(['a', 'b', 'c'].map((name) => outcome(app.request(ada, on(name)))));
    expect(asked.toSorted()).toEqual(['made', 'made', 'profiles.debug.limits.openPerPerson']);
    await expect(app.request(ada, on('d'))).rejects.toMatchObject({
      message: "You have 2 of profile 'debug' waiting or open, and nobody may have more at once.",
      remedy: expect.stringContaining('/jit list'),
    });
    expect(await outcome(app.request(ben, on('a')))).toBe('made');
    await expect(app.request(ben, on('b'))).rejects.toMatchObject({
      rule: 'profiles.debug.limits.open',
      message: "3 of profile 'debug' are waiting or open among all people, and there may not be more at once.",
    });
    for (const name of ['d', 'e']) {
      const [first] = (await app.useCases.list(ada)).mine;
      await app.useCases.revoke(ada, first?.grant.id ?? '', '');
      expect(await outcome(app.request(ada, on(name)))).toBe('made');
    }
    const [first] = (await app.useCases.list(ada)).mine;
    await app.useCases.revoke(ada, first?.grant.id ?? '', '');
    await expect(app.request(ada, on('f'))).rejects.toMatchObject({
      rule: 'profiles.debug.limits.perPersonADay',
      message: "You have asked for profile 'debug' 4 times today, and nobody may more often.",
      remedy: expect.stringContaining('00:00 UTC'),
    });
    app.clock.set(Date.UTC(2026, 0, 6) - 1);
    expect(await outcome(app.request(ada, on('f')))).toBe('profiles.debug.limits.perPersonADay');
    app.clock.set(Date.UTC(2026, 0, 6));
    expect(await outcome(app.request(ada, on('f')))).toBe('made');
  });

  it('refuse in the preview what could not be sent, and not what is there already', async () => {
    const app = appWorld(withProfile({ limits: { openPerPerson: 1 } }));
    await app.request();
    const preview = (name: string) =>
      app.useCases.preview(ada, { profile: 'debug', ...on(name), duration: null, reason: 'why' });
    await expect(preview('other')).rejects.toMatchObject({ rule: 'profiles.debug.limits.openPerPerson' });
    expect((await preview('checkout')).asked).toBeDefined();
  });

  it('count what the policy itself has approved, like any other', async () => {
    const app = appWorld(withProfile({ limits: { openPerPerson: 1 }, automatic: [{ when: { maximum: '1h' } }] }));
    expect(await outcome(app.request(ada, on('a')))).toBe('made');
    await app.run();
    expect(await outcome(app.request(ada, on('b')))).toBe('profiles.debug.limits.openPerPerson');
    expect(await outcome(app.request(cy))).toBe('profiles.debug.requesters');
  });
});
