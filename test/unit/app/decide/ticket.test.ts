import { beforeEach, describe, expect, test } from 'vitest';
import { Refusal } from '../../../../src/domain/errors.ts';
import type { PolicyInput } from '../../../../src/domain/policy/schema.ts';
import type { TicketVerdict } from '../../../../src/domain/ticket.ts';
import { appWorld, PEOPLE, POLICY } from '../../../support/app-world.ts';

/** A request with a ticket: judged when it is made, at each approval, and when it is applied. */
const { ada, ben, cy } = PEOPLE;
type ProfileInput = PolicyInput['profiles'][string];
const DEBUG = POLICY.profiles.debug as ProfileInput;
const policyWith = (change: Partial<ProfileInput>, tickets: Partial<PolicyInput> = {}): PolicyInput => ({
  ...POLICY,
  tickets: { pattern: '[A-Z]{2,10}-[0-9]+', url: 'https://tickets.example.test/' },
  ...tickets,
  profiles: { debug: { ...DEBUG, ticket: 'required', ...change } },
});

let app: ReturnType<typeof appWorld>;
const allowed = (key: string, change: Partial<Extract<TicketVerdict, { is: 'allowed' }>> = {}): TicketVerdict => ({
  is: 'allowed',
  ticket: { key, title: `About ${key}`, link: `https://tickets.example.test/${key}` },
  until: null,
  ...change,
});
const CLOSED: TicketVerdict = { is: 'refused', why: 'OPS-7 is "Done" in Jira: it counts while it is "In Progress".' };
const start = (change: Partial<ProfileInput> = {}, tickets: Partial<PolicyInput> = {}) => {
  app = appWorld(policyWith(change, tickets));
  app.tickets.set('OPS-7', allowed('OPS-7'));
};
const ask = (reason: string, more: object = {}) => app.request(ada, { reason, ...more });
const review = async (by: string, id: string) => app.useCases.review(by, id, 'approve', '', await app.seen(id));
const refusal = (asked: Promise<unknown>): Promise<Refusal> =>
  asked.then(
    () => expect.fail('it was allowed'),
    (error: unknown) => (error instanceof Refusal ? error : Promise.reject(error as Error)),
  );
beforeEach(() => start());

describe('the ticket of a request', () => {
  test.each([
    'OPS-7 checkout returns 502',
    'checkout returns 502 (OPS-7)',
    'as in “OPS-7”.',
    '[OPS-7]: checkout',
    'checkout,\nOPS-7',
  ])('is named by its reason: %j', async (reason) => {
    const { grant } = await ask(reason);
    expect(grant).toMatchObject({
      state: 'pending',
      ticket: { key: 'OPS-7', title: 'About OPS-7', link: 'https://tickets.example.test/OPS-7' },
    });
    expect(app.audit.find(({ event }) => event === 'requested')).toMatchObject({ ticket: 'OPS-7' });
    expect(app.judged[0]).toEqual({
      key: 'OPS-7',
      requester: { user: 'ada@example.test', addresses: ['ada@example.test'] },
      profile: 'debug',
      namespace: 'staging',
      workload: 'Deployment/checkout',
      duration: 1800,
      reason,
    });
  });

  test.each([
    'checkout returns 502',
    'ops-7 checkout',
    'XOPS-7x checkout',
    'OPS-7/../OPS-8 checkout',
    'OPS-7\u200B checkout',
    `${'A'.repeat(11)}-7 checkout`,
    `OPS-${'7'.repeat(70)} checkout`,
    '\u041ePS-7 checkout',
  ])('is not named by %j', async (reason) => {
    const refused = await refusal(ask(reason));
    expect(refused.message).toBe("Profile 'debug' needs a ticket.");
    expect(refused.remedy).toContain('[A-Z]{2,10}-[0-9]+');
    expect(refused.rule).toBe('profiles.debug.ticket');
    expect(app.judged).toEqual([]);
  });

  test('is given beside the reason, and that counts before it', async () => {
    expect((await ask('as OPS-8 says', { ticketKey: 'OPS-7' })).grant.ticket?.key).toBe('OPS-7');
  });

  test.each(['ops-7', 'OPS-7 ', 'OPS-7\nOPS-8', '../user', 'x'.repeat(100), ''])('is no %j', async (ticketKey) => {
    expect((await refusal(ask('OPS-7', { ticketKey }))).message).toMatch(/is not the key of a ticket/);
    expect(app.judged).toEqual([]);
  });

  test('is, of several that have the form, the first of those in the projects of Jira', async () => {
    start({}, { tickets: { pattern: '[A-Z]{2,10}-[0-9]+', jira: { projects: ['OPS'], status: ['Open'] } } });
    expect((await ask('UTF-8 is broken, see SEC-1 and OPS-7 and OPS-9')).grant.ticket?.key).toBe('OPS-7');
  });

  test('is refused by a word of its system', async () => {
    app.tickets.set('OPS-7', CLOSED);
    expect((await refusal(ask('OPS-7'))).message).toBe(CLOSED.is === 'refused' && CLOSED.why);
  });

  test('is not known while its system is away, which is said', async () => {
    const refused = await refusal(ask('OPS-8'));
    expect(refused.message).toBe("The ticket system can't be asked for OPS-8 now.");
    expect(refused.remedy).toBe('Try again in 20 s.');
  });

  test('is looked up only for whom the policy lets ask', async () => {
    await refusal(app.request(PEOPLE.dot, { reason: 'OPS-7' }));
    await refusal(ask('OPS-7', { target: { namespace: 'kube-system' } }));
    await refusal(ask('OPS-7', { duration: 86_400 }));
    expect(app.judged).toEqual([]);
  });

  test('holds so long, and so does the window', async () => {
    app.tickets.set('OPS-7', allowed('OPS-7', { until: app.clock.now() + 20 * 60_000 }));
    const refused = await refusal(ask('OPS-7'));
    expect(refused.message).toMatch(/^OPS-7 holds until 2026-01-05T09:20:00Z, and no window past that\.$/);
    expect(refused.remedy).toBe('Ask for 20m at most.');
    expect(await ask('OPS-7', { duration: 1200 })).toMatchObject({ grant: { state: 'pending' } });
    app.clock.pass(1200);
    expect((await refusal(ask('OPS-7', { duration: 60 }))).remedy).toBe('Name another ticket.');
  });
});

describe('a ticket that is closed meanwhile', () => {
  test('refuses the approval, and says why', async () => {
    const { grant } = await ask('OPS-7');
    app.tickets.set('OPS-7', CLOSED);
    const refused = await refusal(review(cy, grant.id));
    expect(refused.message).toMatch(/would not take this request any more.*OPS-7 is "Done" in Jira/);
    expect(await app.grant(grant.id)).toMatchObject({ state: 'pending', decisions: [] });
    app.tickets.set('OPS-7', allowed('OPS-7'));
    expect(await review(cy, grant.id)).toMatchObject({ grant: { state: 'approved' } });
  });

  test('refuses what was approved before it is applied', async () => {
    const { grant } = await ask('OPS-7');
    await review(cy, grant.id);
    app.tickets.set('OPS-7', CLOSED);
    await app.run();
    expect(await app.grant(grant.id)).toMatchObject({
      state: 'cancelled',
      remarks: [expect.stringContaining('OPS-7 is "Done" in Jira')],
    });
    expect(app.cluster.hasRights(grant.id)).toBe(false);
  });

  test('refuses a longer window', async () => {
    const id = await app.active(ada, { reason: 'OPS-7' });
    app.tickets.set('OPS-7', CLOSED);
    expect((await refusal(app.useCases.extend(ada, id, 600))).message).toMatch(/"Done" in Jira/);
  });

  test('holds a longer window to its end', async () => {
    const id = await app.active(ada, { reason: 'OPS-7' });
    app.tickets.set('OPS-7', allowed('OPS-7', { until: ((await app.grant(id)).expiresAt ?? 0) + 60_000 }));
    expect((await refusal(app.useCases.extend(ada, id, 600))).message).toMatch(/^OPS-7 holds until/);
    expect(await app.useCases.extend(ada, id, 60)).toMatchObject({ grant: { extension: { duration: 60 } } });
  });

  test('holds for what is open to its end, and no more is asked of it', async () => {
    start({ credential: 'token', network: { mode: 'none' } });
    app.tickets.set('OPS-7', allowed('OPS-7', { until: app.clock.now() + 45 * 60_000 }));
    const id = await app.active(ada, { reason: 'OPS-7' });
    app.clock.pass(25 * 60);
    await app.run();
    expect(await app.useCases.extend(ada, id, 900)).toMatchObject({ grant: { extension: { duration: 900 } } });
    expect(await app.useCases.takeToken(ada, id)).toMatchObject({ token: { reveal: expect.any(Function) as unknown } });
  });

  test('keeps nobody from ending it', async () => {
    const id = await app.active(ada, { reason: 'OPS-7' });
    app.tickets.delete('OPS-7');
    expect(await app.useCases.revoke(ada, id, '')).toMatchObject({ grant: { state: 'ending' } });
  });

  test('is not replaced by another: the record has the one that was approved', async () => {
    const { grant } = await ask('OPS-7');
    app.tickets.set('OPS-7', allowed('OPS-9'));
    await review(cy, grant.id);
    expect((await app.grant(grant.id)).ticket?.key).toBe('OPS-7');
  });

  test('is missing where the policy has come to need one', async () => {
    start({ ticket: 'none' });
    const { grant } = await ask('checkout returns 502');
    app.setPolicy(policyWith({}));
    expect((await refusal(review(cy, grant.id))).message).toMatch(/Profile 'debug' needs a ticket/);
  });
});

describe('a profile that takes a ticket but needs none', () => {
  beforeEach(() => start({ ticket: 'optional' }));

  test('records it', async () => {
    expect((await ask('OPS-7')).grant.ticket?.key).toBe('OPS-7');
  });

  test('goes on without one that only its reason names and that does not count', async () => {
    app.tickets.set('OPS-7', CLOSED);
    for (const reason of ['OPS-7', 'UTF-8 is broken', 'nothing']) {
      const { grant } = await ask(reason);
      expect([grant.state, grant.ticket]).toEqual(['pending', undefined]);
    }
  });

  test('refuses one that was given beside the reason and does not count', async () => {
    app.tickets.set('OPS-7', CLOSED);
    expect((await refusal(ask('x', { ticketKey: 'OPS-7' }))).message).toMatch(/Done/);
  });
});

test('a profile that takes no ticket asks for none, and takes none beside the reason', async () => {
  start({ ticket: 'none' });
  expect((await ask('OPS-7')).grant.ticket).toBeUndefined();
  expect((await refusal(ask('x', { ticketKey: 'OPS-7' }))).message).toBe("Profile 'debug' takes no ticket.");
  expect(app.judged).toEqual([]);
});

describe('the condition ticket', () => {
  beforeEach(() => start({ ticket: 'optional', automatic: [{ when: { ticket: true, maximum: '30m' } }] }));

  /** Asked, and withdrawn, so that it can be asked again. */
  const becomes = async (reason: string) => {
    const { grant } = await ask(reason);
    await app.useCases.revoke(ada, grant.id, '');
    await app.run();
    return grant.state;
  };

  test('approves at once with one, and asks people without', async () => {
    expect(await becomes('OPS-7')).toBe('approved');
    app.tickets.set('OPS-7', CLOSED);
    for (const reason of ['OPS-7', 'OPS-8', 'nothing']) expect(await becomes(reason)).toBe('pending');
  });

  test('is said where it alone was missed', async () => {
    const target = { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } } as const;
    const preview = await app.useCases.preview(ada, { profile: 'debug', target, duration: null, reason: 'nothing' });
    expect(preview.missed).toBe('With a ticket it would have been approved at once.');
  });

  test('must hold when it is applied, too', async () => {
    const { grant } = await ask('OPS-7');
    app.tickets.set('OPS-7', CLOSED);
    await app.run();
    expect(await app.grant(grant.id)).toMatchObject({ state: 'cancelled' });
    expect(app.cluster.hasRights(grant.id)).toBe(false);
  });

  test('needs the approval of nobody who is asked, and decides for nobody else', async () => {
    const { grant } = await app.request(ben, { reason: 'nothing' });
    expect(await review(cy, grant.id)).toMatchObject({ grant: { state: 'approved' } });
  });
});
