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

/** Whether it is the name of a place in the IANA time zone database. */
export function isZone(name: string): boolean {
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

/** The minutes of the week that the clocks of the place show within these hours: 0 is Sunday, 00:00. */
function minutesOfWeek({ days, from, until }: Hours): ReadonlySet<number> {
  const length = from < until ? until - from : until + 1440 - from;
  const minutes = new Set<number>();
  for (const day of days) for (let at = 0; at < length; at++) minutes.add((day * 1440 + from + at) % WEEK);
  return minutes;
}
const WEEK = 7 * 1440;

/** The hours of one that the other does not have, both of one zone: `Mon,Tue 18:00-19:00, Sat 00:00-24:00`; empty: it has them all. */
export function minutesWithout(one: Hours, other: Hours): string {
  const others = minutesOfWeek(other);
  const left = new Set([...minutesOfWeek(one)].filter((minute) => !others.has(minute)));
  /** Of each day; days with the same times are named together. */
  const daysOf = new Map<string, string[]>();
  for (const [day, name] of DAYS.entries()) {
    const times: string[] = [];
    for (let at = 0, from = -1; at <= 1440; at++) {
      const isIn = at < 1440 && left.has(day * 1440 + at);
      if (isIn && from === -1) from = at;
      if (!isIn && from !== -1) {
        times.push(`${timeOf(from)}-${timeOf(at)}`);
        from = -1;
      }
    }
    if (times.length > 0) daysOf.set(times.join(' and '), [...(daysOf.get(times.join(' and ')) ?? []), name]);
  }
  return [...daysOf].map(([times, names]) => `${names.join(',')} ${times}`).join(', ');
}

const timeOf = (minute: number): string =>
  [Math.floor(minute / 60), minute % 60].map((part) => String(part).padStart(2, '0')).join(':');

/** When the day began that the clocks of a place show now: not always at 00:00, where they go forward at midnight. */
export function startOfDay(zone: string, now: Instant): Instant {
  const date = new Intl.DateTimeFormat('en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' });
  const today = date.format(now);
  // Before it is another day, since no day has 36 hours; from then on it is this one.
  let [before, from] = [now - 36 * 3_600_000, now];
  while (from - before > 1) {
    const middle = Math.floor((before + from) / 2);
    if (date.format(middle) === today) from = middle;
    else before = middle;
  }
  return from;
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
