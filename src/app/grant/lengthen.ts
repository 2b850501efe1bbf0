import { Declined } from '../../domain/errors.ts';
import { type Grant } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import { alarm, MOST_WORDS, tell } from '../common/telling.ts';
import type { World } from '../ports/world.ts';
import { hasRights } from './has-rights.ts';

/** How the remark on an extension begins that the cluster did not take. */
const NOT_TAKEN = 'The cluster did not take the extension, so that it ends as if there were none: ';

/**
 * Brings leases and objects in the cluster to the grant's window. Runs again from reconcile where it did not get done.
 * Answers false where the cluster does not take it: that is told here, and so is that it took it later.
 */
export async function carryOut(world: World, { id }: Grant): Promise<boolean> {
  return world.locks.exclusively(id, async () => {
    const current = await world.store.get(id);
    if (current?.state !== 'active' || (current.expiresAt ?? 0) <= world.clock.now()) return true;
    if (!(await hasRights(world, current))) return true;
    try {
      await world.clusters.of(current).extend(current);
    } catch (error) {
      if (!(error instanceof Declined)) throw error;
      await notTaken(world, current, error.words);
      return false;
    }
    if (current.remarks.some(isNotTaken)) await takenAfterAll(world, id);
    return true;
  });
}

const isNotTaken = (remark: string): boolean => remark.startsWith(NOT_TAKEN);

/**
 * It is tried again at each look around; until it is taken, the leases end as they would have. The cluster's words may differ each time (the id of
 * a request is in them), so that the remark of the last time is replaced, and the requester is told the first time only.
 */
async function notTaken(world: World, of: Grant, words: string): Promise<void> {
  const { id } = of;
  const text = `${NOT_TAKEN}${words.slice(0, MOST_WORDS)}`;
  await alarm(world, `not extended ${id}`, of, `${id}: ${text}`);
  let isFirst = false;
  const result = await world.store.change(id, (grant) => {
    const before = grant.remarks.findIndex(isNotTaken);
    isFirst = before === -1;
    if (isFirst) return { ...grant, remarks: [...grant.remarks, text] };
    return grant.remarks[before] === text ? null : { ...grant, remarks: grant.remarks.with(before, text) };
  });
  if (result?.changed) await tell(world, id, 'message');
  if (isFirst) await tell(world, id, 'not-extended');
}

async function takenAfterAll(world: World, id: GrantId): Promise<void> {
  await world.store.change(id, (grant) => ({
    ...grant,
    remarks: grant.remarks.filter((remark) => !isNotTaken(remark)),
  }));
  await tell(world, id, 'message', 'extended');
}
