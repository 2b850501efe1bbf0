import type { ClusterAccess, Survey } from '../../app/ports.ts';
import type { LabelSelector, PortRef } from '../../domain/confinement.ts';
import { Refusal } from '../../domain/errors.ts';
import type { Profile } from '../../domain/policy.ts';
import { letsIntoPods, type Rule, type WorkloadKind } from '../../domain/rights.ts';
import type { Target } from '../../domain/target.ts';
import { type PodObject, podFromObject } from '../../network/objects.ts';
import { matches } from '../../network/selector.ts';
import type { Api } from './api.ts';
import { readSnapshot } from './snapshot.ts';

/** Reading the cluster: targets, their pods, and what reachability is computed from. */

interface Meta {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly deletionTimestamp?: string;
  readonly ownerReferences?: readonly {
    readonly kind: string;
    readonly name: string;
    readonly uid: string;
    readonly controller?: boolean;
  }[];
}
interface KubePod extends PodObject {
  readonly metadata: Meta;
}
interface Controller {
  readonly metadata: Meta;
  readonly spec?: { readonly selector?: LabelSelector };
}
interface KubeService {
  readonly metadata: Meta;
  readonly spec: { readonly selector?: Readonly<Record<string, string>>; readonly clusterIP?: string };
}

const LISTED: readonly WorkloadKind[] = ['Deployment', 'StatefulSet', 'DaemonSet'];

export function createSurveyor(api: Api): Pick<ClusterAccess, 'namespaces' | 'workloads' | 'survey'> & {
  podsOfTarget(target: Target, uid: string): Promise<string[]>;
} {
  async function podsOwnedBy(kind: WorkloadKind, workload: Meta): Promise<{ all: KubePod[]; owned: KubePod[] }> {
    const { namespace, uid } = workload;
    const [pods, replicaSets] = await Promise.all([
      api.list<KubePod>('Pod', namespace),
      kind === 'Deployment' ? api.list<Controller>('ReplicaSet', namespace) : [],
    ]);
    const all = pods.filter(
      (pod) =>
        !['Succeeded', 'Failed'].includes(pod.status?.phase ?? '') && pod.metadata.deletionTimestamp === undefined,
    );
    // By uid, link by link: names and labels can be imitated by whoever may create pods here.
    const owners = new Set([
      uid,
      ...replicaSets.filter((set) => controllerOf(set.metadata) === uid).map((set) => set.metadata.uid),
    ]);
    return {
      all,
      owned: all.filter((pod) => pod.metadata.uid === uid || owners.has(controllerOf(pod.metadata) ?? '')),
    };
  }

  async function surveyWorkload(target: Target): Promise<NonNullable<Survey['workload']>> {
    const { namespace, workload } = target;
    if (workload === undefined) throw new Error('no workload');
    const found = await api.read<Controller>(workload.kind, namespace, workload.name);
    if (found === null)
      throw new Refusal(
        'target',
        `There is no ${workload.kind} ${workload.name} in namespace ${namespace}.`,
        'Check the name; `/jit` lists what is there.',
      );
    const { all, owned } = await podsOwnedBy(workload.kind, found.metadata);
    const selector =
      workload.kind === 'Pod' ? { matchLabels: found.metadata.labels ?? {} } : (found.spec?.selector ?? {});
    const names = new Set(owned.map((pod) => pod.metadata.name));
    const services = await api.list<KubeService>('Service', namespace);
    return {
      uid: found.metadata.uid,
      selector,
      pods: owned.map((pod) => ({
        name: pod.metadata.name,
        ip: pod.status?.podIP ?? '',
        hostNetwork: pod.spec?.hostNetwork ?? false,
      })),
      ports: portsInCommon(owned),
      services: services
        .filter(({ spec }) => {
          const wanted = spec.selector ?? {};
          if (Object.keys(wanted).length === 0) return false;
          const behind = all.filter((pod) => matches({ matchLabels: wanted }, pod.metadata.labels ?? {}));
          return behind.length > 0 && behind.every((pod) => names.has(pod.metadata.name));
        })
        .map(({ metadata, spec }) => ({
          name: metadata.name,
          clusterIP:
            spec.clusterIP === undefined || spec.clusterIP === 'None' || spec.clusterIP === '' ? null : spec.clusterIP,
        })),
      strangers: all
        .filter((pod) => !names.has(pod.metadata.name) && matches(selector, pod.metadata.labels ?? {}))
        .map((pod) => `pod ${pod.metadata.name}`),
    };
  }

  async function rulesOf(profile: Profile, namespace: string): Promise<readonly Rule[] | null> {
    const kind = profile.clusterRole === undefined ? 'Role' : 'ClusterRole';
    const name = profile.clusterRole ?? profile.role;
    if (name === undefined) return null;
    const role = await api.read<{ rules?: Partial<Rule>[] | null }>(kind, kind === 'Role' ? namespace : null, name);
    if (role === null)
      throw new Refusal(
        kind,
        `The cluster has no ${kind} ${name}, which this profile gives.`,
        'Ask an administrator of Drawbridge.',
      );
    return (role.rules ?? [])
      .filter((rule) => (rule.resources ?? []).length > 0)
      .map((rule) => ({
        apiGroups: rule.apiGroups ?? [],
        resources: rule.resources ?? [],
        verbs: rule.verbs ?? [],
        ...(rule.resourceNames ? { resourceNames: rule.resourceNames } : {}),
      }));
  }

  return {
    async namespaces() {
      const all = await api.list<{ metadata: Meta }>('Namespace', null);
      return all
        .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
        .map(({ metadata }) => metadata.name);
    },
    async workloads(namespace) {
      const lists = await Promise.all(
        LISTED.map(async (kind) =>
          (await api.list<Controller>(kind, namespace)).map(({ metadata }) => ({ kind, name: metadata.name })),
        ),
      );
      return lists.flat().toSorted((a, b) => (a.name < b.name ? -1 : 1));
    },
    async survey(target, profile) {
      if ((await api.read('Namespace', null, target.namespace)) === null)
        throw new Refusal(
          'target',
          `There is no namespace ${target.namespace} in the cluster.`,
          'Check the name; `/jit` lists what you may ask for.',
        );
      const [workload, [roleRules, cluster]] = await Promise.all([
        target.workload === undefined ? null : surveyWorkload(target),
        rulesOf(profile, target.namespace).then(async (rules) => {
          const matters = profile.network.mode !== 'none' || letsIntoPods(profile.rules ?? rules ?? []);
          return [rules, matters ? await readSnapshot(api) : null] as const;
        }),
      ]);
      return { workload, roleRules, cluster };
    },
    async podsOfTarget(target, uid) {
      const { workload, namespace } = target;
      if (workload === undefined) return [];
      const found = await api.read<Controller>(workload.kind, namespace, workload.name);
      // Another workload of the same name is not what was approved: its pods are nobody's business.
      if (found === null || found.metadata.uid !== uid) return [];
      const { owned } = await podsOwnedBy(workload.kind, found.metadata);
      return owned.map((pod) => pod.metadata.name).toSorted();
    },
  };
}

function controllerOf(meta: Meta): string | undefined {
  return meta.ownerReferences?.find((owner) => owner.controller)?.uid;
}

/** Ports that every pod declares: what a workload serves, whatever pod answers. */
function portsInCommon(pods: readonly KubePod[]): PortRef[] {
  const [first, ...rest] = pods.map((pod) => podFromObject(pod).ports);
  const same = (a: { containerPort: number; protocol: string }, b: { containerPort: number; protocol: string }) =>
    a.containerPort === b.containerPort && a.protocol === b.protocol;
  return (first ?? [])
    .filter((port, index) => (first ?? []).findIndex((other) => same(port, other)) === index)
    .filter((port) => rest.every((ports) => ports.some((other) => same(port, other))))
    .map(({ containerPort, protocol }) => ({ port: containerPort, protocol }))
    .toSorted((a, b) => a.port - b.port || (a.protocol < b.protocol ? -1 : 1));
}
