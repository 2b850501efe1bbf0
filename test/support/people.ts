import { type Account, type Answer, type Asking, concluded, type Question } from '../../src/domain/people/people.ts';

/** Who is in which list, by Slack id; a list that is not given can't be read. */
export interface Known {
  readonly lists?: Readonly<Record<string, readonly { readonly slackId: string }[]>>;
  readonly accounts?: readonly Account[];
  /** E-mail addresses can't be looked up. */
  readonly addressesUnread?: boolean;
}

export const RETRY_IN = 20;

/** Makes a decision from what is known; with what it asked for, in order and each once. */
export function decideWith<T>(asking: Asking<T>, known: Known = {}): { decided: T; asked: string[] } {
  const asked = new Set<string>();
  const answerTo = (question: Question): Answer => {
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
