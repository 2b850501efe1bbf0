import { describe, expect, it } from 'vitest';
import { type Circumstances, dayOf, missedConditions, missedPerDay } from '../../../../src/domain/decide/conditions.ts';
import type { When } from '../../../../src/domain/policy/policy.ts';

const MINUTE = 60;
const missed = (when: When, change: Partial<Circumstances> = {}) =>
  missedConditions(when, {
    cluster: null,
    namespace: 'staging',
    duration: 30 * MINUTE,
    rights: ['read', 'logs'],
    ticket: false,
    startsAt: null,
    // A Monday, 10:00 in Berlin.
    now: Date.parse('2026-01-05T09:00:00Z'),
    ...change,
  });
const at = (time: string) => ({ now: Date.parse(time) });

describe('a condition is met up to its edge', () => {
  const OFFICE: When = { hours: 'Mon-Fri 08:00-18:00 Europe/Berlin' };
  it.each<[string, When, Partial<Circumstances>, boolean]>([
    ['no longer than the maximum', { maximum: 1800 }, { duration: 1800 }, true],
    ['a second longer', { maximum: 1800 }, { duration: 1801 }, false],
    ['a namespace of the list', { namespaces: ['dev', 'staging'] }, {}, true],
    ['one that fits a pattern', { namespaces: ['team-*'] }, { namespace: 'team-a' }, true],
    ['one that only begins alike', { namespaces: ['team'] }, { namespace: 'team-a' }, false],
    ['just these rights', { rights: ['read', 'logs'] }, {}, true],
    ['fewer rights, in another order', { rights: ['exec', 'logs', 'read'] }, { rights: ['logs'] }, true],
    ['one right more', { rights: ['read', 'logs'] }, { rights: ['read', 'logs', 'exec'] }, false],
    ['another right', { rights: ['read'] }, { rights: ['logs'] }, false],
    ['a role or rules, which are no words', { rights: ['read', 'logs', 'exec'] }, { rights: null }, false],
    ['the first moment of the hours', OFFICE, at('2026-01-05T07:00:00Z'), true],
    ['the moment before', OFFICE, at('2026-01-05T06:59:59.999Z'), false],
    ['the last moment', OFFICE, at('2026-01-05T16:59:59.999Z'), true],
    ['18:00:00', OFFICE, at('2026-01-05T17:00:00Z'), false],
    ['18:00:01', OFFICE, at('2026-01-05T17:00:01Z'), false],
    ['18:00:00 where it is 17:00 in UTC all the same', OFFICE, at('2026-07-06T16:00:00Z'), false],
    ['17:59:59 in summer', OFFICE, at('2026-07-06T15:59:59Z'), true],
  ])('%s', (_what, when, circumstances, isMet) => {
    expect(missed(when, circumstances)).toHaveLength(isMet ? 0 : 1);
  });

  it('and says why not, a sentence each, in which the figures of both stand', () => {
    const all: When = { maximum: 1800, namespaces: ['dev'], rights: ['read'], ...OFFICE };
    expect(missed(all, { duration: 1860, ...at('2026-01-05T17:00:00Z') })).toEqual([
      '30m would have been approved at once: you asked for 31m.',
      'In dev it would have been approved at once.',
      'With no more than read it would have been approved at once.',
      'It would have been approved at once during Mon-Fri 08:00-18:00 Europe/Berlin.',
    ]);
  });

  it('and so many a day', () => {
    expect(missedPerDay({ perDay: 3 }, 2)).toBeNull();
    expect(missedPerDay({ perDay: 3 }, 3)).toBe('3 a day are approved at once, and you have had 3 today.');
    expect(missedPerDay({ perDay: 3 }, 4)).toMatch(/had 4 today/);
    expect(missedPerDay({ maximum: 60 }, 1000)).toBeNull();
  });
});

describe('the day by which is counted', () => {
  it.each<[string, When, string, string]>([
    ['of UTC, where there are no hours', { perDay: 1 }, '2026-01-05T09:00:00Z', '2026-01-05T00:00:00Z'],
    ['its first moment', { perDay: 1 }, '2026-01-05T00:00:00Z', '2026-01-05T00:00:00Z'],
    ['the moment before', { perDay: 1 }, '2026-01-04T23:59:59.999Z', '2026-01-04T00:00:00Z'],
    [
      'of the zone of the hours',
      { hours: 'Mon 00:00-24:00 Europe/Berlin' },
      '2026-01-05T23:30:00Z',
      '2026-01-05T23:00:00Z',
    ],
    ['ahead of UTC', { hours: 'Mon 00:00-24:00 Pacific/Kiritimati' }, '2026-01-05T09:59:59Z', '2026-01-04T10:00:00Z'],
    ['behind it', { hours: 'Mon 00:00-24:00 America/New_York' }, '2026-01-05T04:59:59Z', '2026-01-04T05:00:00Z'],
    // A day of 23 hours, and one of 25.
    [
      'when clocks go forward',
      { hours: 'Sun 00:00-24:00 Europe/Berlin' },
      '2026-03-29T21:59:59Z',
      '2026-03-28T23:00:00Z',
    ],
    ['when they go back', { hours: 'Sun 00:00-24:00 Europe/Berlin' }, '2026-10-25T22:59:59Z', '2026-10-24T22:00:00Z'],
    ['the day after', { hours: 'Sun 00:00-24:00 Europe/Berlin' }, '2026-10-25T23:00:00Z', '2026-10-25T23:00:00Z'],
    // 00:00 is left out there: the day begins at 01:00.
    [
      'without a midnight',
      { hours: 'Sun 00:00-24:00 America/Santiago' },
      '2026-09-06T12:00:00Z',
      '2026-09-06T04:00:00Z',
    ],
    // 23:00 to 24:00 is there twice, and both are of the day before.
    [
      'with an hour twice before midnight',
      { hours: 'Sun 00:00-24:00 America/Santiago' },
      '2026-04-05T03:30:00Z',
      '2026-04-04T03:00:00Z',
    ],
  ])('%s', (_what, when, now, begins) => {
    expect(new Date(dayOf(when, Date.parse(now))).toISOString()).toBe(new Date(begins).toISOString());
  });
});
