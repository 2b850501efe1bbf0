import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Entry } from './tar.ts';

/** Packages of Debian in an image: by apt's own tools, which hold them against Debian's keys, and by the lock. */

const run = promisify(execFile);

export type Architecture = 'amd64' | 'arm64';
/** Of this machine. */
export const HERE: Architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  /** Of the file, by architecture. */
  readonly sha256: Readonly<Record<Architecture, string>>;
}

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const SUITES = [
  ['http://deb.debian.org/debian', 'bookworm'],
  ['http://deb.debian.org/debian-security', 'bookworm-security'],
] as const;
/** A certificate authority that Mozilla trusts, a file each. */
const AUTHORITY = /^usr\/share\/ca-certificates\/mozilla\/.*\.crt$/;
export const AUTHORITIES = 'etc/ssl/certs/ca-certificates.crt';

export interface Apt {
  /** The files of these packages. @throws Error when one is not to be had, or is another than the lock says */
  download(packages: readonly DebianPackage[]): Promise<string[]>;
  /** The lock of what is newest. */
  newest(
    names: readonly string[],
  ): Promise<{ readonly name: string; readonly version: string; readonly sha256: string }[]>;
}

/**
 * apt with lists of its own, for any architecture: nothing of this machine's is read or changed.
 * @param dir keeps its lists and the packages
 */
export async function openApt(dir: string, architecture: Architecture): Promise<Apt> {
  const at = join(dir, architecture);
  await Promise.all(['lists/partial', 'archives/partial'].map((name) => mkdir(join(at, name), { recursive: true })));
  const sources = join(at, 'sources.list');
  await writeFile(sources, SUITES.map(([url, suite]) => `deb [signed-by=${KEYRING}] ${url} ${suite} main\n`).join(''));
  const settings = {
    'Dir::Etc::SourceList': sources,
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State': at,
    'Dir::State::status': '/dev/null',
    'Dir::Cache': at,
    'APT::Architecture': architecture,
    'APT::Architectures': architecture,
    'APT::Sandbox::User': '',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const archives = join(at, 'archives');
  const apt = async (cwd: string, ...args: string[]): Promise<string> => {
    try {
      const { stdout } = await run('apt-get', ['-q', ...options, ...args], { cwd });
      return stdout;
    } catch (error) {
      throw new Error(`apt-get ${args.join(' ')}: ${(error as { stderr?: string }).stderr?.trim() || String(error)}`, {
        cause: error,
      });
    }
  };

  async function fileOf(name: string, version: string): Promise<string | null> {
    const start = `${name}_${version.replaceAll(':', '%3a')}_`;
    const found = (await readdir(archives)).find((file) => file.startsWith(start));
    return found === undefined ? null : join(archives, found);
  }

  return {
    async download(packages) {
      const known = await Promise.all(packages.map(({ name, version }) => fileOf(name, version)));
      const missing = packages.filter((_, index) => known[index] === null);
      if (missing.length > 0) {
        await apt(archives, 'update');
        await apt(archives, 'download', ...missing.map(({ name, version }) => `${name}=${version}`));
      }
      return Promise.all(
        packages.map(async ({ name, version, sha256 }) => {
          const file = await fileOf(name, version);
          const wanted = sha256[architecture];
          if (file === null || (await sha256Of(file)) !== wanted)
            throw new Error(
              `${name} ${version} (${architecture}) is not the file that the lock names (SHA-256 ${wanted})`,
            );
          return file;
        }),
      );
    },
    async newest(names) {
      await apt(at, 'update');
      // In another folder than theirs: apt tells nothing of files that are there already.
      const uris = await apt(at, 'download', '--print-uris', ...names);
      return [...uris.matchAll(/^'\S+' ([^_]+)_(\S+)_\S+\.deb \d+ SHA256:(\w+)/gm)].map(
        ([, name = '', version = '', sha256 = '']) => ({ name, version: decodeURIComponent(version), sha256 }),
      );
    },
  };
}

const sha256Of = async (file: string): Promise<string> =>
  createHash('sha256')
    .update(await readFile(file))
    .digest('hex');

/**
 * What an image has of a package: its libraries, what its licence says, and what scanners know it by. No programs, which need a shell, but Redis'.
 * @param dir is made, for its files
 */
export async function contentsOf(file: string, name: string, dir: string): Promise<Entry[]> {
  await mkdir(dir, { recursive: true });
  await run('dpkg-deb', ['-x', file, dir]);
  const { stdout: control } = await run('dpkg-deb', ['-f', file]);
  const found = await readdir(dir, { recursive: true, withFileTypes: true });
  const entries: Entry[] = [{ name: `var/lib/dpkg/status.d/${name}`, content: Buffer.from(control), mode: 0o644 }];
  const authorities: Buffer[] = [];
  for (const one of found.toSorted((a, b) => (join(a.parentPath, a.name) < join(b.parentPath, b.name) ? -1 : 1))) {
    const path = join(one.parentPath, one.name);
    const name = path.slice(dir.length + 1);
    if (one.isFile() && AUTHORITY.test(name)) authorities.push(await readFile(path));
    if (!isKept(name)) continue;
    if (one.isSymbolicLink()) entries.push({ name, link: await readlink(path), mode: 0o777 });
    else if (one.isFile()) entries.push({ name, content: await readFile(path), mode: isProgram(name) ? 0o755 : 0o644 });
  }
  if (authorities.length > 0) entries.push({ name: AUTHORITIES, content: authorities, mode: 0o644 });
  return entries;
}

const isKept = (name: string): boolean =>
  /^usr\/share\/doc\/[^/]+\/copyright$/.test(name) ||
  (/^(usr\/)?lib(64)?\//.test(name) && !/\/(gconv|systemd)\//.test(name)) ||
  isProgram(name);
/** The loader runs programs, and is one itself; `redis-server` is a link to `redis-check-rdb`. */
const isProgram = (name: string): boolean => /\/ld-linux[^/]*$|^usr\/bin\/redis-(server|check-rdb|cli)$/.test(name);
