import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  labelsOf,
  leaseJob,
  type ManifestContext,
  objectName,
  targetRights,
} from '../../src/adapters/kubernetes/manifests.ts';
import type { KubeObject } from '../../src/adapters/kubernetes/object.ts';
import { seal } from '../../src/adapters/kubernetes/seal.ts';
import { runReaper } from '../../src/cli/reaper.ts';
import type { Target } from '../../src/domain/target.ts';
import type { Installation } from '../../src/sandbox/chart.ts';
import { PEOPLE } from '../support/app-world.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { grantObjects } from '../support/grant-objects.ts';
import { ADA, applyingGrant, samplePlan } from '../support/grants.ts';
import { type Hand, handOf } from '../support/hand.ts';
import { setLiveStage } from '../support/live-stage.ts';
import type { LiveWorld } from '../support/live-world.ts';
import { changed, KEY, keysIn } from '../support/made.ts';
import { useRedis } from '../support/redis.ts';

const RBAC = 'rbac.authorization.k8s.io';
const profile = (change: object) => ({
  requesters: { users: ['ada@example.test'] },
  approvers: { users: ['ben@example.test'] },
  duration: { default: '10m', maximum: '1h' },
  ...change,
});
const ON_NODES = [
  { apiGroups: [''], resources: ['nodes'], verbs: ['get'] },
  { apiGroups: ['metrics.k8s.io'], resources: ['nodes'], verbs: ['get'] },
];
const READS_EVENTS = [{ apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['list'] }];

/** Rights on what is in no namespace: the whole cluster, and one node. */
describeWithCluster('grants for the whole cluster and for a node', (cluster) => {
  const redis = useRedis();
  const [first, second] = ['worker-1.wide.test', 'worker-2.wide.test'];
  const everywhere = { scope: 'cluster' } as const;
  const onFirst = { scope: 'node', node: first } as const;
  let at: Installation;
  let context: ManifestContext;
  let admin: Hand;
  let bot: Hand;
  let live: LiveWorld;
  let ada: string;
  const closing: (() => unknown)[] = [];

  beforeAll(async () => {
    const stage = await setLiveStage({
      cluster,
      redis: redis().url,
      name: 'wide',
      changes: {
        'accounts.enabled': true,
        'policy.profiles.view-everywhere': profile({ scope: 'cluster', clusterRole: 'view' }),
        'policy.profiles.events-everywhere': profile({ scope: 'cluster', rules: READS_EVENTS }),
        'policy.profiles.node': profile({ scope: 'node', nodes: ['worker-*.wide.test'], rules: ON_NODES }),
      },
    });
    closing.push(() => stage.close());
    ({ at, admin, live } = stage);
    context = {
      instance: at.instance,
      workspacesNamespace: at.workspacesNamespace,
      accountsNamespace: at.accountsNamespace,
    };
    bot = await handOf(await cluster.serviceAccountKubeconfig(at.namespace, at.serviceAccount));
    ada = await cluster.kubeconfigFor(ADA.user, ADA.groups);
    for (const name of [first, second]) {
      const node = { apiVersion: 'v1', kind: 'Node', metadata: { name } };
      expect(await admin.create(node)).toBe('accepted');
      closing.push(() => admin.remove(node));
    }
  });
  afterAll(async () => {
    for (const close of closing.toReversed()) await close();
  });

  const can = async (...args: string[]) =>
    (await cluster.kubectl(['auth', 'can-i', ...args], { kubeconfig: ada })).stdout.trim();
  const named = (kind: string, id: string) => ({
    apiVersion: `${RBAC}/v1`,
    kind,
    metadata: { name: objectName(id) },
  });

  test('the whole cluster is read while it is active, and no longer than that', async () => {
    expect(await can('list', 'pods', '-A')).toBe('no');
    const id = await live.activeOn('view-everywhere', everywhere);
    expect(await can('list', 'pods', '-A')).toBe('yes');
    expect(await can('get', 'configmaps', '-n', 'kube-system')).toBe('yes');
    expect(await can('get', 'secrets', '-n', 'kube-system')).toBe('no');
    const { plan } = await live.grant(id);
    expect(plan.preview.notes.join(' ')).toMatch(/every namespace, kube-system .* among them/);
    expect(live.world.clusters.of({ cluster: null }).objectsOf(await live.grant(id))).toEqual([
      `Job ${at.accountsNamespace}/${objectName(id)}`,
      `ClusterRoleBinding ${objectName(id)}`,
    ]);
    await live.reconcile();
    expect((await live.grant(id)).state).toBe('active');
    await live.useCases.revoke(PEOPLE.ada, id, '');
    expect((await live.ended(id)).state).toBe('revoked');
    expect(await can('list', 'pods', '-A')).toBe('no');
    expect(await grantObjects(cluster, id)).toEqual([]);
  });

  test('it can be extended, survives a lost Redis, and somebody who else has it is told', async () => {
    const id = await live.activeOn('view-everywhere', everywhere);
    const before = await live.grant(id);
    await live.world.clusters.of({ cluster: null }).extend({ ...before, expiresAt: (before.expiresAt ?? 0) + 60_000 });
    await live.world.clusters.of({ cluster: null }).extend(before);
    await live.loseRedis();
    await live.reconcile();
    expect(await live.grant(id)).toMatchObject({ id, state: 'active', target: everywhere });
    const other = {
      ...named('ClusterRoleBinding', id),
      metadata: { name: `${at.release}-others` },
      roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'view' },
      subjects: [{ apiGroup: RBAC, kind: 'User', name: ADA.user }],
    };
    expect(await admin.create(other)).toBe('accepted');
    await live.useCases.revoke(PEOPLE.ada, id, '');
    const ended = await live.ended(id);
    expect(await admin.remove(other)).toBe('accepted');
    expect(ended.remarks.join(' ')).toContain(`ClusterRoleBinding "${at.release}-others"`);
  });

  test('what was done to it behind our back ends it', async () => {
    for (const [kind, change] of [
      ['ClusterRoleBinding', { subjects: [{ apiGroup: RBAC, kind: 'User', name: 'mallory@example.test' }] }],
      ['ClusterRole', { rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }] }],
    ] as const) {
      const id = await live.activeOn('events-everywhere', everywhere);
      expect(await admin.patch(named(kind, id), change)).toBe('accepted');
      expect(await live.ended(id)).toMatchObject({ state: 'failed' });
      expect(await grantObjects(cluster, id)).toEqual([]);
    }
    const id = await live.activeOn('view-everywhere', everywhere);
    const lease = {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { namespace: at.accountsNamespace, name: objectName(id) },
    };
    expect(await admin.remove(lease)).toBe('accepted');
    expect(await live.ended(id)).toMatchObject({ state: 'failed' });
    expect(await can('list', 'pods', '-A')).toBe('no');
  });

  test('with the bot gone its reaper ends it, as soon as it looks 10 s after the end', async () => {
    const id = await live.activeOn('view-everywhere', everywhere, 10);
    const { expiresAt } = await live.grant(id);
    const kubeconfig = await cluster.serviceAccountKubeconfig(at.namespace, `${at.serviceAccount}-reaper`);
    const lines: string[] = [];
    const out = { print: (text: string) => void lines.push(text), complain: (text: string) => void lines.push(text) };
    while ((await can('list', 'pods', '-A')) === 'yes') {
      expect(Date.now()).toBeLessThan((expiresAt ?? 0) + 30_000);
      await runReaper(false, [], out, {
        KUBECONFIG: kubeconfig,
        INSTANCE: at.instance,
        WORKSPACES_NAMESPACE: at.workspacesNamespace,
        SEAL_KEY: KEY.toString('base64'),
      });
      await sleep(500);
    }
    const late = Date.now() - (expiresAt ?? 0);
    console.log(`the reaper ended it ${late} ms after the end of the window`);
    expect(late).toBeGreaterThan(9_000);
    expect(lines).toContain(`removed ClusterRoleBinding ${objectName(id)}`);
    expect(await grantObjects(cluster, id)).toEqual([]);
    expect((await live.ended(id)).state).toBe('expired');
  });

  test('rights on one of two nodes are rights on no other', async () => {
    const id = await live.activeOn('node', onFirst);
    expect(await can('get', `nodes/${first}`)).toBe('yes');
    expect((await admin.read<KubeObject>(named('ClusterRole', id))).rules).toEqual(
      ON_NODES.map((rule) => ({ ...rule, resourceNames: [first] })),
    );
    for (const no of [
      ['get', `nodes/${second}`],
      ['list', 'nodes'],
      ['get', `nodes/${first}`, '--subresource=proxy'],
      ['patch', `nodes/${first}`],
    ])
      expect([no, await can(...no)]).toEqual([no, 'no']);
    await live.useCases.revoke(PEOPLE.ada, id, '');
    expect((await live.ended(id)).state).toBe('revoked');
    expect(await can('get', `nodes/${first}`)).toBe('no');
    expect(await grantObjects(cluster, id)).toEqual([]);
  });

  test('a node that is not there, or that another profile covers, can not be asked for', async () => {
    const ask = (node: string) => live.approvedOn('node', { scope: 'node', node });
    await expect(ask('worker-3.wide.test')).rejects.toThrow('no node worker-3.wide.test');
    await expect(ask('master.wide.test')).rejects.toThrow("does not cover node 'master.wide.test'");
  });

  describe('what a thief of the token of the bot can not do', () => {
    const me = () => ({ kind: 'ServiceAccount', name: at.serviceAccount, namespace: at.namespace });
    const user = (name: string) => ({ apiGroup: RBAC, kind: 'User', name });
    /** A grant of its own, as the bot would make it. */
    function made(target: Target, role: string | null, rules: object[] = []) {
      const plan = samplePlan({
        target,
        namespaceUid: null,
        workload: null,
        pods: [],
        role: role === null ? null : { kind: 'ClusterRole', name: role },
        rules: rules as never,
      });
      const grant = applyingGrant(600, { plan });
      return { grant, objects: targetRights(grant, context, { name: 'x', uid: 'x' }, []) };
    }
    const binding = () => made(everywhere, 'view').objects[0] as KubeObject;
    const role = (target: Target = everywhere, rules: object[] = READS_EVENTS) =>
      made(target, null, rules).objects[0] as KubeObject;
    const rows: [string, () => KubeObject, RegExp][] = [
      ['a binding for itself', () => changed(binding(), { 'subjects.0': me() }), /to people only/],
      [
        'a binding for itself, written as a user',
        () => changed(binding(), { 'subjects.0': user(`system:serviceaccount:${at.namespace}:${at.serviceAccount}`) }),
        /to people only/,
      ],
      ['a binding for system:', () => changed(binding(), { 'subjects.0': user('system:admin') }), /to people only/],
      [
        'a binding for a group',
        () => changed(binding(), { 'subjects.0': { apiGroup: RBAC, kind: 'Group', name: 'developers' } }),
        /to people only/,
      ],
      ['a binding for two', () => changed(binding(), { 'subjects.1': user('mallory@example.test') }), /for one person/],
      [
        'a role that profiles give in namespaces alone',
        () => changed(binding(), { 'roleRef.name': 'edit' }),
        /No profile of the policy gives ClusterRole edit|not currently held/,
      ],
      [
        'what everybody holds',
        () => changed(binding(), { 'roleRef.name': 'system:basic-user' }),
        /No profile of the policy gives ClusterRole system:basic-user/,
      ],
      ['another name', () => changed(binding(), { 'metadata.name': 'drawbridge-mine' }), /named drawbridge-ID/],
      ['no label', () => changed(binding(), { 'metadata.labels': undefined }), /label drawbridge.internal\/grant/],
      [
        'other rules',
        () => role(everywhere, [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }]),
        /not within those that a profile/,
      ],
      ['URLs', () => role(everywhere, [{ nonResourceURLs: ['/version'], verbs: ['get'] }]), /and no URLs/],
      ['the rules of a node for all nodes', () => role(everywhere, ON_NODES), /do not name one node/],
      [
        'two nodes',
        () => changed(role(onFirst, ON_NODES), { 'rules.0.resourceNames': [first, second] }),
        /do not name one node/,
      ],
      ['a node of no profile', () => role({ scope: 'node', node: 'master' }, ON_NODES), /do not name one node/],
      [
        'rules that are collected for everybody',
        () => changed(role(), { 'metadata.labels.rbac|authorization|k8s|io/aggregate-to-view': 'true' }),
        /labels of its grant and no others/,
      ],
      [
        'a Role among the accounts',
        () =>
          changed(role(), {
            kind: 'Role',
            'metadata.namespace': at.accountsNamespace,
          }),
        /No profile of the policy covers the namespace|forbidden/,
      ],
      [
        'a pod among the accounts',
        () => ({
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { namespace: at.accountsNamespace, name: 'x' },
          spec: { containers: [{ name: 'x', image: 'x' }] },
        }),
        /forbidden/,
      ],
    ];
    test.each(rows)('%s', async (_what, object, why) => {
      const given = object();
      expect(await bot.apply(given, true)).toMatch(why);
    });

    test('what it writes itself is taken, and a stranger’s is left alone', async () => {
      const keys = await keysIn(admin);
      for (const object of [
        ...made(everywhere, 'view').objects,
        ...made(everywhere, null, READS_EVENTS).objects.slice(0, 1),
        ...made(onFirst, null, ON_NODES).objects.slice(0, 1),
      ])
        expect(await bot.apply(seal(object, keys), true)).toBe('accepted');
      const { grant } = made(everywhere, 'view');
      expect(await bot.apply(leaseJob(grant, context, at.accountsNamespace, Date.now()), true)).toBe('accepted');
      expect(
        await bot.remove({ ...named('ClusterRoleBinding', grant.id), metadata: { name: 'cluster-admin' } }),
      ).toMatch(/^403 /);
    });

    test('the leash is tried with these too', async () => {
      expect(await live.world.clusters.of({ cluster: null }).tryLeash()).toBeNull();
      const policies = live.world.policies.current().profiles;
      for (const name of ['view-everywhere', 'events-everywhere', 'node'])
        expect(await live.world.clusters.of({ cluster: null }).missingRights(policies[name] as never)).toEqual([]);
    });
  });

  test('nobody else makes anything among the accounts, nor changes what is ours in the whole cluster', async () => {
    const kubeconfig = await cluster.kubeconfigFor('root@example.test');
    const root = { ...named('ClusterRoleBinding', 'x'), metadata: { name: `${at.release}-root` } };
    expect(
      await admin.create({
        ...root,
        roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'cluster-admin' },
        subjects: [{ apiGroup: RBAC, kind: 'User', name: 'root@example.test' }],
      } as never),
    ).toBe('accepted');
    closing.push(() => admin.remove(root));
    const hand = await handOf(kubeconfig);
    const metadata = { namespace: at.accountsNamespace, name: 'mine' };
    const securityContext = { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } };
    const capabilities = { drop: ['ALL'] };
    const container = { name: 'x', image: 'x', securityContext: { allowPrivilegeEscalation: false, capabilities } };
    for (const object of [
      { apiVersion: 'v1', kind: 'Pod', metadata, spec: { securityContext, containers: [container] } },
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
      { apiVersion: 'v1', kind: 'Secret', metadata },
      {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata,
        spec: { template: { spec: { restartPolicy: 'Never', securityContext, containers: [container] } } },
      },
    ])
      expect(await hand.create(object, true)).toMatch(/belongs to Drawbridge .*nobody else makes anything in it/);
    const token = `/api/v1/namespaces/${at.accountsNamespace}/serviceaccounts/default/token`;
    expect(
      await hand.call('POST', token, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} }),
    ).toMatch(/nobody else makes anything in it/);
    const id = await live.activeOn('view-everywhere', everywhere);
    expect(await hand.patch(named('ClusterRoleBinding', id), { subjects: null })).toMatch(/This belongs to Drawbridge/);
    expect(await hand.remove(named('ClusterRoleBinding', id))).toMatch(/This belongs to Drawbridge/);
    const labelled = { ...root, metadata: { name: `${at.release}-imitation`, labels: labelsOf(id, context) } };
    expect(
      await hand.create({
        ...labelled,
        roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'view' },
      } as never),
    ).toMatch(/This belongs to Drawbridge/);
    await live.useCases.revoke(PEOPLE.ada, id, '');
    await live.ended(id);
  });
});
