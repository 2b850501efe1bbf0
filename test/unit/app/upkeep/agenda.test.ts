import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createAgenda } from '../../../../src/app/upkeep/agenda.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Work that ends when the test says so. */
function working(hands = 2) {
  const begun: string[] = [];
  const running = new Map<string, PromiseWithResolvers<void>>();
  const faults: unknown[] = [];
  const agenda = createAgenda<string>(
    hands,
    (key) => {
      begun.push(key);
      const run = Promise.withResolvers<void>();
      running.set(key, run);
      return run.promise;
    },
    (error) => faults.push(error),
  );
  return {
    agenda,
    begun,
    faults,
    async finish(key: string, error?: Error) {
      if (error === undefined) running.get(key)?.resolve();
      else running.get(key)?.reject(error);
      await vi.advanceTimersByTimeAsync(0);
    },
  };
}
const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);

test('what is asked for several times is done once, in the time of the first', async () => {
  const { agenda, begun } = working();
  agenda.ask('a', 1000);
  await pass(600);
  agenda.ask('a', 1000);
  await pass(399);
  expect(begun).toEqual([]);
  await pass(1);
  expect(begun).toEqual(['a']);
  await pass(5000);
  expect(begun).toEqual(['a']);
});

test('what is asked for sooner is done sooner, and once', async () => {
  const { agenda, begun } = working();
  agenda.ask('a', 5000);
  agenda.ask('a', 1000);
  await pass(1000);
  expect(begun).toEqual(['a']);
  await pass(5000);
  expect(begun).toEqual(['a']);
});

test('what is asked for while it is done is done once more after that', async () => {
  const { agenda, begun, finish } = working();
  agenda.ask('a', 10);
  await pass(10);
  agenda.ask('a', 10);
  await pass(10);
  agenda.ask('a', 10);
  await pass(10);
  expect(begun).toEqual(['a']);
  await finish('a');
  expect(begun).toEqual(['a', 'a']);
  await finish('a');
  expect(begun).toEqual(['a', 'a']);
});

test('no more is done at once than there are hands; one key waits for no other that runs', async () => {
  const { agenda, begun, finish } = working(2);
  for (const key of ['a', 'b', 'c', 'd']) agenda.ask(key, 10);
  await pass(10);
  expect(begun).toEqual(['a', 'b']);
  agenda.ask('b', 10);
  await pass(10);
  await finish('a');
  expect(begun).toEqual(['a', 'b', 'c']);
  await finish('c');
  expect(begun).toEqual(['a', 'b', 'c', 'd']);
  await finish('d');
  expect(begun).toEqual(['a', 'b', 'c', 'd']);
  await finish('b');
  expect(begun).toEqual(['a', 'b', 'c', 'd', 'b']);
});

test('what fails is told, and keeps nothing else from being done', async () => {
  const { agenda, begun, faults, finish } = working(1);
  agenda.ask('a', 10);
  agenda.ask('b', 10);
  await pass(10);
  await finish('a', new Error('broken'));
  expect([begun, faults]).toEqual([['a', 'b'], [new Error('broken')]]);
});

test('once stopped it begins nothing, neither what settles, nor what waits for a hand, nor what is asked for then', async () => {
  const { agenda, begun, finish } = working(1);
  agenda.ask('a', 10);
  agenda.ask('b', 10);
  agenda.ask('c', 1000);
  await pass(10);
  agenda.stop();
  agenda.ask('d', 10);
  await finish('a');
  await pass(5000);
  expect(begun).toEqual(['a']);
  expect(vi.getTimerCount()).toBe(0);
});
