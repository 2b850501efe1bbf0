import { Declined, NotNow, Refusal, Unavailable } from '../../domain/errors.ts';
import { become, type Grant } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import { surroundingDifferences } from '../../domain/plan/differences.ts';
import { hasAdmission, hasGuard, hasPod } from '../../domain/plan/plan.ts';
import { judgeVerdict, type ProbeVerdict } from '../../domain/plan/probe.ts';
import { mayPass } from '../common/faults.ts';
import { hindranceTo } from '../common/giving.ts';
import { job, scheduleEnd, warningAt } from '../common/schedule.ts';
import { MOST_WORDS, noting, tell, tellEnd } from '../common/telling.ts';
import { askAgainIfDifferent } from '../plan/ask-again.ts';
import { grownRules, surroundingsNow } from '../plan/since-approval.ts';
import type { World } from '../ports/world.ts';
import { beginEnding, cancelUnapplied, endIfBroken, giveUp } from './end.ts';

/** For how long a step that fails is tried again before everything is taken down: milliseconds since the window began. */
const PATIENCE = 60_000;

/**
 * From `approved` to `active`. May run again at any point: after a crash it goes on where it was.
 * Order (docs/security.md): the end is scheduled, then leases, guard, admission, workspace with its probe, and the rights last.
 */
export async function applyGrant(world: World, id: GrantId): Promise<void> {
  const approved = await world.store.get(id);
  if (approved === null) return;
  let same: Grant | null = null;
  if (approved.state === 'approved') {
    const { startAt = 0 } = approved;
    // It begins later; a job that comes early, such as one that a look around has scheduled, waits for that.
    if (world.clock.now() < startAt) return world.scheduler.schedule(job('apply', id), startAt);
    // Nothing ran while it was to be open. Its revocation is due as well, but this may be run first.
    if (world.clock.now() >= (approved.expiresAt ?? Number.POSITIVE_INFINITY)) return cancelUnapplied(world, approved);
    leaveWhileHindered(world, approved);
    same = await judgeAgain(world, approved);
    if (same === null) return;
  }
  const started = await world.store.change(
    id,
    (grant) => {
      // Approved only now, or with another plan: that approval has a job of its own.
      if (grant.state !== 'approved' || grant.digest !== same?.digest) return null;
      const { plan, pods } = same;
      const startsAt = world.clock.now();
      return become(grant, 'applying', { plan, pods, startsAt, expiresAt: startsAt + grant.duration * 1000 });
    },
    noting(world, 'applying', null, (grant) => ({
      from: 'approved',
      objects: world.clusters.of(grant).objectsOf(grant),
    })),
  );
  if (started === null) return;
  if (started.grant.state === 'active') return announce(world, started.grant);
  if (started.grant.state !== 'applying') return tellEnd(world, started.grant);
  const { grant } = started;
  await scheduleEnd(world, grant);
  let active: Grant | null;
  try {
    active = await world.locks.exclusively(id, () => put(world, grant));
  } catch (error) {
    if (error instanceof Stopped) return;
    if (mayPass(error) && world.clock.now() < (grant.startsAt ?? 0) + PATIENCE) throw error;
    await beginEnding(world, id, 'failed', null, reasonOf(error));
    throw error;
  }
  if (active !== null) await announce(world, active);
}

/** What people are told of a grant that could not be applied. */
function reasonOf(error: unknown): string {
  if (error instanceof Refusal || error instanceof Hindered) return error.message;
  if (error instanceof Unavailable)
    return error.words === null
      ? 'The cluster did not answer, or the workspace did not start, in time.'
      : `The cluster could not take it: ${error.words.slice(0, MOST_WORDS)}`;
  return error instanceof Declined
    ? `The cluster did not take it: ${error.words.slice(0, MOST_WORDS)}`
    : 'The cluster did not take it.';
}

/** Nothing may be given now: the job is run again, here or by another replica, which may have a better clock. */
class Hindered extends Unavailable {}

/** @throws Hindered while the time is in doubt, or something that giving needs is missing */
function leaveWhileHindered(world: World, grant: Grant): void {
  const hindrance = hindranceTo(world, grant, 'giving');
  if (hindrance !== null)
    throw new Hindered(
      hindrance.rule === 'clock' ? 'Clock' : 'Kubernetes',
      `Nothing is granted while ${hindrance.why}.`,
    );
}

/** The plan is made once more just before it is applied. Null: it is not to be applied now. */
async function judgeAgain(world: World, grant: Grant): Promise<Grant | null> {
  try {
    const judged = await askAgainIfDifferent(world, grant);
    return 'same' in judged ? judged.same : null;
  } catch (error) {
    // What people have approved is not given up for what may be known again in a moment.
    if (error instanceof NotNow) throw new Unavailable(error.dependency, error.message, { retryIn: error.retryIn });
    if (!(error instanceof Refusal)) throw error;
    const { rule, message } = error;
    await giveUp(world, grant.id, 'approved', `Not applied: ${message}`, { rule, note: message });
    return null;
  }
}

/** The window is over, or somebody has begun to end the grant, while it was being applied: its revocation does the rest. */
class Stopped extends Error {}

/** Everything in the cluster, in its order; answers the active grant, or null when it is to be taken down instead. */
async function put(world: World, grant: Grant): Promise<Grant | null> {
  const { store } = world;
  const cluster = world.clusters.of(grant);
  const stopIfOver = async () => {
    if ((await store.get(grant.id))?.state !== 'applying' || world.clock.now() >= (grant.expiresAt ?? 0))
      throw new Stopped();
  };
  const goOn = async () => {
    leaveWhileHindered(world, grant);
    await stopIfOver();
  };
  const { network } = grant.plan;
  await goOn();
  await cluster.placeLeases(grant);
  let workspacePod: string | null = null;
  let probe: ProbeVerdict | null = null;
  let remarks = grant.remarks;
  if (hasGuard(network)) await cluster.raiseGuard(grant);
  if (hasAdmission(network)) await cluster.admit(grant);
  if (hasPod(grant.plan)) {
    ({ pod: workspacePod, probe } = await cluster.startWorkspace(grant));
    await goOn();
    if (network.mode === 'workspace') remarks = [...remarks, ...judgeVerdict(probe, grant.profile, network.strict)];
  }
  const pods = grant.target.workload === undefined ? [] : await cluster.podsOf(grant);
  await goOn();
  await cluster.giveRights(grant, pods, workspacePod);
  // A binding that was on its way as the window ended came after the rights were cut. The revocation waits for the lock that this step holds.
  await stopIfOver();
  const made: Grant = { ...grant, pods, workspacePod, remarks };
  if (await endIfBroken(world, made, () => changesSince(world, made))) return null;
  // The record in the lease, which a lost Redis is mended from, knows the pods as well.
  await cluster.placeLeases(made);
  const result = await store.change(
    grant.id,
    (current) => (current.state === 'applying' ? become(current, 'active', { pods, workspacePod, remarks }) : null),
    noting(world, 'active', null, {
      from: 'applying',
      objects: cluster.objectsOf(grant),
      ...(probe === null ? {} : { note: `probe: target ${probe.target}, canary ${probe.canary}` }),
    }),
  );
  return result?.changed ? result.grant : null;
}

/** What has changed of what was approved, while it was applied: in the policies around a target with a network mode, and in its named role. */
async function changesSince(world: World, grant: Grant): Promise<string[]> {
  const { network, surroundings } = grant.plan;
  const [around, role, gone] = await Promise.all([
    network.mode === 'none' ? surroundings : surroundingsNow(world.clusters.of(grant), grant),
    grownRules(world.clusters.of(grant), grant.plan),
    grant.pods.length === 0 ? world.clusters.of(grant).targetGone(grant) : null,
  ]);
  return [
    ...surroundingDifferences(surroundings, around),
    ...(role === null ? [] : [role]),
    ...(gone === null ? [] : [`what was approved is gone: ${gone}`]),
  ];
}

/** Says that access is there, and schedules the warning. May be said again: the notifier's job knows what was delivered. */
async function announce(world: World, grant: Grant): Promise<void> {
  await tell(world, grant.id, 'message', 'granted');
  await world.scheduler.schedule(job('warn', grant.id), warningAt(world, grant));
}
