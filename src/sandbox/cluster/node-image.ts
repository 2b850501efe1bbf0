import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';

/** The one image of a node, under two names: no registry has them, so pods need `imagePullPolicy: Never` or `IfNotPresent`. */
export const TOOLS_IMAGE = 'drawbridge.test/tools:1';
export const PAUSE_IMAGE = 'drawbridge.test/pause:1';

// Those that work in a static Debian busybox; its wget crashes.
const SHELL_TOOLS =
  'ash cat echo env grep head hostname httpd id ip kill ls mkdir nc netstat nslookup ping printf ps rm sed sh sleep tail timeout ' +
  'touch tr true wc which';
const DIRECTORIES = ['bin/', 'dev/', 'etc/', 'home/', 'proc/', 'sys/', 'tmp/'];
const USER = 65532;

type Entry = { name: string; content?: Buffer; link?: string; mode: number };

/**
 * Writes an image archive as `docker save` does (manifest.json, one config, one layer): the probe program as /probe, which is also
 * its entry point, and a shell with the usual small tools. It runs as user 65532, as Pod Security `restricted` wants it.
 * Source: Docker image specification v1.2, combined image JSON and filesystem changeset format.
 */
export async function writeImage(path: string, files: { probe: string; busybox: string }): Promise<void> {
  const layer = tar([
    ...DIRECTORIES.map((name) => ({ name, mode: name === 'tmp/' ? 0o1777 : 0o755 })),
    {
      name: 'etc/passwd',
      content: Buffer.from(`root:x:0:0::/:/bin/sh\ntools:x:${USER}:${USER}::/tmp:/bin/sh\n`),
      mode: 0o644,
    },
    { name: 'etc/group', content: Buffer.from(`root:x:0:\ntools:x:${USER}:\n`), mode: 0o644 },
    { name: 'probe', content: await readFile(files.probe), mode: 0o755 },
    { name: 'bin/busybox', content: await readFile(files.busybox), mode: 0o755 },
    ...SHELL_TOOLS.split(' ').map((tool) => ({ name: `bin/${tool}`, link: 'busybox', mode: 0o777 })),
  ]);
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: {
        User: `${USER}:${USER}`,
        Env: ['PATH=/bin'],
        Entrypoint: ['/probe'],
        Cmd: ['sleep'],
        WorkingDir: '/tmp',
      },
      rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(layer)}`] },
    }),
  );
  const names = { config: `${sha256(config)}.json`, layer: `${sha256(layer)}/layer.tar` };
  const manifest = [{ Config: names.config, RepoTags: [TOOLS_IMAGE, PAUSE_IMAGE], Layers: [names.layer] }];
  const archive = tar([
    { name: names.config, content: config, mode: 0o644 },
    { name: names.layer, content: layer, mode: 0o644 },
    { name: 'manifest.json', content: Buffer.from(JSON.stringify(manifest)), mode: 0o644 },
  ]);
  await writeFile(path, archive);
}

function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

/** A tar archive (POSIX.1-1988 ustar) of root's files; a name that ends in / is a folder. Names of at most 100 bytes. */
function tar(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ name, content = Buffer.alloc(0), link = '', mode }) => {
    const header = Buffer.alloc(512);
    const octal = (value: number, length: number) => `${value.toString(8).padStart(length - 1, '0')}\0`;
    header.write(name, 0);
    header.write(octal(mode, 8), 100);
    header.write(octal(0, 8), 108);
    header.write(octal(0, 8), 116);
    header.write(octal(content.length, 12), 124);
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
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
