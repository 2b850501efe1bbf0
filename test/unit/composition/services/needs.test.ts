import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createConditions } from '../../../../src/app/common/conditions.ts';
import { type Lack, type Need } from '../../../../src/app/ports/conditions.ts';
import { givenElsewhere } from '../../../../src/app/upkeep/given-elsewhere.ts';
import { needsOf, needsService } from '../../../../src/composition/services/needs.ts';
import { Unavailable } from '../../../../src/domain/errors.ts';
import { type PolicyInput, policySchema } from '../../../../src/domain/policy/schema.ts';
import { appWorld, PEOPLE, POLICY } from '../../../support/app-world.ts';
import { silentLog } from '../../../support/silent-log.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function started(...looks: Need['look'][]) {
  const conditions = createConditions({
    now: Date.now,
    tell: { began: () => {}, ended: () => {} },
    unknown: () => {},
  });
  const settle = vi.fn(async () => {});
  const service = needsService({
    needs: looks.map((look, i) => ({ name: `need ${i}`, severity: 'degraded', every: 10_000, look })),
    conditions,
    alarms: { settle },
    log: silentLog(),
  });
  void service.start();
  return { conditions, settle, service };
}

test('all is looked at at the start, and again when it is due', async () => {
  let isThere = true;
  const look = vi.fn(async () => (isThere ? null : { lacks: 'it is away', todo: 'Bring it back.' }));
  const { conditions, service } = started(look);
  expect(service.trouble()).toBe('not tried yet');
  await vi.advanceTimersByTimeAsync(0);
  expect(service.trouble()).toBeNull();
  expect(look).toHaveBeenCalledTimes(1);
  isThere = false;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(conditions.list()).toMatchObject([{ lacks: 'it is away' }]);
  await service.stop(0);
  isThere = true;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(conditions.list()).toHaveLength(1);
});

test('a look that takes long holds up neither the other needs nor the alarms', async () => {
  const look = vi.fn(async () => null);
  const { settle, service } = started(() => new Promise(() => {}), look);
  await vi.advanceTimersByTimeAsync(30_000);
  expect(look).toHaveBeenCalledTimes(4);
  expect(settle).toHaveBeenCalledTimes(6);
  expect(service.trouble()).toBe('not tried yet');
  await service.stop(0);
});

test('who waits for the first look goes on when it is done, and soon where it takes too long', async () => {
  const looked = vi.fn();
  const look = Promise.withResolvers<null>();
  const quick = started(() => look.promise).service;
  void quick.tried().then(looked);
  await vi.advanceTimersByTimeAsync(9000);
  expect(looked).not.toHaveBeenCalled();
  look.resolve(null);
  await vi.advanceTimersByTimeAsync(0);
  expect(looked).toHaveBeenCalled();
  const slow = started(() => new Promise(() => {})).service;
  const waited = slow.tried();
  await vi.advanceTimersByTimeAsync(10_000);
  await waited;
  await Promise.all([quick.stop(0), slow.stop(0)]);
});

test('watches that are down are told with the rights that are missing, and while none is nothing is asked', async () => {
  const lack: { now: Lack | null } = { now: null };
  const asked: string[] = [];
  const refused = new Set(['services watch']);
  const api = {
    async create(kind: string, { spec }: { spec: { resourceAttributes: { resource: string; verb: string } } }) {
      if (kind === 'SelfSubjectRulesReview') return { status: { resourceRules: [] } };
      const what = `${spec.resourceAttributes.resource} ${spec.resourceAttributes.verb}`;
      asked.push(what);
      return { status: { allowed: !refused.has(what) } };
    },
  };
  const need = needsOf({ clusters: [{ name: null, lackOfWatch: () => lack.now, api }], world: null } as never).find(
    ({ name }) => name === 'kubernetes watch',
  );
  expect(await need?.look()).toBeNull();
  expect(asked).toEqual([]);
  lack.now = { lacks: 'the watches on Service are down', todo: 'Look.' };
  expect(await need?.look()).toEqual({
    lacks: 'the watches on Service are down; Drawbridge may not watch on services',
    todo: 'Look.',
  });
  for (const resource of ['pods', 'namespaces', 'replicasets', 'deployments', 'jobs', 'networkpolicies'])
    for (const verb of ['list', 'watch']) expect(asked).toContain(`${resource} ${verb}`);
  refused.clear();
  expect(await need?.look()).toEqual(lack.now);
  api.create = async () => {
    throw new Error('no answer');
  };
  expect(await need?.look()).toEqual(lack.now);
});

test('without a connection that Slack gives it the bot is not ready', async () => {
  let lack: Lack | null = { lacks: 'Slack refuses SLACK_APP_TOKEN: invalid_auth', todo: 'Make another.' };
  const need = needsOf({ clusters: [], world: null, lackOfConnection: () => lack } as never).find(
    ({ name }) => name === 'slack connection',
  );
  expect(need).toMatchObject({ severity: 'not ready' });
  expect(await need?.look()).toEqual(lack);
  lack = null;
  expect(await need?.look()).toBeNull();
});

test('what somebody’s webhook changes is told, with no more texts than anybody reads, and hinders nothing by itself', async () => {
  let why: string[] = [];
  const tryWriting = vi.fn(async () => why);
  const need = needsOf({
    clusters: [{ name: null, access: { tryWriting } }],
    world: null,
    policies: { current: () => POLICY },
  } as never).find(({ name }) => name === 'admission webhooks');
  expect(need).toMatchObject({ severity: 'degraded' });
  expect(need?.refuses).toBeUndefined();
  expect(await need?.look()).toBeNull();
  expect(tryWriting).toHaveBeenCalledWith(Object.values(POLICY.profiles));
  why = ['a', 'b', 'c', 'd', 'e'];
  expect(await need?.look()).toMatchObject({ detail: 'a\nb\nc\nd\ne' });
  why = [...why, 'f', 'g'];
  expect(await need?.look()).toMatchObject({ detail: 'a\nb\nc\nd\ne\nand 2 more' });
});

const fakeCluster = (name: string, uid: () => string) => ({
  name,
  api: { read: async () => ({ metadata: { uid: uid() } }) },
  access: { tryLeash: async () => null, tryWriting: async () => [], missingRights: async () => [] },
  lackOfWatch: () => null,
});
const needsOfTwo = (...clusters: ReturnType<typeof fakeCluster>[]) =>
  needsOf({ clusters, world: null, policies: { current: () => POLICY }, log: silentLog() } as never).filter(
    ({ cluster }) => cluster !== undefined,
  );

test('of several clusters none makes the process unready, and what is missing in one is said of that one alone', async () => {
  let uid = 'uid-1';
  const needs = needsOfTwo(
    fakeCluster('prod', () => uid),
    fakeCluster('staging', () => 'uid-2'),
  );
  expect(new Set(needs.map(({ severity }) => severity))).toEqual(new Set(['degraded']));
  const of = (cluster: string) => needs.find((need) => need.name === 'cluster' && need.cluster === cluster);
  expect(await of('prod')?.look()).toBeNull();
  // Somebody has changed where its context leads.
  uid = 'uid-3';
  expect(await of('prod')?.look()).toMatchObject({
    lacks: 'in cluster prod another cluster answers than at the start',
  });
  expect(await of('staging')?.look()).toBeNull();
});

test('a cluster that does not answer refuses what is asked for there, and hinders nothing elsewhere', async () => {
  const conditions = createConditions({ now: Date.now, tell: { began() {}, ended() {} }, unknown() {} });
  const away = fakeCluster('prod', () => {
    throw new Unavailable('Kubernetes', 'no answer');
  });
  for (const need of needsOfTwo(
    away,
    fakeCluster('staging', () => 'uid-2'),
  ).filter(({ name }) => name === 'cluster' || name === 'leash'))
    conditions.add(need);
  await conditions.tend(true);
  expect(conditions.hindrance('asking', 'prod')?.lacks).toBe('in cluster prod the API server does not answer');
  expect(conditions.hindrance('asking', 'staging')).toBeNull();
  expect(conditions.list()).toMatchObject([{ name: 'cluster', cluster: 'prod', severity: 'degraded' }]);
});

test('a cluster that is not the one in which open grants were given gives nothing, and says how to lead back to it', async () => {
  vi.useRealTimers();
  const app = appWorld();
  const id = await app.active();
  const cluster = { ...fakeCluster('', () => 'cluster-2'), name: null };
  const need = needsOf({
    clusters: [cluster],
    world: app.world,
    policies: { current: () => POLICY },
    log: silentLog(),
  } as never).find(({ name }) => name === 'cluster of open grants');
  expect(need).toMatchObject({ severity: 'degraded', refuses: 'giving' });
  expect(await need?.look()).toMatchObject({
    lacks: `another cluster is reached than the one in which 1 open grant was given (${id})`,
    todo: expect.stringContaining('Lead the context of the kubeconfig to that cluster again'),
  });
  cluster.api.read = async () => ({ metadata: { uid: 'cluster-1' } });
  expect(await need?.look()).toBeNull();
});

test('what surely has ended by its lease holds a cluster that was made anew up no longer than a day', async () => {
  vi.useRealTimers();
  const app = appWorld();
  const id = await app.active();
  const elsewhere = () => givenElsewhere(app.world, null, 'cluster-2');
  expect(await elsewhere()).toEqual([id]);
  app.clock.pass(30 * 3600);
  expect(await elsewhere()).toEqual([]);
});

test('clusters that the policy names otherwise than at the start are told, with what to do about it', async () => {
  vi.useRealTimers();
  const { debug } = POLICY.profiles;
  if (debug === undefined) throw new Error('the policy has no profile debug');
  const input = (clusters: PolicyInput['clusters']): PolicyInput => ({
    ...POLICY,
    clusters,
    profiles: { debug: { ...debug, clusters: ['*'] } },
  });
  const named = (clusters: PolicyInput['clusters']) => policySchema.parse(input(clusters));
  const prod = { prod: { context: 'prod' } };
  let policy = named({ staging: {}, ...prod });
  const app = appWorld(input({ staging: {}, ...prod }), ['staging', 'prod']);
  const need = needsOf({
    clusters: [],
    world: app.world,
    policies: { current: () => policy },
    log: silentLog(),
  } as never).find(({ name }) => name === 'clusters of the policy');
  expect(need).toMatchObject({ severity: 'degraded' });
  expect(need?.refuses).toBeUndefined();
  expect(await need?.look()).toBeNull();
  policy = named({ staging: {}, ...prod, asia: { context: 'asia' }, africa: { context: 'africa' } });
  expect(await need?.look()).toEqual({
    lacks: 'the clusters of the policy are not those of the start: asia, africa not connected',
    todo: expect.stringMatching(/^Start Drawbridge again/),
  });
  policy = named({ staging: {}, prod: { context: 'prod-new' } });
  expect((await need?.look())?.lacks).toMatch(/: prod by another context$/);
  // Nothing is open there.
  policy = named({ staging: {} });
  expect(await need?.look()).toBeNull();
  await app.active(PEOPLE.ada, { cluster: 'prod' });
  expect(await need?.look()).toEqual({
    lacks: 'the clusters of the policy are not those of the start: prod named no more, with open grants',
    todo: expect.stringContaining('End it first, or name the cluster again.'),
  });
});
