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
  /** The next blocks inside this one. */
  readonly children: OutsideClass[];
}

type Node = OutsideClass & { readonly end: { readonly without: Cidr[] } };

/**
 * The world outside the cluster, cut where policies cut it: the trees under 0.0.0.0/0 and ::/0 (each only if a pod has
 * such an address or a policy names such a block; both when nothing is known). Parents come before their children.
 */
export function outsideClasses(blocks: readonly Cidr[], pods: readonly Pod[]): OutsideClass[] {
  const ips = pods.flatMap((pod) => pod.ips);
  const uses = (family: 4 | 6): boolean =>
    blocks.some((block) => block.family === family) ||
    ips.length === 0 ||
    ips.some((ip) => ip.includes(':') === (family === 6));
  const roots = [...(uses(4) ? [parseCidr('0.0.0.0/0')] : []), ...(uses(6) ? [parseCidr('::/0')] : [])];
  const unique = new Map([...roots, ...blocks].map((block) => [block.text, block]));
  const sorted = [...unique.values()].sort(
    (a, b) =>
      a.family - b.family || Number(a.first > b.first) - Number(a.first < b.first) || (a.last > b.last ? -1 : 1),
  );

  const classes: OutsideClass[] = [];
  const path: Node[] = [];
  for (const cidr of sorted) {
    const node: Node = { id: classes.length, end: { kind: 'outside', cidr, without: [] }, children: [] };
    while (path.length > 0 && !contains((path.at(-1) as Node).end.cidr, cidr)) path.pop();
    const parent = path.at(-1);
    parent?.children.push(node);
    parent?.end.without.push(cidr);
    path.push(node);
    classes.push(node);
  }
  return classes;
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
