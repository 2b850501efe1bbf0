import type { Instant } from './clocks.ts';

/** A ticket that a request was made for, as its system told of it. */
export interface Ticket {
  readonly key: string;
  /** One line; empty where there is none. */
  readonly title: string;
  /** Where people read it, by https; null: nowhere. */
  readonly link: string | null;
}

/** What a ticket is to be judged for. */
export interface TicketUse {
  readonly key: string;
  readonly profile: string;
  /** Left out: there is one, without a name. */
  readonly cluster?: string;
  /** Null: it is in none. */
  readonly namespace: string | null;
  /** Left out: it is no node. */
  readonly node?: string;
  /** `Deployment/checkout`; null: no one workload. */
  readonly workload: string | null;
  /** Seconds. */
  readonly duration: number;
  readonly reason: string;
}

/** The longest key of a ticket: characters. */
export const LONGEST_KEY = 64;

/** What the ticket system says of a ticket now. `until`: how long it holds, null: as long as it says so; `why`: one sentence. */
export type TicketVerdict =
  | { readonly is: 'allowed'; readonly ticket: Ticket; readonly until: Instant | null }
  | { readonly is: 'refused'; readonly why: string };
