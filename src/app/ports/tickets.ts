import type { TicketSource } from '../../domain/policy/sources.ts';
import type { TicketUse, TicketVerdict } from '../../domain/ticket.ts';
import type { Unreadable } from './directory.ts';

/** What the ticket is to be judged for, and for whom. */
export interface PersonalTicketUse extends TicketUse {
  /** The Kubernetes user of whoever asks, and the e-mail addresses that are theirs, in lower case. */
  readonly requester: { readonly user: string; readonly addresses: readonly string[] };
}

export interface Tickets {
  /** What the ticket system says of it now. */
  judge(source: TicketSource, use: PersonalTicketUse): Promise<TicketVerdict | Unreadable>;
}
