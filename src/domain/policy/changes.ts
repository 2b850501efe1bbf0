import { canonical } from '../canonical.ts';
import { formatDuration } from '../duration.ts';
import { describeRule, growth } from '../rights/coverage.ts';
import {
  automaticEntries,
  describeRights,
  matchesNamespace,
  ownRulesOf,
  type Policy,
  type Principals,
  type Profile,
  type When,
} from './policy.ts';

/** What another policy would change in who gets what, and by whose decision. Pure. */

/**
 * `weaker`: somebody gains, or a decision takes less; `stricter`: the reverse; `unclear`: it is another, and which of the two is not known here, such as
 * another role or network.
 */
export type Effect = 'weaker' | 'unclear' | 'stricter';
export interface PolicyChange {
  /** The place in the policy: `profiles.debug.approvers`. */
  readonly where: string;
  readonly effect: Effect;
  readonly words: string;
}

/** A change at this place; `words` are said of what is there now, or of what was there. */
const change = (where: string, effect: Effect, words: string): PolicyChange => ({ where, effect, words });
const isSame = (one: unknown, other: unknown): boolean => canonical(one ?? null) === canonical(other ?? null);

export function changesOfPolicy(old: Policy, now: Policy): PolicyChange[] {
  const names = [...new Set([...Object.keys(old.profiles), ...Object.keys(now.profiles)])];
  return [
    ...listed('administrators', old.administrators, now.administrators, 'administers', 'weaker'),
    ...others('', old, now, ['administrators', 'profiles']),
    ...names.flatMap((name) => {
      const [before, after] = [old, now].map(({ profiles }) =>
        Object.hasOwn(profiles, name) ? profiles[name] : undefined,
      );
      const where = `profiles.${name}`;
      if (before === undefined)
        return after === undefined ? [] : [change(where, 'weaker', `is new: ${describeWhole(after)}`)];
      return after === undefined
        ? [change(where, 'stricter', `is gone: ${describeWhole(before)}`)]
        : changesOfProfile(where, before, after);
    }),
  ];
}

const describeWhole = (profile: Profile): string =>
  `${describeRights(profile)} in ${profile.namespaces.join(', ')}, for ${membersOf(profile.requesters).join(', ')}`;

const UNDERSTOOD = [
  'description',
  'requesters',
  'approvers',
  'deny',
  'approvals',
  'selfApproval',
  'duration',
  'namespaces',
  'clusterRole',
  'role',
  'rules',
  'rights',
  'scope',
  'automatic',
  'acknowledgePersistence',
  'roleMayGrow',
];

function changesOfProfile(where: string, old: Profile, now: Profile): PolicyChange[] {
  return [
    ...listed(`${where}.requesters`, old.requesters, now.requesters, 'may ask', 'weaker'),
    ...listed(`${where}.approvers`, old.approvers, now.approvers, 'may approve', 'weaker'),
    ...listed(`${where}.deny`, old.deny, now.deny, 'is denied', 'stricter'),
    ...compared(`${where}.approvals`, old.approvals, now.approvals, 'stricter', String),
    ...switched(`${where}.selfApproval`, old.selfApproval, now.selfApproval),
    ...compared(`${where}.duration.maximum`, old.duration.maximum, now.duration.maximum, 'weaker', formatDuration),
    ...compared(`${where}.duration.default`, old.duration.default, now.duration.default, 'weaker', formatDuration),
    ...covered(`${where}.namespaces`, old.namespaces, now.namespaces),
    ...rightsOf(where, old, now),
    ...switched(`${where}.scope`, old.scope === 'namespace', now.scope === 'namespace', 'is for a whole namespace'),
    ...automaticOf(`${where}.automatic`, old, now),
    ...switched(`${where}.acknowledgePersistence`, old.acknowledgePersistence, now.acknowledgePersistence),
    ...switched(`${where}.roleMayGrow`, old.roleMayGrow, now.roleMayGrow),
    ...others(`${where}.`, old, now, UNDERSTOOD),
  ];
}

/** Who is in a list now and was not, and the reverse. `joining`: what it is that somebody comes to it. */
function listed(
  where: string,
  old: Principals,
  now: Principals,
  does: string,
  joining: 'weaker' | 'stricter',
): PolicyChange[] {
  const [before, after] = [membersOf(old), membersOf(now)];
  return [
    ...after.filter((who) => !before.includes(who)).map((who) => change(where, joining, `${who} ${does}`)),
    ...before
      .filter((who) => !after.includes(who))
      .map((who) => change(where, reverse(joining), `${who} ${does} no more`)),
  ];
}

const reverse = (effect: 'weaker' | 'stricter') => (effect === 'weaker' ? 'stricter' : 'weaker');

function membersOf({ users, groups, channels }: Principals): string[] {
  return [...users, ...groups.map((id) => `group ${id}`), ...channels.map((id) => `channel ${id}`)];
}

/** A number; `more`: what it is that it is larger. */
function compared(
  where: string,
  old: number,
  now: number,
  more: 'weaker' | 'stricter',
  say: (value: number) => string,
): PolicyChange[] {
  if (old === now) return [];
  return [change(where, now > old ? more : reverse(more), `was ${say(old)}, is ${say(now)}`)];
}

function switched(where: string, old: boolean, now: boolean, words = 'is true'): PolicyChange[] {
  return old === now ? [] : [change(where, now ? 'weaker' : 'stricter', now ? words : `${words} no more`)];
}

/** Patterns of namespaces; a `*` in one that is asked for is matched by a `*` alone, so that what is covered is covered whole. */
function covered(where: string, old: readonly string[], now: readonly string[]): PolicyChange[] {
  return [
    ...now
      .filter((pattern) => !matchesNamespace(old, pattern))
      .map((pattern) => change(where, 'weaker', `covers ${pattern}`)),
    ...old
      .filter((pattern) => !matchesNamespace(now, pattern))
      .map((pattern) => change(where, 'stricter', `covers ${pattern} no more, or not all of it`)),
  ];
}

function rightsOf(where: string, old: Profile, now: Profile): PolicyChange[] {
  const [before, after] = [ownRulesOf(old), ownRulesOf(now)];
  if (before === null || after === null)
    return describeRights(old) === describeRights(now)
      ? []
      : [change(where, 'unclear', `gave ${describeRights(old)}, gives ${describeRights(now)}`)];
  return [
    ...growth(before, after).map((rule) => change(where, 'weaker', `gives ${describeRule(rule)}`)),
    ...growth(after, before).map((rule) => change(where, 'stricter', `gives no more ${describeRule(rule)}`)),
  ];
}

/** One entry is compared condition by condition; of several, each that is another counts as one that came or went. */
function automaticOf(where: string, old: Profile, now: Profile): PolicyChange[] {
  const [before, after] = [automaticEntries(old), automaticEntries(now)].map((entries) =>
    entries.map(({ when }) => when),
  );
  if (before === undefined || after === undefined) return [];
  const [was, is] = [before[0], after[0]];
  if (was !== undefined && is !== undefined && before.length + after.length === 2) return conditionsOf(where, was, is);
  if (was !== undefined && is === undefined) return [change(where, 'stricter', 'needs a person always')];
  const without = (entries: readonly When[], others: readonly When[]) =>
    entries.filter((entry) => !others.some((other) => isSame(entry, other)));
  return [
    ...without(after, before).map((when) => change(where, 'weaker', `needs no person for ${describeWhen(when, now)}`)),
    ...without(before, after).map((when) => change(where, 'stricter', `needs a person for ${describeWhen(when, old)}`)),
    ...(isSame(old.automatic, now.automatic) || without(after, before).length + without(before, after).length > 0
      ? []
      : [change(where, 'unclear', 'has the same entries in another order')]),
  ];
}

function conditionsOf(where: string, old: When, now: When): PolicyChange[] {
  const { POSITIVE_INFINITY: any } = Number;
  const most = (seconds: number) => (seconds === any ? 'any the profile allows' : formatDuration(seconds));
  return [
    ...(old.members === undefined || now.members === undefined
      ? switched(`${where}.members`, old.members === undefined, now.members === undefined, 'is everybody who may ask')
      : listed(`${where}.members`, old.members, now.members, 'needs no person', 'weaker')),
    ...compared(`${where}.maximum`, old.maximum ?? any, now.maximum ?? any, 'weaker', most),
    ...covered(`${where}.namespaces`, old.namespaces ?? ['*'], now.namespaces ?? ['*']),
    ...(old.hours === undefined || now.hours === undefined
      ? switched(`${where}.hours`, old.hours === undefined, now.hours === undefined, 'is any time')
      : others(`${where}.`, { hours: old.hours }, { hours: now.hours }, [])),
  ];
}

function describeWhen({ members, maximum, namespaces, hours }: When, profile: Profile): string {
  const who = members === undefined ? 'everybody who may ask' : membersOf(members).join(', ');
  const where = namespaces === undefined ? '' : `, in ${namespaces.join(', ')}`;
  return `${who}, up to ${formatDuration(maximum ?? profile.duration.maximum)}${where}${hours === undefined ? '' : `, ${hours}`}`;
}

/** Whatever else is another. */
function others(prefix: string, old: object, now: object, known: readonly string[]): PolicyChange[] {
  const [before, after] = [new Map(Object.entries(old)), new Map(Object.entries(now))];
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((key) => !known.includes(key) && !isSame(before.get(key), after.get(key)))
    .map((key) => change(`${prefix}${key}`, 'unclear', `was ${said(before.get(key))}, is ${said(after.get(key))}`));
}

const said = (value: unknown): string => (value === undefined ? 'left out' : canonical(value));
