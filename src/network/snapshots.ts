import { createClassifier, type PodClass } from './classes.ts';
import { governedPods, namespaceLabels } from './connections.ts';
import { compilePolicy, type Policy } from './policy.ts';
import { createReach, type Reach } from './reach.ts';
import type { Steps } from './steps.ts';
import type { Cluster, NetworkPolicy, Pod } from './types.ts';

/**
 * A cluster ready to be asked. Its classes and policies are the same values in both snapshots where nothing changed.
 */
export interface Snapshot {
  /** Those that policies govern. */
  readonly pods: readonly Pod[];
  readonly policies: readonly Policy[];
  /** The pod of the same namespace and name here. */
  readonly find: (pod: Pod) => Pod | undefined;
  readonly classify: (pod: Pod) => PodClass;
  readonly reach: Reach;
}

/** Compiles policies so that equal text gives the very same value: what did not change is then seen at a glance. */
function createCompiler(): (policy: NetworkPolicy) => Policy {
  const byObject = new Map<NetworkPolicy, Policy>();
  const byText = new Map<string, Policy>();
  return (policy) => {
    const same = byObject.get(policy);
    if (same) return same;
    const text = JSON.stringify([policy.metadata?.namespace, policy.metadata?.name, policy.spec]);
    const compiled = byText.get(text) ?? compilePolicy(policy);
    byText.set(text, compiled);
    byObject.set(policy, compiled);
    return compiled;
  };
}

/** Pods that are indexed in one step. */
const PODS_IN_ONE_STEP = 1000;

function* createFinder(pods: readonly Pod[]): Steps<(pod: Pod) => Pod | undefined> {
  const byNamespace = new Map<string, Map<string, Pod>>();
  for (const [index, pod] of pods.entries()) {
    if (index % PODS_IN_ONE_STEP === 0) yield;
    const byName = byNamespace.get(pod.namespace) ?? new Map<string, Pod>();
    byNamespace.set(pod.namespace, byName);
    byName.set(pod.name, pod);
  }
  return ({ namespace, name }) => byNamespace.get(namespace)?.get(name);
}

/** Policies that are compiled in one step. */
const IN_ONE_STEP = 50;

/** Both sides of a change. */
export function* takeSnapshots(before: Cluster, after: Cluster): Steps<[before: Snapshot, after: Snapshot]> {
  const compile = createCompiler();
  const compiled: Policy[][] = [[], []];
  for (const [index, { policies }] of [before, after].entries())
    for (const policy of policies) if ((compiled[index]?.push(compile(policy)) ?? 0) % IN_ONE_STEP === 0) yield;

  const classifier = createClassifier(new Set(compiled.flat()));
  function* snapshot(cluster: Cluster, policies: readonly Policy[] = []): Steps<Snapshot> {
    yield;
    const pods = governedPods(cluster);
    const find = yield* createFinder(pods);
    return {
      pods,
      policies,
      find,
      classify: classifier(namespaceLabels(cluster)),
      reach: createReach(policies),
    };
  }
  return [yield* snapshot(before, compiled[0]), yield* snapshot(after, compiled[1])];
}
