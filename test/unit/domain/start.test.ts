import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { momentOf, readStart } from '../../../src/domain/start.ts';

const at = (text: string) => Date.parse(text);
const read = (line: string) => readStart(line.split(' '));

describe('a start, as people type it', () => {
  it.each<[string, string | number | null, string, number]>([
    ['from 22:00 the deploy', null, '22:00', 2],
    ['from 8.30 the deploy', null, '08:30', 2],
    ['from 10pm, the deploy', null, '22:00', 2],
    ['From 12am', null, '00:00', 2],
    ['from 10:30 pm the deploy', null, '22:30', 3],
    ['from 10 a.m. the deploy', null, '10:00', 3],
    ['from ２２：００ the deploy', null, '22:00', 2],
    ['from *22:00* the deploy', null, '22:00', 2],
    ['from 8:00 POST fails', null, '08:00', 2],
    ['from tomorrow 8:00 the deploy', 1, '08:00', 3],
    ['from 2026-12-01 22:00 the deploy', '2026-12-01', '22:00', 3],
  ])('%s', (line, date, time, words) => {
    expect(read(line)).toEqual({ start: { date, time }, words });
  });

  it.each([
    'from 25:00',
    'from 22',
    'from tonight',
    'from tomorrow',
    'from monday 8:00',
    'from 2026-12-01',
    'from 13pm',
    'from 1.12. 22:00 the deploy',
    'from 22:00 to 23:00 the deploy',
    'from 22:00 - 23:00 the deploy',
    'from 22:00 UTC the deploy',
    'from tomorrow 8:00 CEST',
    'from 22:00 Europe/Berlin',
    'from ~22:00',
    'at 22:00 the deploy',
    'starting 22:00',
    'starting at 22:00 the deploy',
  ])('%s is meant as one, and not taken for the reason', (line) => expect(read(line)).toBe('unclear'));

  it.each(['from the alert of 22:00', 'checkout is slow from 22:00', 'from', 'at the load balancer', 'starting over'])(
    '%s begins the reason',
    (line) => expect(read(line)).toBeNull(),
  );
});

describe('the moment that is meant', () => {
  const now = at('2026-11-29T19:00:00Z');
  const berlin = (date: string | number | null, time: string, when = now) =>
    momentOf({ date, time }, 'Europe/Berlin', when);

  it('is by the clocks of the person', () => {
    expect(berlin(null, '22:00')).toBe(at('2026-11-29T21:00:00Z'));
    expect(berlin(null, '08:00')).toBe(at('2026-11-30T07:00:00Z'));
    expect(berlin(1, '08:00')).toBe(at('2026-11-30T07:00:00Z'));
    expect(berlin('2026-12-01', '22:00')).toBe(at('2026-12-01T21:00:00Z'));
    expect(momentOf({ date: null, time: '22:00' }, 'America/New_York', now)).toBe(at('2026-11-30T03:00:00Z'));
  });

  it('is none where clocks leave it out, and the first where they show it twice', () => {
    expect(berlin('2026-03-29', '02:30')).toBeNull();
    expect(berlin('2026-10-25', '02:30')).toBe(at('2026-10-25T00:30:00Z'));
    expect(berlin('2026-02-30', '10:00')).toBeNull();
  });

  it.each(['0000-01-01', '0001-01-01', '0099-06-01', '9999-12-31'])('of %s is none that breaks anything', (date) => {
    for (const zone of ['UTC', 'Pacific/Apia', 'America/New_York'])
      for (const time of ['00:00', '23:59'])
        expect(momentOf({ date, time }, zone, now) ?? at('9999-12-31')).toBeGreaterThan(at('9999-12-30'));
  });

  it('is shown by the clocks there, and is the next such time', () => {
    const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe', 'Pacific/Apia'];
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.integer({ min: at('2026-01-01'), max: at('2027-12-31') }),
        fc.integer({ min: 0, max: 1439 }),
        (zone, when, minute) => {
          const time = [Math.floor(minute / 60), minute % 60].map((part) => String(part).padStart(2, '0')).join(':');
          const found = momentOf({ date: null, time }, zone, when);
          if (found === null) throw new Error('none in three days');
          const clock = new Intl.DateTimeFormat('en-GB', {
            timeZone: zone,
            hour: '2-digit',
            minute: '2-digit',
            hourCycle: 'h23',
          });
          expect(clock.format(found)).toBe(time);
          expect(found).toBeGreaterThan(when);
          // Two days at most, where clocks leave it out on the first.
          expect(found - when).toBeLessThanOrEqual(49 * 3_600_000);
        },
      ),
    );
  });
});
