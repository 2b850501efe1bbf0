import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration } from '../../../src/domain/duration.ts';
import { readDuration, strayDuration } from '../../../src/domain/typed-duration.ts';

const words = (text: string) => text.split(' ');
const MINUTE = 60;
const HOUR = 3600;

describe('a duration as people type it', () => {
  it.each<[string, number, string]>([
    ['30m why', 30 * MINUTE, 'why'],
    ['5mins quick look', 5 * MINUTE, 'quick look'],
    ['5 mins quick look', 5 * MINUTE, 'quick look'],
    ['1hour why', HOUR, 'why'],
    ['2days why', 48 * HOUR, 'why'],
    ['2 Days why', 48 * HOUR, 'why'],
    ['1w why', 168 * HOUR, 'why'],
    ['PT1H why', HOUR, 'why'],
    ['P1DT2H30M why', 26.5 * HOUR, 'why'],
    ['“30m” why', 30 * MINUTE, 'why'],
    ['`30m` why', 30 * MINUTE, 'why'],
    ['30m, why', 30 * MINUTE, 'why'],
    ['30m… why', 30 * MINUTE, 'why'],
    ['*30m* why', 30 * MINUTE, 'why'],
    ['[30m] why', 30 * MINUTE, 'why'],
    ['３０ｍ why', 30 * MINUTE, 'why'],
    ['３０ minutes why', 30 * MINUTE, 'why'],
    ['(30 min) why', 30 * MINUTE, 'why'],
    ['1h 30m why', 1.5 * HOUR, 'why'],
    ['1h30 why', 0, ''],
    ['1h30min why', 1.5 * HOUR, 'why'],
    ['1 hour and 30 minutes why', 1.5 * HOUR, 'why'],
    ['1.5h why', 1.5 * HOUR, 'why'],
    ['1,5 hours why', 1.5 * HOUR, 'why'],
    ['0.5h why', 30 * MINUTE, 'why'],
    ['for 30m because', 30 * MINUTE, 'because'],
    ['45M why', 45 * MINUTE, 'why'],
    // Only what is written like the first part goes on with it.
    ['30m 2 pods hang', 30 * MINUTE, '2 pods hang'],
    ['1 hour 2s too late', HOUR, '2s too late'],
    ['30m 1h of logs', 30 * MINUTE, '1h of logs'],
    ['30m and more', 30 * MINUTE, 'and more'],
  ])('%s', (text, seconds, rest) => {
    const read = readDuration(words(text));
    if (seconds === 0) expect(read).toBe('unclear');
    else {
      expect(read).toMatchObject({ seconds });
      expect(
        words(text)
          .slice((read as { words: number }).words)
          .join(' '),
      ).toBe(rest);
    }
  });

  it.each([
    '30 why',
    '30м why',
    '٣٠m why',
    '30分 why',
    '½h why',
    '½ hour why',
    '~30m why',
    '~30m~ 5m why',
    '30-60m why',
    '30m-1h why',
    '-5m why',
    '\u{2212}5m why',
    '0h why',
    '0.0001h why',
    '1.5h30m why',
    '5minuts why',
    '30 minuts why',
    '1h1h why',
    '30m1h why',
    'an hour why',
    'half an hour why',
    'two days why',
    'half a day, why',
  ])('%s is meant as one, and not read', (text) => expect(readDuration(words(text))).toBe('unclear'));

  it.each([
    'checkout is slow',
    'p99 is bad',
    '502s-again',
    '2nd-try',
    'for checkout',
    'a pod hangs',
    'the hour',
    '',
    'p',
    'pt why',
  ])('%j begins with something else', (text) => expect(readDuration(words(text))).toBeNull());

  it('is read as it is printed, whatever follows', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 999_999 * 86_400 }),
        fc.constantFrom('', 'why', 'checkout is slow'),
        (seconds, rest) => {
          expect(readDuration([formatDuration(seconds), ...words(rest)])).toEqual({ seconds, words: 1 });
        },
      ),
    );
  });
});

describe('a duration that stands elsewhere', () => {
  it.each<[string, number, number]>([
    ['checkout is slow 2h', 3, 2 * HOUR],
    ['checkout is slow 2 hours', 3, 2 * HOUR],
    ['slow for 30m because', 1, 30 * MINUTE],
    ['slow for 30m', 1, 30 * MINUTE],
    ['checkout hangs, please (30 min).', 3, 30 * MINUTE],
    ['slow for 1h 30m', 1, 1.5 * HOUR],
  ])('%s', (text, at, seconds) => expect(strayDuration(words(text))).toMatchObject({ at, seconds }));

  it.each(['p99 of 2s since noon', 'for checkout', 'slow for ages', '3 pods of 5', 'look at 10 minutes of logs'])(
    '%s has none',
    (text) => expect(strayDuration(words(text))).toBeNull(),
  );
});
