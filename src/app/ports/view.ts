import type { Escalation } from '../../domain/decide/steps.ts';
import type { Decision, Grant } from '../../domain/grant/grant.ts';
import type { Principals } from '../../domain/policy/policy.ts';

/** How a message names one entry of the approvers: by words, which call nobody, and by Slack ids (U…), whom Slack notifies. Neither: not at all. */
export interface Naming {
  readonly words: string | null;
  readonly call: readonly string[];
}

/** One step of an approval. */
export interface StepView {
  readonly name: string;
  /** `waits`: a step before it is not complete; `waived`: it is not needed. */
  readonly state: 'asked' | 'complete' | 'waits' | 'waived';
  /** Who may decide it now, those to whom it has escalated among them. */
  readonly people: Principals;
  /** How many must approve. */
  readonly count: number;
  /** Those that count for it. */
  readonly approvals: readonly Decision[];
  /** Of one that is waived: the conditions that hold, as a phrase; empty of others. */
  readonly because: string;
}

/** A grant with all that a message about it says: what the Slack adapter renders, and nothing that it has to look up. */
export interface View {
  readonly grant: Grant;
  /** What the profile gives, in the policy's words; empty: they say nothing of it. */
  readonly description: string;
  /** Who may decide now on the steps that are asked and not complete; null when the policy has no such profile any more. */
  readonly approvers: Principals | null;
  /** How entries of `approvers` are named, where that was looked up; the others are named as they stand in the policy. */
  readonly naming: ReadonlyMap<string, Naming>;
  /** True when whoever asks may decide, too. */
  readonly selfApproval: boolean;
  /** All steps of what was asked last, in the policy's order; empty when the policy has no such profile any more. */
  readonly steps: readonly StepView[];
  /** Those to whom steps have escalated and who were not told. */
  readonly escalations: readonly Escalation[];
  /** How many more people must approve. */
  readonly missing: number;
  /** `kind namespace/name`, in the order of making. */
  readonly objects: readonly string[];
  /** What the requester can run now, a line each; empty without access. */
  readonly commands: readonly string[];
  /** The kubeconfig to act by, without its token, which is taken by itself; null: the person acts as their own user, or has no access. */
  readonly kubeconfig: string | null;
  /** What ends at the end of the window and what may live on, in a sentence. */
  readonly closing: string;
  /** Short digest of what Approve and Deny decide on now: the plan, or the extension that is asked for. */
  readonly digest: string;
  /** Of break-glass access: who reviews it, and whether that is open now; null: it is none. */
  readonly glass: { readonly reviewers: Principals; readonly awaitsReview: boolean } | null;
  /** Seconds by which the window can still be extended; 0: it can't. */
  readonly extendable: number;
}
