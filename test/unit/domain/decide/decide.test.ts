import { describe, expect, it } from 'vitest';
import { type Act, type Ask, type Parties, type Terms } from '../../../../src/domain/decide/act.ts';
import { decide, mayAsk, mayDecide } from '../../../../src/domain/decide/decide.ts';
import type { Decided } from '../../../../src/domain/decide/decided.ts';
import { extensionDigest, roomToExtend } from '../../../../src/domain/decide/extension.ts';
import { Refusal } from '../../../../src/domain/errors.ts';
import type { Decision, Grant } from '../../../../src/domain/grant/grant.ts';
import type { Person } from '../../../../src/domain/people/people.ts';
import { LONGEST_REASON } from '../../../../src/domain/policy/fields/decisions.ts';
import type { Policy } from '../../../../src/domain/policy/policy.ts';
import { type PolicyInput, policySchema } from '../../../../src/domain/policy/schema.ts';
import type { Kit } from '../../../../src/domain/rights/kits.ts';
import { ADA, BEN, sampleGrant } from '../../../support/grants.ts';
import { decideWith, type Known } from '../../../support/people.ts';

type ProfileInput = PolicyInput['profiles'][string];
const CY: Person = { slackId: 'U0CY', name: 'Cy', user: 'cy@example.test', groups: [] };
/** Ada by another Slack account. */
const ADA_AGAIN: Person = { ...ADA, slackId: 'U0ADA2' };

const debug: ProfileInput = {
  scope: 'workload',
  namespaces: ['staging', 'team-*'],
  rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  requesters: { users: ['ada@example.test'], groups: ['S0DEV'] },
  approvers: { users: ['ben@example.test'], groups: ['S0SRE'] },
  duration: { default: '30m', maximum: '2h' },
};
const policyWith = (change: Partial<ProfileInput> = {}): Policy =>
  policySchema.parse({
    version: 1,
    identity: {},
    administrators: { users: ['cy@example.test'] },
    approvals: { channel: 'C0ACCESS001' },
    profiles: { debug: { ...debug, ...change } },
  });
/** Who is in which group; a group that is not given can't be read. */
const facts = (lists: Record<string, Person[]> = {}): Known => ({ lists });
const T0 = Date.UTC(2026, 0, 5, 9);
/** Everything by the one entry: what it decided, and which lists it asked for on the way. */
const judge = (policy: Policy, act: Act, parties: Parties, known: Known = nobody, closedNamespaces: string[] = []) => {
  const { decided, asked } = decideWith(decide({ policy, closedNamespaces, now: T0 + 60_000 }, act, parties), known);
  return { decided: decided as Decided<Terms>, asked };
};
const decideRequest = (policy: Policy, asked: Ask, person: Person, known: Known, closed: string[] = []) =>
  judge(policy, { kind: 'request', ask: asked }, { requester: person, actor: person }, known, closed).decided;
const nobody = facts({ S0DEV: [], S0SRE: [], S0ONCALL: [] });
const checkout = { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } } as const;
const ask = (change: Partial<Ask> = {}): Ask => ({
  profile: 'debug',
  target: checkout,
  duration: null,
  reason: 'checkout returns 502',
  ...change,
});
/** The rule that refused; null: allowed. */
const refusedBy = (decided: Decided) => (decided.allowed ? null : decided.refusal.rule);
const onCall = { members: { groups: ['S0ONCALL'] }, maximum: '30m', namespaces: ['staging'] };

describe('a request for fewer rights', () => {
  const words = policyWith({ rules: undefined, rights: ['logs', 'exec'] });
  const judged = (policy: Policy, rights: Kit[]) => {
    const decided = decideRequest(policy, ask({ rights }), ADA, nobody);
    return decided.allowed ? null : [decided.refusal.rule, `${decided.refusal.message} ${decided.refusal.remedy}`];
  };

  it('is for some of those that the profile has', () => {
    expect(judged(words, ['logs'])).toBeNull();
    expect(judged(words, ['logs', 'exec'])).toBeNull();
  });

  it.each<[string, Policy, Kit[], RegExp]>([
    ['one more', words, ['logs', 'scale'], /does not give scale\. It gives: logs, exec\./],
    ['none', words, [], /No right was chosen/],
    [
      'some of a profile with rules',
      policyWith(),
      ['logs'],
      /has no rights in words to choose from\. Ask for `debug` alone/,
    ],
  ])('is not for %s', (_what, policy, rights, reason) => {
    expect(judged(policy, rights)).toEqual(['profiles.debug.rights', expect.stringMatching(reason)]);
  });

  it('is held to them when it is approved', () => {
    const grant = sampleGrant({ rights: ['exec'], decisions: [] });
    const fewer = policyWith({ rules: undefined, rights: ['logs'] });
    const approving = (policy: Policy) =>
      refusedBy(judge(policy, { kind: 'approve', of: 'request', grant }, { requester: ADA, actor: BEN }).decided);
    expect(approving(words)).toBeNull();
    expect(approving(fewer)).toBe('profiles.debug.rights');
  });
});

describe('a request', () => {
  it('is refused to whom the policy denies it, whatever else allows it', () => {
    const allowed = { automatic: { ...onCall, members: { users: ['ada@example.test'] } } };
    const denied = (deny: ProfileInput['deny'], known: Known) =>
      refusedBy(decideRequest(policyWith({ ...allowed, deny }), ask(), ADA, known));
    expect(denied({ users: ['ada@example.test'] }, nobody)).toBe('profiles.debug.deny (users: ada@example.test)');
    expect(denied({ users: ['U0ADA'] }, nobody)).toBe('profiles.debug.deny (users: U0ADA)');
    expect(denied({ groups: ['S0BAD'] }, facts({ S0BAD: [ADA] }))).toBe('profiles.debug.deny (groups: S0BAD)');
    expect(denied({ groups: ['S0BAD'] }, nobody)).toMatch(/deny .*can't be read/);
    expect(denied({ groups: ['S0BAD'] }, facts({ S0BAD: [BEN] }))).toBeNull();
  });

  it('is allowed by the entry that names the person, with the approvals of the profile', () => {
    expect(decideRequest(policyWith({ approvals: 2 }), ask(), ADA, nobody)).toMatchObject({
      allowed: true,
      rule: 'profiles.debug.requesters (users: ada@example.test)',
      duration: 1800,
      approvals: 2,
    });
    expect(decideRequest(policyWith(), ask(), BEN, facts({ S0DEV: [BEN] }))).toMatchObject({
      rule: 'profiles.debug.requesters (groups: S0DEV)',
    });
  });

  it.each<[string, Ask, string]>([
    ['an unknown profile', ask({ profile: 'root' }), 'profiles'],
    ['a profile named as every object has one', ask({ profile: 'constructor' }), 'profiles'],
    [
      'a namespace that the profile does not cover',
      ask({ target: { ...checkout, namespace: 'payments' } }),
      'profiles.debug.namespaces',
    ],
    [
      'a namespace that only begins alike',
      ask({ target: { ...checkout, namespace: 'staging-2' } }),
      'profiles.debug.namespaces',
    ],
    ['a pattern for a namespace', ask({ target: { ...checkout, namespace: 'team-*' } }), 'target'],
    ['an empty namespace', ask({ target: { ...checkout, namespace: '' } }), 'target'],
    ['a namespace with a path', ask({ target: { ...checkout, namespace: 'staging/../x' } }), 'target'],
    ['no workload', ask({ target: { namespace: 'staging' } }), 'profiles.debug.scope'],
    [
      'a workload that is no name',
      ask({ target: { namespace: 'staging', workload: { kind: 'Pod', name: 'a/b' } } }),
      'target',
    ],
    ['no time', ask({ duration: 0 }), 'profiles.debug.duration'],
    ['less than no time', ask({ duration: -60 }), 'profiles.debug.duration'],
    ['a fraction of a second', ask({ duration: 1.5 }), 'profiles.debug.duration'],
    ['not a number of seconds', ask({ duration: Number.NaN }), 'profiles.debug.duration'],
    ['a second too long', ask({ duration: 7201 }), 'profiles.debug.duration.maximum'],
    ['without a reason', ask({ reason: '  ' }), 'reason'],
    ['with a reason that is too long', ask({ reason: 'x'.repeat(LONGEST_REASON + 1) }), 'reason'],
  ])('for %s is refused', (_, asked, rule) => {
    expect(refusedBy(decideRequest(policyWith(), asked, ADA, nobody))).toBe(rule);
  });

  it('may name a Service where a workload is asked for, and only there', () => {
    const named = (service: string, namespace = 'staging') => ask({ target: { namespace, service } });
    const verdict = (asked: Ask, change: Partial<ProfileInput> = {}) =>
      refusedBy(decideRequest(policyWith(change), asked, ADA, nobody));
    expect(verdict(named('checkout'))).toBeNull();
    expect(verdict(named('checkout', 'payments'))).toBe('profiles.debug.namespaces');
    expect(verdict(named('checkout'), { scope: 'namespace' })).toBe('profiles.debug.scope');
    for (const wrong of ['', 'a/b', 'a.b', 'Checkout', 'x'.repeat(64), '*'])
      expect(verdict(named(wrong))).toBe('target');
  });

  it('for a profile that does not exist says so in few words, however long its name', () => {
    const decided = decideRequest(policyWith(), ask({ profile: 'x'.repeat(10_000) }), ADA, nobody);
    expect(refusedBy(decided)).toBe('profiles');
    expect(decided).toHaveProperty('refusal.message', expect.stringMatching(/^There is no profile .{1,80}$/));
  });

  it('of somebody whom nothing names is refused, also when membership can not be read', () => {
    expect(refusedBy(decideRequest(policyWith(), ask(), BEN, nobody))).toBe('profiles.debug.requesters');
    expect(refusedBy(decideRequest(policyWith(), ask(), BEN, facts()))).toMatch(
      /^profiles\.debug\.requesters.*can't be read/,
    );
  });

  it('never opens a namespace of Kubernetes or of Drawbridge, whatever the patterns say', () => {
    const policy = policyWith({ namespaces: ['*'] });
    const inNamespace = (namespace: string) =>
      refusedBy(decideRequest(policy, ask({ target: { ...checkout, namespace } }), ADA, nobody, ['drawbridge']));
    expect(inNamespace('kube-system')).toBe('namespaces');
    expect(inNamespace('drawbridge')).toBe('namespaces');
    expect(inNamespace('anything')).toBeNull();
  });

  it('for one workload is refused by a profile for namespaces', () => {
    const policy = policyWith({ scope: 'namespace', rules: undefined, clusterRole: 'view' });
    expect(refusedBy(decideRequest(policy, ask(), ADA, nobody))).toBe('profiles.debug.scope');
    expect(refusedBy(decideRequest(policy, ask({ target: { namespace: 'staging' } }), ADA, nobody))).toBeNull();
  });

  it('may last exactly the maximum, and have the longest reason', () => {
    const longest = ask({ duration: 7200, reason: 'x'.repeat(LONGEST_REASON) });
    expect(decideRequest(policyWith(), longest, ADA, nobody)).toMatchObject({ allowed: true, duration: 7200 });
  });

  it('states the limit when it refuses', () => {
    const decided = decideRequest(policyWith(), ask({ duration: 10_000 }), ADA, nobody);
    expect(decided.allowed ? '' : decided.refusal.remedy).toContain('2h');
  });
});

describe('a reason', () => {
  const TEMPLATE = 'What is broken, what will you do?';
  const judged = (rule: ProfileInput['reason'], reason: string) => {
    const decided = decideRequest(policyWith({ reason: rule }), ask({ reason }), ADA, nobody);
    return decided.allowed ? null : decided.refusal;
  };

  it.each<[string, number, string, boolean]>([
    ['just long enough', 10, 'ten chars.', true],
    ['one too short', 10, 'nine char', false],
    ['with blanks around it', 10, '  nine char   ', false],
    ['with many blanks in one place', 10, 'a         b', false],
    ['with line breaks for letters', 10, 'a\n\n\n\n\n\n\n\n\nb', false],
    ['with what shows nothing', 10, `a${'\u200b\u2060\u00ad\u3164\u2800'.repeat(4)}b`, false],
    ['of characters of two units each', 5, '🔥🔥🔥🔥🔥', true],
    ['of one letter with marks', 5, `a${'\u0301'.repeat(20)}`, false],
    ['of fewer of them', 5, '🔥🔥🔥🔥', false],
    ['of one character, which is the least', 1, 'x', true],
  ])('%s (%i: %j) is taken: %s', (_what, min, reason, isTaken) => {
    expect(judged({ min }, reason)?.rule ?? null).toBe(isTaken ? null : 'profiles.debug.reason.min');
  });

  it('that is too short is told by how much, and what a good one says', () => {
    const refusal = judged({ min: 10, template: TEMPLATE }, 'broken');
    expect(refusal?.message).toBe("The reason has 6 characters, and profile 'debug' needs 10.");
    expect(refusal?.remedy).toContain(TEMPLATE);
  });

  it.each([TEMPLATE, `  ${TEMPLATE}\n`, TEMPLATE.toUpperCase(), TEMPLATE.replaceAll(' ', '  '), `${TEMPLATE}\u200b`])(
    'that is the question itself is none: %j',
    (reason) => {
      expect(judged({ template: TEMPLATE }, reason)?.rule).toBe('profiles.debug.reason.template');
    },
  );

  it('that answers it is one', () => {
    expect(judged({ template: TEMPLATE }, `${TEMPLATE} All of it, I restart it`)).toBeNull();
  });

  it('that was taken before stands when it is approved or made longer', () => {
    const grant = sampleGrant({ reason: 'short', decisions: [] });
    const policy = policyWith({ reason: { min: 100 } });
    const approved = judge(policy, { kind: 'approve', of: 'request', grant }, { requester: ADA, actor: BEN });
    expect(refusedBy(approved.decided)).toBeNull();
  });
});

describe('automatic approval', () => {
  const known = facts({ S0DEV: [], S0SRE: [], S0ONCALL: [ADA] });
  const approvals = (change: Partial<ProfileInput>, asked = ask(), facts = known) => {
    const decided = decideRequest(policyWith(change), asked, ADA, facts);
    return decided.allowed ? decided.approvals : null;
  };

  it('is given when its condition holds, and names it', () => {
    expect(decideRequest(policyWith({ automatic: onCall }), ask(), ADA, known)).toMatchObject({
      allowed: true,
      approvals: 0,
      rule: 'profiles.debug.automatic (groups: S0ONCALL)',
    });
  });

  it.each<[string, Partial<ProfileInput>, Ask, Known]>([
    ['without the condition', {}, ask(), known],
    ['to somebody else', { automatic: onCall }, ask(), facts({ S0ONCALL: [BEN] })],
    ['when membership can not be read', { automatic: onCall }, ask(), facts()],
    ['for longer', { automatic: onCall }, ask({ duration: 1801 }), known],
    ['in another namespace', { automatic: onCall }, ask({ target: { ...checkout, namespace: 'team-a' } }), known],
    [
      'where isolation must be acknowledged',
      { automatic: onCall, network: { image: 'x', allowIsolation: true } },
      ask(),
      known,
    ],
    ['where persistence must be acknowledged', { automatic: onCall, acknowledgePersistence: true }, ask(), known],
  ])('is not given %s', (_, change, asked, known) => {
    expect(approvals(change, asked, known)).toBe(1);
  });

  it('is given by the first of several entries that holds, and names it', () => {
    const automatic = [
      { when: { members: { groups: ['S0ONCALL'] }, maximum: '10m' } },
      { when: { members: { groups: ['S0SRE'] } } },
      { when: { maximum: '30m' } },
      { when: { members: { groups: ['S0ONCALL'] } } },
    ];
    const ruleFor = (asked: Ask, facts: Known) => decideRequest(policyWith({ automatic }), asked, ADA, facts);
    expect(ruleFor(ask({ duration: 600 }), known)).toMatchObject({
      approvals: 0,
      rule: 'profiles.debug.automatic[0].when (groups: S0ONCALL)',
    });
    expect(ruleFor(ask(), known)).toMatchObject({ approvals: 0, rule: 'profiles.debug.automatic[2].when' });
    expect(ruleFor(ask({ duration: 1801 }), known)).toMatchObject({ approvals: 0, rule: /automatic\[3\]/ });
    expect(ruleFor(ask({ duration: 1801 }), nobody)).toMatchObject({ approvals: 1 });
    // What can't be read keeps no other entry from counting.
    expect(ruleFor(ask(), facts())).toMatchObject({ approvals: 0, rule: 'profiles.debug.automatic[2].when' });
  });

  it('is given during the hours of the entry, and not at their end; what was approved so is not applied then', () => {
    // The clock says Monday, 09:01 in London.
    const during = (hours: string) => ({ automatic: [{ when: { hours } }] });
    expect(approvals(during('Mon 09:01-09:02 Europe/London'))).toBe(0);
    expect(approvals(during('Mon 09:00-09:01 Europe/London'))).toBe(1);
    const grant = { ...sampleGrant({ decisions: [] }), state: 'approved', approvalsNeeded: 0 } as const;
    const applied = judge(
      policyWith(during('Mon 09:00-09:01 Europe/London')),
      { kind: 'apply', grant },
      {
        requester: ADA,
        actor: null,
      },
    );
    expect(refusedBy(applied.decided)).toBe('profiles.debug.automatic');
  });

  it('says which one condition was in the way, to whom all others hold for', () => {
    const missed = (change: Partial<ProfileInput>, asked: Ask, facts = known) => {
      const act = { kind: 'request', ask: asked, saysNear: true } as const;
      const { decided } = judge(policyWith(change), act, { requester: ADA, actor: ADA }, facts);
      return decided.allowed ? decided.missed : 'refused';
    };
    const longer = ask({ duration: 1860 });
    const elsewhere = { ...checkout, namespace: 'team-a' };
    expect(missed({ automatic: onCall }, longer)).toBe('30m would have been approved at once: you asked for 31m.');
    expect(missed({ automatic: onCall }, ask({ target: elsewhere }))).toBe(
      'In staging it would have been approved at once.',
    );
    expect(missed({ automatic: [{ when: { hours: 'Sat 00:00-24:00 UTC' } }] }, ask())).toBe(
      'It would have been approved at once during Sat 00:00-24:00 UTC.',
    );
    // Two are in the way, a stranger to the entry, nobody knows, it holds, and a person must acknowledge.
    expect(missed({ automatic: onCall }, ask({ duration: 1860, target: elsewhere }))).toBeNull();
    expect(missed({ automatic: onCall }, longer, nobody)).toBeNull();
    expect(missed({ automatic: onCall }, longer, facts())).toBeNull();
    expect(missed({ automatic: onCall }, ask())).toBeNull();
    expect(missed({ automatic: onCall, acknowledgePersistence: true }, longer)).toBeNull();
  });

  it('gives nothing to somebody who may not ask', () => {
    const policy = policyWith({ automatic: { ...onCall, members: { users: ['ben@example.test'] } } });
    expect(refusedBy(decideRequest(policy, ask(), BEN, nobody))).toBe('profiles.debug.requesters');
  });
});

describe('a review', () => {
  const grant = sampleGrant({ decisions: [] });
  const review = (
    reviewer: Person,
    options: { change?: Partial<ProfileInput>; known?: Known; on?: typeof grant; verdict?: 'approve' | 'deny' } = {},
  ) =>
    judge(
      policyWith(options.change),
      { kind: options.verdict ?? 'approve', of: 'request', grant: options.on ?? grant },
      { requester: ADA, actor: reviewer },
      options.known,
    ).decided;

  it('is refused to whom the policy denies the profile, though it makes them an approver', () => {
    expect(refusedBy(review(BEN, { change: { deny: { users: ['ben@example.test'] } } }))).toMatch(
      /^profiles\.debug\.deny/,
    );
    expect(refusedBy(review(BEN, { change: { deny: { groups: ['S0BAD'] } } }))).toMatch(
      /^profiles\.debug\.deny.*can't be read/,
    );
  });

  it('is allowed to an approver, by the entry that names them', () => {
    expect(review(BEN)).toMatchObject({ allowed: true, rule: 'profiles.debug.approvers (users: ben@example.test)' });
    expect(review(CY, { known: facts({ S0SRE: [CY] }) })).toMatchObject({
      rule: 'profiles.debug.approvers (groups: S0SRE)',
    });
  });

  it('is refused to others, also when membership can not be read, and to administrators', () => {
    expect(refusedBy(review(CY))).toBe('profiles.debug.approvers');
    expect(refusedBy(review(CY, { known: facts() }))).toMatch(/^profiles\.debug\.approvers.*can't be read/);
  });

  it.each(['approve', 'deny'] as const)('of one’s own request is refused (%s), by whatever account', (verdict) => {
    const change = { approvers: { users: ['ada@example.test', 'U0ADA2'] } };
    for (const reviewer of [ADA, ADA_AGAIN])
      expect(refusedBy(review(reviewer, { change, verdict }))).toBe('profiles.debug.selfApproval');
    expect(refusedBy(review(ADA, { change: { ...change, selfApproval: true }, verdict }))).toBeNull();
  });

  it('counts once a person: a second account of the same is refused', () => {
    const approval: Decision = { by: BEN, verdict: 'approve', at: 0, rule: '', note: '', digest: grant.digest };
    const on = { ...grant, decisions: [approval] };
    const benAgain = { ...BEN, slackId: 'U0BEN2' };
    expect(refusedBy(review(BEN, { on }))).toBe('approvals');
    expect(refusedBy(review(benAgain, { on }))).toBe('approvals');
    expect(refusedBy(review(BEN, { on: { ...on, digest: 'another plan' } }))).toBeNull();
    expect(refusedBy(review(BEN, { on, verdict: 'deny' }))).toBeNull();
  });

  it('is refused when the policy has no such profile any more', () => {
    for (const profile of ['gone', 'constructor'])
      expect(refusedBy(review(BEN, { on: { ...grant, profile } }))).toBe('profiles');
  });
});

describe('an end', () => {
  const grant = sampleGrant({ state: 'active' });
  const end = (person: Person, known = nobody, on = grant) =>
    judge(policyWith(), { kind: 'end', grant: on }, { requester: on.requester, actor: person }, known).decided;

  it('may be made by the requester, by an approver and by an administrator', () => {
    expect(end(ADA)).toMatchObject({ allowed: true, rule: 'requester' });
    expect(end(ADA_AGAIN)).toMatchObject({ allowed: true });
    expect(end(BEN)).toMatchObject({ rule: 'profiles.debug.approvers (users: ben@example.test)' });
    expect(end(CY)).toMatchObject({ rule: 'administrators (users: cy@example.test)' });
  });

  it('may be made without the profile, which the policy may have lost', () => {
    const orphan = { ...grant, profile: 'gone' };
    expect(end(ADA, nobody, orphan).allowed).toBe(true);
    expect(end(CY, nobody, orphan).allowed).toBe(true);
    expect(refusedBy(end(BEN, nobody, orphan))).toBe('revoke');
  });

  it('is refused to others', () => {
    expect(refusedBy(end({ ...CY, slackId: 'U0DI', user: 'di@example.test' }))).toBe('revoke');
  });
});

describe('a longer window', () => {
  const grant = sampleGrant({ state: 'active', startsAt: T0, expiresAt: T0 + 3_600_000 });
  const extend = (
    seconds: number | null,
    options: { person?: Person; on?: typeof grant; change?: Partial<ProfileInput>; known?: Known } = {},
  ) =>
    judge(
      policyWith(options.change),
      { kind: 'extend', grant: options.on ?? grant, seconds },
      { requester: ADA, actor: options.person ?? ADA },
      options.known,
    ).decided;

  it('is a new decision under the same policy', () => {
    expect(extend(1800)).toMatchObject({ allowed: true, duration: 1800, approvals: 1 });
    expect(refusedBy(extend(1800, { change: { deny: { users: ['ada@example.test'] } } }))).toMatch(/deny/);
    expect(refusedBy(extend(1800, { change: { requesters: { users: ['ben@example.test'] } } }))).toBe(
      'profiles.debug.requesters',
    );
    expect(refusedBy(extend(1800, { on: { ...grant, profile: 'gone' } }))).toBe('profiles');
  });

  it('never passes the maximum, counted from the start of the window', () => {
    expect(extend(3600)).toMatchObject({ allowed: true, duration: 3600 });
    const decided = extend(3601);
    expect(refusedBy(decided)).toBe('profiles.debug.duration.maximum');
    expect(decided.allowed ? '' : decided.refusal.remedy).toContain('1h');
  });

  it('is refused to others, and for a grant that is not active', () => {
    expect(refusedBy(extend(60, { person: BEN }))).toBe('extend');
    for (const state of ['pending', 'approved', 'applying', 'ending', 'expired'] as const)
      expect(refusedBy(extend(60, { on: { ...grant, state } }))).toBe('extend');
  });

  it.each([0, -600, 0.5, Number.NaN])('by %s seconds is refused', (seconds) => {
    expect(refusedBy(extend(seconds))).toMatch(/duration/);
  });

  it('is granted automatically only while the whole window fits the condition', () => {
    const known = facts({ S0ONCALL: [ADA] });
    const automatic = { members: { groups: ['S0ONCALL'] }, maximum: '90m' };
    expect(extend(1800, { change: { automatic }, known })).toMatchObject({
      allowed: true,
      approvals: 0,
      rule: 'profiles.debug.automatic (groups: S0ONCALL)',
    });
    expect(extend(1801, { change: { automatic }, known })).toMatchObject({ allowed: true, approvals: 1 });
  });

  it('is refused from the moment on at which the window ends', () => {
    const until = (expiresAt: number) => extend(60, { on: { ...grant, expiresAt } });
    expect(refusedBy(until(T0 + 60_001))).toBeNull();
    const ended = until(T0 + 60_000);
    expect(refusedBy(ended)).toBe('extend');
    expect(ended.allowed ? '' : ended.refusal.message).toContain('is at its end');
  });

  it('when the whole maximum is used up, sends to a new request', () => {
    const decided = extend(1, { on: { ...grant, expiresAt: T0 + 7_200_000 } });
    expect(decided).toHaveProperty('refusal.remedy', 'Make a new request when this one has ended.');
  });

  it('of a profile that is gone: the requester may ask anew, and approvers learn who can end it', () => {
    const gone = { ...grant, profile: 'gone' };
    expect(extend(60, { on: gone })).toHaveProperty('refusal.remedy', 'Make a new request when this one has ended.');
    const act: Act = { kind: 'approve', of: 'request', grant: { ...sampleGrant({ decisions: [] }), profile: 'gone' } };
    expect(judge(policyWith(), act, { requester: ADA, actor: BEN }).decided).toHaveProperty(
      'refusal.remedy',
      'Administrators can withdraw it; else it ends by itself.',
    );
  });

  it('has no room but in an active grant, and none past the maximum', () => {
    const profile = policyWith().profiles.debug as Parameters<typeof roomToExtend>[1];
    const room = (change: Partial<Grant>) => roomToExtend({ ...grant, ...change }, profile);
    expect(room({})).toBe(3600);
    expect(room({ expiresAt: T0 + 7_199_001 })).toBe(0);
    expect(room({ expiresAt: T0 + 9_000_000 })).toBe(0);
    expect(room({ state: 'ending' })).toBe(0);
    expect(room({ startsAt: null })).toBe(0);
    expect(room({ expiresAt: null })).toBe(0);
  });
});

describe('whoever benefits is judged', () => {
  const active = sampleGrant({ state: 'active', startsAt: T0, expiresAt: T0 + 1_800_000 });
  const waiting = { ...active, extension: { duration: 600, askedAt: T0, asks: 1, replaces: null, approvals: [] } };
  const approved = sampleGrant({ state: 'approved' });
  const gone = new Refusal('identity.deactivated', 'This Slack account is deactivated: it may neither ask nor decide.');
  const moments: [string, Act, Person | null][] = [
    ['a request', { kind: 'request', ask: ask() }, ADA],
    ['an approval', { kind: 'approve', of: 'request', grant: sampleGrant({ decisions: [] }) }, BEN],
    ['an ask for a longer window', { kind: 'extend', grant: active, seconds: 600 }, ADA],
    ['an approval of a longer window', { kind: 'approve', of: 'extension', grant: waiting }, BEN],
    ['an apply', { kind: 'apply', grant: approved }, null],
  ];

  it.each(moments)('at %s', (_, act, actor) => {
    const refused = (change: Partial<ProfileInput>, requester: Person | Refusal = ADA) => {
      const { decided } = judge(policyWith(change), act, { requester, actor }, { lists: { S0BAD: [ADA], S0SRE: [] } });
      return decided.allowed ? null : decided.refusal;
    };
    expect(refused({ requesters: { users: ['ada@example.test'] } })).toBeNull();
    expect(refused({ requesters: { users: ['cy@example.test'] } })).toMatchObject({
      rule: 'profiles.debug.requesters',
    });
    expect(refused({ deny: { groups: ['S0BAD'] } })).toMatchObject({ rule: 'profiles.debug.deny (groups: S0BAD)' });
    expect(refused({}, gone)).toMatchObject({ rule: 'identity.deactivated' });
    expect(refused({ namespaces: ['payments'] })).toMatchObject({ rule: 'profiles.debug.namespaces' });
  });

  it.each(moments.filter(([, , actor]) => actor !== ADA))('and %s says it of the requester', (_, act, actor) => {
    const { decided } = judge(policyWith({ deny: { users: ['U0ADA'] } }), act, { requester: ADA, actor });
    expect(decided).toHaveProperty(
      'refusal.message',
      expect.stringMatching(
        /^The policy would not .* To the requester it would say: The policy denies profile 'debug'/,
      ),
    );
    const isLonger = act.kind === 'approve' && act.of === 'extension';
    expect(decided).toHaveProperty(
      'refusal.remedy',
      isLonger ? 'Deny it; the window ends as it was approved.' : 'Deny it, or let it time out.',
    );
    expect(decided).toHaveProperty(
      'refusal.message',
      expect.stringContaining(isLonger ? 'give this any longer' : 'take this request any more'),
    );
  });

  it('though not to somebody who may not decide', () => {
    const { decided } = judge(policyWith(), moments[1]?.[1] as Act, { requester: gone, actor: CY });
    expect(refusedBy(decided)).toBe('profiles.debug.approvers');
  });

  it('and nothing but an apply is done by nobody', () => {
    const acts: Act[] = [
      { kind: 'approve', of: 'request', grant: sampleGrant({ decisions: [] }) },
      { kind: 'approve', of: 'extension', grant: waiting },
      { kind: 'deny', of: 'request', grant: sampleGrant({ decisions: [] }) },
      { kind: 'extend', grant: active, seconds: 600 },
      { kind: 'end', grant: active },
    ];
    for (const act of acts)
      expect(refusedBy(judge(policyWith(), act, { requester: ADA, actor: null }).decided)).toBe('actor');
  });

  it('but neither by a denial nor by an end', () => {
    const change = { deny: { groups: ['S0BAD'] }, requesters: { users: ['cy@example.test'] } };
    const known = facts({ S0BAD: [] });
    for (const of of ['request', 'extension'] as const) {
      const { decided } = judge(
        policyWith(change),
        { kind: 'deny', of, grant: waiting },
        { requester: gone, actor: BEN },
        known,
      );
      expect(refusedBy(decided)).toBeNull();
    }
    const end = judge(policyWith(change), { kind: 'end', grant: active }, { requester: gone, actor: ADA });
    expect(refusedBy(end.decided)).toBeNull();
  });

  it('a condition of the policy by which it approved must hold when it is applied', () => {
    const byPolicy = { kind: 'apply', grant: { ...approved, approvalsNeeded: 0 } } as const;
    const applied = (known: Known) =>
      judge(policyWith({ automatic: onCall }), byPolicy, { requester: ADA, actor: null }, known).decided;
    expect(applied(facts({ S0ONCALL: [ADA] }))).toMatchObject({
      allowed: true,
      rule: 'profiles.debug.automatic (groups: S0ONCALL)',
    });
    expect(refusedBy(applied(facts({ S0ONCALL: [] })))).toBe('profiles.debug.automatic');
    expect(applied(facts())).toHaveProperty('refusal.retryIn', 20);
  });

  it('a longer window is of the user whom it was approved for', () => {
    const other = { ...ADA, user: 'ada.new@example.test' };
    const policy = policyWith({ requesters: { users: ['ada@example.test', other.user] } });
    for (const act of [
      { kind: 'extend', grant: active, seconds: 600 },
      { kind: 'approve', of: 'extension', grant: waiting },
    ] as const) {
      const actor = act.kind === 'extend' ? other : BEN;
      expect(refusedBy(judge(policy, act, { requester: other, actor }).decided)).toBe('identity.user');
    }
  });
});

describe('a person is the same by Slack id or by Kubernetes user', () => {
  const moved: Person = { ...ADA, user: 'ada.new@example.test' };
  const everybody = { approvers: { users: ['ada@example.test', moved.user, 'ben@example.test'] } };
  const waiting = sampleGrant({
    state: 'active',
    startsAt: T0,
    expiresAt: T0 + 600_000,
    extension: { duration: 600, askedAt: T0, asks: 1, replaces: null, approvals: [] },
  });

  it.each(['request', 'extension'] as const)('so nobody decides on an own %s after the address has changed', (of) => {
    const grant = of === 'request' ? sampleGrant({ decisions: [] }) : waiting;
    const decided = (kind: 'approve' | 'deny', actor: Person) =>
      refusedBy(judge(policyWith(everybody), { kind, of, grant }, { requester: moved, actor }).decided);
    for (const actor of [moved, ADA_AGAIN, { ...ADA_AGAIN, user: 'Ada@Example.test' }])
      for (const kind of ['approve', 'deny'] as const) expect(decided(kind, actor)).toBe('profiles.debug.selfApproval');
    // Another account has the user that the requester's account leads to now.
    expect(decided('approve', { ...moved, slackId: 'U0ADA2' })).toBe('profiles.debug.selfApproval');
    expect(decided('approve', BEN)).not.toBe('profiles.debug.selfApproval');
  });

  it('nobody counts twice, whichever changed', () => {
    const benMoved = { ...BEN, user: 'ben.new@example.test' };
    const benAgain = { ...BEN, slackId: 'U0BEN2', user: 'Ben@Example.test' };
    const approvers = { users: [BEN.user, benMoved.user] };
    const grant = sampleGrant({ approvalsNeeded: 2 });
    const extension = { duration: 600, askedAt: T0, asks: 1, replaces: null, approvals: [] as Decision[] };
    const by: Decision = { ...(grant.decisions[0] as Decision), digest: extensionDigest(waiting, extension) };
    for (const actor of [BEN, benMoved, benAgain])
      for (const act of [
        { kind: 'approve', of: 'request', grant },
        { kind: 'approve', of: 'extension', grant: { ...waiting, extension: { ...extension, approvals: [by] } } },
      ] as const)
        expect(refusedBy(judge(policyWith({ approvers }), act, { requester: ADA, actor }).decided)).toBe('approvals');
  });

  it('and everybody ends what is their own, and asks for more of it', () => {
    const own = (actor: Person) =>
      judge(policyWith(), { kind: 'end', grant: waiting }, { requester: ADA, actor }, facts()).decided;
    expect(own(moved)).toMatchObject({ allowed: true, rule: 'requester' });
    expect(own(ADA_AGAIN)).toMatchObject({ allowed: true, rule: 'requester' });
    const more = (actor: Person) =>
      judge(policyWith(), { kind: 'extend', grant: waiting, seconds: 60 }, { requester: ADA, actor }).decided;
    expect(refusedBy(more(ADA_AGAIN))).toBeNull();
  });
});

describe('a longer window that nobody gave a length', () => {
  const grant = (minutes: number) => sampleGrant({ state: 'active', startsAt: T0, expiresAt: T0 + minutes * 60_000 });
  const asked = (minutes: number) =>
    judge(
      policyWith({ duration: { default: '30m', maximum: '45m' } }),
      { kind: 'extend', grant: grant(minutes), seconds: null },
      { requester: ADA, actor: ADA },
    ).decided;

  it('is the default, or what is left of the maximum', () => {
    expect(asked(10)).toMatchObject({ allowed: true, duration: 1800 });
    expect(asked(15)).toMatchObject({ allowed: true, duration: 1800 });
    expect(asked(30)).toMatchObject({ allowed: true, duration: 900 });
    expect(refusedBy(asked(45))).toBe('profiles.debug.duration.maximum');
  });
});

describe('what is looked up', () => {
  const active = sampleGrant({ state: 'active', startsAt: T0, expiresAt: T0 + 1_800_000 });
  const asks = (act: Act, actor: Person | null, change: Partial<ProfileInput>, known: Known = nobody) =>
    judge(policyWith(change), act, { requester: ADA, actor }, { lists: { S0BAD: [], C0BAD: [], ...known.lists } })
      .asked;
  const request: Act = { kind: 'request', ask: ask() };
  const approval: Act = { kind: 'approve', of: 'request', grant: sampleGrant({ decisions: [] }) };
  const byGroups: Partial<ProfileInput> = {
    deny: { groups: ['S0BAD'] },
    requesters: { groups: ['S0DEV', 'S0DEV2'] },
    approvers: { groups: ['S0SRE', 'S0SRE2'] },
    automatic: onCall,
  };
  const known = facts({ S0DEV: [ADA], S0SRE: [BEN] });

  it('is what the decision hangs on, in the order in which it can be decided', () => {
    expect(asks(request, ADA, byGroups, facts({ ...known.lists, S0ONCALL: [] }))).toEqual([
      'S0BAD',
      'S0DEV',
      'S0ONCALL',
    ]);
    expect(asks(approval, BEN, byGroups, known)).toEqual(['S0BAD', 'S0SRE', 'S0DEV']);
    expect(asks({ ...approval, kind: 'deny' }, BEN, byGroups, known)).toEqual(['S0BAD', 'S0SRE']);
    expect(asks(approval, CY, byGroups, known)).toEqual(['S0BAD', 'S0SRE', 'S0SRE2']);
    expect(asks({ kind: 'apply', grant: sampleGrant({ state: 'approved' }) }, null, byGroups, known)).toEqual([
      'S0BAD',
      'S0DEV',
    ]);
  });

  it('is nothing where a user is named, or where it is refused already', () => {
    expect(asks(request, ADA, {})).toEqual([]);
    expect(asks(approval, BEN, {})).toEqual([]);
    expect(asks(request, ADA, { ...byGroups, deny: { users: ['U0ADA'], groups: ['S0BAD'] } })).toEqual([]);
    const long = { kind: 'request', ask: ask({ duration: 1801 }) } as const;
    expect(asks(long, ADA, byGroups, known)).toEqual(['S0BAD', 'S0DEV']);
  });

  it('of a preview, or of a line, is who need not wait, too, where one condition alone is in the way', () => {
    const preview = (change: Partial<Ask>) =>
      ({ kind: 'request', saysNear: true, ask: ask({ duration: 1801, ...change }) }) as const;
    expect(asks(preview({}), ADA, byGroups, known)).toEqual(['S0BAD', 'S0DEV', 'S0ONCALL']);
    const elsewhere = { ...checkout, namespace: 'team-a' };
    expect(asks(preview({ target: elsewhere }), ADA, byGroups, known)).toEqual(['S0BAD', 'S0DEV']);
  });

  it('is nothing for an end by the requester, and for others one list after the other', () => {
    const end: Act = { kind: 'end', grant: active };
    const admin = { users: ['cy@example.test'], groups: ['S0ADMIN'] };
    const policy = policySchema.parse({
      version: 1,
      identity: {},
      administrators: admin,
      approvals: { channel: 'C0ACCESS001' },
      profiles: { debug: { ...debug, ...byGroups, approvers: { users: ['ben@example.test'], groups: ['S0SRE'] } } },
    });
    const read = (actor: Person, lists: Known['lists']) =>
      judge(policy, end, { requester: ADA, actor }, lists === undefined ? {} : { lists });
    expect(read(ADA, {}).asked).toEqual([]);
    expect(read(CY, {}).asked).toEqual([]);
    expect(read(BEN, {}).asked).toEqual([]);
    const di = { ...CY, slackId: 'U0DI', user: 'di@example.test' };
    expect(read(di, { S0SRE: [di] })).toMatchObject({ decided: { allowed: true }, asked: ['S0ADMIN', 'S0SRE'] });
    expect(read(di, { S0SRE: [] })).toMatchObject({ decided: { refusal: { retryIn: 20 } } });
    expect(refusedBy(read(di, { S0SRE: [], S0ADMIN: [] }).decided)).toBe('revoke');
  });

  it('that can’t be read is told as that, with when to try again', () => {
    const refusal = (act: Act, actor: Person, change: Partial<ProfileInput>) => {
      const { decided } = judge(policyWith(change), act, { requester: ADA, actor }, facts());
      return decided.allowed ? null : decided.refusal;
    };
    const told = {
      message: expect.stringMatching(/^Who is in S0\w+ can't be read now\./),
      remedy: 'Try again in 20 s.',
    };
    expect(refusal(request, ADA, { deny: { groups: ['S0BAD'] } })).toMatchObject(told);
    expect(refusal(request, ADA, { requesters: { groups: ['S0DEV'] } })).toMatchObject(told);
    expect(refusal(approval, CY, {})).toMatchObject(told);
    const byApprover = refusal(approval, BEN, { requesters: { groups: ['S0DEV'] } });
    expect(byApprover).toMatchObject(told);
    expect(byApprover?.message).not.toMatch(/you/);
    expect(refusal(approval, CY, {})?.message).toMatch(/Whether you are an approver of profile 'debug' is not known/);
  });

  it('for an offer is the first half of the decision', () => {
    const may = (person: Person) => decideWith(mayAsk(policyWith(), 'debug', person), nobody).decided;
    expect(may(ADA).allowed).toBe(true);
    expect(refusedBy(may(BEN))).toBe('profiles.debug.requesters');
    const waits = (grant: Grant, person: Person) =>
      decideWith(mayDecide({ policy: policyWith(), now: T0 }, grant, person), nobody).decided;
    const grant = sampleGrant({ decisions: [] });
    expect(waits(grant, BEN).allowed).toBe(true);
    expect(refusedBy(waits(grant, ADA))).toBe('profiles.debug.selfApproval');
    expect(refusedBy(waits({ ...grant, profile: 'gone' }, BEN))).toBe('profiles');
  });
});
