import type { ClusterAccess, Survey } from '../../app/ports.ts';
import type { LabelSelector, PortRef } from '../../domain/confinement.ts';
import { Refusal } from '../../domain/errors.ts';
import type { Profile } from '../../domain/policy.ts';
import { letsIntoPods, type Rule, type WorkloadKind } from '../../domain/rights.ts';
import type { Target, Wanted } from '../../domain/target.ts';
import { type PodObject, podFromObject, type ServiceObject } from '../../network/objects.ts';
import { matches } from '../../network/selector.ts';
import type { Api } from './api.ts';
import { readOtherPolicies } from './other-policies.ts';
import { behindService, mustBeSame, type Owner, portsOfService } from './service-target.ts';
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
interface KubeService extends ServiceObject {
  readonly metadata: Meta;
}
/** The pods of a namespace that run, and the ReplicaSets that may stand between them and their Deployments: of one moment. */
interface Inventory {
  readonly pods: readonly KubePod[];
  readonly replicaSets: readonly Controller[];
}

const LISTED: readonly WorkloadKind[] = ['Deployment', 'StatefulSet', 'DaemonSet'];

export function createSurveyor(api: Api): Pick<ClusterAccess, 'namespaces' | 'workloads'> & {
  survey(wanted: Wanted, profile: Profile): Promise<Omit<Survey, 'unprobed'>>;
  /** By name; an address that is not known yet is empty. */
  podsOfTarget(target: Target, uid: string): Promise<{ name: string; ip: string }[]>;
  /** `pod NAME` of those that have these labels and are not of the workload. */
  strangersTo(target: Target, uid: string, selector: LabelSelector): Promise<string[]>;
} {
  async function inventory(namespace: string, withReplicaSets: boolean): Promise<Inventory> {
    const [pods, replicaSets] = await Promise.all([
      api.list<KubePod>('Pod', namespace),
      withReplicaSets ? api.list<Controller>('ReplicaSet', namespace) : [],
    ]);
    const running = pods.filter(
      (pod) =>
        !['Succeeded', 'Failed'].includes(pod.status?.phase ?? '') && pod.metadata.deletionTimestamp === undefined,
    );
    return { pods: running, replicaSets };
  }

  async function surveyWorkload(
    target: Target,
    { pods: all, replicaSets }: Inventory,
    services: readonly KubeService[],
  ): Promise<{ workload: NonNullable<Survey['workload']>; owned: readonly KubePod[] }> {
    const { namespace, workload } = target;
    if (workload === undefined) throw new Error('no workload');
    const found = await api.read<Controller>(workload.kind, namespace, workload.name);
    if (found === null)
      throw new Refusal(
        'target',
        `There is no ${workload.kind} ${workload.name} in namespace ${namespace}.`,
        'Check the name; `/jit` lists what is there.',
      );
    const owned = podsOwnedBy(found.metadata, { pods: all, replicaSets });
    const selector =
      workload.kind === 'Pod' ? { matchLabels: found.metadata.labels ?? {} } : (found.spec?.selector ?? {});
    const names = new Set(owned.map((pod) => pod.metadata.name));
    return {
      owned,
      workload: {
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
            const wanted = spec?.selector ?? {};
            if (Object.keys(wanted).length === 0) return false;
            const behind = all.filter((pod) => matches({ matchLabels: wanted }, pod.metadata.labels ?? {}));
            return behind.length > 0 && behind.every((pod) => names.has(pod.metadata.name));
          })
          .map(named),
        strangers: strangersAmong(all, names, selector),
      },
    };
  }

  /** A Service's workload is looked up anew each time, whatever workload was found behind it before. */
  async function surveyService(
    namespace: string,
    name: string,
    opensPorts: boolean,
  ): Promise<Pick<Survey, 'target' | 'service' | 'workload'>> {
    const service = await api.read<KubeService>('Service', namespace, name);
    if (service === null)
      throw new Refusal(
        'target',
        `There is no Service ${name} in namespace ${namespace}.`,
        'Check the name; `/jit` lists what is there.',
      );
    const there = await inventory(namespace, true);
    const behind = behindService(service, there.pods, (pod) => ownerOf(pod, there));
    const target = { namespace, workload: behind.workload, service: name };
    const { workload, owned } = await surveyWorkload(target, there, []);
    mustBeSame(service, behind, owned);
    const ports = opensPorts ? portsOfService(service, behind.pods) : [];
    return {
      target,
      service: { name, headless: service.spec?.clusterIP === 'None', ports },
      workload: { ...workload, ports: inOrder(ports), services: [named(service)] },
    };
  }

  async function surveyTarget(
    { namespace, workload, service }: Wanted,
    opensPorts: boolean,
  ): Promise<Pick<Survey, 'target' | 'service' | 'workload'>> {
    if (service !== undefined) return surveyService(namespace, service, opensPorts);
    if (workload === undefined) return { target: { namespace }, service: null, workload: null };
    const target = { namespace, workload };
    const [there, services] = await Promise.all([
      inventory(namespace, workload.kind === 'Deployment'),
      api.list<KubeService>('Service', namespace),
    ]);
    return { target, service: null, workload: (await surveyWorkload(target, there, services)).workload };
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

  async function surroundings(): Promise<Pick<Survey, 'cluster' | 'otherPolicies'>> {
    const [cluster, otherPolicies] = await Promise.all([readSnapshot(api), readOtherPolicies(api)]);
    return { cluster, otherPolicies };
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
      const services = (await api.list<KubeService>('Service', namespace)).filter(
        ({ spec }) => spec?.type !== 'ExternalName' && Object.keys(spec?.selector ?? {}).length > 0,
      );
      return [...lists.flat(), ...services.map(({ metadata }) => ({ kind: 'Service', name: metadata.name }))].toSorted(
        (a, b) => (a.name < b.name ? -1 : 1),
      );
    },
    async survey(target, profile) {
      if ((await api.read('Namespace', null, target.namespace)) === null)
        throw new Refusal(
          'target',
          `There is no namespace ${target.namespace} in the cluster.`,
          'Check the name; `/jit` lists what you may ask for.',
        );
      const opensPorts = profile.network.mode === 'workspace' || profile.network.mode === 'bastion';
      const [found, [roleRules, around]] = await Promise.all([
        surveyTarget(target, opensPorts),
        rulesOf(profile, target.namespace).then(async (rules) => {
          const matters = profile.network.mode !== 'none' || letsIntoPods(profile.rules ?? rules ?? []);
          return [rules, matters ? await surroundings() : { cluster: null, otherPolicies: [] }] as const;
        }),
      ]);
      return { ...found, roleRules, ...around };
    },
    async podsOfTarget(target, uid) {
      const { workload, namespace } = target;
      if (workload === undefined) return [];
      const found = await api.read<Controller>(workload.kind, namespace, workload.name);
      // Another workload of the same name is not what was approved: its pods are nobody's business.
      if (found === null || found.metadata.uid !== uid) return [];
      const owned = podsOwnedBy(found.metadata, await inventory(namespace, workload.kind === 'Deployment'));
      return owned
        .map((pod) => ({ name: pod.metadata.name, ip: pod.status?.podIP ?? '' }))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    },
    async strangersTo({ workload, namespace }, uid, selector) {
      if (workload === undefined) return [];
      const there = await inventory(namespace, workload.kind === 'Deployment');
      const owned = podsOwnedBy({ namespace, uid, name: workload.name }, there);
      return strangersAmong(there.pods, new Set(owned.map((pod) => pod.metadata.name)), selector);
    },
  };
}

function controllerOf(meta: Meta): Owner | undefined {
  return meta.ownerReferences?.find((owner) => owner.controller);
}

/** By uid, link by link: names and labels can be imitated by whoever may create pods there. */
function podsOwnedBy({ uid }: Meta, { pods, replicaSets }: Inventory): KubePod[] {
  const owners = new Set([
    uid,
    ...replicaSets.filter((set) => controllerOf(set.metadata)?.uid === uid).map((set) => set.metadata.uid),
  ]);
  return pods.filter((pod) => pod.metadata.uid === uid || owners.has(controllerOf(pod.metadata)?.uid ?? ''));
}

/** What is on top of a pod: the controller of its ReplicaSet where that has one, its own controller, or the pod itself. */
function ownerOf({ metadata }: KubePod, { replicaSets }: Inventory): Owner {
  const direct = controllerOf(metadata);
  if (direct === undefined) return { kind: 'Pod', name: metadata.name, uid: metadata.uid };
  const set = replicaSets.find((one) => one.metadata.uid === direct.uid);
  return (set && controllerOf(set.metadata)) ?? direct;
}

function named({ metadata, spec }: KubeService): { name: string; clusterIP: string | null } {
  const ip = spec?.clusterIP ?? '';
  return { name: metadata.name, clusterIP: ip === 'None' || ip === '' ? null : ip };
}

function strangersAmong(all: readonly KubePod[], owned: ReadonlySet<string>, selector: LabelSelector): string[] {
  return all
    .filter((pod) => !owned.has(pod.metadata.name) && matches(selector, pod.metadata.labels ?? {}))
    .map((pod) => `pod ${pod.metadata.name}`);
}

/** Ports that every pod declares: what a workload serves, whatever pod answers. */
function portsInCommon(pods: readonly KubePod[]): PortRef[] {
  const [first, ...rest] = pods.map((pod) => podFromObject(pod).ports);
  const same = (a: { containerPort: number; protocol: string }, b: { containerPort: number; protocol: string }) =>
    a.containerPort === b.containerPort && a.protocol === b.protocol;
  return inOrder(
    (first ?? [])
      .filter((port) => rest.every((ports) => ports.some((other) => same(port, other))))
      .map(({ containerPort, protocol }) => ({ port: containerPort, protocol })),
  );
}

/** Each port once, sorted. */
function inOrder(ports: readonly PortRef[]): PortRef[] {
  return [...new Map(ports.map(({ port, protocol }) => [`${port}/${protocol}`, { port, protocol }])).values()].toSorted(
    (a, b) => a.port - b.port || (a.protocol < b.protocol ? -1 : 1),
  );
}
