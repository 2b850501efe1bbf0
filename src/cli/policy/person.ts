import { type Answer, groupsOf, kubernetesUser, type Person, type Question } from '../../domain/people/people.ts';
import { isSlackId } from '../../domain/policy/identity.ts';
import type { Policy } from '../../domain/policy/policy.ts';

/** People as they are named on the command line: Slack is not asked. */

/** Whom an e-mail address (taken as confirmed) or a Slack member id leads to; null: no single Kubernetes user. */
export function personNamed(policy: Policy, who: string): Person | null {
  const slackId = isSlackId(who) ? who : '';
  const account = {
    slackId,
    name: who,
    email: slackId === '' ? who : '',
    emailConfirmed: slackId === '',
    bot: false,
    guest: false,
    external: false,
    deactivated: false,
  };
  const user = kubernetesUser(account, policy.identity);
  if (user === null) return null;
  return { slackId, name: who, user, groups: groupsOf(user, policy.identity) };
}

/** What names a list of which somebody is a member: a user group, a channel, or a source of who is on call. */
export const MEMBERSHIP = /^([SCG][A-Z0-9]+|oncall:[a-z0-9-]+)$/;
/** Before a key among what is known: a ticket that counts. */
const TICKET = 'ticket:';
export const ticketThatCounts = (key: string): string => `${TICKET}${key}`;

/** Neither Slack nor sources of who is on call are asked: in which lists the person is, was said. */
export const membersAmong =
  (known: ReadonlySet<string>, person: Person) =>
  (question: Question): Answer =>
    question.about === 'ticket'
      ? verdictOn(known, question.use.key)
      : new Set(isAmong(known, question) ? [person.slackId] : []);

const verdictOn = (known: ReadonlySet<string>, key: string): Answer =>
  known.has(ticketThatCounts(key))
    ? { is: 'allowed', ticket: { key, title: '', link: null }, until: null }
    : { is: 'refused', why: `${key} is not among the tickets that count.` };

function isAmong(known: ReadonlySet<string>, question: Question): boolean {
  if (question.about === 'onCall') return known.has(`oncall:${question.source}`);
  return question.about === 'members' && known.has(question.list);
}
