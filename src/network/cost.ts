import { compilePolicy, type Rule } from './policy.ts';
import type { Steps } from './steps.ts';
import type { Cluster, LabelSelector, NetworkPolicy } from './types.ts';

/**
 * Reachability is computed by whoever is waited for by everybody, of policies that anybody may write in a namespace of
 * theirs. What it would take is known from counts, so that it is not even begun where that is too much.
 */

/** Steps of an inner loop; a million of them are some 50 ms. */
const MOST_FOR_NAMESPACE = 1_000_000;
const MOST_FOR_CLUSTER = 4_000_000;
/** Pairs of parts. Each is held in memory for a while. */
const MOST_PAIRS = 200_000;

/** What is too large, as a phrase. */
export class TooLarge extends Error {
  constructor(what: string) {
    super(what);
    this.name = 'TooLarge';
  }
}

/** What the policies of one namespace hold. */
interface Amounts {
  readonly policies: number;
  readonly rules: number;
  /** Address blocks, exceptions included. */
  readonly blocks: number;
  readonly ports: number;
  /** Where port ranges of rules with blocks begin or end, each once. */
  readonly edges: number;
  /** Keys and values of selectors. */
  readonly terms: number;
}

const termsOf = ({ matchLabels, matchExpressions }: LabelSelector): number =>
  Object.keys(matchLabels ?? {}).length +
  (matchExpressions ?? []).reduce((sum, { values }) => sum + 1 + (values?.length ?? 0), 0);

function amountsOf(policies: readonly NetworkPolicy[]): Amounts {
  const amounts = { policies: policies.length, rules: 0, blocks: 0, ports: 0, terms: 0 };
  const edges = new Set<number | string>();
  const count = ({ peers, numeric, named }: Rule): void => {
    amounts.rules++;
    amounts.ports += numeric.length / 2 + named.length;
    if (peers === 'any') return;
    for (const peer of peers)
      if (peer.kind === 'block') amounts.blocks += 1 + peer.except.length;
      else amounts.terms += termsOf(peer.podSelector) + termsOf(peer.namespaceSelector ?? {});
    if (!peers.some(({ kind }) => kind === 'block')) return;
    for (const edge of numeric) edges.add(edge);
    for (const { protocol, name } of named) edges.add(`${protocol} ${name}`);
  };
  for (const { podSelector, rules } of policies.map(compilePolicy)) {
    amounts.terms += termsOf(podSelector);
    for (const rule of [...(rules.Ingress ?? []), ...(rules.Egress ?? [])]) count(rule);
  }
  return { ...amounts, edges: edges.size };
}

/** What is admitted changes with each block, and is put together from all port ranges; selectors are held against one pod after the other. */
const costOf = ({ policies, rules, blocks, edges, ports, terms }: Amounts): number =>
  blocks * edges + 10 * (policies + rules + terms + ports);

const many = (count: number, word: string): string => `${count.toLocaleString('en')} ${word}${count === 1 ? '' : 's'}`;

function describe(namespace: string, { policies, rules, blocks, ports, terms }: Amounts): string {
  const parts = [
    many(rules, 'rule'),
    many(blocks, 'address block'),
    many(ports, 'port range'),
    many(terms, 'selector term'),
  ];
  return `the NetworkPolicies of namespace ${namespace} (${policies.toLocaleString('en')} with ${parts.join(', ')})`;
}

/** A cluster of which as much is left as can be looked at. */
export interface Affordable {
  /** Without the policies of the namespaces in `tooLarge`: their pods count as open, so that what is shown is never less than what is. */
  readonly cluster: Cluster;
  /** By namespace: a phrase. */
  readonly tooLarge: ReadonlyMap<string, string>;
}

/**
 * Leaves out the policies of namespaces that have too many of them, the costliest first.
 * @param needed namespaces that are kept wherever they can be, whatever others have
 */
export function* affordable(cluster: Cluster, needed: readonly string[]): Steps<Affordable> {
  const byNamespace = Map.groupBy(cluster.policies, ({ metadata }) => metadata?.namespace ?? '');
  const measured: { namespace: string; amounts: Amounts; cost: number; rank: number }[] = [];
  for (const [namespace, policies] of byNamespace) {
    yield;
    const amounts = amountsOf(policies);
    measured.push({ namespace, amounts, cost: costOf(amounts), rank: needed.includes(namespace) ? 0 : 1 });
  }
  const tooLarge = new Map<string, string>();
  let sum = 0;
  for (const { namespace, amounts, cost } of measured.toSorted((a, b) => a.rank - b.rank || a.cost - b.cost))
    if (cost > MOST_FOR_NAMESPACE || sum + cost > MOST_FOR_CLUSTER)
      tooLarge.set(namespace, describe(namespace, amounts));
    else sum += cost;
  if (tooLarge.size === 0) return { cluster, tooLarge };
  const policies = cluster.policies.filter(({ metadata }) => !tooLarge.has(metadata?.namespace ?? ''));
  return { cluster: { ...cluster, policies }, tooLarge };
}

/** @throws TooLarge where so many kinds of pods can't be held against so many others (and addresses) */
export function mustBeFew(from: number, to: number, outside: number): void {
  if (from * (to + outside) > MOST_PAIRS)
    throw new TooLarge(
      `what NetworkPolicies tell apart (${many(from, 'kind')} of pods here, ${many(to + outside, 'kind')} of pods and addresses they may reach)`,
    );
}
