import { expect, test } from 'vitest';
import { createUseCases } from '../../../../src/app/create-use-cases.ts';
import { Declined, Unavailable } from '../../../../src/domain/errors.ts';
import { appWorld, on, PEOPLE, POLICY } from '../../../support/app-world.ts';

const WORDS = 'failed calling webhook "mesh.example.test": connection refused';

test.each([
  [
    'its own no',
    new Declined('PATCH: 422 no', 'exceeded quota: no-jobs'),
    'The cluster did not take it: exceeded quota: no-jobs',
  ],
  [
    'a webhook that is away',
    new Unavailable('Kubernetes', 'PATCH: 500', { words: WORDS }),
    `The cluster could not take it: ${WORDS}`,
  ],
  [
    'no answer',
    new Unavailable('Kubernetes', 'PATCH /secret/path: no answer'),
    'The cluster did not answer, or the workspace did not start, in time.',
  ],
  ['a fault', new Error('a secret'), 'The cluster did not take it.'],
  ['a long no', new Declined('no', 'x'.repeat(2000)), `The cluster did not take it: ${'x'.repeat(900)}`],
])('what could not be applied is told by its cause: %s', async (_name, error, note) => {
  const app = appWorld();
  const { id } = (await app.request()).grant;
  app.cluster.access.placeLeases = async () => {
    // What may pass has passed its time.
    app.clock.set(app.clock.now() + 61_000);
    throw error;
  };
  await app.useCases.review(PEOPLE.ben, id, 'approve', '', await app.seen(id));
  await app.run().catch(() => {});
  expect((await app.grant(id)).ending?.note).toBe(note);
});

test('what is approved with another plan while the first is still judged is not applied with the first', async () => {
  const app = appWorld();
  const id = await app.pending();
  await app.useCases.review(PEOPLE.ben, id, 'approve', '', await app.seen(id));
  const { survey } = app.cluster.access;
  app.cluster.access.survey = async (...about) => {
    await app.world.store.change(id, (grant) => ({ ...grant, digest: 'another' }));
    return survey(...about);
  };
  await app.run();
  expect((await app.grant(id)).state).toBe('approved');
  expect(app.cluster.hasRights(id)).toBe(false);
});

test.each(['staleSince', 'unprobed'] as const)(
  'what people have approved waits for what is not known in this moment: %s',
  async (what) => {
    const app = appWorld();
    const { debug } = POLICY.profiles;
    if (debug === undefined) throw new Error('no profile');
    app.setPolicy({ ...POLICY, profiles: { debug: { ...debug, network: { ...debug.network, strict: true } } } });
    const id = await app.pending();
    await app.useCases.review(PEOPLE.ben, id, 'approve', '', await app.seen(id));
    const { survey } = app.cluster.access;
    const unknown = { staleSince: { staleSince: 0 }, unprobed: { unprobed: 'no canary is Ready' } };
    app.cluster.access.survey = async (...about) => ({ ...(await survey(...about)), ...unknown[what] });
    await app.run();
    expect((await app.grant(id)).state).toBe('approved');
    app.cluster.access.survey = survey;
    await app.reconcile();
    await app.run();
    expect((await app.grant(id)).state).toBe('active');
  },
);

test('the message says that it is approved only where it is not open soon', async () => {
  const app = appWorld();
  const statesTold = (of: string) =>
    app.told.filter(({ id, news }) => id === of && news === 'message').map(({ state }) => state);
  expect(statesTold(await app.active())).toEqual(['pending', 'active']);

  const slow = await app.pending(PEOPLE.ada, on('ledger'));
  app.cluster.access.placeLeases = async () => {
    throw new Unavailable('Kubernetes', 'no answer');
  };
  await app.useCases.review(PEOPLE.ben, slow, 'approve', '', await app.seen(slow));
  await app.run().catch(() => {});
  app.clock.set(app.clock.now() + 500);
  await app.run().catch(() => {});
  expect(statesTold(slow)).toEqual(['pending', 'applying']);
});

test('who approves and who benefits are looked up at the same time', async () => {
  const app = appWorld();
  const id = await app.pending();
  const { directory } = app.world;
  const asked: string[] = [];
  const both = Promise.withResolvers<void>();
  const account = async (slackId: string) => {
    asked.push(slackId);
    if (asked.length === 2) both.resolve();
    await both.promise;
    return directory.account(slackId);
  };
  const { review } = createUseCases({ ...app.world, directory: { ...directory, account } });
  await review(PEOPLE.ben, id, 'approve', '', await app.seen(id));
  expect(asked.toSorted()).toEqual([PEOPLE.ada, PEOPLE.ben].toSorted());
});

test('the cluster and the people are looked at side by side when a plan is made anew', async () => {
  const app = appWorld();
  const id = await app.pending();
  await app.useCases.review(PEOPLE.ben, id, 'approve', '', await app.seen(id));
  const surveyed = Promise.withResolvers<void>();
  const { survey } = app.cluster.access;
  app.cluster.access.survey = (...about) => {
    surveyed.resolve();
    return survey(...about);
  };
  const { directory } = app.world;
  const account = (slackId: string) => surveyed.promise.then(() => directory.account(slackId));
  await app.run({ ...app.world, directory: { ...directory, account } });
  expect((await app.grant(id)).state).toBe('active');
});

test('rights that come only after the window are not looked at any longer, so that the revocation need not wait', async () => {
  const app = appWorld();
  const id = await app.pending();
  await app.useCases.review(PEOPLE.ben, id, 'approve', '', await app.seen(id));
  const { giveRights, verify } = app.cluster.access;
  let verified = 0;
  app.cluster.access.verify = (grant) => {
    verified += 1;
    return verify(grant);
  };
  app.cluster.access.giveRights = async (grant, ...pods) => {
    await giveRights(grant, ...pods);
    app.clock.set(grant.expiresAt ?? 0);
  };
  await app.run();
  expect(verified).toBe(0);
  expect(app.cluster.hasRights(id)).toBe(false);
  expect((await app.grant(id)).state).toBe('expired');
});
