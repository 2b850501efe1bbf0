import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Architecture } from './debian.ts';
import { type Entry, tar } from './tar.ts';

/** How a container of the image runs. Source: OCI image specification 1.1, image configuration. */
export interface RunConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly WorkingDir: string;
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Labels?: Readonly<Record<string, string>>;
}

export interface Image {
  /** By which it is known where it is loaded, such as `drawbridge:0.1.0` or `registry.example.com/drawbridge:0.1.0`. */
  readonly names: readonly string[];
  readonly architecture: Architecture;
  readonly layers: readonly (readonly Entry[])[];
  readonly config: RunConfig;
}

export interface OciImage {
  /** `sha256:…` of its manifest: by it the image is named for good. */
  readonly digest: string;
  /** Of all layers, as they are stored: bytes. */
  readonly size: number;
  /** The archive, in pieces: an OCI layout as tar. */
  readonly archive: readonly Buffer[];
}

interface Blob {
  readonly mediaType: string;
  readonly content: Buffer;
  readonly digest: string;
}

/**
 * The same bytes for the same inputs: nothing in it has a time.
 * Source: OCI image specification 1.1, image layout.
 * @param isCompressed false where it never leaves this machine: packing takes longer than all else
 */
export function ociImage({ names, architecture, layers, config }: Image, isCompressed = true): OciImage {
  const plain = layers.map((entries) => blobOf('application/vnd.oci.image.layer.v1.tar', Buffer.concat(tar(entries))));
  const stored = isCompressed ? plain.map(compressed) : plain;
  const described = json('application/vnd.oci.image.config.v1+json', {
    architecture,
    os: 'linux',
    config,
    rootfs: { type: 'layers', diff_ids: plain.map(({ digest }) => digest) },
  });
  const manifest = json('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor(described),
    layers: stored.map(descriptor),
    ...(config.Labels === undefined ? {} : { annotations: config.Labels }),
  });
  const index = json('application/vnd.oci.image.index.v1+json', {
    schemaVersion: 2,
    manifests: names.map((name) => ({
      ...descriptor(manifest),
      platform: { os: 'linux', architecture },
      annotations: { 'io.containerd.image.name': fullName(name), 'org.opencontainers.image.ref.name': name },
    })),
  });
  const blobs = [manifest, described, ...stored];
  return {
    digest: manifest.digest,
    size: stored.reduce((sum, { content }) => sum + content.length, 0),
    archive: tar([
      { name: 'oci-layout', content: Buffer.from('{"imageLayoutVersion":"1.0.0"}'), mode: 0o644 },
      { name: 'index.json', content: index.content, mode: 0o644 },
      { name: 'blobs/', mode: 0o755 },
      { name: 'blobs/sha256/', mode: 0o755 },
      ...blobs.map(({ digest, content }) => ({ name: `blobs/${digest.replace(':', '/')}`, content, mode: 0o644 })),
    ]),
  };
}

/** A name without a registry is one of Docker's. */
export const fullName = (name: string): string => (name.includes('/') ? name : `docker.io/library/${name}`);

const blobOf = (mediaType: string, content: Buffer): Blob => ({
  mediaType,
  content,
  digest: `sha256:${createHash('sha256').update(content).digest('hex')}`,
});
const compressed = ({ mediaType, content }: Blob): Blob => blobOf(`${mediaType}+gzip`, gzipSync(content, { level: 6 }));
const json = (mediaType: string, value: object): Blob => blobOf(mediaType, Buffer.from(JSON.stringify(value)));
const descriptor = ({ mediaType, digest, content }: Blob) => ({ mediaType, digest, size: content.length });
