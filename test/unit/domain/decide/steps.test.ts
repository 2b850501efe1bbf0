import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Reviewing, type Subject, type Terms } from '../../../../src/domain/decide/act.ts';
import { decide } from '../../../../src/domain/decide/decide.ts';
import { extensionDigest } from '../../../../src/domain/decide/extension.ts';
import { countApproval, progressOf, waitingExtension, waitingRequest } from '../../../../src/domain/decide/steps.ts';
import { Refusal } from '../../../../src/domain/errors.ts';
import type { Decision, Grant } from '../../../../src/domain/grant/grant.ts';
import type { Person } from '../../../../src/domain/people/people.ts';
import { approvalOf, type Policy, type Profile } from '../../../../src/domain/policy/policy.ts';
import { type PolicyInput, policySchema } from '../../../../src/domain/policy/schema.ts';
import { ADA, BEN, sampleGrant } from '../../../support/grants.ts';
import { decideWith, type Known } from '../../../support/people.ts';

type ProfileInput = PolicyInput['profiles'][string];
type ApprovalInput = NonNullable<ProfileInput['approval']>;
type StepInput = NonNullable<ApprovalInput['steps']>[number];
const somebody = (name: string): Person => ({
  slackId: `U0${name.toUpperCase()}`,
  name,
  user: `${name}@example.test`,
  groups: [],
});
const [CY, DEE, EVE] = ['cy', 'dee', 'eve'].map(somebody) as [Person, Person, Person];
const T0 = Date.UTC(2026, 0, 5, 9);
const MINUTE = 60_000;

function policyWith(approval: ApprovalInput, change: Partial<ProfileInput> = {}): Policy {
  return policySchema.parse({
    version: 1,
    identity: {},
    administrators: { users: ['zoe@example.test'] },
    approvals: { channel: 'C0ACCESS001' },
    profiles: {
      debug: {
        scope: 'workload',
        namespaces: ['staging', 'team-*'],
        rights: ['logs'],
        requesters: { users: ['ada@example.test'], groups: ['S0DEV'] },
        duration: { default: '30m', maximum: '2h' },
        approval,
        ...change,
      },
    },
  });
}
const step = (name: string, group: string, change: Partial<StepInput> = {}): StepInput => ({
  name,
  from: { groups: [group] },
  ...change,
});
const profileOf = (policy: Policy) => policy.profiles['debug'] as Profile;
const members = (lists: Record<string, Person[]>): Known => ({ lists: { S0DEV: [], ...lists } });
const waits = (change: Partial<Grant> = {}): Grant =>
  sampleGrant({ decisions: [], createdAt: T0, approvalsNeeded: 2, ...change });

type Verdict = { readonly allowed: true; readonly rule: string } & Reviewing & Terms;
/** What one click is answered; a refusal, or what is allowed. */
function click(
  policy: Policy,
  grant: Grant,
  actor: Person,
  known: Known,
  {
    now = T0 + MINUTE,
    kind = 'approve',
    of = 'request',
  }: { now?: number; kind?: 'approve' | 'deny'; of?: Subject } = {},
): Verdict | Refusal {
  const act = { kind, of, grant } as const;
  const { decided } = decideWith(decide({ policy, closedNamespaces: [], now }, act, { requester: ADA, actor }), known);
  return decided.allowed ? (decided as Verdict) : decided.refusal;
}

/** The grant after each of these people has pressed Approve, in this order; who is refused changes nothing. */
function after(policy: Policy, grant: Grant, people: readonly Person[], known: Known, now = T0 + MINUTE) {
  let current = grant;
  let isComplete = false;
  for (const [index, actor] of people.entries()) {
    const at = now + index;
    const may = click(policy, current, actor, known, { now: at });
    if (may instanceof Refusal) continue;
    const { digest } = current;
    const by: Decision = { by: actor, verdict: 'approve', at, rule: may.rule, note: '', digest, steps: may.steps };
    const counted = countApproval(profileOf(policy), waitingRequest(current), may.waived, by);
    if (counted === null) throw new Error('allowed, and not counted');
    isComplete = counted.isComplete;
    const { waived, askedAt } = counted.waiting;
    current = { ...current, decisions: [...current.decisions, by], waived, askedAt };
  }
  return { grant: current, isComplete };
}
const refusedBy = (verdict: Verdict | Refusal) => (verdict instanceof Refusal ? verdict.rule : null);
const filled = (policy: Policy, grant: Grant) =>
  progressOf(approvalOf(profileOf(policy)), waitingRequest(grant)).steps.map(
    ({ step: { name }, approvals, isComplete }) =>
      `${name}: ${approvals.map(({ by }) => by?.name.toLowerCase()).join(' ')}${isComplete ? '' : ' …'}`,
  );

const OWNERS_AND_SECURITY = [step('owner', 'S0OWN'), step('security', 'S0SEC')];

describe('steps', () => {
  const policy = policyWith({ steps: OWNERS_AND_SECURITY });

  it('the old form is one step, in which who is there is asked for as before', () => {
    const old = policyWith(
      {},
      { approval: undefined, approvers: { users: ['ben@example.test', 'cy@example.test'] }, approvals: 2 },
    );
    expect(approvalOf(profileOf(old))).toMatchObject({ order: 'parallel', steps: [{ name: 'approvers', count: 2 }] });
    expect(click(old, waits(), BEN, {})).toMatchObject({ rule: 'profiles.debug.approvers (users: ben@example.test)' });
  });

  it('an approval that an older version recorded counts for the one step that it knew, and for none of several', () => {
    const { decisions } = sampleGrant();
    const old = policyWith({}, { approval: undefined, approvers: { groups: ['S0OWN'] }, approvals: 2 });
    const known = members({ S0OWN: [BEN, CY], S0SEC: [BEN, CY] });
    expect(after(old, waits({ decisions }), [CY], known).isComplete).toBe(true);
    expect(after(policy, waits({ decisions }), [CY], known).isComplete).toBe(false);
  });

  it('names the rule of the step that waits, and all that the person could decide', () => {
    const known = members({ S0OWN: [BEN], S0SEC: [BEN, CY] });
    expect(click(policy, waits(), BEN, known)).toMatchObject({
      rule: 'profiles.debug.approval.steps[0].from (groups: S0OWN)',
      steps: ['owner', 'security'],
      approvals: 2,
    });
    expect(click(policy, waits(), CY, known)).toMatchObject({ steps: ['security'] });
  });

  it('whoever decides on two steps counts for one, for whichever serves', () => {
    const known = members({ S0OWN: [BEN, CY], S0SEC: [BEN] });
    // Who takes the first step that fits for Ben, the owner's, has nobody left for the other.
    const { grant, isComplete } = after(policy, waits(), [BEN, CY], known);
    expect([filled(policy, grant), isComplete]).toEqual([['owner: cy', 'security: ben'], true]);
    expect(after(policy, waits(), [BEN], known).isComplete).toBe(false);
    expect(refusedBy(click(policy, after(policy, waits(), [BEN], known).grant, BEN, known))).toBe('approvals');
  });

  it('who left a group after the click counts as at the click, and who joined later does not', () => {
    const { grant } = after(policy, waits(), [BEN], members({ S0OWN: [BEN], S0SEC: [] }));
    const later = members({ S0OWN: [], S0SEC: [BEN, CY] });
    const { isComplete, grant: then } = after(policy, grant, [CY], later);
    expect([filled(policy, then), isComplete]).toEqual([['owner: ben', 'security: cy'], true]);
  });

  it.each<[string, Person, Known, 'approve' | 'deny', string | null]>([
    ['one of no list', EVE, members({ S0OWN: [BEN], S0SEC: [CY] }), 'approve', 'profiles.debug.approval.steps'],
    ['one of no list denies', EVE, members({ S0OWN: [BEN], S0SEC: [CY] }), 'deny', 'profiles.debug.approval.steps'],
    ['the requester, who is in a list', ADA, members({ S0OWN: [ADA] }), 'approve', 'profiles.debug.selfApproval'],
    [
      'the requester by another account',
      { ...ADA, slackId: 'U0ADA2' },
      members({}),
      'approve',
      'profiles.debug.selfApproval',
    ],
    ['one of a list, while the other is unread', BEN, { lists: { S0OWN: [BEN] } }, 'approve', null],
    ['one of no list that can be read', BEN, { lists: { S0OWN: [] } }, 'approve', 'unread'],
    ['anybody of a step denies', CY, members({ S0OWN: [BEN], S0SEC: [CY] }), 'deny', null],
  ])('of %s: %s', (_what, actor, known, kind, rule) => {
    const refused = refusedBy(click(policy, waits(), actor, known, { kind }));
    if (rule === 'unread') expect(refused).toMatch(/S0SEC, whose members can't be read now/);
    else expect(refused).toBe(rule);
  });

  it('who is denied the profile decides on none of its steps', () => {
    const denying = policyWith({ steps: OWNERS_AND_SECURITY }, { deny: { users: ['ben@example.test'] } });
    const known = members({ S0OWN: [BEN], S0SEC: [BEN] });
    for (const kind of ['approve', 'deny'] as const)
      expect(refusedBy(click(denying, waits(), BEN, known, { kind }))).toBe(
        'profiles.debug.deny (users: ben@example.test)',
      );
  });

  it('one who approves what is complete already is told so, and may deny still', () => {
    const known = members({ S0OWN: [BEN, CY], S0SEC: [DEE] });
    const { grant } = after(policy, waits(), [BEN], known);
    const refusal = click(policy, grant, CY, known);
    expect(refusal).toMatchObject({ rule: 'approvals', message: expect.stringContaining('owner') as string });
    expect(refusedBy(click(policy, grant, CY, known, { kind: 'deny' }))).toBeNull();
  });
});

describe('steps in a sequence', () => {
  const policy = policyWith({ order: 'sequence', steps: OWNERS_AND_SECURITY });
  const known = members({ S0OWN: [BEN, CY], S0SEC: [BEN, DEE] });

  it('the second is asked when the first is complete', () => {
    expect(refusedBy(click(policy, waits(), DEE, known))).toBe('profiles.debug.approval.order');
    expect(refusedBy(click(policy, waits(), DEE, known, { kind: 'deny' }))).toBe('profiles.debug.approval.order');
    const { grant } = after(policy, waits(), [CY], known);
    expect(click(policy, grant, DEE, known)).toMatchObject({
      rule: 'profiles.debug.approval.steps[1].from (groups: S0SEC)',
    });
    expect(after(policy, waits(), [DEE, CY], known).isComplete).toBe(false);
    expect(after(policy, waits(), [CY, DEE], known).isComplete).toBe(true);
  });

  it('whoever has decided the first may be counted for the second, when somebody else decides the first', () => {
    const alone = members({ S0OWN: [BEN, CY], S0SEC: [BEN] });
    const first = after(policy, waits(), [BEN], alone);
    expect([filled(policy, first.grant), first.isComplete]).toEqual([['owner: ben', 'security:  …'], false]);
    const both = after(policy, first.grant, [CY], alone);
    expect([filled(policy, both.grant), both.isComplete]).toEqual([['owner: cy', 'security: ben'], true]);
  });
});

describe('a step that is not needed', () => {
  const unless = { maximum: '30m', namespaces: ['staging'] };
  const policy = policyWith({ steps: [step('owner', 'S0OWN'), step('security', 'S0SEC', { unless })] });
  const known = members({ S0OWN: [BEN], S0SEC: [CY] });
  const request = (at: Policy, change: object = {}, facts = known) => {
    const ask = {
      profile: 'debug',
      target: { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } } as const,
      duration: null,
      reason: 'checkout returns 502',
      ...change,
    };
    const act = { kind: 'request', ask } as const;
    const rules = { policy: at, closedNamespaces: [], now: T0 };
    return decideWith(decide(rules, act, { requester: ADA, actor: ADA }), facts).decided;
  };

  it('is said with its conditions, and counts for nothing', () => {
    expect(request(policy)).toMatchObject({
      approvals: 1,
      waived: [{ name: 'security', because: 'up to 30m, in staging' }],
    });
    expect(request(policy, { duration: 1801 })).toMatchObject({ approvals: 2, waived: [] });
  });

  it('falls away for members only, and for nobody while it is not known who they are', () => {
    const ofMembers = policyWith({
      steps: [step('owner', 'S0OWN'), step('security', 'S0SEC', { unless: { members: { groups: ['S0CALL'] } } })],
    });
    const facts = (S0CALL: Person[]) => members({ S0OWN: [], S0SEC: [], S0CALL });
    expect(request(ofMembers, {}, facts([ADA]))).toMatchObject({ approvals: 1 });
    expect(request(ofMembers, {}, facts([BEN]))).toMatchObject({ approvals: 2 });
    expect(request(ofMembers, {}, known)).toMatchObject({ approvals: 2, waived: [] });
  });

  const byDay = policyWith({
    steps: [step('owner', 'S0OWN'), step('security', 'S0SEC', { unless: { hours: 'Mon-Fri 08:00-18:00 UTC' } })],
  });
  const waived = [{ name: 'security', because: 'during Mon-Fri 08:00-18:00 UTC' }];
  const evening = Date.UTC(2026, 0, 5, 18);

  it('is needed when its conditions do not hold at the click any more, and is asked from then on', () => {
    expect(after(byDay, waits({ waived }), [BEN], known).isComplete).toBe(true);
    const late = after(byDay, waits({ waived }), [BEN], known, evening);
    expect(late).toMatchObject({ isComplete: false, grant: { waived: [], askedAt: evening } });
    expect(after(byDay, late.grant, [CY], known, evening + 1).isComplete).toBe(true);
  });

  it('stays needed once it was asked, also when its conditions hold later', () => {
    expect(after(byDay, waits(), [BEN], known).isComplete).toBe(false);
  });
});

describe('an escalation', () => {
  const escalate = [
    { after: '10m', to: { groups: ['S0CALL'] } },
    { after: '20m', to: { users: ['eve@example.test'] } },
  ];
  const known = members({ S0OWN: [BEN], S0SEC: [CY], S0CALL: [DEE] });
  const approves = (policy: Policy, grant: Grant, actor: Person, now: number) =>
    refusedBy(click(policy, grant, actor, known, { now })) === null;

  it.each<[string, Person, number, boolean]>([
    ['not before its time', DEE, T0 + 10 * MINUTE - 1, false],
    ['from its time on', DEE, T0 + 10 * MINUTE, true],
    ['the second not yet', EVE, T0 + 10 * MINUTE, false],
    ['the second in its own time', EVE, T0 + 20 * MINUTE, true],
    ['who was asked first still may', BEN, T0 + 20 * MINUTE, true],
  ])('lets others decide, %s', (_what, actor, now, may) => {
    const policy = policyWith({ steps: [step('owner', 'S0OWN', { escalate })] });
    expect(approves(policy, waits(), actor, now)).toBe(may);
  });

  it('in a sequence is counted from when the step was asked, and a plan that changed is asked anew', () => {
    const policy = policyWith({
      order: 'sequence',
      steps: [step('owner', 'S0OWN'), step('security', 'S0SEC', { escalate })],
    });
    const asked = T0 + 30 * MINUTE;
    const { grant } = after(policy, waits(), [BEN], known, asked);
    expect(approves(policy, grant, DEE, asked + 10 * MINUTE - 1)).toBe(false);
    expect(approves(policy, grant, DEE, asked + 10 * MINUTE)).toBe(true);
    const parallel = policyWith({ steps: [step('owner', 'S0OWN', { escalate })] });
    expect(approves(parallel, waits({ askedAt: asked }), DEE, asked + 10 * MINUTE - 1)).toBe(false);
  });

  it('counts for a longer window from when that was asked for', () => {
    const policy = policyWith({ steps: [step('owner', 'S0OWN', { escalate })] });
    const askedAt = T0 + 15 * MINUTE;
    const extension = { duration: 600, askedAt, asks: 1, replaces: null, approvals: [] };
    const grant = waits({ state: 'active', startsAt: T0, expiresAt: T0 + 30 * MINUTE, extension });
    const may = (now: number) => refusedBy(click(policy, grant, DEE, known, { now, of: 'extension' })) === null;
    expect([may(askedAt + 10 * MINUTE - 1), may(askedAt + 10 * MINUTE)]).toEqual([false, true]);
    expect(extensionDigest(grant, extension)).toMatch(/^[0-9a-f]{64}$/);
    expect(waitingExtension(extension).askedAt).toBe(askedAt);
  });
});

describe('of any steps and any people', () => {
  const people = ['ben', 'cy', 'dee', 'eve', 'fay'].map(somebody);
  const groups = ['S0AA', 'S0BB', 'S0CC'];
  const cases = fc.record({
    steps: fc.array(fc.record({ group: fc.constantFrom(...groups), count: fc.integer({ min: 1, max: 2 }) }), {
      minLength: 1,
      maxLength: 3,
    }),
    membership: fc.array(fc.subarray(people), { minLength: 3, maxLength: 3 }),
    clicks: fc.shuffledSubarray(people),
  });
  const built = (
    order: 'parallel' | 'sequence',
    { steps, membership }: { steps: { group: string; count: number }[]; membership: Person[][] },
  ) => ({
    policy: policyWith({ order, steps: steps.map(({ group, count }, i) => step(`s${i}`, group, { count })) }),
    known: members(Object.fromEntries(groups.map((group, i) => [group, membership[i] ?? []]))),
  });
  /** Whether these people can be told off to the steps, each to one: by trying everything. */
  const canServe = (
    steps: readonly { group: string; count: number }[],
    known: Known,
    who: readonly Person[],
  ): boolean => {
    const [first, ...rest] = steps.flatMap(({ group, count }) =>
      Array.from({ length: count }, () => ({ group, count: 1 })),
    );
    if (first === undefined) return true;
    return who.some(
      (person) =>
        (known.lists?.[first.group] ?? []).some(({ slackId }) => slackId === person.slackId) &&
        canServe(
          rest,
          known,
          who.filter((other) => other !== person),
        ),
    );
  };

  it('they are complete exactly when those who approved can be told off to them, in whatever order they came', () => {
    fc.assert(
      fc.property(cases, (one) => {
        const { policy, known } = built('parallel', one);
        const { isComplete } = after(policy, waits(), one.clicks, known);
        expect(isComplete).toBe(canServe(one.steps, known, one.clicks));
        const backwards = after(policy, waits(), one.clicks.toReversed(), known);
        expect(backwards.isComplete).toBe(isComplete);
      }),
      { numRuns: 300 },
    );
  });

  it('a sequence is never complete sooner, and is when each step had its people in turn', () => {
    fc.assert(
      fc.property(cases, (one) => {
        const { policy, known } = built('sequence', one);
        const { isComplete, grant } = after(policy, waits(), one.clicks, known);
        if (isComplete) expect(canServe(one.steps, known, one.clicks)).toBe(true);
        // Who was turned away as too early comes again, as often as it takes.
        let stands = { grant, isComplete };
        for (let round = 0; round < one.clicks.length && !stands.isComplete; round++)
          stands = after(policy, stands.grant, one.clicks, known);
        expect(stands.isComplete).toBe(canServe(one.steps, known, one.clicks));
      }),
      { numRuns: 300 },
    );
  });
});
