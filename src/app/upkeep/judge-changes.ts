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
 * The lease goes last, or takes the rights with it. Where it does neither (a finalizer keeps them, or they are for the whole cluster and have no owner) and
 * Redis has lost the grant, nobody else would take them soon.
 */
function hasOutlivedLease(objects: readonly Found[]): boolean {
  return objects.some(({ kind }) => BINDINGS.includes(kind)) && !objects.some(({ kind }) => kind === 'Job');
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
  /** By its own seal its window is over. */
  const isOver = ({ sealed, expiresAt }: Found): boolean =>
    sealed && expiresAt !== null && expiresAt <= world.clock.now();

  async function judge(id: string): Promise<void> {
    // The objects first: a record that is read after them is no older.
    const objects = objectsOf(id);
    // They go one by one at the end of a window: of a thousand that end together no record is read for that, while the others still wait to be cut.
    if (objects.length > 0 && objects.every(isOver) && !hasOutlivedLease(objects)) return;
    const grant = await reconcileGrant(world, cluster, id, objects);
    if (grant === null) return;
    onRecord(grant);
    // While it is being applied, nothing can be said of it.
    if (grant.state === 'applying') agenda.ask(id, AGAIN);
  }
  const agenda = createAgenda(HANDS, judge, onFault);
  return { changed: (id) => agenda.ask(id, SETTLE), stop: () => agenda.stop() };
}
