import { digestOf } from '../canonical.ts';
import type { Instant } from '../clocks.ts';
import type { NodeShell, Profile } from '../policy/policy.ts';
import type { Resources } from '../quantity.ts';
import { normalRules } from '../rights/coverage.ts';
import type { Kit } from '../rights/kits.ts';
import type { Rule } from '../rights/rights.ts';
import type { Target } from '../target.ts';
import type { LabelSelector, NamedPeer, PortRef } from './confinement.ts';

/** The pods of one workload, or addresses outside the cluster. */
export type Endpoint =
  | { readonly namespace: string; readonly kind: string; readonly name: string }
  | { readonly cidr: string; readonly except?: readonly string[] };

/** A connection as network/ reports it: disjoint ports, sorted. */
export interface Connection {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly ports: readonly { readonly protocol: string; readonly from: number; readonly to: number }[];
  readonly reasons: readonly string[];
  readonly pluginDependent: boolean;
  /** Where it holds for some pods of the workloads only. */
  readonly pods?: string;
}

/** What the grant changes in reach, and what it lets a person reach, as the cluster was when it was read: shown before a decision, and not bound by it. */
export interface Preview {
  /** When the cluster was read. */
  readonly asOf: Instant;
  readonly opens: readonly Connection[];
  readonly closes: readonly Connection[];
  /** What the pods that the person may get into can reach with the policies that will be in force; empty where nobody gets into a pod. */
  readonly reaches: readonly Connection[];
  /** Live pods that a policy of the grant isolates for the first time, `staging/deployment/checkout (egress)`. */
  readonly isolates: readonly string[];
  /** Long lists are stored cut: how many connections of each are not listed. */
  readonly unlisted: { readonly opens: number; readonly closes: number; readonly reaches: number };
  /** What else must be known, one sentence each: leftovers, what is not governed, what can't be promised. */
  readonly notes: readonly string[];
}

/** The confinement of a grant with a workspace. */
export interface WorkspacePlan {
  readonly mode: 'workspace';
  readonly image: string;
  readonly command: readonly string[];
  /** What its pod is given; left out: what all get. */
  readonly resources?: Resources;
  /** The target's container ports, numeric: what the guard lets out and the admission lets in. */
  readonly ports: readonly PortRef[];
  readonly dns: 'none' | 'cluster';
  /** The target pods' full selector. */
  readonly selector: LabelSelector;
  /** True when the target is isolated for ingress, so that an admission policy is needed (and opens nothing else). */
  readonly admits: boolean;
  /** Names of the target inside the workspace, without DNS. Addresses are as of now; they are not part of the digest. */
  readonly hostAliases: readonly {
    readonly ip: string;
    readonly hostnames: readonly string[];
    /** Of a Service: where it is dialled, and the container port at which that arrives. */
    readonly ports?: readonly (PortRef & { readonly dialled: number })[];
  }[];
  /** Fail rather than say it: leftovers, foreign policies, a cluster that does not enforce. */
  readonly strict: boolean;
  /** Digests of the rules by which policies of others let the workspace do more, as known when the plan was made. */
  readonly foreign: readonly string[];
}

/** An egress policy on the target's own pods. */
export interface ContainPlan {
  readonly mode: 'contain';
  readonly selector: LabelSelector;
  readonly to: readonly { readonly peer: NamedPeer; readonly ports: readonly PortRef[] }[];
  readonly dns: 'none' | 'cluster';
  /** False when the pods are isolated for egress already: a further policy could only add to what they reach. */
  readonly applies: boolean;
  /** Fail rather than say that policies of others let the pods reach more. */
  readonly strict: boolean;
  /** Digests of the rules by which policies of others let the pods out, as known when the plan was made. */
  readonly foreign: readonly string[];
}

/** Sources of the person's own are admitted to the target. */
export interface BastionPlan {
  readonly mode: 'bastion';
  readonly selector: LabelSelector;
  readonly ports: readonly PortRef[];
  readonly from: readonly NamedPeer[];
  /** False when nothing isolates the target: there is nothing to open. */
  readonly admits: boolean;
}

export type NetworkPlan = WorkspacePlan | ContainPlan | BastionPlan | { readonly mode: 'none' };

/** Whether the grant has a policy that confines (before the rights, gone after them): of a workspace, or on the target's own pods. */
export function hasGuard(network: NetworkPlan): boolean {
  return network.mode === 'workspace' || (network.mode === 'contain' && network.applies);
}

/** Whether the person gets a pod of their own, which is deleted at the end: a workspace, or a shell on a node. */
export function hasPod({ network, shell }: Pick<Plan, 'network' | 'shell'>): boolean {
  return network.mode === 'workspace' || shell !== undefined;
}

/** Whether the grant gives rights on the target; a node shell may stand alone. */
export function givesOnTarget({ role, rules, shell }: Pick<Plan, 'role' | 'rules' | 'shell'>): boolean {
  return role !== null || rules.length > 0 || shell === undefined;
}

/** Whether the grant has a policy that lets something into the target. */
export function hasAdmission(network: NetworkPlan): boolean {
  return (network.mode === 'workspace' || network.mode === 'bastion') && network.admits;
}

export type IsolatedDirection = 'Ingress' | 'Egress';

/** What policies of others say of the pods of a grant: the target's, by its pod template, and the workspace's. */
export interface Surroundings {
  /** Those that select these pods: `namespace/name`, and a digest of the spec. Sorted; without the policies of grants, which come and go. */
  readonly policies: readonly { readonly name: string; readonly spec: string }[];
  /** The directions in which these pods are isolated, without the grant's own policies and with them. */
  readonly isolation: readonly {
    readonly pods: 'target' | 'workspace';
    readonly before: readonly IsolatedDirection[];
    readonly with: readonly IsolatedDirection[];
  }[];
}

/** Everything that a grant will be: computed before approval, shown, fixed by its digest, and computed again before it is applied. */
export interface Plan {
  readonly user: string;
  readonly groups: readonly string[];
  readonly profileName: string;
  /** Digest of the profile as it is in the policy. */
  readonly profileDigest: string;
  /** The uid of the cluster's `kube-system`. */
  readonly cluster: string;
  readonly target: Target;
  /** The uid of the target's namespace; null: it is in none. */
  readonly namespaceUid: string | null;
  /** The uid of the node that is the target. */
  readonly nodeUid?: string;
  /** Seconds. */
  readonly duration: number;
  /** By an account of the grant's own, of which the person takes tokens; left out: by their own Kubernetes user. */
  readonly credential?: 'token';
  /** The named role that is bound, or null when the rules below become a Role of the grant's own. */
  readonly role: { readonly kind: 'ClusterRole' | 'Role'; readonly name: string } | null;
  /** Whether the named role may allow more during the grant. */
  readonly roleMayGrow: boolean;
  /** A privileged pod on the node that is the target; left out: there is none. */
  readonly shell?: NodeShell;
  /** The rights in words that the rules below are made of; null: a role, or inline rules. */
  readonly rights: readonly Kit[] | null;
  /** What the role allows, as it was when the plan was made; for scope workload narrowed to the target's pods when it is written. */
  readonly rules: readonly Rule[];
  /** The workload's uid, the selector of its pods, and the labels of its pod template (of a Pod: its own); null for scope namespace. */
  readonly workload: {
    readonly uid: string;
    readonly selector: LabelSelector;
    readonly labels: Readonly<Record<string, string>>;
  } | null;
  /** Names of the target's pods as of now. Not part of the digest: a rollout must not void an approval. */
  readonly pods: readonly string[];
  readonly network: NetworkPlan;
  readonly surroundings: Surroundings;
  readonly preview: Preview;
  /** Why access by these rights can outlive the grant; only with the profile's acknowledgement. */
  readonly persistence: readonly string[];
}

/** The digest of a profile as it is in the policy, without what only says how people are asked: that changes nothing of what is approved. */
export function digestOfProfile({ approval, ...profile }: Profile): string {
  const { note: _note, notify: _notify, order, ...decided } = approval;
  // An order of no steps is none.
  const bound = decided.steps === undefined ? decided : { order, ...decided };
  return digestOf({ ...profile, ...(Object.keys(bound).length > 0 && { approval: bound }) });
}

/** The grant's own objects in the network, without what others have to do with them and without addresses. */
type BoundNetwork =
  | Omit<WorkspacePlan, 'hostAliases' | 'foreign'>
  | Omit<ContainPlan, 'foreign'>
  | BastionPlan
  | { readonly mode: 'none' };

/**
 * What an approval binds: the person, the rights by content, the target, the cluster, the duration, the profile, the grant's own network
 * objects, the policies of others that select its pods, their isolation, and what is acknowledged. Nothing that changes by itself: no
 * connections, names of pods, addresses or times.
 */
export interface Bound {
  readonly user: string;
  readonly groups: readonly string[];
  readonly cluster: string;
  readonly target: Target;
  readonly namespaceUid: string | null;
  readonly nodeUid: string | null;
  readonly workload: { readonly uid: string; readonly selector: LabelSelector } | null;
  readonly duration: number;
  readonly profile: { readonly name: string; readonly digest: string };
  readonly credential: 'user' | 'token';
  readonly role: Plan['role'];
  readonly roleMayGrow: boolean;
  readonly shell?: NodeShell;
  readonly rights: Plan['rights'];
  /** In one form for all lists of rules that allow the same. */
  readonly rules: readonly Rule[];
  readonly network: BoundNetwork;
  readonly surroundings: Surroundings;
  readonly acknowledged: { readonly persistence: readonly string[]; readonly isolates: readonly string[] };
}

export function boundOf(plan: Plan): Bound {
  const { user, groups, cluster, target, namespaceUid, workload, duration } = plan;
  const { role, roleMayGrow, rights, surroundings, persistence } = plan;
  return {
    user,
    groups: groups.toSorted(),
    cluster,
    target,
    namespaceUid,
    nodeUid: plan.nodeUid ?? null,
    workload: workload === null ? null : { uid: workload.uid, selector: workload.selector },
    duration,
    profile: { name: plan.profileName, digest: plan.profileDigest },
    credential: plan.credential ?? 'user',
    role,
    roleMayGrow,
    ...(plan.shell && { shell: plan.shell }),
    rights,
    rules: normalRules(plan.rules),
    network: boundNetwork(plan.network),
    surroundings,
    acknowledged: { persistence, isolates: plan.preview.isolates },
  };
}

function boundNetwork(network: NetworkPlan): BoundNetwork {
  switch (network.mode) {
    case 'workspace': {
      const { hostAliases: _, foreign: __, ...own } = network;
      return own;
    }
    case 'contain': {
      const { foreign: _, ...own } = network;
      return own;
    }
    default:
      return network;
  }
}

/** The digest of what an approval binds ({@link boundOf}). */
export function digestOfPlan(plan: Plan): string {
  return digestOf(boundOf(plan));
}

/** The first characters of a digest: what buttons carry and people compare. */
export function shortDigest(digest: string): string {
  return digest.slice(0, 12);
}
