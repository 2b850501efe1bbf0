import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { fullName, ociImage } from '../../../src/image/oci.ts';
import { tar, withFolders } from '../../../src/image/tar.ts';

const layers = [
  [{ name: 'a', content: Buffer.from('below'), mode: 0o644 }],
  [{ name: 'b', content: Buffer.from('above'), mode: 0o755 }],
];
const image = (more: object = {}) => ({
  names: ['drawbridge:0.1.0', 'registry.example.com/drawbridge:0.1.0'],
  architecture: 'amd64' as const,
  layers,
  config: { User: '65532:65532', Env: ['A=b'], WorkingDir: '/tmp', ...more },
});
const digestOf = (content: Buffer) => `sha256:${createHash('sha256').update(content).digest('hex')}`;

/** Files of an archive whose names and sizes are in ustar headers. */
function untar(archive: Buffer): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (let at = 0; archive[at] !== 0; ) {
    const name = archive.toString('utf8', at, at + 100).replace(/\0.*/s, '');
    const size = Number.parseInt(archive.toString('utf8', at + 124, at + 135), 8);
    files.set(name, archive.subarray(at + 512, at + 512 + size));
    at += 512 * (1 + Math.ceil(size / 512));
  }
  return files;
}

function opened(...args: Parameters<typeof ociImage>) {
  const made = ociImage(...args);
  const files = untar(Buffer.concat(made.archive));
  const blob = (digest: string) => files.get(`blobs/${digest.replace(':', '/')}`) ?? Buffer.from('missing');
  const index = JSON.parse(String(files.get('index.json')));
  const manifest = JSON.parse(String(blob(made.digest)));
  const config = JSON.parse(String(blob(manifest.config.digest)));
  return { made, files, blob, index, manifest, config };
}

test.each([
  [true, 'application/vnd.oci.image.layer.v1.tar+gzip', (content: Buffer) => gunzipSync(content)],
  [false, 'application/vnd.oci.image.layer.v1.tar', (content: Buffer) => content],
])('layers, compressed: %s, are described by what they are and what they hold', (isCompressed, mediaType, unpack) => {
  const { made, blob, manifest, config } = opened(image(), isCompressed);
  const stored = manifest.layers.map(({ digest }: { digest: string }) => blob(digest));
  expect(manifest.layers).toEqual(
    stored.map((content: Buffer) => ({ mediaType, digest: digestOf(content), size: content.length })),
  );
  expect(stored.map(unpack)).toEqual(layers.map((entries) => Buffer.concat(tar(entries))));
  expect(config.rootfs).toEqual({
    type: 'layers',
    diff_ids: stored.map((content: Buffer) => digestOf(unpack(content))),
  });
  expect(made.size).toBe(stored.reduce((sum: number, { length }: Buffer) => sum + length, 0));
});

test('an image is compressed unless it stays here', () => {
  expect(ociImage(image()).digest).toBe(ociImage(image(), true).digest);
  expect(ociImage(image()).digest).not.toBe(ociImage(image(), false).digest);
});

test('each of its names leads to the one manifest, and says where it would be pulled from', () => {
  const { made, index } = opened(image());
  const named = (full: string, name: string) => ({
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: made.digest,
    size: expect.any(Number),
    platform: { os: 'linux', architecture: 'amd64' },
    annotations: { 'io.containerd.image.name': full, 'org.opencontainers.image.ref.name': name },
  });
  expect(index.manifests).toEqual([
    named('docker.io/library/drawbridge:0.1.0', 'drawbridge:0.1.0'),
    named('registry.example.com/drawbridge:0.1.0', 'registry.example.com/drawbridge:0.1.0'),
  ]);
  expect(fullName('a/b:1')).toBe('a/b:1');
});

test('labels are annotations of the manifest too; without labels it has none', () => {
  expect(opened(image({ Labels: { x: 'y' } })).manifest.annotations).toEqual({ x: 'y' });
  expect(opened(image()).manifest).not.toHaveProperty('annotations');
  expect(opened(image()).config).toMatchObject({ os: 'linux', architecture: 'amd64', config: image().config });
});

test('entries come after their folders, of which everybody may write to /tmp and /data alone', () => {
  expect(withFolders([{ name: 'usr/bin/x', mode: 0o755 }])).toEqual([
    { name: 'tmp/', mode: 0o1777 },
    { name: 'usr/', mode: 0o755 },
    { name: 'usr/bin/', mode: 0o755 },
    { name: 'usr/bin/x', mode: 0o755 },
  ]);
  expect(withFolders([], ['data/', 'proc/'])).toEqual([
    { name: 'data/', mode: 0o1777 },
    { name: 'proc/', mode: 0o755 },
  ]);
});
