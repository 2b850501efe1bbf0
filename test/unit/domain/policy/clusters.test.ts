import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { identify, identityIn } from '../../../../src/domain/people/people.ts';
import { addressOfUser, isSamePerson, userOfAddress, whyAmbiguous } from '../../../../src/domain/policy/identity.ts';
import { channelOf, clustersOf, ownChannels } from '../../../../src/domain/policy/policy.ts';
import { type PolicyInput, policySchema } from '../../../../src/domain/policy/schema.ts';
import { account, PEOPLE, POLICY } from '../../../support/app-world.ts';

const TWO = { staging: {}, 'prod-eu': { context: 'prod-eu' } };
const policyOf = (clusters: PolicyInput['clusters'], profile: object = {}, more: Partial<PolicyInput> = {}) => ({
  ...POLICY,
  ...(clusters && { clusters }),
  profiles: { debug: { ...POLICY.profiles.debug, ...profile } },
  ...more,
});
const problems = (policy: unknown): string[] => {
  const { success, error } = policySchema.safeParse(policy);
  return success ? [] : error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
};

describe('clusters of a policy', () => {
  it.each<[string, object, string | null]>([
    ['none', policyOf(undefined), null],
    ['one with a name', policyOf({ prod: {} }), null],
    ['two, with those of each profile', policyOf(TWO, { clusters: ['staging', 'prod-*'] }), null],
    ['two, of which a profile says nothing', policyOf(TWO), 'profiles.debug.clusters: is missing'],
    [
      'a pattern that fits none',
      policyOf(TWO, { clusters: ['dev-*'] }),
      'profiles.debug.clusters.0: no cluster fits dev-*',
    ],
    [
      'words of clusters without any',
      policyOf(undefined, { clusters: ['*'] }),
      'profiles.debug.clusters: the policy names no clusters',
    ],
    [
      'two without a context',
      policyOf({ a: {}, b: {} }, { clusters: ['*'] }),
      'clusters.b: has no context, and neither has a',
    ],
    [
      'one context by two names',
      policyOf({ a: { context: 'x' }, b: { context: 'x' } }, { clusters: ['*'] }),
      'clusters.b.context: leads to the same cluster as a',
    ],
    ['a mapping without any', policyOf({}), 'clusters: has no cluster'],
    ['a name that could be a namespace with more', policyOf({ 'a:b': {} }), 'clusters.a:b: '],
    [
      'a condition on one that is not there',
      policyOf(TWO, {
        clusters: ['*'],
        automatic: [{ when: { members: { users: ['ada@example.test'] }, clusters: ['dev'] } }],
      }),
      'profiles.debug.automatic.0.when.clusters.0: no cluster fits dev',
    ],
    [
      'a user that everybody shares',
      policyOf({ prod: { identity: { user: 'EKSGetTokenAuth' } } }),
      'clusters.prod.identity.user: expected a template',
    ],
    [
      'a session name that everybody shares, beside a placeholder',
      policyOf({ prod: { identity: { user: 'arn:EKSGetTokenAuth/{email}' } } }),
      "clusters.prod.identity.user: 'arn:EKSGetTokenAuth/{email}' makes no name of a person",
    ],
    [
      'a template that could make one user of two people',
      policyOf({ prod: { identity: { user: '{email:eks}' } } }),
      'clusters.prod.identity.emailDomains: a template with {email:eks} needs the domains',
    ],
    [
      'one user of two accounts',
      policyOf({
        prod: { identity: { overrides: [PEOPLE.ada, PEOPLE.ben].map((slack) => ({ slack, user: 'oid-1' })) } },
      }),
      'clusters.prod.identity.overrides.1.user: oid-1 is the user of two accounts',
    ],
  ])('%s', (_what, policy, expected) => {
    if (expected === null) expect(problems(policy)).toEqual([]);
    else expect(problems(policy)).toContainEqual(expect.stringContaining(expected));
  });

  it('are those that a profile names, in the order of the policy; names of people reach no others', () => {
    const policy = policySchema.parse(policyOf({ ...TWO, 'prod-us': { context: 'u' } }, { clusters: ['prod-*'] }));
    expect(clustersOf(policy, policy.profiles.debug as never)).toEqual(['prod-eu', 'prod-us']);
    const single = policySchema.parse(policyOf(undefined));
    expect(clustersOf(single, single.profiles.debug as never)).toEqual([null]);
  });

  it('have channels of their own, behind those of a profile', () => {
    const clusters = { staging: {}, prod: { context: 'p', channel: 'C0PROD' } };
    const policy = policySchema.parse(policyOf(clusters, { clusters: ['*'] }));
    expect(channelOf(policy, 'debug', 'prod')).toEqual({ id: 'C0PROD', path: 'clusters.prod.channel' });
    expect(channelOf(policy, 'debug', 'staging').path).toBe('approvals.channel');
    expect(ownChannels(policy).map(({ id }) => id)).toEqual(['C0PROD']);
    const own = policySchema.parse(policyOf(clusters, { clusters: ['*'], approval: { notify: { channel: 'C0OWN' } } }));
    expect(channelOf(own, 'debug', 'prod').id).toBe('C0OWN');
  });
});

describe('people of a cluster', () => {
  const eks = { user: '{email:eks}', emailDomains: ['example.test'] };
  const of = (identity: object) =>
    policySchema.parse(policyOf({ staging: {}, prod: { context: 'p', identity } }, { clusters: ['*'] }));

  it('are named as that cluster names them, and elsewhere as ever', () => {
    const ada = identify(account(PEOPLE.ada, 'ada'), of(eks));
    expect(ada).toMatchObject({ user: 'ada@example.test' });
    expect(identityIn(ada as never, 'prod')).toEqual({ user: 'ada-example.test', groups: [] });
    expect(identityIn(ada as never, 'staging')?.user).toBe('ada@example.test');
  });

  it('are nobody there whom nothing in the policy leads there', () => {
    const other = of({ emailDomains: ['other.test'] });
    const ada = identify(account(PEOPLE.ada, 'ada'), other);
    expect(identityIn(ada as never, 'prod')).toBeNull();
    const overridden = of({ emailDomains: ['other.test'], overrides: [{ slack: PEOPLE.ada, user: 'oid-7' }] });
    expect(identityIn(identify(account(PEOPLE.ada, 'ada'), overridden) as never, 'prod')?.user).toBe('oid-7');
  });

  it('are one person when one cluster knows them as one user', () => {
    const policy = of({ overrides: [{ slack: PEOPLE.ada, user: 'Ben@example.test' }] });
    const [ada, ben, cy] = (['ada', 'ben', 'cy'] as const).map(
      (name) => identify(account(PEOPLE[name], name), policy) as never,
    );
    expect(isSamePerson(ada as never, ben as never)).toBe(true);
    expect(isSamePerson(ada as never, cy as never)).toBe(false);
  });
});

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?$/);
const domain = fc.tuple(label, label).map((parts) => parts.join('.'));
const local = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,6}$/);

test('of two addresses no template that is taken makes one user, and each user leads back to its address', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('{email}', '{email:lower}', '{email:eks}', '{local}', 'oidc:{email:eks}', '{local}/{email}'),
      fc.uniqueArray(domain, { minLength: 1, maxLength: 3 }),
      fc.array(fc.tuple(local, fc.nat()), { minLength: 2, maxLength: 6 }),
      (user, emailDomains, names) => {
        const identity = { user, emailDomains, overrides: [] };
        fc.pre(whyAmbiguous(identity) === null);
        const addresses = new Set(names.map(([name, nth]) => `${name}@${emailDomains[nth % emailDomains.length]}`));
        const users = [...addresses].map((address) => userOfAddress(address, identity));
        expect(new Set(users).size).toBe(addresses.size);
        for (const [index, address] of [...addresses].entries())
          expect(addressOfUser(users[index] ?? '', identity)).toBe(address);
      },
    ),
    { numRuns: 500 },
  );
});
