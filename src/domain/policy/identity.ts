/** How accounts, addresses and Kubernetes users lead to one another, in both directions. */

/** What the policy's `identity` says of that. */
export interface Identity {
  /** The template of a user, with `{email}` or `{local}`. */
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
  return user.length > 0 && user.length <= 253 && !user.startsWith('system:') && !/[\s\p{C}*]/u.test(user);
}

/** Users are compared without case. What Kubernetes is given keeps the case that template or override give it. */
export function isSameUser(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** True for accounts of one person: the same Slack account (whose address may have changed), or the same Kubernetes user. */
export function isSamePerson(
  one: { readonly slackId: string; readonly user: string },
  other: { readonly slackId: string; readonly user: string },
): boolean {
  return one.slackId === other.slackId || isSameUser(one.user, other.user);
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
  const [local = '', domain = ''] = email.split('@');
  if (emailDomains !== undefined && !emailDomains.includes(domain)) return null;
  const user = template.replaceAll('{email}', email).replaceAll('{local}', local);
  return isPersonName(user) ? user : null;
}

/** What {@link userOfAddress} turned round: the one address of which the template makes this user; null: there is none. */
export function addressOfUser(user: string, identity: Identity): string | null {
  const parts: Record<string, string> = { '{email}': '([a-z0-9._-]+@[a-z0-9.-]+)', '{local}': '([a-z0-9._-]+)' };
  const pattern = identity.user
    .split(/(\{email\}|\{local\})/)
    .map((part) => parts[part] ?? part.replace(/[^\w\s]/g, '\\$&'))
    .join('');
  const found = new RegExp(`^${pattern}$`, 'i').exec(user)?.slice(1) ?? [];
  const address = found.find((part) => part.includes('@')) ?? `${found[0]}@${identity.emailDomains?.[0]}`;
  const made = userOfAddress(address, identity);
  return made !== null && isSameUser(made, user) ? address.toLowerCase() : null;
}

/** True when some account could lead to this user: an override names it, or the template makes it of an address that is taken. */
export function isReachable(user: string, identity: Identity): boolean {
  return identity.overrides.some((o) => isSameUser(o.user, user)) || addressOfUser(user, identity) !== null;
}
