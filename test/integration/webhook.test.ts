import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { objectName } from '../../src/adapters/kubernetes/manifests.ts';
import { extensionDigest } from '../../src/domain/decide/extension.ts';
import { shortDigest } from '../../src/domain/plan/plan.ts';
import { type Installation } from '../../src/sandbox/chart.ts';
import { PEOPLE } from '../support/app-world.ts';
import { type Targets } from '../support/chart.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { grantObjects } from '../support/grant-objects.ts';
import { ADA } from '../support/grants.ts';
import { type Hand, handOf } from '../support/hand.ts';
import { setLiveStage } from '../support/live-stage.ts';
import { type LiveWorld } from '../support/live-world.ts';
import {
  addsHarmlessThings,
  type MutatingWebhook,
  type Mutation,
  startMutatingWebhook,
} from '../support/mutating-webhook.ts';
import { useRedis } from '../support/redis.ts';

/** A cluster in which somebody's mutating webhook changes what is written, and the bot's objects with it. */
describeWithCluster('a mutating webhook', (cluster) => {
  const redis = useRedis();
  let at: Installation;
  let targets: Targets;
  let admin: Hand;
  let bot: Hand;
  let live: LiveWorld;
  let ada: string;
  let webhook: MutatingWebhook;
  const closing: (() => unknown)[] = [];

  beforeAll(async () => {
    const stage = await setLiveStage({
      cluster,
      redis: redis().url,
      name: 'webhook',
      objects: ({ workspacesNamespace }) => [
        // Opens what carries a label that only a webhook would add to a workspace.
        {
          apiVersion: 'networking.k8s.io/v1',
          kind: 'NetworkPolicy',
          metadata: { namespace: workspacesNamespace, name: 'tools-may-go-anywhere' },
          spec: { podSelector: { matchLabels: { tools: 'yes' } }, policyTypes: ['Egress'], egress: [{}] },
        },
      ],
    });
    closing.push(() => stage.close());
    ({ at, targets, admin, live } = stage);
    bot = await handOf(await cluster.serviceAccountKubeconfig(at.namespace, at.serviceAccount));
    ada = await cluster.kubeconfigFor(ADA.user, ADA.groups);
    webhook = await startMutatingWebhook({
      cluster,
      namespaces: [targets.staging, targets.team, at.workspacesNamespace],
    });
    closing.push(() => webhook.stop());
  }, 180_000);
  afterEach(() => {
    webhook.mutate(() => {});
    webhook.fail([]);
  });
  afterAll(async () => {
    for (const close of closing.toReversed()) await close();
  });

  const can = async (...args: string[]) =>
    (await cluster.kubectl(['auth', 'can-i', ...args], { kubeconfig: ada })).stdout.trim();
  const left = (id: string) => grantObjects(cluster, id);
  const alarmsOf = (id: string) => live.alarms.filter((text) => text.includes(id)).join('\n');
  const profiles = () => Object.values(live.world.policies.current().profiles);
  const on =
    (kind: string, mutation: Mutation): Mutation =>
    (object) => {
      if (object.kind === kind) mutation(object);
    };

  test.each([
    ['view of a namespace', 'observe', null],
    ['a workspace', 'debug', 'checkout'],
    ['pods that are contained', 'shell', 'checkout'],
    ['a bastion', 'own-tools', 'checkout'],
  ])('labels, annotations, tolerations and defaults that it adds are borne: %s', async (_name, profile, workload) => {
    webhook.mutate(addsHarmlessThings);
    const before = live.alarms.length;
    const id = await live.active(profile, workload === null ? targets.team : targets.staging, workload);
    const grant = await live.grant(id);
    expect(await live.world.clusters.of({ cluster: null }).verify(grant)).toEqual([]);
    await live.reconcile();
    await live.run();
    expect((await live.grant(id)).state).toBe('active');
    // An extension writes all of it again.
    await live.world.clusters.of({ cluster: null }).extend({ ...grant, expiresAt: (grant.expiresAt ?? 0) + 60_000 });
    const lease = await admin.read<{ metadata: { labels: object } }>({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { namespace: grant.target.namespace ?? '', name: objectName(id) },
    });
    expect(lease.metadata.labels).toMatchObject({ team: 'platform' });
    await live.useCases.revoke(PEOPLE.ada, id, '');
    expect((await live.ended(id)).state).toBe('revoked');
    expect(await left(id)).toEqual([]);
    expect(live.alarms.slice(before)).toEqual([]);
  });

  test('with such additions the lease ends alone, and with it the access', async () => {
    webhook.mutate(addsHarmlessThings);
    const id = await live.active('observe', targets.team, null, 5);
    expect(await can('list', 'configmaps', '-n', targets.team)).toBe('yes');
    await vi.waitFor(async () => expect(await left(id)).toEqual([]), { timeout: 40_000, interval: 500 });
    expect(await can('list', 'configmaps', '-n', targets.team)).toBe('no');
    expect((await live.ended(id)).state).toBe('expired');
  });

  test('with such additions the leash holds, and what is written is taken', async () => {
    webhook.mutate(addsHarmlessThings);
    expect(await live.world.clusters.of({ cluster: null }).tryLeash()).toBeNull();
    expect(await live.world.clusters.of({ cluster: null }).tryWriting(profiles())).toEqual([]);
  });

  const template = (object: Parameters<Mutation>[0]) => object.spec.template.spec;
  const first = ({ containers: [container] }: Parameters<Mutation>[0]['spec']['template']['spec']) => {
    if (container === undefined) throw new Error('no container');
    return container;
  };
  /** A sidecar, once: pods are written again by their controllers. */
  const injected: Mutation = ({ spec }) => {
    const { containers } = spec;
    if (containers.every(({ name }) => name !== 'mesh')) containers.push({ ...first(spec), name: 'mesh', ports: [] });
  };
  const sidecar = { name: 'mesh', image: 'example.test/mesh:1' };
  /** What is changed, of which kind, how, the profile that shows it, and the field that is named. */
  const rows: readonly [string, string, Mutation, string, RegExp][] = [
    [
      'a sidecar in Jobs',
      'Job',
      (job) => template(job).containers.push(sidecar),
      'observe',
      /spec\.template\.spec\.containers\[mesh\]/,
    ],
    [
      'an init container in Jobs',
      'Job',
      (job) => Object.assign(template(job), { initContainers: [sidecar] }),
      'observe',
      /spec\.template\.spec\.initContainers\[mesh\]/,
    ],
    [
      'a volume in Jobs',
      'Job',
      (job) => Object.assign(template(job), { volumes: [{ name: 'certificates', emptyDir: {} }] }),
      'observe',
      /spec\.template\.spec\.volumes/,
    ],
    [
      'another registry in Jobs',
      'Job',
      (job) => (first(template(job)).image = 'mirror.example.test/lease:1'),
      'observe',
      /spec\.template\.spec\.containers\[lease\]\.image mirror\.example\.test/,
    ],
    [
      'a variable in the Job of a workspace',
      'Job',
      (job) => {
        if (job.metadata.name?.endsWith('-workspace')) first(template(job))['env'] = [{ name: 'A', value: 'b' }];
      },
      'debug',
      /spec\.template\.spec\.containers\[workspace\]\.env/,
    ],
    [
      'a queue that suspends Jobs',
      'Job',
      (job) => (job.spec.suspend = true),
      'observe',
      /ends by itself, within seven days/,
    ],
    [
      'an annotation under our own prefix',
      'RoleBinding',
      (binding) => Object.assign((binding.metadata.annotations ??= {}), { 'drawbridge.internal/profile': 'admin' }),
      'observe',
      /annotations\.drawbridge\.internal\/profile was changed/,
    ],
    [
      'fewer verbs in Roles',
      'Role',
      (role) => {
        for (const rule of role.rules) rule.verbs = ['get'];
      },
      'shell',
      /rules was changed/,
    ],
    ['a sidecar in pods', 'Pod', injected, 'debug', /spec\.containers\[mesh\]/],
    [
      'a container that shares no processes, which need not heed TERM',
      'Pod',
      (pod) => (pod.spec['shareProcessNamespace'] = false),
      'debug',
      /spec\.shareProcessNamespace/,
    ],
    [
      'a volume in pods',
      'Pod',
      (pod) => (pod.spec['volumes'] = [{ name: 'certificates', emptyDir: {} }]),
      'debug',
      /spec\.volumes\[certificates\]/,
    ],
    [
      'a secret in the variables of pods',
      'Pod',
      (pod) => {
        const secretKeyRef = { name: 'vault', key: 'token' };
        first(pod.spec)['env'] = [{ name: 'TOKEN', valueFrom: { secretKeyRef } }];
      },
      'debug',
      /spec\.containers\[workspace\]\.env\[TOKEN\]/,
    ],
    [
      'a second network',
      'Pod',
      (pod) => Object.assign((pod.metadata.annotations ??= {}), { 'k8s.v1.cni.cncf.io/networks': 'storage' }),
      'debug',
      /metadata\.annotations k8s\.v1\.cni\.cncf\.io\/networks/,
    ],
    [
      'a label by which a policy opens pods',
      'Pod',
      (pod) => Object.assign((pod.metadata.labels ??= {}), { tools: 'yes' }),
      'debug',
      /metadata\.labels \(NetworkPolicy tools-may-go-anywhere selects it/,
    ],
    [
      'such a label in the template of Jobs',
      'Job',
      (job) => {
        const { metadata } = job.spec.template;
        if (metadata?.labels !== undefined) metadata.labels['tools'] = 'yes';
      },
      'debug',
      /metadata\.labels \(NetworkPolicy tools-may-go-anywhere selects it/,
    ],
  ];
  test.each(rows)(
    '%s: nothing is given, and who is to exclude what is said',
    async (_name, kind, mutation, profile, field) => {
      webhook.mutate(on(kind, mutation));
      const namespace = profile === 'observe' ? targets.team : targets.staging;
      const id = await live.approved(profile, namespace, profile === 'observe' ? null : 'checkout');
      const { state, ending } = await live.ended(id);
      expect(state).toBe('failed');
      for (const text of [ending?.note ?? '', alarmsOf(id)]) {
        expect(text).toMatch(field);
        expect(text).toContain(`webhook ${webhook.name}`);
        expect(text).toMatch(
          /Exclude objects with the label app\.kubernetes\.io\/managed-by=drawbridge \(objectSelector\)/,
        );
      }
      expect(await left(id)).toEqual([]);
      expect(await can('list', 'configmaps', '-n', targets.team)).toBe('no');
    },
  );

  test('at the start it is said what would not be taken, and where', async () => {
    webhook.mutate(on('Job', (job) => template(job).containers.push(sidecar)));
    const why = (await live.world.clusters.of({ cluster: null }).tryWriting(profiles())).join('\n');
    expect(why).toMatch(new RegExp(`containers\\[mesh\\].*Job ${targets.staging}/.*webhook ${webhook.name}`));
    expect(why).toContain(`the namespace ${at.workspacesNamespace}`);
    expect(why).not.toContain(targets.shop);
  });

  test('at the start a sidecar in the canary is noticed: workspaces would have it too', async () => {
    webhook.mutate(on('Pod', injected));
    const pods = ['-n', at.workspacesNamespace, '-l', 'app.kubernetes.io/component=canary'];
    expect((await cluster.kubectl(['delete', 'pods', ...pods])).code).toBe(0);
    await vi.waitFor(
      async () => {
        const why = await live.world.clusters.of({ cluster: null }).tryWriting(profiles());
        expect(why.join()).toMatch(/spec\.containers\[mesh\] beside what the chart says/);
      },
      { timeout: 20_000, interval: 300 },
    );
    webhook.mutate(() => {});
    await cluster.kubectl(['delete', 'pods', ...pods]);
    await vi.waitFor(
      async () => expect(await live.world.clusters.of({ cluster: null }).tryWriting(profiles())).toEqual([]),
      {
        timeout: 20_000,
        interval: 300,
      },
    );
  });

  describe('that comes while a grant is open', () => {
    test('makes no incident of it; an extension is refused by name, and it ends', async () => {
      const id = await live.active('observe', targets.team, null);
      webhook.mutate(on('Job', (job) => template(job).containers.push(sidecar)));
      await live.reconcile();
      await live.run();
      expect([(await live.grant(id)).state, alarmsOf(id)]).toEqual(['active', '']);
      await live.useCases.extend(PEOPLE.ada, id, 600);
      await live.run();
      const asked = await live.grant(id);
      if (asked.extension === null) throw new Error('nothing was asked for');
      const seen = { digest: shortDigest(extensionDigest(asked, asked.extension)), message: asked.message };
      await live.useCases.reviewExtension(PEOPLE.ben, id, 'approve', '', seen);
      await live.run();
      for (const text of [(await live.grant(id)).remarks.join(), alarmsOf(id)]) {
        expect(text).toContain('did not take the extension');
        expect(text).toContain(`webhook ${webhook.name}`);
      }
      await live.useCases.revoke(PEOPLE.ada, id, '');
      expect((await live.ended(id)).state).toBe('revoked');
      expect(await left(id)).toEqual([]);
    });
  });

  describe('that is away, where what it does not answer fails', () => {
    test('nothing is given, and it is named; the leash is said to be untried', async () => {
      webhook.fail(['CREATE', 'UPDATE']);
      expect(await live.world.clusters.of({ cluster: null }).tryLeash()).toContain(
        `failed calling webhook "${webhook.name}"`,
      );
      expect((await live.world.clusters.of({ cluster: null }).tryWriting(profiles())).join()).toContain(
        `failed calling webhook "${webhook.name}"`,
      );
      const id = await live.approved('observe', targets.team, null);
      await live.run();
      live.wait(61_000);
      const { state, ending } = await live.ended(id);
      expect([state, ending?.note]).toEqual([
        'failed',
        expect.stringContaining(`failed calling webhook "${webhook.name}"`),
      ]);
      expect(await left(id)).toEqual([]);
    });

    test('a workspace for whose pod it is asked: that no pod is made is said', async () => {
      webhook.mutate(
        on('Pod', () => {
          throw new Error('away');
        }),
      );
      const id = await live.approved('debug', targets.staging, 'checkout');
      await live.run();
      live.wait(61_000);
      const { state, ending } = await live.ended(id, 60_000);
      expect([state, ending?.note]).toEqual([
        'failed',
        expect.stringMatching(/made no pod for the workspace: .*describe job/),
      ]);
    });

    test('what is open ends all the same', async () => {
      const id = await live.active('observe', targets.team, null);
      webhook.fail(['CREATE', 'UPDATE']);
      await live.useCases.revoke(PEOPLE.ada, id, '');
      expect((await live.ended(id)).state).toBe('revoked');
      expect(await left(id)).toEqual([]);
    });

    test('asked about deletions only, it keeps objects and no access', async () => {
      const id = await live.active('observe', targets.team, null);
      webhook.fail(['DELETE']);
      await live.useCases.revoke(PEOPLE.ada, id, '');
      await live.run();
      expect(await can('list', 'configmaps', '-n', targets.team)).toBe('no');
      live.wait(31_000);
      await live.run();
      await live.run();
      expect(alarmsOf(id)).toContain(`failed calling webhook "${webhook.name}"`);
      webhook.fail([]);
      expect((await live.ended(id)).state).toBe('revoked');
      expect(await left(id)).toEqual([]);
    });
  });

  describe('whoever has the bot’s token', () => {
    const mine = (more: object) => ({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: {
        namespace: at.workspacesNamespace,
        name: objectName('g-222222'),
        labels: {
          'app.kubernetes.io/managed-by': 'drawbridge',
          'drawbridge.internal/grant': 'g-222222',
          'drawbridge.internal/instance': at.instance,
        },
        ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: objectName('g-222222'), uid: 'x' }],
        ...more,
      },
      rules: [],
    });
    const annotations = { 'replicator.example.test/replicate-to': '.*' };
    const claims = (fieldsV1: object, apiVersion = 'rbac.authorization.k8s.io/v1') => [
      {
        manager: 'drawbridge',
        operation: 'Apply',
        apiVersion,
        fieldsType: 'FieldsV1',
        fieldsV1,
      },
    ];
    const grantLabel = { 'f:metadata': { 'f:labels': { 'f:drawbridge.internal/grant': {} } } };

    test.each([
      ['as it is', {}],
      ['with a record that is reset', { managedFields: [{}] }],
      ['with a record that claims less', { managedFields: claims(grantLabel) }],
      ['with a record that can not be decoded', { managedFields: claims(grantLabel, 'a/b/c') }],
    ])('can add nothing itself, %s', async (_name, more) => {
      webhook.mutate(addsHarmlessThings);
      expect(await bot.create(mine({}), true)).toBe('accepted');
      // Without any record what the webhook adds is not borne either.
      const refused =
        /the labels of its grant and no others|annotations drawbridge\.internal\/\* and no others, not metadata\.annotations .*replicate-to/;
      expect(await bot.create(mine({ annotations, ...more }), true)).toMatch(refused);
      const id = await live.active('shell', targets.staging, 'checkout');
      const role = { ...mine({}), metadata: { namespace: targets.staging, name: objectName(id) } };
      expect(await bot.patch(role, { metadata: { annotations, ...more } })).toMatch(
        /^4.*annotations drawbridge\.internal/,
      );
      // In two steps neither.
      await bot.patch(role, { metadata: { managedFields: [{}] } });
      expect(await bot.patch(role, { metadata: { annotations } })).toMatch(/^4.*annotations drawbridge\.internal/);
      await live.useCases.revoke(PEOPLE.ada, id, '');
      expect((await live.ended(id)).state).toBe('revoked');
    });
  });
});
