import type { Instant } from '../../domain/clocks.ts';
import type { Grant } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';

/** What the audit is to say of a change of a grant, made of the grant as it is afterwards. */
export type Noting = (grant: Grant) => AuditEntry;

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
  /** Where it has a name. */
  readonly cluster?: string;
  readonly target?: string;
  readonly requester?: string;
  /** The key of the ticket that it was asked for with. */
  readonly ticket?: string;
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
