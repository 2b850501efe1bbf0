import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { CONTROL_PLANE, ensureBinaries } from '../../src/sandbox/cluster/binaries.ts';
import { startControlPlane } from '../../src/sandbox/cluster/control-plane.ts';
import { reasonAgainstNode } from '../../src/sandbox/cluster/node-packages.ts';
import { markRunning } from '../../src/sandbox/cluster/pods.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { type NodeRun, nodeRunIn, remains } from '../support/remains.ts';

// In CI a node must be possible.
const reason = await reasonAgainstNode();
const hasNode = reason === null || Boolean(process.env['CI']);
if (!hasNode) console.warn(`SKIPPED what the sandbox does with a node: ${reason}`);

const ROOT = join(import.meta.dirname, '../..');
const running = new Set<ChildProcess>();
const folders: string[] = [];

afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
  for (const dir of folders.splice(0)) rmSync(dir, { recursive: true, force: true });
});

/** A sandbox with a folder for temporary files of its own, by which its processes are known. */
function sandbox(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'sandbox-'));
  folders.push(dir);
  const child = spawn(process.execPath, [join(ROOT, 'src/sandbox/main.ts'), ...args], {
    cwd: ROOT,
    env: { ...process.env, TMPDIR: dir, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  void ended.then(() => running.delete(child));
  return { child, dir, output, ended };
}

/** Command lines of the processes that work in this folder, or were told of it. */
function processesIn(dir: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const read = (file: string) => readFileSync(`/proc/${pid}/${file}`, 'utf8');
        const seen = `${readlinkSync(`/proc/${pid}/cwd`)} ${read('cmdline')} ${read('environ')}`;
        return seen.includes(dir) ? [`${pid} ${read('cmdline').replaceAll('\0', ' ').slice(0, 500)}`] : [];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
}

const says = (output: { stdout: string }, text: string) =>
  vi.waitFor(() => expect(output.stdout).toContain(text), { timeout: 90_000, interval: 100 });
const isUp = (output: { stdout: string }) => says(output, 'Ctrl-C ends everything');
const isGone = (dir: string, node?: NodeRun) =>
  vi.waitFor(
    () => {
      expect(processesIn(dir)).toEqual([]);
      expect(readdirSync(dir)).toEqual([]);
      if (node !== undefined) expect(remains(node)).toEqual([]);
    },
    { timeout: 30_000, interval: 100 },
  );
/** The node of a sandbox that is up. The control: what it must leave nothing of is seen while it runs. */
function nodeOf(dir: string): NodeRun {
  const node = nodeRunIn(dir);
  expect(remains(node)).toEqual([...node.dirs, 'link', 'route', 'control group', 'process']);
  return node;
}

describeWithCluster('the sandbox', () => {
  test('--script plays the whole journey and every step holds', async () => {
    const { output, ended, dir } = sandbox(['--script']);
    await says(output, 'All is up');
    const node = hasNode ? nodeOf(dir) : undefined;
    expect(await ended, output.stdout + output.stderr).toBe(0);
    expect(output.stdout).not.toContain('✗');
    const titles = output.stdout.split('\n').filter((line) => /^(Slack|API|node) +✓/.test(line));
    const inOrder = [
      /API .* before: Ada is refused/,
      /Slack .* Ada types: \/jit request/,
      /Slack .* #access: the request/,
      /API .* nothing of it is in the cluster yet/,
      /Slack .* Cy.*presses Approve: refused/,
      /Slack .* Ada presses Approve on her own request: refused/,
      /Slack .* Ben presses Approve/,
      /API .* during: Ada's kubectl get pod checkout-.* works/,
      /API .* its neighbour is refused/,
      ...(hasNode
        ? [/node .* Ada's kubectl exec opens a shell/, /node .* checkout answers, and nothing else does/]
        : []),
      /Slack .* Ada is warned before the end/,
      /API .* at the end of the window Ada is refused again/,
      ...(hasNode ? [/node .* left running in the workspace is cut/] : []),
      /API .* everything of the grant is gone/,
      /Slack .* #access says that it is over/,
    ];
    const places = inOrder.map((step) => titles.findIndex((title) => step.test(title)));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    if (hasNode) expect(output.stdout).toMatch(/ reached: checkout\n +not reached: its neighbour catalog, /);
    await isGone(dir, node);
  });

  test('killed with -9 it leaves no process, no file, and nothing of its node', async () => {
    const { child, dir, output, ended } = sandbox(['--minutes', '2']);
    await isUp(output);
    // The control: all of it is seen here while it runs.
    const commands = processesIn(dir).join('\n');
    for (const part of [
      'etcd',
      'kube-apiserver',
      'kube-controller-manager',
      'redis-server',
      'local-slack',
      'src/main.ts',
    ])
      expect(commands).toContain(part);
    const node = hasNode ? nodeOf(dir) : undefined;
    child.kill('SIGKILL');
    await ended;
    await isGone(dir, node);
  });

  test('Ctrl-C ends it with exit code 0; it has said what to type and where, and what does not work without a node', async () => {
    const { child, dir, output, ended } = sandbox(['--minutes', '2', '--no-node']);
    await isUp(output);
    expect(output.stdout).toContain('There is no node: you said --no-node. Pods are marked as running');
    expect(output.stdout).toMatch(/Ada +asks for access +http:\/\/127\.0\.0\.1:\d+\/\?as=ada/);
    expect(output.stdout).toContain('/jit request troubleshoot staging/deploy/checkout 2m checkout returns 502');
    expect(output.stdout).toMatch(/export KUBECONFIG=\S+ada\.kubeconfig.*\n +kubectl -n staging get pod checkout-/);
    child.kill('SIGINT');
    expect(await ended).toBe(0);
    await isGone(dir);
  });

  test('--context makes everything under names of its own, and removes it at Ctrl-C and when killed with -9', async () => {
    const binaries = await ensureBinaries(CONTROL_PLANE, () => {});
    const theirs = await startControlPlane({ binaries, log: () => {} });
    const nodes = await markRunning({ kubeconfig: await theirs.kubeconfigFor('system:kube-scheduler') });
    try {
      const env = { KUBECONFIG: theirs.adminKubeconfig, PATH: `${dirname(binaries.kubectl)}:${process.env['PATH']}` };
      const kinds =
        'ns,clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings,deployments';
      const names = async () =>
        (await theirs.kubectl(['get', kinds, '-A', '-o', 'name'])).stdout.split('\n').toSorted();
      const before = await names();

      const asking = sandbox(['--context', 'drawbridge'], env);
      expect(await asking.ended).toBe(1);
      expect(asking.output.stdout).toContain("'drawbridge' does not look like a cluster on this machine");
      expect(await names()).toEqual(before);

      for (const [signal, code] of [
        ['SIGINT', 0],
        ['SIGKILL', null],
      ] as const) {
        const { child, dir, output, ended } = sandbox(['--context', 'drawbridge', '--yes'], env);
        await isUp(output);
        expect(output.stdout).toMatch(
          /kubectl --context drawbridge --as ada@example.test -n sandbox-\w+-staging get pod/,
        );
        const made = (await names()).filter((name) => !before.includes(name));
        expect(made.filter((name) => !/\/(sandbox-|checkout|catalog|frontend|ledger|payouts)/.test(name))).toEqual([]);
        expect(made).toContainEqual(expect.stringMatching(/^validatingadmissionpolicy.*sandbox-\w+-drawbridge-leash$/));
        child.kill(signal);
        expect(await ended).toBe(code);
        await vi.waitFor(async () => expect(await names()).toEqual(before), { timeout: 30_000, interval: 300 });
        await isGone(dir);
      }
    } finally {
      await nodes.stop();
      await theirs.stop();
    }
  });
});

test('--help says what there is and starts nothing', async () => {
  const { output, ended, dir } = sandbox(['--help']);
  expect(await ended).toBe(0);
  for (const option of ['--minutes', '--script', '--context', '--no-node', '--yes', '--help'])
    expect(output.stdout).toContain(option);
  expect(readdirSync(dir)).toEqual([]);
});

test.each([
  [['--minuts', '2'], /Unknown option '--minuts'/],
  [['--minutes', '0'], /--minutes 0: expected a number/],
  [['--minutes', 'two'], /--minutes two: expected a number/],
  [['up'], /Unexpected argument 'up'/],
])('refuses %j, and says what is wrong', async (args, words) => {
  const { output, ended, dir } = sandbox(args);
  expect(await ended).toBe(2);
  expect(output.stderr).toMatch(words);
  expect(output.stderr).toContain('--help');
  expect(readdirSync(dir)).toEqual([]);
});
