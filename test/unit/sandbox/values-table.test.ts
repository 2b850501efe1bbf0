import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CHART } from '../../../src/sandbox/chart-values.ts';
import { CHART_README, withValues } from '../../../src/sandbox/values-table.ts';

const PLACE = '<!-- Made of values.yaml by npm run chart-files: begin -->\n<!-- end -->\nmore';

test('the chart’s README has the table of its values', async () => {
  const [readme, values] = await Promise.all([
    readFile(CHART_README, 'utf8'),
    readFile(join(CHART, 'values.yaml'), 'utf8'),
  ]);
  expect(withValues(readme, values)).toBe(readme);
});

test('each value has its default and what its comment says, in one line', () => {
  const values = [
    '# How many,',
    '# or none.',
    'replicas: 2',
    '# Where <it> is.',
    'image:',
    '  # The name | of it.',
    '  repository: x',
    '  tag: ""',
    'resources:',
    '  limits:',
    '    memory: 1Mi',
    '# Of something else.',
    '',
    '# Of pods.',
    'tolerations: []',
  ].join('\n');
  expect(
    withValues(PLACE, values)
      .split('\n')
      .slice(2, -3)
      .map((line) => line.replaceAll(/ +/g, ' ')),
  ).toEqual([
    '| value | default | meaning |',
    expect.stringMatching(/^\| -+ \| -+ \| -+ \|$/),
    '| `replicas` | `2` | How many, or none. |',
    '| `image` | | Where &lt;it> is. |',
    '| `image.repository` | `"x"` | The name \\| of it. |',
    '| `image.tag` | `""` | |',
    '| `resources` | `{"limits":{"memory":"1Mi"}}` | |',
    '| `tolerations` | `[]` | Of pods. |',
  ]);
});

test('a README without a place for it is told', () => {
  expect(() => withValues('# Chart', 'a: 1')).toThrow('no place for what is made of values.yaml');
});
