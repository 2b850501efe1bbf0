import { listsOfOnCallAlone } from './on-call-lists.ts';
import {
  approvalOf,
  automaticEntries,
  describeCoverage,
  isSystemNamespace,
  matchesNamespace,
  type Policy,
  type Principals,
  type Profile,
} from './policy.ts';
import type { PolicyProblem } from './unnameable.ts';

/**
 * What a policy that is taken says and can't mean, or may not mean. The bot takes it all the same: other profiles work. `error`: something of it
 * can never happen. `note`: it can, and whoever wrote it may not expect how.
 */
export interface Finding extends PolicyProblem {
  readonly severity: 'error' | 'note';
}

type Path = PolicyProblem['path'];
const error = (path: Path, message: string): Finding => ({ path, message, severity: 'error' });
const note = (path: Path, message: string): Finding => ({ path, message, severity: 'note' });

/** One list of those who decide, and how many of them must. */
export interface Deciders {
  readonly path: readonly (string | number)[];
  readonly count: number;
  /** Those in any of these lists. */
  readonly lists: readonly Principals[];
}

/** Who decides on a profile. */
export function decidersIn(profile: Profile): Deciders[] {
  return approvalOf(profile).steps.map(({ from, count, escalate }) => ({
    path: from.path,
    count,
    lists: [from, ...escalate].map(({ people }) => people),
  }));
}

export function findingsOf(policy: Policy): Finding[] {
  const hanging = listsOfOnCallAlone(policy).map(({ path, message }) => note(path, message));
  const found = Object.entries(policy.profiles).flatMap(([name, profile]) => {
    const path = ['profiles', name];
    return [
      ...deniedLists(path, profile),
      ...peersAlone(path, profile),
      ...closedNamespaces(path, profile),
      ...automaticInVain(path, profile),
      ...automaticForAll(path, profile),
    ];
  });
  return [...found, ...hanging];
}

/** The entries of a list, so that they can be compared; users are compared without case. */
function entriesIn({ users, groups, channels, oncall = [] }: Principals): string[] {
  return [
    ...users.map((user) => user.toLowerCase()),
    ...groups,
    ...channels,
    ...oncall.map((name) => `oncall:${name}`),
  ];
}

/** Lists of which `deny` names every entry. That it names every user of one without lists the schema refuses already. */
function deniedLists(path: Path, profile: Profile): Finding[] {
  const denied = new Set(entriesIn(profile.deny));
  const isEmpty = (lists: readonly Principals[]) =>
    lists.every((list) => entriesIn(list).every((entry) => denied.has(entry)));
  return [
    ...(isEmpty([profile.requesters])
      ? [error([...path, 'requesters'], 'nobody may ask: deny names everybody who is named here')]
      : []),
    ...decidersIn(profile)
      .filter(({ lists }) => isEmpty(lists))
      .map((deciders) =>
        error([...path, ...deciders.path], 'nothing can be approved: deny names everybody who is named here'),
      ),
  ];
}

/** Nobody decides who may not ask as well: two people can do for each other what neither may alone. */
function peersAlone(path: Path, profile: Profile): Finding[] {
  const asking = new Set(entriesIn(profile.requesters));
  const denied = new Set(entriesIn(profile.deny));
  const deciding = decidersIn(profile)
    .flatMap(({ lists }) => lists.flatMap(entriesIn))
    .filter((entry) => !denied.has(entry));
  const [first] = decidersIn(profile);
  if (first === undefined || deciding.length === 0 || !deciding.every((entry) => asking.has(entry))) return [];
  return [note([...path, ...first.path], 'only those who may ask may approve: they decide about each other')];
}

function closedNamespaces(path: Path, { namespaces = [] }: Profile): Finding[] {
  return namespaces.flatMap((pattern, index) =>
    isSystemNamespace(pattern)
      ? [
          note(
            [...path, 'namespaces', index],
            `${pattern} covers nothing: namespaces of Kubernetes (kube-*) are closed`,
          ),
        ]
      : [],
  );
}

/** Entries of `automatic` that never count. */
function automaticInVain(path: Path, profile: Profile): Finding[] {
  if (profile.automatic === undefined) return [];
  if (profile.acknowledgePersistence || profile.network.allowIsolation)
    return [note([...path, 'automatic'], 'never counts: acknowledgePersistence and allowIsolation need a person')];
  return automaticEntries(profile).flatMap(({ path: entry, when: { namespaces = [], rights } }) => {
    const covered = profile.namespaces ?? [];
    const holds =
      covered.length > 0 && namespaces.some((name) => name.includes('*') || matchesNamespace(covered, name));
    const at = (key: string): Path => [...path, ...entry, key];
    return [
      ...(holds || namespaces.length === 0
        ? []
        : [
            note(
              at('namespaces'),
              `holds nowhere: the profile covers ${profile.namespaces?.join(', ') ?? describeCoverage(profile)}`,
            ),
          ]),
      ...(rights !== undefined && profile.rights === undefined
        ? [note(at('rights'), 'is never met: the profile gives a role or rules, not rights in words')]
        : []),
    ];
  });
}

/** Entries of `automatic` that name no people. */
function automaticForAll(path: Path, profile: Profile): Finding[] {
  return automaticEntries(profile).flatMap(({ path: entry, when: { members } }) =>
    members === undefined
      ? [note([...path, ...entry], 'names no people: everybody who may ask is approved at once where the rest holds')]
      : [],
  );
}
