import type { Grant } from '../../domain/grant/grant.ts';
import type { ClusterName } from '../../domain/target.ts';
import { BINDINGS, type Found } from '../ports/own-objects.ts';
import type { World } from '../ports/world.ts';
import { createAgenda } from './agenda.ts';
import { reconcileGrant } from './reconcile.ts';

/** What is written together settles for so long before it is judged, and what is being applied is judged again after this: milliseconds. */
const SETTLE = 300;
const AGAIN = 1000;
/** How many grants are judged at once. */
const HANDS = 8;

/** Holds the grants of changed objects against their records, each soon after its change. */
export interface ChangeJudge {
  /** Objects that carry this id ('': none) have changed. */
  changed(id: string): void;
  stop(): void;
}

/**
 * @param onRecord is told each record that was read, or adopted
 * @param onFault what fails is left to the next look at everything
 */
export function createChangeJudge(
  world: World,
  cluster: ClusterName,
  objectsOf: (id: string) => readonly Found[],
  onRecord: (grant: Grant) => void,
  onFault: (error: unknown) => void,
): ChangeJudge {
  /** By its own seal its window is over. Rights that are deleted and still there are kept by somebody: where Redis has lost the grant, nobody else would take them. */
  const isOver = ({ kind, sealed, deleting, expiresAt }: Found): boolean =>
    sealed && expiresAt !== null && expiresAt <= world.clock.now() && !(deleting && BINDINGS.includes(kind));

  async function judge(id: string): Promise<void> {
    // The objects first: a record that is read after them is no older.
    const objects = objectsOf(id);
    // They go one by one at the end of a window: of a thousand that end together no record is read for that, while the others still wait to be cut.
    if (objects.length > 0 && objects.every(isOver)) return;
    const grant = await reconcileGrant(world, cluster, id, objects);
    if (grant === null) return;
    onRecord(grant);
    // While it is being applied, nothing can be said of it.
    if (grant.state === 'applying') agenda.ask(id, AGAIN);
  }
  const agenda = createAgenda(HANDS, judge, onFault);
  return { changed: (id) => agenda.ask(id, SETTLE), stop: () => agenda.stop() };
}
