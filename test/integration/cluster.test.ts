import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { CONTROL_PLANE, ensureBinaries, ensureHelm } from '../../src/sandbox/cluster/binaries.ts';
import { startControlPlane } from '../../src/sandbox/cluster/control-plane.ts';
import { markRunning } from '../../src/sandbox/cluster/pods.ts';
import { describeWithCluster } from '../support/cluster.ts';

const ADA = 'ada@example.test';
const source = (file: string) => JSON.stringify(join(import.meta.dirname, '../../src/sandbox/cluster', file));

const role = (namespace: string) => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'Role',
  metadata: { name: 'pod-reader', namespace },
  rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] }],
});

const binding = (namespace: string, subject: object, extra: object = {}) => ({
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'RoleBinding',
  metadata: { name: 'pod-reader', namespace, ...extra },
  roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'pod-reader' },
  subjects: [subject],
});

const user = (name: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name });
const group = (name: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name });

const job = (namespace: string, spec: object, pod: object = {}) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'job', namespace },
  spec: {
    ...spec,
    template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'none' }], ...pod } },
  },
});

/** The command lines of this machine's processes that name the folder. */
const processesOf = (dir: string) =>
  execFileSync('ps', ['-Aww', '-o', 'args='], { encoding: 'utf8' })
    .split('\n')
    .filter((args) => args.includes(dir));

describeWithCluster('a control plane of our own', (cluster) => {
  const { kubectl, apply } = cluster;
  const get = async (namespace: string, what: string, path: string) =>
    (await kubectl(['get', what, `--namespace=${namespace}`, `--output=jsonpath=${path}`])).stdout;

  test('is the pinned version, and ready', async () => {
    expect((await kubectl(['get', '--raw', '/readyz'])).stdout).toBe('ok');
    expect(JSON.parse((await kubectl(['get', '--raw', '/version'])).stdout)).toMatchObject({ gitVersion: 'v1.37.2' });
  });

  test('a person may do nothing until a binding names the person or a group of theirs', async () => {
    const namespace = await cluster.freshNamespace('rbac');
    const ada = await cluster.kubeconfigFor(ADA);
    const ben = await cluster.kubeconfigFor('ben@example.test', ['on-call', 'engineers']);
    const list = (kubeconfig: string) => kubectl(['get', 'pods', `--namespace=${namespace}`], { kubeconfig });

    const refused = await list(ada);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain(`User "${ADA}" cannot list resource "pods"`);

    await apply([role(namespace), binding(namespace, user(ADA))]);
    await vi.waitFor(async () => expect(await list(ada)).toMatchObject({ code: 0 }), 5_000);
    expect((await list(ben)).code).not.toBe(0);

    await apply([binding(namespace, group('engineers'))]);
    await vi.waitFor(async () => expect(await list(ben)).toMatchObject({ code: 0 }), 5_000);
    await vi.waitFor(async () => expect((await list(ada)).code).not.toBe(0), 5_000);
  });

  test('a Job past its deadline is removed, and what it owned with it', async () => {
    const namespace = await cluster.freshNamespace('lease');
    await apply([
      job(namespace, { parallelism: 0, backoffLimit: 0, activeDeadlineSeconds: 1, ttlSecondsAfterFinished: 0 }),
    ]);
    const uid = await get(namespace, 'job/job', '{.metadata.uid}');
    const owner = { apiVersion: 'batch/v1', kind: 'Job', name: 'job', uid };
    await apply([role(namespace), binding(namespace, user(ADA), { ownerReferences: [owner] })]);

    await vi.waitFor(async () => expect(await get(namespace, 'jobs,rolebindings', '{.items[*].kind}')).toBe(''), {
      timeout: 20_000,
      interval: 200,
    });
    expect(await get(namespace, 'roles', '{.items[*].metadata.name}')).toBe('pod-reader');

    const requests = (await readFile(cluster.auditLogPath, 'utf8'))
      .split('\n')
      .slice(0, -1) // what follows the last line end is being written
      .map((line) => JSON.parse(line));
    const deletions = requests
      .filter(({ verb, objectRef }) => verb === 'delete' && objectRef?.namespace === namespace)
      .map(({ objectRef, user }) => `${objectRef.resource} by ${user.username}`);
    expect(deletions).toContain('jobs by system:serviceaccount:kube-system:ttl-after-finished-controller');
    expect(deletions).toContain('rolebindings by system:serviceaccount:kube-system:generic-garbage-collector');
    const manager = requests.filter(({ user }) => user.username === 'system:kube-controller-manager');
    expect(manager.flatMap(({ user }) => user.groups)).toContain('system:authenticated');
    expect(manager.flatMap(({ user }) => user.groups)).not.toContain('system:masters');
  });

  test("a service account's token acts as that account", async () => {
    const namespace = await cluster.freshNamespace('token');
    await apply([{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'bot', namespace } }]);
    const kubeconfig = await cluster.serviceAccountKubeconfig(namespace, 'bot', { expirationSeconds: 600 });
    const { stdout } = await kubectl(['auth', 'whoami', '--output=jsonpath={.status.userInfo.username}'], {
      kubeconfig,
    });
    expect(stdout).toBe(`system:serviceaccount:${namespace}:bot`);
    await expect(cluster.serviceAccountKubeconfig(namespace, 'nobody')).rejects.toThrow('not found');
  });

  test('an admission policy binds the administrator too, and lets the controllers through by name', async () => {
    const namespace = await cluster.freshNamespace('admission', { 'test/guarded': 'admission' });
    const jobController = 'system:serviceaccount:kube-system:job-controller';
    await apply([
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicy',
        metadata: { name: namespace },
        spec: {
          failurePolicy: 'Fail',
          matchConstraints: {
            namespaceSelector: { matchLabels: { 'test/guarded': 'admission' } },
            resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
          },
          validations: [{ expression: `request.userInfo.username == '${jobController}'`, message: 'only by a Job' }],
        },
      },
      {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name: namespace },
        spec: { policyName: namespace, validationActions: ['Deny'] },
      },
    ]);
    const create = ['run', 'bare', '--image=none', `--namespace=${namespace}`, '--dry-run=server'];
    await vi.waitFor(async () => expect((await kubectl(create)).stderr).toContain('only by a Job'), {
      timeout: 10_000,
      interval: 200,
    });
    await apply([job(namespace, {})]);
    await vi.waitFor(async () => expect(await get(namespace, 'pods', '{.items[*].kind}')).toBe('Pod'), 10_000);
  });

  describe('without a node', () => {
    const running: Array<{ stop(): Promise<void> }> = [];
    afterEach(async () => {
      await Promise.all(running.splice(0).map((each) => each.stop()));
    });

    test('pods can be made to look Running, with addresses of their own, and go at once when deleted', async () => {
      const [namespace, other] = [await cluster.freshNamespace('pods'), await cluster.freshNamespace('pods')];
      const deployment = (namespace: string, replicas: number) => ({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'web', namespace },
        spec: {
          replicas,
          selector: { matchLabels: { app: 'web' } },
          template: {
            metadata: { labels: { app: 'web' } },
            spec: { containers: [{ name: 'main', image: 'none' }], terminationGracePeriodSeconds: 30 },
          },
        },
      });
      await apply([deployment(namespace, 2), deployment(other, 1)]);
      await vi.waitFor(async () => expect(await get(other, 'pods', '{.items[*].kind}')).toBe('Pod'), 10_000);

      const errors: unknown[] = [];
      const kubeconfig = await cluster.kubeconfigFor('system:kube-scheduler');
      running.push(
        await markRunning({
          kubeconfig,
          namespaces: [namespace],
          podCidr: '192.0.2.0/29',
          onError: (error) => errors.push(error),
        }),
      );
      const available = () => get(namespace, 'deployment/web', '{.status.availableReplicas}');
      await vi.waitFor(async () => expect(await available()).toBe('2'), 10_000);
      await apply([deployment(namespace, 3)]);
      await vi.waitFor(async () => expect(await available()).toBe('3'), 10_000);
      const ips = (await get(namespace, 'pods', '{.items[*].status.podIP}')).split(' ').sort();
      expect(ips).toEqual(['192.0.2.1', '192.0.2.2', '192.0.2.3']);
      expect(await get(other, 'pods', '{.items[*].status.phase}')).toBe('Pending');
      expect(errors).toEqual([]);

      const remove = await kubectl(['delete', 'deployment/web', `--namespace=${namespace}`, '--cascade=foreground']);
      expect(remove.code).toBe(0);
      expect(await get(namespace, 'pods', '{.items[*].kind}')).toBe('');
    });

    test('the init containers of a Job have completed and left their message; its deadline ends its pod', async () => {
      const namespace = await cluster.freshNamespace('workspace');
      const kubeconfig = await cluster.kubeconfigFor('system:kube-scheduler');
      running.push(
        await markRunning({
          kubeconfig,
          namespaces: [namespace],
          terminationMessage: (_pod, container) => `${container}: target answers`,
        }),
      );
      await apply([job(namespace, { backoffLimit: 0 }, { initContainers: [{ name: 'probe', image: 'none' }] })]);
      await vi.waitFor(async () => expect(await get(namespace, 'job/job', '{.status.ready}')).toBe('1'), 10_000);
      const [pod] = JSON.parse(
        (await kubectl(['get', 'pods', `--namespace=${namespace}`, '--output=json'])).stdout,
      ).items;
      expect(pod.status.initContainerStatuses[0].state.terminated).toMatchObject({
        exitCode: 0,
        message: 'probe: target answers',
      });
      expect(pod.status.containerStatuses[0]).toMatchObject({ ready: true, state: { running: {} } });

      await kubectl([
        'patch',
        'job/job',
        `--namespace=${namespace}`,
        '--type=merge',
        '--patch={"spec":{"activeDeadlineSeconds":1}}',
      ]);
      await vi.waitFor(async () => expect(await get(namespace, 'pods', '{.items[*].kind}')).toBe(''), 20_000);
    });
  });

  test('its API server can go away and come back as it was; its end leaves nothing', async () => {
    const lines: string[] = [];
    const binaries = await ensureBinaries(CONTROL_PLANE, (line) => lines.push(line));
    const own = await startControlPlane({ binaries, log: (line) => lines.push(line) });
    await own.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'kept' } }]);
    await own.apiServer.stop();
    expect((await own.kubectl(['get', 'namespace', 'kept'])).code).not.toBe(0);
    await own.apiServer.start();
    expect((await own.kubectl(['get', 'namespace', 'kept'])).code).toBe(0);

    await own.stop();
    expect(processesOf(own.dir)).toEqual([]);
    expect(existsSync(own.dir)).toBe(false);
    expect(lines).toEqual([]);
  });

  test('a part that does not start is an error with the end of its log, and leaves nothing', async () => {
    const binaries = await ensureBinaries(CONTROL_PLANE, () => {});
    const temporary = await mkdtemp(join(tmpdir(), 'drawbridge-test-'));
    vi.stubEnv('TMPDIR', temporary);
    try {
      const failing = startControlPlane({ binaries: { ...binaries, 'kube-apiserver': binaries.etcd }, log: () => {} });
      await expect(failing).rejects.toThrow(
        /^kube-apiserver ended at its start \(exit code \d+\)[^]*Show the help information about etcd/,
      );
      expect(await readdir(temporary)).toEqual([]);
      expect(processesOf(temporary)).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
      await rm(temporary, { recursive: true });
    }
  });

  test('killed with -9, the harness takes everything with it', async () => {
    const script = `
      import { CONTROL_PLANE, ensureBinaries } from ${source('binaries.ts')};
      import { startControlPlane } from ${source('control-plane.ts')};
      const binaries = await ensureBinaries(CONTROL_PLANE, () => {});
      console.log((await startControlPlane({ binaries, log: () => {} })).dir);
    `;
    const harness = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [dir] = await once(createInterface({ input: harness.stdout }), 'line');
    expect(processesOf(dir).join('\n')).toMatch(/kube-apiserver/);
    expect(existsSync(dir)).toBe(true);

    harness.kill('SIGKILL');
    await vi.waitFor(() => expect(processesOf(dir)).toEqual([]), 10_000);
    expect(existsSync(dir)).toBe(false);
  });
});

test('helm is there', async () => {
  const version = execFileSync(await ensureHelm(), ['version', '--short'], { encoding: 'utf8' });
  expect(version).toMatch(/^v4\./);
});
