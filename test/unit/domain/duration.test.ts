import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, looksLikeDuration, parseDuration } from '../../../src/domain/duration.ts';

describe('durations', () => {
  it.each([
    ['45m', 2700],
    ['90s', 90],
    ['1h30m', 5400],
    ['2h', 7200],
    ['1d', 86_400],
    ['1d2h3m4s', 93_784],
    ['007m', 420],
  ])('%s is %i seconds', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  it.each([
    '',
    ' ',
    '0',
    '30',
    '0s',
    '0h0m',
    '-5m',
    '+5m',
    '1.5h',
    '1,5h',
    '1h 30m',
    ' 1h',
    '1h ',
    '1H',
    '1w',
    '1h30',
    '30m1h',
    '1h1h',
    'h',
    '1hh',
    '1e3s',
    '0x10s',
    'Infinitys',
    '1000000d',
    '１h',
    '1h\n',
  ])('%j is none', (text) => {
    expect(parseDuration(text)).toBeNull();
  });

  it('are read as they are written, for every number of seconds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 999_999 * 86_400 }), (seconds) => {
        expect(parseDuration(formatDuration(seconds))).toBe(seconds);
      }),
    );
  });

  it('never read a text as another length than its own: what is read is written back with the same meaning', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9smhd]{0,8}$/), (text) => {
        const seconds = parseDuration(text);
        if (seconds === null) return;
        expect(seconds).toBeGreaterThan(0);
        expect(parseDuration(formatDuration(seconds))).toBe(seconds);
      }),
    );
  });

  it('are written for nothing and less as 0s', () => {
    expect([0, -1, 0.4].map(formatDuration)).toEqual(['0s', '0s', '0s']);
  });

  it.each([
    '30',
    '-5m',
    '\u{2212}5m',
    '\u{2013}5m',
    '\u{2014}5m',
    '--5m',
    '0h',
    '1.5h',
    '1h30',
    '45m',
    `2${'x'.repeat(40)}`,
  ])('%s looks like one, right or wrong', (word) => {
    expect(looksLikeDuration(word)).toBe(true);
  });
  it.each(['checkout', '502s-again', 'p99', '2nd-try', '', `2${'x'.repeat(39)}`, 'x'.repeat(41)])(
    '%s does not',
    (word) => {
      expect(looksLikeDuration(word)).toBe(false);
    },
  );
});
