import type { TicketSource } from '../../domain/policy/sources.ts';
import type { TicketVerdict } from '../../domain/ticket.ts';
import type { Unreadable } from './directory.ts';

/** What the ticket is to be judged for. */
export interface TicketUse {
  readonly key: string;
  /** The Kubernetes user of whoever asks, and the e-mail addresses that are theirs, in lower case. */
  readonly requester: { readonly user: string; readonly addresses: readonly string[] };
  readonly profile: string;
  readonly namespace: string;
  /** `Deployment/checkout`; null: the whole namespace. */
  readonly workload: string | null;
  /** Seconds. */
  readonly duration: number;
  readonly reason: string;
}

export interface Tickets {
  /** What the ticket system says of it now. */
  judge(source: TicketSource, use: TicketUse): Promise<TicketVerdict | Unreadable>;
}
