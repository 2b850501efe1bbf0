import { type Account, confirmedAddress, type Person } from '../../domain/people/people.ts';
import { addressOfUser } from '../../domain/policy/identity.ts';
import type { Policy } from '../../domain/policy/policy.ts';
import type { OnCallSource } from '../../domain/policy/sources.ts';
import type { TicketUse, TicketVerdict } from '../../domain/ticket.ts';
import type { Freshness, Unreadable } from '../ports/directory.ts';
import type { World } from '../ports/world.ts';

/** Who is on call, as accounts of Slack, and what a ticket says. */

/** How many accounts are looked up by their addresses: more are on call nowhere. */
const MOST_ACCOUNTS = 20;

/** The source of that name; undefined: the policy has none. Names come from lists of the policy. */
function sourceNamed({ oncall = {} }: Policy, name: string): OnCallSource | undefined {
  return Object.hasOwn(oncall, name) ? oncall[name] : undefined;
}

/**
 * Whether this account is on call by a source: the answer has its id, or has not. Addresses are compared with the one that is confirmed as its own, so
 * that nobody is on call by an address that they only wrote down.
 */
export async function onCallAmong(
  world: World,
  name: string,
  slackId: string,
  freshness: Freshness,
): Promise<ReadonlySet<string> | Unreadable> {
  const policy = world.policies.current();
  const source = sourceNamed(policy, name);
  if (source === undefined) return { retryIn: null };
  if (source.group !== undefined) return world.directory.members(source.group, freshness);
  const addresses = await world.onCall.addresses(source, freshness);
  if ('retryIn' in addresses) return addresses;
  const account = await world.directory.account(slackId);
  const own = account === null ? null : confirmedAddress(account, policy.identity);
  return new Set(own !== null && addresses.has(own) ? [slackId] : []);
}

/** The Slack ids of all who are on call by a source, to call them: no decision is made by it. */
export async function everybodyOnCall(world: World, name: string): Promise<ReadonlySet<string> | Unreadable> {
  const { identity } = world.policies.current();
  const source = sourceNamed(world.policies.current(), name);
  if (source === undefined) return { retryIn: null };
  if (source.group !== undefined) return world.directory.members(source.group, 'recently');
  const addresses = await world.onCall.addresses(source, 'recently');
  if ('retryIn' in addresses) return addresses;
  const accounts = await Promise.all(
    [...addresses].slice(0, MOST_ACCOUNTS).map(async (address) => {
      const account = await world.directory.accountWith(address);
      return account === null || 'retryIn' in account || confirmedAddress(account, identity) !== address
        ? []
        : [account];
    }),
  );
  return new Set(accounts.flat().map(({ slackId }) => slackId));
}

/** What the ticket system says now of a ticket for what this person asks for. */
export async function judgeTicket(
  world: World,
  requester: Person,
  use: TicketUse,
): Promise<TicketVerdict | Unreadable> {
  const { identity, tickets: source } = world.policies.current();
  if (source === undefined) return { retryIn: null };
  const account = await world.directory.account(requester.slackId);
  const addresses = addressesOf(account, requester.user, identity);
  return world.tickets.judge(source, { ...use, requester: { user: requester.user, addresses } });
}

/** The addresses of a person: that of the account, and the one behind the Kubernetes user, which may be another account's. */
function addressesOf(account: Account | null, user: string, identity: Policy['identity']): string[] {
  const own = account === null ? null : confirmedAddress(account, identity);
  const behind = addressOfUser(user, identity);
  return [...new Set([own, behind].filter((address) => address !== null))];
}
