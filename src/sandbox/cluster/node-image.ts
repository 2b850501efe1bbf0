import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { HERE } from '../../image/debian.ts';
import { ociImage, type RunConfig } from '../../image/oci.ts';
import { USER } from '../../image/parts.ts';
import { type Entry, withFolders } from '../../image/tar.ts';

/** The images of a node: no registry has them, so pods need `imagePullPolicy: Never` or `IfNotPresent`. The first two are one. */
export const TOOLS_IMAGE = 'drawbridge.test/tools:1';
export const PAUSE_IMAGE = 'drawbridge.test/pause:1';
/** Drawbridge's own, as far as the chart's canary and the probe of workspaces need it: not the bot. */
export const DRAWBRIDGE_IMAGE = { repository: 'drawbridge.test/drawbridge', tag: 'dev' };

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
// Those that work in a static Debian busybox; its wget crashes.
const SHELL_TOOLS =
  'ash cat chroot echo env grep head hostname httpd id ip kill ls mkdir nc netstat nslookup ping printf ps rm sed setsid sh sleep tail timeout ' +
  'touch tr true wc which';
const FOLDERS = ['bin/', 'dev/', 'etc/', 'home/', 'proc/', 'sys/', 'tmp/'];

/**
 * An image archive with the probe program as /probe, which is also its entry point, a shell with the usual small tools, and `tools` of this
 * machine by their names there. It runs as user 65532, as Pod Security `restricted` wants it.
 */
export async function writeToolsImage(
  path: string,
  files: { probe: string; busybox: string; tools: Readonly<Record<string, string>> },
): Promise<void> {
  const libraries = new Set((await Promise.all(Object.values(files.tools).map(librariesOf))).flat());
  const programs = [
    ...Object.entries(files.tools).map(([name, from]) => fileEntry(`bin/${name}`, from, 0o755)),
    ...[...libraries].map((library) => fileEntry(library.slice(1), library, 0o755)),
  ];
  const entries = [
    {
      name: 'etc/passwd',
      content: Buffer.from(`root:x:0:0::/:/bin/sh\ntools:x:${USER}:${USER}::/tmp:/bin/sh\n`),
      mode: 0o644,
    },
    { name: 'etc/group', content: Buffer.from(`root:x:0:\ntools:x:${USER}:\n`), mode: 0o644 },
    { name: 'probe', content: await readFile(files.probe), mode: 0o755 },
    { name: 'bin/busybox', content: await readFile(files.busybox), mode: 0o755 },
    ...SHELL_TOOLS.split(' ').map((tool) => ({ name: `bin/${tool}`, link: 'busybox', mode: 0o777 })),
    ...(await Promise.all(programs)),
  ];
  await write(path, [TOOLS_IMAGE, PAUSE_IMAGE], withFolders(entries, FOLDERS), {
    Env: ['PATH=/bin'],
    Entrypoint: ['/probe'],
    Cmd: ['sleep'],
    WorkingDir: '/tmp',
  });
}

/** An image archive with the Node.js that runs this, what it is linked with, and src/probe: where the image has them. */
export async function writeDrawbridgeImage(path: string): Promise<void> {
  const libraries = await librariesOf(process.execPath);
  const sources = (await readdir(join(ROOT, 'src/probe'))).map((name) => `src/probe/${name}`);
  const entries = await Promise.all([
    fileEntry('usr/local/bin/node', process.execPath, 0o755),
    ...libraries.map((library) => fileEntry(library.slice(1), library, 0o755)),
    ...['package.json', ...sources].map((name) => fileEntry(`app/${name}`, join(ROOT, name), 0o644)),
  ]);
  await write(path, [`${DRAWBRIDGE_IMAGE.repository}:${DRAWBRIDGE_IMAGE.tag}`], withFolders(entries), {
    Env: ['PATH=/usr/local/bin'],
    WorkingDir: '/app',
  });
}

async function fileEntry(name: string, from: string, mode: number): Promise<Entry> {
  return { name, content: await readFile(from), mode };
}

/** The shared libraries that a program is linked with, and the loader that it names. */
async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ldd', [program]);
  return stdout.split('\n').flatMap((line) => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1] ?? []);
}

async function write(
  path: string,
  names: readonly string[],
  entries: readonly Entry[],
  config: Omit<RunConfig, 'User'>,
): Promise<void> {
  const runs = { User: `${USER}:${USER}`, ...config };
  const image = ociImage({ names, architecture: HERE, layers: [entries], config: runs }, false);
  await writeFile(path, image.archive);
}
