import type { Instant } from './clocks.ts';

/** When access is to begin, where that is not as soon as it is approved: a moment, or what the clocks show where the person is. */
export type TypedStart =
  | { readonly at: Instant }
  /** `date`: `2026-12-01`, or how many days from today; null: the next time that clocks show this. `time`: `22:00`. */
  | { readonly date: string | number | null; readonly time: string };

/** No start is further ahead: seconds. */
export const FURTHEST_START = 7 * 86_400;
/** What a start looks like, for messages. */
export const START_FORM =
  '`from 22:00`, `from tomorrow 8:00` or `from 2026-12-01 22:00`, by the clock of your Slack account';

const TIME = /^(\d{1,2})(?:[:.](\d{2}))?(am|pm)?$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;
const DAYS: ReadonlyMap<string, number> = new Map([
  ['today', 0],
  ['tomorrow', 1],
]);
/** What begins like a start: whoever types it after "from" means a time. */
const MEANT = /^~?(\d|today|tonight|tomorrow|noon|midnight|now|mon|tue|wed|thu|fri|sat|sun|next)[a-z]*/;
const AROUND = /^["'`“”„(*_]+|["'`“”„).,;:!?*_]+$/g;
const HALF = /^[ap]\.?m$/;
/** After a time: the zone of other clocks than the person's. */
const ZONE =
  /^(?:(?:UTC|GMT|Z|WES?T|CES?T|EES?T|MSK|[ECMP][SD]?T|A[CEW][SD]T|NZ[SD]T|[BIJKS]ST|SGT|HKT)(?:[-+]\d.*)?|[A-Z][a-z]+\/[A-Z]\w+)$/;
/** Before a time: it is meant as a start, and only "from" says so for sure. */
const NEARLY_FROM = ['at', 'starting', 'beginning'];
/** After a time: it was only the beginning of what is meant. */
const TO = /^(?:to|til|till|until|[-–—])$/;

/**
 * Reads the start with which these words begin. `unclear`: they meant one, and it can't be read; null: they begin with something else, such as "from the
 * alert".
 */
export function readStart(
  words: readonly string[],
): { readonly start: TypedStart; readonly words: number } | 'unclear' | null {
  const bare = words.slice(0, 6).map((word) => word.normalize('NFKC').replace(AROUND, ''));
  const [from, first = '', ...rest] = bare.map((word) => word.toLowerCase());
  if (NEARLY_FROM.includes(from ?? '')) return isTime(first) || isTime(rest[0] ?? '') ? 'unclear' : null;
  if (from !== 'from') return null;
  const day = DATE.test(first) ? first : (DAYS.get(first) ?? null);
  const at = day === null ? 1 : 2;
  const [word = '', after = '', later = ''] = day === null ? [first, ...rest] : rest;
  // "10:30 pm" is one time.
  const isHalved = HALF.test(after);
  const time = timeIn(isHalved ? `${word}${after.replace('.', '')}` : word);
  if (time === null) return MEANT.test(first) ? 'unclear' : null;
  if (isHalved) return { start: { date: day, time }, words: at + 2 };
  const isOther = isTime(after) || (TO.test(after) && isTime(later)) || ZONE.test(bare[at + 1] ?? '');
  return isOther ? 'unclear' : { start: { date: day, time }, words: at + 1 };
}

/** More words make no start. */
const MOST_WORDS = 5;

/**
 * A start with which a sentence ends that does not begin with one: "the nightly run from 22:00". Whoever typed it may have meant when access begins.
 * @returns with which word it begins
 */
export function strayStart(words: readonly string[]): number | null {
  for (let at = Math.max(1, words.length - MOST_WORDS); at < words.length; at++) {
    const found = words[at]?.toLowerCase() === 'from' ? readStart(words.slice(at)) : null;
    if (found !== null && found !== 'unclear' && at + found.words === words.length) return at;
  }
  return null;
}

const isTime = (word: string): boolean => timeIn(word) !== null;

/** `22:00`, `8.30`, `10pm`; a bare number is no time. */
function timeIn(word: string): string | null {
  const [, hours = '', minutes, half] = TIME.exec(word) ?? [];
  if (hours === '' || (minutes === undefined && half === undefined)) return null;
  const hour = Number(hours);
  if (Number(minutes ?? 0) > 59 || hour > 23 || (half !== undefined && (hour < 1 || hour > 12))) return null;
  const of24 = half === undefined ? hour : (hour % 12) + (half === 'pm' ? 12 : 0);
  return `${String(of24).padStart(2, '0')}:${minutes ?? '00'}`;
}

/**
 * The moment that is meant, where clocks are set by `zone` (a name of the IANA time zone database). Of a time that is there twice in a night the first.
 * @returns null where there is no such day, or clocks leave that time out on it
 */
export function momentOf(start: TypedStart, zone: string, now: Instant): Instant | null {
  if ('at' in start) return start.at;
  const { date, time } = start;
  const [today = ''] = shown(zone, now).split(' ');
  if (date !== null) return firstShowing(zone, typeof date === 'string' ? date : dayAfter(today, date), time);
  // The next one: clocks may leave it out today, or tomorrow.
  for (const days of [0, 1, 2]) {
    const at = firstShowing(zone, dayAfter(today, days), time);
    if (at !== null && at > now) return at;
  }
  return null;
}

const DAY = 86_400_000;

function dayAfter(date: string, days: number): string {
  return new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY).toISOString().slice(0, 10);
}

/** When clocks there first show this. */
function firstShowing(zone: string, date: string, time: string): Instant | null {
  const asUtc = Date.parse(`${date}T${time}:00Z`);
  if (Number.isNaN(asUtc)) return null;
  // What clocks are ahead of UTC by, on both sides of a change of them.
  const ahead = [asUtc - DAY, asUtc + DAY].map(
    (at) => Date.parse(`${shown(zone, at).replace(' ', 'T')}:00Z`) - floorToMinute(at),
  );
  // At both ends of what a date can be there is no day before, or after.
  const there = ahead.filter(Number.isFinite).map((by) => asUtc - by);
  const found = there.filter((at) => shown(zone, at) === `${date} ${time}`);
  return found.length === 0 ? null : Math.min(...found);
}

const floorToMinute = (at: Instant): Instant => Math.floor(at / 60_000) * 60_000;

/** `2026-12-01 22:00`, as clocks there show it. */
function shown(zone: string, at: Instant): string {
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(at);
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? '';
  return `${part('year')}-${part('month')}-${part('day')} ${part('hour')}:${part('minute')}`;
}
