import { type Cidr, parseAddress } from './cidr.ts';
import type { Policy } from './policy.ts';
import { mentions } from './selector.ts';
import { type PodEnd, podEnd } from './side.ts';
import type { LabelSelector, Labels, Pod } from './types.ts';

/** Pods that no selector, no block and no port name of the policies can tell apart; `end` stands for each of them. */
export interface PodClass {
  readonly id: number;
  readonly end: PodEnd;
}

/** What policies can tell apart: label keys with the values they name, port names, and where blocks begin and end. */
interface Vocabulary {
  readonly podLabels: ReadonlyMap<string, ReadonlySet<string>>;
  readonly namespaceLabels: ReadonlyMap<string, ReadonlySet<string>>;
  readonly portNames: ReadonlySet<string>;
  /** First address of each stretch in which no block begins or ends, ascending, per family. */
  readonly edges: Readonly<Record<4 | 6, readonly bigint[]>>;
}

export function blocksOf(policies: Iterable<Policy>): Cidr[] {
  const blocks: Cidr[] = [];
  for (const { rules } of policies) {
    for (const rule of [...(rules.Ingress ?? []), ...(rules.Egress ?? [])]) {
      if (rule.peers === 'any') continue;
      for (const peer of rule.peers) if (peer.kind === 'block') blocks.push(peer.cidr, ...peer.except);
    }
  }
  return blocks;
}

function edgesOf(blocks: readonly Cidr[], family: 4 | 6): bigint[] {
  const edges = new Set(
    blocks.filter((block) => block.family === family).flatMap(({ first, last }) => [first, last + 1n]),
  );
  return [...edges].sort((a, b) => (a < b ? -1 : 1));
}

function vocabularyOf(policies: Iterable<Policy>, selectors: readonly LabelSelector[]): Vocabulary {
  const podLabels = new Map<string, Set<string>>();
  const namespaceLabels = new Map<string, Set<string>>();
  const portNames = new Set<string>();
  const learn = (labels: Map<string, Set<string>>, selector: LabelSelector): void => {
    for (const [key, values] of mentions(selector)) {
      const known = labels.get(key) ?? new Set();
      for (const value of values) known.add(value);
      labels.set(key, known);
    }
  };
  for (const selector of selectors) learn(podLabels, selector);
  const all = [...policies];
  for (const { podSelector, rules } of all) {
    learn(podLabels, podSelector);
    for (const rule of [...(rules.Ingress ?? []), ...(rules.Egress ?? [])]) {
      for (const { name } of rule.named) portNames.add(name);
      if (rule.peers === 'any') continue;
      for (const peer of rule.peers) {
        if (peer.kind === 'block') continue;
        learn(podLabels, peer.podSelector);
        if (peer.namespaceSelector) learn(namespaceLabels, peer.namespaceSelector);
      }
    }
  }
  const blocks = blocksOf(all);
  return { podLabels, namespaceLabels, portNames, edges: { 4: edgesOf(blocks, 4), 6: edgesOf(blocks, 6) } };
}

/** The labels as the policies see them: values that no selector names are all the same to them. */
function visibleLabels(labels: Labels, known: ReadonlyMap<string, ReadonlySet<string>>): string {
  const seen: string[] = [];
  // By the labels, not by what is known: there may be far more of that.
  for (const key in labels) {
    const values = Object.hasOwn(labels, key) ? known.get(key) : undefined;
    const value = labels[key] as string;
    // No label holds these signs.
    if (values) seen.push(values.has(value) ? `${key}=${value}` : `${key}=*`);
  }
  return seen.sort().join();
}

/** Which stretches between block edges the addresses lie in. */
function stretchesOf(ips: readonly string[], edges: Vocabulary['edges']): string {
  const stretches = ips.map((ip) => {
    const { family, value } = parseAddress(ip);
    const list = edges[family];
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((list[middle] as bigint) <= value) low = middle + 1;
      else high = middle;
    }
    return `${family}:${low}`;
  });
  return stretches.sort().join();
}

/** What the pod calls by the names that policies use. */
function namedPorts(ports: Pod['ports'], names: ReadonlySet<string>): string {
  const found: string[] = [];
  for (const { name, protocol, containerPort } of ports) {
    if (name !== undefined && names.has(name)) found.push(`${name}/${protocol}/${containerPort}`);
  }
  return found.sort().join();
}

/**
 * Sorts pods into classes for a set of policies (and further selectors that the caller wants to tell apart). Pods of
 * two clusters sorted by the same classifier fall into the same class exactly when nothing the policies see differs.
 */
export function createClassifier(policies: Iterable<Policy>, selectors: readonly LabelSelector[] = []) {
  const { podLabels, namespaceLabels, portNames, edges } = vocabularyOf(policies, selectors);
  const hasBlocks = edges[4].length + edges[6].length > 0;
  const classes = new Map<string, Map<string, PodClass>>();
  let count = 0;

  /** Of labels and ports that many pods share the text is made once. */
  const labelKeys = new Map<Labels, string>();
  const portKeys = new Map<Pod['ports'], string>();
  const once = <T>(known: Map<T, string>, value: T, make: (value: T) => string): string => {
    const before = known.get(value);
    if (before !== undefined) return before;
    const text = make(value);
    known.set(value, text);
    return text;
  };

  const keyOf = (pod: Pod): string => {
    const addresses = pod.ips.length === 0 ? 'none' : hasBlocks ? stretchesOf(pod.ips, edges) : '';
    const named = portNames.size === 0 ? '' : once(portKeys, pod.ports, (ports) => namedPorts(ports, portNames));
    const labels = once(labelKeys, pod.labels, (all) => visibleLabels(all, podLabels));
    return `${pod.namespace}|${pod.hostNetwork}|${labels}|${addresses}|${named}`;
  };

  /** For the pods of one cluster, whose namespaces have these labels. */
  return (namespaces: ReadonlyMap<string, Labels>) => {
    const byNamespace = new Map<string, Map<string, PodClass>>();
    const known = new Map<Pod, PodClass>();

    const classesIn = (namespace: string, labels: Labels): Map<string, PodClass> => {
      const key = visibleLabels(labels, namespaceLabels);
      const found = classes.get(key) ?? new Map<string, PodClass>();
      classes.set(key, found);
      byNamespace.set(namespace, found);
      return found;
    };

    return (pod: Pod): PodClass => {
      const before = known.get(pod);
      if (before) return before;
      const labels = namespaces.get(pod.namespace) ?? {};
      const group = byNamespace.get(pod.namespace) ?? classesIn(pod.namespace, labels);
      const key = keyOf(pod);
      const found = group.get(key) ?? { id: count++, end: podEnd(pod, labels) };
      group.set(key, found);
      known.set(pod, found);
      return found;
    };
  };
}
