import type { Grant } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { Entry } from '../../domain/people/people.ts';
import type { Policy } from '../../domain/policy/policy.ts';
import type { View } from './view.ts';

/** What is told of a grant, to whom the Slack adapter knows. Rendered from the grant as it is when it is delivered. */
export type News =
  | 'message' // post the approval message, or bring it up to date
  | 'unposted' // DM to the requester: the approval message can't be posted
  | 'reminder' // into the message's thread: still waiting
  | 'step' // into the message's thread: the next step is asked
  | 'escalated' // into the message's thread: more people may decide
  | 'asked-again' // into the message's thread: the plan differs now
  | 'scheduled' // DM to the requester: approved, and it begins later
  | 'granted' // DM to the requester: approved, with what to run
  | 'narrowed' // DM to the requester: an approver has taken something away
  | 'denied'
  | 'cancelled'
  | 'timed-out'
  | 'warning' // DM before expiry, with Extend
  | 'extension' // into the message's thread: a longer window is asked for
  | 'extended'
  | 'not-extended' // the cluster did not take the longer window
  | 'extension-answer' // into the message's thread: it was denied
  | 'extension-denied'
  | 'pods' // DM thread: the names of the pods have changed
  | 'review' // into the message's thread: break-glass access has ended and waits for its review
  | 'reviewed' // DM: what a reviewer has said of it
  | 'ended'; // DM: expired, revoked or failed, as the state says

export interface Notifier {
  /** Delivers news; answers what must be remembered of it (where the message is). Idempotent for `message`. */
  deliver(view: View, news: News): Promise<Partial<Pick<Grant, 'message' | 'thread'>>>;
  /** A direct message to somebody who may decide on what waits, with the entry of the policy that names them. */
  ask(view: View, slackId: string, entry: Entry): Promise<void>;
  /** To every administrator: something is wrong that a person must act on. */
  alarm(policy: Policy, id: GrantId | null, text: string): Promise<void>;
}
