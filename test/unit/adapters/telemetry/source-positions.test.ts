import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createSourcePositions } from '../../../../src/adapters/telemetry/source-positions.ts';

/** A file whose first line, from its fifth column on, is the third line of `src/a.ts`. */
async function program(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'positions-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  await writeMap(dir);
  return dir;
}

const writeMap = (dir: string, source = '../src/a.ts') =>
  writeFile(join(dir, 'run.js.map'), JSON.stringify({ version: 3, sources: [source], names: [], mappings: 'IAEE' }));

test('a place in a file that has a map is told as that of its source', async () => {
  const dir = await program();
  const stack = `Error: x\n    at one (file://${dir}/run.js:1:7)\n    at ${dir}/run.js:1:5\n    at node:internal:1:1`;
  const source = join(dir, '../src/a.ts');
  expect(createSourcePositions()(stack)).toBe(
    `Error: x\n    at one (${source}:3:3)\n    at ${source}:3:3\n    at node:internal:1:1`,
  );
});

test('what has no map, or a bad one, stays as it is', async () => {
  const dir = await program();
  await writeFile(join(dir, 'bad.js.map'), 'no map');
  const stack = `at ${dir}/other.js:1:7 at ${dir}/bad.js:1:7 at ${dir}/run.js:9:1`;
  const inSources = createSourcePositions();
  expect([inSources(stack), inSources(stack)]).toEqual([stack, stack]);
});

test('a map is read once, and again when no error was told of for long', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const dir = await program();
  const inSources = createSourcePositions();
  const told = () => inSources(`at ${dir}/run.js:1:5`);
  expect(told()).toContain('a.ts');
  await writeMap(dir, 'b.ts');
  vi.advanceTimersByTime(3_599_999);
  expect(told()).toContain('a.ts');
  vi.advanceTimersByTime(3_599_999);
  expect(told()).toContain('a.ts');
  vi.advanceTimersByTime(3_600_000);
  expect(told()).toContain('b.ts');
});

test('words of nothing but slashes hold up nothing', () => {
  const words = '/'.repeat(200_000);
  expect(createSourcePositions()(words)).toBe(words);
});
