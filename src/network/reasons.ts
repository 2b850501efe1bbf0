import { intersect, isEmpty, type PortSet } from './portset.ts';
import type { Side } from './side.ts';

/** Sorted, each once. */
export function distinct(texts: Iterable<string>): string[] {
  return [...new Set(texts)].sort();
}

const word = (side: Side): string => side.direction.toLowerCase();

/** The policies that allow any of these ports, by id. */
export function allowedBy(side: Side, ports: PortSet): string[] {
  return distinct(
    side
      .allowances()
      .filter((item) => !isEmpty(intersect(item.ports, ports)))
      .map((item) => item.policy),
  );
}

/** Why these ports are open on this side. */
export function whyAllowed(side: Side, ports: PortSet): string {
  if (side.isolatedBy.length === 0) return `${word(side)}: not isolated`;
  return `${word(side)}: allowed by ${allowedBy(side, ports).join(', ')}`;
}

/** Why ports that this side does not allow are closed. */
export function whyMissed(side: Side): string {
  return `${word(side)}: isolated by ${distinct(side.isolatedBy).join(', ')}, and no policy allows it`;
}
