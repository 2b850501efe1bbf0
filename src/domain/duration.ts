/** A length of time in whole seconds. */
export type Seconds = number;

const UNITS: Record<string, Seconds> = { s: 1, m: 60, h: 3600, d: 86_400 };
const PART = /(\d{1,6})([smhd])/gy;

/** What a duration looks like, for error messages. */
export const DURATION_FORM = 'a number with a unit: 45m, 90s, 1h30m, 2h, 1d';

/**
 * Reads `45m`, `90s`, `1h30m`, `2h`, `1d` (units s, m, h, d; each at most once, largest first) as whole seconds.
 * Anything else (a bare number, zero, a negative, fractions, blanks inside) is null.
 */
export function parseDuration(text: string): Seconds | null {
  let total = 0;
  let lastUnit = Number.POSITIVE_INFINITY;
  let end = 0;
  for (const match of text.matchAll(PART)) {
    const unit = UNITS[match[2] ?? ''] ?? 0;
    if (unit >= lastUnit) return null;
    lastUnit = unit;
    total += Number(match[1]) * unit;
    end = match.index + match[0].length;
  }
  return end === text.length && total > 0 ? total : null;
}

/** True for words that a person meant as a duration, right or wrong: `30`, `-5m` (with any dash), `0h`, `1.5h`. */
export function looksLikeDuration(word: string): boolean {
  // A number this long is no word of a reason; the pattern below would take its time over it.
  if (word.length > 40) return /^[-+\u2010-\u2015\u2212]*\d/.test(word);
  return /^[-+\u2010-\u2015\u2212]*\d[\d.,]*[a-z]{0,3}(\d+[a-z]+)*\d*$/i.test(word);
}

/** `5400` is `1h30m`. The inverse of {@link parseDuration} for positive whole seconds; `0s` for zero and less. */
export function formatDuration(seconds: Seconds): string {
  let rest = Math.max(0, Math.round(seconds));
  let text = '';
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const size = UNITS[unit] ?? 1;
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) text += `${count}${unit}`;
  }
  return text || '0s';
}
