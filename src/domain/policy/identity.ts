/** How accounts, addresses and Kubernetes users lead to one another, in both directions. */

/** What the policy's `identity` says of that. */
export interface Identity {
  /** The template of a user, with one of the {@link PLACEHOLDERS}. */
  readonly user: string;
  /** The domains whose addresses are taken; undefined: all. */
  readonly emailDomains?: readonly string[] | undefined;
  readonly overrides: readonly { readonly slack: string; readonly user: string }[];
}

const SLACK_ID = /^[UW][A-Z0-9]{2,20}$/;

/** True for the id of a Slack account (U024BE7LH): as an entry of the policy it names that account, never a Kubernetes user. */
export function isSlackId(text: string): boolean {
  return SLACK_ID.test(text);
}

/** A name that RBAC and Kubernetes themselves keep for their own is never a person. */
export function isPersonName(user: string): boolean {
  return (
    user.length > 0 &&
    user.length <= 253 &&
    !user.startsWith('system:') &&
    !/[\s\p{C}*]/u.test(user) &&
    !SHARED_USER.test(user)
  );
}

/** Whoever gets a token by `aws eks get-token --role-arn` has this session name, so that a user made of it is everybody's. */
const SHARED_USER = /EKSGetTokenAuth/i;

/** What a template of a user may have of an address, and what it becomes. */
const PLACEHOLDERS = new Map<string, (email: string) => string>([
  ['{email}', (email) => email],
  ['{email:lower}', (email) => email],
  ['{email:eks}', (email) => email.replace('@', '-')],
  ['{local}', (email) => email.split('@')[0] ?? ''],
]);
const PLACEHOLDER = /(\{[^{}]*\})/;

/** Why a text is no template of a user; null: it is one. */
export function whyNoTemplate(template: string): string | null {
  const known = [...PLACEHOLDERS.keys()].join(', ');
  const used = template.split(PLACEHOLDER).filter((part) => PLACEHOLDER.test(part));
  const stranger = used.find((part) => !PLACEHOLDERS.has(part));
  if (stranger !== undefined) return `${stranger} is not known: a template has one of ${known}`;
  if (used.length === 0) return `expected a template with one of ${known}: without it everybody would be one user`;
  // A user is turned back into an address: with a part that stands often that takes for ever.
  if (new Set(used).size < used.length) return `expected each of ${known} once at most`;
  return isPersonName(template) ? null : `'${template}' makes no name of a person: it is shared, or kept by Kubernetes`;
}

/** Why two addresses of these domains could be one user by this template; null: none can. */
export function whyAmbiguous({ user, emailDomains = [] }: Pick<Identity, 'user' | 'emailDomains'>): string | null {
  // The whole address says it, whatever else the template has of it.
  if (user.includes('{email}') || user.includes('{email:lower}')) return null;
  if (!user.includes('{email:eks}') && emailDomains.length !== 1)
    return 'a template with {local} needs exactly one domain: else people of two domains would be one user';
  if (!user.includes('{email:eks}')) return null;
  const within = emailDomains.find((one) => emailDomains.some((other) => one.endsWith(`-${other}`)));
  if (emailDomains.length > 0 && within === undefined) return null;
  return within === undefined
    ? 'a template with {email:eks} needs the domains: else ada-x@y.test and ada@x-y.test would be one user'
    : `with {email:eks} an address of ${within} could be one of another of these domains too`;
}

/** Users are compared without case. What Kubernetes is given keeps the case that template or override give it. */
export function isSameUser(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** Who somebody is: by the Slack account, and by the Kubernetes user, in clusters that name people in a way of their own by that one too. */
interface Known {
  readonly slackId: string;
  readonly user: string;
  readonly elsewhere?: Readonly<Record<string, { readonly user: string } | null>> | undefined;
}

/** True for accounts of one person: the same Slack account (whose address may have changed), or the same Kubernetes user in some cluster. */
export function isSamePerson(one: Known, other: Known): boolean {
  if (one.slackId === other.slackId || isSameUser(one.user, other.user)) return true;
  return Object.entries(one.elsewhere ?? {}).some(([cluster, there]) => {
    const theirs = Object.hasOwn(other.elsewhere ?? {}, cluster) ? other.elsewhere?.[cluster] : null;
    return there !== null && theirs != null && isSameUser(there.user, theirs.user);
  });
}

/**
 * Plain addresses only: what is pasted into a user name must not be able to spell another one. No `+`: ada+2@… is the mailbox of ada@…,
 * and would be a second person.
 */
const EMAIL = /^[a-z0-9][a-z0-9._-]{0,63}@[a-z0-9-]+(\.[a-z0-9-]+)+$/i;

/** A plain address in lower case, to be compared; null: it is none. */
export function plainAddress(text: string): string | null {
  // Before lower case: it makes a plain k of the Kelvin sign, and so one address of another.
  return text.length <= 320 && EMAIL.test(text) ? text.toLowerCase() : null;
}

/** The Kubernetes user that the template makes of a confirmed address; null: of this one it makes none. */
export function userOfAddress(address: string, { user: template, emailDomains }: Identity): string | null {
  const email = plainAddress(address);
  if (email === null) return null;
  const [, domain = ''] = email.split('@');
  if (emailDomains !== undefined && !emailDomains.includes(domain)) return null;
  const user = template
    .split(PLACEHOLDER)
    .map((part) => PLACEHOLDERS.get(part)?.(email) ?? part)
    .join('');
  return isPersonName(user) ? user : null;
}

/** What {@link userOfAddress} turned round: the one address of which the template makes this user; null: there is none. */
export function addressOfUser(user: string, identity: Identity): string | null {
  const parts = identity.user.split(PLACEHOLDER);
  const pattern = parts.map((part) => MADE.get(part) ?? part.replace(/[^\w\s]/g, '\\$&')).join('');
  const found = new RegExp(`^${pattern}$`, 'i').exec(user)?.slice(1) ?? [];
  const placeholders = parts.filter((part) => MADE.has(part));
  const addresses = found.flatMap((made, index) =>
    addressesMaking(made.toLowerCase(), placeholders[index] ?? '', identity.emailDomains ?? []),
  );
  return addresses.find((address) => isSameUser(userOfAddress(address, identity) ?? '', user)) ?? null;
}

/** What a placeholder becomes, as a pattern. */
const MADE = new Map([
  ['{email}', '([a-z0-9._-]+@[a-z0-9.-]+)'],
  ['{email:lower}', '([a-z0-9._-]+@[a-z0-9.-]+)'],
  ['{email:eks}', '([a-z0-9._-]+)'],
  ['{local}', '([a-z0-9._-]+)'],
]);

/** The addresses of which a placeholder may make this text. */
function addressesMaking(made: string, placeholder: string, domains: readonly string[]): string[] {
  if (placeholder === '{local}') return domains.map((domain) => `${made}@${domain}`);
  if (placeholder !== '{email:eks}') return [made];
  return domains
    .filter((domain) => made.endsWith(`-${domain}`))
    .map((domain) => `${made.slice(0, made.length - domain.length - 1)}@${domain}`);
}

/** True when some account could lead to this user: an override names it, or the template makes it of an address that is taken. */
export function isReachable(user: string, identity: Identity): boolean {
  return identity.overrides.some((o) => isSameUser(o.user, user)) || addressOfUser(user, identity) !== null;
}
