import type { Account } from '../../domain/people/people.ts';

/** How old what is known of a list may be: for decisions read `now` (or in the last seconds), for offers `recently`. */
export type Freshness = 'now' | 'recently';

/** It can't be read, for whatever reason; when to try again, in seconds; null: not before somebody has changed something. */
export interface Unreadable {
  readonly retryIn: number | null;
}

export interface Directory {
  /** The account as Slack has it now, or (`recently`) had it some minutes ago, for who is told; null when there is none. */
  account(slackId: string, freshness?: Freshness): Promise<Account | null>;
  /** All accounts of this workspace, in portions, and no faster than Slack bears: it may take minutes. */
  everyone(): AsyncIterable<readonly Account[]>;
  /** The one account of this workspace that has this e-mail address; null when there is none. `freshness`: as of `account`. */
  accountWith(email: string, freshness?: Freshness): Promise<Account | null | Unreadable>;
  /** The handle of a user group, without its @: how people call it; null when there is none. It may be some minutes old. */
  handle(group: string): Promise<string | null>;
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
