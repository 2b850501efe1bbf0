import { canonical } from '../domain/canonical.ts';
import {
  admissionSpec,
  containmentSpec,
  GRANT_LABEL,
  guardSpec,
  isEmptySelector,
  type NamedPeer,
  type PolicySpec,
  type PortRef,
  sourcesSpec,
} from '../domain/confinement.ts';
import { Refusal } from '../domain/errors.ts';
import type { GrantId } from '../domain/ids.ts';
import type { Person } from '../domain/people.ts';
import type { BastionPlan, Connection, ContainPlan, NetworkPlan, Preview, WorkspacePlan } from '../domain/plan.ts';
import type { Profile } from '../domain/policy.ts';
import { letsIntoPods, type Rule } from '../domain/rights.ts';
import { describeTarget, type Target } from '../domain/target.ts';
import { connections } from '../network/connections.ts';
import { previewChange } from '../network/diff.ts';
import { isolatedByAll, newlyIsolated } from '../network/isolation.ts';
import { layerNote } from '../network/layer.ts';
import { type AllowedTarget, leftovers } from '../network/leftovers.ts';
import type { Cluster, NetworkPolicy, Pod } from '../network/types.ts';
import type { Survey } from './ports.ts';
import { foreignPolicies, NEW_WORKSPACE, shortened, workspacePod } from './reach.ts';
import { portsWithin, serviceNotes } from './service-ports.ts';

/** What somebody wishes for, as far as a plan depends on it. */
export interface Wish {
  readonly id: GrantId;
  readonly requester: Person;
  readonly target: Target;
  readonly profileName: string;
  /** Seconds. */
  readonly duration: number;
}

/** What a mode would put into the cluster. */
interface Proposal {
  readonly network: NetworkPlan;
  readonly pods: readonly Pod[];
  readonly policies: readonly NetworkPolicy[];
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
  /** The target's pods. */
  readonly pods: readonly Pod[];
  readonly workspaces: string;
  readonly unprobed: string | null;
}

/**
 * How a profile confines the traffic of a grant, and what that changes in the cluster as it is now.
 * @param rules what the grant allows: whoever gets into a pod shares its network, so that is shown in every mode
 * @throws Refusal for what a NetworkPolicy can't hold, and for what the profile does not accept
 */
export function confine(
  wish: Wish,
  profile: Profile,
  rules: readonly Rule[],
  survey: Survey,
  workspaces: string,
): { network: NetworkPlan; preview: Preview } {
  const confinement = profile.network;
  const path = `profiles.${wish.profileName}.network`;
  const { cluster } = survey;
  if (cluster === null) {
    if (confinement.mode !== 'none' || letsIntoPods(rules)) throw new Error('the survey lacks the cluster');
    return {
      network: { mode: 'none' },
      preview: { ...shortened({ opens: [], closes: [], reaches: [] }), isolates: [], notes: ['No network change.'] },
    };
  }
  const { network, pods, policies, notes } =
    confinement.mode === 'none'
      ? UNCONFINED
      : MODES[confinement.mode](sceneOf(wish, path, profile, survey, workspaces));
  const after: Cluster = { ...cluster, pods: [...cluster.pods, ...pods], policies: [...cluster.policies, ...policies] };
  const { opens, closes, newlyIsolated: now } = previewChange(cluster, after);
  const { namespace, workload } = wish.target;
  const reaches = letsIntoPods(rules)
    ? connections(
        after,
        (of) =>
          of.namespace === namespace &&
          (workload === undefined || (of.kind === workload.kind && of.name === workload.name)),
      )
    : [];
  const alone = lasting(cluster);
  const isolated =
    alone.policies.length === cluster.policies.length
      ? now
      : newlyIsolated(alone, { ...alone, policies: [...alone.policies, ...policies] });
  const isolates = isolated.map(
    ({ workload: of, direction }) => `${describe(of)} (${direction === 'Egress' ? 'egress' : 'ingress'})`,
  );
  if ((closes.length > 0 || isolates.length > 0) && !confinement.allowIsolation)
    throw new Refusal(
      `${path}.allowIsolation`,
      `This grant would close ${closes.length} connections that exist now${isolates.length > 0 ? ` and isolate ${isolates.slice(0, 3).join(', ')} for the first time` : ''}.`,
      'An administrator must say allowIsolation: true in the profile if that is meant.',
    );
  const more = leftoversOf(network, { wish, cluster, after, opens });
  if (more.length > 0 && confinement.strict)
    throw new Refusal(
      `${path}.strict`,
      `Other policies let ${network.mode === 'workspace' ? 'the workspace' : 'its pods'} reach more than the profile says: ${more.slice(0, 3).map(describeEnd).join(', ')}.`,
      'Remove those policies, or ask an administrator.',
    );
  return {
    network,
    preview: {
      ...shortened({ opens, closes, reaches }),
      isolates,
      notes: [
        ...notes,
        ...(more.length > 0
          ? [
              network.mode === 'workspace'
                ? 'Other policies let the workspace reach more than the target: see the list.'
                : `Other policies let the pods reach more than the profile says: ${more.slice(0, 5).map(describeEnd).join(', ')}${more.length > 5 ? ' and more' : ''}.`,
            ]
          : []),
        ...(network.mode === 'workspace' && opens.length === 0
          ? ['No connection to the target would be opened: another policy of the cluster stands in the way.']
          : []),
        ...(letsIntoPods(rules) && targetPods(cluster, wish.target, survey).some((pod) => pod.hostNetwork)
          ? ['Some of the pods are on the host’s network: from there all that their node reaches can be reached.']
          : []),
        ...serviceNotes(survey.service, 'ports' in network ? network.ports : []),
        ...layerNote(survey.otherPolicies),
        NODE_NOTE,
      ],
    },
  };
}

const NODE_NOTE = 'NetworkPolicy never governs traffic between a pod and its own node.';

const UNCONFINED: Proposal = {
  network: { mode: 'none' },
  pods: [],
  policies: [],
  notes: ['No network change: whoever gets into a pod shares that pod’s network.'],
};

const MODES: Record<'workspace' | 'contain' | 'bastion', (scene: Scene) => Proposal> = { workspace, contain, bastion };

function targetPods(cluster: Cluster, { namespace }: Target, { workload }: Survey): Pod[] {
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
  const pods = targetPods(cluster, wish.target, survey);
  const { unprobed } = survey;
  return { wish, confinement: profile.network, path, name, workload, service, cluster, pods, workspaces, unprobed };
}

/** A pod of the grant's own, which reaches the target and nothing else. */
function workspace(scene: Scene): Proposal {
  const { wish, confinement, path, workload, cluster, workspaces, unprobed } = scene;
  const { selector } = workload;
  const { namespace } = wish.target;
  const { dns, strict } = confinement;
  if (strict && unprobed !== null)
    throw new Refusal(
      `${path}.strict`,
      `Whether this cluster enforces NetworkPolicies can't be checked now: ${unprobed}.`,
      'Ask again in a minute; if it stays so, tell an administrator of Drawbridge.',
    );
  const ports = portsOf(scene);
  const admits = isIsolated(scene);
  const pod = workspacePod(workspaces, wish.id);
  const network: WorkspacePlan = {
    mode: 'workspace',
    image: confinement.image ?? '',
    command: confinement.command ?? ['sleep', 'infinity'],
    ports,
    dns,
    selector,
    admits,
    hostAliases: aliases(wish.target, workload),
    strict,
    foreign: foreignPolicies(cluster.policies, pod, wish.id),
  };
  const guard = policy(workspaces, wish.id, guardSpec(wish.id, { namespace, selector, ports, dns }));
  const admission = policy(namespace, wish.id, admissionSpec(wish.id, { selector, ports }, workspaces));
  return {
    network,
    pods: [pod],
    policies: admits ? [guard, admission] : [guard],
    notes: unprobed === null ? [] : [`Whether this cluster enforces NetworkPolicies can't be checked: ${unprobed}.`],
  };
}

/** An egress policy on the target's own pods. */
function contain(scene: Scene): Proposal {
  const { wish, confinement, workload, cluster, pods } = scene;
  const { selector } = workload;
  const { dns } = confinement;
  const to = (confinement.to ?? []).map(({ ports, ...peer }) => ({ peer: namedPeer(peer), ports }));
  const applies = !isolatedByAll(lasting(cluster), pods, 'Egress').isolated;
  const network: ContainPlan = { mode: 'contain', selector, to, dns, applies };
  return {
    network,
    pods: [],
    policies: applies ? [policy(wish.target.namespace, wish.id, containmentSpec(selector, to, dns))] : [],
    notes: applies
      ? [
          'The containment holds for new connections of these pods, whoever opens them; it is lifted after the rights are gone.',
        ]
      : ['The pods are isolated for egress already, so no policy is added: one more could only let them reach more.'],
  };
}

/** Sources of the person's own are let in to a target that is isolated. */
function bastion(scene: Scene): Proposal {
  const { wish, confinement, workload } = scene;
  const { selector } = workload;
  const ports = portsOf(scene);
  const from = (confinement.from ?? []).map(namedPeer);
  const admits = isIsolated(scene);
  const network: BastionPlan = { mode: 'bastion', selector, ports, from, admits };
  return {
    network,
    pods: [],
    policies: admits ? [policy(wish.target.namespace, wish.id, sourcesSpec({ selector, ports }, from))] : [],
    notes: admits
      ? ['Addresses count as they arrive at the pod: a load balancer or a NodePort may put its own in their place.']
      : ['Nothing isolates the target, so its sources need no admission: there is nothing to open.'],
  };
}

/** The cluster without the policies of other grants: they go when those end, so that nothing may lean on them. */
function lasting(cluster: Cluster): Cluster {
  return {
    ...cluster,
    policies: cluster.policies.filter(({ metadata }) => !(GRANT_LABEL in (metadata?.labels ?? {}))),
  };
}

/** Whether the target is closed for what nobody allowed, so that an admission opens this and nothing else. */
function isIsolated({ cluster, pods, confinement, path, name }: Scene): boolean {
  const { isolated, open } = isolatedByAll(lasting(cluster), pods, 'Ingress');
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
  const numbered = (word: string, protocol: string): number => {
    const byPod = pods.map(
      (pod) => [pod.name, pod.ports.find((p) => p.name === word && p.protocol === protocol)?.containerPort] as const,
    );
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
  for (const { name: word, protocol } of pods.flatMap((pod) => pod.ports))
    if (word !== undefined && word !== '') numbered(word, protocol);
  if (workload.ports.length === 0)
    throw new Refusal(
      at,
      `The pods of ${name} declare no port in common.`,
      'Name ports in the profile, or declare containerPorts.',
    );
  return workload.ports;
}

function namedPeer(peer: {
  namespace?: string | undefined;
  pods?: Readonly<Record<string, string>> | undefined;
  cidr?: string | undefined;
}): NamedPeer {
  return peer.cidr === undefined ? { namespace: peer.namespace ?? '', pods: peer.pods ?? {} } : { cidr: peer.cidr };
}

function policy(namespace: string, id: GrantId, spec: PolicySpec): NetworkPolicy {
  return { metadata: { namespace, name: `drawbridge-${id}` }, spec };
}

/** What can be reached beyond what the profile says, because of policies of others. */
function leftoversOf(
  network: NetworkPlan,
  { wish, cluster, after, opens }: { wish: Wish; cluster: Cluster; after: Cluster; opens: readonly Connection[] },
): readonly Connection[] {
  if (network.mode === 'workspace') return opens.filter((c) => !isExpected(c, wish.target, network.dns));
  if (network.mode !== 'contain') return [];
  const range = ({ port, protocol }: PortRef) => ({ protocol, from: port, to: port });
  const meant: AllowedTarget[] = network.to.map(({ peer, ports }) =>
    'cidr' in peer
      ? { cidr: peer.cidr, ports: ports.map(range) }
      : { namespace: peer.namespace, selector: { matchLabels: peer.pods }, ports: ports.map(range) },
  );
  if (network.dns === 'cluster')
    meant.push({
      namespace: 'kube-system',
      selector: { matchLabels: { 'k8s-app': 'kube-dns' } },
      ports: (['UDP', 'TCP'] as const).map((protocol) => range({ port: 53, protocol })),
    });
  const pods = cluster.pods.filter(
    (pod) =>
      pod.namespace === wish.target.namespace &&
      pod.owner.kind === wish.target.workload?.kind &&
      pod.owner.name === wish.target.workload.name,
  );
  // Pods with equal labels reach the same.
  const distinct = new Map(pods.map((pod) => [canonical(pod.labels), pod]));
  const found = [...distinct.values()].flatMap((pod) => leftovers(after, pod, meant));
  return found.filter((c, index) => found.findIndex((o) => describeEnd(o) === describeEnd(c)) === index);
}

function isExpected({ from, to }: Connection, { namespace, workload }: Target, dns: 'none' | 'cluster'): boolean {
  if (!('name' in from) || from.kind !== NEW_WORKSPACE.kind || from.name !== NEW_WORKSPACE.name || !('name' in to))
    return false;
  if (to.namespace === namespace && to.kind === workload?.kind && to.name === workload.name) return true;
  return dns === 'cluster' && to.namespace === 'kube-system';
}

const describe = (of: { namespace: string; kind: string; name: string }): string =>
  `${of.namespace}/${of.kind.toLowerCase()}/${of.name}`;
const describeEnd = ({ to }: Connection): string => ('cidr' in to ? to.cidr : describe(to));

/** Names for the target in the workspace's /etc/hosts: by its Services where any has an address, else by its pods, also those of a headless Service. */
function aliases(target: Target, workload: Scene['workload']): WorkspacePlan['hostAliases'] {
  const names = (name: string) =>
    ['', `.${target.namespace}`, `.${target.namespace}.svc`, `.${target.namespace}.svc.cluster.local`].map(
      (s) => name + s,
    );
  const services = workload.services.flatMap(({ name, clusterIP }) =>
    clusterIP === null ? [] : [{ ip: clusterIP, hostnames: names(name) }],
  );
  if (services.length > 0) return services;
  const hostnames =
    target.service === undefined ? names(target.workload?.name ?? '').slice(0, 2) : names(target.service);
  return workload.pods.filter((pod) => pod.ip !== '').map((pod) => ({ ip: pod.ip, hostnames }));
}
