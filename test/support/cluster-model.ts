import { onTestFinished, vi } from 'vitest';
import type { Api } from '../../src/adapters/kubernetes/api.ts';
import { type ClusterModel, createClusterModel } from '../../src/adapters/kubernetes/model/cluster-model.ts';
import type { Pace } from '../../src/adapters/kubernetes/model/reflector.ts';
import type { PodChange } from '../../src/app/ports/cluster-events.ts';

/** A model that is started, and what it has told. */
export function tellingModel(api: Api, pace: Partial<Pace> = { pause: [5, 20] }) {
  const model = createClusterModel({
    api,
    instance: 'test',
    now: Date.now,
    onFault: (error) => faults.push(error),
    pace,
  });
  const pods: PodChange[] = [];
  const policies: string[] = [];
  const workloads: string[] = [];
  const faults: unknown[] = [];
  model.start({
    onPod: (change) => pods.push(change),
    onWorkload: (kind, namespace, name) => workloads.push(`${kind} ${namespace}/${name}`),
    onPolicy: (namespace) => policies.push(namespace),
  });
  onTestFinished(() => model.stop());
  return { model, pods, policies, workloads, faults };
}

/** What has happened is known a moment later. */
export const eventually = (assert: () => void) => vi.waitFor(assert, { timeout: 5000, interval: 5 });

/** The model that a cluster access on a real API server needs. Whoever makes it stops it. */
export function startedModel(api: Api, instance: string): ClusterModel {
  const model = createClusterModel({ api, instance, now: Date.now, onFault: () => {} });
  model.start({ onPod: () => {}, onWorkload: () => {}, onPolicy: () => {} });
  return model;
}
