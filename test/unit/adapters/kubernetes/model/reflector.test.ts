import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Pace, startReflector } from '../../../../../src/adapters/kubernetes/model/reflector.ts';
import type { KubeObject } from '../../../../../src/adapters/kubernetes/object.ts';
import { wireApi } from '../../../../support/wire-api.ts';

/** Long enough that nothing ends by itself. */
const CALM: Pace = {
  lasts: [60_000, 60_000],
  silence: 60_000,
  listing: 60_000,
  pause: [5, 20],
  gap: 60_000,
};

type Wire = Awaited<ReturnType<typeof wireApi>>;

function reflect(wire: Wire, pace: Partial<Pace> = {}, project = (object: KubeObject) => object) {
  const changes: string[] = [];
  const faults: unknown[] = [];
  let lists = 0;
  const name = (object: KubeObject | null) => object?.metadata.name ?? null;
  const reflector = startReflector<KubeObject, KubeObject>({
    api: wire.api,
    kind: 'Role',
    project,
    onChange(now, before) {
      if (now === null) changes.push(`gone ${name(before)}`);
      else if (before === null) changes.push(`new ${name(now)}`);
      else if (now.metadata.resourceVersion !== before.metadata.resourceVersion) changes.push(`changed ${name(now)}`);
    },
    onListed: () => (lists += 1),
    onFault: (error) => faults.push(error),
    pace: { ...CALM, ...pace },
  });
  onTestFinished(() => reflector.stop());
  const held = () => [...reflector.items.values()].map(({ metadata }) => metadata.name).toSorted();
  return {
    reflector,
    changes,
    faults,
    lists: () => lists,
    held,
    /** Waits until it holds exactly these. */
    holds: (...names: string[]) => vi.waitFor(() => expect(held()).toEqual(names), { timeout: 5000, interval: 5 }),
    synced: () => vi.waitFor(() => expect(reflector.synced).toBe(true), { timeout: 5000, interval: 5 }),
  };
}

const asked = (wire: Wire, what: RegExp) => wire.asked.filter((one) => what.test(one)).length;
const until = (isSo: () => boolean) => vi.waitFor(() => expect(isSo()).toBe(true), { timeout: 5000, interval: 5 });

describe.each([
  ['streamed', true],
  ['by pages', false],
])('a list %s', (_how, streams) => {
  test('is whole before it counts, and what happens afterwards is heard', async () => {
    const wire = await wireApi();
    wire.knobs.streams = streams;
    for (const name of ['a', 'b', 'c', 'd', 'e']) wire.put(name);
    const r = reflect(wire);
    expect(r.reflector.synced).toBe(false);
    await r.synced();
    expect(r.held()).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(r.lists()).toBe(1);
    await until(() => wire.watches() === 1);
    wire.put('f');
    wire.put('b', { tier: 'db' });
    wire.remove('a');
    await r.holds('b', 'c', 'd', 'e', 'f');
    expect(r.changes.slice(5)).toEqual(['new f', 'changed b', 'gone a']);
    expect(r.reflector.lostAt).toBeNull();
    expect(r.lists()).toBe(1);
    // One connection where lists are streamed; else a watch that goes on at the version of the list.
    expect(wire.asked).toEqual(streams ? ['stream'] : ['stream', 'page', 'page', 'page', 'watch 105']);
  });

  test('that is needed anew tells what went meanwhile, and nothing of what stayed', async () => {
    const wire = await wireApi();
    wire.knobs.streams = streams;
    for (const name of ['a', 'b', 'c']) wire.put(name);
    const r = reflect(wire);
    await r.synced();
    await until(() => wire.watches() === 1);
    r.changes.length = 0;
    wire.knobs.refuses = 0;
    wire.end();
    await until(() => r.faults.length > 1);
    wire.remove('a');
    wire.put('d');
    wire.put('b', { tier: 'db' });
    wire.compact();
    wire.put('e');
    wire.knobs.refuses = null;
    await r.holds('b', 'c', 'd', 'e');
    await until(() => r.lists() === 2);
    expect(r.changes.toSorted()).toEqual(['changed b', 'gone a', 'new d', 'new e']);
    // It was tried to go on first.
    expect(wire.asked.slice(streams ? 1 : 4)).toContain('watch 103');
  });

  test('an object that was deleted and made anew meanwhile is another one', async () => {
    const wire = await wireApi();
    wire.knobs.streams = streams;
    wire.put('a');
    const r = reflect(wire);
    await r.synced();
    await until(() => wire.watches() === 1);
    r.changes.length = 0;
    wire.knobs.refuses = 503;
    wire.end();
    await until(() => r.faults.length > 0);
    wire.remove('a');
    wire.put('a');
    wire.compact();
    wire.knobs.refuses = null;
    await until(() => r.lists() === 2);
    expect(r.changes.toSorted()).toEqual(['gone a', 'new a']);
    expect(r.held()).toEqual(['a']);
  });
});

test('a watch that the API server ends in its time goes on where it was, and nothing is listed', async () => {
  const wire = await wireApi();
  wire.put('a');
  const r = reflect(wire, { lasts: [1000, 1000] });
  await r.synced();
  wire.put('b');
  await r.holds('a', 'b');
  wire.end();
  await until(() => asked(wire, /^watch 102$/) === 1);
  expect(wire.asked).toEqual(['stream', 'watch 102']);
  expect(r.faults).toEqual([]);
  wire.put('c');
  await r.holds('a', 'b', 'c');
});

test('one that breaks off in the middle of an object goes on after the last whole one', async () => {
  const wire = await wireApi();
  wire.put('a');
  const r = reflect(wire);
  await r.synced();
  wire.put('b');
  await r.holds('a', 'b');
  wire.cut();
  await until(() => r.faults.length === 1);
  wire.put('c');
  await r.holds('a', 'b', 'c');
  expect(wire.asked).toEqual(['stream', 'check', 'watch 102']);
  expect(r.lists()).toBe(1);
  expect(r.reflector.lostAt).toBeNull();
});

test.each([
  ['breaks off', (wire: Wire) => wire.cut()],
  ['is silent', () => {}],
])('a streamed list that %s before its end counts for nothing: it is begun anew', async (_what, then) => {
  const wire = await wireApi();
  for (const name of ['a', 'b']) wire.put(name);
  wire.knobs.ends = false;
  const r = reflect(wire, { listing: 100 });
  await r.holds('a', 'b');
  expect(r.reflector.synced).toBe(false);
  wire.knobs.ends = true;
  then(wire);
  await r.synced();
  expect(r.lists()).toBe(1);
  expect(wire.asked).toEqual(['stream', 'stream']);
});

test('behind a proxy that keeps the beginning of an answer back, a watch is open once the API server has answered', async () => {
  const wire = await wireApi();
  wire.put('a');
  const r = reflect(wire, { gap: 100 });
  await r.synced();
  wire.knobs.flushes = false;
  wire.cut();
  await until(() => asked(wire, /^watch 101$/) === 1);
  await until(() => r.reflector.lostAt === null);
  wire.put('b');
  await r.holds('a', 'b');
  expect(r.lists()).toBe(1);
});

describe('an event that can not be taken', () => {
  /** A reflector that holds `a`, whose watch has broken at `b`. */
  async function broken() {
    const wire = await wireApi();
    wire.put('a');
    let isTaken = false;
    const r = reflect(wire, {}, (object: KubeObject) => {
      if (object.metadata.name === 'b' && !isTaken) throw new Error('b is too large');
      return object;
    });
    await r.synced();
    wire.put('b');
    await until(() => r.faults.length > 0);
    return { wire, r, take: () => (isTaken = true) };
  }

  test('keeps what was lost lost, however often its watch is opened, until after the gap all is listed anew', async () => {
    const { wire, r, take } = await broken();
    const { lostAt } = r.reflector;
    expect(lostAt).not.toBeNull();
    const tries = asked(wire, /^watch 101$/);
    for (let more = 1; more <= 3; more++) {
      await until(() => asked(wire, /^watch 101$/) >= tries + more);
      expect(r.reflector.lostAt).toBe(lostAt);
    }
    const now = performance.now();
    vi.spyOn(performance, 'now').mockImplementation(() => now + CALM.gap);
    onTestFinished(() => void vi.restoreAllMocks());
    await until(() => asked(wire, /^stream$/) >= 2);
    expect([r.reflector.lostAt, r.lists()]).toEqual([lostAt, 1]);
    take();
    await r.holds('a', 'b');
    await until(() => r.reflector.lostAt === null);
    expect(r.lists()).toBe(2);
  });

  test('is lost no more once one is taken after it', async () => {
    const { r, take } = await broken();
    take();
    await r.holds('a', 'b');
    expect([r.reflector.lostAt, r.lists()]).toEqual([null, 1]);
  });
});

test('what can not be read of a watch is a fault of it, and nothing of what is known is lost', async () => {
  const wire = await wireApi();
  wire.put('a');
  const r = reflect(wire);
  await r.synced();
  wire.write('no line of JSON\n');
  await until(() => r.faults.length === 1);
  wire.put('b');
  await r.holds('a', 'b');
  expect(r.lists()).toBe(1);
});

describe('silence', () => {
  test('of a watch that has had a bookmark is a dead connection: it is opened again', async () => {
    const wire = await wireApi();
    wire.put('a');
    const r = reflect(wire, { silence: 60 });
    await r.synced();
    wire.bookmark();
    await until(() => asked(wire, /^watch/) > 0);
    expect(wire.asked.slice(0, 3)).toEqual(['stream', 'check', 'watch 101']);
    wire.put('b');
    await r.holds('a', 'b');
  });

  test('of one that never had any is none', async () => {
    const wire = await wireApi();
    wire.put('a');
    const r = reflect(wire, { silence: 30 });
    await r.synced();
    wire.put('b');
    await r.holds('a', 'b');
    await sleep(150);
    expect(wire.asked).toEqual(['stream']);
  });

  test('bookmarks keep a watch that has nothing else to tell, and move it on', async () => {
    const wire = await wireApi();
    wire.put('a');
    const r = reflect(wire, { silence: 200 });
    await r.synced();
    for (let i = 0; i < 8; i++) {
      wire.bookmark();
      await sleep(50);
    }
    expect(wire.asked).toEqual(['stream']);
  });
});

describe('an API server that comes back over other data', () => {
  test('of an older version is read anew, and what it does not have is gone', async () => {
    const wire = await wireApi();
    for (const name of ['a', 'b', 'c']) wire.put(name);
    const r = reflect(wire);
    await r.synced();
    r.changes.length = 0;
    wire.restore(50, ['a']);
    await r.holds('a');
    expect(r.changes).toEqual(['gone b', 'gone c']);
    wire.put('d');
    await r.holds('a', 'd');
    expect(wire.asked).toEqual(['stream', 'check', 'stream']);
  });

  test('is found out by a bookmark, too', async () => {
    const wire = await wireApi();
    for (const name of ['a', 'b']) wire.put(name);
    const r = reflect(wire);
    await r.synced();
    wire.write('{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"99"}}}\n');
    await until(() => r.lists() === 2);
    expect(r.held()).toEqual(['a', 'b']);
  });

  test('after a long gap everything is read anew, whatever version it has', async () => {
    const wire = await wireApi();
    for (const name of ['a', 'b']) wire.put(name);
    const r = reflect(wire, { gap: 50 });
    await r.synced();
    wire.knobs.refuses = 0;
    wire.restore(50, ['a']);
    for (let i = 0; i < 80; i++) wire.put('x');
    await until(() => r.reflector.lostAt !== null && performance.now() - r.reflector.lostAt > 60);
    wire.knobs.refuses = null;
    await r.holds('a', 'x');
  });
});

test('faults are waited out, ever longer, and what is refused is told', async () => {
  const wire = await wireApi();
  wire.knobs.refuses = 403;
  const r = reflect(wire);
  await until(() => r.faults.length >= 3);
  expect(r.reflector.synced).toBe(false);
  expect(r.faults[0]).toMatchObject({ status: 403 });
  expect(r.reflector.lostAt).not.toBeNull();
  wire.put('a');
  wire.knobs.refuses = null;
  await r.holds('a');
});

test('once stopped it asks nothing more, and says nothing', async () => {
  const wire = await wireApi();
  wire.put('a');
  const r = reflect(wire);
  await r.synced();
  r.reflector.stop();
  await until(() => wire.watches() === 0);
  wire.put('b');
  await sleep(60);
  expect([r.held(), r.faults, wire.asked]).toEqual([['a'], [], ['stream']]);
});
