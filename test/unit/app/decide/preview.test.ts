import { beforeEach, describe, expect, test } from 'vitest';
import type { Ask } from '../../../../src/domain/decide/act.ts';
import { Unavailable } from '../../../../src/domain/errors.ts';
import { appWorld, PEOPLE, POLICY } from '../../../support/app-world.ts';

const { ada, ben, cy } = PEOPLE;
const ASK: Ask = {
  profile: 'debug',
  target: { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } },
  duration: null,
  reason: 'checkout returns 502',
};
const debug = POLICY.profiles.debug!;

let app: ReturnType<typeof appWorld>;
beforeEach(() => {
  app = appWorld();
});
const refusal = (rule: string | RegExp) =>
  expect.objectContaining({ name: 'Refusal', rule: expect.stringMatching(rule) as string });
/** Everything that a request leaves behind. */
const traces = async () => ({
  stored: (await app.world.store.open(() => true)).length,
  jobs: app.jobs().length,
  told: app.told.length,
  audit: app.audit.map((entry) => entry.event),
});
/** Another policy in the cluster, by which the target can be reached by all: the plan of a workspace is another then. */
const openTheTarget = () => app.cluster.target.policies.splice(0);

describe('a preview', () => {
  test('is the plan that a request would have, and leaves nothing behind', async () => {
    const { view, rule, digest } = await app.useCases.preview(ada, ASK);
    expect(view.grant).toMatchObject({ state: 'pending', duration: 1800, approvalsNeeded: 1 });
    expect(view.missing).toBe(1);
    expect(view.approvers).toMatchObject({ users: ['ben@example.test', 'cy@example.test'] });
    expect(rule).toBe('profiles.debug.requesters (users: ada@example.test)');
    expect(digest).toMatch(/^[0-9a-f]{12}$/);
    expect(await traces()).toEqual({ stored: 0, jobs: 0, told: 0, audit: [] });
    const { grant } = await app.useCases.request(ada, ASK);
    expect(grant.id).not.toBe(view.grant.id);
    expect(grant.digest).toBe(view.grant.digest);
  });

  test('is refused by the rules that would refuse the request; that somebody tried is in the audit', async () => {
    await expect(app.useCases.preview(cy, ASK)).rejects.toEqual(refusal('requesters'));
    await expect(app.useCases.preview(ada, { ...ASK, duration: 86_400 })).rejects.toEqual(refusal('duration.maximum'));
    expect(await traces()).toEqual({ stored: 0, jobs: 0, told: 0, audit: ['refused', 'refused'] });
  });

  test('says when the policy itself would approve, and by which rule', async () => {
    app.setPolicy({
      ...POLICY,
      profiles: { debug: { ...debug, automatic: { members: { users: ['ada@example.test'] }, maximum: '1h' } } },
    });
    const { view, rule } = await app.useCases.preview(ada, ASK);
    expect(view.grant.approvalsNeeded).toBe(0);
    expect(rule).toBe('profiles.debug.automatic (users: ada@example.test)');
    expect((await traces()).stored).toBe(0);
  });
});

describe('a request of what was shown', () => {
  test('is made when it would be just that', async () => {
    const { digest } = await app.useCases.preview(ada, ASK);
    const result = await app.useCases.requestAsShown(ada, ASK, digest);
    expect(result).toMatchObject({ requested: { grant: { state: 'pending' } } });
    expect(await traces()).toMatchObject({ stored: 1, audit: ['requested'] });
  });

  test.each<[string, () => void]>([
    ['the cluster', openTheTarget],
    ['the target', () => Object.assign(app.cluster.target, { uid: 'uid-2' })],
    ['the policy', () => app.setPolicy({ ...POLICY, profiles: { debug: { ...debug, description: 'other' } } })],
    ['who must approve', () => app.setPolicy({ ...POLICY, profiles: { debug: { ...debug, approvals: 2 } } })],
  ])('is shown anew, not made, when %s has changed since; that one can then be requested', async (_what, change) => {
    const { digest } = await app.useCases.preview(ada, ASK);
    change();
    const result = await app.useCases.requestAsShown(ada, ASK, digest);
    if (!('changed' in result)) throw new Error('it was requested');
    expect(result.changed.digest).not.toBe(digest);
    expect(await traces()).toEqual({ stored: 0, jobs: 0, told: 0, audit: [] });
    expect(await app.useCases.requestAsShown(ada, ASK, result.changed.digest)).toHaveProperty('requested');
  });

  test('is not made for who needs no approval now and was shown that one is needed', async () => {
    const members = { channels: ['C0ONCALL'] };
    app.setPolicy({ ...POLICY, profiles: { debug: { ...debug, automatic: { members, maximum: '1h' } } } });
    const { digest } = await app.useCases.preview(ada, ASK);
    app.members.set('C0ONCALL', [ada]);
    expect(await app.useCases.requestAsShown(ada, ASK, digest)).toHaveProperty('changed');
  });

  test.each(['', 'aaaaaaaaaaaa'])('is not made by the digest %j of nothing that was shown', async (digest) => {
    expect(await app.useCases.requestAsShown(ada, ASK, digest)).toHaveProperty('changed');
    expect((await traces()).stored).toBe(0);
  });

  test('is not made by another than the one it was shown to, nor for what is asked for in its place', async () => {
    const { digest } = await app.useCases.preview(ada, ASK);
    expect(await app.useCases.requestAsShown(ben, ASK, digest)).toHaveProperty('changed');
    expect(await app.useCases.requestAsShown(ada, { ...ASK, duration: 7200 }, digest)).toHaveProperty('changed');
    await expect(app.useCases.requestAsShown(cy, ASK, digest)).rejects.toEqual(refusal('requesters'));
    expect((await traces()).stored).toBe(0);
  });
});

describe('a look at a request that waits', () => {
  let id: string;
  beforeEach(async () => {
    ({ id } = (await app.request()).grant);
  });
  const look = async () => {
    const seen = await app.useCases.inspect(cy, id);
    if ('access' in seen) throw new Error('an approver may read all of it');
    return seen;
  };

  test('says that the plan is still the same, and changes nothing', async () => {
    const before = await traces();
    expect(await look()).toMatchObject({ view: { grant: { id } }, anew: { kind: 'same' } });
    expect(await traces()).toEqual(before);
  });

  test('shows the plan as it is now when it is another; the record stays as it was', async () => {
    const { digest, plan } = await app.grant(id);
    openTheTarget();
    const { view, anew } = await look();
    if (anew?.kind !== 'changed') throw new Error('not changed');
    expect(view.grant.plan).toEqual(plan);
    expect(anew.view.grant.plan.network).toMatchObject({ admits: false });
    expect((await app.grant(id)).digest).toBe(digest);
    // What it says is so: an approval asks again, with that plan.
    await app.run();
    const after = await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    expect(after.grant).toMatchObject({ state: 'pending', plan: { network: { admits: false } } });
  });

  test('says why it would be refused now', async () => {
    app.setPolicy({ ...POLICY, profiles: { debug: { ...debug, requesters: { users: ['ben@example.test'] } } } });
    expect(await look()).toMatchObject({ anew: { kind: 'refused', refusal: { rule: 'profiles.debug.requesters' } } });
  });

  test('shows what is on record while the cluster does not answer', async () => {
    app.cluster.access.survey = async () => {
      throw new Unavailable('Kubernetes', 'away');
    };
    expect(await look()).toMatchObject({ view: { grant: { id } }, anew: { kind: 'unknown' } });
  });

  test('of one that was decided on is what was approved', async () => {
    await app.run();
    await app.useCases.review(ben, id, 'approve', '', await app.seen(id));
    await app.run();
    openTheTarget();
    const { view, anew } = await look();
    expect(anew).toBeNull();
    expect(view.grant.plan.network).toMatchObject({ admits: true });
  });
});
