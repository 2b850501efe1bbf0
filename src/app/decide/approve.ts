import { approvalsMissing } from '../../domain/decide/decide.ts';
import { Refusal } from '../../domain/errors.ts';
import { approvalsOf, become, type Decision, type Grant } from '../../domain/grant/grant.ts';
import type { Person } from '../../domain/people/people.ts';
import { isSamePerson } from '../../domain/policy/identity.ts';
import { job, scheduleEnd } from '../common/schedule.ts';
import { noting, tell } from '../common/telling.ts';
import type { World } from '../ports/world.ts';

/** Milliseconds within which most grants are open: until then the message does not say that this one is only approved. */
const UNTIL_OPEN = 500;

/**
 * Counts one approval of the plan that is shown, by a person or by the policy itself (`by` null). With the last one needed the grant is
 * approved: its end is scheduled first, then its start.
 * @param seen the grant with its plan as it was made for this approval
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
      const { plan, pods } = seen;
      const next = { ...grant, plan, pods, decisions: [...grant.decisions, decision] };
      if (approvalsMissing(next) > 0) return next;
      return become(next, 'approved', { startsAt: now, expiresAt: now + grant.duration * 1000 });
    },
    noting(world, 'approval', by, { from: 'pending', rule, note: words }),
  );
  if (result === null) throw new Refusal('id', `There is no request ${seen.id}.`);
  const { grant, changed } = result;
  if (!changed) return grant;
  if (grant.state !== 'approved') {
    await tell(world, grant.id, 'message');
    return grant;
  }
  // What a crash leaves undone here reconcile does.
  await scheduleEnd(world, grant);
  await world.scheduler.schedule(job('apply', grant.id));
  // That access is open is told in its place, where it is by then.
  await world.scheduler.schedule({ v: 1, kind: 'tell', id: grant.id, news: 'message' }, now + UNTIL_OPEN);
  return grant;
}
