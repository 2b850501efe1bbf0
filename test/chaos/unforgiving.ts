import { randomBytes } from 'node:crypto';
import type { ControlPlane } from '../../src/sandbox/cluster/control-plane.ts';
import { markRunning } from '../../src/sandbox/cluster/pods.ts';
import { startChurn } from '../support/churn.ts';
import { addsHarmlessThings, startMutatingWebhook } from '../support/mutating-webhook.ts';
import { workload } from './slots.ts';

/** Namespaces of others, the pods of each, and how many of them are never quiet. */
const NAMESPACES = 20;
const PODS = 10;
const BUSY = 2;
/** Milliseconds between two rounds of what happens there. */
const PAUSE = 500;

/**
 * What makes the cluster of an installation unforgiving: somebody's webhook adds to everything that is written in these namespaces, and others
 * have many workloads beside it, of which some come and go.
 */
export async function startUnforgiving(
  cluster: ControlPlane,
  namespaces: readonly string[],
): Promise<{ stop(): Promise<void> }> {
  const suffix = randomBytes(3).toString('hex');
  const others = Array.from({ length: NAMESPACES }, (_, index) => `others-${suffix}-${index}`);
  await cluster.apply(others.map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })));
  await cluster.apply(others.map((namespace) => workload(namespace, 'crowd', PODS)));
  const kubelet = await markRunning({
    kubeconfig: await cluster.kubeconfigFor('system:kube-scheduler'),
    namespaces: others,
    podCidr: `10.${150 + ((randomBytes(1)[0] ?? 0) % 50)}.0.0/16`,
  });
  const webhook = await startMutatingWebhook({ cluster, namespaces });
  webhook.mutate(addsHarmlessThings);
  const busy = others.slice(0, BUSY);
  for (const name of busy)
    await cluster.kubectl(['wait', '--for=create', 'serviceaccount/default', '-n', name, '--timeout=30s']);
  const churn = await startChurn(cluster.adminKubeconfig, busy, { pause: PAUSE });
  return {
    async stop() {
      await churn.stop();
      await webhook.stop();
      await kubelet.stop();
      await cluster.kubectl(['delete', 'namespaces', ...others, '--wait=false']);
    },
  };
}
