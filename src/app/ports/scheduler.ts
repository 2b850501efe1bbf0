import type { Instant } from '../../domain/clocks.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { News } from './notifier.ts';

/**
 * Payloads carry ids only: what may be done is looked up when the job runs. `v` is the version of the format: older versions leave a job of a newer
 * one alone.
 */
export type Job =
  | { readonly v: 1; readonly kind: 'apply' | 'revoke' | 'warn' | 'timeout' | 'remind'; readonly id: GrantId }
  | { readonly v: 2; readonly kind: 'escalate'; readonly id: GrantId }
  /** Reviewers of break-glass access are asked. */
  | { readonly v: 3; readonly kind: 'review'; readonly id: GrantId }
  | { readonly v: 1 | 2 | 3; readonly kind: 'tell'; readonly id: GrantId; readonly news: News }
  /** A direct message to one person who may decide. */
  | { readonly v: 2; readonly kind: 'ask'; readonly id: GrantId; readonly slackId: string }
  | { readonly v: 1; readonly kind: 'alarm'; readonly id: GrantId | null; readonly text: string };

export interface Scheduler {
  /** Runs the job at that time, or now. The same job (kind, id, news) scheduled again moves to the new time. */
  schedule(job: Job, at?: Instant): Promise<void>;
  cancel(job: Job): Promise<void>;
  /**
   * Runs the job now, unless one was scheduled under this key within `seconds`: in one step, so that a key is only taken by a job that is stored.
   * Answers whether it was stored.
   */
  scheduleOnce(job: Job, key: string, seconds: number): Promise<boolean>;
  /** A job under this key may be scheduled once more. */
  forget(key: string): Promise<void>;
  /** Those of them that are not scheduled for their time: an index each. Far cheaper than to schedule all of them anew. */
  unscheduled(wanted: readonly { readonly job: Job; readonly at: Instant }[]): Promise<number[]>;
}
