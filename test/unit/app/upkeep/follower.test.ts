import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { PodChange } from '../../../../src/app/ports/cluster-events.ts';
import { createFollower, type Follower } from '../../../../src/app/upkeep/follower.ts';
import { Unavailable } from '../../../../src/domain/errors.ts';
import { appWorld, PEOPLE, POLICY } from '../../../support/app-world.ts';

const WORKSPACES = 'drawbridge-workspaces';
const CLUSTER_ROLE = { kind: 'ClusterRole', name: 'view' } as const;

let app: ReturnType<typeof appWorld>;
let follower: Follower;
let faults: unknown[];
let roles: string[];
/** What is asked of the cluster. */
let asked: string[];

beforeEach(() => {
  const { debug } = POLICY.profiles;
  if (debug === undefined) throw new Error('the policy has no such profile');
  const { rules: _rules, network: _network, ...common } = debug;
  const look = { ...common, scope: 'namespace' as const, clusterRole: CLUSTER_ROLE.name };
  app = appWorld({ ...POLICY, profiles: { ...POLICY.profiles, look } });
  faults = [];
  roles = [];
  asked = [];
  const { podsOf, foreignPolicies, rulesOf } = app.cluster.access;
  app.cluster.access.podsOf = async (grant) => {
    asked.push(`pods of ${grant.target.namespace}`);
    return podsOf(grant);
  };
  app.cluster.access.foreignPolicies = async (namespace) => {
    asked.push(`policies of ${namespace}`);
    return foreignPolicies(namespace);
  };
  app.cluster.access.rulesOf = async (role, namespace) => {
    asked.push(`rules of ${role.name}`);
    return rulesOf(role, namespace);
  };
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  follower = createFollower(
    app.world,
    app.cluster.access,
    {
      watch: ({ name }) => roles.push(`watch ${name}`),
      unwatch: ({ name }) => roles.push(`unwatch ${name}`),
    },
    (error) => faults.push(error),
  );
});
afterEach(() => {
  follower.stop();
  vi.useRealTimers();
});

/** So much time passes, and what is begun by then ends. */
async function pass(milliseconds: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
  for (let turns = 0; turns < 40; turns++) await new Promise((resolve) => setImmediate(resolve));
}
const podOf = (labels: Record<string, string>, more: Partial<PodChange> = {}): PodChange => ({
  namespace: 'staging',
  name: 'pod-1',
  before: null,
  now: labels,
  ...more,
});
/** An active grant that has been followed for a while. */
async function followed(profile = 'debug', by: string = PEOPLE.ada): Promise<string> {
  app.cluster.target.roleRules = profile === 'look' ? [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] : null;
  const workload = { kind: 'Deployment', name: 'checkout' } as const;
  const target = profile === 'look' ? { namespace: 'staging' } : { namespace: 'staging', workload };
  const id = await app.active(by, { profile, target });
  follower.follow(await app.grant(id));
  await pass(1000);
  asked = [];
  return id;
}
const podsOf = async (id: string) => (await app.grant(id)).pods;
const stateOf = async (id: string) => (await app.grant(id)).state;

describe('a pod', () => {
  test('of the workload is followed once it has settled, in one look', async () => {
    const id = await followed();
    app.cluster.target.pods = ['checkout-7'];
    for (let times = 0; times < 5; times++) follower.onPod(podOf({ app: 'checkout' }));
    await pass(999);
    expect(asked).toEqual([]);
    await pass(1);
    expect(await podsOf(id)).toEqual(['checkout-7']);
    // Once as it is looked at, and once as the Role is written.
    expect(asked).toEqual(['pods of staging', 'pods of staging']);
  });

  test('that took its labels, or let go of them, is looked at; another is not', async () => {
    await followed();
    follower.onPod(podOf({ app: 'cart' }));
    follower.onPod(podOf({ app: 'checkout' }, { namespace: 'elsewhere' }));
    await pass(5000);
    expect(asked).toEqual([]);
    follower.onPod(podOf({ app: 'cart' }, { before: { app: 'checkout' } }));
    await pass(1000);
    expect(asked).toEqual(['pods of staging']);
  });

  test('that changes while a look is under way is looked at after it', async () => {
    const id = await followed();
    const look = Promise.withResolvers<string[]>();
    const { podsOf: now } = app.cluster.access;
    app.cluster.access.podsOf = async () => look.promise;
    follower.onPod(podOf({ app: 'checkout' }));
    await pass(1000);
    app.cluster.access.podsOf = now;
    app.cluster.target.pods = ['checkout-9'];
    follower.onPod(podOf({ app: 'checkout' }));
    await pass(1000);
    look.resolve(['checkout-1']);
    await pass(0);
    expect(await podsOf(id)).toEqual(['checkout-9']);
  });
});

describe('around a grant', () => {
  test('policies of its namespace, and of the workspaces’, are looked at when they change', async () => {
    await followed();
    follower.onPolicy('elsewhere');
    await pass(5000);
    expect(asked).toEqual([]);
    for (const namespace of ['staging', WORKSPACES]) {
      follower.onPolicy(namespace);
      await pass(1000);
      expect(asked.splice(0).toSorted()).toEqual([`policies of ${WORKSPACES}`, 'policies of staging']);
    }
  });

  test('a policy that isolated its target is missed within a second, and it ends', async () => {
    const id = await followed();
    app.cluster.target.policies = [];
    follower.onPolicy('staging');
    await pass(1000);
    expect(await stateOf(id)).toBe('ending');
  });

  test('its workload that is deleted ends it, also where that has no pods', async () => {
    const id = await followed();
    app.cluster.target.pods = [];
    app.cluster.target.gone = 'Deployment checkout in namespace staging was deleted';
    follower.onWorkload('StatefulSet', 'staging', 'checkout');
    await pass(5000);
    expect(await stateOf(id)).toBe('active');
    follower.onWorkload('Deployment', 'staging', 'checkout');
    await pass(1000);
    expect(await stateOf(id)).toBe('ending');
  });

  test('its role that grows ends it, and the role is watched for as long as a grant binds it', async () => {
    const [first, second] = [await followed('look'), await followed('look', PEOPLE.ben)];
    expect(new Set(roles)).toEqual(new Set(['watch view']));
    follower.leave(first);
    expect(roles).not.toContain('unwatch view');
    app.cluster.target.roleRules = [{ apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get'] }];
    follower.onRole(CLUSTER_ROLE, 'staging');
    follower.onRole({ ...CLUSTER_ROLE, name: 'edit' }, null);
    await pass(5000);
    expect(asked).toEqual([]);
    follower.onRole(CLUSTER_ROLE, null);
    await pass(1000);
    expect([await stateOf(first), await stateOf(second)]).toEqual(['active', 'ending']);
    follower.follow(await app.grant(second));
    expect(roles.at(-1)).toBe('unwatch view');
  });

  test('roles that were listed are looked at: they may have grown unheard', async () => {
    const id = await followed('look');
    app.cluster.target.roleRules = [{ apiGroups: [''], resources: ['*'], verbs: ['get'] }];
    follower.onRoleListed({ kind: 'Role', name: 'view' });
    await pass(5000);
    expect(await stateOf(id)).toBe('active');
    follower.onRoleListed(CLUSTER_ROLE);
    await pass(1000);
    expect(await stateOf(id)).toBe('ending');
  });
});

test('a grant is looked at once when it begins, and nothing is read of it while nothing happens', async () => {
  const id = await app.active();
  app.cluster.target.pods = ['checkout-7'];
  asked = [];
  follower.follow(await app.grant(id));
  expect(follower.follows(id)).toBe(true);
  await pass(1000);
  expect(await podsOf(id)).toEqual(['checkout-7']);
  expect(asked).toContain('policies of staging');
  asked = [];
  follower.follow(await app.grant(id));
  await pass(3_600_000);
  expect(asked).toEqual([]);
});

test('grants of which the record is not at hand are followed, once it was read, if they are active', async () => {
  const [id, other] = [await app.active(), await app.pending(PEOPLE.ben)];
  app.cluster.target.pods = ['checkout-7'];
  follower.followAll([id, other, 'g-zzzzzz']);
  await pass(1000);
  expect([...follower.ids()]).toEqual([id]);
  expect(await podsOf(id)).toEqual(['checkout-7']);
  app.cluster.target.pods = ['checkout-8'];
  follower.onPod(podOf({ app: 'checkout' }));
  await pass(1000);
  expect(await podsOf(id)).toEqual(['checkout-8']);
});

test('what changes while such a record is read is looked at too', async () => {
  const id = await app.active();
  const look = Promise.withResolvers<string[]>();
  const { podsOf: now } = app.cluster.access;
  app.cluster.access.podsOf = async () => look.promise;
  follower.followAll([id]);
  await pass(1000);
  app.cluster.access.podsOf = now;
  app.cluster.target.pods = ['checkout-9'];
  follower.onPod(podOf({ app: 'checkout' }));
  look.resolve(['checkout-1']);
  await pass(1000);
  expect(await podsOf(id)).toEqual(['checkout-9']);
});

test('one that Redis had lost and that is adopted while others are looked at stays followed', async () => {
  const [id, other] = [await followed(), await followed('debug', PEOPLE.ben)];
  const grant = await app.grant(id);
  const { records } = app.world.store;
  app.world.store.records = async (ids) => (await records(ids)).filter((one) => one.id !== id);
  const look = Promise.withResolvers<string[]>();
  app.cluster.access.podsOf = async () => look.promise;
  follower.onPod(podOf({ app: 'checkout' }));
  await pass(1000);
  expect([...follower.ids()]).toEqual([other]);
  follower.follow(grant);
  app.world.store.records = records;
  look.resolve(['checkout-1']);
  await pass(0);
  expect([...follower.ids()].toSorted()).toEqual([id, other].toSorted());
});

test('all are looked at, each workload once, when everything may have changed unheard', async () => {
  const ids = [await followed(), await followed('debug', PEOPLE.ben)];
  app.cluster.target.pods = ['checkout-7'];
  follower.lookAtAll();
  await pass(1000);
  for (const id of ids) expect(await podsOf(id)).toEqual(['checkout-7']);
  expect(asked.filter((one) => one.startsWith('policies'))).toHaveLength(2);
});

test('one that is not active is not followed; one that has ended is let go by the next look', async () => {
  const pending = await app.pending();
  follower.follow(await app.grant(pending));
  expect(follower.follows(pending)).toBe(false);
  const id = await followed();
  await app.useCases.revoke(PEOPLE.ada, id, '');
  expect([...follower.ids()]).toEqual([id]);
  follower.onPod(podOf({ app: 'checkout' }));
  await pass(1000);
  expect([...follower.ids()]).toEqual([]);
  expect(asked).toEqual([]);
});

test.each<[string, Error]>([
  ['an API server that is away', new Unavailable('Kubernetes', 'no answer')],
  ['a fault', new Error('broken')],
])('%s is told, and what it kept from being looked at is looked at again', async (_what, error) => {
  const id = await followed();
  const { podsOf: now } = app.cluster.access;
  app.cluster.access.podsOf = async () => {
    throw error;
  };
  app.cluster.target.pods = ['checkout-7'];
  follower.onPod(podOf({ app: 'checkout' }));
  await pass(1000);
  expect(faults).toEqual([error]);
  app.cluster.access.podsOf = now;
  await pass(5000);
  expect(await podsOf(id)).toEqual(['checkout-7']);
  await pass(60_000);
  expect(faults).toEqual([error]);
});

test('so is a first look that failed, and a Redis that was away', async () => {
  const id = await app.active();
  const { records } = app.world.store;
  app.world.store.records = async () => {
    throw new Unavailable('Redis', 'no answer');
  };
  app.cluster.target.pods = ['checkout-7'];
  follower.follow(await app.grant(id));
  await pass(1000);
  expect(faults).toEqual([new Unavailable('Redis', 'no answer')]);
  app.world.store.records = records;
  const { podsOf: now } = app.cluster.access;
  app.cluster.access.podsOf = async () => {
    throw new Error('broken');
  };
  await pass(5000);
  expect(faults).toHaveLength(2);
  app.cluster.access.podsOf = now;
  await pass(10_000);
  expect(await podsOf(id)).toEqual(['checkout-7']);
  expect(follower.follows(id)).toBe(true);
});

test('what can not be looked at of one grant is tried again after pauses that double, and keeps no other busy', async () => {
  const [id, broken] = [await followed(), await followed('debug', PEOPLE.ben)];
  const { get, records } = app.world.store;
  app.world.store.get = async (of) => {
    if (of === broken) throw new Error('broken');
    return get(of);
  };
  const looks: { readonly at: number; readonly ids: readonly string[] }[] = [];
  app.world.store.records = async (ids) => {
    looks.push({ at: performance.now(), ids: [...ids] });
    return records(ids);
  };
  app.cluster.target.pods = ['checkout-7'];
  follower.onPod(podOf({ app: 'checkout' }));
  for (let seconds = 0; seconds < 200; seconds++) {
    await pass(1000);
    // What waits for longer already is not tried sooner because it fails again.
    if (seconds === 60) follower.onPod(podOf({ app: 'checkout' }));
  }
  const byEvent = looks.filter(({ ids }) => ids.length === 2);
  expect(byEvent.map(({ ids }) => ids)).toEqual([
    [id, broken],
    [id, broken],
  ]);
  const again = looks.filter((one) => !byEvent.includes(one));
  expect(again.every(({ ids }) => ids.join() === broken)).toBe(true);
  const times = [byEvent[0], ...again].map((one) => one?.at ?? 0);
  expect(times.slice(1).map((at, index) => Math.round(at - (times[index] ?? 0)))).toEqual([
    5000, 10_000, 20_000, 40_000, 60_000, 60_000,
  ]);
  expect([await podsOf(id), await podsOf(broken)]).toEqual([['checkout-7'], ['checkout-1']]);
  app.world.store.get = get;
  await pass(60_000);
  expect(await podsOf(broken)).toEqual(['checkout-7']);
  looks.length = 0;
  await pass(120_000);
  expect(looks).toEqual([]);
});

test('a role that grows while some of the grants on it are not held yet ends all of them', async () => {
  const id = await followed('look');
  follower.leave(id);
  const grant = await app.grant(id);
  const ids = Array.from({ length: 101 }, (_, index) => (index === 0 ? id : `g-${String(index).padStart(6, '0')}`));
  for (const copy of ids.slice(1)) await app.world.store.create({ ...grant, id: copy });
  const { records } = app.world.store;
  const rest = Promise.withResolvers<void>();
  app.world.store.records = async (portion) => {
    if (portion.includes(ids[100] ?? '')) await rest.promise;
    return records(portion);
  };
  follower.followAll(ids);
  await pass(1000);
  app.cluster.target.roleRules = [{ apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get'] }];
  follower.onRole(CLUSTER_ROLE, null);
  await pass(1000);
  rest.resolve();
  await pass(1000);
  expect(new Set(await Promise.all(ids.map(stateOf)))).toEqual(new Set(['ending']));
});

test('once stopped it looks at nothing', async () => {
  await followed();
  follower.onPod(podOf({ app: 'checkout' }));
  follower.stop();
  follower.onPolicy('staging');
  await pass(10_000);
  expect(asked).toEqual([]);
});
