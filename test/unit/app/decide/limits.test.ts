import { describe, expect, it } from 'vitest';
import { createUseCases } from '../../../../src/app/create-use-cases.ts';
import type { World } from '../../../../src/app/ports/world.ts';
import { extensionDigest } from '../../../../src/domain/decide/extension.ts';
import { Refusal } from '../../../../src/domain/errors.ts';
import { shortDigest } from '../../../../src/domain/plan/plan.ts';
import type { PolicyInput } from '../../../../src/domain/policy/schema.ts';
import { appWorld, on, PEOPLE, POLICY } from '../../../support/app-world.ts';

const outcome = (work: Promise<unknown>) =>
  work.then(
    () => 'made',
    (error: unknown) => (error instanceof Refusal ? error.rule : String(error)),
  );

describe('limits hold, however much comes at once', () => {
  it('of thirty requests of one person ten are made', async () => {
    const app = appWorld();
    const asked = await Promise.all(
      Array.from({ length: 30 }, (_, i) => outcome(app.request(PEOPLE.ada, on(`w-${i}`)))),
    );
    expect(asked.filter((one) => one === 'made')).toHaveLength(10);
    expect(asked.filter((one) => one === 'pending')).toHaveLength(20);
    await app.run();
    expect(app.told.filter(({ news }) => news === 'message')).toHaveLength(10);
    expect(await outcome(app.request(PEOPLE.ben))).toBe('made');
    expect(app.audit.filter(({ event }) => event === 'requested')).toHaveLength(11);
  });

  it('a longer window can be asked for five times before somebody answers', async () => {
    const app = appWorld();
    const { grant } = await app.request();
    await app.run();
    await app.useCases.review(PEOPLE.ben, grant.id, 'approve', '', await app.seen(grant.id));
    await app.run();
    const ask = (seconds: number) => outcome(app.useCases.extend(PEOPLE.ada, grant.id, seconds));
    const asked = await Promise.all(Array.from({ length: 12 }, (_, i) => ask(60 + i)));
    expect(asked.filter((one) => one === 'made')).toHaveLength(5);
    expect(asked.filter((one) => one === 'extension')).toHaveLength(7);
    const active = await app.grant(grant.id);
    if (active.extension === null) throw new Error('nothing is asked for');
    const digest = shortDigest(extensionDigest(active, active.extension));
    await app.useCases.reviewExtension(PEOPLE.ben, grant.id, 'deny', '', { digest, message: null });
    expect(await ask(90)).toBe('made');
  });
});

describe('a request that the policy was to approve, whose process died before it did', () => {
  const { debug } = POLICY.profiles;
  const withAutomatic = (users: string[]): PolicyInput => ({
    ...POLICY,
    profiles: { debug: { ...debug, automatic: { members: { users }, maximum: '2h' } } } as PolicyInput['profiles'],
  });
  const ADA = ['ada@example.test'];

  /** Ada's request, in a process that dies when it begins to approve; whether its message got out before. */
  async function left(posted: boolean) {
    const app = appWorld(withAutomatic(ADA));
    const dies = async () => {
      throw new Error('the process is dead');
    };
    const dying: World = { ...app.world, store: { ...app.world.store, change: dies } };
    await expect(createUseCases(dying).request(PEOPLE.ada, ASK)).rejects.toThrow('the process is dead');
    const [open] = await app.world.store.open(() => true);
    if (open === undefined) throw new Error('nothing was requested');
    if (posted) await app.run();
    return { app, id: open.id, state: async () => (await app.grant(open.id)).state };
  }
  const ASK = {
    profile: 'debug',
    target: { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } },
    duration: null,
    reason: 'checkout returns 502',
  } as const;

  it.each([true, false])('is carried on (its message was posted: %s), once', async (posted) => {
    const { app, state } = await left(posted);
    await app.reconcile();
    // The process that made it may only be slow.
    expect(await state()).toBe('pending');
    app.clock.pass(10);
    await Promise.all([app.reconcile(), app.reconcile()]);
    await app.run();
    expect(await state()).toBe('active');
    const approvals = app.audit.filter(({ event }) => event === 'approval');
    expect(approvals).toMatchObject([{ actor: null, rule: 'profiles.debug.automatic (users: ada@example.test)' }]);
  });

  it('waits while it can not be read who is in the list by which the policy approves', async () => {
    const { app, id, state } = await left(true);
    app.setPolicy({
      ...POLICY,
      profiles: {
        debug: { ...debug, automatic: { members: { groups: ['S0CALL'] }, maximum: '2h' } } as never,
      },
    });
    app.clock.pass(10);
    await app.reconcile();
    expect((await app.grant(id)).approvalsNeeded).toBe(0);
    expect(await state()).toBe('pending');
  });

  it('is left to people when the policy would not approve it any more', async () => {
    const { app, id, state } = await left(true);
    app.setPolicy(POLICY);
    app.clock.pass(10);
    await app.reconcile();
    await app.run();
    expect(await state()).toBe('pending');
    expect((await app.grant(id)).approvalsNeeded).toBe(1);
    await app.reconcile();
    expect(app.audit.filter(({ event }) => event === 'asked-again')).toHaveLength(1);
  });

  it('gives nothing to somebody who has left meanwhile', async () => {
    const { app, state } = await left(true);
    const account = app.accounts.get(PEOPLE.ada);
    if (account !== undefined) app.accounts.set(PEOPLE.ada, { ...account, deactivated: true });
    app.clock.pass(10);
    await app.reconcile();
    await app.run();
    expect(await state()).toBe('pending');
    expect(app.audit.filter(({ event }) => event === 'approval')).toEqual([]);
  });

  it('is shown to people when the plan is another one now', async () => {
    const { app, id, state } = await left(true);
    app.cluster.target.uid = 'uid-2';
    app.clock.pass(10);
    await app.reconcile();
    await app.run();
    expect(await state()).toBe('pending');
    expect((await app.grant(id)).approvalsNeeded).toBe(1);
    expect(app.told.map(({ news }) => news)).toContain('asked-again');
  });

  it('waits while nothing can be given', async () => {
    const { app, state } = await left(true);
    app.conditions.report(
      { name: 'leash', severity: 'degraded', refuses: 'giving' },
      { lacks: 'no leash', todo: 'Look.' },
    );
    app.clock.pass(10);
    await app.reconcile();
    expect(await state()).toBe('pending');
    app.conditions.report({ name: 'leash', severity: 'degraded', refuses: 'giving' }, null);
    await app.reconcile();
    await app.run();
    expect(await state()).toBe('active');
  });
});

describe('something that is missing', () => {
  const CHANNEL = { name: 'slack channel', severity: 'degraded', refuses: 'asking' } as const;
  const GONE = { lacks: 'the channel is archived', todo: 'Unarchive it.' };

  it('refuses by name what people must be asked for, and not what the policy approves', async () => {
    const app = appWorld();
    app.conditions.report(CHANNEL, GONE);
    await expect(app.request()).rejects.toMatchObject({
      rule: 'slack channel',
      message: 'Nothing is granted now, since the channel is archived.',
    });
    app.setPolicy({
      ...POLICY,
      profiles: {
        debug: { ...POLICY.profiles['debug'], automatic: { members: { users: ['ada@example.test'] }, maximum: '2h' } },
      } as PolicyInput['profiles'],
    });
    expect(await outcome(app.request())).toBe('made');
  });

  it('that giving needs refuses approvals too, until it is there', async () => {
    const app = appWorld();
    const { grant } = await app.request();
    await app.run();
    const approve = async () =>
      outcome(app.useCases.review(PEOPLE.ben, grant.id, 'approve', '', await app.seen(grant.id)));
    app.conditions.report({ ...CHANNEL, name: 'leash', refuses: 'giving' }, GONE);
    expect(await approve()).toBe('leash');
    app.conditions.report({ ...CHANNEL, name: 'leash', refuses: 'giving' }, null);
    expect(await approve()).toBe('made');
  });
});

describe('lists', () => {
  /** So many requests of many people wait, and are read as few as it takes. */
  async function crowd(count: number) {
    const app = appWorld();
    const { grant } = await app.request();
    const { records } = app.world.store;
    const read: number[] = [];
    for (let i = 1; i < count; i++)
      await app.world.store.create({
        ...grant,
        id: `g-${String(i)
          .replaceAll(/./g, (digit) => 'abcdefghjk'[Number(digit)] ?? '')
          .padStart(6, 'm')}`,
        requester: { ...grant.requester, slackId: `U0P${i}`, user: `p${i}@example.test` },
        createdAt: grant.createdAt + (i % 7) * 1000 + i,
      });
    const store = {
      ...app.world.store,
      open: async () => {
        throw new Error('all records were read');
      },
      records: (ids: readonly string[]) => {
        read.push(ids.length);
        return records(ids);
      },
    };
    const useCases = createUseCases({ ...app.world, store });
    return { app, read, list: (by: string) => useCases.list(by) };
  }

  it('read the newest of what waits by the page, and no more pages than are shown', async () => {
    const { read, list } = await crowd(230);
    const { waiting, mine, more } = await list(PEOPLE.ben);
    expect([waiting.length, mine.length, more]).toEqual([50, 0, true]);
    expect(read).toEqual([0, 50]);
    const times = waiting.map(({ grant }) => grant.createdAt);
    expect(times).toEqual(times.toSorted((a, b) => b - a));
    expect(times[0]).toBe(Math.max(...times));
  });

  it('have all where that is little, and one’s own in any case', async () => {
    const { read, list, app } = await crowd(40);
    const own = await list(PEOPLE.ada);
    expect([own.waiting.length, own.mine.length, own.more]).toEqual([0, 1, false]);
    expect(read).toEqual([1, 40]);
    await app.request(PEOPLE.ben);
    const { waiting, mine, more } = await list(PEOPLE.cy);
    expect([waiting.length, mine.length, more]).toEqual([41, 0, false]);
  });
});
