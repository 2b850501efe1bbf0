import { Refusal } from '../../domain/errors.ts';
import type { InCluster } from '../ports/clusters.ts';
import type { World } from '../ports/world.ts';

/**
 * Why nothing is given now or, for `asking`, nobody asked for it; null: it can be. A window that a wrong clock cuts out is not the one that was
 * agreed on, and what can't be carried through must not be begun.
 */
export function hindranceTo(
  world: World,
  place: InCluster,
  to: 'asking' | 'giving',
): { rule: string; why: string; remedy: string } | null {
  // By the name under which it is connected: what was asked for before the clusters had names is in one that has.
  const cluster = world.clusters.names.find((name) => world.clusters.isIn(name, place));
  if (cluster === undefined)
    return {
      rule: 'clusters',
      why: `cluster ${place.cluster ?? 'without a name'} is not connected`,
      remedy: 'An administrator must start Drawbridge again: the policy has named it since then, or names it no more.',
    };
  const doubt = world.clock.doubt(cluster);
  if (doubt !== null)
    return { rule: 'clock', why: doubt, remedy: 'Try again in a minute; administrators have been told.' };
  const hindrance = world.conditions.hindrance(to, cluster);
  return hindrance === null
    ? null
    : { rule: hindrance.name, why: hindrance.lacks, remedy: 'Administrators have been told what to do.' };
}

/**
 * For whatever gives access, or more of it, and (`asking`) for what people are asked for.
 * @throws Refusal while the time is in doubt, or something that giving needs is missing
 */
export function mustBeAbleToGive(world: World, place: InCluster, to: 'asking' | 'giving' = 'giving'): void {
  const hindrance = hindranceTo(world, place, to);
  if (hindrance !== null)
    throw new Refusal(
      hindrance.rule,
      `Nothing is granted${place.cluster === null ? '' : ` in ${place.cluster}`} now, since ${hindrance.why}.`,
      `Nothing was requested or changed. ${hindrance.remedy}`,
    );
}
