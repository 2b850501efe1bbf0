import { LONGEST_KEY } from '../ticket.ts';

/**
 * Patterns of ticket keys: a small part of regular expressions, matched in a time that is bounded by the pattern's length, whatever the text. A
 * key is put into URLs, so a pattern can match nothing but letters, digits and `-_#/`.
 */

/** One place of a pattern: which characters, and how many of them. */
interface Atom {
  readonly takes: (character: string) => boolean;
  readonly least: number;
  readonly most: number;
}

/** Alternatives, each a row of atoms. */
export type KeyPattern = readonly (readonly Atom[])[];

export const KEY_PATTERN_FORM =
  'expected letters, digits and any of -_#/, classes such as [A-Z0-9] or \\d, each with ?, +, *, {2} or {2,10} where it repeats, and | between alternatives; a key is matched whole, so no ^, $ or groups';

const LONGEST_PATTERN = 128;
const PLAIN = /^[A-Za-z0-9_#/-]+$/;
const ATOM = /(?<class>\[(?<members>[^\]]*)\])|(?<digit>\\d)|(?<plain>[A-Za-z0-9_#/-])/y;
const TIMES = /(?<sign>[?+*])|\{(?<least>\d{1,2})(?<to>,(?<most>\d{1,2})?)?\}/y;
const MEMBER = /([A-Za-z0-9])-([A-Za-z0-9])|([A-Za-z0-9_#/-])|(\\d)/y;

/** Null: it is no such pattern, or one that matches the empty text. */
export function parseKeyPattern(text: string): KeyPattern | null {
  if (text.length > LONGEST_PATTERN) return null;
  const rows = text.split('|').map(parseRow);
  return rows.every((row) => row !== null && row.some(({ least }) => least > 0)) ? (rows as Atom[][]) : null;
}

function parseRow(text: string): Atom[] | null {
  const atoms: Atom[] = [];
  for (let at = 0; at < text.length; ) {
    const found = matchAt(ATOM, text, at);
    if (found === null) return null;
    at += found[0].length;
    const { members, digit, plain } = found.groups ?? {};
    const takes =
      members !== undefined
        ? parseClass(members)
        : digit !== undefined
          ? (one: string) => one >= '0' && one <= '9'
          : (one: string) => one === plain;
    const times = matchAt(TIMES, text, at);
    at += times?.[0].length ?? 0;
    const [least, most] = countsOf(times?.groups ?? {});
    if (takes === null || least > most || most > LONGEST_KEY) return null;
    atoms.push({ takes, least, most });
  }
  return atoms;
}

function countsOf({ sign, least, to, most }: Record<string, string | undefined>): [number, number] {
  if (sign !== undefined) return [sign === '+' ? 1 : 0, sign === '?' ? 1 : LONGEST_KEY];
  if (least === undefined) return [1, 1];
  return [Number(least), to === undefined ? Number(least) : most === undefined ? LONGEST_KEY : Number(most)];
}

function parseClass(text: string): Atom['takes'] | null {
  const ranges: [string, string][] = [];
  for (let at = 0; at < text.length; ) {
    const found = matchAt(MEMBER, text, at);
    if (found === null) return null;
    at += found[0].length;
    const [, from = '', to = '', single, digit] = found;
    const range: [string, string] =
      digit !== undefined ? ['0', '9'] : single !== undefined ? [single, single] : [from, to];
    // [A-z] has characters between the two that no key has.
    if (range[0] > range[1] || kindOf(range[0]) !== kindOf(range[1])) return null;
    ranges.push(range);
  }
  return ranges.length === 0 ? null : (one) => ranges.some(([from, to]) => one >= from && one <= to);
}

const kindOf = (character: string): string =>
  /\d/.test(character) ? 'digit' : /[a-z]/.test(character) ? 'lower' : /[A-Z]/.test(character) ? 'upper' : character;

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** Whether the whole text is a key of this pattern. */
export function isKey(pattern: KeyPattern, text: string): boolean {
  return text.length <= LONGEST_KEY && PLAIN.test(text) && pattern.some((row) => matchesRow(row, text));
}

/** Follows all ways at once: after each atom, the set of places at which the text may go on. */
function matchesRow(row: readonly Atom[], text: string): boolean {
  let places = new Set([0]);
  for (const { takes, least, most } of row) {
    const next = new Set<number>();
    for (const place of places) {
      if (least === 0) next.add(place);
      for (let count = 1; count <= most && place + count <= text.length; count++) {
        if (!takes(text.charAt(place + count - 1))) break;
        if (count >= least) next.add(place + count);
      }
    }
    places = next;
  }
  return places.has(text.length);
}
