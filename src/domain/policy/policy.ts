import type { z } from 'zod';
import { formatDuration } from '../duration.ts';
import { type Kit, rulesOfKits } from '../rights/kits.ts';
import type { Rule } from '../rights/rights.ts';
import type { ClusterName } from '../target.ts';
import type { conditions } from './fields/decisions.ts';
import type { policyFields } from './fields/policy.ts';

export type Policy = z.infer<typeof policyFields>;
export type Scope = Profile['scope'];
export type Profile = Policy['profiles'][string];
/** A privileged pod on a node, as a profile gives it. */
export type NodeShell = Readonly<NonNullable<Profile['shell']>>;
export type ClusterEntry = NonNullable<Policy['clusters']>[string];
export type Principals = Profile['requesters'];
export type When = z.infer<typeof conditions>;

/** An entry by which the policy itself approves, and where it stands in its profile. */
export interface AutomaticEntry {
  readonly path: readonly (string | number)[];
  readonly when: When;
}

/** The entries of `automatic`, in their order. */
export function automaticEntries({ automatic }: Profile): AutomaticEntry[] {
  if (automatic === undefined) return [];
  return Array.isArray(automatic)
    ? automatic.map((entry, index) => ({ path: ['automatic', index, 'when'], when: withMembers(entry.when) }))
    : [{ path: ['automatic'], when: withMembers(automatic) }];
}

/** All conditions of a profile, and where they stand in it. */
export function conditionsOf(profile: Profile): AutomaticEntry[] {
  return [...automaticEntries(profile), ...approvalOf(profile).steps.flatMap(({ unless }) => unless ?? [])];
}

/** The same conditions with who is on call as members, so that whoever judges them finds all people in one place. */
export function withMembers(when: When): When {
  const { oncall } = when;
  return oncall === undefined ? when : { ...when, members: { users: [], groups: [], channels: [], oncall } };
}

/** A list of people, and where it stands in its profile. */
export interface PlacedPeople {
  readonly path: readonly (string | number)[];
  readonly people: Principals;
}

/** One step of an approval. */
export interface ApprovalStep {
  readonly name: string;
  readonly from: PlacedPeople;
  readonly count: number;
  /** Null: it is always needed. */
  readonly unless: { readonly path: PlacedPeople['path']; readonly when: When } | null;
  /** Who may decide it too, so many seconds after it was asked. */
  readonly escalate: readonly (PlacedPeople & { readonly after: number })[];
}

export interface Approval {
  readonly order: 'parallel' | 'sequence';
  readonly steps: readonly ApprovalStep[];
}

/** The name of the one step that `approvers` with `approvals` are short for. */
export const ONLY_STEP = 'approvers';

/** The steps by which people approve, in whichever form they are written. Everything that is decided goes by these. */
export function approvalOf({ approvers, approvals, approval }: Profile): Approval {
  if (approvers !== undefined) {
    const from = { path: ['approvers'], people: approvers };
    return { order: 'parallel', steps: [{ name: ONLY_STEP, from, count: approvals, unless: null, escalate: [] }] };
  }
  return {
    order: approval?.order ?? 'parallel',
    steps: (approval?.steps ?? []).map(({ name, from, count, unless, escalate = [] }, index) => {
      const path = ['approval', 'steps', index];
      return {
        name,
        from: { path: [...path, 'from'], people: from },
        count,
        unless: unless === undefined ? null : { path: [...path, 'unless'], when: withMembers(unless) },
        escalate: escalate.map(({ after, to }, nth) => ({ after, path: [...path, 'escalate', nth, 'to'], people: to })),
      };
    }),
  };
}

/** Everybody who may come to decide on a profile, by their places in the policy. */
export function decidersOf(name: string, profile: Profile): Record<string, Principals> {
  const lists = approvalOf(profile).steps.flatMap(({ from, escalate }) => [from, ...escalate]);
  return Object.fromEntries(lists.map(({ path, people }) => [placeOf(name, path), people]));
}

/** Whoever is in one of these lists. */
export function together(lists: Readonly<Record<string, Principals>> | readonly Principals[]): Principals {
  const all = (word: keyof Principals) => [
    ...new Set(Object.values(lists).flatMap((list: Principals) => list[word] ?? [])),
  ];
  const oncall = all('oncall');
  const named = { users: all('users'), groups: all('groups'), channels: all('channels') };
  return oncall.length === 0 ? named : { ...named, oncall };
}

/** A place in a profile, as refusals and the audit name it: `profiles.debug.approval.steps[0].from`. */
export function placeOf(profile: string, path: readonly (string | number)[]): string {
  return `profiles.${profile}${path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`)).join('')}`;
}

/** The profile of that name, if the policy has it. Names come from people: `constructor` is none. */
export function profileNamed(policy: Policy, name: string): Profile | undefined {
  return Object.hasOwn(policy.profiles, name) ? policy.profiles[name] : undefined;
}

/** The profiles whose deny list names one of these user groups and channels. */
export function profilesDenying({ profiles }: Policy, lists: ReadonlySet<string>): ReadonlySet<string> {
  const denying = Object.entries(profiles).filter(([, { deny }]) =>
    [...deny.groups, ...deny.channels].some((list) => lists.has(list)),
  );
  return new Set(denying.map(([name]) => name));
}

/** The ids of all user groups and channels that the policy names as lists of people. */
export function listsOf({ administrators, profiles, oncall = {} }: Policy): ReadonlySet<string> {
  const lists = Object.entries(profiles).flatMap(([name, one]) => [
    one.requesters,
    ...Object.values(decidersOf(name, one)),
    one.deny,
    one.approval.notify.quiet,
    ...(one.breakGlass === undefined ? [] : [one.breakGlass.from, one.breakGlass.review.from]),
    ...approvalOf(one).steps.flatMap(({ unless }) => unless?.when.members ?? []),
    ...automaticEntries(one).flatMap(({ when: { members } }) => members ?? []),
  ]);
  const ofSources = Object.values(oncall).flatMap(({ group }) => group ?? []);
  return new Set([
    ...ofSources,
    ...[administrators, ...lists].flatMap(({ groups, channels }) => [...groups, ...channels]),
  ]);
}

/** Where messages to approvers are posted, and the place in the policy that says so. */
export interface ApprovalsChannel {
  readonly id: string;
  readonly path: string;
}

/** Where requests of this profile in this cluster are posted; of a profile that the policy does not have: where all others are. */
export function channelOf(policy: Policy, name: string, cluster: ClusterName): ApprovalsChannel {
  const own = profileNamed(policy, name)?.approval.notify.channel;
  if (own !== undefined) return { id: own, path: `profiles.${name}.approval.notify.channel` };
  const there = cluster === null ? undefined : clusterNamed(policy, cluster)?.channel;
  return there === undefined
    ? { id: policy.approvals.channel, path: 'approvals.channel' }
    : { id: there, path: `clusters.${cluster}.channel` };
}

/** The channels that profiles and clusters have of their own, each once. */
export function ownChannels(policy: Policy): ApprovalsChannel[] {
  const clusters: ClusterName[] = policy.clusters === undefined ? [null] : Object.keys(policy.clusters);
  const all = Object.keys(policy.profiles).flatMap((name) =>
    clusters.map((cluster) => channelOf(policy, name, cluster)),
  );
  return all.filter(
    ({ id }, index) => id !== policy.approvals.channel && all.findIndex((other) => other.id === id) === index,
  );
}

/** Where a profile may be asked for, as a phrase: `namespaces staging, team-*`. */
export function describeCoverage({ scope, namespaces = [], nodes = [] }: Profile): string {
  if (scope === 'cluster') return 'the whole cluster';
  return scope === 'node' ? `nodes ${nodes.join(', ')}` : `namespaces ${namespaces.join(', ')}`;
}

/** True when the name of a node fits one of the patterns. */
export function matchesNode(patterns: readonly string[], node: string): boolean {
  return patterns.some((pattern) => matchesPattern(pattern, node));
}

/** The cluster of that name, if the policy has it. Names come from people: `constructor` is none. */
export function clusterNamed({ clusters = {} }: Policy, name: string): ClusterEntry | undefined {
  return Object.hasOwn(clusters, name) ? clusters[name] : undefined;
}

/** The names of all clusters, in the policy's order; [null]: there is one, without a name. */
export function clusterNames({ clusters }: Pick<Policy, 'clusters'>): readonly ClusterName[] {
  return clusters === undefined ? [null] : Object.keys(clusters);
}

/** The clusters in which a profile may be asked for, in the policy's order. */
export function clustersOf(policy: Pick<Policy, 'clusters'>, profile: Profile): readonly ClusterName[] {
  const patterns = profile.clusters ?? ['*'];
  return clusterNames(policy).filter((name) => name === null || matchesCluster(patterns, name));
}

/** True when the name of a cluster fits one of the patterns. */
export function matchesCluster(patterns: readonly string[], name: ClusterName): boolean {
  return name !== null && patterns.some((pattern) => matchesPattern(pattern, name));
}

/** True when a namespace fits one of the patterns (`*` stands for any characters). The chart's leash asks the same of RE2, which is linear too. */
export function matchesNamespace(patterns: readonly string[], namespace: string): boolean {
  return patterns.some((pattern) => matchesPattern(pattern, namespace));
}

/** Looks for each part between two `*` once, behind the part before it: where the first place does not do, no later one would. */
function matchesPattern(pattern: string, text: string): boolean {
  const [start = '', ...parts] = pattern.split('*');
  const end = parts.pop();
  if (end === undefined) return text === pattern;
  if (!text.startsWith(start)) return false;
  let at = start.length;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return at + end.length <= text.length && text.endsWith(end);
}

/** Namespaces of Kubernetes itself: no policy can open them, whatever its patterns say. */
export function isSystemNamespace(namespace: string): boolean {
  return namespace.startsWith('kube-');
}

/** The role that a profile binds, as `kind name`, its rights in words, or its rules and its shell: what the bot must be allowed to give. */
export function describeRights(p: Profile): string {
  if (p.clusterRole !== undefined) return `ClusterRole ${p.clusterRole}`;
  if (p.role !== undefined) return `Role ${p.role}`;
  if (p.rights !== undefined) return p.rights.join(', ');
  const rules = (p.rules ?? []).map((r) => `${r.verbs.join(',')} on ${r.resources.join(',')}`);
  return [...(p.shell === undefined ? [] : [describeShell(p.shell)]), ...rules].join('; ');
}

const SHARED = { pid: 'processes', network: 'network' };

/** A node shell as a phrase: `root shell on the node (toolbox:1) with its processes, its files read-only`. */
export function describeShell({ image, host, filesystem }: NodeShell): string {
  const shared = host
    .toSorted()
    .reverse()
    .map((name) => `its ${SHARED[name]}`);
  const files = filesystem === 'none' ? [] : [`its files ${filesystem}`];
  const all = [...shared, ...files];
  return `root shell on the node (${image})${all.length === 0 ? '' : ` with ${all.join(', ')}`}`;
}

/** The rules that become a Role of the grant's own, on whatever target: of its rights in words, or inline, none where it gives a shell alone; null: it binds an existing role. */
export function ownRulesOf(p: Profile): readonly Rule[] | null {
  if (p.rights !== undefined) return rulesOfKits(p.rights, null);
  return p.rules ?? (p.shell === undefined ? null : []);
}

/** The rights in words that a request gets by a profile, which may be fewer than it has; null: it gives a role or inline rules. */
export function kitsGiven(p: Profile, asked: readonly Kit[] | undefined): readonly Kit[] | null {
  return p.rights?.filter((kit) => asked === undefined || asked.includes(kit)) ?? null;
}

/** Who reviews break-glass access of a profile, by their place in the policy; of one that has none (any more): administrators. */
export function reviewersOf(policy: Policy, name: string): Record<string, Principals> {
  const from = profileNamed(policy, name)?.breakGlass?.review.from;
  return from === undefined
    ? { administrators: policy.administrators }
    : { [placeOf(name, ['breakGlass', 'review', 'from'])]: from };
}

/** The existing role that a profile binds; null: its rules become a Role of the grant's own. */
export function roleOf(p: Profile): { readonly kind: 'ClusterRole' | 'Role'; readonly name: string } | null {
  if (p.clusterRole !== undefined) return { kind: 'ClusterRole', name: p.clusterRole };
  return p.role === undefined ? null : { kind: 'Role', name: p.role };
}

/** How long a request of this profile may wait for its decision. */
export function requestTimeout(policy: Policy, p: Profile): number {
  return p.timeout ?? policy.approvals.timeout;
}

/** How much of a profile there may be, and what it asks of a reason, a phrase each; empty: nothing beside what holds for all. */
export function describeLimits({ limits = {}, reason = {} }: Profile): string[] {
  const { openPerPerson, open, perPersonADay } = limits;
  return [
    ...(openPerPerson === undefined ? [] : [`${openPerPerson} at once for a person`]),
    ...(perPersonADay === undefined ? [] : [`${perPersonADay} a day for a person`]),
    ...(open === undefined ? [] : [`${open} at once for everybody together`]),
    ...(reason.min === undefined ? [] : [`a reason of ${reason.min} characters or more`]),
  ];
}

/** One line on the limits of a profile, for refusals and the modal: `30m by default, 2h at most`. */
export function describeDurations(p: Profile): string {
  return `${formatDuration(p.duration.default)} by default, ${formatDuration(p.duration.maximum)} at most`;
}
