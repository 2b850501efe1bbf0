import { beforeEach, describe, expect, test } from 'vitest';
import { everybodyOnCall, judgeTicket, onCallAmong } from '../../../../src/app/people/sources.ts';
import type { Account } from '../../../../src/domain/people/people.ts';
import type { PolicyInput } from '../../../../src/domain/policy/schema.ts';
import { account, appWorld, PEOPLE, POLICY } from '../../../support/app-world.ts';

const { ada, ben } = PEOPLE;
const ONCALL: PolicyInput['oncall'] = {
  payments: { pagerduty: { escalationPolicy: 'PABC123' } },
  platform: { group: 'S0ONCALL01' },
  db: { url: 'https://oncall.example.test/db' },
};
const policyWith = (change: Partial<PolicyInput> = {}): PolicyInput => ({
  ...POLICY,
  oncall: ONCALL,
  tickets: { pattern: 'OPS-[0-9]+', url: 'https://tickets.example.test/' },
  ...change,
});

let app: ReturnType<typeof appWorld>;
const accountOfAda = (change: Partial<Account>) => app.accounts.set(ada, { ...account(ada, 'ada'), ...change });
const isAdaOnCall = async (name = 'payments') => {
  const answer = await onCallAmong(app.world, name, ada, 'now');
  return 'retryIn' in answer ? 'unknown' : answer.has(ada);
};
beforeEach(() => {
  app = appWorld(policyWith());
  app.onCall.set('PABC123', ['ada@example.test']);
});

describe('who is on call', () => {
  test.each<[string, Partial<Account>, boolean]>([
    ['their confirmed address', {}, true],
    ['the same in other case', { email: 'Ada@Example.TEST' }, true],
    ['an address that nobody has confirmed', { emailConfirmed: false }, false],
    ['another address', { email: 'ada@other.test' }, false],
    ['an address with a letter that only looks the same', { email: '\u0430da@example.test' }, false],
    ['no address', { email: '' }, false],
  ])('is known by %s', async (_what, change, expected) => {
    accountOfAda(change);
    expect(await isAdaOnCall()).toBe(expected);
  });

  test('is known by an address for which the workspace answers, but not of a guest', async () => {
    app = appWorld(policyWith({ identity: { confirmedBy: 'workspace' } }));
    app.onCall.set('PABC123', ['ada@example.test']);
    accountOfAda({ emailConfirmed: false });
    expect(await isAdaOnCall()).toBe(true);
    accountOfAda({ emailConfirmed: false, guest: true });
    expect(await isAdaOnCall()).toBe(false);
  });

  test('is known by the address of the account, not by its Kubernetes user', async () => {
    app = appWorld(policyWith({ identity: { overrides: [{ slack: ada, user: 'ben@example.test' }] } }));
    app.onCall.set('PABC123', ['ben@example.test']);
    expect(await isAdaOnCall()).toBe(false);
  });

  test('is read from a user group of Slack as any list is', async () => {
    expect(await isAdaOnCall('platform')).toBe('unknown');
    app.members.set('S0ONCALL01', [ada]);
    expect(await isAdaOnCall('platform')).toBe(true);
  });

  test.each(['db', 'nobody', 'constructor', '__proto__'])('is not known where %s can not be read', async (name) => {
    expect(await isAdaOnCall(name)).toBe('unknown');
  });

  test('is called by account: no stranger, none whose address is not confirmed', async () => {
    app.onCall.set('PABC123', ['ada@example.test', 'ben@example.test', 'stranger@example.test']);
    app.accounts.set(ben, { ...account(ben, 'ben'), emailConfirmed: false });
    expect(await everybodyOnCall(app.world, 'payments')).toEqual(new Set([ada]));
    expect(await everybodyOnCall(app.world, 'db')).toEqual({ retryIn: 20 });
  });
});

describe('a ticket', () => {
  const use = { key: 'OPS-7', profile: 'debug', namespace: 'staging', workload: null, duration: 60, reason: 'OPS-7' };
  const addressesOf = async (user: string) => {
    await judgeTicket(app.world, { slackId: ada, name: 'Ada', user, groups: [] }, use);
    return app.judged.at(-1)?.requester.addresses;
  };

  test('is judged with every address that is the requester, so that none of their own counts as of somebody else', async () => {
    expect(await addressesOf('ada@example.test')).toEqual(['ada@example.test']);
    expect(await addressesOf('ben@example.test')).toEqual(['ada@example.test', 'ben@example.test']);
    accountOfAda({ emailConfirmed: false });
    expect(await addressesOf('ada')).toEqual([]);
  });
});
