/** The longest line that is taken over from a source: characters. */
const LONGEST = 200;

/** Somebody else's text as one line that can be shown: without what controls a display, and cut. */
export function lineOf(text: string): string {
  const plain = text
    .slice(0, 10 * LONGEST)
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .trim();
  return plain.length <= LONGEST ? plain : `${plain.slice(0, LONGEST - 1).toWellFormed()}…`;
}
