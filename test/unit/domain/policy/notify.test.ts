import { describe, expect, it } from 'vitest';
import { digestOfProfile } from '../../../../src/domain/plan/plan.ts';
import { channelOf, listsOf, ownChannels, type Policy } from '../../../../src/domain/policy/policy.ts';
import { policySchema } from '../../../../src/domain/policy/schema.ts';

const debug = {
  scope: 'namespace',
  namespaces: ['staging'],
  clusterRole: 'view',
  requesters: { users: ['ada@example.test'] },
  approvers: { users: ['ben@example.test'] },
  duration: { default: '30m', maximum: '2h' },
} as const;
const input = (profiles: Record<string, unknown>) => ({
  version: 1,
  identity: { emailDomains: ['example.test'] },
  administrators: { users: ['dee@example.test'] },
  approvals: { channel: 'C0ACCESS' },
  profiles: Object.fromEntries(Object.entries(profiles).map(([name, approval]) => [name, { ...debug, approval }])),
});
const policyOf = (profiles: Record<string, unknown>): Policy => policySchema.parse(input(profiles));

describe('how people are asked', () => {
  it.each<[string, unknown, RegExp]>([
    [
      'a channel by its name',
      { notify: { channel: '#payments' } },
      /notify\.channel: expected the id of a Slack channel/,
    ],
    ['a person in the place of a channel', { notify: { channel: 'U0BEN' } }, /notify\.channel: expected the id/],
    ['nobody that there is', { notify: { mention: 'everybody' } }, /notify\.mention/],
    ['a word for yes', { notify: { direct: 'yes' } }, /notify\.direct/],
    [
      'a quiet person who is nobody',
      { notify: { quiet: { users: ['ben@elsewhere.test'] } } },
      /quiet\.users\.0: .*is nobody/,
    ],
    ['a quiet group by its handle', { notify: { quiet: { groups: ['@sre'] } } }, /quiet\.groups\.0/],
    [
      'who is on call, without a source',
      { notify: { mention: 'oncall' } },
      /notify\.mention: .*no source of who is on call/,
    ],
    ['an unknown key', { notify: { loud: true } }, /Unrecognized key: "loud"/],
    ['another rule for notes', { note: { approve: 'always' } }, /note\.approve/],
    ['a note on what is no decision', { note: { revoke: 'required' } }, /Unrecognized key: "revoke"/],
  ])('is not %s', (_what, approval, problem) => {
    const { error } = policySchema.safeParse(input({ debug: approval }));
    expect((error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n')).toMatch(
      problem,
    );
  });

  it('is as ever where the profile says nothing', () => {
    expect(policyOf({ debug: undefined }).profiles['debug']?.approval).toEqual({
      order: 'parallel',
      note: { deny: 'optional' },
      notify: { mention: 'approvers', direct: false, quiet: { users: [], groups: [], channels: [] } },
    });
  });

  it('is in the channel of the profile, else in that of all', () => {
    const policy = policyOf({
      a: undefined,
      b: { notify: { channel: 'C0OWN' } },
      c: { notify: { channel: 'C0OWN' } },
      d: { notify: { channel: 'C0ACCESS' } },
    });
    const own = { id: 'C0OWN', path: 'profiles.b.approval.notify.channel' };
    expect(channelOf(policy, 'a', null)).toEqual({ id: 'C0ACCESS', path: 'approvals.channel' });
    expect(channelOf(policy, 'b', null)).toEqual(own);
    for (const none of ['gone', 'constructor', '__proto__'])
      expect(channelOf(policy, none, null).path).toBe('approvals.channel');
    expect(ownChannels(policy)).toEqual([own]);
  });

  it('names lists that must be readable', () => {
    const quiet = { groups: ['S0QUIET'], channels: ['C0QUIET'] };
    expect([...listsOf(policyOf({ debug: { notify: { quiet } } }))]).toEqual(['S0QUIET', 'C0QUIET']);
  });

  it('is nothing that an approval binds', () => {
    const digest = (approval: unknown) => {
      const profile = policyOf({ debug: approval }).profiles['debug'];
      return profile && digestOfProfile(profile);
    };
    const asked = { note: { approve: 'required' }, notify: { channel: 'C0OWN', direct: true, mention: 'none' } };
    expect(digest(asked)).toBe(digest(undefined));
  });
});
