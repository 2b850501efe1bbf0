import type { Grant } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { GrantStore } from '../ports/grant-store.ts';

/** How many records are held at once. */
const PORTION = 100;

/** The records of those of these grants that have not ended, in portions: there may be ten thousand. */
export async function* recordsOf(store: GrantStore, ids: Iterable<GrantId>): AsyncGenerator<readonly Grant[]> {
  for (const portion of portionsOf([...ids])) yield await store.records(portion);
}

export function* portionsOf(ids: readonly GrantId[]): Generator<readonly GrantId[]> {
  for (let i = 0; i < ids.length; i += PORTION) yield ids.slice(i, i + PORTION);
}
