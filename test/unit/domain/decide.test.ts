import { describe, expect, it } from 'vitest';
import {
  type Ask,
  type Decided,
  decideExtension,
  decideRequest,
  decideReview,
  type Facts,
  LONGEST_REASON,
  lookupsFor,
  mayAsk,
  mayEnd,
} from '../../../src/domain/decide.ts';
import type { Decision } from '../../../src/domain/grant.ts';
import type { Person } from '../../../src/domain/people.ts';
import { type Policy, type PolicyInput, policySchema } from '../../../src/domain/policy.ts';
import { ADA, BEN, sampleGrant } from '../../support/grants.ts';

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
const facts = (groups: Record<string, Person[]> = {}, aliases: Record<string, string | null> = {}): Facts => ({
  memberships: new Map(
    Object.entries(groups).map(([id, people]) => [
      id,
      { slackIds: new Set(people.map((p) => p.slackId)), users: new Set(people.map((p) => p.user)) },
    ]),
  ),
  aliases: new Map(Object.entries(aliases)),
});
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

describe('a request', () => {
  it('is refused to whom the policy denies it, whatever else allows it', () => {
    const allowed = { automatic: { ...onCall, members: { users: ['ada@example.test'] } } };
    const denied = (deny: ProfileInput['deny'], known: Facts) =>
      refusedBy(decideRequest(policyWith({ ...allowed, deny }), ask(), ADA, known));
    expect(denied({ users: ['ada@example.test'] }, nobody)).toBe('profiles.debug.deny (users: ada@example.test)');
    expect(denied({ users: ['U0ADA2'] }, facts({}, { U0ADA2: 'ada@example.test' }))).toBe(
      'profiles.debug.deny (users: U0ADA2)',
    );
    expect(denied({ groups: ['S0BAD'] }, facts({ S0BAD: [ADA_AGAIN] }))).toBe('profiles.debug.deny (groups: S0BAD)');
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
    expect(refusedBy(decideRequest(policyWith(), ask(), BEN, facts()))).toBe('profiles.debug.requesters');
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

  it.each<[string, Partial<ProfileInput>, Ask, Facts]>([
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

  it('gives nothing to somebody who may not ask', () => {
    const policy = policyWith({ automatic: { ...onCall, members: { users: ['ben@example.test'] } } });
    expect(refusedBy(decideRequest(policy, ask(), BEN, nobody))).toBe('profiles.debug.requesters');
  });
});

describe('a review', () => {
  const grant = sampleGrant({ decisions: [] });
  const review = (
    reviewer: Person,
    options: { change?: Partial<ProfileInput>; known?: Facts; on?: typeof grant; verdict?: 'approve' | 'deny' } = {},
  ) =>
    decideReview(
      policyWith(options.change),
      options.on ?? grant,
      reviewer,
      options.verdict ?? 'approve',
      options.known ?? nobody,
    );

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
    expect(refusedBy(review(CY, { known: facts() }))).toBe('profiles.debug.approvers');
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
  const end = (person: Person, known = nobody, on = grant) => mayEnd(policyWith(), on, person, known);

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
  const T0 = Date.UTC(2026, 0, 5, 9);
  const grant = sampleGrant({ state: 'active', startsAt: T0, expiresAt: T0 + 3_600_000 });
  const extend = (
    seconds: number | null,
    options: { person?: Person; on?: typeof grant; change?: Partial<ProfileInput>; known?: Facts } = {},
  ) =>
    decideExtension(
      policyWith(options.change),
      options.on ?? grant,
      options.person ?? ADA,
      seconds,
      options.known ?? nobody,
      T0 + 60_000,
    );

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
    expect(extend(1800, { change: { automatic }, known })).toMatchObject({ approvals: 0 });
    expect(extend(1801, { change: { automatic }, known })).toMatchObject({ approvals: 1 });
  });
});

describe('what is looked up', () => {
  it('is every group of the profile and of the administrators, and every Slack id that is denied', () => {
    const policy = policyWith({
      automatic: onCall,
      deny: { users: ['U0BAD', 'x@example.test'], groups: ['S0BAD'], channels: ['C0BAD'] },
    });
    const lookups = lookupsFor(policy, policy.profiles.debug as Policy['profiles'][string]);
    expect(lookups.memberships.toSorted()).toEqual(['C0BAD', 'S0BAD', 'S0DEV', 'S0ONCALL', 'S0SRE']);
    expect(lookups.aliases).toEqual(['U0BAD']);
  });

  it('mayAsk agrees with the request', () => {
    expect(mayAsk(policyWith(), 'debug', ADA, nobody).allowed).toBe(true);
    expect(refusedBy(mayAsk(policyWith(), 'debug', BEN, nobody))).toBe('profiles.debug.requesters');
  });
});
