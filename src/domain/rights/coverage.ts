import { canonical } from '../canonical.ts';

/**
 * Which rules of RBAC allow what others allow, compared as the API server compares them: wildcards are words, and stand for all words.
 * Source: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-resources
 */

/** A rule as the API has it: on resources, or (of a ClusterRole) on URLs that are no resources. */
export interface AnyRule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
}

/**
 * So many single rights (a verb, on a resource, of a name) are compared, in some 50 ms; the largest role of Kubernetes has some 700. Whoever may
 * write a Role can multiply its lists into many millions.
 */
export const MOST_RIGHTS = 20_000;

/**
 * Each right with a wildcard is compared with every other right, so the number of the former times that of the latter is bounded too. So many
 * comparisons take some 60 ms.
 */
export const MOST_COMPARISONS = 2_000_000;

/**
 * Whether these are too many to be compared with others, or among themselves. Counted from the lists alone: what they multiply to may not fit into
 * memory.
 */
export function areTooMany(rules: readonly AnyRule[], others: readonly AnyRule[] = rules): boolean {
  const rights = sumOf(rules.map(countOf));
  const wide = sumOf(others.map((rule) => countOf(rule) - countOf(narrowed(rule))));
  return rights > MOST_RIGHTS || wide * rights > MOST_COMPARISONS;
}

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0);

/** How many single rights a rule gives. */
const countOf = ({
  apiGroups = [],
  resources = [],
  verbs,
  resourceNames = [],
  nonResourceURLs = [],
}: AnyRule): number =>
  verbs.length * (nonResourceURLs.length + apiGroups.length * resources.length * (resourceNames.length || 1));

/** The rule without its rights that are wide (see `isWide`). */
const narrowed = (rule: AnyRule): AnyRule => ({
  ...rule,
  verbs: rule.verbs.filter((verb) => verb !== '*'),
  nonResourceURLs: (rule.nonResourceURLs ?? []).filter((url) => !url.endsWith('*')),
  apiGroups: (rule.apiGroups ?? []).filter((group) => group !== '*'),
  resources: (rule.resources ?? []).filter((resource) => !resource.startsWith('*')),
});

/** One verb on one resource, or on one URL. */
type Atom =
  | { readonly verb: string; readonly url: string }
  | {
      readonly verb: string;
      readonly group: string;
      readonly resource: string;
      /** Undefined: all names. */
      readonly name?: string;
    };

function atomsOf({ apiGroups = [], resources = [], verbs, resourceNames = [], nonResourceURLs = [] }: AnyRule): Atom[] {
  // An empty list of names means all names, like none.
  const names = resourceNames.length === 0 ? [{}] : resourceNames.map((name) => ({ name }));
  return verbs.flatMap((verb) => [
    ...nonResourceURLs.map((url) => ({ verb, url: url.replace(/\*+$/, '*') })),
    ...apiGroups.flatMap((group) =>
      resources.flatMap((resource) => names.map((name) => ({ verb, group, resource, ...name }))),
    ),
  ]);
}

const coversWord = (word: string, other: string): boolean => word === other || word === '*';

/** `*` is every resource with every subresource, `*` with `/scale` that subresource of every resource; `pods/*` means nothing but itself. */
function coversResource(resource: string, other: string): boolean {
  if (coversWord(resource, other)) return true;
  const slash = other.indexOf('/');
  return slash !== -1 && resource === `*${other.slice(slash)}`;
}

/** Stars at the end of a URL stand for whatever follows. */
const coversUrl = (url: string, other: string): boolean =>
  url === other || (url.endsWith('*') && other.startsWith(url.slice(0, -1)));

function covers(atom: Atom, other: Atom): boolean {
  if (!coversWord(atom.verb, other.verb)) return false;
  if ('url' in atom || 'url' in other) return 'url' in atom && 'url' in other && coversUrl(atom.url, other.url);
  return (
    coversWord(atom.group, other.group) &&
    coversResource(atom.resource, other.resource) &&
    (atom.name === undefined || atom.name === other.name)
  );
}

/** Whether an atom can cover one that differs from it in more than the name. */
const isWide = (atom: Atom): boolean =>
  atom.verb === '*' || ('url' in atom ? atom.url.endsWith('*') : atom.group === '*' || atom.resource.startsWith('*'));

/** The same for all names, as text; null: it is for all names itself, or on a URL. */
const forAllNames = (atom: Atom): string | null =>
  'url' in atom || atom.name === undefined ? null : canonical({ ...atom, name: undefined });

/** Answers whether one of these atoms covers another, which is not itself. */
function coveredByOthers(atoms: readonly Atom[], known: ReadonlySet<string>): (other: Atom) => boolean {
  const wide = atoms.filter(isWide);
  return (other) => known.has(forAllNames(other) ?? '') || wide.some((atom) => atom !== other && covers(atom, other));
}

/** Answers whether these rules allow an atom. */
function allowedBy(rules: readonly AnyRule[]): (atom: Atom) => boolean {
  const atoms = rules.flatMap(atomsOf);
  const known = new Set(atoms.map(canonical));
  const isCovered = coveredByOthers(atoms, known);
  return (atom) => known.has(canonical(atom)) || isCovered(atom);
}

/** Answers whether these rules together allow all that another one does. */
export function allowing(rules: readonly AnyRule[]): (other: AnyRule) => boolean {
  const isAllowed = allowedBy(rules);
  return (other) => atomsOf(other).every(isAllowed);
}

/** What `now` allows and `before` did not, a rule for each resource; empty: nothing. */
export function growth(before: readonly AnyRule[], now: readonly AnyRule[]): AnyRule[] {
  const isAllowed = allowedBy(before);
  return rulesOf(now.flatMap(atomsOf).filter((atom) => !isAllowed(atom)));
}

/** The same rules in one form: each verb once, sorted, nothing that another rule allows anyway. Equal where two lists allow the same. */
export function normalRules<R extends AnyRule>(rules: readonly R[]): R[] {
  const known = new Map(rules.flatMap(atomsOf).map((atom) => [canonical(atom), atom]));
  const atoms = [...known.values()];
  const isCovered = coveredByOthers(atoms, new Set(known.keys()));
  return rulesOf(atoms.filter((atom) => !isCovered(atom))) as R[];
}

/** One rule for what has the same resource (or URL) and names, with all its verbs. */
function rulesOf(atoms: readonly Atom[]): AnyRule[] {
  const place = (atom: Atom) =>
    'url' in atom
      ? { nonResourceURLs: [atom.url] }
      : {
          apiGroups: [atom.group],
          resources: [atom.resource],
          ...(atom.name === undefined ? {} : { resourceNames: [atom.name] }),
        };
  return [...Map.groupBy(atoms, (atom) => canonical(place(atom)))]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, same]) => ({ ...place(same[0] as Atom), verbs: [...new Set(same.map(({ verb }) => verb))].toSorted() }));
}

/** `get, list pods/log`, `delete deployments (apps) named checkout`. */
export function describeRule({
  apiGroups = [],
  resources = [],
  verbs,
  resourceNames,
  nonResourceURLs = [],
}: AnyRule): string {
  const groups = apiGroups.filter((group) => group !== '');
  const what = [...resources, ...nonResourceURLs].join(', ');
  const names = resourceNames === undefined ? '' : ` named ${resourceNames.join(', ')}`;
  return `${verbs.join(', ')} ${what}${groups.length > 0 ? ` (${groups.join(', ')})` : ''}${names}`;
}
