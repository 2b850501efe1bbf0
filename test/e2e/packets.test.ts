import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { PolicyInput } from '../../src/domain/policy/schema.ts';
import { openApi } from '../../src/sandbox/cluster/api.ts';
import { enforceNetworkPolicies, type PolicyEnforcement } from '../../src/sandbox/cluster/network-policies.ts';
import type { Node } from '../../src/sandbox/cluster/node.ts';
import { reasonAgainstNode } from '../../src/sandbox/cluster/node-packages.ts';
import { startWorld } from '../../src/sandbox/world.ts';
import { askingAgain, type Stage, stageOf } from '../support/e2e.ts';
import {
  everything,
  type Place,
  placeIn,
  processesWith,
  type RunningPod,
  reached,
  runningPods,
  startIn,
  targetsOfPreview,
  visitor,
  type Watched,
  watchAll,
} from '../support/packets.ts';

/** A namespace without policies of its own, in which live pods are contained. */
const LAB = 'lab-one';

function labPolicy({ profiles }: PolicyInput): void {
  const { shell, 'own-tools': tools } = profiles;
  if (shell?.network === undefined || tools?.network === undefined) throw new Error('the example has changed');
  const db = { namespace: LAB, pods: { app: 'db' }, ports: [{ port: 5432 }] };
  Object.assign(shell, { namespaces: ['lab-*'] });
  Object.assign(shell.network, { to: [db], dns: 'none', allowIsolation: true });
  Object.assign(tools.network, {
    from: [{ cidr: '10.8.0.0/16' }, { namespace: LAB, pods: { app: 'bastion' } }],
    ports: [{ port: 8080 }],
  });
}

/** What is read of a pod that ends. */
interface Ended {
  readonly status: {
    readonly containerStatuses?: readonly {
      readonly name: string;
      readonly state?: { readonly terminated?: { readonly exitCode: number } };
    }[];
  };
}

// The programs of a node may have to be built first.
const FIRST_START_MS = 20 * 60_000;
const NOT_GOVERNED = 'NetworkPolicy never governs traffic between a pod and its own node.';
const reason = await reasonAgainstNode();
if (reason !== null) console.warn(`SKIPPED a workspace on a real node: ${reason}`);

/** The whole of a troubleshooting: a real node, real pods, real packets. */
describe.skipIf(reason !== null && !process.env['CI'])('an engineer troubleshoots one microservice', () => {
  const stops: (() => Promise<void>)[] = [];
  let s: Stage;
  let node: Node;
  let shop: RunningPod[];
  let policies: PolicyEnforcement | undefined;
  /** A pod beside the workspaces, of which no grant knows. */
  let beside: Place;
  let workspaces: string;
  /** Somebody who may do everything in the cluster, and is not of the emergency group. */
  let mallory: string;

  const podsOf = (app: string) => shop.filter((pod) => pod.labels['app'] === app);
  const addressOf = (app: string) => podsOf(app)[0]?.address ?? '';

  beforeAll(async () => {
    const world = await startWorld({
      log: (line) => process.stderr.write(`${line}\n`),
      node: 'open',
      policy: askingAgain(labPolicy),
    });
    stops.push(() => world.stop());
    if (world.node === undefined) throw new Error('no node');
    ({ node } = world);
    s = stageOf(world);
    workspaces = world.installation.workspacesNamespace;
    mallory = await world.cluster.kubeconfigFor('mallory@example.test');
    await world.cluster.apply([
      visitor(workspaces, 'visitor'),
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRoleBinding',
        metadata: { name: 'mallory' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'mallory@example.test' }],
      },
    ]);
    await s.adminKubectl(['wait', 'pod/visitor', '-n', workspaces, '--for=condition=Ready', '--timeout=60s']);
    beside = { kubeconfig: world.cluster.adminKubeconfig, namespace: workspaces, pod: 'visitor', container: 'main' };
    shop = (await runningPods(world.cluster)).filter(({ namespace }) =>
      Object.values(s.namespaces).includes(namespace),
    );
    await world.startBot();
  }, FIRST_START_MS);

  afterAll(async () => {
    await policies?.stop();
    for (let stop = stops.pop(); stop !== undefined; stop = stops.pop()) await stop();
  }, 120_000);

  async function enforce(keepEstablished: boolean): Promise<void> {
    await policies?.stop();
    policies = await enforceNetworkPolicies({ cluster: s.cluster, node, keepEstablished, log: () => {} });
    await policies.inForce();
  }

  const policyNames = async () => (await s.adminKubectl(['get', 'networkpolicies', '-A', '-o', 'name'])).split('\n');

  /** Ada asks, Ben approves; answers the grant's id, its first message's words, and Ada's place. */
  async function troubleshoot(window: string) {
    const id = await s.request(`troubleshoot ${s.namespaces.staging}/deploy/checkout ${window} 502 from inside`);
    const preview = await s.words(id);
    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until', 40_000);
    const told = await s.dm('ada', new RegExp(`kubectl -n ${workspaces} exec[\\s\\S]*${id}`));
    const pod = /exec -it (\S+)/.exec(told)?.[1] ?? '';
    const place: Place = { kubeconfig: s.kubeconfigOf('ada'), namespace: workspaces, pod, container: 'workspace' };
    return { id, preview, place };
  }

  /** Waits until the pod is gone; answers with what its container ended, as the kubelet told before. */
  async function exitCodeOf({ namespace, pod, container }: Place): Promise<number | undefined> {
    const api = await openApi(s.cluster.adminKubeconfig);
    const path = `/api/v1/namespaces/${namespace}/pods?watch=1&fieldSelector=metadata.name%3D${pod}`;
    const events = api.lines(path, AbortSignal.timeout(120_000)) as AsyncGenerator<{ type: string; object: Ended }>;
    let code: number | undefined;
    for await (const { type, object } of events) {
      const { state } = object.status.containerStatuses?.find(({ name }) => name === container) ?? {};
      code = state?.terminated?.exitCode ?? code;
      if (type === 'DELETED') break;
    }
    api.close();
    return code;
  }

  async function areRefused(person: 'ada' | 'cy', ...commands: string[][]): Promise<void> {
    for (const command of commands)
      expect(await s.kubectlAs(person, command)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('forbidden'),
      });
  }

  /** A shell, a connection to the target that is seen, and one in the background of the shell that nobody sees. */
  async function leaveOpen(place: Place) {
    const shell = await startIn(place, 'sh');
    const hidden = `/probe hold -every=70ms -timeout=${Date.now()}ms checkout:80`;
    shell.send(`echo in; ${hidden} >/dev/null 2>&1 &`);
    const connection = await startIn(place, '/probe', 'hold', '-every=50ms', `${addressOf('checkout')}:8080`);
    await vi.waitFor(() => {
      expect(shell.output.stdout).toBe('in\n');
      expect(connection.output.stdout).toContain('tick 20\n');
      expect(processesWith(hidden)).toHaveLength(1);
    }, 20_000);
    return { shell, connection, hidden };
  }

  /** No connection of anybody else was lost, none was refused that is allowed, and none was had that is not. */
  function wasNotDisturbed(seen: readonly Watched[], seconds: number): void {
    expect(seen.filter(({ broken }) => broken !== undefined)).toEqual([]);
    for (const kind of ['keep:', 'open:', 'shut:']) {
      const held = seen.filter(({ target }) => target.startsWith(kind)).map((each) => each.held);
      // One that must not be had is waited for, so there is time for two a second at the most.
      expect(Math.min(...held)).toBeGreaterThan(seconds);
    }
  }

  /** After the end: nothing that was open lives, and nothing can be opened. */
  async function isOver(
    id: string,
    { shell, connection, hidden }: Awaited<ReturnType<typeof leaveOpen>>,
    place: Place,
  ): Promise<void> {
    shell.send('echo still here');
    expect(await shell.ended).not.toBe(0);
    expect(shell.output.stdout).toBe('in\n');
    expect(await connection.ended).not.toBe(0);
    expect(processesWith(hidden)).toEqual([]);
    await areRefused(
      'ada',
      ['exec', '-n', workspaces, place.pod, '--', 'true'],
      ['get', 'pod', '-n', s.namespaces.staging, podsOf('checkout')[0]?.name ?? ''],
    );
    expect(await s.objectsOf(id)).toEqual([]);
  }

  test('reaches the approved port and nothing else, and nobody gets in; at the end all of it is dead and nobody else has noticed', async () => {
    const { staging } = s.namespaces;
    const [checkout] = podsOf('checkout');
    const [neighbour] = podsOf('catalog');
    if (checkout === undefined || neighbour === undefined) throw new Error('no shop');
    const { targets, apiServer, isOfNode } = await everything(s.cluster, node);

    // The positive control: before any policy is enforced, whatever serves is found, by the scan and from the place that finds next to nothing later.
    expect(await reached(s.cluster, beside, targets)).toEqual(
      expect.arrayContaining([
        ...shop.flatMap(({ address, serves }) => serves.map((port) => `tcp:${address}:${port}`)),
        'tcp:10.0.0.1:443',
        'udp:10.0.0.10:53',
        apiServer,
        `tcp:${node.outsideAddress}:80`,
        `udp:${node.outsideAddress}:443`,
        `tcp:${node.network.nodeAddress}:10250`,
      ]),
    );
    const butOfNode = (found: readonly string[]) => found.filter((target) => !isOfNode(target));

    await enforce(true);
    const before = await policyNames();
    const stopWatching = await watchAll(shop, s.cluster.adminKubeconfig);
    // Before: refused, by RBAC and by packets.
    const getTarget = ['get', 'pod', '-n', staging, checkout.name];
    const never = [
      ['get', 'pod', '-n', staging, neighbour.name],
      ['exec', '-n', staging, checkout.name, '--', 'true'],
      ['exec', '-n', workspaces, 'visitor', '--', 'true'],
    ];
    await areRefused('ada', getTarget, ...never);
    const approved = [`tcp:${checkout.address}:8080`];
    expect(await reached(s.cluster, beside, approved)).toEqual([]);

    const { id, preview, place } = await troubleshoot('40s');
    const exitCode = exitCodeOf(place);
    expect(preview).toContain('Opens 1, closes 0');
    expect(preview).toContain(NOT_GOVERNED);
    await s.type('ada', `status ${id}`);
    expect(await s.toldTo('ada', `${id}: active`)).toContain(NOT_GOVERNED);

    const open = await leaveOpen(place);
    expect(await reached(s.cluster, place, ['tcp:checkout:80', `tcp:catalog.${staging}:80`])).toEqual([
      'tcp:checkout:80',
    ]);
    expect((await s.kubectlAs('ada', getTarget)).code).toBe(0);
    await areRefused('ada', ...never);
    await areRefused('cy', getTarget, ['exec', '-n', workspaces, place.pod, '--', 'true']);

    // The preview is the whole truth, but for the node.
    const listed = await targetsOfPreview(s.cluster, preview);
    expect(listed).toHaveLength(podsOf('checkout').length + 1);
    expect(butOfNode(await reached(s.cluster, place, targets))).toEqual(listed.toSorted());

    await getIn(id, neighbour, approved);

    await s.until(id, 'access was confirmed gone', 60_000);
    await isOver(id, open, place);
    // By TERM: it has not lived on until KILL ended it (137), a second later.
    expect(await exitCode).toBe(143);
    expect(await policyNames()).toEqual(before);
    expect(butOfNode(await reached(s.cluster, beside, targets))).toEqual([]);
    // With the label of a grant that has ended nobody gets in either, whoever sets it.
    await label('visitor', id);
    expect(await reached(s.cluster, beside, approved)).toEqual([]);
    await label('visitor', null);

    wasNotDisturbed(await stopWatching(), 40);
  }, 240_000);

  /** Sets the label of a grant as one of the emergency group, whom nothing keeps from it. */
  async function label(pod: string, id: string | null): Promise<void> {
    await s.adminKubectl([
      'label',
      'pod',
      pod,
      '-n',
      workspaces,
      `drawbridge.internal/grant${id === null ? '-' : `=${id}`}`,
    ]);
    await policies?.inForce();
  }

  /** What a neighbour tries who wants to be taken for the workspace, with all rights that there are. */
  async function getIn(id: string, neighbour: RunningPod, approved: readonly string[]): Promise<void> {
    const labels = JSON.stringify({ metadata: { labels: { 'drawbridge.internal/grant': id } } });
    const template = JSON.stringify({ spec: { template: JSON.parse(labels) } });
    const pods = [
      ['-n', workspaces, 'pod/visitor'],
      ['-n', neighbour.namespace, `pod/${neighbour.name}`],
    ];
    const attempts = [
      ...pods.map((pod) => ['label', ...pod, `drawbridge.internal/grant=${id}`]),
      ...pods.map((pod) => ['patch', ...pod, '--subresource=status', '-p', labels]),
      ['patch', '-n', neighbour.namespace, 'deployment/catalog', '-p', template],
      ['apply', '-f', '-'],
    ];
    const latecomer = JSON.stringify(visitor(workspaces, 'latecomer', { 'drawbridge.internal/grant': id }));
    for (const attempt of attempts) {
      const { code, stderr } = await s.cluster.kubectl(attempt, { kubeconfig: mallory, input: latecomer });
      expect([code, stderr]).toEqual([1, expect.stringMatching(/belongs to Drawbridge/)]);
    }
    await policies?.inForce();
    expect(await reached(s.cluster, beside, approved)).toEqual([]);
    expect(await reached(s.cluster, placeIn(neighbour, s.cluster.adminKubeconfig), approved)).toEqual([]);
    // The control: it is the label that they lack.
    await label('visitor', id);
    expect(await reached(s.cluster, beside, approved)).toEqual(approved);
    await label('visitor', null);
    expect(await reached(s.cluster, beside, approved)).toEqual([]);
  }

  test('the same end where each packet is judged anew', async () => {
    await enforce(false);
    const stopWatching = await watchAll(shop, s.cluster.adminKubeconfig);
    const { id, place } = await troubleshoot('15s');
    const open = await leaveOpen(place);
    await s.until(id, 'access was confirmed gone', 60_000);
    await isOver(id, open, place);
    wasNotDisturbed(await stopWatching(), 15);
  }, 180_000);

  test('a pod that takes the labels of the target is told of, and ends the grant', async () => {
    const { staging } = s.namespaces;
    const { id, place } = await troubleshoot('10m');
    await s.cluster.apply([visitor(staging, 'imposter', { app: 'checkout' })]);
    await s.until(id, 'It failed and was taken down', 60_000);
    expect(await s.words(id)).toContain('pod imposter has taken the labels of the target');
    await s.dm('dee', `pod imposter has taken the labels of the target of ${id}`);
    await areRefused('ada', ['exec', '-n', workspaces, place.pod, '--', 'true']);
    await s.type('ada', `request troubleshoot ${staging}/deploy/checkout 10m again`);
    await s.toldTo('ada', 'also select pod imposter');
    await s.adminKubectl(['delete', 'pod', 'imposter', '-n', staging]);
  }, 120_000);

  test('a shell on the node is root there for its requester alone, and nothing that ran in it lives on', async () => {
    const nodes = s.installation.nodesNamespace;
    const other = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'other-node' } };
    await s.cluster.apply([other]);
    const id = await s.request(`machine node/${node.name} 20s its disk is full`);
    const preview = await s.words(id);
    expect(preview).toContain(`The shell is root on ${node.name}`);
    expect(preview).toMatch(/Pods on .*, of staging: .*deployment\/checkout \(\d\)/);
    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until', 40_000);
    const told = await s.dm('ada', new RegExp(`kubectl -n ${nodes} exec[\\s\\S]*${id}`));
    const pod = /exec -it (\S+)/.exec(told)?.[1] ?? '';
    const inShell = (...command: string[]) => ['exec', '-n', nodes, pod, '-c', 'workspace', '--', ...command];
    const ada = async (...command: string[]) => {
      const { code, stdout, stderr } = await s.kubectlAs('ada', inShell(...command));
      return code === 0 ? stdout : `${code} ${stderr}`;
    };

    // Processes, network and files of the node.
    expect(await ada('ps')).toMatch(/containerd[\s\S]*kubelet/);
    expect(await ada('ip', 'address')).toContain(node.network.nodeAddress);
    expect(await ada('cat', '/host/etc/os-release')).toBe(await readFile('/etc/os-release', 'utf8'));
    for (const folder of ['tmp', 'run', 'dev/shm', `${node.network.dir}/kubelet`.slice(1)]) {
      const file = `/host/${folder}/drawbridge-${id}`;
      expect([folder, await ada('touch', file)]).toEqual([folder, expect.stringContaining('Read-only file system')]);
    }
    // On this node, and on no other; into this pod, and nobody else.
    expect(await s.can('ada', 'get', `nodes/${node.name}`)).toBe('yes');
    expect(await s.can('ada', 'get', `nodes/${other.metadata.name}`)).toBe('no');
    await areRefused('cy', inShell('true'), ['get', 'node', node.name]);
    await s.cluster.apply([
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRoleBinding',
        metadata: { name: 'editor' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'edit' },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'editor@example.test' }],
      },
    ]);
    const editor = await s.cluster.kubeconfigFor('editor@example.test');
    const debug = ['debug', '-n', nodes, pod, '--image=x', '--attach=false'];
    for (const [kubeconfig, args] of [
      [editor, inShell('true')],
      [mallory, debug],
      [mallory, ['run', 'mine', '-n', nodes, '--image=x']],
    ] as const)
      expect(await s.cluster.kubectl(args, { kubeconfig })).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/Only the requester|belongs to Drawbridge/),
      });

    const left = `sleep ${100_000 + (Date.now() % 100_000)}`;
    expect(await ada('sh', '-c', `setsid ${left} >/dev/null 2>&1 & echo left`)).toBe('left\n');
    await vi.waitFor(() => expect(processesWith(left)).toHaveLength(1), 5000);
    await s.until(id, 'access was confirmed gone', 60_000);
    expect(await s.words(id)).toContain('The shell ended');
    expect(processesWith(left)).toEqual([]);
    await areRefused('ada', inShell('true'), ['get', 'node', node.name]);
    expect(await s.objectsOf(id)).toEqual([]);
    expect(await s.adminKubectl(['get', 'jobs,pods', '-n', nodes, '-o', 'name'])).toBe('');
    await s.adminKubectl(['delete', 'node', other.metadata.name]);
  }, 180_000);

  describe('in other modes', () => {
    let lab: Record<'worker' | 'db' | 'other' | 'bastion', RunningPod>;

    beforeAll(async () => {
      await enforce(true);
      await s.cluster.apply([
        { apiVersion: 'v1', kind: 'Namespace', metadata: { name: LAB } },
        ...(['worker', 'db', 'other', 'bastion'] as const).map((app) =>
          visitor(LAB, app, { app }, ['serve', 'tcp:5432']),
        ),
      ]);
      await s.adminKubectl(['wait', 'pod', '--all', '-n', LAB, '--for=condition=Ready', '--timeout=60s']);
      const running = await runningPods(s.cluster);
      const named = (name: string) => {
        const found = running.find((pod) => pod.namespace === LAB && pod.name === name);
        if (found === undefined) throw new Error(`no pod ${name}`);
        return found;
      };
      lab = { worker: named('worker'), db: named('db'), other: named('other'), bastion: named('bastion') };
    }, 120_000);

    test('contain: a shell in a live pod reaches what the profile names, and the containment goes after the rights', async () => {
      const { worker, db, other } = lab;
      const targets = [
        `tcp:${db.address}:5432`,
        `tcp:${other.address}:5432`,
        `tcp:${node.outsideAddress}:80`,
      ].toSorted();
      const asAdmin = placeIn(worker, s.cluster.adminKubeconfig);
      const asAda = placeIn(worker, s.kubeconfigOf('ada'));
      expect(await reached(s.cluster, asAdmin, targets)).toEqual(targets);
      const getIn = ['exec', '-n', LAB, 'worker', '--', 'true'];
      await areRefused('ada', getIn);

      const id = await s.request(`shell ${LAB}/pod/worker 20s what does it see`);
      const preview = await s.words(id);
      expect(preview).toContain(`isolates live pods for the first time: ${LAB}/pod/worker (egress)`);
      expect(preview).toMatch(/Opens 0, closes [1-9]/);
      await s.press('ben', id, 'approve');
      await s.until(id, 'Active until', 40_000);
      await policies?.inForce();
      const shell = await startIn(asAda, 'sh');
      expect(await reached(s.cluster, asAda, targets)).toEqual([`tcp:${db.address}:5432`]);
      // It holds for the pod, whoever is in it; what comes in is as it was.
      expect(await reached(s.cluster, asAdmin, targets)).toEqual([`tcp:${db.address}:5432`]);
      const into = [`tcp:${worker.address}:5432`];
      expect(await reached(s.cluster, placeIn(other, s.cluster.adminKubeconfig), into)).toEqual(into);

      const end = await s.until(id, 'containment lifted', 60_000);
      expect(end).toContain('a session in the pods that lives on is unconfined');
      await areRefused('ada', getIn);
      await policies?.inForce();
      expect(await reached(s.cluster, asAdmin, targets)).toEqual(targets);
      // Which is true: this one does.
      shell.send('echo still here');
      await vi.waitFor(() => expect(shell.output.stdout).toContain('still here'), 10_000);
      shell.finish();
      await shell.ended;
      expect(await s.objectsOf(id)).toEqual([]);
    }, 180_000);

    test('bastion: its sources reach the isolated target for the window; what is open then may live on, and that is said', async () => {
      const { bastion, other } = lab;
      const checkout = addressOf('checkout');
      const ports = [`tcp:${checkout}:8080`, `tcp:${checkout}:8081`];
      const from = (pod: RunningPod) => reached(s.cluster, placeIn(pod, s.cluster.adminKubeconfig), ports);
      expect(await from(bastion)).toEqual([]);

      const id = await s.request(`own-tools ${s.namespaces.staging}/deploy/checkout 20s with my own tools`);
      expect(await s.words(id)).toContain('Opens 2, closes 0');
      await s.press('ben', id, 'approve');
      await s.until(id, 'Active until', 40_000);
      await policies?.inForce();
      expect(await from(bastion)).toEqual([`tcp:${checkout}:8080`]);
      expect(await from(other)).toEqual([]);
      const held = await startIn(
        placeIn(bastion, s.cluster.adminKubeconfig),
        '/probe',
        'hold',
        '-every=50ms',
        `${checkout}:8080`,
      );
      await vi.waitFor(() => expect(held.output.stdout).toContain('tick 20\n'), 20_000);

      expect(await s.until(id, 'new connections closed', 60_000)).toContain('those that were open may live on');
      await policies?.inForce();
      expect(await from(bastion)).toEqual([]);
      const ticks = held.output.stdout.length;
      await vi.waitFor(() => expect(held.output.stdout.length).toBeGreaterThan(ticks), 10_000);
      await s.adminKubectl(['delete', 'pod', 'bastion', '-n', LAB]);
      await held.ended;
    }, 180_000);
  });
});
