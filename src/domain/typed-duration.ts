import { looksLikeDuration, type Seconds } from './duration.ts';

/** How people write a unit, beside its letter. */
const UNITS: ReadonlyMap<string, Seconds> = new Map(
  (
    [
      [1, ['s', 'sec', 'secs', 'second', 'seconds']],
      [60, ['m', 'min', 'mins', 'minute', 'minutes']],
      [3600, ['h', 'hr', 'hrs', 'hour', 'hours']],
      [86_400, ['d', 'day', 'days']],
      [604_800, ['w', 'week', 'weeks']],
    ] as const
  ).flatMap(([seconds, words]) => words.map((word) => [word, seconds] as const)),
);
/** Around a word: quotes of any kind, brackets, and what makes it bold or slanted in Slack; after it: what ends a part of a sentence. */
const AROUND = /^["'`“”„‘’«»([{*_]+|["'`“”„‘’«»)\]}*_.,;:!?]+$/g;
const PART = /(\d{1,6})(?:[.,](\d{1,3}))?([a-z]+)/gy;
const NUMBER = /^\d{1,6}(?:[.,]\d{1,3})?$/;
const ISO = /^p(?:(\d{1,6}w))?(?:(\d{1,6}d))?(?:t(?:(\d{1,6}h))?(?:(\d{1,6}m))?(?:(\d{1,6}s))?)?$/;
/** A length in words, or with a slip in its unit: no number to go by, but meant as one. */
const IN_WORDS = /^(?:half )?(?:an?|one|two|three|four|half) (?:second|minute|hour|day|week)s?\b/;
const NEARLY = /^\d+(?:se|mi|ho|hr|da|we)[a-z]*$/;
/** The same by figures or letters of another script, about so much or struck out, or between two lengths: `30м`, `½h`, `~30m`, `30-60m`. */
const NEARLY_AS = /^(?:~*\p{N}[\p{N}\u2044]*[\p{L}\p{M}]{0,3}~*|\d+[a-z]{0,3}[-\u2010-\u2015/]\d+[a-z]{1,3})$/u;
/** More words than this make no duration. */
const MOST_WORDS = 6;

/** Wide figures and letters (`３０ｍ`) are those that they look like. */
const bare = (word: string): string => word.normalize('NFKC').replace(AROUND, '');

/** A length of time, and how many words it took. */
export interface TypedDuration {
  readonly seconds: Seconds;
  readonly words: number;
}

/** `at`: with which word it begins. */
export interface StrayDuration extends TypedDuration {
  readonly at: number;
}

interface Part {
  readonly seconds: Seconds;
  /** The smallest unit in it: what follows it must be smaller. */
  readonly unit: Seconds;
  readonly words: 1 | 2;
}

/**
 * Reads the duration with which these words begin, as people write one: `30m`, `5mins`, `1h 30m`, `1 hour and 30 minutes`, `1.5h`, `PT1H`, `for “30m”,`.
 * `unclear`: they meant one, and it can't be read; null: they begin with something else.
 */
export function readDuration(words: readonly string[]): TypedDuration | 'unclear' | null {
  const plain = words.slice(0, MOST_WORDS + 2).map((word) => bare(word).toLowerCase());
  const from = plain[0] === 'for' ? 1 : 0;
  const first = partAt(plain, from);
  if (first === null) return isMeant(plain.slice(from), words[from] ?? '') ? 'unclear' : null;
  let { seconds, unit } = first;
  let at = from + first.words;
  for (;;) {
    const next = plain[at] === 'and' || plain[at] === '&' ? at + 1 : at;
    const part = partAt(plain, next);
    // Written like the first one: of "30m 2 pods" and "1 hour 2s too late" only the first is the duration.
    if (part === null || part.words !== first.words || part.unit >= unit) break;
    seconds += part.seconds;
    unit = part.unit;
    at = next + part.words;
  }
  return { seconds, words: at };
}

/** Reads a text that is a duration and nothing else; null: it is none. */
export function wholeDuration(text: string): Seconds | null {
  const words = text.trim().split(/\s+/);
  const read = readDuration(words);
  return read === null || read === 'unclear' || read.words < words.length ? null : read.seconds;
}

/**
 * A duration in a sentence that does not begin with one: at its end, or after "for". Whoever typed it may have meant the window.
 */
export function strayDuration(words: readonly string[]): StrayDuration | null {
  for (const [at, word] of words.entries()) {
    const isNear = at >= words.length - MOST_WORDS;
    if (word.toLowerCase() !== 'for' && !isNear) continue;
    const found = readDuration(words.slice(at));
    if (found === null || found === 'unclear') continue;
    if (word.toLowerCase() === 'for' || at + found.words === words.length) return { at, ...found };
  }
  return null;
}

function isMeant(plain: readonly string[], word: string): boolean {
  const [first = ''] = plain;
  return (
    looksLikeDuration(bare(word)) ||
    NEARLY.test(first) ||
    NEARLY_AS.test(first) ||
    IN_WORDS.test(plain.slice(0, 3).join(' '))
  );
}

function partAt(plain: readonly string[], at: number): Part | null {
  const [word = '', after = ''] = plain.slice(at, at + 2);
  if (NUMBER.test(word)) {
    const part = UNITS.has(after) ? compact(`${word}${after}`) : null;
    return part === null ? null : { ...part, words: 2 };
  }
  const iso = ISO.exec(word);
  const part = compact(iso === null ? word : iso.slice(1).join(''));
  return part === null ? null : { ...part, words: 1 };
}

/** `1h30min` or `1.5h`: units each smaller than the one before, a fraction only where there is no other part. */
function compact(word: string): Pick<Part, 'seconds' | 'unit'> | null {
  let seconds = 0;
  let unit = Number.POSITIVE_INFINITY;
  let end = 0;
  let isFraction = false;
  for (const [text, whole = '', fraction, name = ''] of word.matchAll(PART)) {
    const size = UNITS.get(name);
    if (size === undefined || size >= unit || isFraction || (fraction !== undefined && end > 0)) return null;
    isFraction = fraction !== undefined;
    seconds += Number(`${whole}.${fraction ?? 0}`) * size;
    unit = size;
    end += text.length;
  }
  return end === word.length && seconds > 0 && Number.isInteger(seconds) ? { seconds, unit } : null;
}
