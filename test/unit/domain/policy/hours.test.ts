import { describe, expect, it } from 'vitest';
import { isWithin, parseHours } from '../../../../src/domain/policy/hours.ts';

const within = (text: string, time: string): boolean => {
  const hours = parseHours(text);
  if (hours === null) throw new Error(`no hours: ${text}`);
  return isWithin(hours, Date.parse(time));
};

describe('hours', () => {
  // 2026-01-05 is a Monday.
  it.each<[string, string, boolean]>([
    ['Mon-Fri 08:00-18:00 Europe/Berlin', '2026-01-05T06:59:59.999Z', false],
    ['Mon-Fri 08:00-18:00 Europe/Berlin', '2026-01-05T07:00:00Z', true],
    ['Mon-Fri 08:00-18:00 Europe/Berlin', '2026-01-05T16:59:59.999Z', true],
    ['Mon-Fri 08:00-18:00 Europe/Berlin', '2026-01-05T17:00:00Z', false],
    ['Mon-Fri 08:00-18:00 Europe/Berlin', '2026-01-05T17:00:01Z', false],
    ['Mon-Fri 08:00-18:00 Europe/Berlin', '2026-01-09T12:00:00Z', true],
    ['Mon-Fri 08:00-18:00 Europe/Berlin', '2026-01-10T12:00:00Z', false],
    ['Mon-Fri 08:00-18:00 Europe/Berlin', '2026-01-04T12:00:00Z', false],
    // Days are those of the place.
    ['Mon 00:00-24:00 Pacific/Auckland', '2026-01-04T11:00:00Z', true],
    ['Mon 00:00-24:00 Pacific/Auckland', '2026-01-04T10:59:59Z', false],
    ['Mon 00:00-24:00 Pacific/Auckland', '2026-01-05T10:59:59Z', true],
    ['Mon 00:00-24:00 Pacific/Auckland', '2026-01-05T11:00:00Z', false],
    // Past midnight the hours belong to the day on which they began.
    ['Fri 22:00-06:00 UTC', '2026-01-09T21:59:59Z', false],
    ['Fri 22:00-06:00 UTC', '2026-01-09T22:00:00Z', true],
    ['Fri 22:00-06:00 UTC', '2026-01-10T05:59:59Z', true],
    ['Fri 22:00-06:00 UTC', '2026-01-10T06:00:00Z', false],
    ['Fri 22:00-06:00 UTC', '2026-01-09T05:00:00Z', false],
    ['Fri 22:00-06:00 UTC', '2026-01-10T22:00:00Z', false],
    ['Sun 22:00-06:00 UTC', '2026-01-05T05:00:00Z', true],
    ['Sat 22:00-06:00 UTC', '2026-01-11T05:00:00Z', true],
    // Clocks go forward at 01:00Z on 2026-03-29: eight o'clock is an hour sooner, and 02:30 is left out.
    ['Sat,Sun 08:00-18:00 Europe/Berlin', '2026-03-28T06:30:00Z', false],
    ['Sat,Sun 08:00-18:00 Europe/Berlin', '2026-03-29T06:30:00Z', true],
    ['Sun 02:00-03:00 Europe/Berlin', '2026-03-29T00:59:59Z', false],
    ['Sun 02:00-03:00 Europe/Berlin', '2026-03-29T01:00:00Z', false],
    // Clocks go back at 01:00Z on 2026-10-25: the hour from two to three is there twice.
    ['Sun 02:00-03:00 Europe/Berlin', '2026-10-24T23:59:59Z', false],
    ['Sun 02:00-03:00 Europe/Berlin', '2026-10-25T00:30:00Z', true],
    ['Sun 02:00-03:00 Europe/Berlin', '2026-10-25T01:30:00Z', true],
    ['Sun 02:00-03:00 Europe/Berlin', '2026-10-25T02:00:00Z', false],
    ['Sat 22:00-03:00 Europe/Berlin', '2026-10-25T01:59:59Z', true],
    // From a later day over the end of the week.
    ['Fri-Mon 00:00-24:00 UTC', '2026-01-05T12:00:00Z', true],
    ['Fri-Mon 00:00-24:00 UTC', '2026-01-06T12:00:00Z', false],
    ['Fri-Mon 00:00-24:00 UTC', '2026-01-09T12:00:00Z', true],
  ])('%s at %s: %s', (hours, time, expected) => {
    expect(within(hours, time)).toBe(expected);
  });

  it.each([
    '',
    'Mon-Fri',
    'Mon-Fri 08:00-18:00',
    'Mon-Fri 08:00-18:00 Europe/Atlantis',
    'Mon-Fri 08:00-18:00 +01:00',
    'Mon-Fri 8-18 Europe/Berlin',
    'Mon-Fri 08:00-08:00 Europe/Berlin',
    'Mon-Fri 08:60-18:00 Europe/Berlin',
    'Mon-Fri 08:00-24:01 Europe/Berlin',
    'Mon-Fri 24:00-08:00 Europe/Berlin',
    'Monday 08:00-18:00 Europe/Berlin',
    'Mon-Wed-Fri 08:00-18:00 Europe/Berlin',
    'Mon-Fri, 08:00-18:00 Europe/Berlin',
    'Mon- 08:00-18:00 Europe/Berlin',
    'Mon-Fri 08:00-18:00 Europe/Berlin ',
  ])("'%s' are none", (text) => {
    expect(parseHours(text)).toBeNull();
  });
});
