import type { PodClass } from './classes.ts';
import type { OutsideClass } from './outside.ts';
import type { Policy } from './policy.ts';
import { intersect } from './portset.ts';
import { applying, type End, evaluateSide, type Side, type Traffic, traffic } from './side.ts';
import type { Direction } from './types.ts';

export type EndClass = PodClass | OutsideClass;

/**
 * The policies that isolate a class in one direction, and what they say of each class on the other side, once asked.
 */
interface Profile {
  readonly policies: readonly Policy[];
  readonly podSides: (Side | undefined)[];
  readonly outsideSides: (Side | undefined)[];
}

export interface Pair extends Traffic {
  readonly egress: Side;
  readonly ingress: Side;
}

const NOWHERE: End = {
  kind: 'pod',
  namespace: '',
  namespaceLabels: {},
  labels: {},
  addresses: [],
  ports: [],
  hostNetwork: false,
};

/**
 * Reachability between classes: each distinct set of policies is asked once for each class, and only when somebody
 * asks.
 */
export function createReach(policies: readonly Policy[]) {
  const numbers = new Map(policies.map((policy, index) => [policy, index]));
  const byNamespace = Map.groupBy(policies, (policy) => policy.namespace);
  const profiles = new Map<string, Profile>();
  const assigned: Record<Direction, (Profile | undefined)[]> = { Ingress: [], Egress: [] };

  const newProfile = (policies: readonly Policy[]): Profile => ({ policies, podSides: [], outsideSides: [] });
  const free: Record<Direction, Profile> = { Ingress: newProfile([]), Egress: newProfile([]) };
  const open: Record<Direction, Side> = {
    Ingress: evaluateSide('Ingress', [], NOWHERE, NOWHERE),
    Egress: evaluateSide('Egress', [], NOWHERE, NOWHERE),
  };

  const profileOf = (found: EndClass, direction: Direction): Profile => {
    if (found.end.kind === 'outside') return free[direction];
    const known = assigned[direction][found.id];
    if (known) return known;
    const applied = applying(byNamespace.get(found.end.namespace) ?? [], found.end, direction);
    // Named ports of an ingress rule are the selected pod's own, so they are part of what its policies say.
    const own = applied.some((policy) => policy.rules.Ingress?.some((rule) => rule.named.length > 0));
    const suffix = direction === 'Ingress' && own ? `#${found.id}` : '';
    const key = `${direction} ${applied.map((policy) => numbers.get(policy)).join()}${suffix}`;
    const profile = profiles.get(key) ?? (applied.length === 0 ? free[direction] : newProfile(applied));
    profiles.set(key, profile);
    assigned[direction][found.id] = profile;
    return profile;
  };

  const sideOf = (direction: Direction, self: EndClass, peer: EndClass): Side => {
    const profile = profileOf(self, direction);
    if (profile.policies.length === 0) return open[direction];
    const sides = peer.end.kind === 'outside' ? profile.outsideSides : profile.podSides;
    const known = sides[peer.id];
    if (known) return known;
    const destination = direction === 'Egress' ? peer.end : self.end;
    const side = evaluateSide(direction, profile.policies, peer.end, destination);
    sides[peer.id] = side;
    return side;
  };

  return {
    /** The policies that isolate this class in this direction. */
    isolating: (found: EndClass, direction: Direction): readonly Policy[] => profileOf(found, direction).policies,

    /** What any pod of one class may do with any other pod of the other class. */
    pair(from: EndClass, to: EndClass): Pair {
      const egress = sideOf('Egress', from, to);
      const ingress = sideOf('Ingress', to, from);
      const letter = intersect(egress.letter, ingress.letter);
      const sure =
        egress.letter === egress.sure && ingress.letter === ingress.sure
          ? letter
          : intersect(egress.sure, ingress.sure);
      return { ...traffic(letter, sure), egress, ingress };
    },
  };
}

export type Reach = ReturnType<typeof createReach>;
