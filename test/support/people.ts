import { type Account, type Answer, type Asking, concluded, type Question } from '../../src/domain/people/people.ts';
import type { TicketVerdict } from '../../src/domain/ticket.ts';

/** Who is in which list, by Slack id; a list that is not given can't be read. */
export interface Known {
  readonly lists?: Readonly<Record<string, readonly { readonly slackId: string }[]>>;
  /** Who is on call, by source, as Slack ids; a source that is not given can't be read. */
  readonly onCall?: Readonly<Record<string, readonly { readonly slackId: string }[]>>;
  /** Verdicts by key; a ticket that is not given can't be read. */
  readonly tickets?: Readonly<Record<string, TicketVerdict>>;
  readonly accounts?: readonly Account[];
  /** E-mail addresses can't be looked up. */
  readonly addressesUnread?: boolean;
  /** What the policy itself has approved, the earliest first. */
  readonly approved?: readonly { readonly id: string; readonly profile: string; readonly at: number }[];
}

export const RETRY_IN = 20;

/** Makes a decision from what is known; with what it asked for, in order and each once. */
export function decideWith<T>(asking: Asking<T>, known: Known = {}): { decided: T; asked: string[] } {
  const asked = new Set<string>();
  const answerTo = (question: Question): Answer => {
    if (question.about === 'ticket') {
      asked.add(question.use.key);
      return known.tickets?.[question.use.key] ?? { retryIn: RETRY_IN };
    }
    if (question.about === 'onCall') {
      asked.add(`oncall:${question.source}`);
      const found = known.onCall?.[question.source];
      return found === undefined ? { retryIn: RETRY_IN } : new Set(found.map(({ slackId }) => slackId));
    }
    if (question.about === 'approved') {
      const { profile, since } = question;
      const counted = (known.approved ?? []).filter((one) => one.profile === profile && one.at >= since);
      return new Set(counted.map(({ id }) => id));
    }
    asked.add(question.about === 'members' ? question.list : question.email);
    if (question.about === 'members') {
      const members = known.lists?.[question.list];
      return members === undefined ? { retryIn: RETRY_IN } : new Set(members.map(({ slackId }) => slackId));
    }
    if (known.addressesUnread === true) return { retryIn: RETRY_IN };
    const found = known.accounts?.find(({ email }) => email.toLowerCase() === question.email);
    return new Set(found !== undefined && question.leadsHere(found) ? [found.slackId] : []);
  };
  return { decided: concluded(asking, answerTo), asked: [...asked] };
}
