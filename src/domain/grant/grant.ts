import type { Instant } from '../clocks.ts';
import type { GrantId } from '../ids.ts';
import type { Person } from '../people/people.ts';
import type { Kept } from '../plan/narrower.ts';
import type { Plan } from '../plan/plan.ts';
import { isSamePerson } from '../policy/identity.ts';
import type { Kit } from '../rights/kits.ts';
import type { ClusterName, Target } from '../target.ts';
import type { Ticket } from '../ticket.ts';

export type OpenState = 'pending' | 'approved' | 'applying' | 'active' | 'ending';
export type EndState = 'denied' | 'cancelled' | 'timed-out' | 'expired' | 'revoked' | 'failed';
export type GrantState = OpenState | EndState;

/** The legal transitions. `ending` is left only after the teardown was verified. */
const TRANSITIONS: Record<GrantState, readonly GrantState[]> = {
  pending: ['denied', 'cancelled', 'timed-out', 'approved'],
  approved: ['applying', 'cancelled', 'pending'],
  applying: ['active', 'ending'],
  active: ['active', 'ending'],
  ending: ['expired', 'revoked', 'failed'],
  denied: [],
  cancelled: [],
  'timed-out': [],
  expired: [],
  revoked: [],
  failed: [],
};

/** All states, in the order of the journey. */
export const GRANT_STATES = Object.keys(TRANSITIONS) as readonly GrantState[];

export function mayBecome(from: GrantState, to: GrantState): boolean {
  return TRANSITIONS[from].includes(to);
}

/** True once nothing can happen to a grant any more. */
export function hasEnded(state: GrantState): state is EndState {
  return TRANSITIONS[state].length === 0;
}

/** True while objects of the grant may be in the cluster. */
export function holdsAccess(state: GrantState): boolean {
  return state === 'applying' || state === 'active' || state === 'ending';
}

/** A request on which people are to decide; the policy itself approves one that needs no approval. */
export function waitsForApproval({ state, approvalsNeeded }: Pick<Grant, 'state' | 'approvalsNeeded'>): boolean {
  return state === 'pending' && approvalsNeeded > 0;
}

/** Whether break-glass access has ended and nobody has reviewed it yet. What was never open needs no review. */
export function awaitsReview({ state, breakGlass }: Pick<Grant, 'state' | 'breakGlass'>): boolean {
  return breakGlass?.review === null && (state === 'expired' || state === 'revoked' || state === 'failed');
}

/** One person's word on a request, or the policy's own (`by` null: automatic approval). */
export interface Decision {
  readonly by: Person | null;
  readonly verdict: 'approve' | 'deny';
  readonly at: Instant;
  /** The rule of the policy that allowed this decision. */
  readonly rule: string;
  readonly note: string;
  /** The digest of the plan that was decided on. */
  readonly digest: string;
  /** Of an approval: the names of the steps that this person could decide at that moment. Left out: the only step that there was. */
  readonly steps?: readonly string[];
}

/** A step of the policy that is not needed, since what stands under its `unless` held when it would have been asked. */
export interface WaivedStep {
  readonly name: string;
  /** Those conditions, as a phrase. */
  readonly because: string;
}

/** A wish for a longer window, decided like a request. */
export interface Extension {
  readonly duration: number;
  readonly askedAt: Instant;
  /** How often it was asked for, with each new duration, since somebody answered. */
  readonly asks: number;
  /** The wish that it took the place of, in seconds; null: there was none. */
  readonly replaces: number | null;
  readonly approvals: readonly Decision[];
  /** Left out: none. */
  readonly waived?: readonly WaivedStep[];
}

/** Why an ending was begun. It names the end state: `expired`, `revoked`, or `failed` (an incident or a failure to apply). */
export interface Ending {
  readonly cause: 'expired' | 'revoked' | 'failed';
  readonly since: Instant;
  readonly by: Person | null;
  readonly note: string;
  /** When the API server first refused what the grant had given; null: not yet. */
  readonly rightsGoneAt: Instant | null;
  /** When the policy that let something into the target was gone, or the containment of its pods; null: not yet, or there was none. */
  readonly policyGoneAt: Instant | null;
  /** When the workspace's pod was gone; null: not yet, or there was none. */
  readonly workspaceGoneAt: Instant | null;
}

/** What a reviewer has said of break-glass access after its end. */
export interface GlassReview {
  readonly verdict: 'accepted' | 'flagged';
  readonly by: Person;
  readonly at: Instant;
  readonly rule: string;
  readonly note: string;
}

/** Where a message is in Slack. */
export interface MessageRef {
  readonly channel: string;
  readonly ts: string;
}

/** Version of the stored record; older ones must stay readable. */
export const GRANT_VERSION = 1;

/** The record of one request and of the grant that it becomes. Stored whole; changed only by compare-and-set on `revision`. */
export interface Grant {
  readonly version: typeof GRANT_VERSION;
  readonly id: GrantId;
  readonly revision: number;
  readonly state: GrantState;
  readonly requester: Person;
  readonly profile: string;
  /** The cluster that it is in, by its name in the policy. */
  readonly cluster: ClusterName;
  readonly target: Target;
  /** The rights in words that were asked for; left out: all of the profile. */
  readonly rights?: readonly Kit[];
  /** What an approver has left of it, beside its rights and its time; left out: all of it. */
  readonly narrowed?: Narrowed;
  /** Seconds asked for. */
  readonly duration: number;
  readonly reason: string;
  /** It was asked for by breaking the glass: nobody decides before, and reviewers look at it afterwards. Left out: it was not. */
  readonly breakGlass?: { readonly review: GlassReview | null };
  /** Break-glass access of the same person that nobody had reviewed when this was asked for; left out: none. */
  readonly unreviewed?: readonly GrantId[];
  /** When it is to begin; left out: as soon as it is approved. */
  readonly startAt?: Instant;
  /** The ticket that it was asked for with, as its system told of it then; left out: none. */
  readonly ticket?: Ticket;
  /** What was shown to the approvers, and what will be applied. */
  readonly plan: Plan;
  readonly digest: string;
  /** How many different people must approve; 0: the policy itself did. */
  readonly approvalsNeeded: number;
  /** The steps that are not needed; left out: none. */
  readonly waived?: readonly WaivedStep[];
  /** When the steps were asked, where that was after the request: the plan, or which steps are needed, has changed. */
  readonly askedAt?: Instant;
  /** Which escalations of what waits were told, by their keys; left out: none. */
  readonly escalated?: readonly string[];
  readonly decisions: readonly Decision[];
  readonly createdAt: Instant;
  /** When a pending request times out. */
  readonly pendingUntil: Instant;
  /** The window. Set when the request is approved, and again when `applying` starts. */
  readonly startsAt: Instant | null;
  readonly expiresAt: Instant | null;
  readonly extension: Extension | null;
  /** Of the longer window that was asked for last: null unless it was denied. */
  readonly extensionDenied: Decision | null;
  readonly ending: Ending | null;
  readonly endedAt: Instant | null;
  /** The approval message. */
  readonly message: MessageRef | null;
  /** The requester's "approved" DM: news of this grant goes into its thread. */
  readonly thread: MessageRef | null;
  /** The pods that the Role names now; the workspace pod. */
  readonly pods: readonly string[];
  readonly workspacePod: string | null;
  /** Words for people on what went wrong or must be known, safe to show. */
  readonly remarks: readonly string[];
  /** True once the requester was told of the end: what is told again after a fault is told once. */
  readonly endTold: boolean;
}

/** What is left of what the profile opens. `toWorkload`: the target is one workload of the namespace that was asked for as a whole. */
export interface Narrowed extends Kept {
  readonly toWorkload?: true;
}

/** Thrown when a transition is asked for that the table does not have. */
export class IllegalTransition extends Error {
  constructor(id: GrantId, from: GrantState, to: GrantState) {
    super(`${id} can't go from ${from} to ${to}`);
    this.name = 'IllegalTransition';
  }
}

/**
 * The grant in its next state.
 * @throws IllegalTransition
 */
export function become(
  grant: Grant,
  state: GrantState,
  change: Partial<Omit<Grant, 'id' | 'revision' | 'state'>> = {},
): Grant {
  if (!mayBecome(grant.state, state)) throw new IllegalTransition(grant.id, grant.state, state);
  return { ...grant, ...change, state };
}

/** Approvals of the plan that is shown now, one a person. */
export function approvalsOf(grant: Grant): Decision[] {
  return onePerPerson(grant.decisions.filter((d) => d.verdict === 'approve' && d.digest === grant.digest));
}

/** Of several decisions by one person, the first. */
export function onePerPerson(decisions: readonly Decision[]): Decision[] {
  const isSame = (one: Person | null, other: Person | null) =>
    one === null || other === null ? one === other : isSamePerson(one, other);
  return decisions.filter((d, index) => decisions.findIndex((other) => isSame(other.by, d.by)) === index);
}
