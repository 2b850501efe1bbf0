import { setImmediate } from 'node:timers/promises';
import { begun } from '../../app/common/begun.ts';
import type { ClusterAccess } from '../../app/ports/cluster-access.ts';
import type { FrontService, Survey, SurveyPurpose } from '../../app/ports/survey.ts';
import { Refusal } from '../../domain/errors.ts';
import { nearest } from '../../domain/nearest.ts';
import type { LabelSelector, PortRef } from '../../domain/plan/confinement.ts';
import type { Plan } from '../../domain/plan/plan.ts';
import { ownRulesOf, type Profile, roleOf } from '../../domain/policy/policy.ts';
import { letsIntoPods, type Rule, type WorkloadKind } from '../../domain/rights/rights.ts';
import {
  isWide,
  type NamespacedTarget,
  type NamespacedWanted,
  type Target,
  type Wanted,
  type WideTarget,
} from '../../domain/target.ts';
import type { OwnerLookup } from '../../network/objects.ts';
import { matches } from '../../network/selector.ts';
import { resolveService } from '../../network/services.ts';
import type { Cluster, NetworkPolicy } from '../../network/types.ts';
import { isLive } from '../../network/verdict.ts';
import type { Api } from './api.ts';
import type { ClusterModel } from './model/cluster-model.ts';
import { readOtherPolicies } from './other-policies.ts';
import {
  type Controller,
  controllerOf,
  countToWorkload,
  type HeldPod,
  type HeldService,
  type KubeService,
  keepPods,
  keepPolicies,
  type Meta,
  projectService,
} from './projection.ts';
import { behindService, mustBeSame, portsOfService } from './service-target.ts';

/**
 * What plans are made of. What an approval binds is read from the API server where it is to be bound ({@link SurveyPurpose}); all else, and all
 * that is only shown, comes from the model of the cluster.
 */

interface Workload {
  readonly metadata: Meta;
  readonly spec?: {
    readonly replicas?: number;
    readonly selector?: LabelSelector;
    readonly template?: { readonly metadata?: Pick<Meta, 'labels'> };
  };
}
/** The pods of a namespace, and the ReplicaSets that may stand between them and their Deployments: of one moment. */
interface Inventory {
  readonly all: readonly HeldPod[];
  /** Those that run. */
  readonly pods: readonly HeldPod[];
  readonly ended: readonly HeldPod[];
  /** What controls this ReplicaSet, by its uid. */
  readonly controllerOf: (uid: string) => Controller | null;
}

/** Where it is looked for what stands in one namespace: at the API server, or in the model. */
interface Source {
  inventory(namespace: string, withReplicaSets: boolean): Promise<Inventory>;
  services(namespace: string): Promise<readonly HeldService[]>;
}

/** A target as it was found. */
interface FoundTarget extends Pick<Survey, 'service' | 'workload'> {
  readonly target: NamespacedTarget;
  /** Null for scope namespace. */
  readonly there: Inventory | null;
}

/** Services that are held against pods in one go, and that are told of in a plan. */
const SERVICES_AT_ONCE = 20;
const MOST_SERVICES = 20;

/** For so long it is remembered which other policies the cluster serves: milliseconds. */
const OTHERS_FOR = 60_000;

export function createSurveyor({
  api,
  model,
  instance,
  workspacesNamespace,
}: {
  readonly api: Api;
  readonly model: ClusterModel;
  readonly instance: string;
  readonly workspacesNamespace: string;
}): Pick<ClusterAccess, 'namespaces' | 'nodes' | 'workloads'> & {
  survey(wanted: Wanted, profile: Profile, purpose: SurveyPurpose): Promise<Omit<Survey, 'unprobed' | 'asOf'>>;
  /** What a named role allows; null: there is none. */
  rulesOf(role: NonNullable<Plan['role']>, namespace: string | null): Promise<readonly Rule[] | null>;
  /** By name, also those that have ended; an address that is not known yet is empty. */
  podsOfTarget(target: NamespacedTarget, uid: string): Promise<{ name: string; ip: string; hasEnded: boolean }[]>;
  /** What became of the workload, namespace or node that is the target, with this uid (null: the cluster); null: it is there. */
  whyGone(target: Target, uid: string | null): Promise<string | null>;
  /** `pod NAME` of those that have these labels and are not of the workload. */
  strangersTo(target: NamespacedTarget, uid: string, selector: LabelSelector): Promise<string[]>;
} {
  const otherPolicies = remembered(OTHERS_FOR, () => readOtherPolicies(api));

  const apiServer: Source = {
    async inventory(namespace, withReplicaSets) {
      const [pods, replicaSets] = await Promise.all([
        api.list('Pod', namespace, { keep: keepPods() }),
        withReplicaSets
          ? api.list('ReplicaSet', namespace, {
              metadataOnly: true,
              keep: (page: readonly { metadata: Meta }[]) =>
                page.map(({ metadata }) => [metadata.uid, controllerOf(metadata)] as const),
            })
          : [],
      ]);
      const controllers = new Map(replicaSets);
      return inventoryOf(pods, (uid) => controllers.get(uid) ?? null);
    },
    services: (namespace) =>
      api.list<KubeService, HeldService>('Service', namespace, { keep: (page) => page.map(projectService) }),
  };
  const inModel: Source = {
    inventory: async (namespace) => inventoryOf(model.podsIn(namespace), (uid) => model.replicaSetController(uid)),
    services: async (namespace) => model.servicesIn(namespace),
  };
  /** What was probably meant: of the same kind before what has the same name, before anything else. */
  function checkTheName(namespace: string, wanted: Named): string {
    const there: Named[] = [
      ...model.workloadsIn(namespace),
      ...model.servicesIn(namespace).map(({ name, isDeleting }) => ({ kind: 'Service', name, isDeleting })),
    ].filter(({ isDeleting }) => !isDeleting);
    const meant = nearestNamed(wanted, there);
    const hint = meant === null ? '' : `Did you mean ${namespace}/${meant.kind.toLowerCase()}/${meant.name}? `;
    return `${hint}Check the name; \`/jit\` lists what is there.`;
  }

  async function surveyWorkload(
    target: NamespacedTarget,
    there: Inventory,
    services: readonly HeldService[],
  ): Promise<{ workload: NonNullable<Survey['workload']>; owned: readonly HeldPod[] }> {
    const { namespace, workload } = target;
    if (workload === undefined) throw new Error('no workload');
    const found = await api.read<Workload>(workload.kind, namespace, workload.name);
    if (found === null)
      throw new Refusal(
        'target',
        `There is no ${workload.kind} ${workload.name} in namespace ${namespace}.`,
        checkTheName(namespace, workload),
      );
    if (found.metadata.deletionTimestamp !== undefined)
      throw beingDeleted(`${workload.kind} ${workload.name} in namespace ${namespace}`);
    const isPod = workload.kind === 'Pod';
    const selector = isPod ? { matchLabels: found.metadata.labels ?? {} } : (found.spec?.selector ?? {});
    const known = { kind: workload.kind, uid: found.metadata.uid, selector };
    const owned = podsOwnedBy(known, there);
    const names = new Set(owned.map(({ name }) => name));
    const others = othersSelected(there, owned, known);
    return {
      owned,
      workload: {
        uid: found.metadata.uid,
        selector,
        labels: (isPod ? found.metadata.labels : found.spec?.template?.metadata?.labels) ?? {},
        pods: owned.map(({ name, ips, hostNetwork }) => ({ name, ip: ips[0] ?? '', hostNetwork })),
        ended: podsOwnedBy(known, { ...there, pods: there.ended }).map(({ name }) => name),
        replicas: found.spec?.replicas ?? null,
        ports: portsInCommon(owned),
        services: (await servicesOf(services, there.pods, names)).map((service) => ({
          name: service.name,
          clusterIP: service.clusterIP,
          ports: arrivalsOf(service, owned),
        })),
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
    from: Source,
  ): Promise<FoundTarget> {
    const service = await api.read<KubeService>('Service', namespace, name);
    if (service === null)
      throw new Refusal(
        'target',
        `There is no Service ${name} in namespace ${namespace}.`,
        checkTheName(namespace, { kind: 'Service', name }),
      );
    if (service.metadata.deletionTimestamp !== undefined)
      throw beingDeleted(`Service ${name} in namespace ${namespace}`);
    const there = await from.inventory(namespace, true);
    const behind = behindService(service, there.pods, (pod) => topOf(pod, there));
    const target = { namespace, workload: behind.workload, service: name };
    const { workload, owned } = await surveyWorkload(target, there, []);
    mustBeSame(service, behind, owned);
    const ports = opensPorts ? portsOfService(service, behind.pods) : [];
    return {
      there,
      target,
      service: { name, headless: service.spec?.clusterIP === 'None', ports },
      workload: {
        ...workload,
        ports: inOrder(ports),
        services: [{ name, clusterIP: projectService(service).clusterIP, ports }],
      },
    };
  }

  async function surveyTarget(
    { namespace, workload, service }: NamespacedWanted,
    opensPorts: boolean,
    from: Source,
  ): Promise<FoundTarget> {
    if (service !== undefined) return surveyService(namespace, service, opensPorts, from);
    if (workload === undefined) return { target: { namespace }, service: null, workload: null, there: null };
    const target = { namespace, workload };
    const [there, services] = await Promise.all([
      from.inventory(namespace, hasReplicaSets(workload.kind)),
      from.services(namespace),
    ]);
    return { target, service: null, workload: (await surveyWorkload(target, there, services)).workload, there };
  }

  async function rulesOf(
    { kind, name }: NonNullable<Plan['role']>,
    namespace: string | null,
  ): Promise<readonly Rule[] | null> {
    const role = await api.read<{ rules?: Partial<Rule>[] | null }>(kind, kind === 'Role' ? namespace : null, name);
    if (role === null) return null;
    // Rules on URLs that are no resources give nothing by a RoleBinding.
    return (role.rules ?? [])
      .filter((rule) => (rule.resources ?? []).length > 0 || (namespace === null && rule.nonResourceURLs !== undefined))
      .map((rule) => ({
        apiGroups: rule.apiGroups ?? [],
        resources: rule.resources ?? [],
        verbs: rule.verbs ?? [],
        ...(rule.resourceNames ? { resourceNames: rule.resourceNames } : {}),
        ...(namespace === null && rule.nonResourceURLs ? { nonResourceURLs: rule.nonResourceURLs } : {}),
      }));
  }

  async function rulesGivenBy(profile: Profile, namespace: string | null): Promise<readonly Rule[] | null> {
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

  /** The policies of these namespaces as the API server has them. */
  async function policiesOf(namespaces: readonly string[]): Promise<NetworkPolicy[]> {
    const lists = namespaces.map((namespace) =>
      api.list<NetworkPolicy, NetworkPolicy>('NetworkPolicy', namespace, { keep: keepPolicies(instance) }),
    );
    return (await Promise.all(lists)).flat();
  }

  /** The pods of the target's namespace, each counted to the workload on top of it. */
  async function countedPods({ target, workload, there }: FoundTarget): Promise<readonly HeldPod[] | null> {
    if (workload === null || there === null) return null;
    const { namespace } = target;
    const jobs = there.all.flatMap(({ controller, labels }) =>
      controller?.kind === 'Job' && matches(workload.selector, labels) ? [controller.name] : [],
    );
    const read = [...new Set(jobs)].map(async (name) => {
      const job = await api.read<{ metadata: Meta }>('Job', namespace, name);
      return job === null ? [] : [[job.metadata.uid, controllerOf(job.metadata) ?? undefined] as const];
    });
    const controllers = new Map((await Promise.all(read)).flat());
    const lookup: OwnerLookup = (controller) => {
      const uid = controller.uid ?? '';
      return controllers.has(uid)
        ? controllers.get(uid)
        : (there.controllerOf(uid) ?? model.lookup(controller, namespace));
    };
    for (const pod of there.all) countToWorkload(pod, lookup);
    return there.all;
  }

  /** The cluster of the model, and over it what there is now of what an approval binds. */
  async function clusterAround(
    wanted: NamespacedWanted,
    { network: { mode } }: Profile,
    purpose: SurveyPurpose,
    found: Promise<FoundTarget>,
    labels: Cluster['namespaces'][number]['labels'],
  ): Promise<Cluster> {
    const { namespace } = wanted;
    if (purpose === 'shown') return model.cluster();
    const read = mode === 'workspace' ? [namespace, workspacesNamespace] : [namespace];
    const [policies, pods] = await Promise.all([policiesOf([...new Set(read)]), found.then(countedPods)]);
    const cluster = model.cluster();
    return {
      namespaces: [...cluster.namespaces.filter(({ name }) => name !== namespace), { name: namespace, labels }],
      pods: pods === null ? cluster.pods : [...cluster.pods.filter((pod) => pod.namespace !== namespace), ...pods],
      policies: [...cluster.policies.filter(({ metadata }) => !read.includes(metadata?.namespace ?? '')), ...policies],
    };
  }

  async function surroundings(
    ...given: Parameters<typeof clusterAround>
  ): Promise<Pick<Survey, 'cluster' | 'otherPolicies' | 'staleSince'>> {
    const [cluster, others] = await Promise.all([clusterAround(...given), otherPolicies()]);
    return { cluster, otherPolicies: others, staleSince: model.staleSince() };
  }

  async function clusterUid(): Promise<string> {
    const system = await api.read<{ metadata: Meta }>('Namespace', null, 'kube-system');
    if (system === null) throw new Error('the cluster has no namespace kube-system');
    return system.metadata.uid;
  }

  /** Whose pods are on the node, by namespace and workload. */
  async function podsOnNode(node: string): Promise<NonNullable<Survey['node']>['workloads']> {
    const pods = await api.list('Pod', null, { fieldSelector: `spec.nodeName=${node}`, keep: keepPods() });
    const there = pods.filter((pod) => isLive(pod));
    for (const pod of there) countToWorkload(pod, model.lookup);
    const groups = Map.groupBy(
      there,
      ({ namespace, owner }) => `${namespace} ${owner.kind.toLowerCase()}/${owner.name}`,
    );
    return [...groups]
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([key, { length: count }]) => {
        const [namespace = '', workload = ''] = key.split(' ');
        return { namespace, workload, count };
      });
  }

  async function surveyNode(name: string): Promise<NonNullable<Survey['node']>> {
    const node = await api.read<{ metadata: Meta }>('Node', null, name);
    if (node === null)
      throw new Refusal(
        'target',
        `There is no node ${name} in the cluster.`,
        'Check the name; `/jit` lists what you may ask for.',
      );
    if (node.metadata.deletionTimestamp !== undefined) throw beingDeleted(`Node ${name}`);
    await model.listed();
    return { uid: node.metadata.uid, workloads: await podsOnNode(name) };
  }

  async function surveyWide(target: WideTarget, profile: Profile) {
    const [uid, roleRules, node] = await Promise.all([
      clusterUid(),
      rulesGivenBy(profile, null),
      target.scope === 'node' ? surveyNode(target.node) : null,
    ]);
    return {
      clusterUid: uid,
      namespaceUid: null,
      target,
      service: null,
      workload: null,
      node,
      roleRules,
      ...UNAFFECTED,
    };
  }

  return {
    rulesOf,
    async nodes() {
      const nodes = await api.list<{ metadata: Meta }>('Node', null, { metadataOnly: true });
      return nodes
        .flatMap(({ metadata }) => (metadata.deletionTimestamp === undefined ? [metadata.name] : []))
        .toSorted();
    },
    async namespaces() {
      await model.listed();
      return model.namespaces().flatMap(({ name, isDeleting }) => (isDeleting ? [] : [name]));
    },
    async workloads(namespace) {
      await model.listed();
      const workloads = model.workloadsIn(namespace).filter(({ isDeleting }) => !isDeleting);
      const services = model
        .servicesIn(namespace)
        .filter(
          ({ isDeleting, type, selector }) =>
            !isDeleting && type !== 'ExternalName' && Object.keys(selector).length > 0,
        );
      return [
        ...workloads.map(({ kind, name }) => ({ kind, name })),
        ...services.map(({ name }) => ({ kind: 'Service', name })),
      ].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    },
    async survey(wanted, profile, wantedFor) {
      if (isWide(wanted)) return surveyWide(wanted, profile);
      // Of what is not as of now not even what is shown is taken, where it can be read.
      const purpose = model.staleSince() === null ? wantedFor : 'bound';
      const { mode } = profile.network;
      const [uid, rules] = [begun(clusterUid()), begun(rulesGivenBy(profile, wanted.namespace))];
      const namespace = await api.read<{ metadata: Meta }>('Namespace', null, wanted.namespace);
      if (namespace === null)
        throw new Refusal(
          'target',
          `There is no namespace ${wanted.namespace} in the cluster.`,
          'Check the name; `/jit` lists what you may ask for.',
        );
      if (namespace.metadata.deletionTimestamp !== undefined) throw beingDeleted(`Namespace ${wanted.namespace}`);
      if (purpose === 'shown') await model.listed();
      const opensPorts = mode === 'workspace' || mode === 'bastion';
      const target = surveyTarget(wanted, opensPorts, purpose === 'shown' ? inModel : apiServer);
      const around = rules.then(async (given) => {
        const matters = mode !== 'none' || letsIntoPods(ownRulesOf(profile) ?? given ?? []);
        if (!matters) return UNAFFECTED;
        await model.listed();
        return surroundings(wanted, profile, purpose, target, namespace.metadata.labels ?? {});
      });
      const [{ there: _, ...found }, surrounding] = await Promise.all([target, around]);
      return {
        clusterUid: await uid,
        namespaceUid: namespace.metadata.uid,
        ...found,
        roleRules: await rules,
        ...surrounding,
      };
    },
    async podsOfTarget(target, uid) {
      const { workload, namespace } = target;
      if (workload === undefined) return [];
      const found = await api.read<Workload>(workload.kind, namespace, workload.name);
      // Another workload of the same name is not what was approved: its pods are nobody's business.
      if (found === null || found.metadata.uid !== uid) return [];
      const there = await apiServer.inventory(namespace, hasReplicaSets(workload.kind));
      const known = { kind: workload.kind, uid, selector: found.spec?.selector ?? {} };
      const named = (pods: readonly HeldPod[], hasEnded: boolean) =>
        podsOwnedBy(known, { ...there, pods }).map(({ name, ips }) => ({ name, ip: ips[0] ?? '', hasEnded }));
      return [...named(there.pods, false), ...named(there.ended, true)].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    },
    async whyGone(target, uid) {
      if (isWide(target)) {
        if (target.scope === 'cluster') return null;
        const node = await api.read<{ metadata: Meta }>('Node', null, target.node);
        if (node === null) return `Node ${target.node} was deleted`;
        return node.metadata.uid === uid ? null : `Node ${target.node} was deleted, and another has its name`;
      }
      const { workload, namespace } = target;
      const found =
        workload === undefined
          ? await api.read<{ metadata: Meta }>('Namespace', null, namespace)
          : await api.read<Workload>(workload.kind, namespace, workload.name);
      const name =
        workload === undefined
          ? `Namespace ${namespace}`
          : `${workload.kind} ${workload.name} in namespace ${namespace}`;
      if (found === null) return `${name} was deleted`;
      return found.metadata.uid === uid ? null : `${name} was deleted, and another has its name`;
    },
    async strangersTo({ workload, namespace }, uid, selector) {
      if (workload === undefined) return [];
      const there = await apiServer.inventory(namespace, hasReplicaSets(workload.kind));
      const known = { kind: workload.kind, uid, selector };
      return othersSelected(there, podsOwnedBy(known, there), known).strangers;
    },
  };
}

/** Of a grant that opens and closes nothing. */
const UNAFFECTED = { cluster: null, otherPolicies: [], staleSince: null };

function inventoryOf(all: readonly HeldPod[], controllerOf: Inventory['controllerOf']): Inventory {
  const there = all.filter(({ isDeleting }) => !isDeleting);
  return { all, pods: there.filter((pod) => isLive(pod)), ended: there.filter((pod) => !isLive(pod)), controllerOf };
}

/** What was asked for is the answer for so many milliseconds. */
function remembered<T>(milliseconds: number, ask: () => Promise<T>): () => Promise<T> {
  let known: { readonly answer: T; readonly until: number } | null = null;
  return async () => {
    if (known === null || performance.now() > known.until)
      known = { answer: await ask(), until: performance.now() + milliseconds };
    return known.answer;
  };
}

const beingDeleted = (what: string): Refusal =>
  new Refusal('target', `${what} is being deleted.`, 'Ask again when it has been made anew.');

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
function podsOwnedBy({ kind, uid, selector }: Known, { pods, controllerOf }: Inventory): HeldPod[] {
  // The pods of a Deployment are those of its ReplicaSets, never its own.
  const isOwner = (controller: Controller | null) =>
    controller !== null && (kind === 'Deployment' ? controllerOf(controller.uid)?.uid : controller.uid) === uid;
  return pods.filter((pod) => pod.uid === uid || (isOwner(pod.controller) && matches(selector, pod.labels)));
}

/** What is on top of a pod: the controller of its ReplicaSet where that has one, its own controller, or the pod itself. */
function topOf({ name, uid, controller }: HeldPod, { controllerOf }: Inventory): Controller {
  if (controller === null) return { kind: 'Pod', name, uid };
  return controllerOf(controller.uid) ?? controller;
}

/**
 * The Services in front of pods of this name and of no others, the first of them. There may be thousands of both, so each is held only against
 * the pods that have its rarest label, and whatever waits has its turn.
 */
async function servicesOf(
  services: readonly HeldService[],
  pods: readonly HeldPod[],
  names: ReadonlySet<string>,
): Promise<HeldService[]> {
  const byLabel = new Map<string, HeldPod[]>();
  for (const pod of pods)
    for (const [key, value] of Object.entries(pod.labels)) {
      const having = byLabel.get(`${key}=${value}`);
      if (having === undefined) byLabel.set(`${key}=${value}`, [pod]);
      else having.push(pod);
    }
  const found: HeldService[] = [];
  for (const [index, service] of services.entries()) {
    if (index % SERVICES_AT_ONCE === 0) await setImmediate();
    const matchLabels = service.selector;
    const having = Object.entries(matchLabels).map(([key, value]) => byLabel.get(`${key}=${value}`) ?? []);
    const fewest = having.reduce<readonly HeldPod[] | null>(
      (least, list) => (least === null || list.length < least.length ? list : least),
      null,
    );
    const behind = (fewest ?? []).filter((pod) => matches({ matchLabels }, pod.labels));
    if (behind.length > 0 && behind.every(({ name }) => names.has(name))) found.push(service);
    if (found.length === MOST_SERVICES) break;
  }
  return found;
}

interface Named {
  readonly kind: string;
  readonly name: string;
}

function nearestNamed(wanted: Named, there: readonly Named[]): Named | null {
  const isAlike = ({ kind }: Named) => kind === wanted.kind;
  for (const candidates of [there.filter(isAlike), there]) {
    const name = nearest(
      wanted.name,
      candidates.map((one) => one.name),
    );
    if (name !== null) return candidates.find((one) => one.name === name) ?? null;
  }
  return null;
}

/** Where people dial a Service, and the container ports at which that arrives; a port that is another on another pod is left out. */
function arrivalsOf(service: HeldService, pods: readonly HeldPod[]): FrontService['ports'] {
  const resolved = resolveService(
    { ...service, headless: service.clusterIP === null, clusterIPs: [], externalName: undefined },
    pods,
  );
  return resolved.kind === 'pods'
    ? resolved.ports.map(({ servicePort, containerPort, protocol }) => ({
        dialled: servicePort,
        port: containerPort,
        protocol,
      }))
    : [];
}

/** Whether ReplicaSets may stand between pods of such a target and their owner. */
const hasReplicaSets = (kind: WorkloadKind): boolean => kind === 'Deployment' || kind === 'Pod';

/** Other pods that the selector selects: of a Pod, by whether what is on top of them is on top of it too. Of what has pods no other is kin. */
function othersSelected(
  there: Inventory,
  owned: readonly HeldPod[],
  { kind, selector }: Known,
): { kin: string[]; strangers: string[] } {
  const names = new Set(owned.map(({ name }) => name));
  const tops = new Set(owned.map((pod) => topOf(pod, there).uid));
  const others = there.pods.filter(({ name, labels }) => !names.has(name) && matches(selector, labels));
  const isKin = (pod: HeldPod) => kind === 'Pod' && tops.has(topOf(pod, there).uid);
  return {
    kin: others
      .filter(isKin)
      .map(({ name }) => name)
      .toSorted(),
    strangers: others.filter((pod) => !isKin(pod)).map(({ name }) => `pod ${name}`),
  };
}

/** Ports that every pod declares: what a workload serves, whatever pod answers. */
function portsInCommon(pods: readonly HeldPod[]): PortRef[] {
  const keyOf = (port: { readonly containerPort: number; readonly protocol: string }) =>
    `${port.containerPort}/${port.protocol}`;
  const counts = new Map<string, number>();
  const declared = pods.map(({ ports }) => ports);
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
