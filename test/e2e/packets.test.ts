import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ControlPlane } from '../../src/sandbox/cluster/control-plane.ts';
import { enforceNetworkPolicies } from '../../src/sandbox/cluster/network-policies.ts';
import { type Node, startClusterWithNode } from '../../src/sandbox/cluster/node.ts';
import { TOOLS_IMAGE } from '../../src/sandbox/cluster/node-image.ts';
import { reasonAgainstNode } from '../../src/sandbox/cluster/node-packages.ts';
import { startWorld } from '../../src/sandbox/world.ts';
import { type Stage, stageOf } from '../support/e2e.ts';

// The programs of a node may have to be built first.
const FIRST_START_MS = 20 * 60_000;
const reason = await reasonAgainstNode();
if (reason !== null) console.warn(`SKIPPED a workspace on a real node: ${reason}`);

/** The whole of a troubleshooting: a real node, real pods, real packets. */
describe.skipIf(reason !== null && !process.env['CI'])('a workspace on a real node', () => {
  const stops: (() => Promise<void>)[] = [];
  let kube: ControlPlane;
  let node: Node;
  let s: Stage;

  beforeAll(async () => {
    const log = (line: string) => process.stderr.write(`${line}\n`);
    const started = await startClusterWithNode({ log });
    stops.push(started.stop);
    kube = started.controlPlane;
    node = started.node;
    const world = await startWorld({
      log: () => {},
      cluster: kube,
      hasNodes: true,
      server: { image: TOOLS_IMAGE, serve: (port) => ['serve', `tcp:${port}`, `tcp:${port + 1}`] },
      policy: ({ profiles }) => {
        const network = profiles['troubleshoot']?.network;
        if (network !== undefined) Object.assign(network, { image: TOOLS_IMAGE, command: ['/probe', 'sleep'] });
      },
    });
    stops.push(() => world.stop());
    s = stageOf(world);
    await world.startBot();
  }, FIRST_START_MS);

  afterAll(async () => {
    for (let stop = stops.pop(); stop !== undefined; stop = stops.pop()) await stop();
  }, 120_000);

  const podIp = async (namespace: string, app: string) =>
    (
      await s.adminKubectl([
        'get',
        'pods',
        '-n',
        namespace,
        '-l',
        `app=${app}`,
        '-o',
        'jsonpath={.items[0].status.podIP}',
      ])
    ).trim();

  /** Which targets answer, dialled in a pod by somebody's kubectl exec. */
  async function reached(
    kubeconfig: string,
    namespace: string,
    pod: string,
    container: string,
    targets: readonly string[],
  ): Promise<string[]> {
    const dial = ['exec', '-n', namespace, pod, '-c', container, '--', '/probe', 'dial', '-timeout=600ms', ...targets];
    const { code, stdout, stderr } = await kube.kubectl(dial, { kubeconfig });
    expect([code, stderr]).toEqual([0, '']);
    return (JSON.parse(stdout) as { target: string; open: boolean }[])
      .filter(({ open }) => open)
      .map(({ target }) => target);
  }

  test('reaches the approved port and nothing else, for the approved person and time', async () => {
    const { staging, payments } = s.namespaces;
    const workspaces = s.installation.workspacesNamespace;
    const checkout = await podIp(staging, 'checkout');
    const targets = [
      `tcp:${checkout}:8080`,
      `tcp:${checkout}:8081`,
      `tcp:${await podIp(staging, 'catalog')}:8080`,
      `tcp:${await podIp(staging, 'frontend')}:8080`,
      `tcp:${await podIp(payments, 'ledger')}:8443`,
      'tcp:10.0.0.1:443',
      `tcp:${node.outsideAddress}:80`,
    ];
    const [neighbour = ''] = await s.podsOf(staging, 'catalog');

    // The positive control: before any policy is enforced all of it answers, from a pod like the workspace's neighbours.
    expect(await reached(kube.adminKubeconfig, staging, neighbour, 'catalog', targets)).toEqual(targets);
    const policies = await enforceNetworkPolicies({ cluster: kube, node, keepEstablished: true, log: () => {} });
    stops.push(() => policies.stop());
    await policies.inForce();

    const id = await s.request(`troubleshoot ${staging}/deploy/checkout 30s 502 from inside`);
    await s.press('ben', id, 'approve');
    await s.until(id, 'Active until', 40_000);
    const pod = /exec -it (\S+)/.exec(await s.dm('ada', `kubectl -n ${workspaces} exec`))?.[1] ?? '';
    const ada = s.kubeconfigOf('ada');
    expect(await reached(ada, workspaces, pod, 'workspace', targets)).toEqual([`tcp:${checkout}:8080`]);
    // By the target's name, without DNS, through its Service.
    expect(await reached(ada, workspaces, pod, 'workspace', ['tcp:checkout:80', `tcp:catalog.${staging}:80`])).toEqual([
      'tcp:checkout:80',
    ]);
    expect((await s.kubectlAs('cy', ['exec', '-n', workspaces, pod, '--', 'true'])).stderr).toContain('forbidden');

    const session = s.kubectlAs('ada', ['exec', '-n', workspaces, pod, '-c', 'workspace', '--', 'sleep', '1000']);
    await s.until(id, 'access was confirmed gone', 60_000);
    // A shell that was left open is cut with its pod.
    expect((await session).code).not.toBe(0);
    expect((await s.kubectlAs('ada', ['exec', '-n', workspaces, pod, '--', 'true'])).stderr).toContain('forbidden');
    expect(await s.objectsOf(id)).toEqual([]);
  }, 180_000);
});
