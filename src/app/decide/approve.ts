import type { Reviewing, Terms } from '../../domain/decide/act.ts';
import { approvalsOfSteps, askedSteps, countApproval, waitingRequest } from '../../domain/decide/steps.ts';
import { Refusal } from '../../domain/errors.ts';
import { become, type Decision, type Grant } from '../../domain/grant/grant.ts';
import type { Person } from '../../domain/people/people.ts';
import { isSamePerson } from '../../domain/policy/identity.ts';
import { profileNamed } from '../../domain/policy/policy.ts';
import { job, scheduleEnd, scheduleEscalation } from '../common/schedule.ts';
import { noting, tell } from '../common/telling.ts';
import type { World } from '../ports/world.ts';

/** Milliseconds within which most grants are open: until then the message does not say that this one is only approved. */
const UNTIL_OPEN = 500;

/** What approves: a person, by what was decided of them, or a condition of the policy (`by` null). */
export type Approving =
  | ({ readonly by: Person; readonly rule: string; readonly words: string } & Reviewing &
      Pick<Terms, 'profile' | 'waived'>)
  | { readonly by: null; readonly rule: string };

/**
 * Counts one approval of the plan that is shown. With the last one needed the grant is approved: its end is scheduled first, then its start.
 * @param seen the grant with its plan as it was made for this approval
 */
export async function approve(world: World, seen: Grant, approving: Approving): Promise<Grant> {
  const now = world.clock.now();
  const { by, rule } = approving;
  const words = by === null ? '' : approving.words;
  const steps = by === null ? {} : { steps: approving.steps };
  const decision: Decision = { by, verdict: 'approve', at: now, rule, note: words, digest: seen.digest, ...steps };
  const result = await world.store.change(
    seen.id,
    (grant) => {
      if (grant.state !== 'pending') throw new Refusal('state', `${grant.id} is ${grant.state} already.`);
      if (grant.digest !== seen.digest)
        throw new Refusal('digest', 'The plan has changed in this moment.', 'Look at it again, then decide.');
      // Somebody else's click came first with the same person's word: it counts once.
      const waiting = waitingRequest(grant);
      if (by !== null && waiting.approvals.some((d) => d.by !== null && isSamePerson(d.by, by))) return null;
      const { plan, pods } = seen;
      const next = { ...grant, plan, pods, decisions: [...grant.decisions, decision] };
      const startsAt = Math.max(now, grant.startAt ?? now);
      const approved = () => become(next, 'approved', { startsAt, expiresAt: startsAt + grant.duration * 1000 });
      // What the policy approves by itself needs nobody; that it would is judged again when it is applied.
      if (grant.approvalsNeeded === 0) return approved();
      if (by === null) throw new Refusal('approvals', `People decide on ${grant.id} now.`);
      const counted = countApproval(approving.profile, waiting, approving.waived, decision);
      if (counted === null) throw overtaken(grant);
      if (counted.isComplete) return approved();
      if (counted.waiting.waived.length === waiting.waived.length) return next;
      const { waived, askedAt } = counted.waiting;
      return { ...next, waived, askedAt, approvalsNeeded: approvalsOfSteps(approving.profile, waived) };
    },
    noting(world, 'approval', by, { from: 'pending', rule, note: words }),
  );
  if (result === null) throw new Refusal('id', `There is no request ${seen.id}.`);
  const { grant, changed } = result;
  if (!changed) return grant;
  if (grant.state !== 'approved') {
    await askNextStep(world, seen, grant);
    return grant;
  }
  // What a crash leaves undone here reconcile does.
  await scheduleEnd(world, grant);
  await world.scheduler.schedule(job('apply', grant.id), grant.startsAt ?? now);
  if ((grant.startsAt ?? now) > now) await tell(world, grant.id, 'message', 'scheduled');
  // That access is open is told in its place, where it is by then.
  await world.scheduler.schedule({ v: 1, kind: 'tell', id: grant.id, news: 'message' }, now + UNTIL_OPEN);
  return grant;
}

/** Somebody else's approval came first, and was enough for what this person may decide. */
export function overtaken({ id }: Pick<Grant, 'id'>): Refusal {
  return new Refusal(
    'approvals',
    'Others have approved in this moment, and yours is not needed any more.',
    `\`/jit status ${id}\` shows where it stands.`,
  );
}

/** Something more has been said on what waits: shows it, and asks the step whose turn has come by it. */
export async function askNextStep(world: World, before: Grant, now: Grant): Promise<void> {
  await scheduleEscalation(world, now);
  const asked = (grant: Grant) => askedSteps(grant, profileNamed(world.policies.current(), grant.profile));
  const were = asked(before);
  const isNext = asked(now).some((step) => !were.includes(step));
  await tell(world, now.id, 'message', ...(isNext ? (['step'] as const) : []));
}
