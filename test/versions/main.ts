import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runCommand, terminal } from '../../src/cli/command.ts';
import { cacheDir } from '../../src/image/cache.ts';
import { ensureControlPlaneOf } from '../../src/sandbox/cluster/binaries.ts';
import { goModOf } from './go-mod.ts';
import { optionsOf, SUITES } from './options.ts';

const HELP = `Usage: npm run versions -- VERSION... [--suite NAME]...

Builds API server and controllers of each version of Kubernetes (Go proxy; about six minutes for the first build of one on two cores, kept in the user's
cache), and runs against it the suites that depend on it. Prints a table. \`go list -m -versions k8s.io/kubernetes\` tells what there is.

  VERSION        such as v1.34.4
  --suite NAME   only this one, may be repeated: ${SUITES.join(', ')}

Exit code: 0 every test passed on each, 1 some did not or one could not be built, 2 wrong arguments.

Example: npm run versions -- v1.30.14 v1.37.2`;

const run = promisify(execFile);
const say = (line: string): void => void process.stderr.write(`${line}\n`);
const ROOT = join(import.meta.dirname, '../..');
const PACKAGES = ['kube-apiserver', 'kube-controller-manager'].map((name) => `k8s.io/kubernetes/cmd/${name}`);

/** The folder of the go.mod and go.sum that build this version; made once. @throws Error with Go's words */
async function sourcesOf(version: string): Promise<string> {
  const sources = cacheDir('versions', version, 'sources');
  if (existsSync(sources)) return sources;
  say(`${version}: resolving its modules`);
  const making = `${sources}.${randomUUID()}`;
  await mkdir(making, { recursive: true });
  try {
    const go = (...args: string[]) =>
      run('go', args, { cwd: making, env: { ...process.env, GOWORK: 'off' }, maxBuffer: 64 * 2 ** 20 });
    const { stdout } = await go('mod', 'download', '-json', `k8s.io/kubernetes@${version}`);
    const { GoMod } = JSON.parse(stdout) as { GoMod: string };
    await writeFile(join(making, 'go.mod'), goModOf(version, await readFile(GoMod, 'utf8')));
    // Writes the go.sum of all that the packages need.
    await go('list', '-mod=mod', '-deps', ...PACKAGES);
    await rename(making, sources);
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return sources;
}

/** What vitest's JSON reporter says, as far as it is read here. */
interface Report {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

interface Outcome {
  readonly passed: number;
  readonly skipped: number;
  /** By name; a file that could not be run is one. */
  readonly failed: readonly string[];
}

function outcomeOf({ numPassedTests, testResults }: Report): Outcome {
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = tests.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName);
  const files = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: numPassedTests,
    skipped: tests.length - numPassedTests - failed.length,
    failed: [...failed, ...files.map(({ name, message }) => `${name}: ${message.split('\n')[0] || 'not set up'}`)],
  };
}

async function runSuites(programs: string, suites: readonly string[]): Promise<Outcome> {
  const dir = await mkdtemp(join(tmpdir(), 'drawbridge-versions-'));
  try {
    const file = join(dir, 'report.json');
    const files = suites.map((name) => `test/integration/${name}.test.ts`);
    const args = [
      'run',
      '--project',
      'integration',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${file}`,
    ];
    const vitest = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', ...args, ...files], {
      cwd: ROOT,
      env: { ...process.env, KUBEBUILDER_ASSETS: programs },
      stdio: ['ignore', process.stderr, process.stderr],
    });
    await new Promise((resolve) => vitest.once('close', resolve));
    return outcomeOf(JSON.parse(await readFile(file, 'utf8')) as Report);
  } finally {
    await rm(dir, { recursive: true });
  }
}

async function tryVersion(version: string, suites: readonly string[]): Promise<Outcome & { readonly row: string }> {
  const began = performance.now();
  const minutes = (since: number) => `${((performance.now() - since) / 60_000).toFixed(1)} min`;
  const where = { sources: await sourcesOf(version), cache: ['versions', version] };
  const programs = await ensureControlPlaneOf(version, where, say);
  const built = minutes(began);
  const { stdout } = await run(join(programs, 'kube-apiserver'), ['--version']);
  if (stdout.trim() !== `Kubernetes ${version}`) throw new Error(`the API server calls itself ${stdout.trim()}`);
  const tested = performance.now();
  const outcome = await runSuites(programs, suites);
  const { passed, failed, skipped } = outcome;
  const cells = [version, built, minutes(tested), passed, failed.length, skipped];
  return { ...outcome, row: `| ${cells.join(' | ')} |` };
}

const argv = process.argv.slice(2);
process.exitCode = await runCommand({ command: 'versions --', help: HELP, argv, out: terminal }, async () => {
  const { versions, suites } = optionsOf(argv);
  const rows: string[] = [];
  const failures: string[] = [];
  for (const version of versions)
    try {
      const { row, passed, failed } = await tryVersion(version, suites);
      rows.push(row);
      failures.push(...failed.map((name) => `${version}: ${name}`));
      if (passed === 0) failures.push(`${version}: no test ran`);
    } catch (error) {
      failures.push(`${version}: ${error instanceof Error ? error.message : String(error)}`);
    }
  console.log(
    ['| Kubernetes | built in | tested in | passed | failed | skipped |', '| - | - | - | - | - | - |', ...rows].join(
      '\n',
    ),
  );
  for (const failure of failures) console.log(failure);
  return failures.length === 0 ? 0 : 1;
});
