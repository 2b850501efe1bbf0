import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

export interface Bundle {
  /** What the image has in its folder, and nothing else: no node_modules. */
  readonly dir: string;
  /** The bot. */
  readonly main: string;
  remove(): Promise<void>;
}

/** Makes the programs of the image, somewhere else. */
export async function makeBundle(): Promise<Bundle> {
  const dir = await mkdtemp(join(tmpdir(), 'drawbridge-bundle-'));
  await promisify(execFile)(resolve('node_modules/.bin/rolldown'), ['-c', '-d', join(dir, 'dist')]);
  await writeFile(join(dir, 'package.json'), '{"type":"module"}');
  return { dir, main: join(dir, 'dist/main.js'), remove: () => rm(dir, { recursive: true }) };
}
