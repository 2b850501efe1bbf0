import { expect } from 'vitest';
import { connectRedis } from '../../src/adapters/redis/connection.ts';
import { type Installation, uninstallChart } from '../../src/sandbox/chart.ts';
import { markRunning } from '../../src/sandbox/cluster/pods.ts';
import { installExample, type Targets } from './chart.ts';
import type { TestCluster } from './cluster.ts';
import { type Hand, handOf } from './hand.ts';
import { type LiveWorld, liveWorld } from './live-world.ts';
import { silentLog } from './silent-log.ts';
import { defaultDeny, deployment } from './workloads.ts';

/** A live world with an installation and targets of its own. */
export interface LiveStage {
  readonly at: Installation;
  readonly targets: Targets;
  /** Of the emergency group. */
  readonly admin: Hand;
  readonly live: LiveWorld;
  close(): Promise<void>;
}

/**
 * @param options.workloads Deployments in `targets.staging`, whose pods count as running
 * @param options.objects what else there is before the bot looks
 */
export async function setLiveStage(options: {
  readonly cluster: TestCluster;
  readonly redis: string;
  readonly name: string;
  readonly workloads?: readonly string[];
  readonly objects?: (at: Installation) => readonly object[];
  /** Other values of the chart, by their paths; the policy among them. */
  readonly changes?: Readonly<Record<string, unknown>>;
}): Promise<LiveStage> {
  const { cluster, redis, name, workloads = ['checkout'], objects = () => [], changes = {} } = options;
  await using open = new AsyncDisposableStack();
  const { at, targets } = await installExample(cluster, name, changes);
  open.defer(() => uninstallChart(cluster.adminKubeconfig, at));
  const { staging } = targets;
  await cluster.apply([
    ...workloads.flatMap((workload) => deployment(staging, workload)),
    defaultDeny(staging),
    ...objects(at),
  ]);
  const kubelet = await markRunning({
    kubeconfig: await cluster.kubeconfigFor('system:kube-scheduler'),
    namespaces: [staging, at.workspacesNamespace],
  });
  open.defer(() => kubelet.stop());
  const ready = ['wait', 'deployment', '--all', '--for=condition=Available', '-n', staging, '--timeout=60s'];
  expect((await cluster.kubectl(ready)).code).toBe(0);
  const client = open.adopt(await connectRedis(redis, { role: 'requests', log: silentLog() }), (one) =>
    one.disconnect(),
  );
  const live = open.adopt(await liveWorld({ cluster, at, targets, redis: client, changes }), (world) => world.stop());
  const closing = open.move();
  return {
    at,
    targets,
    live,
    admin: await handOf(cluster.adminKubeconfig),
    close: () => closing.disposeAsync(),
  };
}
