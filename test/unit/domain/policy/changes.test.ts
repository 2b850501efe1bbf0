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
      'what may outlive it',
      { acknowledgePersistence: true },
      'acknowledgePersistence: is true',
      'acknowledgePersistence: is true no more',
    ],
  ])('with %s is weaker, and the reverse stricter', (_what, change, weaker, stricter) => {
    expect(told(policyOf({}), policyOf(change))).toEqual([`weaker profiles.it.${weaker}`]);
    expect(told(policyOf(change), policyOf({}))).toEqual([`stricter profiles.it.${stricter}`]);
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
    expect(told(entry({ hours }), entry({ hours: 'Mon 08:00-18:00 UTC' }))).toEqual([
      expect.stringMatching(/^unclear profiles\.it\.automatic\.hours: was .*Mon-Fri/),
    ]);
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
