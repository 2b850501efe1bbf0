import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createClusterModel } from '../../../../../src/adapters/kubernetes/model/cluster-model.ts';
import { Unavailable } from '../../../../../src/domain/errors.ts';
import { eventually, tellingModel } from '../../../../support/cluster-model.ts';
import { fakeCluster } from '../../../../support/fake-cluster.ts';

const ownedBy = (kind: string, name: string, uid = `uid-${name}`) => ({
  ownerReferences: [{ kind, name, uid, controller: true }],
});
const running = (ip = '10.0.0.1') => ({
  spec: { containers: [{ ports: [{ name: 'http', containerPort: 8080 }] }] },
  status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], hostIPs: [{ ip: '192.0.2.1' }] },
});
const own = { 'drawbridge.internal/grant': 'g-2222aa', 'drawbridge.internal/instance': 'test' };
const deny = { spec: { podSelector: {}, policyTypes: ['Ingress'] } };

async function modelled(fake = fakeCluster()) {
  const told = tellingModel(fake.api);
  await told.model.listed();
  await eventually(() => expect(fake.watches()).toBe(9));
  return { fake, ...told };
}

/** What can be said only after all that was told before: a change of a pod of its own. */
async function caughtUp({ fake, pods }: Awaited<ReturnType<typeof modelled>>): Promise<void> {
  fake.put('Pod', 'last', 'word');
  await eventually(() => expect(pods.at(-1)?.namespace).toBe('last'));
  pods.pop();
}

describe('the model of a cluster', () => {
  test('has what reachability is computed from: namespaces, pods by the workload on top, and policies', async () => {
    const fake = fakeCluster();
    fake.put('Namespace', null, 'staging', {}, { labels: { team: 'shop' } });
    fake.put('Pod', 'staging', 'checkout-1', running(), {
      labels: { app: 'checkout' },
      ...ownedBy('ReplicaSet', 'set'),
    });
    fake.put('Pod', 'staging', 'nightly-1', running(), ownedBy('Job', 'nightly'));
    fake.put('Pod', 'staging', 'alone', running());
    fake.put('ReplicaSet', 'staging', 'set', {}, ownedBy('Deployment', 'checkout'));
    fake.put('Job', 'staging', 'nightly', {}, ownedBy('CronJob', 'night'));
    fake.put('NetworkPolicy', 'staging', 'deny', deny, { labels: { tier: 'x' } });
    fake.put('NetworkPolicy', 'staging', 'own', deny, { labels: own });
    const { model, pods, policies } = await modelled(fake);
    const cluster = model.cluster();
    expect(cluster.namespaces).toMatchObject([{ name: 'staging', labels: { team: 'shop' } }]);
    expect(cluster.pods.map(({ name, owner }) => [name, owner.kind, owner.name])).toEqual([
      ['checkout-1', 'Deployment', 'checkout'],
      ['nightly-1', 'CronJob', 'night'],
      ['alone', 'Pod', 'alone'],
    ]);
    expect(cluster.pods[0]).toMatchObject({
      namespace: 'staging',
      labels: { app: 'checkout' },
      ips: ['10.0.0.1'],
      nodeIPs: ['192.0.2.1'],
      hostNetwork: false,
      ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
      phase: 'Running',
    });
    expect(cluster.policies).toEqual([
      { metadata: { namespace: 'staging', name: 'deny' }, spec: deny.spec },
      { metadata: { namespace: 'staging', name: 'own', labels: own }, spec: deny.spec },
    ]);
    // Of what the first list has nothing is told.
    expect([pods, policies]).toEqual([[], []]);
  });

  test('is the same object until something in it changes, and follows what changes', async () => {
    const it = await modelled();
    const { fake, model } = it;
    const first = model.cluster();
    expect(model.cluster()).toBe(first);
    const names = () => model.cluster().pods.map(({ name }) => name);
    fake.put('Pod', 'staging', 'a', running());
    await eventually(() => expect(names()).toEqual(['a']));
    fake.put('Namespace', null, 'staging');
    await eventually(() => expect(model.cluster().namespaces).toHaveLength(1));
    fake.put('NetworkPolicy', 'staging', 'deny', deny);
    await eventually(() => expect(model.cluster().policies).toHaveLength(1));
    fake.remove('Pod', 'staging', 'a');
    await eventually(() => expect(names()).toEqual([]));
    expect(first).toEqual({ namespaces: [], pods: [], policies: [] });
  });

  test('counts a pod to its workload that came before its Job was known, or whose ReplicaSet has got another owner', async () => {
    const { fake, model } = await modelled();
    const owners = () => model.cluster().pods.map(({ owner }) => `${owner.kind}/${owner.name}`);
    fake.put('Pod', 'staging', 'nightly-1', running(), ownedBy('Job', 'nightly'));
    await eventually(() => expect(owners()).toEqual(['Job/nightly']));
    fake.put('Job', 'staging', 'nightly', {}, ownedBy('CronJob', 'night'));
    await eventually(() => expect(owners()).toEqual(['CronJob/night']));
    fake.put('Job', 'staging', 'nightly', {}, ownedBy('CronJob', 'other'));
    await eventually(() => expect(owners()).toEqual(['CronJob/other']));
  });

  test('has what previews and forms ask of one namespace', async () => {
    const { fake, model } = await modelled();
    fake.put('Pod', 'staging', 'a', running());
    fake.put('Pod', 'other', 'b', running());
    fake.put('Service', 'staging', 'front', { spec: { selector: { app: 'a' }, clusterIP: '10.9.0.1' } });
    fake.put('Service', 'staging', 'none', { spec: { clusterIP: 'None' } });
    fake.put('Service', 'other', 'theirs', {});
    for (const kind of ['Deployment', 'StatefulSet', 'DaemonSet'] as const) {
      fake.put(kind, 'staging', `a-${kind.toLowerCase()}`);
      fake.put(kind, 'other', 'x');
    }
    fake.put('Deployment', 'staging', 'leaving', {}, { deletionTimestamp: '2026-01-01T00:00:00Z' });
    fake.put('ReplicaSet', 'staging', 'set', {}, ownedBy('Deployment', 'checkout'));
    await eventually(() => expect(model.replicaSetController('uid-set')?.uid).toBe('uid-checkout'));
    await eventually(() =>
      expect(model.workloadsIn('staging').map(({ name, isDeleting }) => [name, isDeleting])).toEqual([
        ['a-deployment', false],
        ['leaving', true],
        ['a-statefulset', false],
        ['a-daemonset', false],
      ]),
    );
    await eventually(() => expect(model.servicesIn('other')).toHaveLength(1));
    expect(model.servicesIn('staging')).toMatchObject([
      { name: 'front', type: 'ClusterIP', selector: { app: 'a' }, clusterIP: '10.9.0.1', isDeleting: false },
      { name: 'none', selector: {}, clusterIP: null },
    ]);
    await eventually(() => expect(model.podsIn('other')).toHaveLength(1));
    expect(model.podsIn('staging').map(({ name }) => name)).toEqual(['a']);
    expect(model.replicaSetController('uid-none')).toBeNull();
  });
});

describe('of a pod is told', () => {
  const labels = { app: 'checkout' };
  const set = ownedBy('ReplicaSet', 'set');
  const now = { labels, ...set };

  test.each<[string, object, object]>([
    ['that it has other labels', running(), { ...now, labels: { app: 'x' } }],
    ['that it is of somebody else', running(), { labels, ...ownedBy('ReplicaSet', 'another') }],
    ['that it has ended', { status: { phase: 'Failed' } }, now],
    ['that it is being deleted', running(), { ...now, deletionTimestamp: '2026-01-01T00:00:00Z' }],
  ])('%s, and that it came and went', async (_what, object, metadata) => {
    const it = await modelled();
    const { fake, pods } = it;
    fake.put('Pod', 'staging', 'a', running(), now);
    fake.put('Pod', 'staging', 'a', object, metadata);
    fake.remove('Pod', 'staging', 'a');
    await caughtUp(it);
    const last = (metadata as { labels: object }).labels;
    expect(pods).toEqual([
      { namespace: 'staging', name: 'a', before: null, now: labels },
      { namespace: 'staging', name: 'a', before: labels, now: last },
      { namespace: 'staging', name: 'a', before: last, now: null },
    ]);
  });

  test('nothing that is nothing to policies and rights: an address, a phase, an annotation', async () => {
    const it = await modelled();
    const { fake, pods } = it;
    fake.put('Pod', 'staging', 'a', { status: { phase: 'Pending' } }, now);
    fake.put('Pod', 'staging', 'a', running(), now);
    fake.put('Pod', 'staging', 'a', running('10.0.0.2'), { ...now, annotations: { note: 'x' } });
    await caughtUp(it);
    expect(pods).toHaveLength(1);
  });

  test('what was missed in a gap', async () => {
    const it = await modelled();
    const { fake, pods } = it;
    fake.put('Pod', 'staging', 'a', running(), now);
    fake.put('Pod', 'staging', 'b', running(), now);
    await caughtUp(it);
    fake.knobs.isHeld = true;
    fake.remove('Pod', 'staging', 'a');
    fake.put('Pod', 'staging', 'b', running(), { ...now, labels: { app: 'x' } });
    // Everything is listed anew once the API server no longer knows what came after the last version.
    fake.knobs.isForgotten = true;
    fake.cut('Pod');
    await eventually(() => expect(pods).toHaveLength(4));
    expect(pods.slice(2)).toEqual(
      expect.arrayContaining([
        { namespace: 'staging', name: 'a', before: labels, now: null },
        { namespace: 'staging', name: 'b', before: labels, now: { app: 'x' } },
      ]),
    );
  });
});

test.each(['Deployment', 'StatefulSet', 'DaemonSet', 'Job'] as const)(
  'that a %s is gone is told, be it without pods, and no other change of it',
  async (kind) => {
    const it = await modelled();
    const { fake, workloads } = it;
    fake.put(kind, 'staging', 'checkout');
    fake.put(kind, 'staging', 'checkout', {}, { deletionTimestamp: '2026-01-01T00:00:00Z' });
    fake.remove(kind, 'staging', 'checkout');
    await eventually(() => expect(workloads).toEqual([`${kind} staging/checkout`]));
  },
);

test('a ReplicaSet that is released, adopted or taken over is told of the workloads that its pods go from and to', async () => {
  const it = await modelled();
  const { fake, workloads } = it;
  const put = (metadata: object) => fake.put('ReplicaSet', 'staging', 'set', {}, metadata);
  put(ownedBy('Deployment', 'checkout'));
  put({ ...ownedBy('Deployment', 'checkout'), labels: { tier: 'web' } });
  await caughtUp(it);
  expect(workloads).toEqual([]);
  put({});
  await eventually(() => expect(workloads.splice(0)).toEqual(['Deployment staging/checkout']));
  put(ownedBy('Deployment', 'cart'));
  await eventually(() => expect(workloads.splice(0)).toEqual(['Deployment staging/cart']));
  put(ownedBy('Deployment', 'checkout'));
  await eventually(() =>
    expect(workloads.splice(0)).toEqual(['Deployment staging/cart', 'Deployment staging/checkout']),
  );
  // Another one of the same name.
  put(ownedBy('Deployment', 'checkout', 'uid-new'));
  await eventually(() =>
    expect(workloads.splice(0)).toEqual(['Deployment staging/checkout', 'Deployment staging/checkout']),
  );
  // Its pods go with it, and are told.
  fake.remove('ReplicaSet', 'staging', 'set');
  await eventually(() => expect(it.model.replicaSetController('uid-set')).toBeNull());
  expect(workloads).toEqual([]);
});

describe('of policies is told', () => {
  test('that one of others came, went or says something else, and nothing of those of grants', async () => {
    const it = await modelled();
    const { fake, policies } = it;
    const told = async (count: number) => {
      await eventually(() => expect(policies.length).toBe(count));
    };
    fake.put('NetworkPolicy', 'payments', 'deny', deny);
    await told(1);
    fake.put('NetworkPolicy', 'payments', 'deny', deny, { annotations: { note: 'x' }, labels: { tier: 'x' } });
    fake.put('NetworkPolicy', 'staging', 'own', deny, { labels: own });
    fake.put('NetworkPolicy', 'staging', 'own', { spec: { podSelector: {} } }, { labels: own });
    fake.remove('NetworkPolicy', 'staging', 'own');
    fake.put('NetworkPolicy', 'payments', 'deny', { spec: { podSelector: {} } });
    await told(2);
    fake.remove('NetworkPolicy', 'payments', 'deny');
    await told(3);
    // Whose labels are those of another instance is not of a grant of this one.
    fake.put('NetworkPolicy', 'other', 'own', deny, { labels: { ...own, 'drawbridge.internal/instance': 'another' } });
    await told(4);
    fake.put('NetworkPolicy', 'other', 'own', deny, { labels: own });
    await told(5);
    expect(policies).toEqual(['payments', 'payments', 'payments', 'other', 'other']);
  });
});

describe('how old it is', () => {
  const at = (milliseconds: number) => {
    const now = performance.now();
    const later = vi.spyOn(performance, 'now').mockImplementation(() => now + milliseconds);
    onTestFinished(() => later.mockRestore());
  };

  test('it is of now while its watches are open, and for some seconds after one went down', async () => {
    const { fake, model } = await modelled();
    expect(model.staleSince()).toBeNull();
    fake.knobs.refused.add('Service');
    fake.cut('Service');
    await eventually(() => expect(fake.watches()).toBe(8));
    const lost = Date.now();
    at(9000);
    expect([model.staleSince(), model.staleKinds()]).toEqual([null, []]);
    expect(model.ages().get('Service')).toBeCloseTo(9, 0);
    at(3000);
    expect([...model.ages()].filter(([, seconds]) => seconds > 0)).toEqual([['Service', expect.closeTo(12, 0)]]);
    expect(model.ages().size).toBe(9);
    expect(model.staleKinds()).toEqual(['Service']);
    expect((model.staleSince() ?? 0) / 1000).toBeCloseTo((lost - 12_000) / 1000, 0);
    expect(model.cluster().pods).toEqual([]);
  });

  test('before everything was listed it answers nothing, and who waits is told in the end what to do', async () => {
    const fake = fakeCluster();
    fake.knobs.refused.add('Service');
    const { model, faults } = tellingModel(fake.api);
    await eventually(() => expect(faults).not.toEqual([]));
    expect(() => model.cluster()).toThrow(Unavailable);
    expect(() => model.namespaces()).toThrow(Unavailable);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const waited = expect(model.listed()).rejects.toMatchObject({
      dependency: 'Kubernetes',
      untouched: true,
      words: expect.stringContaining('administrator') as string,
    });
    await vi.advanceTimersByTimeAsync(5100);
    await waited;
    vi.useRealTimers();
    fake.knobs.refused.clear();
    await model.listed();
    expect(model.cluster()).toEqual({ namespaces: [], pods: [], policies: [] });
  });

  test('one that was not started has nothing to say', () => {
    const model = createClusterModel({ api: fakeCluster().api, instance: 'test', now: Date.now, onFault: () => {} });
    expect(() => model.cluster()).toThrow(Unavailable);
    expect([model.staleSince(), model.staleKinds(), model.ages().size]).toEqual([null, [], 0]);
    model.stop();
  });
});

test('what people have made large is held up to some megabytes, and no further', async () => {
  const fake = fakeCluster();
  const large = (index: number) => ({
    spec: { podSelector: { matchLabels: { a: `${index}${'x'.repeat(2 ** 20)}` } } },
  });
  const { model, faults } = await modelled(fake);
  for (let index = 0; index < 15; index++) fake.put('NetworkPolicy', 'theirs', `p-${index}`, large(index));
  await eventually(() => expect(model.cluster().policies).toHaveLength(15));
  expect(faults).toEqual([]);
  // One that is written anew counts once, and one that is gone no more.
  for (let times = 0; times < 5; times++) fake.put('NetworkPolicy', 'theirs', 'p-0', large(0), { generation: times });
  fake.remove('NetworkPolicy', 'theirs', 'p-1');
  fake.put('NetworkPolicy', 'theirs', 'p-15', large(15));
  await eventually(() => expect(model.cluster().policies.map(({ metadata }) => metadata?.name)).toContain('p-15'));
  expect(faults).toEqual([]);
  for (const index of [16, 17]) fake.put('NetworkPolicy', 'theirs', `p-${index}`, large(index));
  await eventually(() =>
    expect(faults[0]).toMatchObject({ status: 413, message: expect.stringContaining('in namespace theirs') as string }),
  );
  expect(model.cluster().policies).toHaveLength(16);
});

test('more than is held of a kind leaves its watch down until there is less', async () => {
  const fake = fakeCluster();
  const { model, faults } = await modelled(fake);
  const spec = { podSelector: { matchLabels: { a: 'x'.repeat(2 ** 20) } } };
  for (let index = 0; index < 17; index++) fake.put('NetworkPolicy', 'theirs', `p-${index}`, { spec });
  await eventually(() => expect(faults).not.toEqual([]));
  const now = performance.now();
  const later = vi.spyOn(performance, 'now').mockImplementation(() => now + 12_000);
  onTestFinished(() => later.mockRestore());
  for (let times = 0; times < 5; times++) {
    const before = faults.length;
    await eventually(() => expect(faults.length).toBeGreaterThan(before));
    expect(model.staleKinds()).toEqual(['NetworkPolicy']);
  }
  for (const index of [0, 1, 2]) fake.remove('NetworkPolicy', 'theirs', `p-${index}`);
  await eventually(() => expect(model.staleKinds()).toEqual([]));
  expect(model.cluster().policies).toHaveLength(14);
});
