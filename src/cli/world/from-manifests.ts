import type { ClusterSnapshot } from '../../adapters/kubernetes/snapshot.ts';
import { canonical } from '../../domain/canonical.ts';
import { ownerLookup, type PodObject, podFromObject, serviceFromObject } from '../../network/objects.ts';
import type { Labels, Pod } from '../../network/types.ts';
import { workloadKey } from '../../network/workloads.ts';
import type { Manifest } from './manifests.ts';
import type { KnownType, ManifestOf } from './schema.ts';

/** A StatefulSet has a pod for each ordinal, as policies can tell them apart; more than these are left out. */
const MOST_ORDINALS = 1000;
/** Pods of other workloads are all the same to policies; two of them show what they may do with one another. */
const REPRESENTATIVES = 2;

type ManifestFor<K extends KnownType> = Extract<Manifest, { readonly type: K }>;

function ofType<K extends KnownType>(manifests: readonly Manifest[], type: K): ManifestFor<K>[] {
  return manifests.filter((manifest): manifest is ManifestFor<K> => manifest.type === type);
}

type Template = ManifestOf<'batch/Job'>['spec']['template'];

/** What a workload's pods are made from, how many there are, and what its controller adds to their labels. */
function templateOf(
  manifest: Manifest,
): { template: Template; names: string[]; labels?: (name: string) => Labels } | null {
  const { name } = manifest;
  const names = (pods: number): string[] =>
    Array.from({ length: Math.min(Math.max(pods, 1), REPRESENTATIVES) }, (_, index) => `${name}#${index + 1}`);
  switch (manifest.type) {
    case 'apps/StatefulSet': {
      const { ordinals, replicas = 1, template } = manifest.object.spec;
      const first = ordinals?.start ?? 0;
      return {
        template,
        names: Array.from(
          { length: Math.min(Math.max(replicas, 1), MOST_ORDINALS) },
          (_, index) => `${name}-${first + index}`,
        ),
        // https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#pod-name-label
        labels: (pod) => ({
          'statefulset.kubernetes.io/pod-name': pod,
          'apps.kubernetes.io/pod-index': pod.slice(name.length + 1),
        }),
      };
    }
    case 'apps/DaemonSet':
      return { template: manifest.object.spec.template, names: names(REPRESENTATIVES) };
    case 'apps/Deployment':
    case 'apps/ReplicaSet':
    case '/ReplicationController':
      return { template: manifest.object.spec.template, names: names(manifest.object.spec.replicas ?? 1) };
    case 'batch/Job':
      return {
        ...jobPods(manifest.object.spec, names),
        // https://kubernetes.io/docs/reference/labels-annotations-taints/#batch-kubernetes-io-job-name
        labels: () => ({ 'batch.kubernetes.io/job-name': name, 'job-name': name }),
      };
    case 'batch/CronJob':
      return jobPods(manifest.object.spec.jobTemplate.spec, names);
    default:
      return null;
  }
}

function jobPods(spec: ManifestOf<'batch/Job'>['spec'], names: (pods: number) => string[]) {
  const { parallelism = 1, completions = parallelism, template } = spec;
  return { template, names: names(Math.min(parallelism, completions)) };
}

function kindOf(type: KnownType): string {
  return type.slice(type.indexOf('/') + 1);
}

function podsFromTemplate(manifest: Manifest): PodObject[] {
  const found = templateOf(manifest);
  if (!found) return [];
  const { namespace, type } = manifest;
  const { template, names, labels = () => ({}) } = found;
  const ownerReferences = [{ kind: kindOf(type), name: manifest.name, controller: true }];
  return names.map((name) => ({
    metadata: { namespace, name, labels: { ...template.metadata?.labels, ...labels(name) }, ownerReferences },
    spec: template.spec,
    status: { phase: 'Running' },
  }));
}

/**
 * Pods that are among the manifests stand for their workload; else its template does, a Deployment's before its
 * ReplicaSet's. So what was exported from a cluster is not counted twice.
 */
function podsOf(manifests: readonly Manifest[]): Pod[] {
  const lookup = ownerLookup({
    replicaSets: ofType(manifests, 'apps/ReplicaSet').map(({ object }) => object),
    jobs: ofType(manifests, 'batch/Job').map(({ object }) => object),
  });
  const isOwned = ({ object }: Manifest): boolean => (object.metadata.ownerReferences ?? []).length > 0;
  const tiers: PodObject[][] = [
    ofType(manifests, '/Pod').map(({ object }) => object),
    manifests.filter((manifest) => !isOwned(manifest)).flatMap(podsFromTemplate),
    manifests.filter(isOwned).flatMap(podsFromTemplate),
  ];
  const pods: Pod[] = [];
  for (const tier of tiers) {
    const known = new Set(pods.map(workloadKey));
    const added = tier.map((object) => podFromObject(object, lookup)).filter((pod) => !known.has(workloadKey(pod)));
    pods.push(...added);
  }
  return pods;
}

/** The same object twice: as good as once when it is the same in both places. */
function withoutRepeats(manifests: readonly Manifest[]): { unique: Manifest[]; problems: string[] } {
  const unique: Manifest[] = [];
  const problems: string[] = [];
  const known = new Map<string, Manifest>();
  for (const manifest of manifests) {
    const { type, namespace, name, place } = manifest;
    const id = `${kindOf(type)} ${namespace === '' ? name : `${namespace}/${name}`}`;
    const before = manifest.generated ? undefined : known.get(id);
    if (!before) {
      known.set(id, manifest);
      unique.push(manifest);
    } else if (canonical(before.object) !== canonical(manifest.object)) {
      problems.push(`${place}: ${id} is already at ${before.place}, and is another there`);
    }
  }
  return { unique, problems };
}

/**
 * The cluster that these manifests make, as if nothing else were in it. Namespaces that are only mentioned have the one
 * label that the API server gives to all. With `only`, the other namespaces are left out.
 */
export function worldFromManifests(
  manifests: readonly Manifest[],
  only: readonly string[] = [],
): { ok: true; world: ClusterSnapshot } | { ok: false; problems: readonly string[] } {
  const { unique, problems } = withoutRepeats(manifests);
  if (problems.length > 0) return { ok: false, problems };

  const declared = new Map(
    ofType(unique, '/Namespace').map(({ name, object }) => [name, object.metadata.labels ?? {}]),
  );
  const mentioned = unique.flatMap(({ namespace }) => (namespace === '' ? [] : [namespace]));
  const names = [...new Set([...declared.keys(), ...mentioned])].sort();
  const strangers = only.filter((name) => !names.includes(name));
  if (strangers.length > 0)
    return { ok: false, problems: strangers.map((name) => `the manifests have no namespace ${name}`) };

  const kept = (namespace: string): boolean => only.length === 0 || only.includes(namespace);
  const world: ClusterSnapshot = {
    namespaces: names
      .filter(kept)
      .map((name) => ({ name, labels: { ...declared.get(name), 'kubernetes.io/metadata.name': name } })),
    pods: podsOf(unique).filter((pod) => kept(pod.namespace)),
    services: ofType(unique, '/Service')
      .filter(({ namespace }) => kept(namespace))
      .map(({ object }) => serviceFromObject(object)),
    policies: ofType(unique, 'networking.k8s.io/NetworkPolicy')
      .filter(({ namespace }) => kept(namespace))
      .map(({ object }) => object),
  };
  return { ok: true, world };
}
