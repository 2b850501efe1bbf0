import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ClusterUnavailableError, CONTROL_PLANE, ensureBinaries } from '../../src/sandbox/cluster/binaries.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'drawbridge-test-'));
  await mkdir(join(dir, 'path'));
  vi.stubEnv('XDG_CACHE_HOME', join(dir, 'cache'));
  vi.stubEnv('KUBEBUILDER_ASSETS', undefined);
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true });
});

async function program(path: string, script = ''): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${script}`);
  await chmod(path, 0o755);
}

/** A `go` on the PATH whose builds leave a program, take a moment, and are noted in `builds`. */
async function fakeGo(
  version: string,
  build = 'sleep 0.1; printf "#!/bin/sh\\n" > "$6"; chmod +x "$6"',
): Promise<void> {
  const notes = `echo "$GOWORK $*" >> ${join(dir, 'builds')}`;
  await program(join(dir, 'path', 'go'), `if [ "$1" = env ]; then echo ${version}; else ${notes}; ${build}; fi`);
  vi.stubEnv('PATH', `${join(dir, 'path')}${delimiter}${process.env['PATH']}`);
}

const builds = async () => (await readFile(join(dir, 'builds'), 'utf8')).trim().split('\n');

test('KUBEBUILDER_ASSETS is used when it holds all that is needed', async () => {
  for (const name of CONTROL_PLANE) await program(join(dir, name));
  vi.stubEnv('KUBEBUILDER_ASSETS', dir);
  expect(await ensureBinaries(CONTROL_PLANE, () => {})).toEqual({
    etcd: join(dir, 'etcd'),
    'kube-apiserver': join(dir, 'kube-apiserver'),
    'kube-controller-manager': join(dir, 'kube-controller-manager'),
    kubectl: join(dir, 'kubectl'),
  });
});

test('a KUBEBUILDER_ASSETS without a controller manager is named, and the programs are built', async () => {
  await fakeGo('go1.26.0');
  for (const name of ['etcd', 'kube-apiserver', 'kubectl']) await program(join(dir, name));
  vi.stubEnv('KUBEBUILDER_ASSETS', dir);
  const lines: string[] = [];
  const binaries = await ensureBinaries(CONTROL_PLANE, (line) => lines.push(line));
  expect(lines[0]).toContain('lacks kube-controller-manager');
  expect(binaries.etcd.startsWith(join(dir, 'cache', 'drawbridge', 'cluster'))).toBe(true);
});

test('builds pinned sources, the API server before what shares its code, each once, and says so', async () => {
  await fakeGo('go1.27.3');
  const lines: string[] = [];
  const first = await ensureBinaries(CONTROL_PLANE, (line) => lines.push(line));
  expect((await builds()).map((build) => basename(build))).toEqual([
    'v3',
    'kube-apiserver',
    'kube-controller-manager',
    'kubectl',
  ]);
  for (const build of await builds()) {
    expect(build).toMatch(/^off build -mod=readonly -ldflags .*version\.gitVersion=v1\.37\.2 /);
  }
  expect(lines.join('\n')).toMatch(/usually 6 min 35 s[^]*built kube-apiserver in/);

  lines.length = 0;
  vi.stubEnv('PATH', '/nowhere');
  expect(await ensureBinaries(CONTROL_PLANE, (line) => lines.push(line))).toEqual(first);
  expect(lines).toEqual([]);
});

test('two runs at once build once', async () => {
  await fakeGo('go1.26.0');
  const lines: string[] = [];
  const [one, two] = await Promise.all([
    ensureBinaries(CONTROL_PLANE, (line) => lines.push(line)),
    ensureBinaries(CONTROL_PLANE, (line) => lines.push(line)),
  ]);
  expect(one).toEqual(two);
  expect(await builds()).toHaveLength(CONTROL_PLANE.length);
  expect(lines.filter((line) => line.includes('another run'))).toHaveLength(1);
});

test('a build that fails says why, leaves no half program, and can be tried again', async () => {
  await fakeGo('go1.26.0', 'echo "no space left on device"; exit 1');
  await expect(ensureBinaries(['etcd'], () => {})).rejects.toThrow(/exit code 1[^]*no space left on device/);
  await fakeGo('go1.26.0');
  const { etcd } = await ensureBinaries(['etcd'], () => {});
  expect((await readdir(join(etcd, '..'))).toSorted()).toEqual(['etcd', 'lock']);
});

test.each([
  { case: 'no Go', version: undefined, says: 'there is no go on the PATH' },
  { case: 'an old Go', version: 'go1.25.9', says: 'go1.25.9 is too old' },
  { case: 'something that is no Go', version: 'gccgo', says: 'gccgo is too old' },
])('$case: says what is missing and each way out', async ({ version, says }) => {
  if (version === undefined) vi.stubEnv('PATH', join(dir, 'path'));
  else await fakeGo(version);
  const error: unknown = await ensureBinaries(CONTROL_PLANE, () => {}).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(ClusterUnavailableError);
  for (const part of [says, 'Go 1.26 or newer', 'KUBEBUILDER_ASSETS', 'kube-controller-manager', '--context NAME']) {
    expect(String(error)).toContain(part);
  }
});
