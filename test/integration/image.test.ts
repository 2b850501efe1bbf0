import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { cacheDir } from '../../src/image/cache.ts';
import { HERE, openApt } from '../../src/image/debian.ts';
import { writeTree } from '../../src/image/tree.ts';

const run = promisify(execFile);

/** What it may take, compressed: bytes. */
const BUDGET = 90 * 2 ** 20;
const missing = ['/usr/bin/apt-get', '/usr/bin/dpkg-deb'].filter((path) => !existsSync(path));
const isRoot = process.getuid?.() === 0;

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}
interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

async function image(...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, ['src/image/main.ts', ...args]);
  return stdout;
}

describe.skipIf(missing.length > 0 && process.env['CI'] === undefined)('npm run image', () => {
  let dir: string;
  /** Unpacked: its blobs, and the files of its layers. */
  let layout: string;
  let root: string;
  let said: string;
  let manifest: Manifest;
  let config: { readonly config: Record<string, unknown>; readonly rootfs: { readonly diff_ids: readonly string[] } };
  const blob = ({ digest }: Descriptor) => readFile(join(layout, 'blobs', digest.replace(':', '/')));
  const json = async (descriptor: Descriptor) => JSON.parse((await blob(descriptor)).toString());

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'drawbridge-image-test-'));
    layout = join(dir, 'layout');
    root = join(dir, 'root');
    said = await image('--output', join(dir, 'first.tar'));
    await Promise.all([layout, root].map((path) => mkdir(path)));
    await run('tar', ['-xf', join(dir, 'first.tar'), '-C', layout]);
    const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')) as { manifests: Descriptor[] };
    const [found] = index.manifests;
    if (found === undefined) throw new Error('no manifest');
    manifest = await json(found);
    config = await json(manifest.config);
    for (const [index, layer] of manifest.layers.entries()) {
      const plain = gunzipSync(await blob(layer));
      expect(`sha256:${createHash('sha256').update(plain).digest('hex')}`).toBe(config.rootfs.diff_ids[index]);
      await writeFile(join(dir, 'layer.tar'), plain);
      await run('tar', ['-xf', join(dir, 'layer.tar'), '-C', root]);
    }
  }, 300_000);
  afterAll(() => rm(dir, { recursive: true }));

  const files = async () =>
    (await run('find', [root, '-mindepth', '1', '!', '-type', 'd', '-printf', '%P\n'])).stdout.trim().split('\n');

  test('makes the same bytes again, with the list of what is in it', async () => {
    expect(await image('--output', join(dir, 'second.tar'))).toBe(said.replaceAll('first.tar', 'second.tar'));
    for (const end of ['tar', 'tar.cdx.json'])
      expect((await readFile(join(dir, `first.${end}`))).equals(await readFile(join(dir, `second.${end}`)))).toBe(true);
    const sbom = JSON.parse(await readFile(join(dir, 'first.tar.cdx.json'), 'utf8')) as {
      components: { name: string }[];
    };
    const names = sbom.components.map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(['@slack/bolt', 'bullmq', 'node', 'libc6', 'libstdc++6', 'ca-certificates']),
    );
    expect(names).not.toContain('vitest');
  }, 300_000);

  test('has every blob under its digest, and keeps within its budget', async () => {
    for (const one of [manifest.config, ...manifest.layers]) {
      const content = await blob(one);
      expect(`sha256:${createHash('sha256').update(content).digest('hex')}`).toBe(one.digest);
      expect(content.length).toBe(one.size);
    }
    expect(manifest.layers.reduce((sum, { size }) => sum + size, 0)).toBeLessThan(BUDGET);
  });

  test('runs the bot as nobody of the host, and says whose it is', async () => {
    expect(config.config).toMatchObject({
      User: '65532:65532',
      WorkingDir: '/app',
      Cmd: ['node', '--max-semi-space-size=4', 'dist/main.js'],
      Labels: { 'org.opencontainers.image.title': 'drawbridge', 'org.opencontainers.image.version': '0.1.0' },
    });
  });

  test('has no shell, no package manager and nothing to write to but /tmp', async () => {
    const all = await files();
    expect(all.filter((name) => /(^|\/)(sh|bash|dash|busybox|apt|apt-get|dpkg|npm|perl|python3?)$/.test(name))).toEqual(
      [],
    );
    expect(all.filter((name) => /^(usr\/)?s?bin\//.test(name))).toEqual([]);
    expect(
      all.filter((name) => name.startsWith('app/') && !/^app\/(dist|src\/probe)\/|^app\/package.json$/.test(name)),
    ).toEqual([]);
    const writable = await run('find', [root, '!', '-type', 'l', '-perm', '/022', '-printf', '%P\n']);
    expect(writable.stdout.trim()).toBe('tmp');
  });

  test.runIf(isRoot)('runs its programs there', async () => {
    const inside = async (...command: string[]) =>
      run('chroot', ['--userspec=65532:65532', root, '/usr/local/bin/node', ...command], {
        env: { PATH: '/usr/sbin:/usr/bin' },
      }).catch((error: unknown) => error as { stdout: string; stderr: string });
    expect((await inside('-p', 'process.version')).stdout.trim()).toMatch(/^v24\./);
    expect((await inside('/app/dist/main.js')).stderr).toContain('SLACK_BOT_TOKEN is not set');
    for (const program of ['audit', 'policy', 'reap', 'revoke-all'])
      expect((await inside(`/app/dist/cli/${program}.js`, '--help')).stdout).toContain('Usage');
    // Where the chart's canary and the probe of workspaces look for it.
    expect((await inside('/app/src/probe/main.ts')).stderr).toContain('usage: main.ts');
    const authorities = await readFile(join(root, 'etc/ssl/certs/ca-certificates.crt'), 'utf8');
    expect(authorities.split('BEGIN CERTIFICATE').length).toBeGreaterThan(100);
  });

  test('of what is here already the newest version is told too', async () => {
    const apt = await openApt(cacheDir('image', 'apt'), HERE);
    expect(await apt.newest(['libc6'])).toEqual([
      { name: 'libc6', version: expect.stringMatching(/^\d/), sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ]);
  });

  test.runIf(isRoot)('--redis makes one with Redis alone, which runs there', async () => {
    const archive = join(dir, 'redis.tar');
    expect(await image('--redis', '--output', archive)).toMatch(/drawbridge-redis:7\.[\d.]+ for linux\//);
    const files = join(dir, 'redis');
    await image('--redis', '--files', files);
    const { stdout } = await run('find', [files, '-path', '*bin/*', '-printf', '%P\n']);
    expect(stdout.trim().split('\n').toSorted()).toEqual(
      ['redis-check-rdb', 'redis-cli', 'redis-server'].map((name) => `usr/bin/${name}`),
    );
    const settings = ['--port', '0', '--unixsocket', '/tmp/redis', '--dir', '/data', '--appendonly', 'yes'];
    const server = run('chroot', ['--userspec=65532:65532', files, '/usr/bin/redis-server', ...settings]);
    const cli = (...args: string[]) => run('chroot', [files, '/usr/bin/redis-cli', '-s', '/tmp/redis', ...args]);
    try {
      await vi.waitFor(async () => expect((await cli('SET', 'a', 'b')).stdout).toBe('OK\n'), 10_000);
      expect((await cli('EVAL', "return redis.call('GET', 'a')", '0')).stdout).toBe('b\n');
    } finally {
      server.child.kill();
      await server;
    }
    const sbom = await readFile(`${archive}.cdx.json`, 'utf8');
    expect(sbom).toContain('"name": "redis-server"');
    expect(sbom).toBe(await readFile(`${files}.cdx.json`, 'utf8'));
  });

  test.each([
    [['--platform', 'windows/amd64'], /there is linux\/amd64 and linux\/arm64; npm run image -- --help says more/],
    [['--files', '.'], /--files \. is there already/],
    [['--colour'], /Unknown option '--colour'/],
  ])('refuses %s with what is allowed', async (args, words) => {
    await expect(image(...args)).rejects.toMatchObject({ code: 2, stderr: expect.stringMatching(words) });
  });
});

test('the files of an image can be written into a folder, for a Dockerfile', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'drawbridge-tree-'));
  await writeTree(dir, [
    { name: 'a/', mode: 0o1777 },
    { name: 'a/b', content: [Buffer.from('x'), Buffer.from('y')], mode: 0o644 },
    { name: 'a/c', link: 'b', mode: 0o777 },
  ]);
  expect(await readFile(join(dir, 'a/c'), 'utf8')).toBe('xy');
  expect((await stat(join(dir, 'a'))).mode & 0o7777).toBe(0o1777);
  await rm(dir, { recursive: true });
});
