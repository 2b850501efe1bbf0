import type { GrantId } from '../../domain/ids.ts';

/** One hand at a time on the objects of one grant, among all replicas. */
export interface Locks {
  /**
   * Runs `work` while nobody else does for the same grant. A holder that died lets go within a few seconds.
   * @throws Unavailable when another holds it for longer than a few seconds
   */
  exclusively<T>(id: GrantId, work: () => Promise<T>): Promise<T>;
}
