import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { every, type Service, startInOrder } from '../../../src/composition/service.ts';
import { silentLog } from '../../support/silent-log.ts';

describe('services', () => {
  let said: string[];
  let within: number[];
  beforeEach(() => {
    [said, within] = [[], []];
  });
  const service = (name: string, more: Partial<Service> = {}): Service => ({
    async start() {
      await more.start?.();
      said.push(`${name} started`);
    },
    async stop(left) {
      within.push(left);
      await more.stop?.(left);
      said.push(`${name} stopped`);
    },
  });

  it('start one after the other and stop in reverse', async () => {
    const stop = await startInOrder([service('a'), service('b'), service('c')], 1000, silentLog());
    expect(said.splice(0)).toEqual(['a started', 'b started', 'c started']);
    await stop();
    expect(said).toEqual(['c stopped', 'b stopped', 'a stopped']);
  });

  it('are stopped when none is wanted any more while one starts, and no other is started', async () => {
    const ending = new AbortController();
    const interrupted = service('b', { start: () => ending.abort(new Error('SIGTERM')) });
    const starting = startInOrder([service('a'), interrupted, service('never')], 1000, silentLog(), ending.signal);
    await expect(starting).rejects.toThrow('SIGTERM');
    expect(said).toEqual(['a started', 'b started', 'b stopped', 'a stopped']);
  });

  it('are stopped when none was wanted from the beginning: what was made before is closed by the first', async () => {
    const starting = startInOrder([service('a'), service('never')], 1000, silentLog(), AbortSignal.abort());
    await expect(starting).rejects.toThrow('aborted');
    expect(said).toEqual(['a started', 'a stopped']);
  });

  it('are stopped when a later one can not be started, and the error goes on', async () => {
    const bad = service('bad', { start: () => Promise.reject(new Error('the port is taken')) });
    const starting = startInOrder([service('a'), service('b'), bad, service('never')], 1000, silentLog());
    await expect(starting).rejects.toThrow('the port is taken');
    expect(said).toEqual(['a started', 'b started', 'b stopped', 'a stopped']);
  });

  it('are stopped though another one fails to', async () => {
    const log = silentLog();
    const bad = service('bad', { stop: () => Promise.reject(new Error('Redis is away')) });
    const stop = await startInOrder([service('a'), bad, service('c')], 1000, log);
    await stop();
    expect(said.slice(3)).toEqual(['c stopped', 'a stopped']);
    expect(log.lines).toMatchObject([{ level: 'error', fields: { err: new Error('Redis is away') } }]);
  });

  it('share the time that they have to stop', async () => {
    const waits = service('waits', { stop: (left) => new Promise((resolve) => setTimeout(resolve, left)) });
    const stop = await startInOrder([service('a'), waits, service('c')], 50, silentLog());
    await stop();
    expect(within[0]).toBeGreaterThan(40);
    expect(within[1]).toBeGreaterThan(40);
    expect(within[2]).toBeLessThan(5);
    expect(within[2]).toBeGreaterThanOrEqual(0);
  });
});

describe('what is done every so many milliseconds', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('begins after that time, and ends when it is stopped', async () => {
    const work = vi.fn(async () => {});
    const turns = every(100, work, () => {});
    await vi.advanceTimersByTimeAsync(1000);
    expect(work).toHaveBeenCalledTimes(0);
    turns.start();
    await vi.advanceTimersByTimeAsync(99);
    expect(work).toHaveBeenCalledTimes(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(work).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(work).toHaveBeenCalledTimes(3);
    turns.stop();
    await vi.advanceTimersByTimeAsync(1000);
    expect(work).toHaveBeenCalledTimes(3);
  });

  it('never overlaps, and goes on with the next turn after a long one', async () => {
    let finish = () => {};
    const work = vi.fn(() => new Promise<void>((resolve) => (finish = resolve)));
    const turns = every(100, work, () => {});
    turns.start();
    await vi.advanceTimersByTimeAsync(350);
    expect(work).toHaveBeenCalledTimes(1);
    finish();
    await vi.advanceTimersByTimeAsync(100);
    expect(work).toHaveBeenCalledTimes(2);
    turns.stop();
  });

  it('goes on after an error, which is told', async () => {
    const errors: unknown[] = [];
    const turns = every(
      100,
      async () => {
        throw new Error('away');
      },
      (error) => errors.push(error),
    );
    turns.start();
    await vi.advanceTimersByTimeAsync(200);
    expect(errors).toEqual([new Error('away'), new Error('away')]);
    turns.stop();
  });
});
