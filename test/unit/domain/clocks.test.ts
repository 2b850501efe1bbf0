import { describe, expect, test } from 'vitest';
import { clockDoubt, timeBelieved } from '../../../src/domain/clocks.ts';

const T = Date.UTC(2026, 0, 5, 9);
const M = 60_000;
const at = (own: number, redis: number | null, kubernetes: number | null) => ({
  own: T + own,
  redis: redis === null ? null : T + redis,
  kubernetes: kubernetes === null ? null : T + kubernetes,
});

describe('of three clocks', () => {
  test.each([
    ['all are right', at(0, 0, 0), 0, null],
    ['they differ by what reading them costs', at(0, 1500, -1500), 0, null],
    ['the own one is ahead', at(5 * M, 0, 400), 0, /this replica is 5m ahead/],
    ['the own one is behind', at(-5 * M, 0, -400), 0, /this replica is 5m behind/],
    ['the own one is off by seconds: it is corrected, and no doubt', at(20_000, 0, 0), 0, null],
    ['Redis is ahead', at(0, 5 * M, 300), 0, /Redis and of the API server differ by/],
    ['Redis is behind', at(0, -5 * M, 300), 0, /differ by/],
    ['the API server is ahead', at(0, 300, 5 * M), 0, /differ by/],
    ['all three differ: the middle one', at(0, 5 * M, 10 * M), 5 * M, /differ by 5m/],
    ['Redis does not answer', at(5 * M, null, 0), 0, /ahead/],
    ['the API server does not answer', at(-5 * M, 0, null), 0, /behind/],
    ['no other is known', at(7, null, null), 7, null],
    ['just under the limit', at(29_000, 0, 0), 0, null],
    ['just over it', at(31_000, 0, 0), 0, /31s ahead/],
    ['at the limit', at(30_000, 0, 0), 0, null],
    ['Redis and the API server at the limit', at(0, 0, 30_000), 0, null],
    ['as far off as reading may be wrong', at(2000, 0, 0), 2000, null],
    ['a millisecond further', at(2001, 0, 0), 0, null],
    ['Redis is exact where the API server tells whole seconds', at(20_000, 700, 0), 700, null],
    ['Redis is the one that is wrong', at(20_000, 25_000, 0), 20_000, null],
    ['the API server alone is believed', at(20_000, null, 0), 0, null],
  ])('%s', (_what, clocks, believed, doubt) => {
    expect(timeBelieved(clocks) - T).toBe(believed);
    const said = clockDoubt(clocks);
    if (doubt === null) expect(said).toBeNull();
    else expect(said).toMatch(doubt);
  });
});
