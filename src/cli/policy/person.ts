import { groupsOf, kubernetesUser, type Person, type Question } from '../../domain/people/people.ts';
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

/** Slack is not asked: in which lists the person is, was said. */
export const membersAmong =
  (known: ReadonlySet<string>, person: Person) =>
  (question: Question): ReadonlySet<string> =>
    new Set(question.about === 'members' && known.has(question.list) ? [person.slackId] : []);
