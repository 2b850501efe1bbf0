import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMap, isNode, isScalar, parseDocument, type YAMLMap } from 'yaml';
import { CHART } from './chart-values.ts';
import { markdownTable, withMadePart } from './made-part.ts';

/** The values of the chart as a table: of values.yaml, its comments included. Run as a program this writes the one in the chart's README. */

export const CHART_README = join(CHART, 'README.md');

/** What is one value to operators, whatever is in it. */
const WHOLE = new Set(['resources', 'quota', 'labels', 'controllers']);

/** The chart's README with the table as it should be, from the text of its values.yaml. */
export const withValues = (readme: string, values: string): string =>
  withMadePart(readme, 'values.yaml', markdownTable([['value', 'default', 'meaning'], ...rowsOf(values)]));

function rowsOf(values: string): string[][] {
  const { contents } = parseDocument(values);
  if (!isMap(contents)) throw new Error('values.yaml holds no values');
  return rowsIn(contents, '');
}

function rowsIn(map: YAMLMap, path: string): string[][] {
  return map.items.flatMap((pair, index) => {
    const { key, value } = pair;
    if (!isScalar(key)) return [];
    const name = String(key.value);
    const at = `${path}${name}`;
    // A comment before the first key is taken for one on the map.
    const comment = key.commentBefore ?? (index === 0 ? map.commentBefore : null);
    const meaning = textOf(comment);
    if (isMap(value) && value.items.length > 0 && !WHOLE.has(name))
      return [...(meaning === '' ? [] : [[`\`${at}\``, '', meaning]]), ...rowsIn(value, `${at}.`)];
    const plain: unknown = isNode(value) ? value.toJSON() : value;
    return [[`\`${at}\``, `\`${JSON.stringify(plain)}\``, meaning]];
  });
}

/** The last paragraph of a comment, as one line that a table may hold. */
const textOf = (comment: string | null | undefined): string =>
  ((comment ?? '').split(/\n\s*\n/).at(-1) ?? '')
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim()
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;')
    .replaceAll('*', '\\*');

if (import.meta.main) {
  const [readme, values] = await Promise.all([
    readFile(CHART_README, 'utf8'),
    readFile(join(CHART, 'values.yaml'), 'utf8'),
  ]);
  await writeFile(CHART_README, withValues(readme, values));
}
