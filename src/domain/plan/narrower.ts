import { canonical, digestOf } from '../canonical.ts';
import { formatDuration, type Seconds } from '../duration.ts';
import { describeRule, growth } from '../rights/coverage.ts';
import type { Kit } from '../rights/kits.ts';
import { describeTarget, isWide, type NamespacedTarget, type Target } from '../target.ts';
import type { NamedPeer, PortRef } from './confinement.ts';
import { type NetworkPlan, type Plan, shortDigest } from './plan.ts';

/** What an approver takes away of a request. Left out: it stays as it was asked for. */
export interface Narrowing extends Kept {
  readonly duration?: Seconds;
  readonly rights?: readonly Kit[];
  /** One workload in the place of the whole namespace. */
  readonly workload?: NonNullable<NamespacedTarget['workload']>;
}

/** What is left of what a profile opens, by {@link portKey} and {@link sourceKey}; left out: all of it. */
export interface Kept {
  readonly ports?: readonly string[];
  readonly sources?: readonly string[];
}

/** `8080/TCP` */
export const portKey = ({ port, protocol }: PortRef): string => `${port}/${protocol}`;
/** A short digest: whoever is let in may have a long list of labels. */
export const sourceKey = (peer: NamedPeer): string => shortDigest(digestOf(peer));

/** `10.0.0.0/8`, or `vpn app=gateway` */
export function describeSource(peer: NamedPeer): string {
  if ('cidr' in peer) return peer.cidr;
  const labels = Object.entries(peer.pods).map(([key, value]) => `${key}=${value}`);
  return [peer.namespace, ...labels].join(' ');
}

/** The ports that a grant opens, and the sources that it lets in: what may be fewer. */
export function openedBy(network: NetworkPlan): {
  readonly ports: readonly PortRef[];
  readonly sources: readonly NamedPeer[];
} {
  return {
    ports: network.mode === 'workspace' || network.mode === 'bastion' ? network.ports : [],
    sources: network.mode === 'bastion' ? network.from : [],
  };
}

/** Whether one workload can take the place of what was asked for: a role is bound whole, whatever it is bound to. */
export function isWholeNamespace({ role, target }: Pick<Plan, 'role' | 'target'>): boolean {
  return role === null && !isWide(target) && target.workload === undefined;
}

/** What is taken away, a phrase each; empty: nothing. */
export function takenAway(
  asked: Pick<Plan, 'duration' | 'rights' | 'network' | 'target'>,
  { duration, rights, ports, sources, workload }: Narrowing,
): string[] {
  const opened = openedBy(asked.network);
  const gone = [
    ...(asked.rights ?? []).filter((kit) => rights !== undefined && !rights.includes(kit)),
    ...opened.ports.map(portKey).filter((key) => ports !== undefined && !ports.includes(key)),
    ...opened.sources
      .filter((peer) => sources !== undefined && !sources.includes(sourceKey(peer)))
      .map((peer) => `source ${describeSource(peer)}`),
  ];
  return [
    ...(duration === undefined || duration === asked.duration
      ? []
      : [`${formatDuration(duration)} instead of ${formatDuration(asked.duration)}`]),
    ...(workload === undefined || isTarget(asked.target, workload)
      ? []
      : [`${workload.kind.toLowerCase()}/${workload.name} instead of all of ${describeTarget(asked.target)}`]),
    ...(gone.length === 0 ? [] : [`without ${gone.join(', ')}`]),
  ];
}

const isTarget = (target: Target, workload: NonNullable<Narrowing['workload']>): boolean =>
  canonical(target.workload ?? null) === canonical(workload);

/** What these changes leave that was never asked for, as a phrase; null: nothing. */
export function addedBy(
  asked: Pick<Plan, 'rights' | 'network' | 'role' | 'target'>,
  changes: Narrowing,
): string | null {
  const opened = openedBy(asked.network);
  const beyond = [
    ...(changes.rights ?? []).filter((kit) => !asked.rights?.includes(kit)),
    ...(changes.ports ?? []).filter((key) => !opened.ports.some((port) => portKey(port) === key)),
    ...(changes.sources ?? []).filter((key) => !opened.sources.some((peer) => sourceKey(peer) === key)),
  ];
  if (beyond.length > 0) return `${beyond.slice(0, 5).join(', ')} was not asked for`;
  const { workload } = changes;
  return workload === undefined || isWholeNamespace(asked) || isTarget(asked.target, workload)
    ? null
    : 'one workload takes the place of a whole namespace only, where no role is bound';
}

/**
 * Why one plan is no part of another: whatever the changed grant allows, the asked one must have allowed. It is held against the plan as it was made,
 * not against what was to be changed of it. Null: it is a part of it.
 */
export function whyNotNarrower(asked: Plan, changed: Plan): string | null {
  const same = (of: (plan: Plan) => unknown) => canonical(of(asked) ?? null) === canonical(of(changed) ?? null);
  if (changed.duration > asked.duration) return `it lasts longer than ${formatDuration(asked.duration)}`;
  const isSameTarget = same(({ target, workload }) => [target, workload]);
  if (
    !(isSameTarget || isWorkloadOf(asked, changed)) ||
    !same(({ user, groups, profileName, profileDigest, cluster, credential, namespaceUid, nodeUid }) => [
      user,
      groups,
      profileName,
      profileDigest,
      cluster,
      credential ?? null,
      namespaceUid,
      nodeUid ?? null,
    ])
  )
    return 'it is for somebody or something else';
  if (!same(({ shell }) => shell)) return 'its shell is another';
  // What a role allows is not narrowed: it is bound whole, and may grow.
  if (!same(({ role, roleMayGrow }) => [role, roleMayGrow])) return 'it gives another role';
  // The policies around one workload of a namespace are its own, and bound with it.
  if (!same(({ network }) => withoutOpened(network)) || (isSameTarget && !same(({ surroundings }) => surroundings)))
    return 'its network is another';
  const [was, is] = [openedBy(asked.network), openedBy(changed.network)];
  // None stands for all in a NetworkPolicy.
  if (!isPartOf(is.ports.map(portKey), was.ports.map(portKey))) return 'it opens other ports';
  if (!isPartOf(is.sources.map(sourceKey), was.sources.map(sourceKey))) return 'it lets others in';
  const isolated = changed.preview.isolates.filter((what) => !asked.preview.isolates.includes(what));
  if (isolated.length > 0) return `it isolates ${isolated.join(', ')}`;
  const more = growth(asked.rules, changed.rules);
  return more.length === 0 ? null : `it gives more: ${more.map(describeRule).join('; ')}`;
}

/** One workload of the namespace that was asked for as a whole. */
function isWorkloadOf(asked: Plan, changed: Plan): boolean {
  const { target } = changed;
  const isNamed = target.workload !== undefined && target.service === undefined && changed.workload !== null;
  return isWholeNamespace(asked) && isNamed && target.namespace === asked.target.namespace;
}

function withoutOpened(network: NetworkPlan): object {
  const { ports: _ports, from: _from, ...rest } = { ports: null, from: null, ...network };
  return rest;
}

const isPartOf = (keys: readonly string[], all: readonly string[]): boolean =>
  keys.every((key) => all.includes(key)) && (keys.length > 0 || all.length === 0);
