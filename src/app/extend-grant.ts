import { decideExtension, decideReview, extensionDigest } from '../domain/decide.ts';
import { formatDuration } from '../domain/duration.ts';
import { Refusal } from '../domain/errors.ts';
import { become, type Decision, type Extension, type Grant, onePerPerson } from '../domain/grant.ts';
import type { GrantId } from '../domain/ids.ts';
import type { Person } from '../domain/people.ts';
import { digestOfProfile } from '../domain/plan.ts';
import { profileNamed } from '../domain/policy.ts';
import type { World } from './ports.ts';
import { mustBeSeen } from './review-access.ts';
import { hasRights, job, mustBeAbleToGive, noting, scheduleEnd, tell, warningAt } from './steps.ts';
import type { Seen } from './use-cases.ts';
import { hear } from './who.ts';

/** The requester asks for a longer window: decided like a request, under the policy as it is now. */
export async function askExtension(world: World, slackId: string, id: GrantId, seconds: number | null): Promise<Grant> {
  const { policy, profile, person, grant, facts } = await hear(world, slackId, id);
  if (profile === undefined || digestOfProfile(profile) !== grant.plan.profileDigest)
    throw new Refusal(
      `profiles.${grant.profile}`,
      `Profile '${grant.profile}' has changed since ${id} was approved.`,
      'Make a new request when this one has ended.',
    );
  // Judged on the grant as it is when it is written: of many asks at once each sees the window that the others have made.
  const judge = (current: Grant) => {
    const decided = decideExtension(policy, current, person, seconds, facts, world.clock.now());
    if (!decided.allowed) throw decided.refusal;
    return decided;
  };
  let decision = judge(grant);
  mustBeAbleToGive(world);
  const result = await world.store.change(
    id,
    (current) => {
      decision = judge(current);
      const extension: Extension = { duration: decision.duration, askedAt: world.clock.now(), approvals: [] };
      return become(current, 'active', { extension });
    },
    noting(world, 'extension-requested', person, () => ({
      rule: decision.rule,
      note: formatDuration(decision.duration),
    })),
  );
  if (result === null) throw new Refusal('id', `There is no grant ${id}.`);
  if (decision.approvals === 0) return lengthen(world, result.grant, null, decision.rule, '');
  await tell(world, id, 'message', 'extension');
  return result.grant;
}

/** One person's word on a longer window. */
export async function reviewExtension(
  world: World,
  slackId: string,
  id: GrantId,
  verdict: 'approve' | 'deny',
  words: string,
  seen: Seen,
): Promise<Grant> {
  const { policy, profile, person: reviewer, grant, facts } = await hear(world, slackId, id);
  const { extension } = grant;
  if (grant.state !== 'active' || extension === null)
    throw new Refusal('state', `${id} waits for no longer window now.`);
  const digest = extensionDigest(grant, extension);
  const decided = decideReview(policy, { ...grant, decisions: extension.approvals, digest }, reviewer, verdict, facts);
  if (!decided.allowed) throw decided.refusal;
  mustBeSeen(grant, seen, digest);
  if (profile === undefined || digestOfProfile(profile) !== grant.plan.profileDigest)
    throw new Refusal(
      `profiles.${grant.profile}`,
      `Profile '${grant.profile}' has changed since ${id} was approved: it can't be extended.`,
    );
  if (verdict === 'approve') {
    mustBeAbleToGive(world);
    return lengthen(world, grant, reviewer, decided.rule, words);
  }
  const result = await world.store.change(
    id,
    (current) =>
      current.state === 'active' && current.extension !== null && extensionDigest(current, current.extension) === digest
        ? become(current, 'active', { extension: null })
        : null,
    noting(world, 'extension-denied', reviewer, { rule: decided.rule, note: words }),
  );
  await tell(world, id, 'message', 'extension-denied');
  return result?.grant ?? grant;
}

/** Counts one approval of the extension; with the last one the window is longer: recorded and scheduled first, then the cluster. */
async function lengthen(world: World, seen: Grant, by: Person | null, rule: string, words: string): Promise<Grant> {
  if (seen.extension === null) throw new Error(`${seen.id} has no extension`);
  const digest = extensionDigest(seen, seen.extension);
  const approval: Decision = { by, verdict: 'approve', at: world.clock.now(), rule, note: words, digest };
  const profile = profileNamed(world.policies.current(), seen.profile);
  const needed = by === null ? 0 : (profile?.approvals ?? 1);
  const maximum = profile?.duration.maximum ?? 0;
  const lengthened = (grant: Grant): Grant => {
    const { extension, expiresAt } = grant;
    if (
      grant.state !== 'active' ||
      extension === null ||
      expiresAt === null ||
      extensionDigest(grant, extension) !== digest
    )
      throw new Refusal('state', `${seen.id} waits for no such extension now.`);
    if (expiresAt <= world.clock.now()) throw new Refusal('state', `${seen.id} has reached its end.`);
    if ((expiresAt - (grant.startsAt ?? 0)) / 1000 + extension.duration > maximum)
      throw new Refusal(`profiles.${seen.profile}.duration.maximum`, `${seen.id} has its full length already.`);
    const approvals = onePerPerson([...extension.approvals, approval]);
    if (approvals.length < needed) return become(grant, 'active', { extension: { ...extension, approvals } });
    return become(grant, 'active', {
      extension: null,
      decisions: [...grant.decisions, ...approvals],
      duration: grant.duration + extension.duration,
      expiresAt: expiresAt + extension.duration * 1000,
    });
  };
  const result = await world.store.change(seen.id, lengthened, (grant) =>
    noting(world, grant.extension === null ? 'extended' : 'extension-approval', by, { rule, note: words })(grant),
  );
  if (result === null) throw new Refusal('id', `There is no grant ${seen.id}.`);
  const { grant } = result;
  if (grant.extension === null) {
    await scheduleEnd(world, grant);
    await carryOut(world, grant);
    await tell(world, grant.id, 'message', 'extended');
    await world.scheduler.schedule(job('warn', grant.id), warningAt(world, grant));
  } else await tell(world, grant.id, 'message');
  return grant;
}

/** Brings leases and objects in the cluster to the grant's window. Runs again from reconcile where it did not get done. */
export async function carryOut(world: World, grant: Grant): Promise<void> {
  await world.locks.exclusively(grant.id, async () => {
    const current = await world.store.get(grant.id);
    if (current?.state !== 'active' || (current.expiresAt ?? 0) <= world.clock.now()) return;
    if (await hasRights(world, current)) await world.cluster.extend(current);
  });
}
