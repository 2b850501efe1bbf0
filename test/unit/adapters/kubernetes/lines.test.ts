import { expect, test } from 'vitest';
import { linesOf } from '../../../../src/adapters/kubernetes/lines.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
async function read(chunks: readonly (string | Uint8Array)[], longest = 100) {
  const lines: string[] = [];
  const stream = chunks.map((chunk) => (typeof chunk === 'string' ? bytes(chunk) : chunk));
  try {
    for await (const line of linesOf(stream, longest)) lines.push(line);
  } catch (error) {
    return [...lines, error instanceof Error ? error.message : String(error)];
  }
  return lines;
}

test.each<[string, (string | Uint8Array)[], string[]]>([
  ['nothing', [], []],
  ['one line', ['one\n'], ['one']],
  ['several in one chunk', ['one\ntwo\nthree\n'], ['one', 'two', 'three']],
  ['one in several chunks', ['o', 'n', 'e', '\n'], ['one']],
  ['across chunks', ['one\ntw', 'o\nth', 'ree\n'], ['one', 'two', 'three']],
  ['empty lines', ['\n\n'], ['', '']],
  ['a letter that is cut in two', [bytes('ä').subarray(0, 1), bytes('ä').subarray(1), '\n'], ['ä']],
  ['an end within a line', ['one\ntw'], ['one', 'the stream ended within a line']],
])('%s', async (_what, chunks, lines) => {
  expect(await read(chunks)).toEqual(lines);
});

test.each<[string, string[], number, string[]]>([
  ['as long as may be', ['four\n'], 4, ['four']],
  ['longer, in one chunk', ['fives\n'], 4, ['a line is longer than 4 bytes']],
  ['longer, across chunks', ['fi', 've', 's\n'], 4, ['a line is longer than 4 bytes']],
  ['longer, before its end has come', ['fives'], 4, ['a line is longer than 4 bytes']],
  ['as long, after others', ['four\nfo', 'ur\n'], 4, ['four', 'four']],
])('a line that is %s', async (_what, chunks, longest, lines) => {
  expect(await read(chunks, longest)).toEqual(lines);
});
