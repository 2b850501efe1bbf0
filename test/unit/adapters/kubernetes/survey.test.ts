import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Api, Kind, ListOptions } from '../../../../src/adapters/kubernetes/api.ts';
import { createClusterModel } from '../../../../src/adapters/kubernetes/model/cluster-model.ts';
import { createSurveyor } from '../../../../src/adapters/kubernetes/survey.ts';
import { type Profile } from '../../../../src/domain/policy/policy.ts';
import { policySchema } from '../../../../src/domain/policy/schema.ts';
import { POLICY } from '../../../support/app-world.ts';
import { fakeCluster } from '../../../support/fake-cluster.ts';

const DEBUG = policySchema.parse({
  ...POLICY,
  profiles: {
    debug: {
      ...POLICY.profiles.debug,
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
      network: { mode: 'none' },
    },
  },
}).profiles['debug'] as Profile;
const TARGET = { namespace: 'staging', workload: { kind: 'StatefulSet' as const, name: 'checkout' } };
const numbers = (count: number): number[] => [...Array(count).keys()];

/** An API server that has these objects, in pages of one list each. */
function apiWith(objects: Partial<Record<Kind, readonly object[]>>): Api {
  const named = (kind: Kind, name: string) =>
    (objects[kind] ?? []).find((one) => (one as { metadata: { name: string } }).metadata.name === name) ?? null;
  return {
    read: async (kind: Kind, _namespace: string | null, name: string) => named(kind, name),
    list: async (kind: Kind, _namespace: string | null, { keep = (page) => page }: ListOptions<object, object> = {}) =>
      keep(objects[kind] ?? []),
  } as unknown as Api;
}

const meta = (name: string, rest: object = {}) => ({ name, namespace: 'staging', uid: `uid-${name}`, ...rest });
const NAMESPACES = ['staging', 'kube-system'].map((name) => ({ metadata: { name, uid: `uid-${name}` } }));
const checkout = { metadata: meta('checkout'), spec: { replicas: 3, selector: { matchLabels: { app: 'checkout' } } } };
const ownPod = (index: number, rest: object = {}) => ({
  metadata: meta(`checkout-${index}`, {
    labels: { app: 'checkout', team: 'shop' },
    ownerReferences: [{ kind: 'StatefulSet', name: 'checkout', uid: 'uid-checkout', controller: true }],
  }),
  spec: {
    containers: [
      {
        ports: [
          { containerPort: 8080, protocol: 'TCP' },
          { containerPort: 9000 + index, protocol: 'TCP' },
        ],
      },
    ],
  },
  status: { phase: 'Running', podIP: `10.0.0.${index}` },
  ...rest,
});
const service = (name: string, selector: object) => ({
  metadata: meta(name),
  spec: { selector, clusterIP: '10.9.9.9' },
});
/** No profile here looks at the cluster. */
const surveyorOver = (objects: Partial<Record<Kind, readonly object[]>>) => {
  const model = createClusterModel({ api: fakeCluster().api, instance: 'test', now: Date.now, onFault: () => {} });
  return createSurveyor({ api: apiWith(objects), model, instance: 'test', workspacesNamespace: 'workspaces' });
};
const survey = (objects: Partial<Record<Kind, readonly object[]>>) =>
  surveyorOver({ Namespace: NAMESPACES, StatefulSet: [checkout], ...objects }).survey(TARGET, DEBUG, 'bound');

test('a target has the Services in front of its pods and no others, and the ports of every pod', async () => {
  const stranger = {
    metadata: meta('other', { labels: { app: 'other', team: 'shop' } }),
    status: { phase: 'Running' },
  };
  const { workload } = await survey({
    Pod: [ownPod(1), ownPod(2), ownPod(3, { status: { phase: 'Failed' } }), stranger],
    Service: [
      service('front', { app: 'checkout' }),
      service('narrow', { team: 'shop', app: 'checkout' }),
      service('wide', { team: 'shop' }),
      service('empty', {}),
      service('nobody', { app: 'gone' }),
    ],
  });
  expect(workload).toMatchObject({
    pods: [{ name: 'checkout-1' }, { name: 'checkout-2' }],
    ended: ['checkout-3'],
    replicas: 3,
    ports: [{ port: 8080, protocol: 'TCP' }],
    services: [{ name: 'front' }, { name: 'narrow' }],
  });
});

test('thousands of pods and of Services in a namespace leave everything else its turn, and a plan short', async () => {
  const objects = {
    Pod: numbers(3000).map((index) => ownPod(index)),
    Service: numbers(3000).map((index) =>
      service(`service-${index}`, { team: 'shop', ...(index < 2900 ? { app: 'x' } : {}) }),
    ),
  };
  const ownTime = (): number => process.threadCpuUsage().user / 1000;
  const ended = { yet: false };
  const found = survey(objects).finally(() => (ended.yet = true));
  let longest = 0;
  while (!ended.yet) {
    const before = ownTime();
    await setImmediate();
    longest = Math.max(longest, ownTime() - before);
  }
  expect((await found).workload?.services).toHaveLength(20);
  expect(longest).toBeLessThan(200);
});

describe('whoever may create pods can claim an owner', () => {
  const claiming = (name: string, uid: string, labels: object) => ({
    metadata: meta(name, { labels, ownerReferences: [{ kind: 'any', name: 'checkout', uid, controller: true }] }),
    spec: { containers: [] },
    status: { phase: 'Running', podIP: '10.0.0.9' },
  });
  const own = { app: 'checkout' };
  const deployed = { namespace: 'staging', workload: { kind: 'Deployment' as const, name: 'checkout' } };
  const set = {
    metadata: meta('set', {
      ownerReferences: [{ kind: 'Deployment', name: 'checkout', uid: 'uid-checkout', controller: true }],
    }),
  };

  test.each([
    [
      'StatefulSet',
      TARGET,
      claiming('true', 'uid-checkout', own),
      claiming('claimed', 'uid-checkout', { app: 'x' }),
      [],
    ],
    ['Deployment', deployed, claiming('true', 'uid-set', own), claiming('claimed', 'uid-set', { app: 'x' }), []],
    [
      'Deployment itself',
      deployed,
      claiming('true', 'uid-set', own),
      claiming('claimed', 'uid-checkout', own),
      ['pod claimed'],
    ],
  ] as const)('and gets no pod into a target: of a %s', async (_what, target, pod, claimed, strangers) => {
    const kind = target.workload.kind;
    const objects = { Namespace: NAMESPACES, [kind]: [checkout], ReplicaSet: [set], Pod: [pod, claimed] };
    const surveyor = surveyorOver(objects);
    expect((await surveyor.survey(target, DEBUG, 'bound')).workload).toMatchObject({
      pods: [{ name: 'true' }],
      kin: [],
      strangers,
    });
    expect(await surveyor.podsOfTarget(target, 'uid-checkout')).toMatchObject([{ name: 'true' }]);
    expect(await surveyor.strangersTo(target, 'uid-checkout', { matchLabels: own })).toEqual(strangers);
  });
});
