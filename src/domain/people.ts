import { Refusal } from './errors.ts';
import { isPersonName, type Policy, type Principals } from './policy.ts';

/** A Slack account as Slack tells of it (users.info), in our words. */
export interface Account {
  readonly slackId: string;
  readonly name: string;
  /** Empty when Slack gives none. */
  readonly email: string;
  readonly emailConfirmed: boolean;
  readonly bot: boolean;
  readonly guest: boolean;
  /** Of another workspace (Slack Connect). */
  readonly external: boolean;
  readonly deactivated: boolean;
}

/** Somebody who may act: a Slack account tied to exactly one Kubernetes user. Two accounts with one `user` are one person. */
export interface Person {
  readonly slackId: string;
  readonly name: string;
  /** The Kubernetes user name. */
  readonly user: string;
  /** The Kubernetes groups that the policy says this user has. */
  readonly groups: readonly string[];
}

/**
 * Plain addresses only: what is pasted into a user name must not be able to spell another one. No `+`: ada+2@… is the mailbox of ada@…,
 * and would be a second person.
 */
const EMAIL = /^[a-z0-9][a-z0-9._-]{0,63}@[a-z0-9-]+(\.[a-z0-9-]+)+$/i;

/**
 * The Kubernetes user behind a Slack account: the one override that names it, else the template over its confirmed e-mail. Null when
 * there is none or more than one. Says nothing of whether that person may act: see {@link identify}.
 */
export function kubernetesUser(account: Account, identity: Policy['identity']): string | null {
  const overrides = identity.overrides.filter((o) => o.slack === account.slackId);
  if (overrides.length > 0) return overrides.length === 1 ? (overrides[0]?.user ?? null) : null;
  const email = account.email.toLowerCase();
  const [local = '', domain = ''] = email.split('@');
  // Before lower case: it makes a plain k of the Kelvin sign, and so one address of another.
  if (!account.emailConfirmed || !EMAIL.test(account.email)) return null;
  if (identity.emailDomains !== undefined && !identity.emailDomains.includes(domain)) return null;
  const user = identity.user.replaceAll('{email}', email).replaceAll('{local}', local);
  return isPersonName(user) ? user : null;
}

/**
 * The person who acts through a Slack account.
 * @throws Refusal when the account may not act at all: a bot, guest, deactivated or another workspace's, or no single Kubernetes user
 */
export function identify(account: Account, identity: Policy['identity']): Person {
  const barred: [boolean, string, string][] = [
    [account.deactivated, 'identity.deactivated', 'is deactivated'],
    [account.bot && !identity.admit.includes('bots'), 'identity.admit.bots', 'is a bot'],
    [
      account.external && !identity.admit.includes('external'),
      'identity.admit.external',
      'belongs to another workspace',
    ],
    [account.guest && !identity.admit.includes('guests'), 'identity.admit.guests', 'is a guest'],
  ];
  for (const [holds, rule, what] of barred)
    if (holds)
      throw new Refusal(
        rule,
        `This Slack account ${what}: it may neither ask nor decide.`,
        'Ask an administrator of Drawbridge.',
      );
  const user = kubernetesUser(account, identity);
  if (user === null)
    throw new Refusal(
      'identity.user',
      'Your Slack account does not lead to exactly one Kubernetes user: its e-mail address is missing, not confirmed, or not one that the policy accepts.',
      'Confirm your e-mail address in Slack, or ask an administrator for an entry in identity.overrides.',
    );
  const groups = [...new Set([...groupsNamed(identity, '*'), ...groupsNamed(identity, user)])].toSorted();
  return { slackId: account.slackId, name: account.name, user, groups };
}

/** A user name may be a word that every object knows (`constructor`), so only keys of the policy itself count. */
function groupsNamed(identity: Policy['identity'], key: string): readonly string[] {
  return Object.hasOwn(identity.groups, key) ? (identity.groups[key] ?? []) : [];
}

/**
 * Who is in a Slack user group or channel: Slack ids, and the Kubernetes users behind them. `null` when it can't be read, and then it counts as
 * "not in" for an allow list and as "in" for a deny list.
 */
export type Members = { readonly slackIds: ReadonlySet<string>; readonly users: ReadonlySet<string> } | null;
/** What was looked up for one decision: members by the id of the group or channel. What is missing counts as unreadable. */
export type Memberships = ReadonlyMap<string, Members>;

/** The ids of groups and channels that must be looked up before these principals can be judged. */
export function membershipsNeeded(...lists: readonly Principals[]): string[] {
  return [...new Set(lists.flatMap((list) => [...list.groups, ...list.channels]))];
}

/** The entry of an allow list that names this person (`users: ada@example.test`, `groups: S0614TZR7`), or null. Unreadable is "no". */
export function allowedBy(list: Principals, person: Person, memberships: Memberships): string | null {
  for (const user of list.users) if (user === person.user || user === person.slackId) return `users: ${user}`;
  for (const [word, ids] of [
    ['groups', list.groups],
    ['channels', list.channels],
  ] as const)
    for (const id of ids) if (memberships.get(id)?.slackIds.has(person.slackId)) return `${word}: ${id}`;
  return null;
}

/**
 * The entry of a deny list that names this person, or null. Compared by Kubernetes user, so that a second Slack account does not help;
 * `aliases` gives the Kubernetes users of Slack ids that the list names. Unreadable is "yes".
 */
export function deniedBy(
  list: Principals,
  person: Person,
  memberships: Memberships,
  aliases: ReadonlyMap<string, string | null>,
): string | null {
  for (const user of list.users)
    if (user === person.user || user === person.slackId || aliases.get(user) === person.user) return `users: ${user}`;
  for (const [word, ids] of [
    ['groups', list.groups],
    ['channels', list.channels],
  ] as const)
    for (const id of ids) {
      const members = memberships.get(id) ?? null;
      if (members === null) return `${word}: ${id}, whose members can't be read now`;
      if (members.slackIds.has(person.slackId) || members.users.has(person.user)) return `${word}: ${id}`;
    }
  return null;
}
