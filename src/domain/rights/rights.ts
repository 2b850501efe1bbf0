import {
  CLASSES,
  DANGEROUS_RIGHTS,
  type DangerousRight,
  HARMLESS_RIGHTS,
  KNOWN_GROUPS,
  READS,
  type RightClass,
  type Rights,
  VERBS,
} from './table.ts';

/** A rule of RBAC. `resourceNames` missing means all names. */
export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
  /** URLs that are no resources: only a ClusterRole that is bound in the whole cluster gives these. */
  readonly nonResourceURLs?: readonly string[];
}

/** The kinds that a request may name as its target, with the short names that people type. */
export const WORKLOAD_KINDS = [
  { kind: 'Deployment', apiGroup: 'apps', resource: 'deployments', words: ['deploy', 'deployment', 'deployments'] },
  { kind: 'StatefulSet', apiGroup: 'apps', resource: 'statefulsets', words: ['sts', 'statefulset', 'statefulsets'] },
  { kind: 'DaemonSet', apiGroup: 'apps', resource: 'daemonsets', words: ['ds', 'daemonset', 'daemonsets'] },
  { kind: 'Job', apiGroup: 'batch', resource: 'jobs', words: ['job', 'jobs'] },
  { kind: 'Pod', apiGroup: '', resource: 'pods', words: ['po', 'pod', 'pods'] },
] as const;

export type WorkloadKind = (typeof WORKLOAD_KINDS)[number]['kind'];

/** The kind behind `deploy`, `Deployment`, `deployments`, …; null when it is none that can be a target. */
export function workloadKind(word: string): WorkloadKind | null {
  const lower = word.toLowerCase();
  return WORKLOAD_KINDS.find((k) => (k.words as readonly string[]).includes(lower))?.kind ?? null;
}

const TABLE: readonly Rights[] = [...DANGEROUS_RIGHTS, ...HARMLESS_RIGHTS];

/** One thing that somebody can do with rights: how bad it is, and in words ("reads secrets"). */
export interface Risk {
  readonly class: RightClass;
  readonly words: string;
}

const WILDCARDS = { class: 'never inline', does: 'reaches everything by wildcards, also what is added later' } as const;
/** The defaults for what the table does not have: resources of others, whose controllers act on them, and verbs of others. */
const UNKNOWN = {
  change: { class: 'acknowledged', does: 'changes what controllers of others may act on', named: true },
  verb: { class: 'acknowledged', does: 'has verbs of others', named: true },
  read: { class: 'said', does: 'reads resources of others, which may hold credentials', named: true },
} as const;

/** What is no resource: metrics, health, discovery. A wildcard among them reaches what is added later. */
const URLS = {
  some: { class: 'said', does: 'reads what the API server tells at URLs of its own', named: true },
  all: WILDCARDS,
} as const;

type Danger = Pick<DangerousRight, 'class' | 'does' | 'named'>;
const ORDER: readonly Danger[] = [WILDCARDS, ...DANGEROUS_RIGHTS, ...Object.values(UNKNOWN), URLS.some];
const rank = (danger: Danger): number => CLASSES.indexOf(danger.class) * ORDER.length + ORDER.indexOf(danger);

/** Equal, or one is a wildcard of the other: `*`, `pods/*`, `*\/scale`. */
function meets(one: string, other: string): boolean {
  if (one === other || one === '*' || other === '*') return true;
  // Most pairs are this: a role has hundreds of rights, and each is held against the whole table.
  if (!one.includes('*') && !other.includes('*')) return false;
  const [parts, others] = [one.split('/'), other.split('/')];
  return (
    parts.length === others.length &&
    parts.every((part, index) => part === others[index] || part === '*' || others[index] === '*')
  );
}

/** `impersonate:user-info` is a part of `impersonate`. */
const verbOf = (verb: string): string => verb.split(':')[0] ?? verb;

const some = (ones: readonly string[], others: readonly string[]): boolean =>
  ones.some((one) => others.some((other) => meets(one, other)));
const isWithin = ({ groups, resources }: Rights, apiGroups: readonly string[], resource: string): boolean =>
  some(groups, apiGroups) && some(resources, [resource]);
const isKnown = (apiGroup: string, resource: string): boolean =>
  TABLE.some((rights) => isWithin(rights, [apiGroup], resource));

/** How the table has this verb on this resource; null: it does not. */
export function classOf(apiGroup: string, resource: string, verb: string): RightClass | 'harmless' | null {
  const has = (rights: Rights) => isWithin(rights, [apiGroup], resource) && some(rights.verbs, [verbOf(verb)]);
  return DANGEROUS_RIGHTS.find(has)?.class ?? (HARMLESS_RIGHTS.some(has) ? 'harmless' : null);
}

/** What the table does not have of a resource, as danger and name. */
function unknownOf({ apiGroups, verbs }: Rule, resource: string): [Danger, string][] {
  if (resource.includes('*')) return [];
  const said = verbs.filter((verb) => verb !== '*');
  // A rule with several groups means each resource in the one that has it.
  const isElsewhere = apiGroups.some((group) => isKnown(group, resource));
  const strangers = apiGroups.filter(
    (group) => group !== '*' && !isKnown(group, resource) && !(isElsewhere && KNOWN_GROUPS.has(group)),
  );
  const reads = verbs.every((verb) => READS.includes(verb));
  return [
    ...strangers.map((group): [Danger, string] => [
      reads ? UNKNOWN.read : UNKNOWN.change,
      group === '' ? resource : `${resource}.${group}`,
    ]),
    ...said
      .filter(
        (verb) =>
          isElsewhere && !VERBS.includes(verb) && apiGroups.every((group) => classOf(group, resource, verb) === null),
      )
      .map((verb): [Danger, string] => [UNKNOWN.verb, `${verb} on ${resource}`]),
  ];
}

function dangersOf(rule: Rule): [Danger, string][] {
  const verbs = rule.verbs.map(verbOf);
  const all = [...rule.apiGroups, ...rule.resources, ...rule.verbs];
  return [
    ...(rule.nonResourceURLs ?? []).map((url): [Danger, string] => [url === '*' ? URLS.all : URLS.some, url]),
    ...(all.some((word) => word.includes('*')) ? [[WILDCARDS, ''] as [Danger, string]] : []),
    ...rule.resources.flatMap((resource) => [
      ...DANGEROUS_RIGHTS.filter((right) => isWithin(right, rule.apiGroups, resource) && some(right.verbs, verbs)).map(
        (right): [Danger, string] => [right, resource],
      ),
      ...unknownOf(rule, resource),
    ]),
  ];
}

/** What these rights amount to, worst first, each thing once. */
export function risksOf(rules: readonly Rule[]): Risk[] {
  const names = new Map<Danger, Set<string>>();
  for (const [danger, name] of rules.flatMap(dangersOf)) names.set(danger, (names.get(danger) ?? new Set()).add(name));
  return [...names]
    .toSorted(([one], [other]) => rank(one) - rank(other))
    .map(([{ class: kind, does, named }, found]) => ({
      class: kind,
      words: named ? `${does} (${[...found].toSorted().join(', ')})` : does,
    }));
}

/** Why access by these rules can outlive its grant, a phrase each, worst first; empty when it can't. */
export function persistenceRisks(rules: readonly Rule[]): string[] {
  return risksOf(rules).flatMap((risk) => (risk.class === 'said' ? [] : [risk.words]));
}

/** Why a shell on a node can outlive its grant, whatever it was given of the node. */
export const SHELL_RISKS: readonly string[] = [
  'is root on the node: it reads every Secret that is mounted there, the credential of its kubelet and the identity that it has in its cloud',
  'leaves behind what it likes: files of the node, and processes that it moves out of its container live on',
];

/** What an approver may not see in these rules: how far they reach though they end with the grant, a phrase each. */
export function reachesOf(rules: readonly Rule[]): string[] {
  return risksOf(rules).flatMap((risk) => (risk.class === 'said' ? [risk.words] : []));
}

/** Whether these rules let somebody run something in a pod, or in one that he makes: he then shares its network. */
export function letsIntoPods(rules: readonly Rule[]): boolean {
  return rules.some((rule) =>
    rule.resources.some((resource) =>
      DANGEROUS_RIGHTS.some(
        (right) => right.entersPods && isWithin(right, rule.apiGroups, resource) && some(right.verbs, rule.verbs),
      ),
    ),
  );
}
