import { homedir } from 'node:os';
import { join } from 'node:path';

/** A folder of this user's cache, for what was built or downloaded. https://specifications.freedesktop.org/basedir-spec/latest/ */
export function cacheDir(...parts: string[]): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'drawbridge', ...parts);
}
