import type { Grant } from '../domain/grant.ts';
import type { GrantId } from '../domain/ids.ts';
import type { GrantStore } from './ports.ts';

/** How many records are held at once. */
const PORTION = 100;

/** The records of those of these grants that have not ended, in portions: there may be ten thousand. */
export async function* recordsOf(store: GrantStore, ids: Iterable<GrantId>): AsyncGenerator<readonly Grant[]> {
  const wanted = [...ids];
  for (let i = 0; i < wanted.length; i += PORTION) yield await store.records(wanted.slice(i, i + PORTION));
}
