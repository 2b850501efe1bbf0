import { canonical } from '../canonical.ts';
import { formatDuration } from '../duration.ts';
import { describeShell } from '../policy/policy.ts';
import { describeRule, growth } from '../rights/coverage.ts';
import { describeTarget } from '../target.ts';
import type { Bound, Surroundings } from './plan.ts';

/** How what an approval bound differs from what it would bind now, for people. Pure. */

const same = (a: unknown, b: unknown): boolean => canonical(a) === canonical(b);

function was(what: string, old: string, now: string): string[] {
  return old === now ? [] : [`${what}: was ${old}, is ${now}`];
}

/** What was taken from a list, and what was added to it. */
function changedList(what: string, old: readonly string[], now: readonly string[]): string[] {
  const gone = old.filter((item) => !now.includes(item)).map((item) => `- ${item}`);
  const added = now.filter((item) => !old.includes(item)).map((item) => `+ ${item}`);
  return gone.length + added.length === 0 ? [] : [`${what}: ${[...gone, ...added].join('; ')}`];
}

function madeAgain(what: string, old: string | null | undefined, now: string | null | undefined): string[] {
  return old === now ? [] : [`${what} was deleted and made again (was uid ${old}, is ${now})`];
}

function targets(old: Bound, now: Bound): string[] {
  const moved = was('target', describeTarget(old.target), describeTarget(now.target));
  if (moved.length > 0) return moved;
  return [
    ...madeAgain(`namespace ${now.target.namespace}`, old.namespaceUid, now.namespaceUid),
    ...madeAgain(describeTarget(now.target), old.nodeUid, now.nodeUid),
    ...madeAgain(`target: ${describeTarget(now.target)}`, old.workload?.uid, now.workload?.uid),
    ...was('selector of the pods', canonical(old.workload?.selector), canonical(now.workload?.selector)),
  ];
}

function rights(old: Bound, now: Bound): string[] {
  const name = ({ role, rights }: Bound) => {
    if (role !== null) return `${role.kind} ${role.name}`;
    return rights === null ? 'rules of the profile' : 'rights in words';
  };
  const lost = growth(now.rules, old.rules).map((rule) => `- ${describeRule(rule)}`);
  const grown = growth(old.rules, now.rules).map((rule) => `+ ${describeRule(rule)}`);
  return [
    ...was('credential', old.credential, now.credential),
    ...was('rights', name(old), name(now)),
    ...was('shell', shellOf(old), shellOf(now)),
    ...(old.rights === null || now.rights === null ? [] : changedList('rights', old.rights, now.rights)),
    ...was('the role may grow during the grant', yes(old.roleMayGrow), yes(now.roleMayGrow)),
    ...(lost.length + grown.length === 0 ? [] : [`${name(now)}: ${[...lost, ...grown].join('; ')}`]),
  ];
}

const shellOf = ({ shell }: Bound): string => (shell === undefined ? 'none' : describeShell(shell));

const yes = (is: boolean): string => (is ? 'yes' : 'no');

/** What the grant itself would put into the network, by the names of the plan. */
function networks(old: Bound['network'], now: Bound['network']): string[] {
  const before = new Map<string, unknown>(Object.entries(old));
  const after = new Map<string, unknown>(Object.entries(now));
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) =>
    was(`network ${key}`, said(before.get(key)), said(after.get(key))),
  );
}

function said(value: unknown): string {
  if (value === undefined) return 'none';
  if (typeof value === 'boolean') return yes(value);
  return typeof value === 'string' ? value : canonical(value);
}

/** What has changed around the pods of a grant: policies of others, and how they isolate. */
export function surroundingDifferences(old: Surroundings, now: Surroundings): string[] {
  const before = new Map(old.policies.map(({ name, spec }) => [name, spec]));
  const after = new Map(now.policies.map(({ name, spec }) => [name, spec]));
  const policies = [...new Set([...before.keys(), ...after.keys()])].toSorted().flatMap((name) => {
    const [earlier, spec] = [before.get(name), after.get(name)];
    if (earlier === spec) return [];
    if (earlier === undefined) return [`policy ${name} selects the pods now`];
    return [spec === undefined ? `policy ${name} selects the pods no more` : `policy ${name} was changed`];
  });
  const isolation = (['target', 'workspace'] as const).flatMap((pods) => {
    const [before, after] = [old, now].map((of) => of.isolation.find((one) => one.pods === pods));
    return (['before', 'with'] as const).flatMap((when) =>
      (['Ingress', 'Egress'] as const).flatMap((direction) =>
        was(
          `isolation of the ${pods}, ${direction.toLowerCase()}, ${when === 'before' ? 'before' : 'with'} the grant`,
          yes(before?.[when].includes(direction) ?? false),
          yes(after?.[when].includes(direction) ?? false),
        ),
      ),
    );
  });
  return [...policies, ...isolation];
}

/** A phrase for each difference, old and new; empty exactly when both bind the same. */
export function differencesOf(old: Bound, now: Bound): string[] {
  const found = [
    ...was('user', old.user, now.user),
    ...changedList('groups', old.groups, now.groups),
    ...was('cluster', old.cluster, now.cluster),
    ...targets(old, now),
    ...was('how long', formatDuration(old.duration), formatDuration(now.duration)),
    ...was('profile', old.profile.name, now.profile.name),
    ...rights(old, now),
    ...networks(old.network, now.network),
    ...surroundingDifferences(old.surroundings, now.surroundings),
    ...changedList('acknowledged persistence', old.acknowledged.persistence, now.acknowledged.persistence),
    ...changedList('isolated for the first time', old.acknowledged.isolates, now.acknowledged.isolates),
    ...(old.profile.digest === now.profile.digest ? [] : [`profile ${now.profile.name} was changed in the policy`]),
  ];
  // What has no word of its own is still a difference.
  return found.length === 0 && !same(old, now) ? ['what is bound stands in another order'] : found;
}
