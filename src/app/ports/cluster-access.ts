import type { Instant } from '../../domain/clocks.ts';
import type { Grant } from '../../domain/grant/grant.ts';
import type { GrantSummary } from '../../domain/grant/summary.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { Plan } from '../../domain/plan/plan.ts';
import type { ProbeVerdict } from '../../domain/plan/probe.ts';
import type { Profile } from '../../domain/policy/policy.ts';
import type { Rule } from '../../domain/rights/rights.ts';
import type { Wanted } from '../../domain/target.ts';
import type { Cluster, NetworkPolicy } from '../../network/types.ts';
import type { Found } from './own-objects.ts';
import type { Survey, SurveyPurpose } from './survey.ts';

/** A value that only `reveal` gives: nothing that logs or stores what is around it finds it. */
export interface Concealed {
  readonly reveal: () => string;
  readonly toJSON: () => string;
}

/** The cluster. Steps are idempotent: each may run again after a crash. */
export interface ClusterAccess {
  /** Where workspaces live. */
  readonly workspacesNamespace: string;
  /** Where node shells run. */
  readonly nodesNamespace: string;
  /** Namespaces that no request can name: Drawbridge's own. */
  readonly closedNamespaces: readonly string[];
  /** What the bot lacks to give these profiles: of each in turn, a phrase for each right; empty: it can. */
  missingRights(profiles: readonly Profile[]): Promise<string[][]>;
  /**
   * Why the leash, which keeps a stolen token from more than the policy gives, does not hold here: one phrase; null: it does.
   * @throws Unavailable when the API server does not answer
   */
  tryLeash(): Promise<string | null>;
  /**
   * Why what these profiles need would not be taken as it is written, a text each, with what to exclude from somebody's admission webhooks.
   * @throws Unavailable when the API server does not answer
   */
  tryWriting(profiles: readonly Profile[]): Promise<string[]>;
  /** This, and what can be a target in one, may be a moment old. */
  namespaces(): Promise<string[]>;
  /** The names of the nodes, sorted. */
  nodes(): Promise<string[]>;
  /** What can be a target there: workloads, and Services (kind `Service`) that select pods. */
  workloads(namespace: string): Promise<{ kind: string; name: string }[]>;
  /** @throws Refusal when the target is not there, or is a Service that stands for no one workload. */
  survey(target: Wanted, profile: Profile, purpose: SurveyPurpose): Promise<Survey>;
  /** What reachability is computed from: it may be a moment old, and longer where its watches are down. */
  snapshot(): Promise<Cluster>;
  /** The policies in that namespace that are not of a grant of this instance: also those that carry the labels of another. */
  foreignPolicies(namespace: string): Promise<readonly NetworkPolicy[]>;
  /** What a named role allows now, bound in this namespace or (null) in the whole cluster; empty when there is none. */
  rulesOf(role: NonNullable<Plan['role']>, namespace: string | null): Promise<readonly Rule[]>;

  /** Of `applying`, in this order. */
  placeLeases(grant: Grant): Promise<void>;
  raiseGuard(grant: Grant): Promise<void>;
  /** Lets the workspace, or the sources of the profile, into the target. */
  admit(grant: Grant): Promise<void>;
  /** The pod of the person's own, a workspace or a node shell. Answers its name, once it runs, and what its probe saw before; null: it has none. */
  startWorkspace(grant: Grant): Promise<{ readonly pod: string; readonly probe: ProbeVerdict | null }>;
  /** Role and RoleBinding, naming these pods. */
  giveRights(grant: Grant, pods: readonly string[], workspacePod: string | null): Promise<void>;
  /** Writes the Role of a workload anew, for the pods that it has now; never the binding. */
  narrowRights(grant: Grant, pods: readonly string[]): Promise<void>;
  /** Reads back every object and asks the API server (SubjectAccessReview): differences from the plan, a phrase each. */
  verify(grant: Grant): Promise<string[]>;

  /** New expiry on every object and lease, sealed again. */
  extend(grant: Grant): Promise<void>;
  /** The pods that the target has now. */
  podsOf(grant: Grant): Promise<string[]>;
  /** What became of the workload, or of the namespace that is the target, that was approved. A phrase; null: it is there. */
  targetGone(grant: Grant): Promise<string | null>;
  /** `pod NAME` of those that have taken the labels of the target, for which the grant's policies hold as well. */
  strangers(grant: Grant): Promise<string[]>;

  /**
   * A token of the grant's account, which ends with that, at the latest after an hour, and its own end.
   * @throws ApiError when the account is gone
   */
  tokenFor(grant: Grant): Promise<{ readonly token: Concealed; readonly expiresAt: Instant }>;
  /** How people reach this API server: its address, and the certificates of its authority, base64 of PEM; null: those that machines trust. */
  entrance(): { readonly server: string; readonly authority: string | null };

  /** Writes into the lease, where it is still there, that the grant is ending: a Redis that is lost then does not revive it. */
  markEnding(grant: Grant): Promise<void>;
  /**
   * Deletes the bindings of many grants, as fast as it goes. Answers those that have none any more, in the order in which they went. Never
   * throws: what fails here, each grant's own revocation does again.
   */
  cutRights(grants: readonly GrantSummary[]): Promise<GrantId[]>;
  /** Waits until the API server refuses something of what the grant gave. @throws Unavailable when it does not */
  confirmRefused(grant: Grant): Promise<void>;

  /**
   * Of `ending`, in this order. Each waits until the API server confirms it, and throws Unavailable when it does not. `takeRights` answers true
   * when something of them was in force until now.
   */
  takeRights(grant: Grant): Promise<boolean>;
  closeAdmission(grant: Grant): Promise<void>;
  endWorkspace(grant: Grant): Promise<void>;
  lowerGuard(grant: Grant): Promise<void>;
  dropLeases(grant: Grant): Promise<void>;
  /** What is left of the grant in the cluster, objects by `kind namespace/name`; rights whose subjects are empty do not count. */
  remains(grant: Grant): Promise<string[]>;
  /** Bindings of others by which the person still may do what the grant allowed. */
  otherAccess(grant: Grant): Promise<string[]>;

  /** Everything that carries our instance. */
  found(): Promise<Found[]>;
  /** Deletes that object; a RoleBinding that stays loses its subjects. False: it is still there, and in force. */
  remove(found: Found): Promise<boolean>;
  /** True once no pod of the grant is in that namespace, its workspace or its shell on a node. */
  podsGone(id: GrantId, namespace: string): Promise<boolean>;
  /** The objects that this grant has, `kind namespace/name`, for messages and audit. */
  objectsOf(grant: Grant | GrantSummary): string[];
}
