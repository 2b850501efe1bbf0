import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Entry } from './tar.ts';

/** Writes the files of an image into a folder. */
export async function writeTree(dir: string, entries: readonly Entry[]): Promise<void> {
  for (const { name, content = [], link, mode } of entries) {
    const path = join(dir, name);
    await mkdir(dirname(path), { recursive: true });
    if (link !== undefined) await symlink(link, path);
    else {
      if (name.endsWith('/')) await mkdir(path, { recursive: true });
      else await writeFile(path, Buffer.concat([content].flat()));
      // As it is said, whatever the umask.
      await chmod(path, mode);
    }
  }
}
