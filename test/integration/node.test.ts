import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ControlPlane } from '../../src/sandbox/cluster/control-plane.ts';
import { enforceNetworkPolicies, type PolicyEnforcement } from '../../src/sandbox/cluster/network-policies.ts';
import { type Node, startClusterWithNode } from '../../src/sandbox/cluster/node.ts';
import { TOOLS_IMAGE } from '../../src/sandbox/cluster/node-image.ts';
import { reasonAgainstNode } from '../../src/sandbox/cluster/node-packages.ts';
import { remains } from '../support/remains.ts';

// The programs may have to be built first.
const FIRST_START_MS = 20 * 60_000;
const SOON = { timeout: 20_000, interval: 100 };

const log = (line: string) => process.stderr.write(`${line}\n`);

/** What Pod Security `restricted` asks of a container. */
const RESTRICTED = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };

type Container = { args: string[]; ports?: object[]; readinessProbe?: object };

const container = (name: string, rest: Container) => ({
  name,
  image: TOOLS_IMAGE,
  securityContext: RESTRICTED,
  ...rest,
});

const podSpec = (main: Container, init: Container[] = []) => ({
  restartPolicy: 'Never',
  terminationGracePeriodSeconds: 1,
  automountServiceAccountToken: false,
  securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
  initContainers: init.map((each, index) => container(`init-${index}`, each)),
  containers: [container('main', main)],
});

const pod = (namespace: string, name: string, main: Container, init: Container[] = []) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace, name, labels: { app: name } },
  spec: podSpec(main, init),
});

const SERVER: Container = {
  args: ['serve', 'tcp:80', 'tcp:81', 'tcp:82', 'udp:80'],
  ports: [
    { name: 'web', containerPort: 81 },
    { name: 'web-udp', containerPort: 80, protocol: 'UDP' },
  ],
};

const policy = (namespace: string, name: string, spec: object) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { namespace, name },
  spec,
});

const app = (name: string) => ({ matchLabels: { app: name } });

const problem = await reasonAgainstNode();
if (problem === null) {
  describe('a real node', suite);
} else if (process.env['CI']) {
  test('a real node', () => {
    throw new Error(problem);
  });
} else {
  console.warn(`SKIPPED a real node: ${problem}`);
  test.skip(`a real node: ${problem}`);
}

function suite(): void {
  let cluster: ControlPlane;
  let node: Node;
  let policies: PolicyEnforcement;
  let stopCluster = async () => {};
  let namespaces = 0;

  beforeAll(async () => {
    const started = await startClusterWithNode({ log });
    ({ controlPlane: cluster, node, stop: stopCluster } = started);
    policies = await enforceNetworkPolicies({ cluster, node, keepEstablished: true, log });
  }, FIRST_START_MS);

  afterAll(async () => {
    await policies?.stop();
    await stopCluster();
  });

  async function freshNamespace(): Promise<string> {
    namespaces += 1;
    const name = `test-${namespaces}`;
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    await cluster.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }]);
    const account = ['wait', '--for=create', 'serviceaccount/default', `--namespace=${name}`, '--timeout=20s'];
    expect(await cluster.kubectl(account)).toMatchObject({ code: 0 });
    return name;
  }

  /** Pods `name` that run; gives their addresses. */
  async function running(namespace: string, ...names: string[]): Promise<string[]> {
    const wait = ['wait', '--for=condition=Ready', '--timeout=20s', ...names.map((name) => `pod/${name}`)];
    expect(await cluster.kubectl([`--namespace=${namespace}`, ...wait])).toMatchObject({ code: 0 });
    return Promise.all(
      names.map(async (name) => {
        const get = ['get', `pod/${name}`, `--namespace=${namespace}`, '--output=jsonpath={.status.podIP}'];
        return (await cluster.kubectl(get)).stdout;
      }),
    );
  }

  const exec = (namespace: string, name: string, ...command: string[]) =>
    cluster.kubectl(['exec', name, `--namespace=${namespace}`, '--', ...command]);

  const logs = async (namespace: string, name: string, container = 'main') =>
    (await cluster.kubectl(['logs', name, `--namespace=${namespace}`, `--container=${container}`])).stdout;

  type Verdict = { target: string; open: boolean; name?: string };

  /** Which of the targets answer, seen from a pod. */
  async function reached(namespace: string, from: string, ...targets: string[]): Promise<string[]> {
    const { stdout, stderr } = await exec(namespace, from, '/probe', 'dial', '-timeout=600ms', ...targets);
    expect(stderr).toBe('');
    return (JSON.parse(stdout) as Verdict[]).filter(({ open }) => open).map(({ target }) => target);
  }

  // Each in a namespace of its own.
  describe.concurrent('with policies enforced', () => {
    test('is Ready, runs restricted pods, and has Services, DNS, exec, logs and an outside', async () => {
      const namespace = await freshNamespace();
      await cluster.apply([
        pod(namespace, 'client', { args: ['sleep'] }),
        pod(namespace, 'server', SERVER),
        {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: 'server', namespace },
          spec: { selector: { app: 'server' }, ports: [{ port: 8080, targetPort: 'web' }] },
        },
      ]);
      const [, server] = await running(namespace, 'client', 'server');
      expect(await exec(namespace, 'client', 'sh', '-c', 'id -u; touch /tmp/mine && echo written')).toEqual({
        code: 0,
        stdout: '65532\nwritten\n',
        stderr: '',
      });
      const targets = [
        `tcp:${server}:80`,
        `udp:${server}:80`,
        `tcp:server.${namespace}.svc.cluster.local:8080`,
        'tcp:kubernetes.default.svc.cluster.local:443',
        `tcp:${node.network.nodeAddress}:10250`,
        `tcp:${node.outsideAddress}:80`,
        `udp:${node.outsideAddress}:443`,
      ];
      await vi.waitFor(
        async () => expect(await reached(namespace, 'client', ...targets, `tcp:${server}:9`)).toEqual(targets),
        SOON,
      );
      const { stdout } = await exec(namespace, 'client', '/probe', 'dial', `tcp:${server}:80`);
      expect(JSON.parse(stdout)).toMatchObject([{ name: 'server' }]);

      // Where a kubelet finds logs of pods that it does not know, it deletes them: those of this node are out of another's sight.
      const uid = await cluster.kubectl([
        'get',
        'pod/client',
        `--namespace=${namespace}`,
        '--output=jsonpath={.metadata.uid}',
      ]);
      const kept = existsSync('/var/log/pods') ? readdirSync('/var/log/pods') : [];
      expect(kept).not.toContain(`${namespace}_client_${uid.stdout}`);

      const privileged = pod(namespace, 'privileged', { args: ['sleep'] });
      privileged.spec.securityContext.runAsNonRoot = false;
      await expect(cluster.apply([privileged])).rejects.toThrow('violates PodSecurity "restricted');
    });

    test('behind a policy only what it allows is reached, until it is gone', async () => {
      const namespace = await freshNamespace();
      const names = ['client', 'neighbour', 'server'];
      await cluster.apply(names.map((name) => pod(namespace, name, SERVER)));
      const [client, , server] = await running(namespace, ...names);
      const targets = [`tcp:${server}:80`, `tcp:${server}:81`, `udp:${server}:80`];
      const from = (name: string) => reached(namespace, name, ...targets);
      expect(await from('client')).toEqual(targets);
      expect(await from('neighbour')).toEqual(targets);

      await cluster.apply([
        policy(namespace, 'deny', { podSelector: {}, policyTypes: ['Ingress'] }),
        policy(namespace, 'allow', {
          podSelector: app('server'),
          ingress: [{ from: [{ podSelector: app('client') }], ports: [{ port: 80 }] }],
        }),
      ]);
      await policies.inForce();
      expect(await from('client')).toEqual([`tcp:${server}:80`]);
      expect(await from('neighbour')).toEqual([]);
      expect(await reached(namespace, 'server', `tcp:${client}:80`, `tcp:${server}:81`)).toEqual([`tcp:${server}:81`]);

      // Kubelet's, for one: the node's own traffic is let through.
      await cluster.apply([pod(namespace, 'probed', { ...SERVER, readinessProbe: { tcpSocket: { port: 80 } } })]);
      await running(namespace, 'probed');

      // Without asking for it: it is also watched.
      await cluster.kubectl(['delete', 'networkpolicies', '--all', `--namespace=${namespace}`]);
      await vi.waitFor(async () => expect(await from('neighbour')).toEqual(targets), SOON);
    });

    test('every form of a rule is enforced', async () => {
      const [namespace, other] = [await freshNamespace(), await freshNamespace()];
      await cluster.apply([
        ...['client', 'server'].map((name) => pod(namespace, name, SERVER)),
        pod(other, 'foreigner', SERVER),
      ]);
      const [, server] = await running(namespace, 'client', 'server');
      const [foreigner] = await running(other, 'foreigner');
      const outside = node.outsideAddress;
      const targets = [server, foreigner]
        .flatMap((address) =>
          ['tcp:A:80', 'tcp:A:81', 'tcp:A:82', 'udp:A:80'].map((to) => to.replace('A', `${address}`)),
        )
        .concat(`tcp:${outside}:80`, `tcp:${outside}:443`, `udp:${outside}:80`);
      const outgoing = async (...egress: object[]) => {
        await cluster.apply([
          policy(namespace, 'egress', { podSelector: app('client'), policyTypes: ['Egress'], egress }),
        ]);
        await policies.inForce();
        return reached(namespace, 'client', ...targets);
      };
      expect(await reached(namespace, 'client', ...targets)).toEqual(targets);

      expect(await outgoing()).toEqual([]);
      expect(await outgoing({})).toEqual(targets);
      expect(
        await outgoing(
          { to: [{ podSelector: {} }], ports: [{ port: 'web' }, { port: 'web-udp', protocol: 'UDP' }] },
          {
            to: [
              {
                namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': other } },
                podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['foreigner'] }] },
              },
            ],
            ports: [{ port: 80 }],
          },
          { to: [{ podSelector: { matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] } }] },
          {
            to: [
              { ipBlock: { cidr: '0.0.0.0/0', except: [node.network.podCidr] } },
              { ipBlock: { cidr: '::/0', except: ['2001:db8::/32'] } },
            ],
            ports: [{ port: 443 }, { protocol: 'SCTP', port: 443 }],
          },
        ),
      ).toEqual([`tcp:${server}:81`, `udp:${server}:80`, `tcp:${foreigner}:80`, `tcp:${outside}:443`]);
      expect(
        await outgoing(
          { ports: [{ port: 81, endPort: 82 }] },
          { to: [{ ipBlock: { cidr: '198.51.100.0/24' } }], ports: [{ protocol: 'UDP' }] },
        ),
      ).toEqual([...targets.filter((target) => /:8[12]$/.test(target)), `udp:${outside}:80`]);
    });

    test('a pod that is born behind a policy is never without it', async () => {
      const [open, closed] = [await freshNamespace(), await freshNamespace()];
      await cluster.apply([
        pod(open, 'server', SERVER),
        policy(closed, 'deny', { podSelector: {}, policyTypes: ['Egress'] }),
      ]);
      const [server] = await running(open, 'server');
      const dial = { args: ['dial', '-timeout=600ms', `tcp:${server}:80`] };
      await cluster.apply([open, closed].map((namespace) => pod(namespace, 'client', { args: ['sleep'] }, [dial])));
      await Promise.all([open, closed].map((namespace) => running(namespace, 'client')));
      expect(await logs(open, 'client', 'init-0')).toContain('"open":true');
      expect(await logs(closed, 'client', 'init-0')).toContain('"open":false');
    });

    test("a Job's deadline ends a running exec session", async () => {
      const namespace = await freshNamespace();
      await cluster.apply([
        {
          apiVersion: 'batch/v1',
          kind: 'Job',
          metadata: { name: 'job', namespace },
          spec: { activeDeadlineSeconds: 600, backoffLimit: 0, template: { spec: podSpec({ args: ['sleep'] }) } },
        },
      ]);
      await vi.waitFor(async () => expect((await exec(namespace, 'job/job', 'true')).code).toBe(0), SOON);
      const session = exec(namespace, 'job/job', 'sh', '-c', 'touch /tmp/in; sleep 1000; echo over');
      const isIn = async () => (await exec(namespace, 'job/job', 'ls', '/tmp/in')).code === 0;
      await vi.waitFor(async () => expect(await isIn()).toBe(true), SOON);

      const shorter = ['patch', 'job/job', `--namespace=${namespace}`, '--type=merge'];
      await cluster.kubectl([...shorter, '--patch={"spec":{"activeDeadlineSeconds":1}}']);
      expect(await session).toMatchObject({ code: 137, stdout: '' });
    });
  });

  test.each([
    { keepEstablished: true, does: 'keeps' },
    { keepEstablished: false, does: 'cuts' },
  ])('a policy that closes a port $does the connections to it, as wished', async ({ keepEstablished }) => {
    await policies.stop();
    policies = await enforceNetworkPolicies({ cluster, node, keepEstablished, log });
    const namespace = await freshNamespace();
    await cluster.apply([pod(namespace, 'server', SERVER)]);
    const [server] = await running(namespace, 'server');
    await cluster.apply([
      pod(namespace, 'client', { args: ['hold', '-every=50ms', '-timeout=500ms', `${server}:80`] }),
    ]);
    const ticks = async () => (await logs(namespace, 'client')).split('\n').length;
    await vi.waitFor(async () => expect(await ticks()).toBeGreaterThan(3), SOON);
    expect(await reached(namespace, 'server', `tcp:${server}:80`)).toHaveLength(1);

    await cluster.apply([policy(namespace, 'deny', { podSelector: app('server'), policyTypes: ['Ingress'] })]);
    await policies.inForce();
    const before = await ticks();
    const phase = ['get', 'pod/client', `--namespace=${namespace}`, '--output=jsonpath={.status.phase}'];
    if (keepEstablished) {
      await vi.waitFor(async () => expect(await ticks()).toBeGreaterThan(before + 10), SOON);
      expect(await reached(namespace, 'client', `tcp:${server}:80`)).toEqual([]);
    } else {
      await vi.waitFor(async () => expect((await cluster.kubectl(phase)).stdout).toBe('Failed'), SOON);
      expect(await logs(namespace, 'client')).toContain('lost');
    }
  });

  test('a second run does not disturb the first; killed with -9 it leaves nothing', async () => {
    const module = JSON.stringify(join(import.meta.dirname, '../../src/sandbox/cluster/node.ts'));
    const script = `
      import { startClusterWithNode } from ${module};
      const { node: { network }, controlPlane } = await startClusterWithNode({ log: () => {} });
      console.log(JSON.stringify({ ...network, clusterDir: controlPlane.dir }));
    `;
    const harness = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(createInterface({ input: harness.stdout }), 'line');
    const { name, dir, clusterDir, podCidr } = JSON.parse(line);
    const processes = descendants(harness.pid ?? 0);
    expect(processes.map(({ command }) => command)).toEqual(
      expect.arrayContaining(['containerd', 'containerd-shim', 'kubelet', 'kube-proxy', 'kube-scheduler', 'probe']),
    );
    expect(remains({ name, dirs: [dir, clusterDir], podCidr })).toEqual([
      dir,
      clusterDir,
      'link',
      'route',
      'control group',
      'process',
    ]);

    harness.kill('SIGKILL');
    await vi.waitFor(() => expect(processes.filter(isAlive)).toEqual([]), SOON);
    await vi.waitFor(() => expect(remains({ name, dirs: [dir, clusterDir], podCidr })).toEqual([]), SOON);

    const ready = await cluster.kubectl(['wait', '--for=condition=Ready', `node/${node.name}`, '--timeout=5s']);
    expect(ready.code).toBe(0);
    expect(await exec('kube-system', 'kube-dns', 'true')).toMatchObject({ code: 0 });
  });

  test('its end leaves nothing', async () => {
    const processes = descendants(process.pid).filter(({ command }) => command === 'probe' || command === 'kubelet');
    expect(processes.length).toBeGreaterThan(2);
    await policies.stop();
    await stopCluster();
    const { name, dir, podCidr } = node.network;
    expect(processes.filter(isAlive)).toEqual([]);
    expect(remains({ name, dirs: [dir, cluster.dir], podCidr })).toEqual([]);
  });
}

type Process = { pid: number; parent: number; command: string; start: string };

/** All processes that live, by proc(5). */
function allProcesses(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        if (fields[0] === 'Z') return [];
        const command = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
        return [{ pid: Number(name), parent: Number(fields[1]), command, start: fields[19] ?? '' }];
      } catch {
        return [];
      }
    });
}

function descendants(pid: number): Process[] {
  const all = allProcesses();
  const below = (parent: number): Process[] =>
    all.filter((each) => each.parent === parent).flatMap((each) => [each, ...below(each.pid)]);
  return below(pid);
}

function isAlive({ pid, start }: Process): boolean {
  return allProcesses().some((each) => each.pid === pid && each.start === start);
}
