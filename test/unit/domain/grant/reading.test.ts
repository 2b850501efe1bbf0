import { describe, expect, test } from 'vitest';
import { GRANT_STATES } from '../../../../src/domain/grant/grant.ts';
import { mayRead, openAccess } from '../../../../src/domain/grant/reading.ts';
import type { Person } from '../../../../src/domain/people/people.ts';
import { policySchema } from '../../../../src/domain/policy/schema.ts';
import { ADA, sampleGrant } from '../../../support/grants.ts';
import { decideWith } from '../../../support/people.ts';

const debug = {
  scope: 'workload',
  namespaces: ['staging'],
  rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  requesters: { users: ['ada@example.test'] },
  approvers: { users: ['ben@example.test'], groups: ['S0SRE'] },
  duration: { default: '30m', maximum: '2h' },
} as const;
const INPUT = {
  version: 1,
  identity: {},
  administrators: { users: ['dee@example.test'], groups: ['S0ADMIN'] },
  approvals: { channel: 'C0ACCESS' },
  profiles: { debug, other: { ...debug, approvers: { users: ['eve@example.test'] } } },
} as const;
const policy = policySchema.parse(INPUT);
const someone = (user: string, slackId = 'U0SOMEONE'): Person => ({ slackId, name: '', user, groups: [] });
const CY = someone('cy@example.test', 'U0CY');
const grant = sampleGrant({ profile: 'debug', requester: ADA });
const NOBODY = { S0SRE: [], S0ADMIN: [], C0ACCESS: [] };

describe('all of a grant may be read by', () => {
  const reads = (person: Person, lists: Record<string, readonly Person[]> = NOBODY, of = policy, what = grant) =>
    decideWith(mayRead(of, what, person), { lists }).decided;

  test.each<[string, Person, Record<string, readonly Person[]>?]>([
    ['its requester', ADA],
    ['its requester, whose address has changed', { ...ADA, user: 'ada.l@example.test' }],
    ['its requester by another account', { ...ADA, slackId: 'U0ADA2' }],
    ['an approver', someone('ben@example.test')],
    ['an approver of a group', CY, { ...NOBODY, S0SRE: [CY] }],
    ['an administrator', someone('dee@example.test')],
    ['an administrator of a group', CY, { ...NOBODY, S0ADMIN: [CY] }],
    ['a member of the approvals channel', CY, { ...NOBODY, C0ACCESS: [CY] }],
  ])('%s', (_who, person, lists) => expect(reads(person, lists)).toBe(true));

  test.each<[string, Person, Record<string, readonly Person[]>?]>([
    ['anybody', CY],
    ['an approver of another profile', someone('eve@example.test')],
    ['whom a list alone could name that can not be read', CY, {}],
  ])('not by %s', (_who, person, lists) => expect(reads(person, lists)).toBe(false));

  test('administrators and the channel when the policy has no such profile any more', () => {
    const without = policySchema.parse({ ...INPUT, profiles: { other: INPUT.profiles.other } });
    expect(reads(someone('dee@example.test'), NOBODY, without)).toBe(true);
    expect(reads(CY, { ...NOBODY, C0ACCESS: [CY] }, without)).toBe(true);
    expect(reads(someone('ben@example.test'), NOBODY, without)).toBe(false);
  });

  test('members of the channel in which its message is, and nobody of another one', () => {
    const own = policySchema.parse({
      ...INPUT,
      profiles: { debug: { ...debug, approval: { notify: { channel: 'C0OWN' } } } },
    });
    const posted = sampleGrant({ profile: 'debug', message: { channel: 'C0BEFORE', ts: '1.2' } });
    const reader = (channel: string) => ({ ...NOBODY, C0OWN: [], C0BEFORE: [], [channel]: [CY] });
    expect(['C0ACCESS', 'C0OWN', 'C0BEFORE'].filter((id) => reads(CY, reader(id), own))).toEqual(['C0OWN']);
    expect(['C0ACCESS', 'C0OWN', 'C0BEFORE'].filter((id) => reads(CY, reader(id), own, posted))).toEqual(['C0BEFORE']);
  });

  test('without a list being read where none is needed', () => {
    for (const person of [ADA, someone('ben@example.test'), someone('dee@example.test')])
      expect(decideWith(mayRead(policy, grant, person)).asked).toEqual([]);
  });
});

test('everybody may know who has access where, until when, and nothing of what gives none', () => {
  for (const state of GRANT_STATES) {
    const seen = openAccess(sampleGrant({ state, requester: ADA, expiresAt: 1 }));
    if (!['applying', 'active', 'ending'].includes(state)) expect([state, seen]).toEqual([state, null]);
    else {
      expect(seen).toMatchObject({ state, requester: ADA, profile: 'debug', expiresAt: 1 });
      expect(Object.keys(seen ?? {}).toSorted()).toEqual(
        ['cluster', 'expiresAt', 'id', 'profile', 'requester', 'state', 'target'].toSorted(),
      );
    }
  }
});
