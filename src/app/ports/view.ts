import type { Grant } from '../../domain/grant/grant.ts';
import type { Principals } from '../../domain/policy/policy.ts';

/** A grant with all that a message about it says: what the Slack adapter renders, and nothing that it has to look up. */
export interface View {
  readonly grant: Grant;
  /** The profile's approvers as in the policy now; null when the policy has no such profile any more. */
  readonly approvers: Principals | null;
  /** How many more people must approve. */
  readonly missing: number;
  /** `kind namespace/name`, in the order of making. */
  readonly objects: readonly string[];
  /** What the requester can run now, a line each; empty without access. */
  readonly commands: readonly string[];
  /** What ends at the end of the window and what may live on, in a sentence. */
  readonly closing: string;
  /** Short digest of what Approve and Deny decide on now: the plan, or the extension that is asked for. */
  readonly digest: string;
  /** Seconds by which the window can still be extended; 0: it can't. */
  readonly extendable: number;
}
