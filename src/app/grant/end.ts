import type { Instant } from '../../domain/clocks.ts';
import { Declined, Refusal, Unavailable } from '../../domain/errors.ts';
import { become, type Ending, type Grant, hasEnded } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { Person } from '../../domain/people/people.ts';
import { hasAdmission, hasPod } from '../../domain/plan/plan.ts';
import { inPortions } from '../common/in-portions.ts';
import { job, unschedule } from '../common/schedule.ts';
import { alarm, noting, tell, tellEnd } from '../common/telling.ts';
import { mustBeAllowed, partiesTo } from '../people/who.ts';
import { reachLeft, withoutGrant } from '../plan/reach.ts';
import type { ClusterAccess } from '../ports/cluster-access.ts';
import type { World } from '../ports/world.ts';

/** When an ending that does not get done is told to administrators: milliseconds after it was begun. */
const LATE = 30_000;
/** Lateness that people are told of: milliseconds. */
const NOTEWORTHY = 5000;

/** A person ends a grant, or withdraws a request before anything was applied. */
export async function endAccess(world: World, slackId: string, id: GrantId, words: string): Promise<Grant> {
  const { grant, parties } = await partiesTo(world, slackId, id, false);
  const allowed = await mustBeAllowed(world, { kind: 'end', grant }, parties);
  if (hasEnded(grant.state)) throw new Refusal('state', `${id} has ended already: ${grant.state}.`);
  return endNow(world, grant, parties.actor, allowed.rule, words);
}

/** Ends a grant, or withdraws a request before anything was applied. */
export async function endNow(
  world: World,
  { id, state }: Grant,
  by: Person | null,
  rule: string,
  words: string,
): Promise<Grant> {
  const cancelled = await world.store.change(
    id,
    (current) =>
      current.state === 'pending' || current.state === 'approved'
        ? become(current, 'cancelled', {
            endedAt: world.clock.now(),
            ending: endingOf(world, 'revoked', by, words),
          })
        : null,
    noting(world, 'cancelled', by, { from: state, rule, note: words }),
  );
  if (cancelled?.changed) {
    await tellEnd(world, cancelled.grant);
    await unschedule(world, cancelled.grant);
    return cancelled.grant;
  }
  return beginEnding(world, id, 'revoked', by, words);
}

const endingOf = (
  world: World,
  cause: Ending['cause'],
  by: Person | null,
  words: string,
  rightsGoneAt: Instant | null = null,
): Ending => ({
  cause,
  since: world.clock.now(),
  by,
  note: words,
  rightsGoneAt,
  policyGoneAt: null,
  workspaceGoneAt: null,
});

/** Marks a grant as ending and has it taken down. Of two causes the first one counts. */
export async function beginEnding(
  world: World,
  id: GrantId,
  cause: Ending['cause'],
  by: Person | null,
  words: string,
): Promise<Grant> {
  const result = await world.store.change(
    id,
    (grant) =>
      grant.state === 'applying' || grant.state === 'active'
        ? become(grant, 'ending', { ending: endingOf(world, cause, by, words), extension: null })
        : null,
    noting(world, 'ending', by, { note: words, rule: cause }),
  );
  if (result === null) throw new Refusal('id', `There is no grant ${id}.`);
  // Before what may fail: whoever comes after finds it ending already, and tells nobody.
  if (result.changed && cause === 'failed')
    await alarm(world, `failed ${id}`, result.grant, `${id} is being taken down: ${words}`);
  if (result.grant.state === 'ending') await world.scheduler.schedule(job('revoke', id));
  if (result.changed && cause !== 'expired') await tell(world, id, 'message');
  return result.grant;
}

/**
 * The revocation: due at the end of the window, or at once when somebody ended the grant. Rights first, the guard last;
 * the end is said only after the API server has confirmed it. Throws until then: it is retried.
 */
export async function revokeGrant(world: World, id: GrantId): Promise<void> {
  let grant = await world.store.get(id);
  if (grant === null || grant.state === 'pending') return;
  if (hasEnded(grant.state)) return tellEnd(world, grant);
  const now = world.clock.now();
  const due = grant.expiresAt ?? now;
  if (grant.state !== 'ending') {
    if (now < due) {
      // Extended meanwhile, or a second early by another clock.
      await world.scheduler.schedule(job('revoke', id), due);
      // Somebody may have ended it in this moment, and that is now.
      if ((await world.store.get(id))?.state === 'ending') await world.scheduler.schedule(job('revoke', id));
      return;
    }
    if (grant.state === 'approved') return cancelUnapplied(world, grant);
    grant = await expire(world, id);
    if (grant?.state !== 'ending') return;
  }
  const confirmed = await takeDown(world, grant);
  const end = grant.ending?.cause ?? 'expired';
  const dueAt = end === 'expired' ? due : (grant.ending?.since ?? due);
  const lateness = Math.max(0, confirmed - dueAt);
  const [other, left] = await Promise.all([
    world.clusters
      .of(grant)
      .otherAccess(grant)
      .catch(() => null),
    stillAdmitted(world, grant).catch(() => null),
  ]);
  const remarks = [
    ...grant.remarks,
    ...(lateness > NOTEWORTHY
      ? [`That the rights had ended was confirmed ${Math.round(lateness / 1000)} s late.`]
      : []),
    ...(other === null ? ['Whether other bindings allow the same could not be looked up.'] : []),
    ...(left === null ? ['Whether policies of others still go by its label could not be looked up.'] : []),
    ...(other !== null && other.length > 0
      ? [`Access by other bindings, which are not of this grant, remains: ${other.slice(0, 5).join(', ')}.`]
      : []),
  ];
  if (left !== null && left.length > 0)
    await alarm(
      world,
      `admitted ${id}`,
      grant,
      `${id} has ended, but policies of others still go by its label: ${left.slice(0, 3).join('; ')}. Remove them.`,
    );
  const result = await world.store.change(
    id,
    (current) => (current.state === 'ending' ? become(current, end, { endedAt: confirmed, remarks }) : null),
    noting(world, end, grant.ending?.by ?? null, (ended) => ({
      from: 'ending',
      lateness,
      objects: world.clusters.of(ended).objectsOf(ended),
      note: ended.ending?.note ?? '',
    })),
  );
  if (!result?.changed) return;
  await tellEnd(world, result.grant);
  await unschedule(world, result.grant);
}

/** What policies would still open for a pod with the grant's label, of which there is none any more. */
async function stillAdmitted(world: World, grant: Grant): Promise<string[]> {
  if (grant.plan.network.mode !== 'workspace') return [];
  // Its own policies, which are gone, may be heard of for a moment yet.
  const now = withoutGrant(await world.clusters.of(grant).snapshot(), grant.id);
  const left = await inPortions(reachLeft(grant, now, world.clusters.of(grant).workspacesNamespace));
  return left.flatMap((connection) => [...connection.reasons]);
}

/**
 * Marks a grant as ending whose window is over.
 * @param rightsGoneAt when the API server had confirmed that its rights are gone, where that is known already
 */
export async function expire(world: World, id: GrantId, rightsGoneAt: Instant | null = null): Promise<Grant | null> {
  let from: Grant['state'] | undefined;
  const result = await world.store.change(
    id,
    (current) => {
      const isOver = (current.expiresAt ?? 0) <= world.clock.now();
      if (!isOver || (current.state !== 'active' && current.state !== 'applying')) return null;
      from = current.state;
      return become(current, 'ending', {
        ending: endingOf(world, 'expired', null, '', rightsGoneAt),
        extension: null,
      });
    },
    noting(world, 'ending', null, () => ({ rule: 'expired', ...(from === undefined ? {} : { from }) })),
  );
  return result?.grant ?? null;
}

/** Drawbridge itself cancels what waits in this state: it is not to be given any more, and `remark` tells people why. */
export async function giveUp(
  world: World,
  id: GrantId,
  from: 'pending' | 'approved',
  remark: string,
  noted: { readonly rule?: string; readonly note: string },
): Promise<void> {
  const cancelled = await world.store.change(
    id,
    (current) =>
      current.state === from
        ? become(current, 'cancelled', { endedAt: world.clock.now(), remarks: [...current.remarks, remark] })
        : null,
    noting(world, 'cancelled', null, { from, ...noted }),
  );
  if (cancelled?.changed !== true) return;
  await tellEnd(world, cancelled.grant);
  await unschedule(world, cancelled.grant);
}

/** What was approved for a window that is over is not given at another time. */
export async function cancelUnapplied(world: World, grant: Grant): Promise<void> {
  const result = await world.store.change(
    grant.id,
    (current) =>
      current.state === 'approved'
        ? become(current, 'cancelled', {
            endedAt: world.clock.now(),
            remarks: [...current.remarks, 'The window passed before it could be applied.'],
          })
        : null,
    noting(world, 'cancelled', null, { from: 'approved', note: 'window passed before it was applied' }),
  );
  if (!result?.changed) return;
  await tellEnd(world, result.grant);
}

/** What is gone one after the other, as the record has it. */
type Gone = 'rightsGoneAt' | 'policyGoneAt' | 'workspaceGoneAt';

/**
 * When something was first seen to be gone: what is retried after that is not lateness of it. What was there again then (`wasThere`: a write
 * that came late) is gone only now.
 */
async function firstConfirmed(world: World, grant: Grant, what: Gone, wasThere: boolean): Promise<number> {
  const now = world.clock.now();
  const result = await world.store.change(grant.id, (current) =>
    current.ending === null || (current.ending[what] !== null && !wasThere)
      ? null
      : { ...current, ending: { ...current.ending, [what]: now } },
  );
  return result?.grant.ending?.[what] ?? now;
}

/** The one order in which a grant leaves the cluster: rights first, the guard only once its pod is gone, the leases last. */
export async function dismantle(
  cluster: ClusterAccess,
  grant: Grant,
  gone: (what: Gone, wasThere?: boolean) => Promise<unknown> = async () => {},
): Promise<void> {
  const { network } = grant.plan;
  // An end in time needs no mark: the lease ends with it. The rights do not wait for it.
  const isEarly = grant.state === 'ending' && grant.ending?.cause !== 'expired';
  const marked = isEarly ? cluster.markEnding(grant).catch(() => {}) : null;
  await gone('rightsGoneAt', await cluster.takeRights(grant));
  await cluster.closeAdmission(grant);
  if (hasAdmission(network)) await gone('policyGoneAt');
  await cluster.endWorkspace(grant);
  if (hasPod(grant.plan)) await gone('workspaceGoneAt');
  await cluster.lowerGuard(grant);
  if (network.mode === 'contain' && network.applies) await gone('policyGoneAt');
  // Else the mark could write a lease anew that is gone.
  await marked;
  await cluster.dropLeases(grant);
}

/**
 * Holds a grant against the cluster; what differs is an incident, and all of it is taken down. True: it is ending.
 * @param further what else was found to differ
 */
export async function endIfBroken(
  world: World,
  grant: Grant,
  further: () => Promise<readonly string[]> = async () => [],
): Promise<boolean> {
  const differences = (await Promise.all([world.clusters.of(grant).verify(grant), further()])).flat();
  if (differences.length === 0) return false;
  const what = `What is in the cluster is not what was approved: ${differences.join('; ')}.`;
  await beginEnding(world, grant.id, 'failed', null, what);
  return true;
}

/** Takes everything down; answers when the API server had confirmed that the rights are gone. */
async function takeDown(world: World, grant: Grant): Promise<number> {
  const cluster = world.clusters.of(grant);
  try {
    return await world.locks.exclusively(grant.id, async () => {
      let confirmed = world.clock.now();
      await dismantle(cluster, grant, async (what, wasThere = false) => {
        const at = await firstConfirmed(world, grant, what, wasThere);
        if (what === 'rightsGoneAt') confirmed = at;
      });
      const remains = await cluster.remains(grant);
      if (remains.length > 0) throw new StillThere(`still there: ${remains.join(', ')}`);
      return confirmed;
    });
  } catch (error) {
    const since = grant.ending?.since ?? world.clock.now();
    if (world.clock.now() > since + LATE)
      await alarm(
        world,
        `late ${grant.id}`,
        grant,
        `${grant.id} could not be taken down yet: ${words(error)}. It is tried again and again.`,
      );
    throw error;
  }
}

/** What administrators are told of a fault: what is left, or what the cluster says. */
function words(error: unknown): string {
  const isSafe = error instanceof Declined || error instanceof Unavailable || error instanceof StillThere;
  return isSafe ? error.message.slice(0, 500) : 'the cluster does not answer as it should';
}

class StillThere extends Error {}
