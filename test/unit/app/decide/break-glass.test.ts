import { describe, expect, it } from 'vitest';
import { createUseCases } from '../../../../src/app/create-use-cases.ts';
import { Refusal } from '../../../../src/domain/errors.ts';
import type { PolicyInput } from '../../../../src/domain/policy/schema.ts';
import { account, appWorld, on, PEOPLE, POLICY } from '../../../support/app-world.ts';

const { debug } = POLICY.profiles as { debug: PolicyInput['profiles'][string] };
const DAY = 86_400;

/** The policy with break-glass access: Ada may, Cy reviews. */
function glassPolicy(change: Partial<NonNullable<typeof debug.breakGlass>> = {}, profile: object = {}): PolicyInput {
  const breakGlass = {
    from: { users: ['ada@example.test'] },
    maximum: '15m',
    review: { from: { users: ['ada@example.test', 'cy@example.test'] } },
    ...change,
  };
  return { ...POLICY, profiles: { debug: { ...debug, ...profile, breakGlass } } };
}

const ruleOf = (work: Promise<unknown>) =>
  work.then(
    () => null,
    (error: unknown) => (error instanceof Refusal ? error.rule : String(error)),
  );
const breaks = { breaksGlass: true, duration: 600 } as const;

/** Ada's break-glass access, over. */
async function ended(policy = glassPolicy()) {
  const app = appWorld(policy);
  const { grant } = await app.request(PEOPLE.ada, breaks);
  await app.run();
  app.clock.pass(601);
  await app.run();
  expect((await app.grant(grant.id)).state).toBe('expired');
  return { app, id: grant.id };
}

describe('breaking the glass', () => {
  it('gives access at once, and tells administrators and the channel', async () => {
    const app = appWorld(glassPolicy());
    const { grant } = await app.request(PEOPLE.ada, breaks);
    await app.run();
    expect((await app.grant(grant.id)).state).toBe('active');
    expect(app.alarms).toEqual([expect.stringContaining('ada@example.test has broken the glass: debug on staging')]);
    expect(app.told.map(({ news }) => news)).toContain('message');
    expect(app.audit.map(({ event }) => event)).toContain('break-glass');
  });

  it('is offered in the form to whoever may, with who hears of it, and to nobody else', async () => {
    const offered = async (policy: PolicyInput, who: string) => {
      const app = appWorld(policy);
      return (await app.useCases.offers(who)).map(({ breakGlass }) => breakGlass);
    };
    expect(await offered(glassPolicy(), PEOPLE.ada)).toEqual([
      {
        maximum: 900,
        told: 'the channel of its requests, administrators (dot@example.test), approvers (ben@example.test, cy@example.test)',
        reviewers: 'ada@example.test, cy@example.test',
      },
    ]);
    expect(await offered(glassPolicy(), PEOPLE.ben)).toEqual([undefined]);
    expect(await offered(POLICY, PEOPLE.ada)).toEqual([undefined]);
    expect(await offered(glassPolicy({ from: { groups: ['S0AWAY0001'] } }), PEOPLE.ada)).toEqual([undefined]);
  });

  it('does not wait for Slack', async () => {
    const app = appWorld(glassPolicy());
    const away = async () => {
      throw new Error('Slack is away');
    };
    const world = { ...app.world, notifier: { deliver: away, ask: away, alarm: away } };
    const { grant } = await createUseCases(world).request(PEOPLE.ada, {
      profile: 'debug',
      ...on('checkout'),
      reason: 'checkout is down',
      ...breaks,
    });
    await app.run({ ...world }).catch(() => {});
    await app.run({ ...world }).catch(() => {});
    expect((await app.grant(grant.id)).state).toBe('active');
  });

  it.each<[string, PolicyInput, string, object, string]>([
    [
      'who is denied the profile',
      glassPolicy({}, { deny: { users: ['ada@example.test'] } }),
      PEOPLE.ada,
      {},
      'profiles.debug.deny (users: ada@example.test)',
    ],
    ['who is a requester only', glassPolicy(), PEOPLE.ben, {}, 'profiles.debug.breakGlass.from'],
    ['what lasts longer', glassPolicy(), PEOPLE.ada, { duration: 1000 }, 'profiles.debug.breakGlass.maximum'],
    [
      'a namespace that the profile does not cover',
      glassPolicy(),
      PEOPLE.ada,
      { target: { namespace: 'prod', workload: { kind: 'Deployment', name: 'x' } } },
      'profiles.debug.namespaces',
    ],
    ['a profile without it', POLICY, PEOPLE.ada, {}, 'profiles.debug.breakGlass'],
    [
      'a reason that is too short',
      glassPolicy({}, { reason: { min: 50 } }),
      PEOPLE.ada,
      {},
      'profiles.debug.reason.min',
    ],
    [
      'somebody whose list can not be read',
      glassPolicy({ from: { groups: ['S0ONCALL'] } }),
      PEOPLE.ada,
      {},
      "profiles.debug.breakGlass.from (groups: S0ONCALL, whose members can't be read now)",
    ],
  ])('is refused to %s', async (_what, policy, by, change, rule) => {
    const app = appWorld(policy);
    expect(await ruleOf(app.request(by, { ...breaks, ...change }))).toBe(rule);
    expect(app.audit.map(({ event }) => event)).toEqual(['refused']);
  });

  it('needs no ticket, no step and no room in the limits of the profile', async () => {
    const policy = glassPolicy({}, { limits: { openPerPerson: 1 }, approvals: 2 });
    const app = appWorld(policy);
    await app.request(PEOPLE.ada, on('other'));
    const { grant } = await app.request(PEOPLE.ada, breaks);
    await app.run();
    expect((await app.grant(grant.id)).state).toBe('active');
  });

  it('is not answered with a request for the same that waits, but with what is open by it', async () => {
    const app = appWorld(glassPolicy());
    const waiting = await app.pending();
    const { grant } = await app.request(PEOPLE.ada, breaks);
    expect(grant.id).not.toBe(waiting);
    expect((await app.request(PEOPLE.ada, breaks)).grant.id).toBe(grant.id);
  });

  it('is limited by the day, however much comes at once', async () => {
    const app = appWorld(glassPolicy());
    const asked = await Promise.all(
      Array.from({ length: 6 }, (_, i) => ruleOf(app.request(PEOPLE.ada, { ...breaks, ...on(`w-${i}`) }))),
    );
    expect(asked.filter((rule) => rule === null)).toHaveLength(2);
    expect(new Set(asked.filter((rule) => rule !== null))).toEqual(new Set(['profiles.debug.breakGlass.perDay']));
    app.clock.pass(DAY);
    await app.run();
    expect(await ruleOf(app.request(PEOPLE.ada, { ...breaks, ...on('tomorrow') }))).toBeNull();
  });

  it('keeps what is open in use when its day is over, however often the glass has been broken since', async () => {
    const app = appWorld(glassPolicy({ perDay: 1 }, { credential: 'token', network: { mode: 'none' } }));
    app.clock.set(Date.UTC(2026, 0, 5, 23, 55));
    const { grant } = await app.request(PEOPLE.ada, breaks);
    await app.run();
    app.clock.pass(360);
    expect(await ruleOf(app.request(PEOPLE.ada, { ...breaks, ...on('other') }))).toBeNull();
    expect(await app.useCases.takeToken(PEOPLE.ada, grant.id)).toHaveProperty('token');
  });

  it('is never extended', async () => {
    const app = appWorld(glassPolicy());
    const { grant } = await app.request(PEOPLE.ada, breaks);
    await app.run();
    expect(await ruleOf(app.useCases.extend(PEOPLE.ada, grant.id, 60))).toBe('profiles.debug.breakGlass');
    expect((await app.useCases.status(PEOPLE.ada, grant.id)).extendable).toBe(0);
  });

  it('is given up when the process died and the person may not any more; nobody is asked', async () => {
    const app = appWorld(glassPolicy());
    const dies = { ...app.world, store: { ...app.world.store, change: async () => Promise.reject(new Error('dead')) } };
    const ask = { profile: 'debug', ...on('checkout'), reason: 'checkout is down', ...breaks };
    await createUseCases(dies)
      .request(PEOPLE.ada, ask)
      .catch(() => {});
    const [left] = await app.world.store.open(() => true);
    app.setPolicy(glassPolicy({ from: { users: ['ben@example.test'] } }));
    app.clock.pass(11);
    await app.reconcile();
    await app.run();
    expect((await app.grant(left?.id ?? '')).state).toBe('cancelled');
  });
});

describe('its review', () => {
  it('is asked for when the access has ended, again each day, and administrators are told when it is late', async () => {
    const { app, id } = await ended();
    const asked = () => app.told.filter(({ news }) => news === 'review').length;
    await app.run();
    expect(asked()).toBe(1);
    app.clock.pass(DAY);
    await app.run();
    await app.run();
    expect(asked()).toBe(2);
    expect(app.alarms.at(-1)).toContain(`Nobody has reviewed break-glass access ${id}`);
    app.loseQueue();
    await app.reconcile();
    await app.run();
    await app.run();
    expect(asked()).toBe(3);
  });

  it('accepted: the requester is told, and nobody is asked any more', async () => {
    const { app, id } = await ended();
    await app.useCases.reviewBreakGlass(PEOPLE.cy, id, 'accepted', '');
    await app.run();
    expect(app.told.map(({ news }) => news)).toContain('reviewed');
    expect((await app.grant(id)).breakGlass?.review).toMatchObject({
      verdict: 'accepted',
      by: { user: 'cy@example.test' },
    });
    const before = app.told.length;
    app.clock.pass(3 * DAY);
    await app.run();
    expect(app.told).toHaveLength(before);
    expect(await ruleOf(app.useCases.reviewBreakGlass(PEOPLE.cy, id, 'flagged', 'no'))).toBe('review');
  });

  it('flagged: with a note only, and administrators are told', async () => {
    const { app, id } = await ended();
    expect(await ruleOf(app.useCases.reviewBreakGlass(PEOPLE.cy, id, 'flagged', ' '))).toBe('note');
    await app.useCases.reviewBreakGlass(PEOPLE.cy, id, 'flagged', 'nothing was down');
    await app.run();
    expect(app.alarms.at(-1)).toContain('has flagged break-glass access of ada@example.test');
    expect(app.audit.find(({ event }) => event === 'break-glass-reviewed')).toMatchObject({
      actor: { user: 'cy@example.test' },
      note: 'flagged: nothing was down',
    });
  });

  it.each<[string, string]>([
    ['whoever had it', PEOPLE.ada],
    ['an approver who is no reviewer', PEOPLE.ben],
  ])('is not for %s', async (_what, by) => {
    const { app, id } = await ended();
    expect(await ruleOf(app.useCases.reviewBreakGlass(by, id, 'accepted', ''))).not.toBeNull();
    expect((await app.grant(id)).breakGlass?.review).toBeNull();
  });

  it('is not for another account of whoever had it', async () => {
    const { app, id } = await ended();
    app.accounts.set('U0SECOND', { ...account('U0SECOND', 'cy'), email: 'ada@example.test' });
    expect(await ruleOf(app.useCases.reviewBreakGlass('U0SECOND', id, 'accepted', ''))).toBe('review');
  });

  it('waits for the end, and is not for what is no break-glass access', async () => {
    const app = appWorld(glassPolicy());
    const { grant } = await app.request(PEOPLE.ada, breaks);
    await app.run();
    expect(await ruleOf(app.useCases.reviewBreakGlass(PEOPLE.cy, grant.id, 'accepted', ''))).toBe('review');
    const usual = await app.active(PEOPLE.ben, on('other'));
    await app.useCases.revoke(PEOPLE.ben, usual, '');
    await app.run();
    expect(await ruleOf(app.useCases.reviewBreakGlass(PEOPLE.cy, usual, 'accepted', ''))).toBe('review');
  });

  it('stands in each later request of the same person until it is done', async () => {
    const { app, id } = await ended();
    const later = await app.request(PEOPLE.ada, on('other'));
    expect(later.grant.unreviewed).toEqual([id]);
    expect((await app.request(PEOPLE.ben, on('other'))).grant.unreviewed).toBeUndefined();
    await app.useCases.reviewBreakGlass(PEOPLE.cy, id, 'accepted', '');
    expect((await app.request(PEOPLE.ada, on('third'))).grant.unreviewed).toBeUndefined();
  });
});
