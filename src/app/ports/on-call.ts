import type { OnCallSource } from '../../domain/policy/sources.ts';
import type { Freshness, Unreadable } from './directory.ts';

export interface OnCall {
  /** The e-mail addresses, in lower case, of those who are on call by this source; not of one that is a user group: the directory knows it. */
  addresses(source: OnCallSource, freshness: Freshness): Promise<ReadonlySet<string> | Unreadable>;
}
