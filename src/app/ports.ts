import type { Instant } from '../domain/clocks.ts';
import type { LabelSelector, PortRef } from '../domain/confinement.ts';
import type { Grant } from '../domain/grant.ts';
import type { GrantSummary } from '../domain/grant-summary.ts';
import type { GrantId } from '../domain/ids.ts';
import type { Account, Person } from '../domain/people.ts';
import type { Plan } from '../domain/plan.ts';
import type { Policy, Profile } from '../domain/policy.ts';
import type { ProbeVerdict } from '../domain/probe.ts';
import type { Rule } from '../domain/rights.ts';
import type { Target, Wanted } from '../domain/target.ts';
import type { OtherPolicies } from '../network/layer.ts';
import type { Cluster, NetworkPolicy } from '../network/types.ts';
import type { Conditions } from './conditions.ts';
import type { View } from './view.ts';

/** The world as the app sees it, in domain words. Adapters implement these; every method may throw `Unavailable`. */

export interface Clock {
  now(): Instant;
  /** Why nothing may be granted by this clock now, as a phrase; null: it may. Ending goes on all the same. */
  doubt(): string | null;
}

/** The policy in force: the last good file. */
export interface PolicySource {
  current(): Policy;
  /** Why a profile is not offered now (it needs rights that the bot does not have), or null. */
  disabled(profile: string): string | null;
}

/** What the audit is to say of a change of a grant, made of the grant as it is afterwards. */
export type Noting = (grant: Grant) => AuditEntry;

/**
 * An audit entry that is given with a change is stored in the same step: no crash makes one without the other, and whatever the change did
 * is recorded before anything is done on it. Where nothing is changed, nothing is recorded.
 */
export interface GrantStore {
  /**
   * False when the id is taken.
   * @param limit `person`: a request of somebody who has {@link MOST_PENDING} waiting already is refused, by Slack id or by Kubernetes user, in
   * the very step that stores it
   */
  create(grant: Grant, noting?: Noting, limit?: 'person'): Promise<boolean>;
  /** Those of a person, by Slack id or by Kubernetes user, that have not ended; in no particular order. */
  requestedBy(person: Pick<Person, 'slackId' | 'user'>): Promise<GrantSummary[]>;
  get(id: GrantId): Promise<Grant | null>;
  /**
   * Compare-and-set: `mutate` gets the grant as it is and returns its next value, or null to leave it; it may run again when somebody else
   * was faster, and may throw a Refusal. A longer window of a grant whose end was claimed is refused. Answers the grant as it is afterwards, and whether this call changed it; null: no such grant.
   */
  change(
    id: GrantId,
    mutate: (grant: Grant) => Grant | null,
    noting?: Noting,
  ): Promise<{ grant: Grant; changed: boolean } | null>;
  /** Of all that have not ended, in portions and in no particular order; one may come twice. */
  summaries(): AsyncIterable<readonly GrantSummary[]>;
  /** The records of those of these that have not ended. */
  records(ids: readonly GrantId[]): Promise<Grant[]>;
  /** The records of all that have not ended and are asked for. */
  open(which: (summary: GrantSummary) => boolean): Promise<Grant[]>;
  /**
   * Claims up to `most` active grants whose window has ended by `now`, the earliest first, for the caller alone: none is handed out twice, and
   * none can be extended from then on.
   */
  takeDue(now: Instant, most: number): Promise<GrantSummary[]>;
  /** When the next one is due; null: none is active. */
  nextDue(): Promise<Instant | null>;
  /** True the first time within `seconds`, among all replicas: to say a thing once. */
  firstTime(key: string, seconds: number): Promise<boolean>;
  /** Takes the next number of this key (1, 2, 3 …), among all replicas; it begins anew once none has been taken for `seconds`. */
  takeNumber(key: string, seconds: number): Promise<number>;
  /** The number that was taken last; 0: none. */
  lastNumber(key: string): Promise<number>;
}

/** What is told of a grant, to whom the Slack adapter knows. Rendered from the grant as it is when it is delivered. */
export type News =
  | 'message' // post the approval message, or bring it up to date
  | 'unposted' // DM to the requester: the approval message can't be posted
  | 'reminder' // into the message's thread: still waiting
  | 'asked-again' // into the message's thread: the plan differs now
  | 'granted' // DM to the requester: approved, with what to run
  | 'denied'
  | 'cancelled'
  | 'timed-out'
  | 'warning' // DM before expiry, with Extend
  | 'extension' // into the message's thread: a longer window is asked for
  | 'extended'
  | 'extension-answer' // into the message's thread: it was denied
  | 'extension-denied'
  | 'pods' // DM thread: the names of the pods have changed
  | 'ended'; // DM: expired, revoked or failed, as the state says

/** Payloads carry ids only: what may be done is looked up when the job runs. `v` is the version of the format. */
export type Job =
  | { readonly v: 1; readonly kind: 'apply' | 'revoke' | 'warn' | 'timeout' | 'remind'; readonly id: GrantId }
  | { readonly v: 1; readonly kind: 'tell'; readonly id: GrantId; readonly news: News }
  | { readonly v: 1; readonly kind: 'alarm'; readonly id: GrantId | null; readonly text: string };

export interface Scheduler {
  /** Runs the job at that time, or now. The same job (kind, id, news) scheduled again moves to the new time. */
  schedule(job: Job, at?: Instant): Promise<void>;
  cancel(job: Job): Promise<void>;
  /**
   * Runs the job now, unless one was scheduled under this key within `seconds`: in one step, so that a key is only taken by a job that is stored.
   * Answers whether it was stored.
   */
  scheduleOnce(job: Job, key: string, seconds: number): Promise<boolean>;
  /** A job under this key may be scheduled once more. */
  forget(key: string): Promise<void>;
  /** Those of them that are not scheduled for their time: an index each. Far cheaper than to schedule all of them anew. */
  unscheduled(wanted: readonly { readonly job: Job; readonly at: Instant }[]): Promise<number[]>;
}

export interface Notifier {
  /** Delivers news; answers what must be remembered of it (where the message is). Idempotent for `message`. */
  deliver(view: View, news: News): Promise<Partial<Pick<Grant, 'message' | 'thread'>>>;
  /** To every administrator: something is wrong that a person must act on. */
  alarm(policy: Policy, id: GrantId | null, text: string): Promise<void>;
}

/** How old what is known of a list may be: for decisions read `now` (or in the last seconds), for offers `recently`. */
export type Freshness = 'now' | 'recently';
/** It can't be read, for whatever reason; when to try again, in seconds; null: not before somebody has changed something. */
export interface Unreadable {
  readonly retryIn: number | null;
}

export interface Directory {
  /** The account as Slack has it now; null when there is none. */
  account(slackId: string): Promise<Account | null>;
  /** All accounts of this workspace, in portions, and no faster than Slack bears: it may take minutes. */
  everyone(): AsyncIterable<readonly Account[]>;
  /** The one account of this workspace that has this e-mail address; null when there is none. */
  accountWith(email: string): Promise<Account | null | Unreadable>;
  /** Slack ids of the members of a user group (S…) or channel (C…, G…). */
  members(list: string, freshness: Freshness): Promise<ReadonlySet<string> | Unreadable>;
}

/** What Slack says of people. A hint, never the truth: what it names is read anew. */
export interface PeopleChange {
  /** User groups and channels whose members are others now. */
  readonly lists: readonly string[];
  /** Accounts that are deactivated now. */
  readonly deactivated: readonly string[];
}

export interface AuditEntry {
  readonly at: Instant;
  /** What happened: `requested`, `approved`, `active`, … */
  readonly event: string;
  readonly id: GrantId | null;
  /** Kubernetes user (empty when the account leads to none) and Slack id of who did it; null: Drawbridge itself. */
  readonly actor: { readonly user: string; readonly slackId: string } | null;
  readonly from?: string;
  readonly to?: string;
  readonly rule?: string;
  readonly digest?: string;
  readonly note?: string;
  readonly profile?: string;
  readonly target?: string;
  readonly requester?: string;
  readonly expiresAt?: string;
  readonly objects?: readonly string[];
  /** Milliseconds between due and confirmed, for endings. */
  readonly lateness?: number;
}

export interface Audit {
  /**
   * One line on stdout and one entry of the chain, for what changes no grant. Never throws: an entry that can't be stored is printed, and
   * stored as soon as that can be done.
   */
  record(entry: AuditEntry): Promise<void>;
}

/** An object in the cluster. */
export interface ObjectRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** An object that carries our instance. */
export interface Found extends ObjectRef {
  readonly id: GrantId | null;
  readonly sealed: boolean;
  /** Its seal holds but for the lease that owned it, which is gone: ours, and nothing of Kubernetes will end it. */
  readonly orphaned: boolean;
  /** A RoleBinding without subjects, or a Role without rules: it gives nothing. */
  readonly inert: boolean;
  /** Another version of Drawbridge sealed it, and only that version can judge it: it is left alone. */
  readonly otherVersion: boolean;
  /** Only of sealed and of orphaned objects. */
  readonly expiresAt: Instant | null;
  /** The whole grant, which sealed leases carry; see manifests. Read when it is asked for; null: there is none. */
  readonly record: () => Promise<Grant | null>;
  /** That record says that the grant is ending. */
  readonly ending: boolean;
  /** Somebody has deleted it, a finalizer keeps it. */
  readonly deleting: boolean;
}

/** What carries our instance, by the id that it carries; '' where that is none. */
export type FoundByGrant = ReadonlyMap<string, readonly Found[]>;

/** Everything that carries our instance, as the cluster tells of it: what has changed is known a moment later. */
export interface OwnObjects {
  /** @throws Unavailable while it is not known, or has not been for some seconds */
  byGrant(): FoundByGrant;
  /** What carries this id ('': none). @throws like {@link OwnObjects.byGrant} */
  of(id: string): readonly Found[];
  /** Whether it is known: false before the first list, and when the watches have been down for some seconds. */
  isKnown(): boolean;
  stop(): void;
}

export interface OwnObjectsListener {
  /** Something that carries this id ('': none) came, was changed or is gone. Not for what the first list has. */
  readonly onChange: (id: string) => void;
  /** All of it has been listed, for the first time or after a gap. */
  readonly onListed: () => void;
}

/** The Service by which a target was named, in front of exactly the pods of its workload. */
export interface FrontService {
  readonly name: string;
  readonly headless: boolean;
  /** Where people dial it, and the container port at which that arrives; empty where the profile opens no connection. */
  readonly ports: readonly (PortRef & { readonly dialled: number })[];
}

/** What a plan is made of: the target as it is now, and the cluster around it. */
export interface Survey {
  /** When it was made. */
  readonly asOf: Instant;
  /** The uid of the cluster's `kube-system`. */
  readonly clusterUid: string;
  /** The uid of the target's namespace: another one may have its name one day. */
  readonly namespaceUid: string;
  /** The target that was asked for; of a Service with the workload that is behind it now. */
  readonly target: Target;
  /** Null for a target that is not named by a Service. */
  readonly service: FrontService | null;
  /** Null for scope namespace. */
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
    /** Services that select exactly these pods; the one alone by which the target was named. */
    readonly services: readonly { readonly name: string; readonly clusterIP: string | null }[];
    /** Names of other pods that the selector selects and that have the same owner: of a Pod, its siblings. */
    readonly kin: readonly string[];
    /** Other pods that the selector selects though they belong to something else. */
    readonly strangers: readonly string[];
  } | null;
  /** The rules of the named role; null for inline rules. */
  readonly roleRules: readonly Rule[] | null;
  /** Namespaces, pods and policies: what reachability is computed from. Null where the profile opens and closes nothing and lets nobody into a pod. */
  readonly cluster: Cluster | null;
  /** What else decides on connections in this cluster. Only with `cluster`, else empty. */
  readonly otherPolicies: OtherPolicies;
  /** Why no probe could tell whether the cluster enforces NetworkPolicies, one phrase; null: one can, or there is no workspace. */
  readonly unprobed: string | null;
}

/** The cluster. Steps are idempotent: each may run again after a crash. */
export interface ClusterAccess {
  /** Where workspaces live. */
  readonly workspacesNamespace: string;
  /** Namespaces that no request can name: Drawbridge's own. */
  readonly closedNamespaces: readonly string[];
  /** What the bot lacks to give this profile, a phrase each; empty: it can. */
  missingRights(profile: Profile): Promise<string[]>;
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
  namespaces(): Promise<string[]>;
  /** What can be a target there: workloads, and Services (kind `Service`) that select pods. */
  workloads(namespace: string): Promise<{ kind: string; name: string }[]>;
  /** @throws Refusal when the target is not there, or is a Service that stands for no one workload. */
  survey(target: Wanted, profile: Profile): Promise<Survey>;
  /** What reachability is computed from, as it is now. */
  snapshot(): Promise<Cluster>;
  /** The policies in that namespace that are not of a grant of this instance: also those that carry the labels of another. */
  foreignPolicies(namespace: string): Promise<readonly NetworkPolicy[]>;
  /** What a named role allows now; empty when there is none. */
  rulesOf(role: NonNullable<Plan['role']>, namespace: string): Promise<readonly Rule[]>;

  /** Of `applying`, in this order. */
  placeLeases(grant: Grant): Promise<void>;
  raiseGuard(grant: Grant): Promise<void>;
  /** Lets the workspace, or the sources of the profile, into the target. */
  admit(grant: Grant): Promise<void>;
  /** Answers the name of the pod, once it runs, and what its probe saw before; null: it has none. */
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

  /** Writes into the lease, where it is still there, that the grant is ending: a Redis that is lost then does not revive it. */
  markEnding(grant: Grant): Promise<void>;
  /**
   * Deletes the RoleBindings of many grants, as fast as it goes. Answers those that have none any more, in the order in which they went. Never
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
  /** True once no pod of the grant's workspace is there. */
  workspaceGone(id: GrantId): Promise<boolean>;
  /** The objects that this grant has, `kind namespace/name`, for messages and audit. */
  objectsOf(grant: Grant | GrantSummary): string[];
}

/** One hand at a time on the objects of one grant, among all replicas. */
export interface Locks {
  /**
   * Runs `work` while nobody else does for the same grant. A holder that died lets go within a few seconds.
   * @throws Unavailable when another holds it for longer than a few seconds
   */
  exclusively<T>(id: GrantId, work: () => Promise<T>): Promise<T>;
}

/** What administrators are told: that something is wrong on which a person must act. */
export interface Alarms {
  /** Once an hour for each `key`, among all replicas. Never throws: what the queue does not take now it is given by `settle`. */
  raise(key: string, id: GrantId | null, text: string): Promise<void>;
  /** What was raised under this key is over: when it comes again, it is told again. */
  over(key: string): Promise<void>;
  /** Tries again what the queue has not taken. Never throws. */
  settle(): Promise<void>;
}

/** Everything that the app is given. */
export interface World {
  readonly clock: Clock;
  readonly policies: PolicySource;
  readonly store: GrantStore;
  readonly locks: Locks;
  readonly scheduler: Scheduler;
  readonly notifier: Notifier;
  readonly directory: Directory;
  readonly audit: Audit;
  readonly cluster: ClusterAccess;
  readonly alarms: Alarms;
  readonly conditions: Pick<Conditions, 'hindrance' | 'doubt'>;
}
