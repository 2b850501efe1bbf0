/** Parts of documents that are made of something else, between two marks: whoever changes the source runs `npm run chart-files`. */

const END = '<!-- end -->';

/**
 * The document with the part that is made of `source` as it should be.
 * @throws Error when it has no place for one
 */
export function withMadePart(document: string, source: string, part: string): string {
  const begin = `<!-- Made of ${source} by npm run chart-files: begin -->`;
  const [before, rest] = document.split(begin);
  const [, ...after] = rest?.split(END) ?? [];
  if (before === undefined || after.length === 0)
    throw new Error(`no place for what is made of ${source}: ${begin} … ${END}`);
  return `${before}${begin}\n\n${part}\n\n${END}${after.join(END)}`;
}

/** A table of Markdown, as the formatter would have it; the first row is its head. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...others] = rows;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...others.map(line)].join('\n');
}
