import { describe, expect, it } from 'vitest';
import { Refusal } from '../../../../src/domain/errors.ts';
import {
  type Account,
  allowedBy,
  deniedBy,
  groupsOf,
  identify,
  kubernetesUser,
  type Listing,
  type Person,
} from '../../../../src/domain/people/people.ts';
import { addressOfUser, isReachable, isSamePerson, isSlackId } from '../../../../src/domain/policy/identity.ts';
import type { Policy, Principals } from '../../../../src/domain/policy/policy.ts';
import { decideWith, type Known } from '../../../support/people.ts';

const account = (change: Partial<Account> = {}): Account => ({
  slackId: 'U0ADA',
  name: 'Ada',
  email: 'ada@example.test',
  emailConfirmed: true,
  bot: false,
  guest: false,
  external: false,
  deactivated: false,
  ...change,
});
const identity = (change: Partial<Policy['identity']> = {}): Policy['identity'] => ({
  user: '{email}',
  confirmedBy: 'slack',
  overrides: [],
  groups: {},
  admit: [],
  ...change,
});
const ada: Person = { slackId: 'U0ADA', name: 'Ada', user: 'ada@example.test', groups: [] };
/** The same person, by another Slack account. */
const adaAgain: Person = { ...ada, slackId: 'U0ADA2' };
const list = (change: Partial<Principals> = {}): Principals => ({ users: [], groups: [], channels: [], ...change });

describe('the Kubernetes user behind a Slack account', () => {
  it.each<[string, Account, Policy['identity'], string | null]>([
    ['the confirmed address', account(), identity(), 'ada@example.test'],
    ['in lower case', account({ email: 'Ada@Example.Test' }), identity(), 'ada@example.test'],
    ['by the template', account(), identity({ user: 'oidc:{local}' }), 'oidc:ada'],
    ['by both parts of the template', account(), identity({ user: '{local}/{email}' }), 'ada/ada@example.test'],
    ['nobody without an address', account({ email: '' }), identity(), null],
    ['nobody with an address that is not confirmed', account({ emailConfirmed: false }), identity(), null],
    [
      'an address that Slack does not confirm, where the workspace gives them',
      account({ emailConfirmed: false }),
      identity({ confirmedBy: 'workspace' }),
      'ada@example.test',
    ],
    ...(['guest', 'external', 'bot'] as const).map((what): [string, Account, Policy['identity'], string | null] => [
      `nobody by an unconfirmed address of a ${what}, which the workspace does not give`,
      account({ emailConfirmed: false, [what]: true }),
      identity({ confirmedBy: 'workspace', admit: ['guests', 'external', 'bots'] }),
      null,
    ]),
    [
      'nobody of another domain, whoever confirms it',
      account({ email: 'ada@evil.test', emailConfirmed: false }),
      identity({ confirmedBy: 'workspace', emailDomains: ['example.test'] }),
      null,
    ],
    [
      'nobody of another domain',
      account({ email: 'ada@evil.test' }),
      identity({ emailDomains: ['example.test'] }),
      null,
    ],
    [
      'nobody of a subdomain',
      account({ email: 'ada@x.example.test' }),
      identity({ emailDomains: ['example.test'] }),
      null,
    ],
    ['by the override', account(), identity({ overrides: [{ slack: 'U0ADA', user: 'ada-admin' }] }), 'ada-admin'],
    [
      'by the override even without an address',
      account({ email: '', emailConfirmed: false }),
      identity({ overrides: [{ slack: 'U0ADA', user: 'x' }] }),
      'x',
    ],
    [
      'nobody by two overrides',
      account(),
      identity({
        overrides: [
          { slack: 'U0ADA', user: 'x' },
          { slack: 'U0ADA', user: 'x' },
        ],
      }),
      null,
    ],
    [
      'not by the override of another',
      account(),
      identity({ overrides: [{ slack: 'U0BEN', user: 'ben' }] }),
      'ada@example.test',
    ],
    [
      'nobody who would be a system user',
      account({ email: 'masters@example.test' }),
      identity({ user: 'system:{local}' }),
      null,
    ],
    ['no template inside an address', account({ email: '{local}@example.test' }), identity(), null],
    ['no address with two @', account({ email: 'ada@example.test@evil.test' }), identity(), null],
    ['no address with a blank', account({ email: 'ada x@example.test' }), identity(), null],
    ['no address with a line break', account({ email: 'ada@example.test\nsystem:masters' }), identity(), null],
    ['no address with a colon', account({ email: 'system:admin@example.test' }), identity(), null],
    ['no look-alike letters', account({ email: 'аda@example.test' }), identity(), null],
    ['no letter that only becomes one in lower case', account({ email: '\u{212A}im@example.test' }), identity(), null],
    ['no address with a star', account({ email: '*@example.test' }), identity(), null],
  ])('is %s', (_, who, how, user) => {
    expect(kubernetesUser(who, how)).toBe(user);
  });
});

describe('who may act', () => {
  const refused = (who: Account, how = identity()) => {
    const found = identify(who, { identity: how });
    return found instanceof Refusal ? found : null;
  };

  it.each<[Partial<Account>, string]>([
    [{ deactivated: true }, 'identity.deactivated'],
    [{ bot: true }, 'identity.admit.bots'],
    [{ external: true }, 'identity.admit.external'],
    [{ guest: true }, 'identity.admit.guests'],
    [{ emailConfirmed: false }, 'identity.confirmedBy'],
    [{ email: '' }, 'identity.email'],
    [{ email: '', emailConfirmed: false }, 'identity.email'],
    [{ email: 'ada+2@example.test' }, 'identity.user'],
  ])('not %j', (change, rule) => {
    expect(refused(account(change))).toMatchObject({ rule });
  });

  it('guests, bots and people of other workspaces only where the policy admits that kind', () => {
    expect(refused(account({ guest: true }), identity({ admit: ['guests'] }))).toBeNull();
    expect(refused(account({ bot: true }), identity({ admit: ['bots'] }))).toBeNull();
    expect(refused(account({ external: true }), identity({ admit: ['external'] }))).toBeNull();
    expect(refused(account({ guest: true, external: true }), identity({ admit: ['guests'] }))).not.toBeNull();
    expect(refused(account({ deactivated: true }), identity({ admit: ['guests', 'bots', 'external'] }))).not.toBeNull();
  });

  it('has the groups that the policy gives to all and to this user, each once', () => {
    const groups = { '*': ['developers'], 'ada@example.test': ['sre', 'developers'], 'ben@example.test': ['dba'] };
    expect(identify(account(), { identity: identity({ groups }) })).toEqual({ ...ada, groups: ['developers', 'sre'] });
  });

  it('and groups are given to a user however the policy writes it', () => {
    const groups = { 'Ada@Example.Test': ['sre'], 'ada@example.test': ['dba'] };
    expect(groupsOf('ada@example.test', identity({ groups }))).toEqual(['dba', 'sre']);
    expect(groupsOf('ben@example.test', identity({ groups }))).toEqual([]);
  });

  it('has no groups by a name that every object knows', () => {
    const how = identity({ user: '{local}' });
    expect(identify(account({ email: 'constructor@example.test' }), { identity: how })).toHaveProperty('groups', []);
  });
});

describe('a user turned round', () => {
  it.each<[string, string, Policy['identity'], string | null]>([
    ['the address that the template is', 'ada@example.test', identity(), 'ada@example.test'],
    ['the same however it is written', 'Ada@Example.Test', identity(), 'ada@example.test'],
    ['behind a prefix', 'oidc:ada@example.test', identity({ user: 'oidc:{email}' }), 'ada@example.test'],
    [
      'by its local part',
      'sso:ada',
      identity({ user: 'sso:{local}', emailDomains: ['example.test'] }),
      'ada@example.test',
    ],
    ['by both parts', 'ada/ada@example.test', identity({ user: '{local}/{email}' }), 'ada@example.test'],
    ['none where the parts differ', 'ben/ada@example.test', identity({ user: '{local}/{email}' }), null],
    ['none without the prefix', 'ada@example.test', identity({ user: 'oidc:{email}' }), null],
    ['none of another domain', 'ada@evil.test', identity({ emailDomains: ['example.test'] }), null],
    ['none of a name that is no address', 'cluster-admin', identity(), null],
    ['none of signs that no address has', 'ada+2@example.test', identity(), null],
    ['none where a sign of the template is another', 'xxada@example.test', identity({ user: 'x.{email}' }), null],
  ])('leads to %s', (_, user, how, address) => {
    expect(addressOfUser(user, how)).toBe(address);
  });

  it('is reachable by an override too', () => {
    const how = identity({ overrides: [{ slack: 'U0ADA', user: 'Ada-Admin' }] });
    expect(isReachable('ada-admin', how)).toBe(true);
    expect(isReachable('ada@example.test', how)).toBe(true);
    expect(isReachable('ben-admin', how)).toBe(false);
  });

  it('is one person by account or by user', () => {
    expect(isSamePerson(ada, { ...ada, user: 'other@example.test' })).toBe(true);
    expect(isSamePerson(ada, { slackId: 'U0X', user: 'ADA@example.test' })).toBe(true);
    expect(isSamePerson(ada, { slackId: 'U0X', user: 'other@example.test' })).toBe(false);
  });

  it('is no Slack id, which names an account', () => {
    expect(['U0ADA', 'W0ADA'].every(isSlackId)).toBe(true);
    expect(['u0ada', 'U0', 'S0ADA', 'U0ADA@example.test', 'U0ada'].some(isSlackId)).toBe(false);
  });
});

describe('allow and deny lists', () => {
  /** The entry that names the person; what can't be read with a question mark. */
  const said = (listing: Listing) =>
    listing.is === 'unnamed'
      ? null
      : `${listing.is === 'unknown' ? '?' : ''}${listing.entry.word}: ${listing.entry.id}`;
  const denying = (deny: Principals, person: Person, known: Known = {}, how = identity()) => {
    const { decided, asked } = decideWith(deniedBy('deny', deny, person, how), known);
    return { said: said(decided), asked };
  };
  const denied = (...args: Parameters<typeof denying>) => denying(...args).said;
  const allowed = (allow: Principals, person: Person, known: Known = {}) =>
    said(decideWith(allowedBy({ allow }, person), known).decided);
  const tied = identity({ overrides: [{ slack: 'U0ADA2', user: 'Ada@Example.Test' }] });

  it('a deny list names the person whatever account acts', () => {
    const known = { lists: { S1: [{ slackId: 'U0ADA' }], S2: [{ slackId: 'U0ADA2' }] }, accounts: [account()] };
    for (const person of [ada, adaAgain]) {
      expect(denied(list({ users: ['ADA@example.test'] }), person, known, tied)).toBe('users: ADA@example.test');
      expect(denied(list({ users: ['U0ADA'] }), person, known, tied)).toBe('users: U0ADA');
      expect(denied(list({ users: ['U0ADA2'] }), person, known, tied)).toBe('users: U0ADA2');
      expect(denied(list({ groups: ['S1'] }), person, known, tied)).toBe('groups: S1');
      expect(denied(list({ channels: ['S2'] }), person, known, tied)).toBe('channels: S2');
    }
  });

  it('second accounts cost no call: but for one, by the address, where an override stands in between', () => {
    const known = { lists: { S1: Array.from({ length: 150 }, (_, i) => ({ slackId: `U${i}` })) } };
    const deny = list({ groups: ['S1'] });
    expect(denying(deny, ada, known, tied)).toEqual({ said: null, asked: ['S1'] });
    expect(denying(deny, adaAgain, known, tied)).toEqual({ said: null, asked: ['S1', 'ada@example.test'] });
    expect(denying(list({ users: ['ben@example.test'] }), adaAgain, known, tied)).toEqual({ said: null, asked: [] });
    expect(denying(list(), ada, known)).toEqual({ said: null, asked: [] });
  });

  it('an account with the address counts only where it leads to the same user', () => {
    const known = (change: Partial<Account>) => ({
      lists: { S1: [{ slackId: 'U0ADA' }] },
      accounts: [account(change)],
    });
    const deny = list({ groups: ['S1'] });
    expect(denied(deny, adaAgain, known({}), tied)).toBe('groups: S1');
    expect(denied(deny, adaAgain, known({ emailConfirmed: false }), tied)).toBeNull();
    const elsewhere = identity({ overrides: [...tied.overrides, { slack: 'U0ADA', user: 'somebody-else' }] });
    expect(denied(deny, adaAgain, known({}), elsewhere)).toBeNull();
  });

  it('where outsiders are admitted, their address may be that of an account of ours', () => {
    const outsider: Person = { ...ada, slackId: 'U0FAR' };
    const known = { lists: { S1: [{ slackId: 'U0ADA' }] }, accounts: [account()] };
    expect(denied(list({ groups: ['S1'] }), outsider, known, identity({ admit: ['external'] }))).toBe('groups: S1');
    expect(denied(list({ users: ['U0ADA'] }), outsider, known, identity({ admit: ['external'] }))).toBe('users: U0ADA');
  });

  it('what can not be read is in a deny list, and is told as that', () => {
    expect(denied(list({ groups: ['S1'] }), ada)).toBe('?groups: S1');
    expect(denied(list({ channels: ['C1'] }), ada)).toBe('?channels: C1');
    const known = { lists: { S1: [] }, addressesUnread: true };
    expect(denied(list({ groups: ['S1'] }), adaAgain, known, tied)).toBe('?groups: S1');
    // What is certain is told first.
    expect(denied(list({ groups: ['S0', 'S1'] }), ada, { lists: { S1: [ada] } })).toBe('groups: S1');
  });

  it('what can not be read is not in an allow list, and stops no other entry', () => {
    const both = list({ groups: ['S1'], channels: ['C1'] });
    expect(allowed(both, ada)).toBe('?groups: S1');
    expect(allowed(both, ada, { lists: { C1: [ada] } })).toBe('channels: C1');
    expect(allowed(both, ada, { lists: { C1: [] } })).toBe('?groups: S1');
  });

  it('a deny list that names others names nobody else', () => {
    const others = list({ users: ['ben@example.test', 'U0BEN'], groups: ['S1'] });
    expect(denied(others, ada, { lists: { S1: [{ slackId: 'U0BEN' }] } })).toBeNull();
  });

  it('an allow list answers with the entry that names the person, by this very account', () => {
    const known = { lists: { S1: [ada], C1: [ada] } };
    expect(allowed(list({ users: ['Ada@example.test'] }), ada, known)).toBe('users: Ada@example.test');
    expect(allowed(list({ users: ['U0ADA'] }), ada, known)).toBe('users: U0ADA');
    expect(allowed(list({ groups: ['S1'] }), ada, known)).toBe('groups: S1');
    expect(allowed(list({ channels: ['C1'] }), ada, known)).toBe('channels: C1');
    expect(allowed(list({ groups: ['S1'] }), adaAgain, known)).toBeNull();
    expect(allowed(list({ users: ['U0ADA'] }), adaAgain, known)).toBeNull();
    expect(allowed(list(), ada, known)).toBeNull();
  });

  it('a Slack id names an account and never a user who is called so', () => {
    const called: Person = { ...ada, slackId: 'U0EVE', user: 'u0ada' };
    expect(allowed(list({ users: ['U0ADA'] }), called)).toBeNull();
    expect(
      denied(list({ users: ['U0ADA'] }), called, {}, identity({ user: '{local}', emailDomains: ['x.test'] })),
    ).toBeNull();
  });
});
