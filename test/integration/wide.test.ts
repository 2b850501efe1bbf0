import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  account,
  labelsOf,
  leaseJob,
  type ManifestContext,
  objectName,
  podNamespace,
  shellJob,
  targetRights,
  workspaceName,
  workspaceRights,
} from '../../src/adapters/kubernetes/manifests.ts';
import type { KubeObject } from '../../src/adapters/kubernetes/object.ts';
import { seal } from '../../src/adapters/kubernetes/seal.ts';
import { TOKEN_PLACE } from '../../src/app/inquire/kubeconfig.ts';
import { runReaper } from '../../src/cli/reaper.ts';
import { newGrantId } from '../../src/domain/ids.ts';
import type { NodeShell } from '../../src/domain/policy/policy.ts';
import type { Target } from '../../src/domain/target.ts';
import type { Installation } from '../../src/sandbox/chart.ts';
import { PEOPLE } from '../support/app-world.ts';
import { type Targets, typeWarnings } from '../support/chart.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { grantObjects } from '../support/grant-objects.ts';
import { ADA, applyingGrant, samplePlan } from '../support/grants.ts';
import { type Hand, handOf, pathOf } from '../support/hand.ts';
import { setLiveStage } from '../support/live-stage.ts';
import type { LiveWorld } from '../support/live-world.ts';
import { changed, KEY, keysIn, NO_LEASE } from '../support/made.ts';
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
const READS_CONFIG = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }];
const SHELL: NodeShell = { image: 'example.test/tools:1', host: ['pid', 'network'], filesystem: 'read-only' };
const READS_EVENTS = [{ apiGroups: ['events.k8s.io'], resources: ['events'], verbs: ['list'] }];

/** Rights on what is in no namespace: the whole cluster, and one node. */
describeWithCluster('grants for the whole cluster and for a node', (cluster) => {
  const redis = useRedis();
  const [first, second] = ['worker-1.wide.test', 'worker-2.wide.test'];
  const everywhere = { scope: 'cluster' } as const;
  const onFirst = { scope: 'node', node: first } as const;
  let at: Installation;
  let targets: Targets;
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
        'policy.profiles.view-by-token': profile({ scope: 'cluster', clusterRole: 'view', credential: 'token' }),
        'policy.profiles.config-by-token': profile({
          scope: 'namespace',
          namespaces: ['staging-*'],
          rules: READS_CONFIG,
          credential: 'token',
        }),
        'nodes.enabled': true,
        'policy.profiles.node-shell': profile({
          scope: 'node',
          nodes: ['worker-*.wide.test'],
          shell: SHELL,
          acknowledgePersistence: true,
        }),
        'policy.profiles.bare-shell': profile({
          scope: 'node',
          nodes: ['bare.wide.test'],
          shell: { image: SHELL.image, host: [], filesystem: 'none' },
          rules: ON_NODES,
          acknowledgePersistence: true,
        }),
        'policy.profiles.node': profile({ scope: 'node', nodes: ['worker-*.wide.test'], rules: ON_NODES }),
      },
    });
    closing.push(() => stage.close());
    ({ at, targets, admin, live } = stage);
    context = {
      instance: at.instance,
      workspacesNamespace: at.workspacesNamespace,
      accountsNamespace: at.accountsNamespace,
      nodesNamespace: at.nodesNamespace,
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

  describe('by token', () => {
    /** Somebody with the kubeconfig of the direct message, and the token of the modal in its place. */
    async function taken(id: string) {
      const { token, view } = await live.useCases.takeToken(PEOPLE.ada, id);
      const file = join(await mkdtemp(join(tmpdir(), 'drawbridge-token-')), 'kubeconfig');
      closing.push(() => rm(dirname(file), { recursive: true }));
      await writeFile(file, (view.kubeconfig ?? '').replace(TOKEN_PLACE, token.reveal()), { mode: 0o600 });
      const run = async (...args: string[]) => {
        const { code, stdout, stderr } = await cluster.kubectl(args, { kubeconfig: file });
        return code === 0
          ? 'yes'
          : /Unauthorized|must be logged in/.test(stderr)
            ? 'unauthorized'
            : `${stdout}${stderr}`;
      };
      return { token: token.reveal(), run };
    }

    test('the whole cluster is read with it, by nobody’s user, until it is revoked', async () => {
      const id = await live.activeOn('view-by-token', everywhere);
      expect(await can('list', 'pods', '-A')).toBe('no');
      const { token, run } = await taken(id);
      expect(await run('get', 'pods', '-A')).toBe('yes');
      expect(await run('get', 'secrets', '-n', 'kube-system')).toMatch(/cannot list resource "secrets"/);
      expect(live.world.clusters.of({ cluster: null }).objectsOf(await live.grant(id))).toEqual([
        `Job ${at.accountsNamespace}/${objectName(id)}`,
        `ServiceAccount ${at.accountsNamespace}/${objectName(id)}`,
        `ClusterRoleBinding ${objectName(id)}`,
      ]);
      await live.reconcile();
      expect((await live.grant(id)).state).toBe('active');
      await expect(live.useCases.takeToken(PEOPLE.ben, id)).rejects.toThrow('Only ada@example.test takes tokens');
      await live.useCases.revoke(PEOPLE.ada, id, '');
      expect((await live.ended(id)).state).toBe('revoked');
      expect(await run('get', 'pods', '-A')).not.toBe('yes');
      await vi.waitFor(async () => expect(await run('get', 'pods', '-A')).toBe('unauthorized'), {
        timeout: 20_000,
        interval: 500,
      });
      expect(await grantObjects(cluster, id)).toEqual([]);
      await expect(live.useCases.takeToken(PEOPLE.ada, id)).rejects.toThrow('gives no access now');
      const told = JSON.stringify([live.printed, live.told, live.alarms, String(live.faults), await live.grant(id)]);
      expect(told).not.toContain(token);
      expect(live.printed.filter((line) => line['event'] === 'token-taken' && line['id'] === id)).toHaveLength(1);
    });

    test('with the bot gone Kubernetes itself ends it, by the lease', async () => {
      const id = await live.activeOn('view-by-token', everywhere, 15);
      const { expiresAt } = await live.grant(id);
      const { run } = await taken(id);
      expect(await run('get', 'pods', '-A')).toBe('yes');
      let last = Date.now();
      for (let answer = 'yes'; answer === 'yes'; answer = await run('get', 'namespaces')) {
        last = Date.now();
        expect(last).toBeLessThan((expiresAt ?? 0) + 30_000);
      }
      console.log(
        `the token was refused ${Date.now() - (expiresAt ?? 0)} ms after the end, last taken at ${last - (expiresAt ?? 0)} ms`,
      );
      expect(Date.now()).toBeGreaterThan(expiresAt ?? 0);
      expect(await run('get', 'namespaces')).toBe('unauthorized');
      // What is left gives nobody anything.
      expect(await grantObjects(cluster, id)).toEqual([
        expect.stringContaining(`clusterrolebinding.rbac.authorization.k8s.io/${objectName(id)}`),
      ]);
      expect((await live.ended(id)).state).toBe('expired');
      expect(await grantObjects(cluster, id)).toEqual([]);
    });

    test('a namespace is read with it, and no other', async () => {
      const { staging, shop } = targets;
      const id = await live.activeOn('config-by-token', { namespace: staging });
      const { run } = await taken(id);
      expect(await run('get', 'configmap', 'kube-root-ca.crt', '-n', staging)).toBe('yes');
      expect(await run('get', 'configmap', 'kube-root-ca.crt', '-n', shop)).toMatch(/cannot get resource/);
      await live.reconcile();
      expect((await live.grant(id)).state).toBe('active');
      const before = await live.grant(id);
      await live.world.clusters.of({ cluster: null }).extend(before);
      await live.useCases.revoke(PEOPLE.ada, id, '');
      expect((await live.ended(id)).state).toBe('revoked');
      expect(await grantObjects(cluster, id)).toEqual([]);
    });

    test('an account that is gone, or was made again by others, ends the grant', async () => {
      const id = await live.activeOn('view-by-token', everywhere);
      const account = {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { namespace: at.accountsNamespace, name: objectName(id) },
      };
      expect(await admin.remove(account)).toBe('accepted');
      expect(await live.ended(id)).toMatchObject({ state: 'failed' });
      expect(await grantObjects(cluster, id)).toEqual([]);
    });
  });

  const me = () => ({ kind: 'ServiceAccount', name: at.serviceAccount, namespace: at.namespace });

  describe('what a thief of the token of the bot can not do', () => {
    const user = (name: string) => ({ apiGroup: RBAC, kind: 'User', name });
    /** A grant of its own, as the bot would make it. */
    function made(target: Target, role: string | null, rules: object[] = [], credential?: 'token') {
      const plan = samplePlan({
        target,
        namespaceUid: null,
        workload: null,
        pods: [],
        role: role === null ? null : { kind: 'ClusterRole', name: role },
        rules: rules as never,
        ...(credential && { credential }),
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
      [
        'no label',
        () => changed(binding(), { 'metadata.labels': undefined }),
        /label drawbridge.internal\/grant|named drawbridge-ID/,
      ],
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

    const mine = (id = newGrantId()) => ({
      kind: 'ServiceAccount',
      name: objectName(id),
      namespace: at.accountsNamespace,
    });
    const accountOf = () => {
      const { grant } = made(everywhere, 'view', [], 'token');
      return account(grant, context, { name: objectName(grant.id), uid: NO_LEASE });
    };
    const byToken: [string, () => KubeObject, RegExp][] = [
      [
        'the account of another grant',
        () => changed(made(everywhere, 'view', [], 'token').objects[0] as KubeObject, { 'subjects.0': mine() }),
        /to people only/,
      ],
      [
        'its own name among the accounts of another namespace',
        () =>
          changed(made(everywhere, 'view', [], 'token').objects[0] as KubeObject, {
            'subjects.0.namespace': at.namespace,
          }),
        /to people only/,
      ],
      [
        'rules of people, for an account',
        () => made(everywhere, null, READS_EVENTS, 'token').objects[0] as KubeObject,
        /not within those that a profile/,
      ],
      [
        'an account without a lease',
        () => changed(accountOf(), { 'metadata.ownerReferences': undefined }),
        /owned by the lease/,
      ],
      ['an account elsewhere', () => changed(accountOf(), { 'metadata.namespace': at.workspacesNamespace }), /./],
      ['an account with Secrets', () => changed(accountOf(), { secrets: [{ name: 'x' }] }), /has no Secrets/],
      [
        'an account with the role of a cloud',
        () => changed(accountOf(), { 'metadata.annotations.eks|amazonaws|com/role-arn': 'arn:aws:iam::1:role/x' }),
        /annotations drawbridge.internal/,
      ],
    ];
    test.each(byToken)('%s', async (_what, object, why) => {
      expect(await bot.apply(object(), true)).toMatch(/^403 /);
      expect(await bot.apply(object(), true)).toMatch(why);
    });

    test('an account for the rules of people', async () => {
      const { grant, objects } = made(everywhere, null, READS_EVENTS);
      const [ofPeople, binding] = objects as [KubeObject, KubeObject];
      expect(await bot.apply(ofPeople)).toBe('accepted');
      const own = { kind: 'ServiceAccount', name: objectName(grant.id), namespace: at.accountsNamespace };
      expect(await bot.apply(changed(binding, { 'subjects.0': own }), true)).toMatch(
        /^403 .*No profile of the policy gives/,
      );
      expect(await bot.remove(ofPeople)).toBe('accepted');
    });

    test('tokens of others, for others, bound to objects, or for longer than an hour', async () => {
      const id = await live.activeOn('view-by-token', everywhere);
      const own = `/api/v1/namespaces/${at.accountsNamespace}/serviceaccounts/${objectName(id)}/token`;
      const ask = (path: string, spec: object) =>
        bot.call('POST', path, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec });
      expect(await ask(own, { expirationSeconds: 600 })).toBe('accepted');
      expect(await ask(own, {})).toBe('accepted');
      expect(await ask(own, { audiences: ['vault'] })).toMatch(/for the API server alone, not for vault/);
      expect(await ask(own, { audiences: ['https://kubernetes.default.svc', 'vault'] })).toMatch(/not for .*vault/);
      expect(await ask(own, { expirationSeconds: 3601 })).toMatch(/an hour at most/);
      const boundObjectRef = { apiVersion: 'v1', kind: 'Secret', name: 'x', uid: NO_LEASE };
      expect(await ask(own, { boundObjectRef })).toMatch(/^(403|404|409) /);
      expect(await ask(own.replace(objectName(id), 'default'), {})).toMatch(
        /of the accounts of grants, and of no others/,
      );
      const botAccount = `/api/v1/namespaces/${at.namespace}/serviceaccounts/${at.serviceAccount}/token`;
      expect(await ask(botAccount, {})).toMatch(/^403 /);
      await live.useCases.revoke(PEOPLE.ada, id, '');
      await live.ended(id);
    });

    test('what it writes itself is taken, and a stranger’s is left alone', async () => {
      const keys = await keysIn(admin);
      for (const object of [
        ...made(everywhere, 'view').objects,
        ...made(everywhere, null, READS_EVENTS).objects.slice(0, 1),
        ...made(onFirst, null, ON_NODES).objects.slice(0, 1),
        ...made(everywhere, 'view', [], 'token').objects,
        accountOf(),
      ])
        expect(await bot.apply(seal(object, keys), true)).toBe('accepted');
      const { grant } = made(everywhere, 'view');
      expect(await bot.apply(leaseJob(grant, context, at.accountsNamespace, Date.now()), true)).toBe('accepted');
      expect(
        await bot.remove({ ...named('ClusterRoleBinding', grant.id), metadata: { name: 'cluster-admin' } }),
      ).toMatch(/^403 /);
    });

    test('the policies for these are free of type errors', async () => {
      expect(await typeWarnings(cluster, at.release)).toEqual({ policies: 14, warnings: [] });
    });

    test('the leash is tried with these too', async () => {
      expect(await live.world.clusters.of({ cluster: null }).tryLeash()).toBeNull();
      const policies = live.world.policies.current().profiles;
      const names = ['view-everywhere', 'events-everywhere', 'node', 'view-by-token', 'config-by-token'];
      const profiles = names.map((name) => policies[name] as never);
      const missing = await live.world.clusters.of({ cluster: null }).missingRights(profiles);
      expect(missing).toEqual(names.map(() => []));
    });
  });

  describe('a shell on a node', () => {
    const shellGrant = (node = first) =>
      applyingGrant(600, {
        plan: samplePlan({
          target: { scope: 'node', node },
          namespaceUid: null,
          workload: null,
          pods: [],
          rules: [],
          shell: SHELL,
        }),
      });
    const job = (node = first) => shellJob(shellGrant(node), context, Date.now());
    const rightsIn = (grant = shellGrant(), pod = `${workspaceName(grant.id)}-x`) =>
      workspaceRights(grant, context, { name: objectName(grant.id), uid: NO_LEASE }, pod) as [KubeObject, KubeObject];
    const POD = 'spec.template.spec';
    const CONTAINER = `${POD}.containers.0`;
    const hostVolume = { name: 'more', hostPath: { path: '/etc', type: 'Directory' } };

    const another = /has a shell with this image on the node/;
    const shape = /has the fields that Drawbridge gives it, and no others/;
    const once = /is one pod, once, ends by itself/;
    const rows: [string, () => KubeObject, RegExp][] = [
      ['on a node that no profile covers', () => job('master.wide.test'), another],
      ['on a node whose name only begins like one', () => job('worker-1.wide.test.evil'), another],
      ['on no node', () => changed(job(), { [`${POD}.nodeName`]: undefined }), another],
      ['with another image', () => changed(job(), { [`${CONTAINER}.image`]: 'evil.test/tools:1' }), another],
      ['without the network of the node', () => changed(job(), { [`${POD}.hostNetwork`]: undefined }), another],
      [
        'with files that can be changed',
        () => changed(job(), { [`${CONTAINER}.volumeMounts.0`]: { name: 'host', mountPath: '/host' } }),
        another,
      ],
      ['with another volume', () => changed(job(), { [`${POD}.volumes.1`]: hostVolume }), another],
      [
        'with a Secret as its volume',
        () => changed(job(), { [`${POD}.volumes.1`]: { name: 's', secret: { secretName: 's' } } }),
        another,
      ],
      ['with the IPC of the node', () => changed(job(), { [`${POD}.hostIPC`]: true }), /hostIPC/],
      [
        'with another container',
        () => changed(job(), { [`${POD}.containers.1`]: { name: 'evil', image: SHELL.image } }),
        /containers\[evil\]/,
      ],
      [
        'with an init container',
        () => changed(job(), { [`${POD}.initContainers`]: [{ name: 'evil', image: SHELL.image }] }),
        /initContainers/,
      ],
      [
        'with a service account',
        () => changed(job(), { [`${POD}.serviceAccountName`]: 'default' }),
        /serviceAccountName/,
      ],
      ['with the token of its account', () => changed(job(), { [`${POD}.automountServiceAccountToken`]: true }), shape],
      [
        'that does something by itself',
        () => changed(job(), { [`${CONTAINER}.command`]: ['sh', '-c', 'evil'] }),
        shape,
      ],
      ['with arguments', () => changed(job(), { [`${CONTAINER}.args`]: ['evil'] }), shape],
      ['that reads Secrets', () => changed(job(), { [`${CONTAINER}.envFrom`]: [{ secretRef: { name: 's' } }] }), shape],
      [
        'that does something as it ends',
        () => changed(job(), { [`${CONTAINER}.lifecycle`]: { preStop: { exec: { command: ['evil'] } } } }),
        shape,
      ],
      ['that a scheduler of its own places', () => changed(job(), { [`${POD}.schedulerName`]: 'evil' }), shape],
      [
        'with a priority',
        () => changed(job(), { [`${POD}.priorityClassName`]: 'system-node-critical' }),
        /priorityClassName/,
      ],
      ['that takes its time to end', () => changed(job(), { [`${POD}.terminationGracePeriodSeconds`]: 600 }), shape],
      ['that starts again', () => changed(job(), { [`${POD}.restartPolicy`]: 'OnFailure' }), shape],
      [
        'with annotations',
        () => changed(job(), { 'spec.template.metadata.annotations': { 'x.test/y': 'z' } }),
        /annotations x.test\/y/,
      ],
      [
        'with labels of others',
        () => changed(job(), { 'spec.template.metadata.labels.app': 'checkout' }),
        /labels app/,
      ],
      [
        'with the label of another grant',
        () => changed(job(), { 'spec.template.metadata.labels.drawbridge|internal/grant': newGrantId() }),
        /carries the labels of its grant/,
      ],
      ['that never ends', () => changed(job(), { 'spec.activeDeadlineSeconds': undefined }), once],
      ['that ends next month', () => changed(job(), { 'spec.activeDeadlineSeconds': 2_600_000 }), once],
      ['that waits', () => changed(job(), { 'spec.suspend': true }), once],
      ['twice', () => changed(job(), { 'spec.parallelism': 2, 'spec.completions': 2 }), once],
      ['that tries again', () => changed(job(), { 'spec.backoffLimit': 6 }), once],
      ['that stays when it has ended', () => changed(job(), { 'spec.ttlSecondsAfterFinished': 600 }), once],
      [
        'under the name of its lease',
        () => {
          const shell = job();
          return changed(shell, { 'metadata.name': shell.metadata.name.replace(/-workspace$/, '') });
        },
        /A lease never starts a pod|No profile of the policy/,
      ],
      [
        'under the name of another grant',
        () => changed(job(), { 'metadata.name': workspaceName(newGrantId()) }),
        /named drawbridge-ID/,
      ],
      [
        'among the workspaces',
        () => changed(job(), { 'metadata.namespace': at.workspacesNamespace }),
        /shares nothing with its node|No profile of the policy/,
      ],
      ['among the accounts', () => changed(job(), { 'metadata.namespace': at.accountsNamespace }), /is a lease/],
      [
        'in a namespace of the policy',
        () => changed(job(), { 'metadata.namespace': targets.staging }),
        /is a lease|forbidden/,
      ],
      [
        'as a pod of its own, without a lease',
        () => ({
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { ...job().metadata, name: 'x' },
          spec: { containers: [{ name: 'x', image: 'x' }] },
        }),
        /forbidden/,
      ],
      ['with rights on other pods', () => rightsIn(shellGrant(), 'another')[0], /names the pod of its own grant/],
      [
        'with rights on all pods',
        () => changed(rightsIn()[0], { 'rules.1.resourceNames': undefined }),
        /names the pod of its own grant/,
      ],
      [
        'with rights to more than exec',
        () => changed(rightsIn()[0], { 'rules.1.resources': ['pods/ephemeralcontainers'], 'rules.1.verbs': ['patch'] }),
        /nothing else|not currently held/,
      ],
    ];
    test.each(rows)('%s is refused to a thief of the token of the bot', async (_what, object, why) => {
      const answer = await bot.apply(object(), true);
      expect(answer).toMatch(/^403 /);
      expect(answer).toMatch(why);
    });

    test('its rights are bound to one person, by the Role of its grant, for the life of its lease', async () => {
      const grant = shellGrant();
      const lease = leaseJob(grant, context, at.nodesNamespace, Date.now());
      expect(await bot.apply(lease)).toBe('accepted');
      const owner = { name: objectName(grant.id), uid: (await admin.read<KubeObject>(lease)).metadata.uid ?? '' };
      const [role, binding] = workspaceRights(grant, context, owner, `${workspaceName(grant.id)}-x`) as [
        KubeObject,
        KubeObject,
      ];
      expect(await bot.apply(role)).toBe('accepted');
      expect(await bot.apply(binding, true)).toBe('accepted');
      const account = { kind: 'ServiceAccount', name: owner.name, namespace: at.accountsNamespace };
      for (const [change, why] of [
        [{ 'subjects.0': me() }, /to people only/],
        [{ 'subjects.0': account }, /No profile of the policy gives/],
        [{ 'metadata.ownerReferences': undefined }, /owned by the lease/],
      ] as const)
        expect(await bot.apply(changed(binding, change), true)).toMatch(why);
      expect(await bot.remove(lease)).toBe('accepted');
    });

    test('what the bot writes is taken, on each node of each profile', async () => {
      const keys = await keysIn(admin);
      for (const object of [job(), job(second), rightsIn()[0]])
        expect(await bot.apply(seal(object, keys), true)).toBe('accepted');
      const bare = applyingGrant(600, {
        plan: samplePlan({
          target: { scope: 'node', node: 'bare.wide.test' },
          shell: { image: SHELL.image, host: [], filesystem: 'none' },
        }),
      });
      expect(await bot.apply(seal(shellJob(bare, context, Date.now()), keys), true)).toBe('accepted');
      expect(
        await bot.apply(changed(shellJob(bare, context, Date.now()), { [`${POD}.nodeName`]: first }), true),
      ).toMatch(another);
      const { policies, clusters } = live.world;
      for (const name of ['node-shell', 'bare-shell']) {
        const shells = policies.current().profiles[name] as never;
        expect(await clusters.of({ cluster: null }).missingRights([shells])).toEqual([[]]);
        expect(await clusters.of({ cluster: null }).tryWriting([shells])).toEqual([]);
      }
      expect(await clusters.of({ cluster: null }).tryLeash()).toBeNull();
    });

    /** Plays the kubelet of the first node, as that: a shell runs, and goes once it is deleted. */
    async function kubelet() {
      const hand = await handOf(await cluster.kubeconfigFor(`system:node:${first}`, ['system:nodes']));
      const stopping = new AbortController();
      const pods = async () =>
        JSON.parse((await cluster.kubectl(['get', 'pods', '-n', at.nodesNamespace, '-o', 'json'])).stdout).items as {
          metadata: { name: string; namespace: string; deletionTimestamp?: string };
          spec: { nodeName?: string };
          status: { phase?: string };
        }[];
      const answers = new Set<string>();
      const working = (async () => {
        while (!stopping.signal.aborted) {
          for (const { metadata, spec, status } of await pods()) {
            const pod = { apiVersion: 'v1', kind: 'Pod', metadata };
            if (spec.nodeName !== first) continue;
            if (metadata.deletionTimestamp !== undefined)
              answers.add(await hand.remove(pod, { gracePeriodSeconds: '0' }));
            else if (status.phase === 'Pending')
              answers.add(await hand.patch(pod, { status: { phase: 'Running' } }, 'status'));
          }
          await sleep(50);
        }
      })();
      async function stop() {
        stopping.abort();
        await working;
        return [...answers];
      }
      closing.push(stop);
      return { pods, stop };
    }

    test('nobody but its requester gets in, nobody else makes or changes anything beside it, and at its end nothing is left', async () => {
      const node = await kubelet();
      const id = await live.activeOn('node-shell', onFirst);
      const grant = await live.grant(id);
      const { plan, workspacePod } = grant;
      if (workspacePod === null) throw new Error('no pod');
      const where = podNamespace(grant, context) ?? '';
      expect(where).toBe(at.nodesNamespace);
      expect(plan.persistence.join(' ')).toMatch(/is root on the node: it reads every Secret that is mounted there/);
      expect(live.world.clusters.of({ cluster: null }).objectsOf(grant)).toEqual([
        `Job ${at.accountsNamespace}/${objectName(id)}`,
        `Job ${where}/${objectName(id)}`,
        `Job ${where}/${workspaceName(id)}`,
        `Role ${where}/${objectName(id)}`,
        `RoleBinding ${where}/${objectName(id)}`,
      ]);
      const { expiresAt } = grant;
      const longer = { ...grant, expiresAt: (expiresAt ?? 0) + 60_000 };
      for (const window of [longer, grant]) await live.world.clusters.of({ cluster: null }).extend(window);
      await live.loseRedis();
      await live.reconcile();
      expect(await live.grant(id)).toMatchObject({ state: 'active', expiresAt, workspacePod, plan: { shell: SHELL } });

      const exec = async (kubeconfig: string) =>
        (await cluster.kubectl(['exec', '-n', where, workspacePod, '--', 'true'], { kubeconfig })).stderr;
      // No kubelet answers here: that it is asked at all shows that she was let in.
      expect(await exec(ada)).not.toMatch(/forbidden|Forbidden|Only the requester/);
      expect(await can('create', `pods/${workspacePod}`, '--subresource=exec', '-n', where)).toBe('yes');
      expect(await can('create', 'pods', '--subresource=exec', '-n', where)).toBe('no');
      expect(await can('get', `nodes/${first}`)).toBe('no');

      const binding = { ...named('ClusterRoleBinding', 'x'), metadata: { name: `${at.release}-editor` } };
      expect(
        await admin.create({
          ...binding,
          roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'edit' },
          subjects: [{ apiGroup: RBAC, kind: 'User', name: 'editor@example.test' }],
        } as never),
      ).toBe('accepted');
      closing.push(() => admin.remove(binding));
      const editorConfig = await cluster.kubeconfigFor('editor@example.test');
      const editor = await handOf(editorConfig);
      expect(await exec(editorConfig)).toMatch(/Only the requester of its grant connects to|forbidden/);
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { namespace: where, name: workspacePod } };
      const container = { name: 'x', image: 'x', securityContext: { privileged: true } };
      const closed = /belongs to Drawbridge .*nobody else makes anything in it/;
      const metadata = { namespace: where, name: 'mine' };
      const template = { metadata: { labels: { app: 'x' } }, spec: { containers: [container] } };
      for (const object of [
        { apiVersion: 'v1', kind: 'Pod', metadata, spec: { hostPID: true, containers: [container] } },
        { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
        { apiVersion: 'v1', kind: 'Secret', metadata },
        {
          apiVersion: 'batch/v1',
          kind: 'Job',
          metadata,
          spec: { template: { spec: { ...template.spec, restartPolicy: 'Never' } } },
        },
        {
          apiVersion: 'apps/v1',
          kind: 'DaemonSet',
          metadata,
          spec: { selector: { matchLabels: { app: 'x' } }, template },
        },
        {
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata,
          spec: { selector: { matchLabels: { app: 'x' } }, template },
        },
      ])
        expect([object.kind, await editor.create(object, true)]).toEqual([
          object.kind,
          expect.stringMatching(/belongs to Drawbridge/),
        ]);
      // Somebody who may do everything, and is not of the emergency group.
      const rootBinding = { ...binding, metadata: { name: `${at.release}-root-of-nodes` } };
      expect(
        await admin.create({
          ...rootBinding,
          roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'cluster-admin' },
          subjects: [{ apiGroup: RBAC, kind: 'User', name: 'root2@example.test' }],
        } as never),
      ).toBe('accepted');
      closing.push(() => admin.remove(rootBinding));
      const root = await handOf(await cluster.kubeconfigFor('root2@example.test'));
      expect(
        await root.create(
          { apiVersion: 'v1', kind: 'Pod', metadata, spec: { hostPID: true, containers: [container] } } as never,
          true,
        ),
      ).toMatch(closed);
      const ephemeral = {
        spec: { ephemeralContainers: [{ name: 'evil', image: 'x', targetContainerName: 'workspace' }] },
      };
      for (const hand of [editor, root]) {
        expect(await hand.patch(pod, ephemeral, 'ephemeralcontainers')).toMatch(/^403 /);
        const image = [{ op: 'replace', path: '/spec/containers/0/image', value: 'evil' }];
        expect(await hand.call('PATCH', pathOf(pod), image, 'application/json-patch+json')).toMatch(/^403 /);
        expect(await hand.patch(pod, { metadata: { labels: { app: 'x' } } })).toMatch(/^403 /);
        expect(await hand.remove({ ...job(), metadata: { namespace: where, name: workspaceName(id) } })).toMatch(
          /^403 /,
        );
        expect(await hand.call('GET', `/api/v1/namespaces/${where}/pods/${workspacePod}/proxy`)).toMatch(/^403 /);
        expect(await hand.call('POST', `/api/v1/namespaces/${where}/pods/${workspacePod}/portforward`)).toMatch(
          /^403 /,
        );
      }
      // Nor by the bot itself, who holds what it gives.
      expect(await exec(await cluster.serviceAccountKubeconfig(at.namespace, at.serviceAccount))).toMatch(
        /connects to nothing|forbidden/,
      );

      await live.useCases.revoke(PEOPLE.ada, id, '');
      expect((await live.ended(id)).state).toBe('revoked');
      expect(await grantObjects(cluster, id)).toEqual([]);
      expect(await node.pods()).toEqual([]);
      expect(await exec(ada)).toMatch(/forbidden/);
      expect(await node.stop()).toEqual(['accepted']);
    });

    test('with the bot gone Kubernetes itself ends all of it, and the reaper has nothing to do', async () => {
      const node = await kubelet();
      const id = await live.activeOn('node-shell', onFirst, 8);
      const { workspacePod } = await live.grant(id);
      const mayExec = () => can('create', `pods/${workspacePod}`, '--subresource=exec', '-n', at.nodesNamespace);
      expect(await mayExec()).toBe('yes');
      await vi.waitFor(async () => expect(await grantObjects(cluster, id)).toEqual([]), {
        timeout: 40_000,
        interval: 500,
      });
      expect(await node.pods()).toEqual([]);
      expect(await mayExec()).toBe('no');
      expect((await live.ended(id)).state).toBe('expired');
      await node.stop();
    });

    test('while its pod does not go, it is not said to have ended; a node drained ends it early', async () => {
      const node = await kubelet();
      const id = await live.activeOn('node-shell', onFirst);
      const { workspacePod } = await live.grant(id);
      const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: workspacePod } };
      const path = `/api/v1/namespaces/${at.nodesNamespace}/pods/${workspacePod}/eviction`;
      // The kubelet is silent from now on.
      await node.stop();
      expect(await admin.call('POST', path, eviction)).toBe('accepted');
      await live.useCases.revoke(PEOPLE.ada, id, '');
      const running = live.run();
      await vi.waitFor(
        async () => expect((await live.grant(id)).ending?.rightsGoneAt).toEqual(expect.any(Number)),
        5000,
      );
      expect((await live.grant(id)).state).toBe('ending');
      expect(await can('create', `pods/${workspacePod}`, '--subresource=exec', '-n', at.nodesNamespace)).toBe('no');
      expect(await node.pods()).toHaveLength(1);
      const back = await kubelet();
      await running;
      expect((await live.ended(id)).state).toBe('revoked');
      await back.stop();
      expect(await grantObjects(cluster, id)).toEqual([]);
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
