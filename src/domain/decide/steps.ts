import type { Instant } from '../clocks.ts';
import {
  type Decision,
  type Extension,
  type Grant,
  onePerPerson,
  type WaivedStep,
  waitsForApproval,
} from '../grant/grant.ts';
import { assign } from '../matching.ts';
import { type Asking, allowedBy, type Listing, type Person, ruleOf } from '../people/people.ts';
import { describeConditions } from '../policy/conditions-in-words.ts';
import {
  type Approval,
  type ApprovalStep,
  approvalOf,
  type PlacedPeople,
  type Principals,
  type Profile,
  placeOf,
} from '../policy/policy.ts';
import { type Circumstances, missedConditions } from './conditions.ts';

/**
 * By which steps people approve what waits: which are needed, which are asked, who decides them, and whether they are complete. All of it comes
 * from the policy as it is now and from the record, never from what was scheduled or told.
 */

/** What waits for people, and what they have said so far. */
export interface Waiting {
  /** Approvals of what is asked now, in the order in which they came. */
  readonly approvals: readonly Decision[];
  readonly waived: readonly WaivedStep[];
  readonly askedAt: Instant;
}

/** A request that waits. Of approvals of another plan none counts. */
export function waitingRequest({ decisions, digest, waived = [], askedAt, createdAt }: Grant): Waiting {
  const approvals = onePerPerson(decisions.filter((d) => d.verdict === 'approve' && d.digest === digest));
  return { approvals, waived, askedAt: askedAt ?? createdAt };
}

/** A longer window that waits. */
export function waitingExtension({ approvals, waived = [], askedAt }: Extension): Waiting {
  return { approvals: onePerPerson(approvals.filter((d) => d.verdict === 'approve')), waived, askedAt };
}

/** What waits for people now, the request or a longer window; null: nothing does. */
function waitingNow(grant: Grant): Waiting | null {
  if (waitsForApproval(grant)) return waitingRequest(grant);
  return grant.state === 'active' && grant.extension !== null ? waitingExtension(grant.extension) : null;
}

export interface StepProgress {
  readonly step: ApprovalStep;
  /** Those that count for this step, of several ways to count them the one that serves earlier steps first. */
  readonly approvals: readonly Decision[];
  readonly isComplete: boolean;
  /** When people were asked to decide it; null: a step before it is not complete. */
  readonly askedAt: Instant | null;
}

export interface Progress {
  /** The steps that are needed, in the policy's order. */
  readonly steps: readonly StepProgress[];
  readonly isComplete: boolean;
  /** How many more people must approve. */
  readonly missing: number;
}

/** The steps that are needed, all but those that are waived. */
export function neededSteps({ steps }: Approval, waived: readonly WaivedStep[]): ApprovalStep[] {
  return steps.filter(({ name }) => !waived.some((one) => one.name === name));
}

/** The names of the steps of what waits that have been asked. */
export function askedSteps(grant: Grant, profile: Profile | undefined): string[] {
  const waiting = waitingNow(grant);
  if (profile === undefined || waiting === null) return [];
  return progressOf(approvalOf(profile), waiting).steps.flatMap(({ step, askedAt }) =>
    askedAt === null ? [] : [step.name],
  );
}

/** How many people must approve. */
export function approvalsOfSteps(profile: Profile, waived: readonly WaivedStep[]): number {
  return neededSteps(approvalOf(profile), waived).reduce((sum, { count }) => sum + count, 0);
}

/**
 * Where the steps stand. Each person counts for one step; which one is worked out here from all approvals, so that the steps are complete as soon
 * as there is any way to count them so. In a sequence the first step that is not complete is asked, and none after it.
 */
export function progressOf(approval: Approval, waiting: Waiting): Progress {
  const needed = neededSteps(approval, waiting.waived);
  const asked = askedTimes(approval, needed, waiting);
  const filled = filledBy(approval, needed.slice(0, asked.length), waiting.approvals);
  const steps = needed.map((step, index): StepProgress => {
    const approvals = (filled[index] ?? []).flatMap((i) => waiting.approvals[i] ?? []);
    return { step, approvals, isComplete: approvals.length >= step.count, askedAt: asked[index] ?? null };
  });
  return {
    steps,
    isComplete: steps.every(({ isComplete }) => isComplete),
    missing: steps.reduce((sum, { step, approvals }) => sum + step.count - approvals.length, 0),
  };
}

/** By which approvals each of these steps is filled: indices. */
function filledBy(approval: Approval, steps: readonly ApprovalStep[], approvals: readonly Decision[]): number[][] {
  const indices = new Map(steps.map(({ name }, index) => [name, index]));
  const able = approvals.map(({ steps: names }) => {
    // Recorded by a version that knew one step only: of several nobody knows which it was.
    const could = names ?? (approval.steps.length === 1 ? approval.steps.map(({ name }) => name) : []);
    return new Set(could.flatMap((name) => indices.get(name) ?? []));
  });
  return assign(
    steps.map(({ count }) => count),
    able,
  );
}

/** When each step was asked, as far as they are asked: in a sequence when those before it could first be filled. */
function askedTimes(approval: Approval, needed: readonly ApprovalStep[], { approvals, askedAt }: Waiting): Instant[] {
  if (approval.order === 'parallel') return needed.map(() => askedAt);
  const times = [askedAt];
  for (let before = 1; before < needed.length; before++) {
    const earlier = needed.slice(0, before);
    const isFilled = (count: number) =>
      filledBy(approval, earlier, approvals.slice(0, count)).every(
        (by, index) => by.length === (earlier[index]?.count ?? 0),
      );
    const count = approvals.findIndex((_approval, index) => isFilled(index + 1));
    const last = approvals[count];
    if (last === undefined) break;
    times.push(Math.max(askedAt, last.at));
  }
  return times;
}

/** Whether one more approval, by somebody who can decide these steps, brings the steps that are asked nearer to their end. */
export function wouldCount(approval: Approval, waiting: Waiting, steps: readonly string[]): boolean {
  const { steps: now } = progressOf(approval, waiting);
  const asked = now.filter(({ askedAt }) => askedAt !== null).map(({ step }) => step);
  const by: Decision = { by: null, verdict: 'approve', at: waiting.askedAt, rule: '', note: '', digest: '', steps };
  const filled = (approvals: readonly Decision[]) => filledBy(approval, asked, approvals).flat().length;
  return filled([...waiting.approvals, by]) > filled(waiting.approvals);
}

/** What becomes of what waits by one more approval. */
export interface Counted {
  /** As it is to be recorded: with those of the steps that are still waived, and the time at which a step that is needed again was asked. */
  readonly waiting: Waiting;
  readonly isComplete: boolean;
}

/**
 * Counts one approval.
 * @param waived the steps that are not needed now
 * @returns null where it brings nothing nearer: others were faster
 */
export function countApproval(
  profile: Profile,
  before: Waiting,
  waived: readonly WaivedStep[],
  approval: Decision,
): Counted | null {
  const steps = approvalOf(profile);
  const still = before.waived.filter(({ name }) => waived.some((one) => one.name === name));
  const askedAt = still.length < before.waived.length ? approval.at : before.askedAt;
  const stands: Waiting = { approvals: before.approvals, waived: still, askedAt };
  if (!wouldCount(steps, stands, approval.steps ?? [])) return null;
  const waiting = { ...stands, approvals: [...before.approvals, approval] };
  return { waiting, isComplete: progressOf(steps, waiting).isComplete };
}

/** Who may decide a step at this time: whoever the policy names, and those to whom it has escalated. By their places in the profile. */
export function decidersNow({ step, askedAt }: StepProgress, now: Instant): readonly PlacedPeople[] {
  const due = step.escalate.filter(({ after }) => askedAt !== null && now >= askedAt + after * 1000);
  return [step.from, ...due];
}

/** That more people come to decide a step. */
export interface Escalation {
  /** Of this step, asked at that time: another once it is asked anew. */
  readonly key: string;
  readonly step: string;
  readonly people: Principals;
  readonly at: Instant;
}

/** When which steps escalate, of those that are asked and not complete. */
function escalationsOf(approval: Approval, waiting: Waiting): Escalation[] {
  return progressOf(approval, waiting).steps.flatMap(({ step: { name, escalate }, askedAt, isComplete }) =>
    askedAt === null || isComplete
      ? []
      : escalate.map(({ after, people }, nth) => ({
          key: `${name}.${nth}.${askedAt}`,
          step: name,
          people,
          at: askedAt + after * 1000,
        })),
  );
}

/** Those that are due and were not told. */
export function untoldEscalations(grant: Grant, profile: Profile | undefined, now: Instant): Escalation[] {
  const waiting = waitingNow(grant);
  if (profile === undefined || waiting === null) return [];
  const told = new Set(grant.escalated);
  return escalationsOf(approvalOf(profile), waiting).filter(({ key, at }) => at <= now && !told.has(key));
}

/** Whoever completes a step schedules what the next one escalates to. Where that was lost it is noticed after this many milliseconds at the earliest. */
const LOOKS_APART = 60_000;

/** The lists of who is asked now, by their places in the policy: of the steps that are asked and not complete, with those to whom they have escalated. */
export function askedLists(grant: Grant, profile: Profile, now: Instant): Record<string, Principals> {
  const waiting = waitingNow(grant);
  if (waiting === null) return {};
  const lists = progressOf(approvalOf(profile), waiting).steps.flatMap((step) =>
    step.askedAt === null || step.isComplete ? [] : decidersNow(step, now),
  );
  return Object.fromEntries(lists.map(({ path, people }) => [placeOf(grant.profile, path), people]));
}

/** When to look again for what is to be told of escalations; null: nothing will be. */
export function nextEscalation(grant: Grant, profile: Profile | undefined, now: Instant): Instant | null {
  const waiting = waitingNow(grant);
  if (profile === undefined || waiting === null) return null;
  const approval = approvalOf(profile);
  const coming = escalationsOf(approval, waiting).flatMap(({ at }) => (at > now ? [at] : []));
  const later = progressOf(approval, waiting).steps.flatMap(({ step, askedAt }) =>
    askedAt === null ? step.escalate.map(({ after }) => now + Math.max(after * 1000, LOOKS_APART)) : [],
  );
  const times = [...coming, ...later];
  return times.length === 0 ? null : Math.min(...times);
}

/** The steps that a person may decide. */
export interface Decidable {
  /** By name, each with the rule that says so. */
  readonly rules: ReadonlyMap<string, string>;
  /** The first list that can't be read, and may name the person. */
  readonly unknown: Extract<Listing, { readonly is: 'unknown' }> | null;
}

/** Which of these steps somebody may decide now, by the members that their lists have now. */
export function* decidableBy(
  profile: string,
  steps: readonly StepProgress[],
  person: Person,
  now: Instant,
): Asking<Decidable> {
  const rules = new Map<string, string>();
  let unknown: Decidable['unknown'] = null;
  for (const progress of steps) {
    const lists = decidersNow(progress, now).map(({ path, people }) => [placeOf(profile, path), people]);
    const listing = yield* allowedBy(Object.fromEntries(lists), person);
    if (listing.is === 'named') rules.set(progress.step.name, ruleOf(listing.entry));
    if (listing.is === 'unknown') unknown ??= listing;
  }
  return { rules, unknown };
}

/** The steps that are not needed under these circumstances. What can't be known does not hold, so that the step is needed. */
export function* waivedSteps(
  profile: string,
  steps: readonly ApprovalStep[],
  circumstances: Circumstances,
  requester: Person,
): Asking<WaivedStep[]> {
  const waived: WaivedStep[] = [];
  for (const { name, unless } of steps) {
    // The schema takes no perDay here: what is not counted is not met.
    if (unless === null || unless.when.perDay !== undefined) continue;
    if (missedConditions(unless.when, circumstances).length > 0) continue;
    const { path, when } = unless;
    const { members } = when;
    const listing = members === undefined ? null : yield* allowedBy({ [placeOf(profile, path)]: members }, requester);
    if (listing === null || listing.is === 'named') waived.push({ name, because: describeConditions(when) });
  }
  return waived;
}
