import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { cacheDir } from '../../src/image/cache.ts';
import { type DebianPackage, openApt } from '../../src/image/debian.ts';
import { freePort } from '../../src/sandbox/ports.ts';
import { supervised } from '../../src/sandbox/supervise.ts';

const run = promisify(execFile);

const PACKAGE: DebianPackage = {
  name: 'prometheus',
  version: '2.42.0+ds-5+deb12u1',
  sha256: {
    amd64: '81d59a24fce84f7fbe97a45a4f2914b6a5881b5cd1db2a6a0e129e515e1a5f55',
    arm64: 'ca131aa102390083398afbc80be9c8dd1dda78f9f92154fc00df8f7f1f4556e9',
  },
};

/** Debian's Prometheus: the programs `prometheus` and `promtool`. */
export interface Programs {
  readonly prometheus: string;
  readonly promtool: string;
}

/** Taken once, into this user's cache. Null where they can't be had, and why is said. */
export async function findPrometheus(): Promise<Programs | null> {
  try {
    const dir = await ensurePrometheus();
    return { prometheus: join(dir, 'usr/bin/prometheus'), promtool: join(dir, 'usr/bin/promtool') };
  } catch (error) {
    console.warn(`SKIPPED what needs Prometheus: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

async function ensurePrometheus(): Promise<string> {
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const dir = cacheDir('prometheus', `${PACKAGE.version}-${architecture}`);
  const isThere = await access(join(dir, 'usr/bin/prometheus')).then(
    () => true,
    () => false,
  );
  if (isThere) return dir;
  const apt = await openApt(cacheDir('prometheus', 'apt'), architecture);
  const [file = ''] = await apt.download([PACKAGE]);
  await mkdir(cacheDir('prometheus'), { recursive: true });
  const made = await mkdtemp(`${dir}.`);
  await run('dpkg-deb', ['-x', file, made]);
  // Another process may have been faster.
  await rename(made, dir).catch(() => access(join(dir, 'usr/bin/prometheus')));
  return dir;
}

/** An alert that is pending or fires, by its labels. */
export type Firing = Readonly<Record<string, string>>;

export interface Prometheus {
  /** The alerts that fire now. */
  firing(): Promise<Firing[]>;
  /** The value of an expression now, a number for each of its series. */
  query(expression: string): Promise<number[]>;
  stop(): Promise<void>;
}

/**
 * A Prometheus that scrapes one target each second, and asks its rules as often.
 * @param options.target `127.0.0.1:PORT`
 * @param options.labels what its target is labelled with
 */
export async function startPrometheus(options: {
  readonly program: string;
  readonly target: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly rules: unknown;
}): Promise<Prometheus> {
  const dir = await mkdtemp(join(tmpdir(), 'drawbridge-prometheus-'));
  const { job, ...labels } = options.labels;
  await writeFile(join(dir, 'rules.yaml'), stringify(options.rules));
  await writeFile(
    join(dir, 'prometheus.yaml'),
    stringify({
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: ['rules.yaml'],
      scrape_configs: [{ job_name: job, static_configs: [{ targets: [options.target], labels }] }],
    }),
  );
  const address = `127.0.0.1:${await freePort()}`;
  const server = supervised(
    options.program,
    ['--config.file=prometheus.yaml', '--storage.tsdb.path=data', `--web.listen-address=${address}`],
    { cwd: dir, logFile: join(dir, 'log'), removeOnOrphan: dir },
  );
  const ask = async <T>(path: string): Promise<T> =>
    ((await (await fetch(`http://${address}/api/v1/${path}`)).json()) as { data: T }).data;
  return {
    async firing() {
      const { alerts } = await ask<{ alerts: { state: string; labels: Firing }[] }>('alerts');
      return alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels);
    },
    async query(expression) {
      const { result } = await ask<{ result: { value: [number, string] }[] }>(
        `query?query=${encodeURIComponent(expression)}`,
      );
      return result.map(({ value }) => Number(value[1]));
    },
    async stop() {
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
