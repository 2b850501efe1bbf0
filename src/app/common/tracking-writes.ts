import { touching, Unavailable } from '../../domain/errors.ts';
import type { GrantStore } from '../ports/grant-store.ts';
import type { World } from '../ports/world.ts';

/**
 * Runs what a person asked for. Where a dependency fails on the way, the error says whether anything had been recorded before: if not, nothing
 * was done, and nothing will be.
 */
export async function trackingWrites<T>(world: World, work: (world: World) => Promise<T>): Promise<T> {
  let touched = false;
  const written = async <R>(write: Promise<R>, hasChanged: (result: R) => boolean): Promise<R> => {
    try {
      const result = await write;
      touched ||= hasChanged(result);
      return result;
    } catch (error) {
      // A write without an answer may have been made.
      touched ||= error instanceof Unavailable && !error.untouched;
      throw error;
    }
  };
  const store: GrantStore = {
    ...world.store,
    create: (...args) => written(world.store.create(...args), (isMade) => isMade),
    request: (...args) => written(world.store.request(...args), ({ is }) => is === 'made'),
    change: (...args) => written(world.store.change(...args), (result) => result?.changed === true),
  };
  try {
    return await work({ ...world, store });
  } catch (error) {
    throw touching(error, touched);
  }
}
