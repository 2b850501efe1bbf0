import { approvalsMissing } from '../domain/decide.ts';
import { Refusal } from '../domain/errors.ts';
import { approvalsOf, become, type Decision, type Grant } from '../domain/grant.ts';
import { isSamePerson } from '../domain/identity.ts';
import type { Person } from '../domain/people.ts';
import type { World } from './ports.ts';
import { job, noting, scheduleEnd, tell } from './steps.ts';

/**
 * Counts one approval of the plan that is shown, by a person or by the policy itself (`by` null). With the last one needed the grant is
 * approved: its end is scheduled first, then its start.
 */
export async function approve(
  world: World,
  seen: Grant,
  by: Person | null,
  rule: string,
  words: string,
): Promise<Grant> {
  const now = world.clock.now();
  const decision: Decision = { by, verdict: 'approve', at: now, rule, note: words, digest: seen.digest };
  const result = await world.store.change(
    seen.id,
    (grant) => {
      if (grant.state !== 'pending') throw new Refusal('state', `${grant.id} is ${grant.state} already.`);
      if (grant.digest !== seen.digest)
        throw new Refusal('digest', 'The plan has changed in this moment.', 'Look at it again, then decide.');
      // Somebody else's click came first with the same person's word: it counts once.
      if (by !== null && approvalsOf(grant).some((d) => d.by !== null && isSamePerson(d.by, by))) return null;
      const next = { ...grant, decisions: [...grant.decisions, decision] };
      if (approvalsMissing(next) > 0) return next;
      return become(next, 'approved', { startsAt: now, expiresAt: now + grant.duration * 1000 });
    },
    noting(world, 'approval', by, { from: 'pending', rule, note: words }),
  );
  if (result === null) throw new Refusal('id', `There is no request ${seen.id}.`);
  const { grant, changed } = result;
  if (!changed) return grant;
  // What a crash leaves undone here reconcile does.
  if (grant.state === 'approved') {
    await scheduleEnd(world, grant);
    await world.scheduler.schedule(job('apply', grant.id));
  }
  await tell(world, grant.id, 'message');
  return grant;
}
