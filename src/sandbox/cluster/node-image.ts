import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The images of a node: no registry has them, so pods need `imagePullPolicy: Never` or `IfNotPresent`. The first two are one. */
export const TOOLS_IMAGE = 'drawbridge.test/tools:1';
export const PAUSE_IMAGE = 'drawbridge.test/pause:1';
/** Drawbridge's own, as far as the chart's canary and the probe of workspaces need it: not the bot. */
export const DRAWBRIDGE_IMAGE = { repository: 'drawbridge.test/drawbridge', tag: 'dev' };

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
// Those that work in a static Debian busybox; its wget crashes.
const SHELL_TOOLS =
  'ash cat echo env grep head hostname httpd id ip kill ls mkdir nc netstat nslookup ping printf ps rm sed sh sleep tail timeout ' +
  'touch tr true wc which';
const DIRECTORIES = ['bin/', 'dev/', 'etc/', 'home/', 'proc/', 'sys/', 'tmp/'];
const USER = 65532;

type Entry = { name: string; content?: Buffer | readonly Buffer[]; link?: string; mode: number };
type Image = { names: readonly string[]; entries: readonly Entry[]; config: object };

/**
 * An image archive with the probe program as /probe, which is also its entry point, and a shell with the usual small tools. It runs as user
 * 65532, as Pod Security `restricted` wants it.
 */
export async function writeToolsImage(path: string, files: { probe: string; busybox: string }): Promise<void> {
  const entries = [
    ...directories(DIRECTORIES),
    {
      name: 'etc/passwd',
      content: Buffer.from(`root:x:0:0::/:/bin/sh\ntools:x:${USER}:${USER}::/tmp:/bin/sh\n`),
      mode: 0o644,
    },
    { name: 'etc/group', content: Buffer.from(`root:x:0:\ntools:x:${USER}:\n`), mode: 0o644 },
    { name: 'probe', content: await readFile(files.probe), mode: 0o755 },
    { name: 'bin/busybox', content: await readFile(files.busybox), mode: 0o755 },
    ...SHELL_TOOLS.split(' ').map((tool) => ({ name: `bin/${tool}`, link: 'busybox', mode: 0o777 })),
  ];
  const config = { Env: ['PATH=/bin'], Entrypoint: ['/probe'], Cmd: ['sleep'], WorkingDir: '/tmp' };
  await writeImage(path, { names: [TOOLS_IMAGE, PAUSE_IMAGE], entries, config });
}

/** An image archive with the Node.js that runs this, what it is linked with, and src/probe: where the Dockerfile has them. */
export async function writeDrawbridgeImage(path: string): Promise<void> {
  const libraries = await librariesOf(process.execPath);
  const sources = (await readdir(join(ROOT, 'src/probe'))).map((name) => `src/probe/${name}`);
  const file = async (name: string, from: string, mode: number): Promise<Entry> => ({
    name,
    content: await readFile(from),
    mode,
  });
  const entries = await Promise.all([
    file('usr/local/bin/node', process.execPath, 0o755),
    ...libraries.map((library) => file(library.slice(1), library, 0o755)),
    ...['package.json', ...sources].map((name) => file(`app/${name}`, join(ROOT, name), 0o644)),
  ]);
  const parents = new Set(['tmp/', ...entries.flatMap(({ name }) => parentsOf(name))]);
  await writeImage(path, {
    names: [`${DRAWBRIDGE_IMAGE.repository}:${DRAWBRIDGE_IMAGE.tag}`],
    entries: [...directories([...parents]), ...entries],
    config: { Env: ['PATH=/usr/local/bin'], WorkingDir: '/app' },
  });
}

/** The shared libraries that a program is linked with, and the loader that it names. */
async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ldd', [program]);
  return stdout.split('\n').flatMap((line) => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1] ?? []);
}

const directories = (names: readonly string[]): Entry[] =>
  names.map((name) => ({ name, mode: name === 'tmp/' ? 0o1777 : 0o755 }));

/** `usr/local/bin/node` -> `usr/`, `usr/local/`, `usr/local/bin/` */
function parentsOf(name: string): string[] {
  const folders = name.split('/').slice(0, -1);
  return folders.map((_, index) => `${folders.slice(0, index + 1).join('/')}/`);
}

/**
 * Writes an image archive as `docker save` does: manifest.json, one config, one layer.
 * Source: Docker image specification v1.2, combined image JSON and filesystem changeset format.
 */
async function writeImage(path: string, { names: tags, entries, config: run }: Image): Promise<void> {
  const layer = tar(entries);
  const layerDigest = sha256(layer);
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: { User: `${USER}:${USER}`, ...run },
      rootfs: { type: 'layers', diff_ids: [`sha256:${layerDigest}`] },
    }),
  );
  const names = { config: `${sha256([config])}.json`, layer: `${layerDigest}/layer.tar` };
  const manifest = [{ Config: names.config, RepoTags: tags, Layers: [names.layer] }];
  const archive = tar([
    { name: names.config, content: config, mode: 0o644 },
    { name: names.layer, content: layer, mode: 0o644 },
    { name: 'manifest.json', content: Buffer.from(JSON.stringify(manifest)), mode: 0o644 },
  ]);
  await writeFile(path, archive);
}

function sha256(blocks: readonly Buffer[]): string {
  const hash = createHash('sha256');
  for (const block of blocks) hash.update(block);
  return hash.digest('hex');
}

/**
 * A tar archive (POSIX.1-1988 ustar) of root's files, in pieces, since it may be large; a name that ends in / is a folder. Names of at most
 * 100 bytes.
 */
function tar(entries: readonly Entry[]): Buffer[] {
  const blocks = entries.flatMap(({ name, content = [], link = '', mode }) => {
    const pieces = [content].flat();
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const header = Buffer.alloc(512);
    const octal = (value: number, length: number) => `${value.toString(8).padStart(length - 1, '0')}\0`;
    header.write(name, 0);
    header.write(octal(mode, 8), 100);
    header.write(octal(0, 8), 108);
    header.write(octal(0, 8), 116);
    header.write(octal(length, 12), 124);
    header.write(octal(0, 12), 136);
    header.write(' '.repeat(8), 148);
    header.write(link ? '2' : name.endsWith('/') ? '5' : '0', 156);
    header.write(link, 157);
    header.write('ustar\x0000', 257);
    header.write(
      `${octal(
        header.reduce((sum, byte) => sum + byte, 0),
        7,
      )} `,
      148,
    );
    return [header, ...pieces, Buffer.alloc((512 - (length % 512)) % 512)];
  });
  return [...blocks, Buffer.alloc(1024)];
}
