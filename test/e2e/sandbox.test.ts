import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { CONTROL_PLANE, ensureBinaries } from '../../src/sandbox/cluster/binaries.ts';
import { startControlPlane } from '../../src/sandbox/cluster/control-plane.ts';
import { reasonAgainstNode } from '../../src/sandbox/cluster/node-packages.ts';
import { markRunning } from '../../src/sandbox/cluster/pods.ts';
import { ACCESS } from '../../src/sandbox/scenery.ts';
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
  vi.waitFor(() => expect(output.stdout).toContain(text), { timeout: 180_000, interval: 100 });
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

/** Acts as a person on the page that the sandbox printed. */
function pageOf(output: { stdout: string }, person: string) {
  const url = new RegExp(`http://127\\.0\\.0\\.1:\\d+/\\?as=${person}`).exec(output.stdout)?.[0] ?? '';
  const at = (path: string) => new URL(url.replace('/?', `/page/${path}?`));
  const act = async (what: object) => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(at('act'), { method: 'POST', headers, body: JSON.stringify(what) });
    expect(await response.json()).toMatchObject({ ok: true });
  };
  return {
    say: (text: string) => act({ type: 'say', channel: ACCESS, text }),
    /** Waits for a message in #access that says so; answers its `ts`. */
    async sees(words: string): Promise<string> {
      type State = { places: { id: string; messages: { ts: string }[] }[] };
      return vi.waitFor(
        async () => {
          const { places } = (await (await fetch(at('state'))).json()) as State;
          const messages = places.find(({ id }) => id === ACCESS)?.messages ?? [];
          const found = messages.find((message) => JSON.stringify(message).includes(words));
          expect(found).toBeDefined();
          return found?.ts ?? '';
        },
        { timeout: 20_000, interval: 100 },
      );
    },
    click: (ts: string, control: string) => act({ type: 'click', channel: ACCESS, ts, control }),
  };
}

/** Runs the lines for operators as they were printed, each in a terminal of its own that is somewhere else. */
function operator(output: { stdout: string }) {
  const lines = [...output.stdout.matchAll(/^ +(\(\. .*; (npm run .*)\))$/gm)];
  expect(lines.map(([, , command]) => command)).toEqual([
    'npm run audit -- verify',
    'npm run reap',
    'npm run revoke-all',
    'npm run revoke-all -- --yes',
  ]);
  return async (command: string) => {
    const line = lines.find(([, , each]) => each === command)?.[1] ?? 'false';
    // Whatever cluster that terminal is about.
    const env = { ...process.env, KUBECONFIG: '/nowhere', KUBE_CONTEXT: 'nowhere' };
    const child = spawn('sh', ['-c', `${line} 2>&1`], { cwd: tmpdir(), env, stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    const code = await new Promise((resolve) => child.once('close', resolve));
    return { code, said };
  };
}

describeWithCluster('the sandbox', () => {
  // With the bot as pods where there can be any: else the steps are the same.
  test('--script plays the whole journey and every step holds', async () => {
    const { output, ended, dir } = sandbox(['--script', ...(hasNode ? ['--in-cluster'] : [])]);
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
        ? [
            /node .* Ada's kubectl exec opens a shell/,
            /node .* the usual tools work/,
            /node .* checkout answers, and nothing else does/,
          ]
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
    if (hasNode) expect(output.stdout).toMatch(/curl http:\/\/checkout\/ answers checkout-\S+\n +k?dig .*\n +psql/);
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
    expect(output.stdout).not.toContain('are built from pinned sources first');
    expect(output.stdout).toMatch(/export KUBECONFIG=\S+ada\.kubeconfig.*\n +kubectl -n staging get pod checkout-/);

    const run = operator(output);
    const [ada, ben] = [pageOf(output, 'ada'), pageOf(output, 'ben')];
    await ada.say('/jit request troubleshoot staging/deploy/checkout 2m checkout returns 502');
    await ben.click(await ben.sees('Approve'), 'drawbridge.approve');
    await ben.sees('Active until');
    expect(await run('npm run audit -- verify')).toMatchObject({ code: 0, said: expect.stringContaining('\ngood') });
    expect(await run('npm run reap')).toMatchObject({ code: 0, said: expect.stringContaining('0 removed, 0 kept') });
    const listed = await run('npm run revoke-all');
    expect(listed).toMatchObject({ code: 1, said: expect.stringMatching(/RoleBinding .*objects of 1 grants/s) });
    const ending = await run('npm run revoke-all -- --yes');
    expect(ending).toMatchObject({ code: 0, said: expect.stringMatching(/removed RoleBinding .* 0 kept/s) });
    expect(await run('npm run revoke-all')).toMatchObject({
      code: 0,
      said: expect.stringContaining('nothing is open'),
    });

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

      const unknown = sandbox(['--context', 'nope'], env);
      expect(await unknown.ended).toBe(2);
      expect(unknown.output.stdout).toBe('');
      expect(unknown.output.stderr).toMatch(/^--context nope: no such context; there are: drawbridge; .*--help.*\n$/);

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
        if (signal === 'SIGINT') {
          const run = operator(output);
          const verified = await run('npm run audit -- verify');
          expect(verified).toMatchObject({ code: 0, said: expect.stringContaining('\ngood') });
          const listed = await run('npm run revoke-all');
          expect(listed).toMatchObject({ code: 0, said: expect.stringContaining('nothing is open') });
        }
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

test('before anything is built it says how long that takes, and how to do without', async () => {
  const goes = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !existsSync(join(folder, 'go')));
  const empty = mkdtempSync(join(tmpdir(), 'sandbox-cache-'));
  folders.push(empty);
  const env = {
    XDG_CACHE_HOME: empty,
    KUBEBUILDER_ASSETS: '',
    KUBECONFIG: join(empty, 'config'),
    PATH: goes.join(delimiter),
  };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    contexts: ['kind-here', 'far'].map((name) => ({ name, context: {} })),
  };
  writeFileSync(env.KUBECONFIG, JSON.stringify(config));
  const { output, ended } = sandbox(['--no-node'], env);
  expect(await ended).toBe(1);
  const told = output.stdout.slice(output.stdout.indexOf("The cluster's programs are built"));
  expect(told).toMatch(/^The cluster's programs are built from pinned sources first: once, about 7 min on two cores\./);
  for (const words of [
    'npm run sandbox -- --context NAME',
    'KUBEBUILDER_ASSETS',
    'etcd, kube-apiserver',
    'machine: kind-here\n',
  ])
    expect(told).toContain(words);
  expect(told).not.toContain('--no-node');
  expect(output.stderr).toContain('there is no go on the PATH');
});

test('--help says what there is and starts nothing', async () => {
  const { output, ended, dir } = sandbox(['--help']);
  expect(await ended).toBe(0);
  for (const option of ['--minutes', '--script', '--context', '--in-cluster', '--no-node', '--yes', '--help'])
    expect(output.stdout).toContain(option);
  expect(readdirSync(dir)).toEqual([]);
});

test.each([
  [['--minuts', '2'], /Unknown option '--minuts'/],
  [['--minutes', '0'], /--minutes 0: expected a number/],
  [['--minutes', 'two'], /--minutes two: expected a number/],
  [['up'], /Unexpected argument 'up'/],
  [['--in-cluster', '--no-node'], /--in-cluster and --no-node: its pods run on a node/],
  [['--in-cluster', '--context', 'mine'], /--in-cluster and --context: its pods run on a node/],
])('refuses %j, and says what is wrong', async (args, words) => {
  const { output, ended, dir } = sandbox(args);
  expect(await ended).toBe(2);
  expect(output.stderr).toMatch(words);
  expect(output.stderr).toMatch(/^[^\n]*; npm run sandbox -- --help says more\n$/);
  expect(readdirSync(dir)).toEqual([]);
});
