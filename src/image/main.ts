import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { runCommand, terminal, UsageError, usage } from '../cli/command.ts';
import { CACHE, drawbridgeContents, LOCK, makingFor, readLock, redisContents } from './contents.ts';
import { type DebianPackage, HERE, openApt } from './debian.ts';
import { ociImage } from './oci.ts';
import type { Entry } from './tar.ts';
import { writeTree } from './tree.ts';

/** `npm run image`. Exit codes: 0 it is made, 1 something failed, 2 wrong options. */

const HELP = `npm run image [-- OPTIONS]

Makes Drawbridge's image, without Docker: Node, Debian's C and C++ libraries and certificate authorities,
each pinned in src/image/lock.json, and the programs. It has no shell and no package manager, and runs as
user 65532. The same inputs make the same bytes. A list of what is in it (CycloneDX) is written beside it.
Needs apt-get and dpkg-deb (Debian, Ubuntu) and npm; what was downloaded is kept in the user's cache.

  --output FILE      the archive, an OCI layout (drawbridge.oci.tar, redis.oci.tar); containerd, podman,
                     skopeo and Docker from 25 on load it
  --platform OS/ARCH linux/amd64 or linux/arm64 (this machine's)
  --files DIR        the files themselves in a new folder, in place of an archive
  --redis            Redis' image in place of Drawbridge's, made of Debian's redis-server: for trials
  --lock             pins the newest packages of Debian in src/image/lock.json, and makes nothing
  --help             this text
`;

const ARCHITECTURES = { 'linux/amd64': 'amd64', 'linux/arm64': 'arm64' } as const;

const say = (line: string) => console.log(line);
const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

interface Options {
  readonly output: string;
  readonly redis: boolean;
  readonly platform: keyof typeof ARCHITECTURES;
  readonly files: string | undefined;
  readonly lock: boolean;
}

/** @throws UsageError that says what is allowed */
function optionsOf(args: readonly string[]): Options {
  const { values } = usage(() =>
    parseArgs({
      args: [...args],
      options: {
        output: { type: 'string' },
        platform: { type: 'string', default: `linux/${HERE}` },
        redis: { type: 'boolean', default: false },
        files: { type: 'string' },
        lock: { type: 'boolean', default: false },
      },
    }),
  );
  const platform = (Object.keys(ARCHITECTURES) as (keyof typeof ARCHITECTURES)[]).find(
    (one) => one === values.platform,
  );
  if (platform === undefined)
    throw new UsageError(`--platform ${values.platform}: there is ${Object.keys(ARCHITECTURES).join(' and ')}`);
  if (values.files !== undefined && existsSync(values.files))
    throw new UsageError(`--files ${values.files} is there already`);
  const { output = values.redis ? 'redis.oci.tar' : 'drawbridge.oci.tar' } = values;
  return { ...values, output, files: values.files, platform };
}

async function make({ output, platform, redis, files }: Options): Promise<void> {
  const architecture = ARCHITECTURES[platform];
  const dir = await mkdtemp(join(tmpdir(), 'drawbridge-image-'));
  try {
    const making = await makingFor(architecture, dir);
    say(`taking what the lock names, for ${platform}`);
    const { name, layers, config, sbom } = await (redis ? redisContents(making) : drawbridgeContents(making));
    await writeFile(`${files ?? output}.cdx.json`, JSON.stringify(sbom, null, 2));
    if (files !== undefined) {
      await writeTree(files, layers.flat());
      say(`${resolve(files)}: ${summaryOf(layers)}`);
      return;
    }
    const image = ociImage({ names: [name], architecture, layers, config });
    await writeFile(output, image.archive);
    say(`${resolve(output)}: ${name} for ${platform}, ${mib(image.size)} compressed`);
    say(summaryOf(layers));
    say(`digest ${image.digest}`);
  } finally {
    await rm(dir, { recursive: true });
  }
}

function summaryOf(layers: readonly (readonly Entry[])[]): string {
  const all = layers.flat().filter(({ name }) => !name.endsWith('/'));
  const size = all.reduce((sum, { content = [] }) => sum + [content].flat().reduce((s, one) => s + one.length, 0), 0);
  return `${all.length} files, ${mib(size)}`;
}

async function pinNewest(): Promise<void> {
  const lock = await readLock();
  const [debian, redis] = [await newest(lock.debian), await newest(lock.redis)];
  await writeFile(LOCK, `${JSON.stringify({ ...lock, debian, redis }, null, 2)}\n`);
  for (const { name, version } of [...debian, ...redis]) say(`${name} ${version}`);
}

/** The newest of these packages, which must be one version for all architectures. */
async function newest(packages: readonly DebianPackage[]): Promise<DebianPackage[]> {
  const names = packages.map(({ name }) => name);
  const of = async (architecture: keyof DebianPackage['sha256']) =>
    (await openApt(join(CACHE, 'apt'), architecture)).newest(names);
  const [amd64, arm64] = await Promise.all([of('amd64'), of('arm64')]);
  return names.map((name) => {
    const [here, there] = [amd64, arm64].map((list) => list.find((one) => one.name === name));
    if (here === undefined || here.version !== there?.version)
      throw new Error(`Debian has not one version of ${name} for all architectures now`);
    return { name, version: here.version, sha256: { amd64: here.sha256, arm64: there.sha256 } };
  });
}

const argv = process.argv.slice(2);
process.exitCode = await runCommand({ command: 'image --', help: HELP, argv, out: terminal }, async () => {
  const options = optionsOf(argv);
  try {
    await (options.lock ? pinNewest() : make(options));
    return 0;
  } catch (error) {
    console.error(`The image was not made: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
});
