import { digestOf } from './canonical.ts';
import type { LabelSelector, NamedPeer, PortRef } from './confinement.ts';
import type { Profile } from './policy.ts';
import type { Rule } from './rights.ts';
import type { Target } from './target.ts';

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

/** What the grant changes in reach, and what it lets a person reach: what an approver sees before deciding. */
export interface Preview {
  readonly opens: readonly Connection[];
  readonly closes: readonly Connection[];
  /** What the pods that the person may get into can reach with the policies that will be in force; empty where nobody gets into a pod. */
  readonly reaches: readonly Connection[];
  /** Live pods that a policy of the grant isolates for the first time, `staging/deployment/checkout (egress)`. */
  readonly isolates: readonly string[];
  /** Long lists are stored cut: how many connections of each are not listed. */
  readonly unlisted: { readonly opens: number; readonly closes: number; readonly reaches: number };
  /** SHA-256 over the complete lists, by workload: of `opens` with `closes`, and of `reaches`. */
  readonly complete: { readonly change: string; readonly reaches: string };
  /** What else must be known, one sentence each: leftovers, what is not governed, what can't be promised. */
  readonly notes: readonly string[];
}

/** The confinement of a grant with a workspace. */
export interface WorkspacePlan {
  readonly mode: 'workspace';
  readonly image: string;
  readonly command: readonly string[];
  /** The target's container ports, numeric: what the guard lets out and the admission lets in. */
  readonly ports: readonly PortRef[];
  readonly dns: 'none' | 'cluster';
  /** The target pods' full selector. */
  readonly selector: LabelSelector;
  /** True when the target is isolated for ingress, so that an admission policy is needed (and opens nothing else). */
  readonly admits: boolean;
  /** Names of the target inside the workspace, without DNS. Addresses are as of now; they are not part of the digest. */
  readonly hostAliases: readonly { readonly ip: string; readonly hostnames: readonly string[] }[];
  /** Fail rather than say it: leftovers, foreign policies, a cluster that does not enforce. */
  readonly strict: boolean;
  /** Policies of others in the workspaces namespace that let the workspace do more, by name, known when the plan was made. */
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

/** Whether the grant has a policy that lets something into the target. */
export function hasAdmission(network: NetworkPlan): boolean {
  return (network.mode === 'workspace' || network.mode === 'bastion') && network.admits;
}

/** Everything that a grant will be: computed before approval, shown, fixed by its digest, and computed again before it is applied. */
export interface Plan {
  readonly user: string;
  readonly groups: readonly string[];
  readonly profileName: string;
  /** Digest of the profile as it is in the policy. */
  readonly profileDigest: string;
  readonly target: Target;
  /** Seconds. */
  readonly duration: number;
  /** The named role that is bound, or null when the rules below become a Role of the grant's own. */
  readonly role: { readonly kind: 'ClusterRole' | 'Role'; readonly name: string } | null;
  /** What the role allows; for scope workload narrowed to the target's pods when it is written. */
  readonly rules: readonly Rule[];
  /** The workload's uid and the selector of its pods; null for scope namespace. */
  readonly workload: { readonly uid: string; readonly selector: LabelSelector } | null;
  /** Names of the target's pods as of now. Not part of the digest: a rollout must not void an approval. */
  readonly pods: readonly string[];
  readonly network: NetworkPlan;
  readonly preview: Preview;
  /** Why access by these rights can outlive the grant; only with the profile's acknowledgement. */
  readonly persistence: readonly string[];
}

/** The digest of a profile as it is in the policy. */
export function digestOfProfile(profile: Profile): string {
  return digestOf(profile);
}

/**
 * The digest that fixes an approval: person, rights, target, duration, profile, reachability by workload, acknowledgements.
 * Never pod names, addresses or times.
 */
export function digestOfPlan(plan: Plan): string {
  const { pods: _pods, network, preview, ...fixed } = plan;
  const confinement =
    network.mode === 'workspace'
      ? { ...network, hostAliases: [...new Set(network.hostAliases.flatMap((a) => a.hostnames))].toSorted() }
      : network;
  const { opens, closes, reaches, ...said } = preview;
  return digestOf({
    ...fixed,
    network: confinement,
    ...said,
    opens: reachOf(opens),
    closes: reachOf(closes),
    reaches: reachOf(reaches),
  });
}

/** Connections by workload, without what changes with each rollout. */
export function reachOf(connections: readonly Connection[]) {
  return connections.map(({ from, to, ports, pluginDependent }) => ({ from, to, ports, pluginDependent }));
}

/** The first characters of a digest: what buttons carry and people compare. */
export function shortDigest(digest: string): string {
  return digest.slice(0, 12);
}
