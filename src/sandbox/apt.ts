import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';

/** The PATH of the system's own programs; a user's may lack the sbin folders. */
export const SYSTEM_PATH = '/usr/sbin:/usr/bin:/sbin:/bin';

/** Whether this user may install the system's packages by apt-get: root on Debian and its kin. */
export function mayInstall(): boolean {
  return process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
}

/**
 * Installs packages of the system, and says so. Callers look for what they need afterwards.
 * @throws Error with apt-get's own words
 */
export async function aptInstall(packages: readonly string[], log: (line: string) => void): Promise<void> {
  log(`installing ${packages.join(', ')} by apt-get`);
  const apt = (...args: string[]) =>
    promisify(execFile)('apt-get', ['-q', '-y', '-o', 'DPkg::Lock::Timeout=120', ...args], {
      env: { ...process.env, PATH: SYSTEM_PATH, DEBIAN_FRONTEND: 'noninteractive' },
      maxBuffer: 64 * 1024 * 1024,
    });
  try {
    await apt('update');
    await apt('install', '--no-install-recommends', ...packages);
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    throw new Error(`apt-get: ${stderr?.trim() || String(error)}`, { cause: error });
  }
}
