import type { Instant } from '../../domain/clocks.ts';
import type { LabelSelector, PortRef } from '../../domain/plan/confinement.ts';
import type { Resources } from '../../domain/quantity.ts';
import type { Rule } from '../../domain/rights/rights.ts';
import type { Target } from '../../domain/target.ts';
import type { OtherPolicies } from '../../network/layer.ts';
import type { Cluster } from '../../network/types.ts';

/** The Service by which a target was named, in front of exactly the pods of its workload. */
export interface FrontService {
  readonly name: string;
  readonly headless: boolean;
  /** Where people dial it, and the container port at which that arrives; empty where the profile opens no connection. */
  readonly ports: readonly (PortRef & { readonly dialled: number })[];
}

/**
 * What a survey is for. `bound`: what an approval binds is as of now. `shown`: of that only the workload, its namespace and the named role are;
 * pods, policies and Services may be a moment old.
 */
export type SurveyPurpose = 'bound' | 'shown';

/** What a plan is made of: the target as it is now, and the cluster around it. */
export interface Survey {
  /** When it was made. */
  readonly asOf: Instant;
  /** The uid of the cluster's `kube-system`. */
  readonly clusterUid: string;
  /** The uid of the target's namespace: another one may have its name one day. Null: it is in none. */
  readonly namespaceUid: string | null;
  /** The node that is the target, and whose pods run on it: workloads (`deployment/checkout`), by namespace. Null or left out: it is no node. */
  readonly node?: {
    readonly uid: string;
    readonly workloads: readonly { readonly namespace: string; readonly workload: string; readonly count: number }[];
  } | null;
  /** The target that was asked for; of a Service with the workload that is behind it now. */
  readonly target: Target;
  /** Null for a target that is not named by a Service. */
  readonly service: FrontService | null;
  /** Null where no one workload is the target. */
  readonly workload: {
    readonly uid: string;
    readonly selector: LabelSelector;
    /** Of its pod template; of a Pod its own. */
    readonly labels: Readonly<Record<string, string>>;
    /** Those that run. */
    readonly pods: readonly { readonly name: string; readonly ip: string; readonly hostNetwork: boolean }[];
    /** Names of those that have ended and are still there: their logs can be read. */
    readonly ended: readonly string[];
    /** How many pods it is to have, where it says so. */
    readonly replicas: number | null;
    /** Ports that every pod of the target declares; of a Service, where its traffic arrives. */
    readonly ports: readonly PortRef[];
    /** Services that select exactly these pods; the one alone by which the target was named. Without ports: where it is dialled is not known. */
    readonly services: readonly {
      readonly name: string;
      readonly clusterIP: string | null;
      readonly ports?: FrontService['ports'];
    }[];
    /** Names of other pods that the selector selects and that have the same owner: of a Pod, its siblings. */
    readonly kin: readonly string[];
    /** Other pods that the selector selects though they belong to something else. */
    readonly strangers: readonly string[];
  } | null;
  /** The most that a workspace may be given in this cluster; left out: it is not limited. */
  readonly mostResources?: Resources;
  /** The rules of the named role; null for inline rules. */
  readonly roleRules: readonly Rule[] | null;
  /** Namespaces, pods and policies: what reachability is computed from. Null where the profile opens and closes nothing and lets nobody into a pod. */
  readonly cluster: Cluster | null;
  /** Since when it is not heard of what changes in the cluster: so old is what lies around the target. Null: it is as of now. */
  readonly staleSince: Instant | null;
  /** What else decides on connections in this cluster. Only with `cluster`, else empty. */
  readonly otherPolicies: OtherPolicies;
  /** Why no probe could tell whether the cluster enforces NetworkPolicies, one phrase; null: one can, or there is no workspace. */
  readonly unprobed: string | null;
}
