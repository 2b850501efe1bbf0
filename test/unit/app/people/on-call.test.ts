import { beforeEach, describe, expect, test } from 'vitest';
import { Refusal } from '../../../../src/domain/errors.ts';
import type { PolicyInput } from '../../../../src/domain/policy/schema.ts';
import { account, appWorld, PEOPLE, POLICY } from '../../../support/app-world.ts';

/** Who is on call asks and decides: by what the source says at the moment of the decision. */
const { ada, ben, cy, dot } = PEOPLE;
type ProfileInput = PolicyInput['profiles'][string];
const DEBUG = POLICY.profiles.debug as ProfileInput;
const policyWith = (change: Partial<ProfileInput>): PolicyInput => ({
  ...POLICY,
  oncall: { payments: { pagerduty: { escalationPolicy: 'PABC123' } }, platform: { group: 'S0ONCALL01' } },
  profiles: { debug: { ...DEBUG, ...change } },
});

let app: ReturnType<typeof appWorld>;
const onCall = (...names: string[]) =>
  app.onCall.set(
    'PABC123',
    names.map((name) => `${name}@example.test`),
  );
const start = (change: Partial<ProfileInput>) => {
  app = appWorld(policyWith(change));
  onCall();
};
const review = async (by: string, id: string) => app.useCases.review(by, id, 'approve', '', await app.seen(id));
const refusal = (asked: Promise<unknown>): Promise<Refusal> =>
  asked.then(
    () => expect.fail('it was allowed'),
    (error: unknown) => (error instanceof Refusal ? error : Promise.reject(error as Error)),
  );
beforeEach(() => start({ approvers: { oncall: ['payments'] } }));

describe('an approver by on-call', () => {
  test('decides while the source names them, though it named somebody else when it was asked for', async () => {
    onCall('ben');
    const id = await app.pending(ada);
    onCall('cy');
    expect((await refusal(review(ben, id))).message).toMatch(/There is no request/);
    expect(await review(cy, id)).toMatchObject({ grant: { state: 'approved' } });
    expect(app.audit.find(({ event }) => event === 'approval')).toMatchObject({
      rule: 'profiles.debug.approvers (oncall: payments)',
    });
  });

  test('is known by the address that is confirmed', async () => {
    onCall('ben');
    const id = await app.pending(ada);
    app.accounts.set(ben, { ...account(ben, 'cy'), emailConfirmed: true });
    expect((await refusal(review(ben, id))).message).toMatch(/There is no request/);
  });

  test('never decides on a request of their own', async () => {
    onCall('ada');
    const id = await app.pending(ada);
    expect((await refusal(review(ada, id))).message).toMatch(/your own request/);
  });

  test('does not decide while the source can not be read, which is said and named', async () => {
    const id = await app.pending(ada);
    app.onCall.delete('PABC123');
    const refused = await refusal(review(cy, id));
    expect(refused.message).toMatch(/^Who is on call for payments can't be read now/);
    expect(refused.remedy).toBe('Try again in 20 s.');
    expect(refused.rule).toBe("profiles.debug.approvers (oncall: payments, which can't be read now)");
    expect(await app.grant(id)).toMatchObject({ state: 'pending', decisions: [] });
  });

  test('is denied first', async () => {
    start({ approvers: { oncall: ['payments'] }, deny: { users: ['cy@example.test'] } });
    onCall('cy');
    const id = await app.pending(ada);
    expect((await refusal(review(cy, id))).message).toMatch(/denies profile 'debug' to you/);
  });

  test('is not looked up for somebody whom another list names, nor for an end', async () => {
    start({ approvers: { users: ['ben@example.test'], oncall: ['payments'] } });
    app.onCall.delete('PABC123');
    const id = await app.active(ada);
    expect(await app.useCases.revoke(dot, id, '')).toMatchObject({ grant: { state: 'ending' } });
    const other = await app.active(ada);
    expect(await app.useCases.revoke(ada, other, '')).toMatchObject({ grant: { state: 'ending' } });
  });

  test('is a member of the user group of the source', async () => {
    start({ approvers: { oncall: ['platform'] } });
    const id = await app.pending(ada);
    expect((await refusal(review(cy, id))).message).toMatch(/on call for platform can't be read/);
    app.members.set('S0ONCALL01', [cy]);
    expect(await review(cy, id)).toMatchObject({ grant: { state: 'approved' } });
  });
});

describe('a requester by on-call', () => {
  beforeEach(() => start({ requesters: { oncall: ['payments'] } }));

  test('asks while they are on call, and is not given it when that is over before it is approved', async () => {
    expect((await refusal(app.request(ada))).message).toMatch(/You can't request/);
    onCall('ada');
    const id = await app.pending(ada);
    onCall('ben');
    expect((await refusal(review(cy, id))).message).toMatch(/would not take this request any more/);
  });

  test('is told which source can not be read', async () => {
    app.onCall.delete('PABC123');
    expect((await refusal(app.request(ada))).message).toMatch(/on call for payments can't be read now/);
  });
});

describe.each<[string, Partial<ProfileInput>]>([
  ['a list of entries', { automatic: [{ when: { oncall: ['payments'], maximum: '30m' } }] }],
  ['one entry', { automatic: { oncall: ['payments'], maximum: '30m' } }],
  ['members', { automatic: { members: { oncall: ['payments'] }, maximum: '30m' } }],
])('the condition oncall, in %s', (_form, change) => {
  beforeEach(() => start(change));

  test('approves at once for who is on call, and asks people for others', async () => {
    onCall('ada');
    const { grant } = await app.request(ada);
    expect(grant.state).toBe('approved');
    await app.useCases.revoke(ada, grant.id, '');
    await app.run();
    onCall('cy');
    expect(await app.request(ada)).toMatchObject({ grant: { state: 'pending' } });
  });

  test('asks people while the source can not be read', async () => {
    app.onCall.delete('PABC123');
    expect(await app.request(ada)).toMatchObject({ grant: { state: 'pending', approvalsNeeded: 1 } });
  });

  test('is judged again when it is applied: nothing is given to who has gone off call', async () => {
    onCall('ada');
    const { grant } = await app.request(ada);
    onCall('cy');
    await app.run();
    expect(app.cluster.hasRights(grant.id)).toBe(false);
    expect((await app.grant(grant.id)).state).not.toBe('active');
  });
});
