import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFailed, test, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import type { PolicyInput } from '../../src/domain/policy/schema.ts';
import { redisContents } from '../../src/image/contents.ts';
import { ensureBinaries, ensureHelm } from '../../src/sandbox/cluster/binaries.ts';
import { loadImage } from '../../src/sandbox/cluster/load-image.ts';
import type { Node } from '../../src/sandbox/cluster/node.ts';
import { reasonAgainstNode } from '../../src/sandbox/cluster/node-packages.ts';
import { ACCESS, PEOPLE, type PersonName } from '../../src/sandbox/scenery.ts';
import { startWorld } from '../../src/sandbox/world.ts';
import { type Stage, stageOf, textOf } from '../support/e2e.ts';
import { persistentPeople } from '../support/persistent-people.ts';
import { commandsOf } from '../support/readme.ts';

// The programs of a node may have to be built first.
const FIRST_START_MS = 20 * 60_000;
const STEP = { timeout: 120_000 };
const reason = await reasonAgainstNode();
if (reason !== null) console.warn(`SKIPPED the README's "Install it", which needs a real node: ${reason}`);

/** Where the README's example has its registry. */
const IMAGE = 'registry.example.com/drawbridge:0.1.0';
/** The bot's pods, and not that of `helm test`. */
const BOT_PODS = 'app.kubernetes.io/name=drawbridge,app.kubernetes.io/component!=check';
const REDIS_PASSWORD = 'of-the-redis-that-is-yours';

/** A Redis or Valkey of one's own, in the cluster. */
const redisOf = (image: string): object[] => {
  const metadata = { name: 'redis', namespace: 'redis', labels: { app: 'redis' } };
  const args = ['--requirepass', REDIS_PASSWORD, '--appendonly', 'yes', '--maxmemory-policy', 'noeviction'];
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'redis' } },
    { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [{ name: 'redis', image, args }] } },
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: metadata.labels, ports: [{ port: 6379 }] } },
  ];
};

/** One right more than in the example, which the chart has to give the bot; and people may ask for what they have, as they do during the restart. */
function withMore(policy: PolicyInput): void {
  policy.approvals.askOnce = false;
  policy.profiles['staging-edit'] = {
    description: 'Change workloads in staging',
    scope: 'namespace',
    namespaces: ['staging'],
    clusterRole: 'edit',
    acknowledgePersistence: true,
    requesters: { channels: ['C0ENGINEER1'] },
    approvers: { groups: ['S0SRE00001'] },
    duration: { default: '5m', maximum: '1h' },
  };
}

describe.skipIf(reason !== null && !process.env['CI'])('the README, line by line', () => {
  const stops: (() => Promise<unknown>)[] = [];
  /** What is told in docs/operations.md, in seconds. */
  const took = new Map<string, number>();
  let s: Stage;
  let node: Node;
  /** Looks like the checkout; what the commands write is written here. */
  let checkout: string;
  let commands: string[];
  let env: NodeJS.ProcessEnv;
  let placeholders: Readonly<Record<string, string>>;
  /** Open all the while. */
  let standing: string;
  let installing: number;

  const since = (start: number): number => Math.round((performance.now() - start) / 100) / 10;
  function tell(what: string, start: number): void {
    took.set(what, since(start));
    console.log(`${what}: ${since(start)} s`);
  }

  /** Runs the next command of the README, which is this one. */
  async function next(expected: RegExp): Promise<string> {
    const command = commands.shift() ?? 'nothing more';
    expect(command).toMatch(expected);
    const start = performance.now();
    const line = Object.entries(placeholders).reduce((text, [from, to]) => text.replaceAll(from, to), command);
    const { stdout, stderr } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', line], {
      cwd: checkout,
      env,
    }).catch((error: Error & { stdout: string; stderr: string }) => {
      throw new Error(`$ ${command}\n${error.stdout}${error.stderr}`);
    });
    console.log(`$ ${command}   (${since(start)} s)`);
    return stdout + stderr;
  }

  beforeAll(async () => {
    commands = commandsOf(await readFile('README.md', 'utf8'), '## Install it');
    checkout = await mkdtemp(join(tmpdir(), 'drawbridge-install-'));
    stops.push(() => rm(checkout, { recursive: true }));
    for (const name of await readdir('.'))
      if (!/^(\.git|dist|policy\.yaml|.*\.oci\.tar.*)$/.test(name)) await symlink(resolve(name), join(checkout, name));
    const bin = join(checkout, 'bin');
    await mkdir(bin);
    // There is no registry here: what would be pushed is loaded into the node.
    await writeFile(join(bin, 'skopeo'), '#!/bin/sh\necho "$@"\n');
    await chmod(join(bin, 'skopeo'), 0o755);
    const [{ kubectl }, helm] = [await ensureBinaries(['kubectl'], () => {}), await ensureHelm()];
    const home = join(checkout, 'helm-home');
    env = {
      ...process.env,
      PATH: [bin, dirname(kubectl), dirname(helm), process.env['PATH']].join(':'),
      HELM_CACHE_HOME: home,
      HELM_CONFIG_HOME: home,
      HELM_DATA_HOME: home,
    };
    placeholders = {};

    const log = (line: string) => process.stderr.write(`${line}\n`);
    // What is limited is told later, and is not looked at here.
    const options = { log, node: 'enforcing', installed: 'none', slack: { minuteMs: 1000 } } as const;
    const [world] = await Promise.all([
      startWorld(options).then((started) => {
        stops.push(() => started.stop());
        return started;
      }),
      // It takes its time and needs no cluster.
      next(/^npm run image$/),
    ]);
    if (world.node === undefined) throw new Error('no node');
    ({ node } = world);
    s = stageOf(world);
    env = { ...env, KUBECONFIG: world.cluster.adminKubeconfig, KUBECACHEDIR: home };
    placeholders = {
      'xoxb-...': world.slack.botToken,
      'xapp-...': world.slack.appToken,
      'rediss://:PASSWORD@HOST:6379': `redis://:${REDIS_PASSWORD}@redis.redis:6379`,
    };
    const { repository, tag } = await loadImage(node, redisContents);
    await world.cluster.apply(redisOf(`${repository}:${tag}`));
    await s.adminKubectl(['wait', 'pod/redis', '-n', 'redis', '--for=condition=Ready', '--timeout=60s']);
  }, FIRST_START_MS);

  afterAll(async () => {
    console.log([...took].map(([what, seconds]) => `${what}: ${seconds} s`).join('\n'));
    for (let stop = stops.pop(); stop !== undefined; stop = stops.pop()) await stop();
  }, 120_000);

  const kubectl = (...args: string[]) => s.adminKubectl(['-n', 'drawbridge', ...args]);
  const pods = async () => (await kubectl('get', 'pods', '-l', BOT_PODS, '-o', 'name')).trim().split('\n');
  const logs = async () => (await Promise.all((await pods()).map((pod) => kubectl('logs', pod)))).join('');

  function tellWhenFailed(): void {
    onTestFailed(async () => {
      const seen = [s.adminKubectl(['get', 'pods,events', '-A']), logs()];
      for (const text of await Promise.allSettled(seen)) console.log(text);
    });
  }

  const can = (verb: string, what: string) => s.can('ada', verb, what, '-n', s.namespaces.staging);

  /** What the person alone is answered to a command. */
  async function answered(person: PersonName, line: string): Promise<string> {
    const { control } = s.slack;
    const before = (await control.ephemerals(PEOPLE[person].id)).length;
    await s.type(person, line);
    const answer = await control.waitFor(async () => (await control.ephemerals(PEOPLE[person].id)).at(before), {
      timeout: 20_000,
      what: `an answer to ${line}`,
    });
    return textOf(answer);
  }

  async function open(line: string): Promise<string> {
    const id = await s.request(line);
    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until', 40_000);
    return id;
  }

  const READ_POLICY = "process.stdout.write(fs.readFileSync('/etc/drawbridge/policy.yaml'))";

  /** The kubelet has brought both pods the policy with or without the new profile, and they go by it. */
  async function inForce(isThere: boolean): Promise<void> {
    const patience = { timeout: 100_000, interval: 500 };
    await vi.waitFor(async () => {
      for (const pod of await pods()) {
        const policy = await kubectl('exec', pod, '--', 'node', '-e', READ_POLICY);
        expect(policy.includes('staging-edit')).toBe(isThere);
      }
    }, patience);
    await vi.waitFor(async () => {
      const answer = await answered('ada', 'request staging-edit staging 5m to see whether it is there');
      expect(/g-[a-z2-9]{6}/.test(answer)).toBe(isThere);
    }, patience);
  }

  test('image, policy, secrets and chart: two pods are ready', STEP, async () => {
    tellWhenFailed();
    expect(await next(/^skopeo copy/)).toContain(`oci-archive:drawbridge.oci.tar docker://${IMAGE}`);
    await node.load(join(checkout, 'drawbridge.oci.tar'), { name: 'drawbridge:0.1.0', also: IMAGE });
    await next(/^cp policy.example.yaml policy.yaml$/);
    // As it says there: an image of workspaces that this cluster has.
    await writeFile(join(checkout, 'policy.yaml'), await readFile(s.policyFile));
    expect(await next(/^npm run policy -- check policy.yaml$/)).toContain('good, profiles: view, debug, troubleshoot');
    expect(await next(/^npm run policy -- explain policy.yaml$/)).toContain('troubleshoot');
    expect(await next(/^npm run policy -- explain policy.yaml --person ada@/)).toContain('troubleshoot');
    await next(/^kubectl create namespace drawbridge$/);
    await next(/^kubectl -n drawbridge create secret generic drawbridge /);
    // Not slack.com but the one of this test.
    await kubectl(
      'patch',
      'secret',
      'drawbridge',
      '-p',
      JSON.stringify({ stringData: { SLACK_API_URL: s.slack.apiUrl } }),
    );
    installing = performance.now();
    await next(/^helm install drawbridge helm\/drawbridge -n drawbridge --set-file policyFile=policy.yaml /);
    await next(/^kubectl -n drawbridge rollout status deployment\/drawbridge$/);
    tell('helm install to two ready pods', installing);
    await s.slack.control.connected(2);
    expect(await pods()).toHaveLength(2);
    expect(await next(/^helm test drawbridge -n drawbridge$/)).toMatch(/Phase: +Succeeded/);
  });

  test('a request through Slack to its end: asked, approved, used, expired', STEP, async () => {
    tellWhenFailed();
    const [pod = ''] = await s.podsOf(s.namespaces.staging, 'checkout');
    expect(await can('get', `pods/${pod}`)).toBe('no');
    const id = await open(`troubleshoot ${s.namespaces.staging}/deploy/checkout 25s checkout returns 502`);
    tell('helm install to the first approval', installing);
    expect(await can('get', `pods/${pod}`)).toBe('yes');
    const told = await s.dm('ada', new RegExp(`kubectl -n \\S+ exec[\\s\\S]*${id}`));
    const workspace = /exec -it (\S+)/.exec(told)?.[1] ?? '';
    const dial = ['exec', workspace, '-c', 'workspace', '--', '/probe', 'dial', '-timeout=2s', 'tcp:checkout:80'];
    const reached = await s.kubectlAs('ada', ['-n', s.installation.workspacesNamespace, ...dial]);
    expect(reached).toMatchObject({ code: 0, stdout: expect.stringContaining('"open":true') });
    expect(await next(/^kubectl get rolebindings,roles,networkpolicies,jobs,pods -A -l /)).toContain(
      `drawbridge-${id}`,
    );
    await s.until(id, 'Expired', 60_000);
    expect(await can('get', `pods/${pod}`)).toBe('no');
    expect(await s.objectsOf(id)).toEqual([]);
    standing = await open(`debug ${s.namespaces.staging}/deploy/checkout 1h left open`);
  });

  test('another policy, with a right that the bot had not', STEP, async () => {
    tellWhenFailed();
    expect(await answered('ada', 'request staging-edit staging 5m before')).not.toMatch(/g-[a-z2-9]{6}/);
    const policy = parse(await readFile(join(checkout, 'policy.yaml'), 'utf8')) as PolicyInput;
    withMore(policy);
    await writeFile(join(checkout, 'policy.yaml'), stringify(policy));
    const start = performance.now();
    await next(/^helm upgrade drawbridge helm\/drawbridge -n drawbridge --reset-then-reuse-values --set-file /);
    tell('helm upgrade with another policy', start);
    await inForce(true);
    tell('... until both pods go by it', start);
    expect(await pods()).toHaveLength(2);
    const id = await open('staging-edit staging 5m after');
    expect(await can('delete', 'deployments')).toBe('yes');
    await s.press('ben', id, 'revoke');
    await s.until(id, 'Revoked');
    expect(await can('delete', 'deployments')).toBe('no');
  });

  test('a rolling restart under open grants and clicks: none is lost, and what is open stays', STEP, async () => {
    tellWhenFailed();
    const { control } = s.slack;
    const now = { rolling: true };
    const done = new Map<string, string>();
    const { type, ask, click, until } = persistentPeople(s);
    const flows: ((reason: string) => Promise<void>)[] = [
      async (reason) => {
        const id = await ask(reason);
        await type('ben', `deny ${id} not now`);
        await until(id, 'Denied');
        done.set(id, 'Denied');
      },
      async (reason) => {
        const id = await ask(reason);
        await click(id, 'approve');
        await until(id, 'Active until');
        await click(id, 'revoke');
        await until(id, 'Revoked');
        done.set(id, 'Revoked');
      },
    ];
    const before = await pods();
    const lanes = flows.map(async (flow, lane) => {
      for (let count = 0; now.rolling; count += 1) await flow(`lane ${lane} no ${count}.`);
    });
    // Looked at below.
    for (const lane of lanes) lane.catch(() => {});
    const start = performance.now();
    try {
      await kubectl('rollout', 'restart', 'deployment/drawbridge');
      await kubectl('rollout', 'status', 'deployment/drawbridge', '--timeout=90s');
      await vi.waitFor(async () => expect((await pods()).filter((pod) => before.includes(pod))).toEqual([]), STEP);
      tell('a rolling restart of both pods', start);
    } finally {
      now.rolling = false;
    }
    await Promise.all(lanes);
    expect(done.size).toBeGreaterThan(4);
    for (const [id, end] of done) await until(id, end);
    const asked = (await control.messages(ACCESS)).filter(
      (message) => message.thread_ts === undefined && textOf(message).includes('lane '),
    );
    expect(asked).toHaveLength(done.size);
    expect(await s.words(standing)).toContain('Active until');
    expect((await s.grantObjects()).filter((name) => !name.includes(standing))).toEqual([]);
    expect(await can('create', 'pods/exec')).toBe('no');
  });

  test('and back', STEP, async () => {
    tellWhenFailed();
    const start = performance.now();
    await next(/^helm rollback drawbridge -n drawbridge$/);
    tell('helm rollback', start);
    await inForce(false);
    tell('... until both pods go by the policy of before', start);
    expect(await s.words(standing)).toContain('Active until');
  });

  test('a drain of the node leaves one pod, which goes on', STEP, async () => {
    tellWhenFailed();
    const drain = ['drain', node.name, `--pod-selector=${BOT_PODS}`, '--delete-emptydir-data'];
    const drained = s.cluster.kubectl([...drain, '--timeout=12s']);
    await vi.waitFor(async () => {
      const states = await kubectl('get', 'pods', '-l', BOT_PODS, '-o', 'jsonpath={.items[*].status.phase}');
      expect(states.split(' ').toSorted()).toEqual(['Pending', 'Running']);
    }, STEP);
    const id = await open(`debug:logs ${s.namespaces.staging}/deploy/checkout 5m while drained`);
    expect(await drained).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("violate the pod's disruption budget"),
    });
    await s.press('ben', id, 'revoke');
    await s.until(id, 'Revoked');
    await kubectl('uncordon', node.name);
    await kubectl('rollout', 'status', 'deployment/drawbridge', '--timeout=60s');
  });

  test('removed with grants open: they are all that is left, and their leases end them', STEP, async () => {
    tellWhenFailed();
    const [pod = ''] = await s.podsOf(s.namespaces.staging, 'checkout');
    const id = await open(`debug:read ${s.namespaces.staging}/deploy/checkout 30s to the end`);
    const job = ['get', 'job', `drawbridge-${id}`, '-n', s.namespaces.staging, '-o', 'json'];
    const { metadata } = JSON.parse(await s.adminKubectl(job)) as { metadata: { annotations: Record<string, string> } };
    const end = Date.parse(metadata.annotations['drawbridge.internal/expires-at'] ?? '');
    const start = performance.now();
    await next(/^helm uninstall drawbridge -n drawbridge$/);
    tell('helm uninstall', start);
    await next(/^kubectl delete namespace drawbridge$/);
    expect(commands).toEqual([]);

    // Of the chart nothing is left, wherever it was.
    const kinds = 'clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings';
    const ofChart = ['-A', '-l', 'app.kubernetes.io/managed-by=Helm', '-o', 'name'];
    expect(await s.adminKubectl(['get', `${kinds},roles,rolebindings,namespaces`, ...ofChart])).toBe('');
    const left = await s.grantObjects();
    expect(left.filter((name) => name.includes(standing))).not.toEqual([]);
    expect(left.filter((name) => !name.includes(standing) && !name.includes(id))).toEqual([]);
    if (Date.now() < end - 3000) expect(await can('get', `pods/${pod}`)).toBe('yes');
    await vi.waitFor(async () => expect(await s.objectsOf(id)).toEqual([]), { timeout: 60_000, interval: 200 });
    const late = (Date.now() - end) / 1000;
    console.log(`its lease ended it ${late.toFixed(1)} s after its end`);
    expect(late).toBeGreaterThan(-1);
    expect(late).toBeLessThan(20);
    // By hand, as the last way: no leash guards it any more.
    await s.adminKubectl(['delete', 'jobs', '-A', '-l', 'app.kubernetes.io/managed-by=drawbridge']);
    await vi.waitFor(async () => expect(await s.grantObjects()).toEqual([]), { timeout: 30_000, interval: 200 });
    expect(await can('get', `pods/${pod}`)).toBe('no');
  });
});
