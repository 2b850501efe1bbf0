import { type Cidr, contains, parseCidr } from '../../network/cidr.ts';
import type { OutsidePeer } from '../../network/types.ts';

/** A block less the blocks in `except`, as disjoint blocks without exceptions: the fewest there are, ascending. */
export function plainCidrs({ cidr, except = [] }: OutsidePeer): string[] {
  const holes = except.map(parseCidr);
  const split = (block: Cidr): string[] => {
    if (holes.some((hole) => contains(hole, block))) return [];
    if (!holes.some((hole) => contains(block, hole))) return [block.text];
    return halves(block).flatMap(split);
  };
  return split(parseCidr(cidr));
}

function halves({ family, first, last, text }: Cidr): Cidr[] {
  const bits = Number(text.slice(text.indexOf('/') + 1)) + 1;
  const middle = first + (last - first + 1n) / 2n;
  return [first, middle].map((start) => parseCidr(`${addressText(family, start)}/${bits}`));
}

function addressText(family: 4 | 6, value: bigint): string {
  const [parts, width] = family === 4 ? [4, 8n] : [8, 16n];
  const groups = Array.from({ length: parts }, (_, index) =>
    BigInt.asUintN(Number(width), value >> (width * BigInt(parts - 1 - index))),
  );
  return groups.map((group) => group.toString(family === 4 ? 10 : 16)).join(family === 4 ? '.' : ':');
}
