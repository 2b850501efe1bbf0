import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { promisify } from 'node:util';
import { aptInstall, mayInstall, SYSTEM_PATH } from '../apt.ts';
import { ClusterUnavailableError } from './binaries.ts';
import type { Log } from './supervisor.ts';

const run = promisify(execFile);

/** Where Debian keeps the network plugins, and its static busybox. */
export const CNI_DIR = '/usr/lib/cni';
export const BUSYBOX = '/bin/busybox';

/** Debian packages that a node needs, each with a file by which it is known to be there. */
const PACKAGES = {
  runc: '/usr/sbin/runc',
  'containernetworking-plugins': `${CNI_DIR}/ptp`,
  nftables: '/usr/sbin/nft',
  iproute2: '/sbin/ip',
  // The program alone does not tell whether it is the static one.
  'busybox-static': '/var/lib/dpkg/info/busybox-static.list',
  // What people want in a workspace. Debian's dig brings 30 MB of libraries that it does not need; kdig takes the same arguments.
  curl: '/usr/bin/curl',
  wget: '/usr/bin/wget',
  'knot-dnsutils': '/usr/bin/kdig',
  'postgresql-client': '/usr/bin/psql',
};

/** The programs of a workspace, by the names that they have there. */
export function workspaceTools(): Record<string, string> {
  // /usr/bin/psql is a script in Perl that looks for the version to run.
  const versions = globSync('/usr/lib/postgresql/*/bin/psql');
  const [psql = PACKAGES['postgresql-client']] = versions.toSorted((a, b) =>
    b.localeCompare(a, 'en', { numeric: true }),
  );
  return { curl: PACKAGES.curl, wget: PACKAGES.wget, dig: PACKAGES['knot-dnsutils'], psql };
}

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/** Why no node can run on this machine whatever is installed, or null: it takes Linux, root, and leave to make namespaces. */
export async function reasonAgainstNode(): Promise<string | null> {
  if (process.platform !== 'linux') return `a node needs Linux, and this is ${process.platform}`;
  if (process.getuid?.() !== 0) return 'a node needs root';
  return run('unshare', ['--net', '--mount', '--pid', '--fork', 'true'], { env: { PATH: SYSTEM_PATH } }).then(
    () => null,
    (error: Error & { stderr?: string }) =>
      `this root may not make namespaces (${(error.stderr ?? error.message).trim()})`,
  );
}

/**
 * Sees to it that the system's packages of a node are there. On Debian and its kin the missing ones are installed by apt-get, and
 * that is said.
 *
 * @throws ClusterUnavailableError when no node can run here, or when something is missing that can't be installed; it says what.
 */
export async function ensureNodePackages(options: { log: Log }): Promise<void> {
  const { log } = options;
  const reason = await reasonAgainstNode();
  if (reason !== null) throw new ClusterUnavailableError(`No node: ${reason}.`);
  let missing = await missingPackages();
  if (missing.length === 0) return;
  if (!mayInstall()) {
    throw new ClusterUnavailableError(
      `No node: the Debian packages ${missing.join(', ')} are missing, or keep their files elsewhere than in ` +
        `${missing.map((name) => PACKAGES[name]).join(', ')}.`,
    );
  }
  let problem = '';
  try {
    await aptInstall(missing, log);
  } catch (error) {
    problem = ` (${error instanceof Error ? error.message : String(error)})`;
  }
  missing = await missingPackages();
  if (missing.length > 0) {
    throw new ClusterUnavailableError(`No node: apt-get could not install ${missing.join(', ')}${problem}.`);
  }
}

async function missingPackages(): Promise<(keyof typeof PACKAGES)[]> {
  const names = Object.keys(PACKAGES) as (keyof typeof PACKAGES)[];
  const found = await Promise.all(names.map((name) => exists(PACKAGES[name])));
  return names.filter((_, index) => !found[index]);
}
