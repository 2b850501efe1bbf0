import type { Instant } from '../../domain/clocks.ts';
import type { Bounds, Daily } from '../../domain/decide/limits.ts';
import type { Grant } from '../../domain/grant/grant.ts';
import type { GrantSummary } from '../../domain/grant/summary.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { Person } from '../../domain/people/people.ts';
import type { Noting } from './audit.ts';

/**
 * What became of a request: it is stored; its id was taken; the policy itself has approved as many today as it does; or the same (`asks` of the
 * summary) waits or is open for this person. But for the first nothing was stored.
 */
export type Stored = { readonly is: 'made' | 'taken' | 'spent' } | { readonly is: 'asked'; readonly id: GrantId };

/**
 * An audit entry that is given with a change is stored in the same step: no crash makes one without the other, and whatever the change did
 * is recorded before anything is done on it. Where nothing is changed, nothing is recorded.
 */
export interface GrantStore {
  /** Stores one that exists already, such as what was found in the cluster. False when the id is taken. */
  create(grant: Grant, noting?: Noting): Promise<boolean>;
  /**
   * Stores a request, and counts it, in one step with the look at what its requester has had, by Slack id or by Kubernetes user: of two at the
   * same moment one is the last.
   * @throws Refusal where a limit is reached
   */
  request(grant: Grant, noting: Noting, bounds: Bounds): Promise<Stored>;
  /** What a person has had of a profile since then by the policy itself, or by breaking the glass, the earliest first, as far as it was counted. */
  approvedSince(
    how: 'automatic' | 'breakGlass',
    person: Pick<Person, 'slackId' | 'user'>,
    profile: string,
    since: Instant,
  ): Promise<GrantId[]>;
  /** Those of a person, by Slack id or by Kubernetes user, that have not ended; in no particular order. */
  requestedBy(person: Pick<Person, 'slackId' | 'user'>): Promise<GrantSummary[]>;
  /** Those of a person, by Slack id or by Kubernetes user, that have ended within the last weeks: the last ones first, ten at most. */
  endedOf(person: Pick<Person, 'slackId' | 'user'>): Promise<Grant[]>;
  get(id: GrantId): Promise<Grant | null>;
  /**
   * Compare-and-set: `mutate` gets the grant as it is and returns its next value, or null to leave it; it may run again when somebody else
   * was faster, and may throw a Refusal. A longer window of a grant whose end was claimed is refused. Answers the grant as it is afterwards, and whether this call changed it; null: no such grant.
   * @param automatic the policy itself makes this change: counted in the same step, and not made where that was the day's last already
   */
  change(
    id: GrantId,
    mutate: (grant: Grant) => Grant | null,
    noting?: Noting,
    automatic?: Daily | null,
  ): Promise<{ grant: Grant; changed: boolean } | null>;
  /**
   * Of all that have not ended, in portions and in no particular order; one may come twice.
   * @param which those that are pending alone, or all but these; left out: all
   */
  summaries(which?: 'pending' | 'not pending'): AsyncIterable<readonly GrantSummary[]>;
  /** The records of those of these that have not ended. */
  records(ids: readonly GrantId[]): Promise<Grant[]>;
  /** Break-glass access that has ended and waits for its review; kept until it has one. */
  unreviewed(): Promise<Grant[]>;
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
