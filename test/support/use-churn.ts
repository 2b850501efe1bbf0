import { afterAll, beforeAll } from 'vitest';
import { type Churn, startChurn } from './churn.ts';
import type { TestCluster } from './cluster.ts';

/** Churn beside a suite, in namespaces of its own, which go with it. */
export function useChurn(kube: TestCluster): () => Churn {
  let churn: Churn | undefined;
  let namespace = '';
  beforeAll(async () => {
    namespace = await kube.freshNamespace('busy');
    churn = await startChurn(kube.adminKubeconfig, [namespace]);
  });
  afterAll(async () => {
    await churn?.stop();
    await kube.kubectl(['delete', 'namespace', namespace, '--wait=false']);
  });
  return () => {
    if (churn === undefined) throw new Error('nothing happens yet');
    return churn;
  };
}
