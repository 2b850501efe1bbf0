import { beforeEach, describe, expect, test } from 'vitest';
import { createDueRights } from '../../../src/app/upkeep/end-due.ts';
import { Unavailable } from '../../../src/domain/errors.ts';
import type { PolicyInput } from '../../../src/domain/policy/schema.ts';
import { appWorld, on, PEOPLE, POLICY } from '../../support/app-world.ts';

const { debug } = POLICY.profiles;
if (debug === undefined) throw new Error('the policy has no profile debug');
const TWO: PolicyInput = {
  ...POLICY,
  clusters: {
    staging: {},
    prod: { context: 'prod', identity: { user: '{email:eks}', emailDomains: ['example.test'] } },
  },
  profiles: {
    debug: { ...debug, clusters: ['*'] },
    careful: { ...debug, clusters: ['prod'] },
  },
};

let app: ReturnType<typeof appWorld>;
beforeEach(() => {
  app = appWorld(TWO, ['staging', 'prod']);
});
const active = (cluster: string, more = {}) => app.active(PEOPLE.ada, { cluster, ...more });
const isAway = (cluster: string) => {
  const { access } = app.clusterNamed(cluster);
  for (const step of ['verify', 'takeRights', 'namespaces', 'survey', 'remains', 'markEnding'] as const)
    access[step] = async () => {
      throw new Unavailable('Kubernetes', 'no answer');
    };
};

describe('a request', () => {
  test('is for the cluster that it names, which the grant, its plan and the audit say', async () => {
    const id = await active('prod');
    const grant = await app.grant(id);
    expect(grant).toMatchObject({ cluster: 'prod', plan: { cluster: 'cluster-2', user: 'ada-example.test' } });
    expect(grant.requester.user).toBe('ada@example.test');
    expect([app.clusterNamed('prod'), app.clusterNamed('staging')].map((one) => one.hasRights(id))).toEqual([
      true,
      false,
    ]);
    const { commands } = await app.useCases.status(PEOPLE.ada, id);
    expect(commands.length).toBeGreaterThan(0);
    for (const line of commands) expect(line).toMatch(/^kubectl --context prod -n /);
    expect(app.audit.find(({ event }) => event === 'active')).toMatchObject({
      cluster: 'prod',
      target: 'prod:staging/deployment/checkout',
    });
  });

  test('that names none is for the only one that there is for the profile, else it is asked back', async () => {
    expect((await app.request(PEOPLE.ada, { profile: 'careful' })).grant.cluster).toBe('prod');
    await expect(app.request()).rejects.toMatchObject({
      rule: 'profiles.debug.clusters',
      remedy: 'Say in which one: `staging:staging`.',
    });
  });

  test.each([
    ['nowhere', 'debug', 'clusters'],
    ['constructor', 'debug', 'clusters'],
    ['staging', 'careful', 'profiles.careful.clusters'],
  ])('for %s by profile %s is refused (%s)', async (cluster, profile, rule) => {
    await expect(app.request(PEOPLE.ada, { cluster, profile })).rejects.toMatchObject({ rule });
  });

  test('for a cluster in which the person is nobody is refused, and not made for somebody else', async () => {
    app.setPolicy({
      ...TWO,
      clusters: { staging: {}, prod: { context: 'prod', identity: { emailDomains: ['other.test'] } } },
    });
    await expect(app.request(PEOPLE.ada, { cluster: 'prod' })).rejects.toMatchObject({
      rule: 'clusters.prod.identity',
    });
    // There is no choice left.
    expect((await app.request()).grant.cluster).toBe('staging');
  });

  test('for the same in two clusters is two requests', async () => {
    const [one, other] = [await active('staging'), await active('prod')];
    expect(one).not.toBe(other);
    expect((await app.request(PEOPLE.ada, { cluster: 'prod' })).isAgain).toBe(true);
  });

  test('is approved by the policy itself only in the clusters of its entry', async () => {
    const automatic = [{ when: { members: { users: ['ada@example.test'] }, clusters: ['staging'] } }];
    app.setPolicy({ ...TWO, profiles: { debug: { ...debug, clusters: ['*'], automatic } } });
    const needed = async (cluster: string) => (await app.request(PEOPLE.ada, { cluster })).grant.approvalsNeeded;
    expect([await needed('staging'), await needed('prod')]).toEqual([0, 1]);
  });

  test('is shown anew, not granted, where the person has become another user of the cluster', async () => {
    const id = await app.pending(PEOPLE.ada, { cluster: 'prod' });
    app.setPolicy({ ...TWO, clusters: { staging: {}, prod: { context: 'prod' } } });
    await app.useCases.review(PEOPLE.ben, id, 'approve', '', await app.seen(id));
    expect(await app.grant(id)).toMatchObject({ state: 'pending', plan: { user: 'ada@example.test' } });
  });
});

test('whoever made the policy give one account the user of another in a cluster can not decide on it alone', async () => {
  app.setPolicy({
    ...TWO,
    clusters: {
      staging: {},
      prod: { context: 'prod', identity: { overrides: [{ slack: PEOPLE.ada, user: 'ben@example.test' }] } },
    },
  });
  const id = await app.pending(PEOPLE.ada, { cluster: 'prod' });
  await expect(app.useCases.review(PEOPLE.ben, id, 'approve', '', await app.seen(id))).rejects.toMatchObject({
    rule: 'profiles.debug.selfApproval',
  });
});

test('the offers of a person are those of each cluster that answers', async () => {
  const offered = async () =>
    (await app.useCases.offers(PEOPLE.ada)).map(({ profile, cluster }) => `${cluster} ${profile}`);
  expect(await offered()).toEqual(['staging debug', 'prod debug', 'prod careful']);
  isAway('prod');
  expect(await offered()).toEqual(['staging debug']);
  isAway('staging');
  await expect(offered()).rejects.toBeInstanceOf(Unavailable);
});

test('who has access where is told by cluster', async () => {
  const [one, other] = [await active('staging'), await active('prod')];
  const ids = async (cluster?: string) =>
    (await app.useCases.who(PEOPLE.cy, 'staging', cluster)).map(({ id }) => id).toSorted();
  expect(await ids()).toEqual([one, other].toSorted());
  expect(await ids('prod')).toEqual([other]);
  await expect(ids('nowhere')).rejects.toMatchObject({ rule: 'clusters', remedy: 'Clusters are: staging, prod.' });
});

test('a cluster that the policy has named since the start is refused by name, not taken for one that is away', async () => {
  app = appWorld(TWO, ['staging']);
  await expect(app.request(PEOPLE.ada, { cluster: 'prod' })).rejects.toMatchObject({
    rule: 'clusters',
    message: expect.stringContaining('cluster prod is not connected'),
  });
  expect((await app.request(PEOPLE.ada, { cluster: 'staging' })).grant.state).toBe('pending');
});

describe('clusters in which nothing can be asked for now', () => {
  const closed = (who: string = PEOPLE.ada) => app.useCases.closedClusters(who);

  test('are named with the reason to those who could ask there', async () => {
    expect(await closed()).toEqual([]);
    app = appWorld(TWO, ['staging']);
    expect(await closed()).toEqual([
      { name: 'prod', why: 'cluster prod is not connected', remedy: expect.stringContaining('start Drawbridge again') },
    ]);
    expect(await closed(PEOPLE.cy)).toEqual([]);
    app.setPolicy({ ...TWO, profiles: { debug: { ...debug, clusters: ['staging'] } } });
    expect(await closed()).toEqual([]);
  });

  test('are those that are away, too', async () => {
    const lack = { lacks: 'in cluster prod the API server does not answer', todo: 'Look.' };
    app.conditions.report({ name: 'cluster', severity: 'degraded', refuses: 'asking', cluster: 'prod' }, lack);
    expect(await closed()).toMatchObject([{ name: 'prod', why: lack.lacks }]);
  });
});

test('what is open in a cluster that the policy names no more ends as ever while this runs, and nothing new is given there', async () => {
  const [due, ended] = [await active('prod'), await active('prod', on('payments'))];
  app.setPolicy({ ...TWO, clusters: { staging: {} }, profiles: { debug: { ...debug, clusters: ['*'] } } });
  await expect(app.request(PEOPLE.ada, { cluster: 'prod' })).rejects.toMatchObject({ rule: 'clusters' });
  await app.useCases.revoke(PEOPLE.ada, ended, '');
  await app.run();
  expect((await app.grant(ended)).state).toBe('revoked');
  app.clock.pass(1801);
  await app.run();
  expect((await app.grant(due)).state).toBe('expired');
  const { hasRights, breaches } = app.clusterNamed('prod');
  expect([hasRights(due), hasRights(ended), breaches]).toEqual([false, false, []]);
});

describe('with one cluster away', () => {
  test('the ends in the other are on time, and those in it are done when it is back', async () => {
    const [here, there] = [await active('staging'), await active('prod')];
    const { access } = app.clusterNamed('prod');
    const { takeRights, cutRights } = access;
    access.cutRights = () => new Promise(() => {});
    access.takeRights = async () => {
      throw new Unavailable('Kubernetes', 'no answer');
    };
    app.clock.pass(1800);
    const due = createDueRights(app.world, () => {});
    await due.end();
    await due.settled();
    expect(app.clusterNamed('staging').hasRights(here)).toBe(false);
    await app.run().catch(() => {});
    await app.run().catch(() => {});
    expect((await app.grant(here)).state).toBe('expired');
    expect((await app.grant(there)).state).toBe('ending');
    Object.assign(access, { takeRights, cutRights });
    app.clock.pass(60);
    await app.reconcile();
    await app.run();
    expect((await app.grant(there)).state).toBe('expired');
  });

  test('a request for it is refused by its name, one for the other is not', async () => {
    app.conditions.report(
      { name: 'cluster', severity: 'degraded', refuses: 'asking', cluster: 'prod' },
      { lacks: 'in cluster prod the API server does not answer', todo: '' },
    );
    await expect(app.request(PEOPLE.ada, { cluster: 'prod' })).rejects.toThrow(
      'Nothing is granted in prod now, since in cluster prod the API server does not answer.',
    );
    expect((await app.request(PEOPLE.ada, { cluster: 'staging' })).grant.state).toBe('pending');
  });

  test('a clock that is off in one cluster stops grants there alone', async () => {
    app.world.clock.doubt = (cluster) => (cluster === 'prod' ? 'the clock of cluster prod is 5m ahead' : null);
    await expect(app.request(PEOPLE.ada, { cluster: 'prod' })).rejects.toMatchObject({ rule: 'clock' });
    expect((await app.request(PEOPLE.ada, { cluster: 'staging' })).grant.state).toBe('pending');
  });
});

test('what carries the id of a grant in another cluster is told, and ends nothing there', async () => {
  const id = await active('prod');
  const prod = app.clusterNamed('prod');
  const staging = app.clusterNamed('staging');
  const copies = (await prod.access.found()).map((object) => ({ ...object, sealed: false, record: async () => null }));
  staging.access.found = async () => copies;
  app.alarms.length = 0;
  await app.reconcile();
  await app.run();
  expect((await app.grant(id)).state).toBe('active');
  expect(prod.hasRights(id)).toBe(true);
  expect(app.alarms).toContainEqual(expect.stringMatching(/^In cluster staging: .* no valid seal/));
});

test('a grant that Redis has lost is adopted in its cluster', async () => {
  const id = await active('prod');
  app.loseRedis();
  await app.reconcile();
  expect(await app.grant(id)).toMatchObject({ state: 'active', cluster: 'prod' });
});
