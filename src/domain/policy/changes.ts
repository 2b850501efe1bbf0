import { canonical } from '../canonical.ts';
import { formatDuration } from '../duration.ts';
import { describeRule, growth } from '../rights/coverage.ts';
import type { Kit } from '../rights/kits.ts';
import { describeConditions } from './conditions-in-words.ts';
import { minutesWithout, parseHours } from './hours.ts';
import {
  type Approval,
  type ApprovalStep,
  approvalOf,
  automaticEntries,
  describeCoverage,
  describeRights,
  describeShell,
  matchesNamespace,
  ownRulesOf,
  type Policy,
  type Principals,
  type Profile,
  type Scope,
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

const whereOf = (profile: Profile): string =>
  profile.namespaces === undefined ? `on ${describeCoverage(profile)}` : `in ${profile.namespaces.join(', ')}`;

const describeWhole = (profile: Profile): string =>
  `${describeRights(profile)} ${whereOf(profile)}, for ${membersOf(profile.requesters).join(', ')}`;

const UNDERSTOOD = [
  'description',
  'requesters',
  'approvers',
  'deny',
  'approvals',
  'selfApproval',
  'approval',
  'ticket',
  'duration',
  'namespaces',
  'nodes',
  'clusters',
  'clusterRole',
  'role',
  'rules',
  'rights',
  'scope',
  'credential',
  'shell',
  'automatic',
  'breakGlass',
  'acknowledgePersistence',
  'roleMayGrow',
  'limits',
  'reason',
];

function changesOfProfile(where: string, old: Profile, now: Profile): PolicyChange[] {
  return [
    ...listed(`${where}.requesters`, old.requesters, now.requesters, 'may ask', 'weaker'),
    ...listed(`${where}.deny`, old.deny, now.deny, 'is denied', 'stricter'),
    ...approvalChanges(where, old, now),
    ...switched(`${where}.selfApproval`, old.selfApproval, now.selfApproval),
    ...notesOf(`${where}.approval.note`, old.approval.note, now.approval.note),
    ...others(`${where}.approval.notify.`, old.approval.notify, now.approval.notify, []),
    ...others(`${where}.approval.`, old.approval, now.approval, ['order', 'steps', 'note', 'notify']),
    ...ticketOf(`${where}.ticket`, old.ticket, now.ticket),
    ...compared(`${where}.duration.maximum`, old.duration.maximum, now.duration.maximum, 'weaker', formatDuration),
    ...compared(`${where}.duration.default`, old.duration.default, now.duration.default, 'weaker', formatDuration),
    ...covered(`${where}.namespaces`, old.namespaces ?? [], now.namespaces ?? []),
    ...covered(`${where}.nodes`, old.nodes ?? [], now.nodes ?? []),
    ...covered(`${where}.clusters`, old.clusters ?? ['*'], now.clusters ?? ['*']),
    ...rightsOf(where, old, now),
    ...scopeOf(`${where}.scope`, old.scope, now.scope),
    ...credentialOf(`${where}.credential`, old.credential, now.credential),
    ...shellOf(`${where}.shell`, old.shell, now.shell),
    ...automaticOf(`${where}.automatic`, old, now),
    ...breakGlassOf(`${where}.breakGlass`, old.breakGlass, now.breakGlass),
    ...switched(`${where}.acknowledgePersistence`, old.acknowledgePersistence, now.acknowledgePersistence),
    ...switched(`${where}.roleMayGrow`, old.roleMayGrow, now.roleMayGrow),
    ...limitsOf(`${where}.limits`, old.limits, now.limits),
    ...compared(`${where}.reason.min`, old.reason?.min ?? 1, now.reason?.min ?? 1, 'stricter', String),
    ...others(`${where}.reason.`, old.reason ?? {}, now.reason ?? {}, ['min']),
    ...others(`${where}.`, old, now, UNDERSTOOD),
  ];
}

const WORDS: Readonly<Record<Scope, string>> = {
  workload: 'one workload',
  namespace: 'a whole namespace',
  cluster: 'the whole cluster',
  node: 'one node',
};

/** A workload is less than its namespace, and that is less than the cluster; a node is neither more nor less than these. */
const WIDTH: readonly Scope[] = ['workload', 'namespace', 'cluster'];

function scopeOf(where: string, old: Scope, now: Scope): PolicyChange[] {
  if (old === now) return [];
  const [was, is] = [WIDTH.indexOf(old), WIDTH.indexOf(now)];
  const effect = was === -1 || is === -1 ? 'unclear' : is > was ? 'weaker' : 'stricter';
  return [change(where, effect, `is for ${WORDS[now]}`)];
}

/** By token somebody needs no user in the cluster, and the token can be handed on. */
const credentialOf = (where: string, old: Profile['credential'], now: Profile['credential']): PolicyChange[] =>
  switched(where, old === 'token', now === 'token', 'is used by token');

function shellOf(where: string, old: Profile['shell'], now: Profile['shell']): PolicyChange[] {
  if (old === undefined) return now === undefined ? [] : [change(where, 'weaker', `gives a ${describeShell(now)}`)];
  if (now === undefined) return [change(where, 'stricter', `gives no more a ${describeShell(old)}`)];
  const kinds = (['pid', 'network'] as const).flatMap((kind) =>
    switched(`${where}.host`, old.host.includes(kind), now.host.includes(kind), `shares the node's ${kind}`),
  );
  const [was, is] = [FILES.indexOf(old.filesystem), FILES.indexOf(now.filesystem)];
  const files =
    was === is
      ? []
      : [
          change(
            `${where}.filesystem`,
            is > was ? 'weaker' : 'stricter',
            `was ${old.filesystem}, is ${now.filesystem}`,
          ),
        ];
  return [...kinds, ...files, ...others(`${where}.`, old, now, ['host', 'filesystem'])];
}
/** By how much a shell has of the node's files. */
const FILES: readonly string[] = ['none', 'read-only', 'read-write'];

function ticketOf(where: string, old: Profile['ticket'], now: Profile['ticket']): PolicyChange[] {
  if (old === now) return [];
  if (now === 'required') return [change(where, 'stricter', 'needs a ticket')];
  return [change(where, old === 'required' ? 'weaker' : 'unclear', `was ${old}, is ${now}`)];
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

/** Steps are the same by their names; where there is one before and after, by that. */
function approvalChanges(where: string, old: Profile, now: Profile): PolicyChange[] {
  const [before, after] = [approvalOf(old), approvalOf(now)];
  const isShort = old.approvers !== undefined && now.approvers !== undefined;
  const isOne = before.steps.length === 1 && after.steps.length === 1;
  const at = (name: string) => `${where}.approval.steps.${name}`;
  const pairs = before.steps.map((step) => ({
    was: step,
    is: isOne ? after.steps[0] : after.steps.find(({ name }) => name === step.name),
  }));
  const added = after.steps.filter((step) => !pairs.some(({ is }) => is === step));
  return [
    ...pairs.flatMap(({ was, is }) =>
      is === undefined
        ? [change(at(was.name), 'weaker', `is gone: ${describeStep(was)}`)]
        : changesOfStep(
            isShort ? { from: `${where}.approvers`, count: `${where}.approvals`, at: where } : placesOf(at(is.name)),
            was,
            is,
          ),
    ),
    ...added.map((step) => change(at(step.name), 'stricter', `is new: ${describeStep(step)}`)),
    ...orderChanges(`${where}.approval`, before, after),
  ];
}

const describeStep = ({ count, from }: ApprovalStep): string => `${count} of ${membersOf(from.people).join(', ')}`;
const placesOf = (at: string) => ({ from: `${at}.from`, count: `${at}.count`, at });

function changesOfStep(
  { from, count, at }: ReturnType<typeof placesOf>,
  old: ApprovalStep,
  now: ApprovalStep,
): PolicyChange[] {
  const words = from.endsWith('.approvers') ? 'may approve' : 'may decide this step';
  return [
    ...listed(from, old.from.people, now.from.people, words, 'weaker'),
    ...compared(count, old.count, now.count, 'stricter', String),
    ...waiverChanges(`${at}.unless`, old.unless?.when, now.unless?.when),
    ...escalationChanges(`${at}.escalate`, old.escalate, now.escalate),
  ];
}

function waiverChanges(where: string, old: When | undefined, now: When | undefined): PolicyChange[] {
  if (old !== undefined && now !== undefined) return conditionsOf(where, old, now, 'does not need this step');
  if (now !== undefined) return [change(where, 'weaker', `the step is not needed ${describeConditions(now)}`)];
  return old === undefined ? [] : [change(where, 'stricter', `the step is needed ${describeConditions(old)}, too`)];
}

/** By whom it comes to be decided, and after how long at the earliest. */
function escalationChanges(
  where: string,
  old: ApprovalStep['escalate'],
  now: ApprovalStep['escalate'],
): PolicyChange[] {
  const timesOf = (escalate: ApprovalStep['escalate']) => {
    const times = new Map<string, number>();
    for (const { after, people } of escalate)
      for (const who of membersOf(people)) times.set(who, Math.min(after, times.get(who) ?? after));
    return times;
  };
  const [before, after] = [timesOf(old), timesOf(now)];
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((who) => {
    const [was, is] = [before.get(who), after.get(who)];
    if (was === is) return [];
    if (is === undefined) return [change(where, 'stricter', `${who} may decide this step no more`)];
    const words = `${who} may decide this step after ${formatDuration(is)}`;
    if (was === undefined) return [change(where, 'weaker', words)];
    return [change(where, is < was ? 'weaker' : 'stricter', `${words}, was ${formatDuration(was)}`)];
  });
}

function orderChanges(where: string, old: Approval, now: Approval): PolicyChange[] {
  if (old.steps.length < 2 || now.steps.length < 2) return [];
  if (old.order !== now.order)
    return now.order === 'sequence'
      ? [change(`${where}.order`, 'stricter', 'one step is asked after the other')]
      : [change(`${where}.order`, 'weaker', 'all steps are asked at once')];
  const shared = (of: Approval, other: Approval) =>
    of.steps.map(({ name }) => name).filter((name) => other.steps.some((step) => step.name === name));
  return now.order === 'parallel' || isSame(shared(old, now), shared(now, old))
    ? []
    : [change(`${where}.steps`, 'unclear', `are asked in another order: ${shared(now, old).join(', ')}`)];
}

const reverse = (effect: 'weaker' | 'stricter') => (effect === 'weaker' ? 'stricter' : 'weaker');

function membersOf({ users, groups, channels, oncall = [] }: Principals): string[] {
  return [
    ...users,
    ...groups.map((id) => `group ${id}`),
    ...channels.map((id) => `channel ${id}`),
    ...oncall.map((name) => `whoever is on call for ${name}`),
  ];
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

function notesOf(where: string, old: Profile['approval']['note'], now: Profile['approval']['note']): PolicyChange[] {
  return (['approve', 'deny'] as const).flatMap((verdict) => {
    const [was, is] = [old[verdict] ?? 'left out', now[verdict] ?? 'left out'];
    if (was === is) return [];
    const effect = is === 'required' ? 'stricter' : was === 'required' ? 'weaker' : 'unclear';
    return [change(`${where}.${verdict}`, effect, `was ${was}, is ${is}`)];
  });
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

/** Where one entry is another it is compared condition by condition; of several, each counts as one that came or went. */
function automaticOf(where: string, old: Profile, now: Profile): PolicyChange[] {
  const [before, after] = [automaticEntries(old), automaticEntries(now)].map((entries) =>
    entries.map(({ when }) => when),
  );
  if (before === undefined || after === undefined) return [];
  if (before.length > 0 && after.length === 0) return [change(where, 'stricter', 'needs a person always')];
  const without = (entries: readonly When[], others: readonly When[]) =>
    entries.filter((entry) => !others.some((other) => isSame(entry, other)));
  const [came, went] = [without(after, before), without(before, after)];
  const [was, is] = [went[0], came[0]];
  if (was !== undefined && is !== undefined && went.length + came.length === 2) return conditionsOf(where, was, is);
  return [
    ...came.map((when) => change(where, 'weaker', `needs no person for ${describeWhen(when, now)}`)),
    ...went.map((when) => change(where, 'stricter', `needs a person for ${describeWhen(when, old)}`)),
    ...(isSame(before, after) || came.length + went.length > 0
      ? []
      : [change(where, 'unclear', 'has the same entries in another order')]),
  ];
}

function breakGlassOf(where: string, old: Profile['breakGlass'], now: Profile['breakGlass']): PolicyChange[] {
  const whole = ({ from, maximum }: NonNullable<Profile['breakGlass']>) =>
    `${membersOf(from).join(', ')}, for ${formatDuration(maximum)}`;
  if (old === undefined) return now === undefined ? [] : [change(where, 'weaker', `may be broken by ${whole(now)}`)];
  if (now === undefined) return [change(where, 'stricter', `may be broken no more by ${whole(old)}`)];
  return [
    ...listed(`${where}.from`, old.from, now.from, 'may break the glass', 'weaker'),
    ...compared(`${where}.maximum`, old.maximum, now.maximum, 'weaker', formatDuration),
    ...compared(`${where}.perDay`, old.perDay, now.perDay, 'weaker', String),
    ...listed(`${where}.review.from`, old.review.from, now.review.from, 'may review', 'weaker'),
    ...compared(`${where}.review.within`, old.review.within, now.review.within, 'weaker', formatDuration),
  ];
}

function conditionsOf(where: string, old: When, now: When, gains = 'needs no person'): PolicyChange[] {
  const most = (seconds: number) => (seconds === ANY ? 'any the profile allows' : formatDuration(seconds));
  return [
    ...(old.members === undefined || now.members === undefined
      ? switched(`${where}.members`, old.members === undefined, now.members === undefined, 'is everybody who may ask')
      : listed(`${where}.members`, old.members, now.members, gains, 'weaker')),
    ...switched(`${where}.ticket`, old.ticket === undefined, now.ticket === undefined, 'needs no ticket'),
    ...compared(`${where}.maximum`, old.maximum ?? ANY, now.maximum ?? ANY, 'weaker', most),
    ...covered(`${where}.namespaces`, old.namespaces ?? ['*'], now.namespaces ?? ['*']),
    ...kitsOf(`${where}.rights`, old.rights, now.rights),
    ...compared(`${where}.perDay`, old.perDay ?? ANY, now.perDay ?? ANY, 'weaker', countOf),
    ...(old.hours === undefined || now.hours === undefined
      ? switched(`${where}.hours`, old.hours === undefined, now.hours === undefined, 'is any time')
      : hoursOf(`${where}.hours`, old.hours, now.hours)),
  ];
}

function describeWhen({ members, ...when }: When, profile: Profile): string {
  const who = members === undefined ? 'everybody who may ask' : membersOf(members).join(', ');
  const { maximum = profile.duration.maximum, hours, ...rest } = when;
  return `${who}, ${describeConditions({ maximum, ...rest })}${hours === undefined ? '' : `, ${hours}`}`;
}

/** How much of it there may be; what is left out is any number. */
function limitsOf(where: string, old: Profile['limits'] = {}, now: Profile['limits'] = {}): PolicyChange[] {
  return (['openPerPerson', 'perPersonADay', 'open'] as const).flatMap((limit) =>
    compared(`${where}.${limit}`, old[limit] ?? ANY, now[limit] ?? ANY, 'weaker', countOf),
  );
}
const ANY = Number.POSITIVE_INFINITY;
const countOf = (count: number): string => (count === ANY ? 'any number' : String(count));

/** Rights in words; undefined: all that the profile gives, also where it gives them in another way. */
function kitsOf(where: string, old: readonly Kit[] | undefined, now: readonly Kit[] | undefined): PolicyChange[] {
  if (old === undefined || now === undefined)
    return switched(where, old === undefined, now === undefined, 'is all that the profile gives');
  return [
    ...now.filter((kit) => !old.includes(kit)).map((kit) => change(where, 'weaker', `has ${kit}`)),
    ...old.filter((kit) => !now.includes(kit)).map((kit) => change(where, 'stricter', `has ${kit} no more`)),
  ];
}

/** Hours of one zone are compared minute by minute; those of two are not the same minutes all year. */
function hoursOf(where: string, old: string, now: string): PolicyChange[] {
  const [before, after] = [parseHours(old), parseHours(now)];
  if (before === null || after === null || before.zone !== after.zone)
    return old === now ? [] : [change(where, 'unclear', `was ${old}, is ${now}`)];
  const [came, went] = [minutesWithout(after, before), minutesWithout(before, after)];
  return [
    ...(came === '' ? [] : [change(where, 'weaker', `has ${came} ${after.zone}`)]),
    ...(went === '' ? [] : [change(where, 'stricter', `has ${went} ${after.zone} no more`)]),
  ];
}

/** Whatever else is another. */
function others(prefix: string, old: object, now: object, known: readonly string[]): PolicyChange[] {
  const [before, after] = [new Map(Object.entries(old)), new Map(Object.entries(now))];
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((key) => !known.includes(key) && !isSame(before.get(key), after.get(key)))
    .map((key) => change(`${prefix}${key}`, 'unclear', `was ${said(before.get(key))}, is ${said(after.get(key))}`));
}

const said = (value: unknown): string => (value === undefined ? 'left out' : canonical(value));
