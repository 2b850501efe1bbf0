import { describe, expect, it } from 'vitest';
import { changesOfPolicy } from '../../../../src/domain/policy/changes.ts';
import { type PolicyInput, policySchema } from '../../../../src/domain/policy/schema.ts';

type ProfileInput = PolicyInput['profiles'][string];
const base: ProfileInput = {
  scope: 'workload',
  namespaces: ['staging', 'team-*'],
  rights: ['logs', 'exec'],
  requesters: { users: ['ada@example.test'], groups: ['S0DEV'] },
  approvers: { groups: ['S0SRE', 'S0OPS'] },
  deny: { groups: ['S0BAD'] },
  approvals: 2,
  duration: { default: '30m', maximum: '1h' },
  limits: { openPerPerson: 2, perPersonADay: 4, open: 5 },
  reason: { min: 10 },
  automatic: { members: { groups: ['S0CALL'] }, maximum: '10m', namespaces: ['staging'] },
};
const policyOf = (profile: Partial<ProfileInput>, change: Partial<PolicyInput> = {}) =>
  policySchema.parse({
    version: 1,
    identity: {},
    administrators: { users: ['cy@example.test'] },
    approvals: { channel: 'C0ACCESS001' },
    profiles: { it: { ...base, ...profile } },
    ...change,
  });
const told = (old: ReturnType<typeof policyOf>, now: ReturnType<typeof policyOf>) =>
  changesOfPolicy(old, now).map(({ where, effect, words }) => `${effect} ${where}: ${words}`);

describe('another policy', () => {
  it('that means the same changes nothing', () => {
    expect(told(policyOf({}), policyOf({ description: 'in other words' }))).toEqual([]);
    expect(told(policyOf({}), policyOf({ requesters: { groups: ['S0DEV'], users: ['ada@example.test'] } }))).toEqual(
      [],
    );
  });

  it.each<[ProfileInput['approval'], ProfileInput['approval'], string]>([
    [{ note: { deny: 'required' } }, {}, 'weaker profiles.it.approval.note.deny: was required, is optional'],
    [{}, { note: { approve: 'required' } }, 'stricter profiles.it.approval.note.approve: was left out, is required'],
    [{}, { note: { approve: 'none' } }, 'unclear profiles.it.approval.note.approve: was left out, is none'],
    [{}, { notify: { channel: 'C0OWN' } }, 'unclear profiles.it.approval.notify.channel: was left out, is "C0OWN"'],
    [{}, { notify: { direct: true } }, 'unclear profiles.it.approval.notify.direct: was false, is true'],
  ])('that asks people in another way is said: %j, %j', (approval, next, words) => {
    expect(told(policyOf({ approval }), policyOf({ approval: next }))).toEqual([words]);
  });

  const { automatic: _automatic, ...byPeople } = base;
  it.each<[string, Partial<ProfileInput>, string, string]>([
    [
      'a requester more',
      { requesters: { users: ['ada@example.test'], groups: ['S0DEV', 'S0ALL'] } },
      'requesters: group S0ALL may ask',
      'requesters: group S0ALL may ask no more',
    ],
    [
      'an approver more',
      { approvers: { groups: ['S0SRE', 'S0OPS'], channels: ['C0ALL'] } },
      'approvers: channel C0ALL may approve',
      'approvers: channel C0ALL may approve no more',
    ],
    ['nobody denied', { deny: {} }, 'deny: group S0BAD is denied no more', 'deny: group S0BAD is denied'],
    ['an approval less', { approvals: 1 }, 'approvals: was 2, is 1', 'approvals: was 1, is 2'],
    ['self-approval', { selfApproval: true }, 'selfApproval: is true', 'selfApproval: is true no more'],
    [
      'a longer maximum',
      { duration: { default: '30m', maximum: '2h' } },
      'duration.maximum: was 1h, is 2h',
      'duration.maximum: was 2h, is 1h',
    ],
    [
      'a longer default',
      { duration: { default: '31m', maximum: '1h' } },
      'duration.default: was 30m, is 31m',
      'duration.default: was 31m, is 30m',
    ],
    [
      'a longer time without a person',
      { automatic: { members: { groups: ['S0CALL'] }, maximum: '11m', namespaces: ['staging'] } },
      'automatic.maximum: was 10m, is 11m',
      'automatic.maximum: was 11m, is 10m',
    ],
    [
      'another who needs no person',
      { automatic: { members: { groups: ['S0CALL', 'S0DEV'] }, maximum: '10m', namespaces: ['staging'] } },
      'automatic.members: group S0DEV needs no person',
      'automatic.members: group S0DEV needs no person no more',
    ],
    [
      'more at once for a person',
      { limits: { openPerPerson: 3, perPersonADay: 4, open: 5 } },
      'limits.openPerPerson: was 2, is 3',
      'limits.openPerPerson: was 3, is 2',
    ],
    [
      'no limit of the day',
      { limits: { openPerPerson: 2, open: 5 } },
      'limits.perPersonADay: was 4, is any number',
      'limits.perPersonADay: was any number, is 4',
    ],
    [
      'no limit of all',
      { limits: { openPerPerson: 2, perPersonADay: 4 } },
      'limits.open: was 5, is any number',
      'limits.open: was any number, is 5',
    ],
    ['a shorter reason', { reason: {} }, 'reason.min: was 10, is 1', 'reason.min: was 1, is 10'],
    [
      'what may outlive it',
      { acknowledgePersistence: true },
      'acknowledgePersistence: is true',
      'acknowledgePersistence: is true no more',
    ],
  ])('with %s is weaker, and the reverse stricter', (_what, change, weaker, stricter) => {
    expect(told(policyOf({}), policyOf(change))).toEqual([`weaker profiles.it.${weaker}`]);
    expect(told(policyOf(change), policyOf({}))).toEqual([`stricter profiles.it.${stricter}`]);
  });

  const owner = { name: 'owner', from: { groups: ['S0OWN'] }, count: 2 };
  const security = { name: 'security', from: { groups: ['S0SEC'] } };
  type ApprovalInput = NonNullable<ProfileInput['approval']>;
  const { approvers: _approvers, approvals: _approvals, ...asking } = base;
  const inSteps = (steps: ApprovalInput['steps'], order: 'parallel' | 'sequence' = 'parallel') =>
    policyOf({}, { profiles: { it: { ...asking, approval: { order, steps } } } });
  it.each<[string, ApprovalInput['steps'], string, string]>([
    ['a step less', [owner], 'steps.security: is gone: 1 of group S0SEC', 'steps.security: is new: 1 of group S0SEC'],
    [
      'a lower count',
      [{ ...owner, count: 1 }, security],
      'steps.owner.count: was 2, is 1',
      'steps.owner.count: was 1, is 2',
    ],
    [
      'somebody more who decides',
      [owner, { ...security, from: { groups: ['S0SEC', 'S0OWN'] } }],
      'steps.security.from: group S0OWN may decide this step',
      'steps.security.from: group S0OWN may decide this step no more',
    ],
    [
      'a step that may fall away',
      [owner, { ...security, unless: { maximum: '15m' } }],
      'steps.security.unless: the step is not needed up to 15m',
      'steps.security.unless: the step is needed up to 15m, too',
    ],
    [
      'an escalation',
      [{ ...owner, escalate: [{ after: '10m', to: { groups: ['S0CALL'] } }] }, security],
      'steps.owner.escalate: group S0CALL may decide this step after 10m',
      'steps.owner.escalate: group S0CALL may decide this step no more',
    ],
  ])('with %s is weaker, and the reverse stricter', (_what, steps, weaker, stricter) => {
    const both = inSteps([owner, security]);
    expect(told(both, inSteps(steps))).toEqual([`weaker profiles.it.approval.${weaker}`]);
    expect(told(inSteps(steps), both)).toEqual([`stricter profiles.it.approval.${stricter}`]);
  });

  it('compares what a step has by its parts', () => {
    const unless = (of: object) => inSteps([owner, { ...security, unless: of }]);
    const escalating = (after: string) =>
      inSteps([{ ...owner, escalate: [{ after, to: { users: ['dee@example.test'] } }] }]);
    expect(told(unless({ maximum: '15m' }), unless({ maximum: '16m' }))).toEqual([
      'weaker profiles.it.approval.steps.security.unless.maximum: was 15m, is 16m',
    ]);
    expect(told(unless({ maximum: '15m', namespaces: ['staging'] }), unless({ maximum: '15m' }))).toEqual([
      'weaker profiles.it.approval.steps.security.unless.namespaces: covers *',
    ]);
    expect(told(escalating('10m'), escalating('5m'))).toEqual([
      'weaker profiles.it.approval.steps.owner.escalate: dee@example.test may decide this step after 5m, was 10m',
    ]);
    const [both, turned] = [
      [owner, security],
      [security, owner],
    ];
    expect(told(inSteps(both, 'sequence'), inSteps(both))).toEqual([
      'weaker profiles.it.approval.order: all steps are asked at once',
    ]);
    expect(told(inSteps(both, 'sequence'), inSteps(turned, 'sequence'))).toEqual([
      'unclear profiles.it.approval.steps: are asked in another order: security, owner',
    ]);
    expect(told(inSteps(both), inSteps(turned))).toEqual([]);
  });

  it('takes the short form and one step for the same', () => {
    const one = (count: number) => inSteps([{ name: 'any', from: { groups: ['S0SRE', 'S0OPS'] }, count }]);
    expect(told(policyOf({}), one(2))).toEqual([]);
    expect(told(policyOf({}), one(1))).toEqual(['weaker profiles.it.approval.steps.any.count: was 2, is 1']);
    expect(told(policyOf({}), inSteps([owner, security])).join()).toContain(
      'weaker profiles.it.approval.steps.approvers: is gone',
    );
  });

  it.each<[string, string[], string[]]>([
    ['team-*', ['staging', 'team-a'], ['stricter covers team-* no more, or not all of it']],
    ['a narrower pattern', ['staging', 'team-b*'], ['stricter covers team-* no more, or not all of it']],
    ['a wider pattern', ['staging', 'te*'], ['weaker covers te*']],
    ['everything', ['*'], ['weaker covers *']],
  ])('compares patterns by what they cover: %s', (_what, namespaces, words) => {
    const found = changesOfPolicy(policyOf({}), policyOf({ namespaces }));
    expect(found.map((each) => `${each.effect} ${each.words}`)).toEqual(words);
  });

  it('compares rights by their rules, whether in words or not', () => {
    const rules = [
      { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
      { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] },
    ];
    const { rights: _rights, ...rest } = base;
    const inline = policyOf({}, { profiles: { it: { ...rest, rules } } });
    expect(told(policyOf({ rights: ['logs'] }), inline)).toEqual([]);
    expect(told(inline, policyOf({ rights: ['logs', 'exec'] })).join()).toMatch(
      /^weaker profiles\.it: gives .*pods\/exec/,
    );
    expect(told(policyOf({}), policyOf({ rights: ['logs'] })).every((line) => line.startsWith('stricter'))).toBe(true);
  });

  it('says that the policy itself approves, or no more, or anywhere', () => {
    const without = policyOf({}, { profiles: { it: byPeople } });
    expect(told(without, policyOf({}))).toEqual([
      'weaker profiles.it.automatic: needs no person for group S0CALL, up to 10m, in staging',
    ]);
    expect(told(policyOf({}), without)).toEqual(['stricter profiles.it.automatic: needs a person always']);
    const anywhere = policyOf({ automatic: { members: { groups: ['S0CALL'] }, maximum: '10m' } });
    expect(told(policyOf({}), anywhere)).toEqual(['weaker profiles.it.automatic.namespaces: covers *']);
  });

  it('says which entry of several lets go of people, and which does no more', () => {
    const [short, office] = [{ when: { maximum: '5m' } }, { when: { hours: 'Mon-Fri 08:00-18:00 UTC' } }];
    const one = policyOf({ automatic: [short] });
    const both = policyOf({ automatic: [short, office] });
    const word = `person for everybody who may ask, up to ${base.duration.maximum}, Mon-Fri 08:00-18:00 UTC`;
    expect(told(one, both)).toEqual([`weaker profiles.it.automatic: needs no ${word}`]);
    expect(told(both, one)).toEqual([`stricter profiles.it.automatic: needs a ${word}`]);
    expect(told(both, policyOf({ automatic: [office, short] }))).toEqual([
      'unclear profiles.it.automatic: has the same entries in another order',
    ]);
    expect(told(both, both)).toEqual([]);
  });

  it('says of one entry which condition is another', () => {
    const entry = (when: object) => policyOf({ automatic: [{ when: { maximum: '5m', ...when } }] });
    const hours = 'Mon-Fri 08:00-18:00 UTC';
    expect(told(entry({ hours }), entry({}))).toEqual(['weaker profiles.it.automatic.hours: is any time']);
    expect(told(entry({}), entry({ hours }))).toEqual(['stricter profiles.it.automatic.hours: is any time no more']);
    expect(told(entry({ members: { groups: ['S0CALL'] } }), entry({}))).toEqual([
      'weaker profiles.it.automatic.members: is everybody who may ask',
    ]);
    expect(told(entry({ hours }), entry({ hours, maximum: undefined }))).toEqual([
      'weaker profiles.it.automatic.maximum: was 5m, is any the profile allows',
    ]);
    // The short form is the same as a list of one.
    const listed = policyOf({
      automatic: [{ when: { members: { groups: ['S0CALL'] }, maximum: '10m', namespaces: ['staging'] } }],
    });
    expect(told(policyOf({}), listed)).toEqual([]);
  });

  it.each<[string, object, object, string[]]>([
    [
      'hours that end later',
      { hours: 'Mon-Fri 08:00-18:00 Europe/Berlin' },
      { hours: 'Mon-Fri 08:00-18:01 Europe/Berlin' },
      ['weaker hours: has Mon,Tue,Wed,Thu,Fri 18:00-18:01 Europe/Berlin'],
    ],
    [
      'hours that are others',
      { hours: 'Mon-Fri 08:00-18:00 UTC' },
      { hours: 'Fri 09:00-19:00 UTC' },
      [
        'weaker hours: has Fri 18:00-19:00 UTC',
        'stricter hours: has Mon,Tue,Wed,Thu 08:00-18:00, Fri 08:00-09:00 UTC no more',
      ],
    ],
    [
      'a night that goes on into the next day',
      { hours: 'Fri 22:00-24:00 UTC' },
      { hours: 'Fri 22:00-06:00 UTC' },
      ['weaker hours: has Sat 00:00-06:00 UTC'],
    ],
    [
      'the end of the week',
      { hours: 'Sat 00:00-24:00 UTC' },
      { hours: 'Sat 23:00-01:00 UTC' },
      ['weaker hours: has Sun 00:00-01:00 UTC', 'stricter hours: has Sat 00:00-23:00 UTC no more'],
    ],
    ['the same hours in other words', { hours: 'Sat,Sun 00:00-24:00 UTC' }, { hours: 'Sat-Sun 00:00-24:00 UTC' }, []],
    [
      'another zone, which is not weighed',
      { hours: 'Mon 08:00-18:00 Europe/Berlin' },
      { hours: 'Mon 08:00-18:00 Europe/London' },
      ['unclear hours: was Mon 08:00-18:00 Europe/Berlin, is Mon 08:00-18:00 Europe/London'],
    ],
    ['a right more', { rights: ['logs'] }, { rights: ['exec', 'logs'] }, ['weaker rights: has exec']],
    ['a right less', { rights: ['exec', 'logs'] }, { rights: ['logs'] }, ['stricter rights: has exec no more']],
    ['any rights', { rights: ['logs'] }, {}, ['weaker rights: is all that the profile gives']],
    ['some rights only', {}, { rights: ['logs'] }, ['stricter rights: is all that the profile gives no more']],
    ['one more a day', { perDay: 3 }, { perDay: 4 }, ['weaker perDay: was 3, is 4']],
    ['no limit of the day', { perDay: 3 }, {}, ['weaker perDay: was 3, is any number']],
    ['a limit of the day', {}, { perDay: 3 }, ['stricter perDay: was any number, is 3']],
  ])('weighs each condition of an entry: %s', (_what, old, now, words) => {
    const entry = (when: object) => policyOf({ automatic: [{ when: { maximum: '5m', ...when } }] });
    expect(told(entry(old), entry(now))).toEqual(words.map((word) => word.replace(' ', ' profiles.it.automatic.')));
    // Beside an entry that stays, too.
    const second = (when: object) =>
      policyOf({ automatic: [{ when: { maximum: '1m' } }, { when: { maximum: '5m', ...when } }] });
    expect(told(second(old), second(now))).toEqual(words.map((word) => word.replace(' ', ' profiles.it.automatic.')));
  });

  it('says profiles that come and go, whatever their names', () => {
    const more = policyOf({}, { profiles: { it: base, constructor: base } });
    const [line] = told(policyOf({}), more);
    expect(line).toBe(
      'weaker profiles.constructor: is new: logs, exec in staging, team-*, for ada@example.test, group S0DEV',
    );
    expect(told(more, policyOf({}))[0]).toMatch(/^stricter profiles\.constructor: is gone/);
  });

  it('says what it can not weigh, and never leaves it out', () => {
    const role = (clusterRole: string) => ({ scope: 'namespace' as const, rights: undefined, clusterRole });
    expect(told(policyOf(role('view')), policyOf(role('reader')))).toEqual([
      'unclear profiles.it: gave ClusterRole view, gives ClusterRole reader',
    ]);
    expect(told(policyOf({}), policyOf({ network: { mode: 'workspace', image: 'x' } })).join()).toMatch(
      /^unclear profiles\.it\.network: was .*none.*, is .*workspace/,
    );
    expect(told(policyOf({}), policyOf({ reason: { min: 10, template: 'Why?' } }))).toEqual([
      'unclear profiles.it.reason.template: was left out, is "Why?"',
    ]);
    expect(told(policyOf({}), policyOf({ limits: undefined, reason: undefined }))).toEqual([
      'weaker profiles.it.limits.openPerPerson: was 2, is any number',
      'weaker profiles.it.limits.perPersonADay: was 4, is any number',
      'weaker profiles.it.limits.open: was 5, is any number',
      'weaker profiles.it.reason.min: was 10, is 1',
    ]);
    expect(told(policyOf({}), policyOf({ timeout: '2h' }))).toEqual([
      'unclear profiles.it.timeout: was left out, is 7200',
    ]);
    expect(told(policyOf({}), policyOf({}, { identity: { admit: ['guests'] } })).join()).toMatch(/^unclear identity: /);
    expect(told(policyOf({}), policyOf({}, { administrators: { users: ['dee@example.test'] } }))).toEqual([
      'weaker administrators: dee@example.test administers',
      'stricter administrators: cy@example.test administers no more',
    ]);
    expect(told(policyOf({}), policyOf(role('view'))).join()).toContain(
      'weaker profiles.it.scope: is for a whole namespace',
    );
  });
});
