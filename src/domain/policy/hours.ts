import type { Instant } from '../clocks.ts';

/** Hours of the week on the clocks of one place: `Mon-Fri 08:00-18:00 Europe/Berlin`. */
export interface Hours {
  /** The days on which they begin, Sunday is 0. */
  readonly days: ReadonlySet<number>;
  /** Minutes since midnight; `until` is not part of them. Where it is not after `from` they end on the day after. */
  readonly from: number;
  readonly until: number;
  /** A name of the IANA time zone database. */
  readonly zone: string;
}

/** What hours look like, for error messages. */
export const HOURS_FORM = 'days, times and a time zone: Mon-Fri 08:00-18:00 Europe/Berlin';

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const FORM = /^([A-Za-z,-]{3,40}) (\d\d:\d\d)-(\d\d:\d\d) ([A-Za-z0-9_+/-]{1,64})$/;

/** Reads hours; null: they are none. Days are names or ranges with commas between them (`Sat,Sun`, `Fri-Mon`), and `24:00` is an end. */
export function parseHours(text: string): Hours | null {
  const [, dayNames = '', begin = '', end = '', zone = ''] = FORM.exec(text) ?? [];
  const days = parseDays(dayNames);
  const [from, until] = [minuteOf(begin), minuteOf(end)];
  if (days === null || from === null || until === null || from === 1440 || from === until) return null;
  return isZone(zone) ? { days, from, until, zone } : null;
}

function parseDays(names: string): ReadonlySet<number> | null {
  const days = new Set<number>();
  for (const part of names.split(',')) {
    const [first = -1, last = first, ...more] = part.split('-').map((name) => DAYS.indexOf(name));
    if (first === -1 || last === -1 || more.length > 0) return null;
    for (let day = first; ; day = (day + 1) % 7) {
      days.add(day);
      if (day === last) break;
    }
  }
  return days;
}

function minuteOf(time: string): number | null {
  const [hour = Number.NaN, minute = Number.NaN] = time.split(':').map(Number);
  const sum = hour * 60 + minute;
  return minute < 60 && sum <= 1440 ? sum : null;
}

function isZone(name: string): boolean {
  // Offsets such as +01:00 are no places: they know no daylight saving.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/**
 * Whether the clocks of that place show one of these hours. Of an hour that is there twice when clocks are set back, both count; one that is left
 * out in spring is never shown.
 */
export function isWithin({ days, from, until, zone }: Hours, now: Instant): boolean {
  const { day, minute } = wallClock(zone, now);
  if (from < until) return days.has(day) && minute >= from && minute < until;
  const dayBefore = (day + 6) % 7;
  return (days.has(day) && minute >= from) || (days.has(dayBefore) && minute < until);
}

function wallClock(zone: string, now: Instant): { readonly day: number; readonly minute: number } {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  const parts = new Map(format.formatToParts(now).map(({ type, value }) => [type, value]));
  return {
    day: DAYS.indexOf(parts.get('weekday') ?? ''),
    minute: Number(parts.get('hour')) * 60 + Number(parts.get('minute')),
  };
}
