import { type Grant } from '../../domain/grant/grant.ts';
import { isBindingNamed } from '../ports/own-objects.ts';
import type { World } from '../ports/world.ts';

/**
 * Whether the grant's rights are still in the cluster. Somebody who deleted them meant it: they are not written again, the grant is ended.
 */
export async function hasRights(world: World, grant: Grant): Promise<boolean> {
  return (await world.clusters.of(grant).remains(grant)).some(isBindingNamed);
}
