import { setImmediate } from 'node:timers/promises';
import type { ClusterAccess, Survey } from '../../app/ports.ts';
import type { LabelSelector, PortRef } from '../../domain/confinement.ts';
import { Refusal } from '../../domain/errors.ts';
import type { Plan } from '../../domain/plan.ts';
import { type Profile, roleOf } from '../../domain/policy.ts';
import { letsIntoPods, type Rule, type WorkloadKind } from '../../domain/rights.ts';
import type { Target, Wanted } from '../../domain/target.ts';
import { podFromObject, type ServiceObject } from '../../network/objects.ts';
import { matches } from '../../network/selector.ts';
import type { Cluster } from '../../network/types.ts';
import type { Api } from './api.ts';
import { readOtherPolicies } from './other-policies.ts';
import { type KubePod, keepMeta, keepPods, type Meta } from './projection.ts';
import { behindService, mustBeSame, type Owner, portsOfService } from './service-target.ts';

/** Reading the cluster: targets, their pods, and what reachability is computed from. */

interface Controller {
  readonly metadata: Meta;
  readonly spec?: {
    readonly replicas?: number;
    readonly selector?: LabelSelector;
    readonly template?: { readonly metadata?: Pick<Meta, 'labels'> };
  };
}
interface KubeService extends ServiceObject {
  readonly metadata: Meta;
}
/** The pods of a namespace, and the ReplicaSets that may stand between them and their Deployments: of one moment. */
interface Inventory {
  /** Those that run. */
  readonly pods: readonly KubePod[];
  readonly ended: readonly KubePod[];
  /** By uid. */
  readonly replicaSets: ReadonlyMap<string, Controller>;
}

/** Services that are held against pods in one go, and that are told of in a plan. */
const SERVICES_AT_ONCE = 20;
const MOST_SERVICES = 20;

const LISTED: readonly WorkloadKind[] = ['Deployment', 'StatefulSet', 'DaemonSet'];

export function createSurveyor(
  api: Api,
  snapshot: () => Promise<Cluster>,
): Pick<ClusterAccess, 'namespaces' | 'workloads'> & {
  survey(wanted: Wanted, profile: Profile): Promise<Omit<Survey, 'unprobed' | 'asOf'>>;
  /** What a named role allows; null: there is none. */
  rulesOf(role: NonNullable<Plan['role']>, namespace: string): Promise<readonly Rule[] | null>;
  /** By name, also those that have ended; an address that is not known yet is empty. */
  podsOfTarget(target: Target, uid: string): Promise<{ name: string; ip: string; hasEnded: boolean }[]>;
  /** What became of the workload, or of the namespace that is the target, with this uid; null: it is there. */
  whyGone(target: Target, uid: string): Promise<string | null>;
  /** `pod NAME` of those that have these labels and are not of the workload. */
  strangersTo(target: Target, uid: string, selector: LabelSelector): Promise<string[]>;
} {
  const servicesIn = (namespace: string) =>
    api.list('Service', namespace, { keep: keepMeta<KubeService>(({ spec }) => (spec === undefined ? {} : { spec })) });

  async function inventory(namespace: string, withReplicaSets: boolean): Promise<Inventory> {
    const [pods, replicaSets] = await Promise.all([
      api.list('Pod', namespace, { keep: keepPods() }),
      withReplicaSets
        ? api.list('ReplicaSet', namespace, { metadataOnly: true, keep: keepMeta<Controller>(() => ({})) })
        : [],
    ]);
    const there = pods.filter((pod) => pod.metadata.deletionTimestamp === undefined);
    const hasEnded = ({ status }: KubePod) => ['Succeeded', 'Failed'].includes(status?.phase ?? '');
    return {
      pods: there.filter((pod) => !hasEnded(pod)),
      ended: there.filter(hasEnded),
      replicaSets: new Map(replicaSets.map((set) => [set.metadata.uid, set])),
    };
  }

  async function surveyWorkload(
    target: Target,
    there: Inventory,
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
    if (found.metadata.deletionTimestamp !== undefined)
      throw beingDeleted(`${workload.kind} ${workload.name} in namespace ${namespace}`);
    const isPod = workload.kind === 'Pod';
    const selector = isPod ? { matchLabels: found.metadata.labels ?? {} } : (found.spec?.selector ?? {});
    const known = { kind: workload.kind, uid: found.metadata.uid, selector };
    const owned = podsOwnedBy(known, there);
    const names = new Set(owned.map((pod) => pod.metadata.name));
    const others = othersSelected(there, owned, known);
    return {
      owned,
      workload: {
        uid: found.metadata.uid,
        selector,
        labels: (isPod ? found.metadata.labels : found.spec?.template?.metadata?.labels) ?? {},
        pods: owned.map((pod) => ({
          name: pod.metadata.name,
          ip: pod.status?.podIP ?? '',
          hostNetwork: pod.spec?.hostNetwork ?? false,
        })),
        ended: podsOwnedBy(known, { ...there, pods: there.ended }).map((pod) => pod.metadata.name),
        replicas: found.spec?.replicas ?? null,
        ports: portsInCommon(owned),
        services: (await servicesOf(services, there.pods, names)).map(named),
        kin: others.kin,
        strangers: others.strangers,
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
    if (service.metadata.deletionTimestamp !== undefined)
      throw beingDeleted(`Service ${name} in namespace ${namespace}`);
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
      inventory(namespace, hasReplicaSets(workload.kind)),
      servicesIn(namespace),
    ]);
    return { target, service: null, workload: (await surveyWorkload(target, there, services)).workload };
  }

  async function rulesOf(
    { kind, name }: NonNullable<Plan['role']>,
    namespace: string,
  ): Promise<readonly Rule[] | null> {
    const role = await api.read<{ rules?: Partial<Rule>[] | null }>(kind, kind === 'Role' ? namespace : null, name);
    if (role === null) return null;
    // Rules on URLs that are no resources give nothing by a RoleBinding.
    return (role.rules ?? [])
      .filter((rule) => (rule.resources ?? []).length > 0)
      .map((rule) => ({
        apiGroups: rule.apiGroups ?? [],
        resources: rule.resources ?? [],
        verbs: rule.verbs ?? [],
        ...(rule.resourceNames ? { resourceNames: rule.resourceNames } : {}),
      }));
  }

  async function rulesGivenBy(profile: Profile, namespace: string): Promise<readonly Rule[] | null> {
    const role = roleOf(profile);
    if (role === null) return null;
    const rules = await rulesOf(role, namespace);
    if (rules === null)
      throw new Refusal(
        role.kind,
        `The cluster has no ${role.kind} ${role.name}, which this profile gives.`,
        'Ask an administrator of Drawbridge.',
      );
    return rules;
  }

  async function surroundings(): Promise<Pick<Survey, 'cluster' | 'otherPolicies'>> {
    const [cluster, otherPolicies] = await Promise.all([snapshot(), readOtherPolicies(api)]);
    return { cluster, otherPolicies };
  }

  async function clusterUid(): Promise<string> {
    const system = await api.read<{ metadata: Meta }>('Namespace', null, 'kube-system');
    if (system === null) throw new Error('the cluster has no namespace kube-system');
    return system.metadata.uid;
  }

  return {
    rulesOf,
    async namespaces() {
      const all = await api.list('Namespace', null, {
        metadataOnly: true,
        keep: keepMeta<{ metadata: Meta }>(() => ({})),
      });
      return all
        .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
        .map(({ metadata }) => metadata.name);
    },
    async workloads(namespace) {
      const lists = await Promise.all(
        LISTED.map(
          async (kind) =>
            await api.list(kind, namespace, {
              metadataOnly: true,
              keep: (page: readonly Controller[]) =>
                page.filter(isLasting).map(({ metadata }) => ({ kind, name: metadata.name })),
            }),
        ),
      );
      const services = (await servicesIn(namespace)).filter(
        ({ spec, metadata }) =>
          isLasting({ metadata }) && spec?.type !== 'ExternalName' && Object.keys(spec?.selector ?? {}).length > 0,
      );
      return [...lists.flat(), ...services.map(({ metadata }) => ({ kind: 'Service', name: metadata.name }))].toSorted(
        (a, b) => (a.name < b.name ? -1 : 1),
      );
    },
    async survey(target, profile) {
      const namespace = await api.read<{ metadata: Meta }>('Namespace', null, target.namespace);
      if (namespace === null)
        throw new Refusal(
          'target',
          `There is no namespace ${target.namespace} in the cluster.`,
          'Check the name; `/jit` lists what you may ask for.',
        );
      if (namespace.metadata.deletionTimestamp !== undefined) throw beingDeleted(`Namespace ${target.namespace}`);
      const opensPorts = profile.network.mode === 'workspace' || profile.network.mode === 'bastion';
      const [uid, found, [roleRules, around]] = await Promise.all([
        clusterUid(),
        surveyTarget(target, opensPorts),
        rulesGivenBy(profile, target.namespace).then(async (rules) => {
          const matters = profile.network.mode !== 'none' || letsIntoPods(profile.rules ?? rules ?? []);
          return [rules, matters ? await surroundings() : { cluster: null, otherPolicies: [] }] as const;
        }),
      ]);
      return { clusterUid: uid, namespaceUid: namespace.metadata.uid, ...found, roleRules, ...around };
    },
    async podsOfTarget(target, uid) {
      const { workload, namespace } = target;
      if (workload === undefined) return [];
      const found = await api.read<Controller>(workload.kind, namespace, workload.name);
      // Another workload of the same name is not what was approved: its pods are nobody's business.
      if (found === null || found.metadata.uid !== uid) return [];
      const there = await inventory(namespace, hasReplicaSets(workload.kind));
      const known = { kind: workload.kind, uid, selector: found.spec?.selector ?? {} };
      const named = (pods: readonly KubePod[], hasEnded: boolean) =>
        podsOwnedBy(known, { ...there, pods }).map(({ metadata, status }) => ({
          name: metadata.name,
          ip: status?.podIP ?? '',
          hasEnded,
        }));
      return [...named(there.pods, false), ...named(there.ended, true)].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    },
    async whyGone({ workload, namespace }, uid) {
      const found =
        workload === undefined
          ? await api.read<{ metadata: Meta }>('Namespace', null, namespace)
          : await api.read<Controller>(workload.kind, namespace, workload.name);
      const name =
        workload === undefined
          ? `Namespace ${namespace}`
          : `${workload.kind} ${workload.name} in namespace ${namespace}`;
      if (found === null) return `${name} was deleted`;
      return found.metadata.uid === uid ? null : `${name} was deleted, and another has its name`;
    },
    async strangersTo({ workload, namespace }, uid, selector) {
      if (workload === undefined) return [];
      const there = await inventory(namespace, hasReplicaSets(workload.kind));
      const known = { kind: workload.kind, uid, selector };
      return othersSelected(there, podsOwnedBy(known, there), known).strangers;
    },
  };
}

const isLasting = ({ metadata }: { readonly metadata: Meta }): boolean => metadata.deletionTimestamp === undefined;

const beingDeleted = (what: string): Refusal =>
  new Refusal('target', `${what} is being deleted.`, 'Ask again when it has been made anew.');

function controllerOf(meta: Meta): Owner | undefined {
  return meta.ownerReferences?.find((owner) => owner.controller);
}

/** What tells the pods of a workload from others. */
interface Known {
  readonly kind: WorkloadKind;
  readonly uid: string;
  readonly selector: LabelSelector;
}

/**
 * By uid, link by link, since names and labels can be imitated by whoever may create pods there; and by the selector, as controllers do, since an
 * owner can be claimed as well.
 */
function podsOwnedBy({ kind, uid, selector }: Known, { pods, replicaSets }: Inventory): KubePod[] {
  const isOf = ({ metadata }: { readonly metadata: Meta }) => controllerOf(metadata)?.uid === uid;
  // The pods of a Deployment are those of its ReplicaSets, never its own.
  const owners = new Set(kind === 'Deployment' ? [...replicaSets.values()].filter(isOf).map(uidOf) : [uid]);
  return pods.filter(
    (pod) =>
      uidOf(pod) === uid ||
      (owners.has(controllerOf(pod.metadata)?.uid ?? '') && matches(selector, pod.metadata.labels ?? {})),
  );
}

const uidOf = ({ metadata }: { readonly metadata: Meta }): string => metadata.uid;

/** What is on top of a pod: the controller of its ReplicaSet where that has one, its own controller, or the pod itself. */
function ownerOf({ metadata }: KubePod, { replicaSets }: Inventory): Owner {
  const direct = controllerOf(metadata);
  if (direct === undefined) return { kind: 'Pod', name: metadata.name, uid: metadata.uid };
  const set = replicaSets.get(direct.uid);
  return (set && controllerOf(set.metadata)) ?? direct;
}

function named({ metadata, spec }: KubeService): { name: string; clusterIP: string | null } {
  const ip = spec?.clusterIP ?? '';
  return { name: metadata.name, clusterIP: ip === 'None' || ip === '' ? null : ip };
}

/**
 * The Services in front of pods of this name and of no others, the first of them. There may be thousands of both, so each is held only against
 * the pods that have its rarest label, and whatever waits has its turn.
 */
async function servicesOf(
  services: readonly KubeService[],
  pods: readonly KubePod[],
  names: ReadonlySet<string>,
): Promise<KubeService[]> {
  const byLabel = new Map<string, KubePod[]>();
  for (const pod of pods)
    for (const [key, value] of Object.entries(pod.metadata.labels ?? {})) {
      const having = byLabel.get(`${key}=${value}`);
      if (having === undefined) byLabel.set(`${key}=${value}`, [pod]);
      else having.push(pod);
    }
  const found: KubeService[] = [];
  for (const [index, service] of services.entries()) {
    if (index % SERVICES_AT_ONCE === 0) await setImmediate();
    const matchLabels = service.spec?.selector ?? {};
    const having = Object.entries(matchLabels).map(([key, value]) => byLabel.get(`${key}=${value}`) ?? []);
    const fewest = having.reduce<readonly KubePod[] | null>(
      (least, list) => (least === null || list.length < least.length ? list : least),
      null,
    );
    const behind = (fewest ?? []).filter((pod) => matches({ matchLabels }, pod.metadata.labels ?? {}));
    if (behind.length > 0 && behind.every((pod) => names.has(pod.metadata.name))) found.push(service);
    if (found.length === MOST_SERVICES) break;
  }
  return found;
}

/** Whether ReplicaSets may stand between pods of such a target and their owner. */
const hasReplicaSets = (kind: WorkloadKind): boolean => kind === 'Deployment' || kind === 'Pod';

/** Other pods that the selector selects: of a Pod, by whether what is on top of them is on top of it too. Of what has pods no other is kin. */
function othersSelected(
  there: Inventory,
  owned: readonly KubePod[],
  { kind, selector }: Known,
): { kin: string[]; strangers: string[] } {
  const names = new Set(owned.map((pod) => pod.metadata.name));
  const owners = new Set(owned.map((pod) => ownerOf(pod, there).uid));
  const others = there.pods.filter(
    ({ metadata }) => !names.has(metadata.name) && matches(selector, metadata.labels ?? {}),
  );
  const isKin = (pod: KubePod) => kind === 'Pod' && owners.has(ownerOf(pod, there).uid);
  return {
    kin: others
      .filter(isKin)
      .map((pod) => pod.metadata.name)
      .toSorted(),
    strangers: others.filter((pod) => !isKin(pod)).map((pod) => `pod ${pod.metadata.name}`),
  };
}

/** Ports that every pod declares: what a workload serves, whatever pod answers. */
function portsInCommon(pods: readonly KubePod[]): PortRef[] {
  const keyOf = (port: { readonly containerPort: number; readonly protocol: string }) =>
    `${port.containerPort}/${port.protocol}`;
  const counts = new Map<string, number>();
  const declared = pods.map((pod) => podFromObject(pod).ports);
  for (const ports of declared)
    for (const key of new Set(ports.map(keyOf))) counts.set(key, (counts.get(key) ?? 0) + 1);
  return inOrder(
    (declared[0] ?? [])
      .filter((port) => counts.get(keyOf(port)) === pods.length)
      .map(({ containerPort, protocol }) => ({ port: containerPort, protocol })),
  );
}

/** Each port once, sorted. */
function inOrder(ports: readonly PortRef[]): PortRef[] {
  return [...new Map(ports.map(({ port, protocol }) => [`${port}/${protocol}`, { port, protocol }])).values()].toSorted(
    (a, b) => a.port - b.port || (a.protocol < b.protocol ? -1 : 1),
  );
}
