import { beforeEach, describe, expect, test } from 'vitest';
import type { Found } from '../../../../src/app/ports/own-objects.ts';
import { reconcile, reconcileGrant } from '../../../../src/app/upkeep/reconcile.ts';
import { Unavailable } from '../../../../src/domain/errors.ts';
import { appWorld, followedIn, ownOf, PEOPLE } from '../../../support/app-world.ts';

const WORKSPACES = 'drawbridge-workspaces';

let app: ReturnType<typeof appWorld>;
let id: string;
beforeEach(async () => {
  app = appWorld();
  ({ id } = (await app.request()).grant);
  await app.useCases.review(PEOPLE.ben, id, 'approve', '', await app.seen(id));
  await app.run();
  expect((await app.grant(id)).state).toBe('active');
  app.alarms.length = 0;
});

/** The cluster lists what it holds in another form, or more than it holds. */
function listed(change: (found: Found) => Partial<Found>, more: Partial<Found>[] = []): void {
  const { found } = app.cluster.access;
  app.cluster.access.found = async () => {
    const objects = await found();
    const [first] = objects;
    return [
      ...objects.map((object) => ({ ...object, ...change(object) })),
      ...(first === undefined ? [] : more.map((one) => ({ ...first, ...one }))),
    ];
  };
}
async function look(): Promise<void> {
  await app.reconcile();
  await app.run();
}
/** What is followed after a look; these are before it. */
async function followed(...before: string[]): Promise<string[]> {
  const ids = new Set(before);
  await reconcile(app.world, null, ownOf(await app.byGrant()), followedIn(ids), () => {});
  return [...ids];
}
const isBinding = ({ kind }: Found) => kind === 'RoleBinding';

describe('an active grant that is whole', () => {
  test('is neither read nor changed', async () => {
    const read: string[] = [];
    const { get } = app.world.store;
    app.world.store.get = async (of) => {
      read.push(of);
      return get(of);
    };
    const { records } = app.world.store;
    app.world.store.records = async (ids) => {
      read.push(...ids);
      return records(ids);
    };
    expect(await followed(id)).toEqual([id]);
    expect(read).toEqual([]);
  });

  test('is followed, and what waits for its decision is not', async () => {
    await app.request(PEOPLE.ben, { target: { namespace: 'team-a', workload: { kind: 'Deployment', name: 'shop' } } });
    await app.run();
    expect(await followed()).toEqual([id]);
  });

  test('is followed no more once it has ended, nor what nobody knows', async () => {
    expect(await followed(id, 'g-zzzzzz')).toEqual([id]);
    await app.useCases.revoke(PEOPLE.ada, id, '');
    expect(await followed(id)).toEqual([]);
  });

  test('is followed still where it began during the look', async () => {
    const { summaries } = app.world.store;
    const ids = new Set<string>();
    app.world.store.summaries = async function* () {
      yield* summaries();
      ids.add('g-zzzzzz');
    };
    await reconcile(app.world, null, ownOf(await app.byGrant()), followedIn(ids), () => {});
    expect([...ids]).toEqual(['g-zzzzzz', id]);
  });

  test('is followed, and no more once it has ended, also where nothing is known of its objects', async () => {
    const fault = new Unavailable('Kubernetes', 'the watches are down');
    const unknown = () => {
      throw fault;
    };
    const whole = ownOf(await app.byGrant());
    const faults: unknown[] = [];
    const ids = new Set(['g-zzzzzz']);
    for (const own of [
      { ids: unknown, of: unknown },
      { ...whole, of: unknown },
    ]) {
      await expect(reconcile(app.world, null, own, followedIn(ids), (error) => faults.push(error))).rejects.toBe(fault);
      expect([...ids]).toEqual([id]);
      ids.clear();
      ids.add('g-zzzzzz');
    }
    expect([faults, (await app.grant(id)).state]).toEqual([[], 'active']);
  });

  test('is followed again when Redis lost it, and it was adopted', async () => {
    app.loseRedis();
    expect(await followed(id)).toEqual([id]);
  });

  test.each<[string, (found: Found) => Partial<Found>]>([
    ['whose objects have another end than the record', (found) => (isBinding(found) ? { expiresAt: 1 } : {})],
    ['whose lease is marked as ending', (found) => (found.kind === 'Job' ? { ending: true } : {})],
    ['whose binding is being deleted', (found) => (isBinding(found) ? { deleting: true } : {})],
    ['whose binding has no seal', (found) => (isBinding(found) ? { sealed: false } : {})],
  ])('is looked at again: %s', async (_what, change) => {
    listed(change);
    const read: string[] = [];
    const { get } = app.world.store;
    app.world.store.get = async (of) => {
      read.push(of);
      return get(of);
    };
    await look();
    expect(read).toContain(id);
  });
});

test('objects with another end than the record are brought to it', async () => {
  listed((found) => (isBinding(found) ? { expiresAt: (found.expiresAt ?? 0) - 60_000 } : {}));
  const extended: string[] = [];
  app.cluster.access.extend = async (grant) => void extended.push(grant.id);
  await look();
  expect(extended).toEqual([id]);
  expect((await app.grant(id)).state).toBe('active');
});

test.each<[string, (found: Found) => Partial<Found>]>([
  ['that have no end of their own', (found) => (isBinding(found) ? { expiresAt: null } : {})],
  ['that are as they should be', () => ({})],
])('objects %s are left as they are', async (_what, change) => {
  listed(change);
  const extended: string[] = [];
  app.cluster.access.extend = async (grant) => void extended.push(grant.id);
  await look();
  expect(extended).toEqual([]);
  expect((await app.grant(id)).state).toBe('active');
});

describe('what has no seal of ours', () => {
  test('where an object of the grant stood is an incident: its rights go', async () => {
    listed((found) => (isBinding(found) ? { sealed: false } : {}));
    await look();
    expect(app.alarms.join()).toContain(`the rights of ${id} are taken`);
    expect(app.cluster.hasRights(id)).toBe(false);
    expect((await app.grant(id)).state).toBe('failed');
  });

  test('or has lost its lease is one as well, and is told as what it is', async () => {
    listed((found) => (isBinding(found) ? { sealed: false, orphaned: true } : {}));
    await look();
    expect(app.alarms.join()).toContain('has lost its lease');
    expect(app.cluster.hasRights(id)).toBe(false);
  });

  test('elsewhere is an imitation: told, not touched, and the grant goes on', async () => {
    const removed: string[] = [];
    app.cluster.access.remove = async ({ name }) => removed.push(name) > 0;
    listed(() => ({}), [{ kind: 'RoleBinding', name: 'look-alike', uid: 'x', sealed: false, expiresAt: null }]);
    await look();
    expect(app.alarms.join()).toContain('RoleBinding staging/look-alike carries');
    expect(removed).toEqual([]);
    expect([app.cluster.hasRights(id), (await app.grant(id)).state]).toEqual([true, 'active']);
  });

  test('and is being deleted is neither', async () => {
    listed(() => ({}), [{ kind: 'RoleBinding', name: 'look-alike', uid: 'x', sealed: false, deleting: true }]);
    await look();
    expect(app.alarms).toEqual([]);
    expect((await app.grant(id)).state).toBe('active');
  });
});

describe('what was changed', () => {
  const put = (state: 'applying' | 'active' | 'ending') => app.world.store.change(id, (grant) => ({ ...grant, state }));
  const lookOnce = async (change: Partial<Found>) => {
    const objects = (await app.byGrant()).get(id) ?? [];
    const seen = objects.map((found) => ({ ...found, ...(isBinding(found) ? { sealed: false, ...change } : {}) }));
    return reconcileGrant(app.world, null, id, seen);
  };
  const alarms = () => app.jobs().filter(({ job }) => job.kind === 'alarm');
  const subjects = () => app.audit.filter(({ event }) => event === 'alarm').map(({ rule }) => rule);

  test('while it ends, and gives nothing any more, the ending has emptied: no incident', async () => {
    await put('ending');
    await lookOnce({ inert: true });
    expect(alarms()).toEqual([]);
  });

  test('while it ends, and gives rights, is an incident: they go', async () => {
    await put('ending');
    await lookOnce({ inert: false });
    expect(alarms()).toHaveLength(1);
    expect(app.cluster.hasRights(id)).toBe(false);
  });

  test('while it is active is an incident, also where it gives nothing any more', async () => {
    await lookOnce({ inert: true });
    expect(subjects()).toEqual(['tampering', 'other']);
    expect((await app.grant(id)).state).toBe('ending');
  });

  test('while it is applied is judged after that, since whoever applies it tells the cause', async () => {
    await put('applying');
    expect((await lookOnce({}))?.state).toBe('applying');
    expect([alarms(), (await app.grant(id)).state, app.cluster.hasRights(id)]).toEqual([[], 'applying', true]);
    await put('active');
    await lookOnce({});
    expect([alarms().length > 0, app.cluster.hasRights(id)]).toEqual([true, false]);
  });
});

test('one object of another version is enough to leave a grant alone', async () => {
  listed((found) => ({ sealed: false, ...(isBinding(found) ? { otherVersion: true } : {}) }));
  await look();
  expect([app.alarms, app.cluster.hasRights(id)]).toEqual([[], true]);
});

test('an ending that only the lease knows of goes on, with its cause and its person', async () => {
  const grant = await app.grant(id);
  const by = { slackId: PEOPLE.ben, name: 'ben', user: 'ben@example.test', groups: [] };
  const ending = { cause: 'revoked', since: app.clock.now(), by, note: 'enough' } as const;
  const record = {
    ...grant,
    state: 'ending' as const,
    ending: { ...ending, rightsGoneAt: null, policyGoneAt: null, workspaceGoneAt: null },
  };
  listed((found) => (found.kind === 'Job' ? { ending: true, record: async () => record } : {}));
  await look();
  expect(await app.grant(id)).toMatchObject({ state: 'revoked', ending: { cause: 'revoked', note: 'enough', by } });
});

test('objects of a grant that has ended are taken away, and that is recorded once', async () => {
  const held = { ...app.cluster.held.get(id) };
  await app.useCases.revoke(PEOPLE.ada, id, '');
  await app.run();
  expect(app.cluster.held.size).toBe(0);
  app.cluster.held.set(id, held);
  await look();
  expect(app.cluster.held.size).toBe(0);
  await look();
  expect(app.audit.filter(({ event }) => event === 'taken-away').map((entry) => entry.id)).toEqual([id]);
});

describe('what neither Redis nor a record knows', () => {
  beforeEach(() => app.loseRedis());
  const noRecord = { record: async () => null };

  test('has its time while its lease is there, though its record can not be read', async () => {
    listed(() => noRecord);
    await look();
    expect([app.cluster.hasRights(id), app.alarms]).toEqual([true, []]);
  });

  test('goes once its time is over', async () => {
    const { expiresAt } = app.cluster.held.get(id)?.lease ?? {};
    listed(() => noRecord);
    app.clock.set((expiresAt ?? 0) - 1);
    await look();
    expect(app.cluster.hasRights(id)).toBe(true);
    app.clock.set(expiresAt ?? 0);
    await look();
    expect(app.cluster.hasRights(id)).toBe(false);
  });

  test.each<[string, Partial<Found>]>([
    ['no lease', { kind: 'NetworkPolicy' }],
    ['a lease without a seal, whose owner is gone', { sealed: false, orphaned: true }],
    ['the lease in the namespace of workspaces only', { namespace: WORKSPACES }],
    ['the Job of its workspace only', { name: 'drawbridge-workspace' }],
  ])('goes at once where it has %s, and administrators hear of the rights', async (_what, change) => {
    listed((found) => ({ ...noRecord, ...(found.kind === 'Job' ? change : {}) }));
    await look();
    expect(app.cluster.hasRights(id)).toBe(false);
    expect(app.alarms.join()).toContain(`Neither Redis nor a lease knows ${id} any more`);
    expect(app.audit.find(({ event }) => event === 'alarm')?.rule).toBe('tampering');
  });

  test('without rights is only recorded', async () => {
    delete app.cluster.held.get(id)?.rights;
    delete app.cluster.held.get(id)?.lease;
    await look();
    expect(app.alarms).toEqual([]);
    expect(app.audit.at(-1)).toMatchObject({ event: 'taken-away', id });
  });

  test('is left alone when its lease is there at the second look', async () => {
    const { found } = app.cluster.access;
    let looks = 0;
    app.cluster.access.found = async () => {
      const objects = (await found()).map((object) => ({ ...object, ...noRecord }));
      return ++looks === 1 ? objects.filter(({ kind }) => kind !== 'Job') : objects;
    };
    await look();
    expect(looks).toBe(2);
    expect([app.cluster.hasRights(id), app.alarms]).toEqual([true, []]);
  });

  test('is nothing any more when it is gone at the second look', async () => {
    const { found } = app.cluster.access;
    let looks = 0;
    app.cluster.access.found = async () =>
      ++looks === 1 ? (await found()).filter(isBinding).map((object) => ({ ...object, ...noRecord })) : [];
    await look();
    expect([looks, app.alarms]).toEqual([2, []]);
    expect(app.audit.some(({ event }) => event === 'taken-away')).toBe(false);
  });

  test('takes nothing of another grant with it', async () => {
    const other = 'g-zzzzzz';
    const { found } = app.cluster.access;
    let looks = 0;
    app.cluster.access.found = async () => {
      const bindings = (await found()).filter(isBinding).map((object) => ({ ...object, ...noRecord }));
      return ++looks === 1 ? bindings : [...bindings, ...bindings.map((o) => ({ ...o, id: other, uid: 'other' }))];
    };
    const removed: (string | null)[] = [];
    app.cluster.access.remove = async (object) => removed.push(object.id) > 0;
    await look();
    expect(removed).toEqual([id]);
  });
});
