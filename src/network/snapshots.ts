import { createClassifier, type PodClass } from './classes.ts';
import { governedPods, namespaceLabels } from './connections.ts';
import { compilePolicy, type Policy } from './policy.ts';
import { createReach, type Reach } from './reach.ts';
import type { Steps } from './steps.ts';
import type { Cluster, Labels, NetworkPolicy, Pod } from './types.ts';

/**
 * A cluster ready to be asked. Its classes and policies are the same values in both snapshots where nothing changed.
 */
export interface Snapshot {
  /** Those that policies govern. */
  readonly pods: readonly Pod[];
  readonly policies: readonly Policy[];
  /** The pod of the same namespace and name here, for one of either side. */
  readonly find: (pod: Pod) => Pod | undefined;
  /** Whether the pod is the very same on the other side, and so are its namespace and the policies in it. */
  readonly isUntouched: (pod: Pod) => boolean;
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

/** Pods that are compared in one step. */
const PODS_IN_ONE_STEP = 1000;

/** The pods of each side that are not on the other. Mostly one list is the other with a few more behind. */
function* onOneSide(a: readonly Pod[], b: readonly Pod[]): Steps<[ReadonlySet<Pod>, ReadonlySet<Pod>]> {
  let common = 0;
  for (; common < a.length && a[common] === b[common]; common++) if (common % PODS_IN_ONE_STEP === 0) yield;
  const rests: Set<Pod>[] = [];
  for (const pods of [a, b]) {
    const rest = new Set<Pod>();
    for (let index = common; index < pods.length; index++) {
      if (index % PODS_IN_ONE_STEP === 0) yield;
      rest.add(pods[index] as Pod);
    }
    rests.push(rest);
  }
  const [restOfA, restOfB] = rests as [Set<Pod>, Set<Pod>];
  const without = (these: Set<Pod>, those: Set<Pod>) => new Set([...these].filter((pod) => !those.has(pod)));
  yield;
  return [without(restOfA, restOfB), without(restOfB, restOfA)];
}

/** A pod that is on both sides is its own; only the others are looked up by name. */
function createFinder(here: ReadonlySet<Pod>, there: ReadonlySet<Pod>): (pod: Pod) => Pod | undefined {
  const nameOf = ({ namespace, name }: Pod): string => `${namespace}/${name}`;
  const byName = new Map([...here].map((pod) => [nameOf(pod), pod]));
  return (pod) => (there.has(pod) ? byName.get(nameOf(pod)) : pod);
}

/** Namespaces whose labels or policies differ. */
function changedNamespaces(
  a: { readonly labels: ReadonlyMap<string, Labels>; readonly policies: readonly Policy[] },
  b: typeof a,
): ReadonlySet<string> {
  const changed = new Set<string>();
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const known = new Set(other.policies);
    for (const policy of one.policies) if (!known.has(policy)) changed.add(policy.namespace);
    for (const [name, labels] of one.labels) {
      const others = other.labels.get(name);
      if (others !== labels && JSON.stringify(others) !== JSON.stringify(labels)) changed.add(name);
    }
  }
  return changed;
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
  const sides = [before, after].map((cluster, index) => ({
    pods: governedPods(cluster),
    labels: namespaceLabels(cluster),
    policies: compiled[index] ?? [],
  }));
  yield;
  const [old, fresh] = sides as [(typeof sides)[0], (typeof sides)[0]];
  const [gone, come] = yield* onOneSide(old.pods, fresh.pods);
  const changed = changedNamespaces(old, fresh);
  const isUntouched = (pod: Pod) => !changed.has(pod.namespace) && !gone.has(pod) && !come.has(pod);
  const snapshot = ({ pods, labels, policies }: typeof old, find: Snapshot['find']): Snapshot => ({
    pods,
    policies,
    find,
    isUntouched,
    classify: classifier(labels),
    reach: createReach(policies),
  });
  return [snapshot(old, createFinder(gone, come)), snapshot(fresh, createFinder(come, gone))];
}
