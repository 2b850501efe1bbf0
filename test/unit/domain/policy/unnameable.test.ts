import { describe, expect, it } from 'vitest';
import { listsOf } from '../../../../src/domain/policy/policy.ts';
import { type PolicyInput, policySchema } from '../../../../src/domain/policy/schema.ts';

type ProfileInput = PolicyInput['profiles'][string];
const debug: ProfileInput = {
  scope: 'workload',
  namespaces: ['staging'],
  rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  requesters: { users: ['ada@example.test', 'ben@example.test'] },
  approvers: { users: ['ben@example.test', 'cy@example.test'] },
  duration: { default: '30m', maximum: '2h' },
};
/** The problems of a policy, `path: message`; of a good one none. */
const problemsOf = (change: Partial<ProfileInput>, rest: Partial<PolicyInput> = {}): string[] => {
  const parsed = policySchema.safeParse({
    version: 1,
    identity: { emailDomains: ['example.test'] },
    administrators: { users: ['dee@example.test'] },
    approvals: { channel: 'C0ACCESS001' },
    profiles: { debug: { ...debug, ...change } },
    ...rest,
  });
  return (parsed.error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
};
type StepInput = NonNullable<NonNullable<ProfileInput['approval']>['steps']>[number];
/** Two steps, whose people are in Slack unless it is said otherwise. */
const steps = (first: Partial<StepInput>, second: Partial<StepInput> = {}): Partial<ProfileInput> => ({
  approvers: undefined,
  approval: {
    steps: [
      { name: 'owner', from: { groups: ['S0OWN'] }, ...first },
      { name: 'security', from: { groups: ['S0SEC'] }, ...second },
    ],
  },
});
const only = (...parts: string[]) => [expect.stringMatching(new RegExp(parts.join('.*')))];

describe('an entry that can name nobody is an error', () => {
  const stranger = { users: ['ada@other.test', 'ada@example.test', 'cy@example.test'] };

  it.each<[string, Partial<ProfileInput>]>([
    ['requesters', { requesters: stranger }],
    ['approvers', { approvers: stranger }],
    ['deny', { deny: stranger }],
    ['automatic.1.when.members', { automatic: [{ when: { maximum: '5m' } }, { when: { members: stranger } }] }],
    ['approval.steps.0.from', { ...steps({ from: stranger }) }],
    ['approval.steps.0.escalate.0.to', { ...steps({ escalate: [{ after: '5m', to: stranger }] }) }],
    ['approval.steps.1.unless.members', { ...steps({}, { unless: { members: stranger } }) }],
    ['automatic.members', { automatic: { members: stranger, maximum: '5m' } }],
  ])('in %s', (list, change) => {
    expect(problemsOf(change.approval ? change : { approvers: { groups: ['S0SRE00001'] }, ...change })).toEqual(
      only(`profiles.debug.${list}.users.0: ada@other.test is nobody`, 'example.test'),
    );
  });

  it('among the administrators, and among those who have groups', () => {
    expect(problemsOf({}, { administrators: { users: ['dee'] } })).toEqual(
      only('administrators.users.0: dee is nobody'),
    );
    const groups = { '*': ['all'], 'Ada@Example.Test': ['sre'] };
    const identity = { emailDomains: ['example.test'], groups };
    expect(problemsOf({}, { identity })).toEqual([]);
    for (const key of ['ada@other.test', 'U024BE7LH'])
      expect(problemsOf({}, { identity: { ...identity, groups: { ...groups, [key]: ['x'] } } })).toEqual(
        only(`identity.groups.${key}: ${key} is nobody`),
      );
  });

  it('but not where an override, an account or a template leads to it, however it is written', () => {
    const users = ['Ada@Example.TEST', 'ada-admin', 'U024BE7LH'];
    const overrides = [{ slack: 'U0ADA', user: 'Ada-Admin' }];
    expect(problemsOf({ deny: { users } }, { identity: { emailDomains: ['example.test'], overrides } })).toEqual([]);
    const prefixed = { deny: { users: ['oidc:eve@anywhere.test'] } };
    const everywhere = {
      user: 'oidc:{email}',
      overrides: ['ada', 'ben', 'cy', 'dee'].map((name) => ({
        slack: `U0${name.toUpperCase()}`,
        user: `${name}@example.test`,
      })),
    };
    expect(problemsOf(prefixed, { identity: everywhere })).toEqual([]);
  });

  it('of the overrides: a user with the form of a Slack id, and an account that has two', () => {
    const identity = (...overrides: { slack: string; user: string }[]) => ({
      identity: { emailDomains: ['example.test'], overrides },
    });
    expect(problemsOf({}, identity({ slack: 'U0ADA', user: 'U024BE7LH' }))).toEqual(
      only('identity.overrides.0.user: U024BE7LH has the form of a Slack member id'),
    );
    const twice = [
      { slack: 'U0ADA', user: 'ada' },
      { slack: 'U0ADA', user: 'ada-admin' },
    ];
    expect(problemsOf({}, identity(...twice))).toEqual(only('identity.overrides.1.slack: U0ADA has two overrides'));
    expect(problemsOf({}, identity({ slack: 'U0ADA', user: 'ada' }, { slack: 'U0ADA2', user: 'ada' }))).toEqual([]);
  });
});

describe('a list that nobody satisfies is an error', () => {
  const users = (...names: string[]) => ({ users: names.map((name) => `${name}@example.test`) });

  it.each<[string, Partial<ProfileInput>, string]>([
    ['more approvals than approvers', { approvals: 3 }, 'approvers: nothing can be approved: 3 needed'],
    [
      'the only approver is the only requester',
      { requesters: users('ben'), approvers: users('Ben') },
      'approvers: nothing can be approved: 1 needed, and no request has more than 0',
    ],
    [
      'every requester is one of the approvers that are needed',
      { requesters: users('ben', 'cy'), approvals: 2 },
      'approvers: nothing can be approved',
    ],
    [
      'a step has too few',
      steps({ from: users('ben'), count: 2 }),
      "approval.steps.0.from: nothing can be approved: step 'owner': 2 needed, and no request has more than 1",
    ],
    [
      'two steps have one person',
      steps({ from: users('cy') }, { from: users('cy') }),
      'approval.steps: nothing can be approved: owner, security need 2 different people',
    ],
    [
      'the requester is the one whom a step lacks',
      { ...steps({ from: users('ben', 'cy') }, { from: users('ben', 'cy') }), requesters: users('ben', 'cy') },
      'approval.steps: nothing can be approved: owner, security need 2 different people, and no request has more than 1',
    ],
    [
      'a request has timed out before it escalates',
      { ...steps({ escalate: [{ after: '1h', to: users('cy') }] }), timeout: '1h' },
      'approval.steps.0.escalate.0.after: comes too late: a request times out after 1h',
    ],
    ['the approvers are denied', { deny: users('ben', 'cy') }, 'approvers: nothing can be approved'],
    ['all who may ask are denied', { deny: users('Ada', 'ben') }, 'requesters: nobody may ask'],
    [
      'who is granted it without a person may not ask',
      { automatic: { members: users('cy'), maximum: '5m' } },
      'automatic.members: none of them may ask',
    ],
    [
      'automatic approval of others, in a list',
      { automatic: [{ when: { maximum: '5m' } }, { when: { members: users('cy') } }] },
      'automatic.1.when.members: none of them may ask',
    ],
    ['one person by two entries', { approvals: 2, approvers: { users: ['ben@example.test', 'U0BEN'] } }, 'approvers'],
    ['nothing but namespaces of Kubernetes', { namespaces: ['kube-system', 'kube-*'] }, 'namespaces: covers nothing'],
  ])('%s', (_, change, problem) => {
    const overrides = [{ slack: 'U0BEN', user: 'ben@example.test' }];
    const found = problemsOf(change, { identity: { emailDomains: ['example.test'], overrides } });
    expect(found.some((line) => line.startsWith(`profiles.debug.${problem}`))).toBe(true);
  });

  it.each<[string, Partial<ProfileInput>]>([
    ['just as many approvers as are needed', { approvals: 2 }],
    ['somebody else may ask', { requesters: users('ben', 'ada'), approvers: users('ben') }],
    ['the two who may ask approve each other', { requesters: users('ben', 'cy') }],
    ['two of three decide two steps', steps({ from: users('ben', 'cy') }, { from: users('cy') })],
    [
      'a step is escalated to others',
      steps({ from: users('ben'), count: 2, escalate: [{ after: '5m', to: users('cy') }] }),
    ],
    ['of a step somebody in Slack', steps({ from: users('ben') }, { from: { ...users('ben'), groups: ['S0SEC'] } })],
    ['self-approval', { requesters: users('ben'), approvers: users('ben'), selfApproval: true }],
    ['whoever is in a group', { approvers: { ...users('ben'), groups: ['S0SRE00001'] }, approvals: 4 }],
    ['whoever is in a channel may ask', { requesters: { channels: ['C0ENGINEER1'] }, approvers: users('ben') }],
    ['one of the members may ask', { automatic: { members: users('cy', 'ada'), maximum: '5m' } }],
    ['members of a group may', { automatic: { members: { groups: ['S0ONCALL01'] }, maximum: '5m' } }],
    ['another namespace too', { namespaces: ['kube-system', 'staging'] }],
  ])('but not: %s', (_, change) => {
    expect(problemsOf(change)).toEqual([]);
  });
});

it('the lists of a policy are those of its administrators and of every list of a profile', () => {
  const policy = policySchema.parse({
    version: 1,
    identity: {},
    administrators: { groups: ['S0ADMIN001'] },
    approvals: { channel: 'C0ACCESS001' },
    profiles: {
      debug: {
        ...debug,
        requesters: { channels: ['C0ENGINEER1'] },
        approvers: { groups: ['S0SRE00001', 'S0ADMIN001'] },
        deny: { groups: ['S0CONTRACT'] },
        automatic: [{ when: { maximum: '5m' } }, { when: { members: { groups: ['S0ONCALL01'] } } }],
      },
      edit: {
        ...debug,
        ...steps(
          { escalate: [{ after: '5m', to: { groups: ['S0LATER'] } }] },
          { unless: { members: { groups: ['S0LESS'] } } },
        ),
      },
    },
  });
  expect([...listsOf(policy)]).toEqual([
    'S0ADMIN001',
    'C0ENGINEER1',
    'S0SRE00001',
    'S0CONTRACT',
    'S0ONCALL01',
    'S0OWN',
    'S0LATER',
    'S0SEC',
    'S0LESS',
  ]);
});
