import { type Cidr, contains, parseCidr } from './cidr.ts';
import type { OutsideEnd } from './side.ts';
import type { OutsidePeer, Pod } from './types.ts';

/**
 * A block that some policy names, less the blocks inside it that policies name too: no policy can tell its addresses
 * apart.
 */
export interface OutsideClass {
  readonly id: number;
  readonly end: OutsideEnd;
  /** The next block around this one. */
  readonly parent: OutsideClass | undefined;
  /** The next blocks inside this one. */
  readonly children: OutsideClass[];
}

/**
 * The world outside the cluster, cut where policies cut it: the trees under 0.0.0.0/0 and ::/0 (each only if a pod has
 * such an address or a policy names such a block; both when nothing is known). Parents come before their children.
 */
export function outsideClasses(blocks: readonly Cidr[], pods: readonly Pod[]): OutsideClass[] {
  const isOf = (family: 4 | 6) => (ip: string) => ip.includes(':') === (family === 6);
  const isAddressless = pods.every(({ ips }) => ips.length === 0);
  const uses = (family: 4 | 6): boolean =>
    blocks.some((block) => block.family === family) || isAddressless || pods.some(({ ips }) => ips.some(isOf(family)));
  const roots = [...(uses(4) ? [parseCidr('0.0.0.0/0')] : []), ...(uses(6) ? [parseCidr('::/0')] : [])];
  const unique = new Map([...roots, ...blocks].map((block) => [block.text, block]));
  const sorted = [...unique.values()].sort(
    (a, b) =>
      a.family - b.family || Number(a.first > b.first) - Number(a.first < b.first) || (a.last > b.last ? -1 : 1),
  );

  const classes: OutsideClass[] = [];
  const path: OutsideClass[] = [];
  for (const cidr of sorted) {
    while (path.length > 0 && !contains((path.at(-1) as OutsideClass).end.cidr, cidr)) path.pop();
    const parent = path.at(-1);
    const node: OutsideClass = {
      id: classes.length,
      end: { kind: 'outside', cidr, whole: false },
      parent,
      children: [],
    };
    parent?.children.push(node);
    path.push(node);
    classes.push(node);
  }
  return classes;
}

/** The smallest of these classes' blocks in which this one lies; all of a family lie in its root. */
export function innermost(classes: readonly OutsideClass[], cidr: Cidr): OutsideClass | undefined {
  const isBefore = ({ end }: OutsideClass): boolean =>
    end.cidr.family < cidr.family ||
    (end.cidr.family === cidr.family &&
      (end.cidr.first < cidr.first || (end.cidr.first === cidr.first && end.cidr.last >= cidr.last)));
  let low = 0;
  let high = classes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBefore(classes[middle] as OutsideClass)) low = middle + 1;
    else high = middle;
  }
  let found = classes[low - 1];
  while (found && !contains(found.end.cidr, cidr)) found = found.parent;
  return found;
}

/** Writes a set of these classes as blocks with exceptions: as few as the blocks that policies name allow. */
export function describeOutside(classes: readonly OutsideClass[], included: ReadonlySet<OutsideClass>): OutsidePeer[] {
  const peers: { cidr: string; except: string[] }[] = [];
  const seen = new Set<OutsideClass>();
  const visit = (node: OutsideClass, around: { except: string[] } | undefined): void => {
    seen.add(node);
    const { text } = node.end.cidr;
    let inside = around;
    if (!included.has(node)) {
      around?.except.push(text);
      inside = undefined;
    } else if (!around) {
      const peer = { cidr: text, except: [] };
      peers.push(peer);
      inside = peer;
    }
    for (const child of node.children) visit(child, inside);
  };
  for (const node of classes) if (!seen.has(node)) visit(node, undefined);
  return peers.map(({ cidr, except }) => (except.length > 0 ? { cidr, except } : { cidr }));
}
