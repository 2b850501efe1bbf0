import type { Instant } from '../../domain/clocks.ts';
import { NotNow, Refusal } from '../../domain/errors.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { Person } from '../../domain/people/people.ts';
import { isEmptySelector, type NamedPeer, type PortRef } from '../../domain/plan/confinement.ts';
import { type Kept, portKey, sourceKey } from '../../domain/plan/narrower.ts';
import type {
  BastionPlan,
  Connection,
  ContainPlan,
  NetworkPlan,
  Preview,
  Surroundings,
  WorkspacePlan,
} from '../../domain/plan/plan.ts';
import type { Profile } from '../../domain/policy/policy.ts';
import { beyond, type Resources } from '../../domain/quantity.ts';
import type { Kit } from '../../domain/rights/kits.ts';
import { letsIntoPods, type Rule } from '../../domain/rights/rights.ts';
import { describeTarget, type NamespacedTarget } from '../../domain/target.ts';
import { connectionsInSteps } from '../../network/connections.ts';
import { previewInSteps } from '../../network/diff.ts';
import { isolatedByAll, newlyIsolatedInSteps, selects } from '../../network/isolation.ts';
import { layerNote } from '../../network/layer.ts';
import { type AllowedTarget, leftoversInSteps } from '../../network/leftovers.ts';
import type { Steps } from '../../network/steps.ts';
import type { Cluster, NetworkPolicy, Pod } from '../../network/types.ts';
import type { Survey } from '../ports/survey.ts';
import { NEW_WORKSPACE, shortened, workspacePod } from './reach.ts';
import { portsWithin, serviceNotes } from './service-ports.ts';
import { allowances, lasting, ownPolicies, podLabelled, podsOfPlan, rulesOf, surroundingsOf } from './surroundings.ts';

/** What somebody wishes for, as far as a plan depends on it. */
export interface Wish {
  readonly id: GrantId;
  readonly requester: Person;
  readonly target: NamespacedTarget;
  readonly profileName: string;
  /** The rights in words that were asked for; left out: all of the profile. */
  readonly rights?: readonly Kit[];
  /** What an approver has left of what the profile opens; left out: all of it. */
  readonly narrowed?: Kept;
  /** Seconds. */
  readonly duration: number;
}

/** What a mode would put into the cluster. */
interface Proposal {
  readonly network: NetworkPlan;
  readonly pods: readonly Pod[];
  readonly notes: readonly string[];
}

/** What every mode is given. */
interface Scene {
  readonly wish: Wish;
  readonly confinement: Profile['network'];
  /** `profiles.debug.network`, for refusals. */
  readonly path: string;
  /** The target, for people. */
  readonly name: string;
  readonly workload: NonNullable<Survey['workload']>;
  readonly service: Survey['service'];
  readonly cluster: Cluster;
  /** The pods that the target's selector selects: its own, and others of their owner. */
  readonly pods: readonly Pod[];
  readonly workspaces: string;
  readonly mostResources: Resources | null;
  readonly unprobed: string | null;
}

/**
 * How a profile confines the traffic of a grant, and what that changes in the cluster as it is now.
 * @param rules what the grant allows: whoever gets into a pod shares its network, so that is shown in every mode
 * @throws Refusal for what a NetworkPolicy can't hold, and for what the profile does not accept
 */
export function* confine(
  wish: Wish,
  profile: Profile,
  rules: readonly Rule[],
  survey: Survey,
  workspaces: string,
): Steps<{ network: NetworkPlan; surroundings: Surroundings; preview: Preview }> {
  const confinement = profile.network;
  const path = `profiles.${wish.profileName}.network`;
  const { cluster, asOf } = survey;
  const entersPods = letsIntoPods(rules);
  if (cluster === null) {
    if (confinement.mode !== 'none' || entersPods) throw new Error('the survey lacks the cluster');
    return {
      network: { mode: 'none' },
      surroundings: { policies: [], isolation: [] },
      preview: {
        asOf,
        ...shortened({ opens: [], closes: [], reaches: [] }),
        isolates: [],
        notes: ['No network change.'],
      },
    };
  }
  if (survey.staleSince !== null && confinement.strict)
    throw new NotNow(
      'Kubernetes',
      null,
      `${path}.strict`,
      `What lies around the target is known only as it was at ${utc(survey.staleSince)}: since then Kubernetes does not tell Drawbridge what changes in the cluster.`,
      'Ask again in a minute; if it stays so, tell an administrator of Drawbridge.',
    );
  const { network, pods, notes } =
    confinement.mode === 'none'
      ? UNCONFINED
      : MODES[confinement.mode](sceneOf(wish, path, profile, survey, workspaces));
  const { target } = wish;
  const own = ownPolicies({ target, network }, wish.id, workspaces);
  const after: Cluster = { ...cluster, pods: [...cluster.pods, ...pods], policies: [...cluster.policies, ...own] };
  const { opens, closes, newlyIsolated: now } = yield* previewInSteps(cluster, after);
  const targets = targetPods(cluster, target, survey);
  const sources = new Set(targets);
  const reaches = entersPods ? yield* connectionsInSteps(after, (pod) => sources.has(pod)) : [];
  const alone = lasting(cluster.policies);
  const isolated =
    alone.length === cluster.policies.length
      ? now
      : yield* newlyIsolatedInSteps({ ...cluster, policies: alone }, { ...cluster, policies: [...alone, ...own] });
  const isolates = isolated.map(
    ({ workload: of, direction }) => `${describe(of)} (${direction === 'Egress' ? 'egress' : 'ingress'})`,
  );
  if ((closes.length > 0 || isolates.length > 0) && !confinement.allowIsolation)
    throw new Refusal(
      `${path}.allowIsolation`,
      `This grant would close ${closes.length} connections that exist now${isolates.length > 0 ? ` and isolate ${isolates.slice(0, 3).join(', ')} for the first time` : ''}.`,
      'An administrator must say allowIsolation: true in the profile if that is meant.',
    );
  const more = yield* leftoversOf(network, { target, targets, pods, after, opens });
  if (more.length > 0 && confinement.strict)
    throw new Refusal(
      `${path}.strict`,
      `Other policies let ${network.mode === 'workspace' ? 'the workspace' : 'its pods'} reach more than the profile says: ${more.slice(0, 3).map(describeLeftover).join(', ')}.`,
      'Remove those policies, or ask an administrator.',
    );
  return {
    network,
    surroundings: surroundingsOf(
      podsOfPlan({ target, workload: survey.workload, network }, wish.id, workspaces),
      cluster.policies,
      own,
    ),
    preview: {
      asOf,
      ...shortened({ opens, closes, reaches }),
      isolates,
      notes: [
        ...staleNote(survey),
        ...notes,
        ...kinNote(survey, network),
        ...(more.length > 0
          ? [
              `Other policies let ${network.mode === 'workspace' ? 'the workspace reach more than the target' : 'the pods reach more than the profile says'}: ${more.slice(0, 5).map(describeLeftover).join(', ')}${more.length > 5 ? ' and more' : ''}.`,
            ]
          : []),
        ...(network.mode === 'none' && entersPods
          ? ['No network change: whoever gets into a pod shares that pod’s network.']
          : []),
        ...(network.mode === 'workspace' && opens.length === 0
          ? ['No connection to the target would be opened: another policy of the cluster stands in the way.']
          : []),
        ...(entersPods && targets.some((pod) => pod.hostNetwork)
          ? ['Some of the pods are on the host’s network: from there all that their node reaches can be reached.']
          : []),
        ...serviceNotes(survey.service, 'ports' in network ? network.ports : []),
        ...layerNote(survey.otherPolicies),
        NODE_NOTE,
      ],
    },
  };
}

const utc = (at: Instant): string => `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

function staleNote({ staleSince }: Survey): string[] {
  if (staleSince === null) return [];
  return [
    `As of ${utc(staleSince)}, and not as of now: since then Kubernetes does not tell Drawbridge what changes in the cluster.`,
  ];
}

/** The policies of a grant go by labels, and a Pod shares its own with the others of its owner. */
function kinNote({ workload }: Survey, network: NetworkPlan): string[] {
  if (network.mode === 'none' || workload === null || workload.kin.length === 0) return [];
  return [
    `Policies can't tell the pod from others of its owner (${workload.kin.slice(0, 5).join(', ')}): for the network they are the target too.`,
  ];
}

const NODE_NOTE = 'NetworkPolicy never governs traffic between a pod and its own node.';

const UNCONFINED: Proposal = {
  network: { mode: 'none' },
  pods: [],
  notes: [],
};

const MODES: Record<'workspace' | 'contain' | 'bastion', (scene: Scene) => Proposal> = { workspace, contain, bastion };

/** The target's own pods. Whose they are does not matter: a Pod may be of a StatefulSet, a Job of a CronJob. */
function targetPods(cluster: Cluster, { namespace }: NamespacedTarget, { workload }: Survey): Pod[] {
  const names = workload === null ? null : new Set(workload.pods.map((pod) => pod.name));
  return cluster.pods.filter((pod) => pod.namespace === namespace && (names === null || names.has(pod.name)));
}

/** What every mode with a policy demands of its target. */
function sceneOf(wish: Wish, path: string, profile: Profile, survey: Survey, workspaces: string): Scene {
  const { workload, service, cluster } = survey;
  const name = describeTarget(wish.target);
  if (workload === null || cluster === null || wish.target.workload === undefined)
    throw new Refusal(path, `Mode ${profile.network.mode} needs one workload as its target.`);
  if (isEmptySelector(workload.selector))
    throw new Refusal(
      path,
      `${name} selects its pods by no label: every pod would be the target.`,
      'Ask for another profile.',
    );
  if (workload.pods.length === 0)
    throw new Refusal(path, `${name} has no running pod that could be reached.`, 'Ask again when it has.');
  if (workload.pods.some((pod) => pod.hostNetwork))
    throw new Refusal(
      path,
      `${name} runs on the host's network, which NetworkPolicy does not govern.`,
      'Ask for another profile.',
    );
  if (workload.strangers.length > 0)
    throw new Refusal(
      path,
      `The labels of ${name} also select ${workload.strangers.slice(0, 3).join(', ')}: the policies of this grant would hold for them too.`,
      'Give the workload labels of its own.',
    );
  const kin = new Set(workload.kin);
  const pods = [
    ...targetPods(cluster, wish.target, survey),
    ...cluster.pods.filter((pod) => pod.namespace === wish.target.namespace && kin.has(pod.name)),
  ];
  const { unprobed, mostResources } = survey;
  return {
    wish,
    confinement: profile.network,
    path,
    name,
    workload,
    service,
    cluster,
    pods,
    workspaces,
    unprobed,
    mostResources: mostResources ?? null,
  };
}

/** A pod of the grant's own, which reaches the target and nothing else. */
function workspace(scene: Scene): Proposal {
  const { wish, confinement, path, workload, cluster, workspaces, unprobed, mostResources } = scene;
  const { selector } = workload;
  const { dns, strict, resources } = confinement;
  const tooMuch = resources === undefined || mostResources === null ? [] : beyond(resources, mostResources);
  if (tooMuch.length > 0)
    throw new Refusal(
      `${path}.resources`,
      `Its workspace would have ${tooMuch.join('; ')}.`,
      'Ask an administrator of Drawbridge for workspaces.maximum of the chart, or for less in the policy.',
    );
  if (strict && unprobed !== null)
    throw new NotNow(
      'Kubernetes',
      null,
      `${path}.strict`,
      `Whether this cluster enforces NetworkPolicies can't be checked now: ${unprobed}.`,
      'Ask again in a minute; if it stays so, tell an administrator of Drawbridge.',
    );
  const ports = keptPorts(scene);
  const admits = isIsolated(scene);
  const pod = workspacePod(workspaces, wish.id);
  const network: WorkspacePlan = {
    mode: 'workspace',
    image: confinement.image ?? '',
    command: confinement.command ?? ['sleep', 'infinity'],
    ...(resources && { resources }),
    ports,
    dns,
    selector,
    admits,
    hostAliases: aliases(wish.target, workload, ports),
    strict,
    foreign: rulesOf(allowances('workspace', lasting(cluster.policies), pod)),
  };
  return {
    network,
    pods: [pod],
    notes: unprobed === null ? [] : [`Whether this cluster enforces NetworkPolicies can't be checked: ${unprobed}.`],
  };
}

/** An egress policy on the target's own pods. */
function contain(scene: Scene): Proposal {
  const { wish, confinement, workload, cluster, pods } = scene;
  const { selector, labels } = workload;
  const { dns, strict } = confinement;
  const to = (confinement.to ?? []).map(({ ports, ...peer }) => ({ peer: namedPeer(peer), ports }));
  const policies = lasting(cluster.policies);
  const applies = !isolatedByAll({ policies }, pods, 'Egress').isolated;
  const foreign = rulesOf(
    allowances('contain', policies, podLabelled(wish.target.namespace, labels, wish.target.workload)),
  );
  const network: ContainPlan = { mode: 'contain', selector, to, dns, applies, strict, foreign };
  return {
    network,
    pods: [],
    notes: applies
      ? [
          'The containment holds for new connections of these pods, whoever opens them; it is lifted after the rights are gone.',
        ]
      : ['The pods are isolated for egress already, so no policy is added: one more could only let them reach more.'],
  };
}

/** Sources of the person's own are let in to a target that is isolated. */
function bastion(scene: Scene): Proposal {
  const { confinement, workload } = scene;
  const { selector } = workload;
  const ports = keptPorts(scene);
  const from = kept(scene, 'from', (confinement.from ?? []).map(namedPeer), sourceKey, scene.wish.narrowed?.sources);
  const admits = isIsolated(scene);
  const network: BastionPlan = { mode: 'bastion', selector, ports, from, admits };
  return {
    network,
    pods: [],
    notes: admits
      ? ['Addresses count as they arrive at the pod: a load balancer or a NodePort may put its own in their place.']
      : ['Nothing isolates the target, so its sources need no admission: there is nothing to open.'],
  };
}

const keptPorts = (scene: Scene): readonly PortRef[] =>
  kept(scene, 'ports', portsOf(scene), portKey, scene.wish.narrowed?.ports);

/** What an approver has left of a list. @throws Refusal where nothing of that is there any more: an empty list would stand for everything */
function kept<T>(
  { path, name }: Scene,
  list: 'ports' | 'from',
  all: readonly T[],
  keyOf: (one: T) => string,
  keys: readonly string[] | undefined,
): readonly T[] {
  if (keys === undefined) return all;
  const left = all.filter((one) => keys.includes(keyOf(one)));
  if (left.length > 0) return left;
  throw new Refusal(
    `${path}.${list}`,
    `Nothing is left of the ${list === 'ports' ? 'ports that are opened' : 'sources that are let in'} to ${name}.`,
    'Leave at least one, or deny the request.',
  );
}

/** Whether the target is closed for what nobody allowed, so that an admission opens this and nothing else. */
function isIsolated({ cluster, pods, confinement, path, name }: Scene): boolean {
  const { isolated, open } = isolatedByAll({ policies: lasting(cluster.policies) }, pods, 'Ingress');
  const partly = !isolated && open.length < pods.length;
  if (partly && !confinement.allowIsolation)
    throw new Refusal(
      `${path}.allowIsolation`,
      `Some pods of ${name} are isolated and some are not: to admit somebody would cut others off from the rest.`,
      'Isolate all of them or none.',
    );
  return isolated || partly;
}

/**
 * The numbers of the ports that are opened: those that the profile names, else those that every pod declares; of a Service never others
 * than those at which it arrives. A name stands for one number.
 * @throws Refusal where pods give a name to different numbers, and where none is left
 */
function portsOf({ confinement, workload, service, pods, path, name }: Scene): readonly PortRef[] {
  const at = `${path}.ports`;
  const named = pods.map((pod) => [pod.name, numbersByName(pod)] as const);
  const numbered = (word: string, protocol: string): number => {
    const byPod = named.map(([pod, numbers]) => [pod, numbers.get(`${protocol} ${word}`)] as const);
    const numbers = new Set(byPod.map(([, number]) => number));
    const [number] = numbers;
    if (numbers.size === 1 && number !== undefined) return number;
    const found = byPod.map(([pod, n]) => `${n ?? 'none'} on ${pod}`).slice(0, 4);
    throw new Refusal(
      at,
      `Port '${word}' (${protocol}) is not the same on all pods of ${name}: ${found.join(', ')}.`,
      'Name the port by its number, or give the pods the same ports.',
    );
  };
  if (confinement.ports !== undefined) {
    const numbers = confinement.ports.map(({ port, protocol }) => ({
      port: typeof port === 'number' ? port : numbered(port, protocol),
      protocol,
    }));
    const distinct = numbers.filter(
      (one, index) => numbers.findIndex((o) => o.port === one.port && o.protocol === one.protocol) === index,
    );
    return service === null ? distinct : portsWithin(at, service, distinct);
  }
  if (service !== null) return workload.ports;
  // Declared by name with another number on another pod: in no case what everybody means by that name.
  for (const key of new Set(named.flatMap(([, numbers]) => [...numbers.keys()]))) {
    const [protocol = '', word = ''] = key.split(' ');
    if (word !== '') numbered(word, protocol);
  }
  if (workload.ports.length === 0)
    throw new Refusal(
      at,
      `The pods of ${name} declare no port in common.`,
      'Name ports in the profile, or declare containerPorts.',
    );
  return workload.ports;
}

/** The first number of each name, by `TCP http`. */
function numbersByName({ ports }: Pod): ReadonlyMap<string, number> {
  return new Map(
    ports.toReversed().map(({ name = '', protocol, containerPort }) => [`${protocol} ${name}`, containerPort]),
  );
}

function namedPeer(peer: {
  namespace?: string | undefined;
  pods?: Readonly<Record<string, string>> | undefined;
  cidr?: string | undefined;
}): NamedPeer {
  return peer.cidr === undefined ? { namespace: peer.namespace ?? '', pods: peer.pods ?? {} } : { cidr: peer.cidr };
}

/**
 * What can be reached beyond what the profile says, because of policies of others: on other ports of what is meant as well.
 * @param targets the target's own pods
 * @param pods those of the workspace
 */
function* leftoversOf(
  network: NetworkPlan,
  {
    target,
    targets,
    pods,
    after,
    opens,
  }: {
    readonly target: NamespacedTarget;
    readonly targets: readonly Pod[];
    readonly pods: readonly Pod[];
    readonly after: Cluster;
    readonly opens: readonly Connection[];
  },
): Steps<readonly Connection[]> {
  if (network.mode !== 'workspace' && network.mode !== 'contain') return [];
  const meant = [...meantBy(network, target), ...(network.dns === 'cluster' ? [CLUSTER_DNS] : [])];
  // Pods that the same policies select reach the same.
  const confined = new Map<string, Pod>();
  for (const pod of network.mode === 'workspace' ? pods : targets) {
    yield;
    confined.set(selecting(after.policies, pod), pod);
  }
  const found = new Map<string, Connection>();
  for (const pod of confined.values())
    for (const connection of yield* leftoversInSteps(after, pod, meant))
      found.set(describeLeftover(connection), connection);
  // Nothing is meant to come in to a workspace.
  if (network.mode === 'workspace')
    for (const connection of opens.filter(isIntoWorkspace)) found.set(describeLeftover(connection), connection);
  return [...found.values()];
}

/** The policies that select a pod, as one text. */
function selecting(policies: readonly NetworkPolicy[], pod: Pod): string {
  return policies
    .filter((policy) => selects(policy, pod))
    .map(({ metadata }) => metadata?.name)
    .join();
}

const isIntoWorkspace = ({ to }: Connection): boolean => 'kind' in to && to.kind === NEW_WORKSPACE.kind;

const range = ({ port, protocol }: PortRef) => ({ protocol, from: port, to: port });

const CLUSTER_DNS: AllowedTarget = {
  namespace: 'kube-system',
  selector: { matchLabels: { 'k8s-app': 'kube-dns' } },
  ports: (['UDP', 'TCP'] as const).map((protocol) => range({ port: 53, protocol })),
};

function meantBy(network: WorkspacePlan | ContainPlan, { namespace }: NamespacedTarget): AllowedTarget[] {
  if (network.mode === 'workspace') return [{ namespace, selector: network.selector, ports: network.ports.map(range) }];
  return network.to.map(({ peer, ports }) =>
    'cidr' in peer
      ? { cidr: peer.cidr, ports: ports.map(range) }
      : { namespace: peer.namespace, selector: { matchLabels: peer.pods }, ports: ports.map(range) },
  );
}

const describe = (of: { namespace: string; kind: string; name: string }): string =>
  `${of.namespace}/${of.kind.toLowerCase()}/${of.name}`;
const describeEnd = (end: Connection['to']): string => ('cidr' in end ? end.cidr : describe(end));

/** `staging/deployment/catalog (8080/TCP)`; what comes in to a workspace with its source. */
function describeLeftover(connection: Connection): string {
  const { from, to, ports } = connection;
  const words = ports.map(({ protocol, from: low, to: high }) => {
    if (low === 1 && high === 65_535) return protocol;
    return `${low === high ? low : `${low}-${high}`}/${protocol}`;
  });
  const which = [...words.slice(0, 3), ...(words.length > 3 ? ['…'] : [])].join(', ');
  return `${isIntoWorkspace(connection) ? `from ${describeEnd(from)}` : describeEnd(to)} (${which})`;
}

/** Names for the target in the workspace's /etc/hosts: by its Services where any has an address, else by its pods, also those of a headless Service. */
function aliases(
  target: NamespacedTarget,
  workload: Scene['workload'],
  opened: readonly PortRef[],
): WorkspacePlan['hostAliases'] {
  const isOpened = (port: PortRef) => opened.some((one) => portKey(one) === portKey(port));
  const names = (name: string) =>
    ['', `.${target.namespace}`, `.${target.namespace}.svc`, `.${target.namespace}.svc.cluster.local`].map(
      (s) => name + s,
    );
  const services = workload.services.flatMap(({ name, clusterIP, ports = [] }) => {
    const dialled = ports.filter(isOpened);
    return clusterIP === null
      ? []
      : [{ ip: clusterIP, hostnames: names(name), ...(dialled.length > 0 && { ports: dialled }) }];
  });
  if (services.length > 0) return services;
  const hostnames =
    target.service === undefined ? names(target.workload?.name ?? '').slice(0, 2) : names(target.service);
  return workload.pods.filter((pod) => pod.ip !== '').map((pod) => ({ ip: pod.ip, hostnames }));
}
