import { canonical } from '../canonical.ts';
import { formatDuration } from '../duration.ts';
import type { Principals, When } from './policy.ts';

/** People as the policy names them: `ada@example.test, group S0614TZR7, channel C024BE91L`. */
export function describePeople({ users, groups, channels, oncall = [] }: Principals): string {
  const lists = [...groups.map((id) => `group ${id}`), ...channels.map((id) => `channel ${id}`)];
  return [...users, ...lists, ...oncall.map(describeOnCall)].join(', ');
}

/** The lists of these, three at most, as who is in none of them is told; nobody by name. Empty: there are none. */
export function describeLists({ groups, channels, oncall = [] }: Principals): string {
  const all = describePeople({ users: [], groups, channels, oncall }).split(', ').filter(Boolean);
  return all.length <= 3 ? all.join(' or ') : `${all.slice(0, 3).join(', ')} or ${all.length - 3} more`;
}

export const describeOnCall = (source: string): string => `those on call for ${source}`;

const WORDS: { readonly [K in keyof When]?: (value: NonNullable<When[K]>) => string } = {
  maximum: (seconds) => `up to ${formatDuration(seconds)}`,
  namespaces: (patterns) => `in ${patterns.join(', ')}`,
  clusters: (patterns) => `in a cluster of ${patterns.join(', ')}`,
  rights: (kits) => `no more than ${kits.join(', ')}`,
  perDay: (count) => `${count} a day`,
  hours: (hours) => `during ${hours}`,
  members: (people) => `for ${describePeople(people)}`,
  ticket: () => 'with a ticket',
};

/** Conditions that all must hold, as a phrase: `up to 15m, in payments-dev`. */
export function describeConditions(when: When): string {
  return (
    Object.entries(when)
      // Who is on call is among the members, too.
      .filter(([key, value]) => value !== undefined && (key !== 'oncall' || when.members === undefined))
      .map(([key, value]) => {
        const say = WORDS[key as keyof When] as ((value: unknown) => string) | undefined;
        return say === undefined ? `${key} ${canonical(value)}` : say(value);
      })
      .join(', ')
  );
}
