import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cacheDir } from './cache.ts';
import type { Architecture } from './debian.ts';
import type { RunConfig } from './oci.ts';
import {
  appLayer,
  baseLayer,
  CACHELESS,
  DRAWBRIDGE_RUNS,
  type Lock,
  type Making,
  REDIS_RUNS,
  redisLayer,
} from './parts.ts';
import { debianComponent, nodeComponent, plainSbom, type Sbom, sbomOf } from './sbom.ts';
import type { Entry } from './tar.ts';

/** The images that are made here. */

const run = promisify(execFile);

const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
export const LOCK = join(ROOT, 'src/image/lock.json');
export const CACHE = cacheDir('image');

export const readLock = async (): Promise<Lock> => JSON.parse(await readFile(LOCK, 'utf8'));

/** What is needed to make an image. @param dir for files that are needed meanwhile */
export const makingFor = async (architecture: Architecture, dir: string): Promise<Making> => ({
  lock: await readLock(),
  architecture,
  cache: CACHE,
  dir,
});

export interface Contents {
  readonly name: string;
  readonly layers: readonly (readonly Entry[])[];
  readonly config: RunConfig;
  /** What others made of it, as CycloneDX. */
  readonly sbom: object;
}

/** Drawbridge: builds the programs, and takes what they need. */
export async function drawbridgeContents(making: Making): Promise<Contents> {
  const { lock, architecture, dir } = making;
  // Not where others build at the same time.
  const dist = join(dir, 'dist');
  await run(process.execPath, [join(ROOT, 'node_modules/rolldown/bin/cli.mjs'), '-c', '-d', dist], {
    cwd: ROOT,
    env: CACHELESS,
  });
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  return {
    name: `drawbridge:${version}`,
    layers: [await baseLayer(making), await appLayer(ROOT, dist)],
    config: { ...DRAWBRIDGE_RUNS, Labels: await labelsOf(version) },
    sbom: sbomOf(await npmSbom(), [
      nodeComponent(lock.node.version),
      ...lock.debian.map(debianComponent(architecture)),
    ]),
  };
}

/** Redis, for tests and trials. */
export async function redisContents(making: Making): Promise<Contents> {
  const { debian, redis } = making.lock;
  const packages = [...debian, ...redis];
  // `5:7.0.15-1~deb12u10` -> `7.0.15`
  const [, version = ''] =
    /^(?:\d+:)?([\d.]+)/.exec(redis.find(({ name }) => name === 'redis-server')?.version ?? '') ?? [];
  return {
    name: `drawbridge-redis:${version}`,
    layers: [await redisLayer(making)],
    config: REDIS_RUNS,
    sbom: plainSbom('drawbridge-redis', version, packages.map(debianComponent(making.architecture))),
  };
}

async function npmSbom(): Promise<Sbom> {
  const { stdout } = await run('npm', ['sbom', '--sbom-format=cyclonedx', '--omit=dev', '--package-lock-only'], {
    cwd: ROOT,
    env: CACHELESS,
    maxBuffer: 64 * 2 ** 20,
  });
  return JSON.parse(stdout) as Sbom;
}

/** Source: OCI image specification 1.1, annotations. */
async function labelsOf(version: string): Promise<Record<string, string>> {
  const revision = await run('git', ['rev-parse', 'HEAD'], { cwd: ROOT }).then(
    ({ stdout }) => stdout.trim(),
    () => null,
  );
  return {
    'org.opencontainers.image.title': 'drawbridge',
    'org.opencontainers.image.description': 'Just-in-time access to Kubernetes from Slack',
    'org.opencontainers.image.version': version,
    ...(revision === null ? {} : { 'org.opencontainers.image.revision': revision }),
  };
}
