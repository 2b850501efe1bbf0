import type { Instant } from '../clocks.ts';
import { Refusal } from '../errors.ts';
import { addressOfUser, isSameUser, isSlackId, plainAddress, userOfAddress } from '../policy/identity.ts';
import type { ClusterEntry, Policy, Principals } from '../policy/policy.ts';
import type { ClusterName } from '../target.ts';
import type { TicketUse, TicketVerdict } from '../ticket.ts';

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
  /** Where the account's clocks are, as a name of the IANA time zone database; left out: not known. */
  readonly zone?: string;
}

/** Somebody who may act: a Slack account tied to exactly one Kubernetes user. Which accounts are one person: `isSamePerson`. */
export interface Person {
  readonly slackId: string;
  readonly name: string;
  /** The Kubernetes user name. */
  readonly user: string;
  /** The Kubernetes groups that the policy says this user has. */
  readonly groups: readonly string[];
  /** Who they are in clusters that name people in a way of their own, by the cluster's name; null: nobody there. Left out: there is none. */
  readonly elsewhere?: Readonly<Record<string, KubernetesIdentity | null>>;
}

/** As whom Kubernetes knows somebody. */
export type KubernetesIdentity = Pick<Person, 'user' | 'groups'>;

/** As whom this cluster knows a person; null: as nobody, since nothing in the policy leads there. */
export function identityIn(person: Person, cluster: ClusterName): KubernetesIdentity | null {
  const { user, groups, elsewhere = {} } = person;
  return cluster !== null && Object.hasOwn(elsewhere, cluster) ? (elsewhere[cluster] ?? null) : { user, groups };
}

/**
 * The Kubernetes user behind a Slack account: the one override that names it, else the template over its confirmed e-mail. Null when
 * there is none or more than one. Says nothing of whether that person may act: see {@link identify}.
 */
export function kubernetesUser(account: Account, identity: Policy['identity']): string | null {
  const overrides = identity.overrides.filter((o) => o.slack === account.slackId);
  if (overrides.length > 0) return overrides.length === 1 ? (overrides[0]?.user ?? null) : null;
  return isConfirmed(account, identity) ? userOfAddress(account.email, identity) : null;
}

/** The address that is an account's own, in lower case; null: it has none, or nobody has confirmed it. */
export function confirmedAddress(account: Account, identity: Policy['identity']): string | null {
  return isConfirmed(account, identity) ? plainAddress(account.email) : null;
}

/** Whether the address of an account is its own. The workspace answers for its members alone: guests and others bring addresses of their own. */
function isConfirmed({ emailConfirmed, guest, external, bot }: Account, { confirmedBy }: Policy['identity']): boolean {
  return emailConfirmed || (confirmedBy === 'workspace' && !guest && !external && !bot);
}

/** Why an account leads to no Kubernetes user. */
function withoutUser(account: Account, identity: Policy['identity']): Refusal {
  const override = 'an administrator of Drawbridge for an entry in identity.overrides.';
  if (identity.overrides.some(({ slack }) => slack === account.slackId))
    return new Refusal(
      'identity.overrides',
      'The policy gives your Slack account several Kubernetes users.',
      `Ask ${override}`,
    );
  if (account.email === '')
    return new Refusal(
      'identity.email',
      'Slack shows no e-mail address of your account.',
      `Ask a Slack administrator whether "Email Display" is switched off, or ${override}`,
    );
  if (!isConfirmed(account, identity))
    return new Refusal(
      'identity.confirmedBy',
      'Slack does not say that your e-mail address is confirmed; of those who joined by single sign-on it never does.',
      `Confirm it in Slack, or ask an administrator of Drawbridge for identity.confirmedBy, or ${override}`,
    );
  return new Refusal(
    'identity.user',
    'Your e-mail address in Slack is not one that the policy accepts.',
    `Use an address of ${identity.emailDomains?.join(' or ') ?? 'another form'}, or ask ${override}`,
  );
}

/** The policy's identity as a cluster has it. */
const identityOf = (general: Policy['identity'], own: NonNullable<ClusterEntry['identity']>): Policy['identity'] => ({
  ...general,
  user: own.user ?? general.user,
  emailDomains: own.emailDomains ?? general.emailDomains,
  groups: own.groups ?? general.groups,
  overrides: own.overrides ?? (own.user === undefined ? general.overrides : []),
});

/** Who an account is in each cluster that names people in a way of its own. */
function elsewhereOf(
  account: Account,
  { identity, clusters = {} }: Pick<Policy, 'identity' | 'clusters'>,
): Pick<Person, 'elsewhere'> {
  const known = Object.entries(clusters).flatMap(([name, { identity: own }]): [string, KubernetesIdentity | null][] => {
    if (own === undefined) return [];
    const there = identityOf(identity, own);
    const user = kubernetesUser(account, there);
    return [[name, user === null ? null : { user, groups: groupsOf(user, there) }]];
  });
  return known.length === 0 ? {} : { elsewhere: Object.fromEntries(known) };
}

/** The person who acts through a Slack account, or why it may not act at all: a bot, guest, deactivated or another workspace's, or no single Kubernetes user. */
export function identify(account: Account, policy: Pick<Policy, 'identity' | 'clusters'>): Person | Refusal {
  const { identity } = policy;
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
      return new Refusal(
        rule,
        `This Slack account ${what}: it may neither ask nor decide.`,
        'Ask an administrator of Drawbridge.',
      );
  const user = kubernetesUser(account, identity);
  if (user === null) return withoutUser(account, identity);
  const { slackId, name } = account;
  return { slackId, name, user, groups: groupsOf(user, identity), ...elsewhereOf(account, policy) };
}

/** The Kubernetes groups that the policy says a user has, sorted. */
export function groupsOf(user: string, { groups }: Policy['identity']): string[] {
  const given = Object.entries(groups).filter(([key]) => key === '*' || isSameUser(key, user));
  return [...new Set(given.flatMap(([, names]) => names))].toSorted();
}

/**
 * What a decision must know of people before it can go on. It asks in the order in which it can be decided, and no further than it must: what
 * it does not ask need not be looked up.
 */
export type Question =
  /** Who is in this user group (S…) or channel (C…, G…)? */
  | { readonly about: 'members'; readonly list: string }
  /** Is this account on call by this source of the policy? The answer has its id, or has not. */
  | { readonly about: 'onCall'; readonly source: string; readonly slackId: string }
  /** What does the ticket system say of this ticket, for what this person asks for? The answer is a verdict. */
  | { readonly about: 'ticket'; readonly requester: Person; readonly use: TicketUse }
  /** Which account has this e-mail address, and does it lead where it should? An address is one account in a workspace. */
  | { readonly about: 'address'; readonly email: string; readonly leadsHere: (account: Account) => boolean }
  /** What has this person had of this profile since then without a decision by people, the earliest first? Ids of grants. */
  | {
      readonly about: 'approved';
      /** `automatic`: a condition of the policy approved it; `breakGlass`: the person broke the glass. */
      readonly how: 'automatic' | 'breakGlass';
      readonly person: Person;
      readonly profile: string;
      readonly since: Instant;
    };

/** Slack ids, or those of grants; or that they can't be read now, and when to try again (seconds). */
export type Answer = ReadonlySet<string> | { readonly retryIn: number | null } | TicketVerdict;

/** A decision in the making: it yields questions, is given answers, and returns what was decided. */
export type Asking<T> = Generator<Question, T, Answer>;

/** Asks for Slack ids. What is none counts as unread. */
function* idsFor(question: Exclude<Question, { readonly about: 'ticket' }>): Asking<Exclude<Answer, TicketVerdict>> {
  const answer = yield question;
  return 'is' in answer ? { retryIn: null } : answer;
}

/** An entry of a list of the policy: `profiles.debug.approvers`, `groups`, `S0614TZR7`. Of `oncall` the id is the name of a source. */
export interface Entry {
  readonly path: string;
  readonly word: 'users' | 'groups' | 'channels' | 'oncall';
  readonly id: string;
}

/** `profiles.debug.approvers (groups: S0614TZR7)`, as refusals and the audit name it. */
export function ruleOf({ path, word, id }: Entry): string {
  return `${path} (${word}: ${id})`;
}

/** Whether a list names somebody. Unknown: nothing that can be read names them, and `entry` can't be read. */
export type Listing =
  | { readonly is: 'named'; readonly entry: Entry }
  | { readonly is: 'unnamed' }
  | { readonly is: 'unknown'; readonly entry: Entry; readonly retryIn: number | null };

const UNNAMED: Listing = { is: 'unnamed' };

/** Whether one of these allow lists, by their paths, names this person. Who is named as a user needs no list to be read. */
export function allowedBy(lists: Readonly<Record<string, Principals>>, person: Person): Asking<Listing> {
  const entries = Object.entries(lists).flatMap(([path, list]) => entriesOf(path, list));
  // Sources outside of Slack come last: whom any list names without them does not wait for one.
  const last = ({ word }: Entry) => Number(word === 'oncall');
  entries.sort((one, other) => last(one) - last(other));
  return firstNaming(entries, person, new Set([person.slackId]));
}

/**
 * Whether a deny list names this person, by whatever account. Second accounts are found by turning the identity round, never by looking up
 * the members of a list: those that overrides tie to the same user, and the one with the address of which the template makes it.
 */
export function* deniedBy(
  path: string,
  list: Principals,
  person: Person,
  identity: Policy['identity'],
): Asking<Listing> {
  const entries = entriesOf(path, list);
  const accounts = new Set([person.slackId]);
  for (const { slack, user } of identity.overrides) if (isSameUser(user, person.user)) accounts.add(slack);
  const known = yield* firstNaming(entries, person, accounts);
  const last = entries.findLast(({ word, id }) => word !== 'users' || isSlackId(id));
  if (known.is !== 'unnamed' || last === undefined) return known;
  const others = yield* accountsByAddress(person, identity);
  if ('retryIn' in others) return { is: 'unknown', entry: last, retryIn: others.retryIn };
  return others.size === 0 ? UNNAMED : yield* firstNaming(entries, person, others);
}

/** The account that has the address behind this person's user, where it may be another than the one that acts. */
function* accountsByAddress(person: Person, identity: Policy['identity']): ReturnType<typeof idsFor> {
  const email = addressOfUser(person.user, identity);
  const isOwn = !identity.overrides.some(({ slack }) => slack === person.slackId);
  // An outsider may have the address of an account of ours.
  if (email === null || (isOwn && !identity.admit.includes('external'))) return new Set<string>();
  const leadsHere = (account: Account) => isSameUser(kubernetesUser(account, identity) ?? '', person.user);
  return yield* idsFor({ about: 'address', email, leadsHere });
}

function entriesOf(path: string, { users, groups, channels, oncall = [] }: Principals): Entry[] {
  const of = (word: Entry['word'], ids: readonly string[]) => ids.map((id): Entry => ({ path, word, id }));
  return [...of('users', users), ...of('groups', groups), ...of('channels', channels), ...of('oncall', oncall)];
}

function* firstNaming(entries: readonly Entry[], person: Person, accounts: ReadonlySet<string>): Asking<Listing> {
  const namesUser = ({ id }: Entry) => (isSlackId(id) ? accounts.has(id) : isSameUser(id, person.user));
  const entry = entries.find((one) => one.word === 'users' && namesUser(one));
  if (entry !== undefined) return { is: 'named', entry };
  let unknown: Listing | undefined;
  for (const one of entries.filter(({ word }) => word !== 'users')) {
    const members = yield* idsFor(
      one.word === 'oncall'
        ? { about: 'onCall', source: one.id, slackId: person.slackId }
        : { about: 'members', list: one.id },
    );
    if ('retryIn' in members) unknown ??= { is: 'unknown', entry: one, retryIn: members.retryIn };
    else if ([...accounts].some((id) => members.has(id))) return { is: 'named', entry: one };
  }
  return unknown ?? UNNAMED;
}

/** Makes a decision from what is known already. */
export function concluded<T>(asking: Asking<T>, answerTo: (question: Question) => Answer): T {
  let step = asking.next();
  while (step.done !== true) step = asking.next(answerTo(step.value));
  return step.value;
}
