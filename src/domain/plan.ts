import { digestOf } from './canonical.ts';
import type { LabelSelector, PortRef } from './confinement.ts';
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

/** What the grant changes in reach: what an approver sees before deciding. */
export interface Preview {
  readonly opens: readonly Connection[];
  readonly closes: readonly Connection[];
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
  readonly network: WorkspacePlan | { readonly mode: 'none' };
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
    network.mode === 'none'
      ? network
      : { ...network, hostAliases: [...new Set(network.hostAliases.flatMap((a) => a.hostnames))].toSorted() };
  const reach = (connections: readonly Connection[]) =>
    connections.map(({ from, to, ports, pluginDependent }) => ({ from, to, ports, pluginDependent }));
  return digestOf({
    ...fixed,
    network: confinement,
    opens: reach(preview.opens),
    closes: reach(preview.closes),
    notes: preview.notes,
  });
}

/** The first characters of a digest: what buttons carry and people compare. */
export function shortDigest(digest: string): string {
  return digest.slice(0, 12);
}
