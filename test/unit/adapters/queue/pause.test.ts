import { afterEach, describe, expect, test, vi } from 'vitest';
import { pauseBefore } from '../../../../src/adapters/queue/scheduler.ts';
import { Unavailable } from '../../../../src/domain/errors.ts';

const RETRY = { first: 1000, longest: 30_000 };

afterEach(() => vi.restoreAllMocks());

describe('the pause before a job is tried again', () => {
  test.each([
    [1, 1000],
    [2, 2000],
    [5, 16_000],
    [6, 30_000],
    [8640, 30_000],
  ])('doubles: after %i attempts it is %i ms at most', (attempts, most) => {
    vi.spyOn(Math, 'random').mockReturnValue(1);
    expect(pauseBefore(attempts, RETRY)).toBe(most);
    expect(pauseBefore(attempts, RETRY, new Unavailable('Slack', 'away'))).toBe(most);
    vi.spyOn(Math, 'random').mockReturnValue(0);
    expect(pauseBefore(attempts, RETRY)).toBe(most * 0.9);
  });

  test('is what Slack asks for, and never shorter', () => {
    const limited = new Unavailable('Slack', 'limited', { retryIn: 4 });
    vi.spyOn(Math, 'random').mockReturnValue(0);
    for (const attempts of [1, 8]) expect(pauseBefore(attempts, RETRY, limited)).toBe(4000);
    vi.spyOn(Math, 'random').mockReturnValue(1);
    expect(pauseBefore(8, RETRY, limited)).toBe(4400);
  });

  test('is not longer for it than the longest', () => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    expect(pauseBefore(1, RETRY, new Unavailable('Slack', 'limited', { retryIn: 600 }))).toBe(30_000);
  });
});
