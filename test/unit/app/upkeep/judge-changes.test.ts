import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Found } from '../../../../src/app/ports/own-objects.ts';
import { type ChangeJudge, createChangeJudge } from '../../../../src/app/upkeep/judge-changes.ts';
import { Unavailable } from '../../../../src/domain/errors.ts';
import { appWorld, PEOPLE } from '../../../support/app-world.ts';

let app: ReturnType<typeof appWorld>;
let id: string;
let judge: ChangeJudge;
let objects: (of: string) => readonly Found[];
let records: string[];
let faults: unknown[];
beforeEach(async () => {
  app = appWorld();
  ({ id } = (await app.request()).grant);
  await app.useCases.review(PEOPLE.ben, id, 'approve', '', await app.seen(id));
  await app.run();
  const there = await app.byGrant();
  objects = (of) => there.get(of) ?? [];
  records = [];
  faults = [];
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  judge = createChangeJudge(
    app.world,
    null,
    (of) => objects(of),
    (record) => records.push(`${record.id} ${record.state}`),
    (error) => faults.push(error),
  );
});
afterEach(() => {
  judge.stop();
  vi.useRealTimers();
});

const settle = () => vi.advanceTimersByTimeAsync(350);
const stateOf = async (of = id) => (await app.grant(of)).state;
const becomes = (state: string) => vi.waitFor(async () => expect(await stateOf()).toBe(state), { timeout: 3000 });
const but = (change: (found: Found) => Partial<Found>) => {
  const before = objects;
  objects = (of) => before(of).map((found) => ({ ...found, ...change(found) }));
};
const isBinding = ({ kind }: Found) => kind === 'RoleBinding';

test('a grant that is whole is left as it is', async () => {
  judge.changed(id);
  await settle();
  expect([await stateOf(), faults]).toEqual(['active', []]);
  expect(records).toEqual([`${id} active`]);
  expect(app.jobs().filter(({ job }) => job.kind === 'alarm')).toEqual([]);
});

test('an object that has lost its seal ends it', async () => {
  but((found) => (isBinding(found) ? { sealed: false } : {}));
  judge.changed(id);
  expect(await stateOf()).toBe('active');
  await becomes('ending');
  expect(app.cluster.hasRights(id)).toBe(false);
});

test('an object that is gone ends it, when the cluster says so too', async () => {
  const all = objects;
  objects = (of) => all(of).filter((found) => !isBinding(found));
  judge.changed(id);
  await settle();
  // What is watched was behind: the API server has it.
  expect(await stateOf()).toBe('active');
  delete app.cluster.held.get(id)?.rights;
  judge.changed(id);
  await becomes('ending');
});

test('many changes of one grant are one look', async () => {
  let looks = 0;
  const before = objects;
  objects = (of) => {
    looks += 1;
    return before(of);
  };
  for (let i = 0; i < 5; i++) judge.changed(id);
  await settle();
  expect(looks).toBe(1);
  judge.changed(id);
  await settle();
  expect(looks).toBe(2);
});

test('what goes while a grant is being applied is judged once it is active', async () => {
  await app.world.store.change(id, (grant) => ({ ...grant, state: 'applying' }));
  judge.changed(id);
  await settle();
  await app.world.store.change(id, (grant) => ({ ...grant, state: 'active' }));
  delete app.cluster.held.get(id)?.rights;
  objects = () => [];
  await becomes('ending');
  expect(records).toEqual([`${id} applying`, `${id} active`]);
});

test('a grant that Redis has lost is adopted from what the seal proves, and ends in its time', async () => {
  app.loseRedis();
  judge.changed(id);
  await settle();
  expect(await stateOf()).toBe('active');
  expect(app.jobs().map(({ job }) => job.kind)).toContain('revoke');
  await vi.waitFor(() => expect(records).toEqual([`${id} active`]));
});

test('an imitation without any grant is told', async () => {
  const [one] = objects(id);
  objects = () => (one === undefined ? [] : [{ ...one, id: null, sealed: false, name: 'look-alike', uid: 'x' }]);
  judge.changed('');
  await settle();
  await app.run();
  expect(app.alarms.join()).toContain('look-alike carries');
});

test('one grant that can not be judged keeps no other from it', async () => {
  const before = objects;
  objects = (of) => {
    if (of === 'g-zzzzzz') throw new Unavailable('Kubernetes', 'its watches are down');
    return before(of).map((found) => ({ ...found, ...(isBinding(found) ? { sealed: false } : {}) }));
  };
  judge.changed('g-zzzzzz');
  judge.changed(id);
  await becomes('ending');
  expect(faults).toMatchObject([{ message: 'its watches are down' }]);
});

test('once stopped it judges nothing', async () => {
  but((found) => (isBinding(found) ? { sealed: false } : {}));
  judge.changed(id);
  judge.stop();
  await settle();
  expect(await stateOf()).toBe('active');
});

test('nor is what it was judging as it was stopped judged again', async () => {
  await app.world.store.change(id, (grant) => ({ ...grant, state: 'applying' }));
  const grant = await app.grant(id);
  const reads: PromiseWithResolvers<typeof grant>[] = [];
  app.world.store.get = () => {
    const read = Promise.withResolvers<typeof grant>();
    reads.push(read);
    return read.promise;
  };
  judge.changed(id);
  await settle();
  expect(reads).toHaveLength(1);
  judge.stop();
  reads[0]?.resolve(grant);
  await vi.advanceTimersByTimeAsync(5000);
  expect([reads.length, vi.getTimerCount(), faults]).toEqual([1, 0, []]);
});

describe('at the end of a window', () => {
  beforeEach(() => app.clock.pass(24 * 3600));
  const without = (kinds: readonly string[]) => {
    const there = objects;
    objects = (of) => there(of).filter(({ kind }) => !kinds.includes(kind));
  };
  const judged = async () => {
    const schedule = vi.spyOn(app.world.scheduler, 'schedule');
    const get = vi.spyOn(app.world.store, 'get');
    judge.changed(id);
    await settle();
    return { schedule, get };
  };

  test('rights that their lease has not taken with it are taken, though Redis has lost the grant', async () => {
    app.loseRedis();
    await judged();
    expect(app.cluster.hasRights(id)).toBe(true);
    without(['Job']);
    judge.changed(id);
    await vi.waitFor(() => expect(app.cluster.hasRights(id)).toBe(false));
    expect(faults).toEqual([]);
  });

  test('an object that goes is no reason to look at the grant', async () => {
    without(['RoleBinding']);
    const { get } = await judged();
    expect(get).not.toHaveBeenCalled();
  });

  test('nor is the last one that goes a reason to schedule its end again', async () => {
    without(objects(id).map(({ kind }) => kind));
    const { schedule } = await judged();
    await vi.waitFor(() => expect(records).toEqual([`${id} active`]));
    expect(schedule).not.toHaveBeenCalled();
  });

  test('an object that somebody changes is looked at as ever', async () => {
    but((found) => (isBinding(found) ? { sealed: false } : {}));
    judge.changed(id);
    await becomes('ending');
  });
});
