import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type ManifestContext, objectName } from '../../src/adapters/kubernetes/manifests.ts';
import type { KubeObject } from '../../src/adapters/kubernetes/object.ts';
import { type Installation, uninstallChart } from '../../src/sandbox/chart.ts';
import { markRunning } from '../../src/sandbox/cluster/pods.ts';
import { installExample, type Targets } from '../support/chart.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { grantObjects } from '../support/grant-objects.ts';
import { ADA } from '../support/grants.ts';
import { type Hand, handOf, pathOf } from '../support/hand.ts';
import { changed, type Made, makeAll, newGrants } from '../support/made.ts';
import { bystander, clusterWide } from '../support/workloads.ts';

const user = (name: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name });

describeWithCluster('what Drawbridge has made is closed to everybody else', (cluster) => {
  let at: Installation;
  let targets: Targets;
  let context: ManifestContext;
  let bot: Hand;
  /** Of the emergency group. */
  let admin: Hand;
  /** May do everything by RBAC, and is not of the emergency group. */
  let operator: Hand;
  let live: Record<Made, KubeObject>;
  const closing: (() => Promise<unknown>)[] = [];
  /** All labels of ours, as on a workspace of `live`. */
  const labels = () => live.guard.metadata.labels ?? {};
  const PREFIX = 'drawbridge.internal/';
  const refused = /^403 .*belongs to Drawbridge/;

  async function handOfUser(name: string, role: string): Promise<Hand> {
    const binding = `${name.replace('@', '-')}-${at.release}`;
    await cluster.apply([clusterWide(binding, role, user(name))]);
    closing.push(() => cluster.kubectl(['delete', 'clusterrolebinding', binding]));
    return handOf(await cluster.kubeconfigFor(name));
  }

  beforeAll(async () => {
    ({ at, targets } = await installExample(cluster, 'drawbridge', { 'valkey.enabled': true }));
    closing.push(() => uninstallChart(cluster.adminKubeconfig, at));
    context = { instance: at.instance, workspacesNamespace: at.workspacesNamespace };
    bot = await handOf(await cluster.serviceAccountKubeconfig(at.namespace, at.serviceAccount));
    admin = await handOf(cluster.adminKubeconfig);
    operator = await handOfUser('operator@example.test', 'cluster-admin');
    await cluster.apply([
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'Role',
        metadata: { namespace: targets.shop, name: 'configurator' },
        rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }],
      },
      bystander(targets.staging),
      bystander(at.workspacesNamespace),
    ]);
    const kubelet = await markRunning({
      kubeconfig: await cluster.kubeconfigFor('system:kube-scheduler'),
      namespaces: [targets.staging, at.workspacesNamespace],
    });
    closing.push(() => kubelet.stop());
    live = await makeAll(bot, newGrants(targets), context);
  });

  afterAll(async () => {
    for (const close of closing.toReversed()) await close();
  });

  describe('an object of a grant', () => {
    const all: Made[] = ['lease', 'guard', 'admission', 'workspace', 'role', 'binding'];

    test.each(all)('%s: not deleted, changed, kept nor disowned, by a cluster administrator either', async (made) => {
      const object = live[made];
      expect(await operator.remove(object)).toMatch(refused);
      expect(await operator.remove(object, { propagationPolicy: 'Orphan' })).toMatch(refused);
      for (const change of [
        { annotations: { a: 'b' } },
        { finalizers: ['example.test/keep'] },
        { ownerReferences: null },
        { labels: { [`${PREFIX}instance`]: null } },
        { labels: { [`${PREFIX}grant`]: null, [`${PREFIX}instance`]: null } },
        { labels: { [`${PREFIX}instance`]: 'other' } },
      ])
        expect(await operator.patch(object, { metadata: change })).toMatch(refused);
    });

    test.each(all)('%s: only its labels make the difference', async (made) => {
      const plain = changed(live[made], {
        'metadata.name': `plain-${made}`,
        'metadata.labels': { app: 'x' },
        'metadata.ownerReferences': undefined,
        ...(made === 'workspace' ? { 'spec.template.metadata.labels': { app: 'x' } } : {}),
      });
      expect(await operator.create(plain)).toBe('accepted');
      expect(await operator.patch(plain, { metadata: { labels: labels() } })).toMatch(refused);
      expect(await operator.patch(plain, { metadata: { annotations: { a: 'b' } } })).toBe('accepted');
      expect(await operator.remove(plain)).toBe('accepted');
    });

    test('nor is a lease changed through its status', async () => {
      const change = { status: { conditions: [] }, metadata: { annotations: { a: 'b' } } };
      expect(await operator.patch(live.lease, change, 'status')).toMatch(refused);
      expect(await admin.patch(live.lease, change, 'status')).toBe('accepted');
    });

    test('all of a namespace at once is refused too', async () => {
      const list = pathOf(live.binding, true);
      expect(await operator.call('DELETE', list)).toMatch(refused);
      expect(await admin.read(live.binding)).toMatchObject({ metadata: { name: live.binding.metadata.name } });
    });

    test('the emergency group may do it by hand', async () => {
      expect(await admin.remove(live.binding, { dryRun: 'All' })).toBe('accepted');
      expect(await admin.patch(live.binding, { metadata: { annotations: { a: 'b' } } })).toBe('accepted');
    });
  });

  describe('the labels of a grant are put on nothing', () => {
    const template = (more: object) => {
      const { metadata, spec } = bystander('') as { metadata: object; spec: object };
      return { metadata: { ...metadata, name: undefined, namespace: undefined, labels: { app: 'x', ...more } }, spec };
    };
    const selector = { matchLabels: { app: 'x' } };
    type Labels = Record<string, string>;
    /** Kind, and an object of it whose pods would carry the labels. */
    const makers: [string, string, (l: Labels) => object][] = [
      ['apps/v1', 'Deployment', (l) => ({ spec: { selector, template: template(l) } })],
      ['apps/v1', 'ReplicaSet', (l) => ({ spec: { selector, template: template(l) } })],
      ['apps/v1', 'DaemonSet', (l) => ({ spec: { selector, template: template(l) } })],
      ['apps/v1', 'StatefulSet', (l) => ({ spec: { selector, serviceName: 'x', template: template(l) } })],
      ['v1', 'ReplicationController', (l) => ({ spec: { selector: { app: 'x' }, template: template(l) } })],
      ['v1', 'PodTemplate', (l) => ({ template: template(l) })],
      [
        'batch/v1',
        'Job',
        (l) => ({ spec: { template: { ...template(l), spec: { ...template(l).spec, restartPolicy: 'Never' } } } }),
      ],
      [
        'batch/v1',
        'CronJob',
        (l) => ({
          spec: {
            schedule: '* * * * *',
            jobTemplate: {
              spec: { template: { ...template(l), spec: { ...template(l).spec, restartPolicy: 'Never' } } },
            },
          },
        }),
      ],
      [
        'batch/v1',
        'CronJob',
        (l) => ({
          spec: {
            schedule: '* * * * *',
            jobTemplate: {
              metadata: { labels: l },
              spec: { template: { ...template({}), spec: { ...template({}).spec, restartPolicy: 'Never' } } },
            },
          },
        }),
      ],
      ['v1', 'Pod', (l) => ({ metadata: template(l).metadata, spec: template(l).spec })],
    ];

    test.each(makers)('%s %s', async (apiVersion, kind, withLabels) => {
      const object = (namespace: string, l: Labels) => {
        const made = withLabels(l) as { metadata?: object };
        return { apiVersion, kind, ...made, metadata: { ...made.metadata, namespace, name: 'walker' } };
      };
      const grant = { [`${PREFIX}grant`]: labels()[`${PREFIX}grant`] ?? '' };
      for (const namespace of [targets.staging, at.workspacesNamespace]) {
        expect(await operator.create(object(namespace, {}), true)).toBe('accepted');
        expect(await operator.create(object(namespace, { ...labels() }), true)).toMatch(refused);
        expect(await operator.create(object(namespace, grant), true)).toMatch(refused);
      }
      // What is another installation's is not ours to guard, but for our workspaces, where the grant alone is what counts.
      const others = { ...grant, [`${PREFIX}instance`]: 'other' };
      expect(await operator.create(object(targets.staging, others), true)).toBe('accepted');
      expect(await operator.create(object(at.workspacesNamespace, others), true)).toMatch(refused);
    });

    test('a pod that is there, also through its status and its binding', async () => {
      const pod = bystander(at.workspacesNamespace) as {
        apiVersion: string;
        kind: string;
        metadata: { namespace: string; name: string };
      };
      expect(await operator.patch(pod, { metadata: { labels: { app: 'x' } } })).toBe('accepted');
      expect(await operator.patch(pod, { metadata: { labels: labels() } })).toMatch(refused);
      expect(await operator.patch(pod, { metadata: { labels: { app: 'y' } } }, 'status')).toBe('accepted');
      expect(await operator.patch(pod, { metadata: { labels: labels() } }, 'status')).toMatch(refused);
      const binding = (l: object) => ({
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { ...pod.metadata, labels: l },
        target: { kind: 'Node', name: 'node-1' },
      });
      expect(await operator.call('POST', `${pathOf(pod)}/binding?dryRun=All`, binding({ app: 'x' }))).toBe('accepted');
      expect(await operator.call('POST', `${pathOf(pod)}/binding?dryRun=All`, binding(labels()))).toMatch(refused);
      expect(
        await operator.call('POST', `${pathOf(pod, true).replace(/pods$/, 'bindings')}?dryRun=All`, binding(labels())),
      ).toMatch(refused);
    });
  });

  describe('what the chart has made', () => {
    /** May edit everything in all namespaces, as people in many clusters may. */
    let editor: Hand;
    const ours = /^403 .*This belongs to Drawbridge \(release /;
    const named = (apiVersion: string, kind: string, namespace: string, name: string) => ({
      apiVersion,
      kind,
      metadata: { namespace, name },
    });
    const canary = () => named('apps/v1', 'Deployment', at.workspacesNamespace, `${at.release}-canary`);
    const bots = (apiVersion: string, kind: string, suffix = '') =>
      named(apiVersion, kind, at.namespace, `${at.serviceAccount}${suffix}`);
    const pod = (namespace: string, spec: object = {}) => {
      const plain = bystander(namespace) as KubeObject & { spec: object };
      return { ...plain, metadata: { namespace, name: 'walker' }, spec: { ...plain.spec, ...spec } };
    };
    /** What the API server's controllers fill with a token of the bot that never ends. */
    const tokenSecret = (name: string) => ({
      ...named('v1', 'Secret', at.namespace, name),
      metadata: {
        namespace: at.namespace,
        name,
        annotations: { 'kubernetes.io/service-account.name': at.serviceAccount },
      },
      type: 'kubernetes.io/service-account-token',
    });
    const valkey = (apiVersion: string, kind: string) => bots(apiVersion, kind, '-valkey');
    /** A pod with the labels by which the chart's Services and policies choose. */
    const labelled = (name: string): KubeObject => {
      const plain = pod(at.namespace);
      const labels = { 'app.kubernetes.io/name': name, 'app.kubernetes.io/instance': at.release };
      return { ...plain, metadata: { ...plain.metadata, labels } };
    };
    const dry = (path: string) => `${path}?dryRun=All`;
    const merge = 'application/merge-patch+json';

    beforeAll(async () => {
      editor = await handOfUser('everywhere@example.test', 'edit');
      await vi.waitFor(async () => expect(await editor.create(pod(targets.staging), true)).toBe('accepted'), {
        timeout: 5000,
      });
    });

    type Deed = [string, (hand: Hand) => Promise<string>];
    const deny = () =>
      named('networking.k8s.io/v1', 'NetworkPolicy', at.workspacesNamespace, `${at.release}-default-deny`);
    const deeds: Deed[] = [
      ['delete the default deny', (hand) => hand.call('DELETE', dry(pathOf(deny())))],
      [
        'open the default deny',
        (hand) => hand.call('PATCH', dry(pathOf(deny())), { spec: { policyTypes: ['Ingress'] } }, merge),
      ],
      [
        'open the workspaces by a policy beside it',
        (hand) =>
          hand.create(
            {
              ...deny(),
              metadata: { namespace: at.workspacesNamespace, name: 'open' },
              spec: { podSelector: {}, policyTypes: ['Egress'], egress: [{}] },
            } as KubeObject,
            true,
          ),
      ],
      ['put a pod beside the workspaces', (hand) => hand.create(pod(at.workspacesNamespace), true)],
      ['take the canary away', (hand) => hand.call('DELETE', dry(pathOf(canary())))],
      ['make the canary deaf', (hand) => hand.call('PATCH', dry(pathOf(canary())), { spec: { replicas: 0 } }, merge)],
      [
        'scale the canary to nothing',
        (hand) => hand.call('PATCH', dry(`${pathOf(canary())}/scale`), { spec: { replicas: 0 } }, merge),
      ],
      [
        'put a Service before the canary',
        (hand) =>
          hand.create(
            {
              ...named('v1', 'Service', at.workspacesNamespace, 'front'),
              spec: { ports: [{ port: 80 }], selector: { a: 'b' } },
            } as KubeObject,
            true,
          ),
      ],
      [
        'rewrite the policy',
        (hand) => hand.call('PATCH', dry(pathOf(bots('v1', 'ConfigMap'))), { data: { 'policy.yaml': '' } }, merge),
      ],
      [
        'disown the policy’s ConfigMap',
        (hand) => hand.call('PATCH', dry(pathOf(bots('v1', 'ConfigMap'))), { metadata: { labels: null } }, merge),
      ],
      ['delete the bot', (hand) => hand.call('DELETE', dry(pathOf(bots('apps/v1', 'Deployment'))))],
      [
        'scale the bot to nothing',
        (hand) =>
          hand.call('PATCH', dry(`${pathOf(bots('apps/v1', 'Deployment'))}/scale`), { spec: { replicas: 0 } }, merge),
      ],
      [
        'suspend the reaper',
        (hand) =>
          hand.call('PATCH', dry(pathOf(bots('batch/v1', 'CronJob', '-reaper'))), { spec: { suspend: true } }, merge),
      ],
      [
        'mint the bot’s token',
        (hand) =>
          hand.call('POST', dry(`${pathOf(bots('v1', 'ServiceAccount'))}/token`), {
            apiVersion: 'authentication.k8s.io/v1',
            kind: 'TokenRequest',
            spec: {},
          }),
      ],
      ['have the bot’s token written into a Secret', (hand) => hand.create(tokenSecret('walker'), true)],
      [
        'change the bot’s account',
        (hand) => hand.call('PATCH', dry(pathOf(bots('v1', 'ServiceAccount'))), { metadata: { labels: null } }, merge),
      ],
      [
        'scale Valkey to nothing',
        (hand) =>
          hand.call(
            'PATCH',
            dry(`${pathOf(valkey('apps/v1', 'StatefulSet'))}/scale`),
            { spec: { replicas: 0 } },
            merge,
          ),
      ],
      [
        'have Valkey’s Service lead to a pod of one’s own, which the bot would tell the password',
        (hand) => hand.create(labelled(`${at.serviceAccount}-valkey`), true),
      ],
      ['have a pod of one’s own let in to Valkey', (hand) => hand.create(labelled('drawbridge'), true)],
      [
        'put a volume of one’s own in the place of Valkey’s',
        (hand) =>
          hand.create(
            {
              ...labelled(`${at.serviceAccount}-valkey`),
              apiVersion: 'v1',
              kind: 'PersistentVolumeClaim',
              spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
            } as KubeObject,
            true,
          ),
      ],
      [
        'run a pod as the bot',
        (hand) => hand.create(pod(at.namespace, { serviceAccountName: at.serviceAccount }), true),
      ],
      [
        'run a Job as the reaper',
        (hand) =>
          hand.create(
            {
              ...named('batch/v1', 'Job', at.namespace, 'walker'),
              spec: {
                template: {
                  spec: { ...pod('').spec, restartPolicy: 'Never', serviceAccountName: `${at.serviceAccount}-reaper` },
                },
              },
            } as KubeObject,
            true,
          ),
      ],
    ];

    test.each(deeds)('not to be touched by whoever may edit everywhere: %s', async (_what, deed) => {
      // So it is the installation that is closed, and not the deed that fails; and who may do everything may upgrade.
      expect(await deed(operator)).toBe('accepted');
      expect(await deed(editor)).toMatch(ours);
    });

    // The role edit has impersonate on service accounts, those of kube-system among them.
    test('nor does anybody act in the place of the bot, the reaper or a controller', async () => {
      const as = async (account: string, args: string[], input = '') => {
        const kubeconfig = await cluster.kubeconfigFor('everywhere@example.test');
        return (
          await cluster.kubectl([...args, '--dry-run=server', `--as=system:serviceaccount:${account}`], {
            kubeconfig,
            input,
          })
        ).stderr;
      };
      const { name, namespace } = live.binding.metadata;
      const binding = ['rolebinding', name, `-n${namespace}`];
      const { lease } = await makeAll(bot, newGrants(targets), context);
      const own = changed(lease, {
        'metadata.name': 'drawbridge-g-222222',
        'metadata.labels': { ...labels(), [`${PREFIX}grant`]: 'g-222222' },
      });
      const byItself = /acts by a token of its own|belongs to Drawbridge/;
      const account = `${at.namespace}:${at.serviceAccount}`;
      expect(await as(account, ['create', '-f', '-'], JSON.stringify(own))).toMatch(byItself);
      for (const hand of [account, `${account}-reaper`])
        expect(await as(hand, ['delete', ...binding])).toMatch(byItself);
      for (const controller of ['namespace-controller', 'generic-garbage-collector'])
        expect(await as(`kube-system:${controller}`, ['delete', ...binding])).toMatch(/belongs to Drawbridge/);
      expect(
        await as(
          'kube-system:replicaset-controller',
          ['create', '-f', '-'],
          JSON.stringify(pod(at.workspacesNamespace)),
        ),
      ).toMatch(/belongs to Drawbridge/);
    });

    test('a token of the bot that never ends is worth nothing', async () => {
      const secret = tokenSecret('endless') as KubeObject;
      expect(await operator.create(secret)).toBe('accepted');
      const token = await vi.waitFor(async () => {
        const { data } = await admin.read<{ data?: { token?: string } }>(secret);
        if (data?.token === undefined) throw new Error('not filled yet');
        return Buffer.from(data.token, 'base64').toString();
      });
      const { name, namespace } = live.binding.metadata;
      const args = ['--token', token, 'delete', 'rolebinding', name, `-n${namespace}`, '--dry-run=server'];
      const kubeconfig = await cluster.serviceAccountKubeconfig(at.namespace, 'default');
      // Two policies refuse it, and the API server tells of either.
      expect((await cluster.kubectl(args, { kubeconfig })).stderr).toMatch(
        /acts by a token of its own|This belongs to Drawbridge/,
      );
      expect(await operator.remove(secret)).toBe('accepted');
    });

    test('nor all policies there at once', async () => {
      expect(await editor.call('DELETE', dry(pathOf(deny(), true)))).toMatch(/^403 .*This belongs to Drawbridge/);
    });

    test('nobody goes into the pods of the bot either', async () => {
      const path = `/api/v1/namespaces/${at.namespace}/pods/${at.serviceAccount}-abcde/exec?command=id&stdout=1`;
      expect(await editor.call('POST', path)).toMatch(ours);
      expect(await operator.call('POST', path)).toMatch(/^404 /);
    });

    test('what others have beside the bot stays theirs', async () => {
      const beside = named('v1', 'ConfigMap', at.namespace, 'beside') as KubeObject;
      expect(await editor.create(beside)).toBe('accepted');
      expect(await editor.patch(beside, { data: { a: 'b' } })).toBe('accepted');
      expect(await editor.create(pod(at.namespace), true)).toBe('accepted');
      expect(await editor.remove(beside)).toBe('accepted');
    });

    test('what has no namespace is none of it, whoever writes it', async () => {
      const role = `ingress-classes-${at.release}`;
      const rules = [{ apiGroups: ['networking.k8s.io'], resources: ['ingressclasses'], verbs: ['create'] }];
      const kind = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: role }, rules };
      await cluster.apply([kind]);
      closing.push(() => cluster.kubectl(['delete', 'clusterrole', role]));
      const author = await handOfUser('author@example.test', role);
      const path = dry('/apis/networking.k8s.io/v1/ingressclasses');
      const spec = { controller: 'example.test/none' };
      const object = { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', metadata: { name: role }, spec };
      await vi.waitFor(async () => expect(await author.call('POST', path, object)).toBe('accepted'), { timeout: 5000 });
    });

    test('nodes can be drained', async () => {
      const evict = {
        apiVersion: 'policy/v1',
        kind: 'Eviction',
        metadata: { name: 'bystander', namespace: at.workspacesNamespace },
      };
      const path = `/api/v1/namespaces/${at.workspacesNamespace}/pods/bystander/eviction?dryRun=All`;
      expect(await editor.call('POST', path, evict)).toBe('accepted');
    });

    test('whoever may manage the installation changes it, as a pipeline does', async () => {
      const RBAC = 'rbac.authorization.k8s.io';
      const [, deed] = deeds.find(([what]) => what === 'rewrite the policy') as Deed;
      expect(await deed(editor)).toMatch(ours);
      await cluster.apply([
        {
          apiVersion: `${RBAC}/v1`,
          kind: 'Role',
          metadata: { namespace: at.namespace, name: 'manager' },
          rules: [{ apiGroups: ['drawbridge.internal'], resources: ['installations'], verbs: ['manage'] }],
        },
        {
          apiVersion: `${RBAC}/v1`,
          kind: 'RoleBinding',
          metadata: { namespace: at.namespace, name: 'manager' },
          roleRef: { apiGroup: RBAC, kind: 'Role', name: 'manager' },
          subjects: [user('everywhere@example.test')],
        },
      ]);
      await vi.waitFor(async () => expect(await deed(editor)).toBe('accepted'), { timeout: 5000 });
    });
  });

  describe('the controllers of Kubernetes do their work', () => {
    test('a workspace’s pod is made; leases end, and take with them what they own', async () => {
      const grants = newGrants(targets, 5);
      const made = await makeAll(bot, grants, context);
      await vi.waitFor(
        async () =>
          expect((await grantObjects(cluster, grants.debug.id)).join()).toContain(
            `pod/${made.workspace.metadata.name}-`,
          ),
        { timeout: 10_000 },
      );
      for (const { id } of Object.values(grants))
        await vi.waitFor(
          async () =>
            expect((await grantObjects(cluster, id)).filter((name) => !name.startsWith('networkpolicy'))).toEqual([]),
          {
            timeout: 20_000,
            interval: 200,
          },
        );
      expect(await bot.remove(made.guard)).toBe('accepted');
    });

    test('a namespace that holds a grant can be deleted', async () => {
      const team = await cluster.freshNamespace('team');
      await makeAll(bot, newGrants({ ...targets, team }), context);
      const { code, stderr } = await cluster.kubectl(['delete', 'namespace', team, '--timeout=40s'], {
        kubeconfig: await cluster.kubeconfigFor('operator@example.test'),
      });
      expect([code, stderr]).toEqual([0, '']);
    });

    test('but they too change no labels, and make pods with them in the workspaces namespace only', async () => {
      // By tokens of theirs, as they act: before 1.32 a certificate is authenticated without an id.
      const controller = async (name: string) => handOf(await cluster.serviceAccountKubeconfig('kube-system', name));
      const jobs = await controller('job-controller');
      const pod = (namespace: string) => {
        const plain = bystander(namespace) as KubeObject;
        return { ...plain, metadata: { ...plain.metadata, name: 'walker', labels: labels() } };
      };
      expect(await jobs.create(pod(at.workspacesNamespace), true)).toBe('accepted');
      expect(await jobs.create(pod(targets.staging), true)).toMatch(/^403 .*Only the Job controller makes pods/);
      const sets = await controller('replicaset-controller');
      expect(await sets.create(pod(at.workspacesNamespace), true)).toMatch(refused);

      const scheduler = await handOf(await cluster.kubeconfigFor('system:kube-scheduler'));
      const list = JSON.parse(
        (
          await cluster.kubectl([
            '-n',
            at.workspacesNamespace,
            'get',
            'pods',
            '-o',
            'json',
            '-l',
            `${PREFIX}grant=${labels()[`${PREFIX}grant`]}`,
          ])
        ).stdout,
      ) as { items: KubeObject[] };
      const [workspace] = list.items;
      const named = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace: at.workspacesNamespace, name: workspace?.metadata.name ?? '' },
      };
      expect(await scheduler.patch(named, { status: { message: 'x' } }, 'status')).toBe('accepted');
      for (const change of [
        { [`${PREFIX}grant`]: 'g-222222' },
        { [`${PREFIX}grant`]: null },
        { [`${PREFIX}more`]: 'x' },
      ])
        expect(await scheduler.patch(named, { metadata: { labels: change } }, 'status')).toMatch(
          /^403 .*set by Drawbridge alone/,
        );
      expect(await scheduler.patch(pod(at.workspacesNamespace), { metadata: { labels: labels() } }, 'status')).toMatch(
        /^404 /,
      );
      expect(
        await scheduler.patch(
          bystander(at.workspacesNamespace) as KubeObject,
          { metadata: { labels: labels() } },
          'status',
        ),
      ).toMatch(/^403 .*set by Drawbridge alone/);
    });
  });

  describe('into a workspace', () => {
    const workspacePod = () => `${live.workspace.metadata.name}-abcde`;
    const doors = ['exec?command=id&stdout=1', 'attach?stdout=1', 'portforward?ports=80', 'proxy/'];
    const knock = (hand: Hand, namespace: string, pod: string, door: string) =>
      hand.call(door === 'proxy/' ? 'GET' : 'POST', `/api/v1/namespaces/${namespace}/pods/${pod}/${door}`);

    test.each(doors)('nobody goes by a right on all pods (%s)', async (door) => {
      const editor = await handOfUser(`editor-${door.slice(0, 4)}@example.test`, 'edit');
      await vi.waitFor(async () => expect(await knock(editor, targets.staging, 'none', door)).toMatch(/^404 /), {
        timeout: 5000,
      });
      expect(await knock(editor, at.workspacesNamespace, 'bystander', door)).toMatch(
        /^403 .*Only the requester of its grant/,
      );
      expect(await knock(editor, at.workspacesNamespace, workspacePod(), door)).toMatch(
        /^403 .*Only the requester of its grant/,
      );
    });

    test('nor through a Service', async () => {
      const path = (namespace: string) => `/api/v1/namespaces/${namespace}/services/nowhere/proxy/`;
      // One whose endpoints are known to be none: what is said of others differs from version to version.
      const metadata = { namespace: targets.staging, name: 'nowhere' };
      const spec = { selector: { app: 'nowhere' }, ports: [{ port: 80 }] };
      await cluster.apply([{ apiVersion: 'v1', kind: 'Service', metadata, spec }]);
      const admins = await handOfUser('admins@example.test', 'admin');
      await vi.waitFor(
        async () => expect(await admins.call('GET', path(targets.staging))).toMatch(/^503 no endpoints/),
        { timeout: 5000 },
      );
      expect(await admins.call('GET', path(at.workspacesNamespace))).toMatch(/^403 .*Only the requester of its grant/);
    });

    test('its requester goes, and to no other', async () => {
      const ada = await handOf(await cluster.kubeconfigFor(ADA.user, ADA.groups));
      // The sample's Role names a pod that is not there: past admission.
      expect(await knock(ada, at.workspacesNamespace, workspacePod(), 'exec?command=id&stdout=1')).toMatch(/^404 /);
      expect(await knock(ada, at.workspacesNamespace, 'bystander', 'exec?command=id&stdout=1')).toMatch(/^403 /);
    });
  });

  test('a second installation lives beside it, and neither touches what is the other’s', async () => {
    const second = await installExample(cluster, 'drawbridge');
    closing.push(() => uninstallChart(cluster.adminKubeconfig, second.at));
    const other = await handOf(await cluster.serviceAccountKubeconfig(second.at.namespace, second.at.serviceAccount));
    const grants = newGrants(second.targets);
    await cluster.apply([
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'Role',
        metadata: { namespace: second.targets.shop, name: 'configurator' },
        rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }],
      },
    ]);
    const theirs = await makeAll(other, grants, {
      instance: second.at.instance,
      workspacesNamespace: second.at.workspacesNamespace,
    });
    expect(theirs.binding.metadata.name).toBe(objectName(grants.observe.id));
    // Both cover team-*: only the instance tells them apart.
    const theirsAlone = /^403 .*(its own instance|belongs to Drawbridge)/;
    expect(await bot.remove(theirs.binding)).toMatch(theirsAlone);
    expect(await other.remove(live.binding)).toMatch(theirsAlone);
    expect(await operator.remove(theirs.binding)).toMatch(refused);
    expect(await bot.apply(live.binding)).toBe('accepted');
    expect(await other.remove(theirs.binding)).toBe('accepted');
  });
});
