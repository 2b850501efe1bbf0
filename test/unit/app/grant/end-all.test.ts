import { describe, expect, test } from 'vitest';
import type { EndedAll } from '../../../../src/app/ports/use-cases.ts';
import { Unavailable } from '../../../../src/domain/errors.ts';
import { appWorld, on, PEOPLE } from '../../../support/app-world.ts';

const { ada, ben, cy, dot } = PEOPLE;

const inTeam = { target: { namespace: 'team-a', workload: { kind: 'Deployment', name: 'checkout' } } } as const;
const NONE: EndedAll = { ended: 0, withdrawn: 0, failures: 0, failed: [] };

const rule = (deed: Promise<unknown>) =>
  deed.then(
    () => null,
    ({ rule: by }: { rule: string }) => by,
  );

/** Access and a request of ada in one namespace, a request of ada in another, and one of ben. */
async function four() {
  const app = appWorld();
  const open = await app.active(ada);
  const waits = await app.pending(ada, on('shop'));
  const elsewhere = await app.pending(ada, inTeam);
  const ofBen = await app.pending(ben, on('cart'));
  const states = async () =>
    Promise.all([open, waits, elsewhere, ofBen].map(async (id) => (await app.grant(id)).state));
  return { app, open, waits, elsewhere, ofBen, states };
}

describe('the end of all that matches', () => {
  test.each([
    ['of a person', { person: ada }, ['revoked', 'cancelled', 'cancelled', 'pending'], 2],
    ['in a namespace', { namespace: 'staging' }, ['revoked', 'cancelled', 'pending', 'cancelled'], 2],
    [
      'of a person in a namespace',
      { person: ada, namespace: 'team-a' },
      ['active', 'pending', 'cancelled', 'pending'],
      1,
    ],
  ])('%s ends and withdraws that, and nothing else', async (_what, which, after, withdrawn) => {
    const { app, states } = await four();
    const ended = after.filter((state) => state === 'revoked').length;
    expect(await app.useCases.endAll(dot, which)).toEqual({ ...NONE, ended, withdrawn });
    await app.run();
    expect(await states()).toEqual(after);
    // Each is on record, with who it was and why.
    const noted = app.audit.filter(({ event }) => event === 'ending' || event === 'cancelled');
    expect(noted).toHaveLength(ended + withdrawn);
    for (const entry of noted)
      expect(entry).toMatchObject({
        actor: { slackId: dot },
        note: expect.stringMatching(/^Everything .* was ended at once/),
      });
    // Whom it concerns is told.
    expect(app.told.some(({ state }) => state === 'cancelled')).toBe(true);
  });

  test('is known by the account alone where that account can’t be looked up any more', async () => {
    const { app, states } = await four();
    app.accounts.delete(ada);
    expect(await app.useCases.endAll(dot, { person: ada })).toEqual({ ...NONE, ended: 1, withdrawn: 2 });
    await app.run();
    expect(await states()).toEqual(['revoked', 'cancelled', 'cancelled', 'pending']);
  });

  test('is of the person, by whichever account of theirs it was asked for', async () => {
    const { app, states } = await four();
    const second = 'U0ADA2';
    app.accounts.set(second, { ...app.accounts.get(ada)!, slackId: second });
    expect(await app.useCases.endAll(dot, { person: second })).toEqual({ ...NONE, ended: 1, withdrawn: 2 });
    await app.run();
    expect(await states()).toEqual(['revoked', 'cancelled', 'cancelled', 'pending']);
  });

  test.each([ada, ben, cy])('is refused to %s, who is no administrator, and that is in the audit', async (who) => {
    const { app, states } = await four();
    expect(await rule(app.useCases.endAll(who, { person: ada }))).toBe('administrators');
    expect(await states()).toEqual(['active', 'pending', 'pending', 'pending']);
    expect(app.audit.filter(({ event }) => event === 'refused')).toMatchObject([
      { rule: 'administrators', actor: { slackId: who }, note: expect.stringContaining('end all: ') },
    ]);
  });

  test.each([{}, { cluster: 'eu' }])(
    'is refused of %j, which names neither a person nor a namespace',
    async (which) => {
      const { app, states } = await four();
      expect(await rule(app.useCases.endAll(dot, which))).toBe('which');
      expect(await states()).toEqual(['active', 'pending', 'pending', 'pending']);
    },
  );

  test('goes on where one can’t be ended, says which, and ends that when it is pressed again', async () => {
    const { app, waits, states } = await four();
    const { change } = app.world.store;
    const fault = new Unavailable('Redis', 'no answer');
    app.world.store.change = async (id, ...rest) => {
      if (id === waits) throw fault;
      return change(id, ...rest);
    };
    const came = await app.useCases.endAll(dot, { namespace: 'staging' });
    expect(came).toMatchObject({ ended: 1, withdrawn: 1, failures: 1, failed: [{ id: waits }] });
    expect(came.failed[0]?.error).toBeInstanceOf(Unavailable);
    app.world.store.change = change;
    expect(await app.useCases.endAll(dot, { namespace: 'staging' })).toEqual({ ...NONE, withdrawn: 1 });
    await app.run();
    expect(await states()).toEqual(['revoked', 'cancelled', 'pending', 'cancelled']);
  });

  test('pressed twice ends each once', async () => {
    const { app } = await four();
    await Promise.all([app.useCases.endAll(dot, { person: ada }), app.useCases.endAll(dot, { person: ada })]);
    expect(await app.useCases.endAll(dot, { person: ada })).toEqual(NONE);
    await app.run();
    const noted = app.audit.filter(({ event }) => event === 'ending' || event === 'cancelled');
    expect(noted.map(({ id }) => id).toSorted()).toEqual([...new Set(noted.map(({ id }) => id))].toSorted());
    expect(noted).toHaveLength(3);
  });

  test('counts nothing that has ended since it was looked up', async () => {
    const { app, waits } = await four();
    const { summaries } = app.world.store;
    app.world.store.summaries = async function* () {
      const portions = [];
      for await (const portion of summaries()) portions.push(portion);
      await app.useCases.revoke(ada, waits, '');
      yield* portions;
      // One may come twice.
      yield* portions;
    };
    const came = await app.useCases.endAll(dot, { person: ada, namespace: 'staging' });
    expect(came).toMatchObject({ withdrawn: 0, failures: 0 });
    expect(came.ended).toBeGreaterThan(0);
  });

  test('says why of a few of many that fail', async () => {
    const app = appWorld();
    for (let i = 0; i < 9; i++) await app.request(ada, on(`shop-${i}`));
    app.world.store.change = async () => {
      throw new Unavailable('Redis', 'no answer');
    };
    const came = await app.useCases.endAll(dot, { person: ada });
    expect(came).toMatchObject({ ended: 0, withdrawn: 0, failures: 9 });
    expect(came.failed).toHaveLength(5);
  });
});
