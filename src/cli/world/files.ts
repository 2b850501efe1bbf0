import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

interface TextFile {
  readonly name: string;
  readonly text: string;
}

const MANIFEST = /\.(ya?ml|json)$/;

/**
 * The texts behind `-f`: a file whatever its name, `-` for standard input, or a directory with all .yaml, .yml and .json
 * files below it (links to directories are not followed). A file named twice is read once.
 */
export async function readFiles(paths: readonly string[]): Promise<{ files: TextFile[]; problems: string[] }> {
  const problems: string[] = [];
  const attempt = async <T>(name: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      problems.push(`${name}: can't be read: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  };

  const names = new Set<string>();
  for (const path of paths) {
    const found = await attempt(path, () => namesBelow(path));
    if (found?.length === 0) problems.push(`${path}: no .yaml, .yml or .json file in this directory`);
    for (const name of found ?? []) names.add(name);
  }
  const files: TextFile[] = [];
  for (const name of names) {
    const content = await attempt(name, () => (name === '-' ? text(process.stdin) : readFile(name, 'utf8')));
    if (content !== undefined) files.push({ name, text: content });
  }
  return { files, problems };
}

async function namesBelow(path: string): Promise<string[]> {
  if (path === '-' || !(await stat(path)).isDirectory()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory() && MANIFEST.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
