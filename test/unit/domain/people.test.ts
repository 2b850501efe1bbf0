import { describe, expect, it } from 'vitest';
import { Refusal } from '../../../src/domain/errors.ts';
import {
  type Account,
  allowedBy,
  deniedBy,
  identify,
  kubernetesUser,
  type Members,
  membershipsNeeded,
  type Person,
} from '../../../src/domain/people.ts';
import type { Policy, Principals } from '../../../src/domain/policy.ts';

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
  overrides: [],
  groups: {},
  admit: [],
  ...change,
});
const ada: Person = { slackId: 'U0ADA', name: 'Ada', user: 'ada@example.test', groups: [] };
/** The same person, by another Slack account. */
const adaAgain: Person = { ...ada, slackId: 'U0ADA2' };
const list = (change: Partial<Principals> = {}): Principals => ({ users: [], groups: [], channels: [], ...change });
const members = (slackIds: string[], users: string[] = []): Members => ({
  slackIds: new Set(slackIds),
  users: new Set(users),
});

describe('the Kubernetes user behind a Slack account', () => {
  it.each<[string, Account, Policy['identity'], string | null]>([
    ['the confirmed address', account(), identity(), 'ada@example.test'],
    ['in lower case', account({ email: 'Ada@Example.Test' }), identity(), 'ada@example.test'],
    ['by the template', account(), identity({ user: 'oidc:{local}' }), 'oidc:ada'],
    ['by both parts of the template', account(), identity({ user: '{local}/{email}' }), 'ada/ada@example.test'],
    ['nobody without an address', account({ email: '' }), identity(), null],
    ['nobody with an address that is not confirmed', account({ emailConfirmed: false }), identity(), null],
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
    try {
      identify(who, how);
    } catch (error) {
      if (error instanceof Refusal) return error;
      throw error;
    }
    return null;
  };

  it.each<[Partial<Account>, string]>([
    [{ deactivated: true }, 'identity.deactivated'],
    [{ bot: true }, 'identity.admit.bots'],
    [{ external: true }, 'identity.admit.external'],
    [{ guest: true }, 'identity.admit.guests'],
    [{ emailConfirmed: false }, 'identity.user'],
    [{ email: '' }, 'identity.user'],
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
    expect(identify(account(), identity({ groups }))).toEqual({ ...ada, groups: ['developers', 'sre'] });
  });

  it('has no groups by a name that every object knows', () => {
    const how = identity({ user: '{local}' });
    expect(identify(account({ email: 'constructor@example.test' }), how).groups).toEqual([]);
  });
});

describe('allow and deny lists', () => {
  const none = new Map<string, string | null>();

  it('a deny list names the person whatever account acts', () => {
    for (const person of [ada, adaAgain]) {
      expect(deniedBy(list({ users: ['ada@example.test'] }), person, new Map(), none)).toBe('users: ada@example.test');
      expect(deniedBy(list({ users: ['U0ADA'] }), person, new Map(), new Map([['U0ADA', 'ada@example.test']]))).toBe(
        'users: U0ADA',
      );
      const inGroup = new Map([['S1', members(['U0ADA'], ['ada@example.test'])]]);
      expect(deniedBy(list({ groups: ['S1'] }), person, inGroup, none)).toBe('groups: S1');
      expect(
        deniedBy(list({ channels: ['C1'] }), person, new Map([['C1', members([], ['ada@example.test'])]]), none),
      ).toBe('channels: C1');
    }
  });

  it('what can not be read is in a deny list', () => {
    const denied = list({ groups: ['S1'] });
    expect(deniedBy(denied, ada, new Map([['S1', null]]), none)).toContain("can't be read");
    expect(deniedBy(denied, ada, new Map(), none)).toContain("can't be read");
    expect(deniedBy(list({ channels: ['C1'] }), ada, new Map(), none)).toContain("can't be read");
  });

  it('what can not be read is not in an allow list', () => {
    const allowed = list({ groups: ['S1'], channels: ['C1'] });
    expect(
      allowedBy(
        allowed,
        ada,
        new Map([
          ['S1', null],
          ['C1', null],
        ]),
      ),
    ).toBeNull();
    expect(allowedBy(allowed, ada, new Map())).toBeNull();
  });

  it('a deny list that names others names nobody else', () => {
    const others = list({ users: ['ben@example.test', 'U0BEN'], groups: ['S1'] });
    expect(
      deniedBy(others, ada, new Map([['S1', members(['U0BEN'], ['ben@example.test'])]]), new Map([['U0BEN', null]])),
    ).toBeNull();
    expect(deniedBy(list(), ada, new Map(), none)).toBeNull();
  });

  it('an allow list answers with the entry that names the person', () => {
    expect(allowedBy(list({ users: ['ada@example.test'] }), ada, new Map())).toBe('users: ada@example.test');
    expect(allowedBy(list({ users: ['U0ADA'] }), ada, new Map())).toBe('users: U0ADA');
    expect(allowedBy(list({ groups: ['S1'] }), ada, new Map([['S1', members(['U0ADA'])]]))).toBe('groups: S1');
    expect(allowedBy(list({ channels: ['C1'] }), ada, new Map([['C1', members(['U0ADA'])]]))).toBe('channels: C1');
    expect(allowedBy(list({ groups: ['S1'] }), adaAgain, new Map([['S1', members(['U0ADA'])]]))).toBeNull();
    expect(allowedBy(list(), ada, new Map())).toBeNull();
  });

  it('say what must be looked up, each once', () => {
    expect(membershipsNeeded(list({ groups: ['S1', 'S2'] }), list({ groups: ['S1'], channels: ['C1'] }))).toEqual([
      'S1',
      'S2',
      'C1',
    ]);
  });
});
