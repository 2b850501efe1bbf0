import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createApi } from '../../src/adapters/kubernetes/api.ts';
import { createClusterAccess } from '../../src/adapters/kubernetes/cluster-access.ts';
import { planOf } from '../../src/app/plan/make-plan.ts';
import { reachLeft, workspacePod } from '../../src/app/plan/reach.ts';
import { grownRules, surroundingsNow } from '../../src/app/plan/since-approval.ts';
import { allowances } from '../../src/app/plan/surroundings.ts';
import type { ClusterAccess } from '../../src/app/ports/cluster-access.ts';
import { Refusal } from '../../src/domain/errors.ts';
import type { Grant } from '../../src/domain/grant/grant.ts';
import { newGrantId } from '../../src/domain/ids.ts';
import { surroundingDifferences } from '../../src/domain/plan/differences.ts';
import { digestOfPlan, type Plan } from '../../src/domain/plan/plan.ts';
import { type PolicyInput, policySchema } from '../../src/domain/policy/schema.ts';
import type { Wanted } from '../../src/domain/target.ts';
import { atOnce } from '../../src/network/steps.ts';
import { markRunning } from '../../src/sandbox/cluster/pods.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { startedModel } from '../support/cluster-model.ts';
import { ADA, applyingGrant, BEN, samplePlan } from '../support/grants.ts';
import { defaultDeny, deployment } from '../support/workloads.ts';

type Network = NonNullable<PolicyInput['profiles'][string]['network']>;

/** What a plan refuses, lists and fixes, from objects as a real API server returns them. */
describeWithCluster('what confines a grant, from the cluster as it is', (kube) => {
  let workspaces: string;
  let cluster: ClusterAccess;
  const stops: (() => Promise<void>)[] = [];
  const played: string[] = [];

  beforeAll(async () => {
    workspaces = await kube.freshNamespace('workspaces');
    played.push(workspaces);
    const config = new KubeConfig();
    config.loadFromFile(kube.adminKubeconfig);
    const api = createApi(config);
    const model = startedModel(api, workspaces);
    stops.push(async () => model.stop());
    cluster = createClusterAccess({
      api,
      model,
      instance: workspaces,
      workspacesNamespace: workspaces,
      ownNamespace: null,
      probeImage: null,
      sealKeys: [Buffer.alloc(32, 7)],
      now: Date.now,
      sleep,
    });
    const kubelet = await markRunning({
      kubeconfig: await kube.kubeconfigFor('system:kube-scheduler'),
      namespaces: played,
    });
    stops.push(() => kubelet.stop());
  });
  afterAll(async () => {
    for (const stop of stops) await stop();
  });

  const networkPolicy = (namespace: string, name: string, spec: object) => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace, name },
    spec,
  });

  /** A namespace with checkout and payments, and whatever else; everything in it runs. */
  async function staged(...objects: ((namespace: string) => object)[]): Promise<string> {
    const namespace = await kube.freshNamespace('staging');
    played.push(namespace);
    await kube.apply([
      ...deployment(namespace, 'checkout', { replicas: 1 }),
      ...deployment(namespace, 'payments', { replicas: 1 }),
      ...objects.map((make) => make(namespace)),
    ]);
    await vi.waitFor(
      async () => {
        const { stdout } = await kube.kubectl([
          '-n',
          namespace,
          'get',
          'pods',
          '-o',
          'jsonpath={.items[*].status.podIP}',
        ]);
        expect(stdout.split(' ').length).toBeGreaterThanOrEqual(2);
        const phases = await kube.kubectl(['-n', namespace, 'get', 'pods', '-o', 'jsonpath={.items[*].status.phase}']);
        expect(phases.stdout).toMatch(/^Running( Running)*$/);
      },
      { timeout: 20_000 },
    );
    return namespace;
  }

  const EXEC = [
    { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
    { apiGroups: [''], resources: ['pods/exec'], verbs: ['get', 'create'] },
  ];

  async function planned(network: Network, target: Wanted): Promise<{ plan: Plan; grant: Grant }> {
    const { it } = policySchema.parse({
      version: 1,
      identity: {},
      administrators: { users: [BEN.user] },
      approvals: { channel: 'C0ACCESS' },
      profiles: {
        it: {
          scope: 'workload',
          namespaces: ['*'],
          rules: EXEC,
          requesters: { users: [ADA.user] },
          approvers: { users: [BEN.user] },
          duration: { default: '30m', maximum: '2h' },
          network,
        },
      },
    }).profiles;
    if (it === undefined) throw new Error('no profile');
    const id = newGrantId();
    const survey = await cluster.survey(target, it, 'bound');
    const plan = planOf({ id, requester: ADA, target, profileName: 'it', duration: 600 }, it, survey, workspaces);
    return {
      plan,
      grant: applyingGrant(600, { id, plan, target: plan.target, digest: digestOfPlan(plan), profile: 'it' }),
    };
  }
  const deploy = (namespace: string, name = 'checkout'): Wanted => ({
    namespace,
    workload: { kind: 'Deployment', name },
  });
  const WORKSPACE: Network = { mode: 'workspace', image: 'example.test/tools:1' };
  const refused = (rule: string, message: RegExp) =>
    expect.objectContaining({
      name: 'Refusal',
      rule: expect.stringContaining(rule) as string,
      message: expect.stringMatching(message) as string,
    });

  describe('refuses', () => {
    const pod =
      (name: string, labels: object | undefined, spec: object = {}) =>
      (namespace: string) => ({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace, name, labels },
        spec: { containers: [{ name: 'app', image: 'example.test/app:1', ports: [{ containerPort: 8080 }] }], ...spec },
      });
    const bare = (namespace: string, name: string): Wanted => ({ namespace, workload: { kind: 'Pod', name } });

    test('a target without pods', async () => {
      const namespace = await staged((ns) => deployment(ns, 'idle', { replicas: 0 })[0] as object);
      await expect(planned(WORKSPACE, deploy(namespace, 'idle'))).rejects.toEqual(refused('network', /no running pod/));
    });

    test('a target without labels, whose selector would be empty', async () => {
      const namespace = await staged(pod('plain', undefined));
      await expect(planned(WORKSPACE, bare(namespace, 'plain'))).rejects.toEqual(refused('network', /by no label/));
    });

    test('a bare pod whose labels others share', async () => {
      const namespace = await staged(pod('imposter', { app: 'checkout' }));
      await expect(planned(WORKSPACE, bare(namespace, 'imposter'))).rejects.toEqual(
        refused('network', /also select pod checkout-/),
      );
      await expect(planned(WORKSPACE, deploy(namespace))).rejects.toEqual(
        refused('network', /also select pod imposter/),
      );
    });

    test('a target on the network of its host', async () => {
      const namespace = await staged(pod('host', { app: 'host' }, { hostNetwork: true }));
      await expect(planned(WORKSPACE, bare(namespace, 'host'))).rejects.toEqual(refused('network', /host's network/));
    });

    test('a port by name that is another number on another pod', async () => {
      const labels = { app: 'mixed' };
      const ports = (containerPort: number) => ({
        containers: [{ name: 'app', image: 'example.test/app:1', ports: [{ name: 'web', containerPort }] }],
      });
      const set = (namespace: string, containerPort: number) => ({
        apiVersion: 'apps/v1',
        kind: 'StatefulSet',
        metadata: { namespace, name: 'mixed' },
        spec: {
          replicas: 2,
          serviceName: 'mixed',
          podManagementPolicy: 'Parallel',
          updateStrategy: { type: 'OnDelete' },
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: ports(containerPort) },
        },
      });
      const namespace = await staged((ns) => set(ns, 8080));
      const numbers = async () =>
        (
          await kube.kubectl([
            '-n',
            namespace,
            'get',
            'pods',
            '-l',
            'app=mixed',
            '-o',
            'jsonpath={range .items[*]}{.status.phase}{.spec.containers[0].ports[0].containerPort} {end}',
          ])
        ).stdout.trim();
      await vi.waitFor(async () => expect(await numbers()).toBe('Running8080 Running8080'), { timeout: 20_000 });
      // In the middle of a rollout that changes the port.
      await kube.apply([set(namespace, 9090)]);
      await kube.kubectl(['-n', namespace, 'delete', 'pod', 'mixed-1', '--grace-period=0', '--force']);
      await vi.waitFor(async () => expect(await numbers()).toBe('Running8080 Running9090'), { timeout: 20_000 });
      const target: Wanted = { namespace, workload: { kind: 'StatefulSet', name: 'mixed' } };
      await expect(planned({ ...WORKSPACE, ports: [{ port: 'web' }] }, target)).rejects.toEqual(
        refused('network.ports', /8080 on mixed-0, 9090 on mixed-1/),
      );
    });

    test('under strict what policies of others let the pods reach beyond the list; else it is said', async () => {
      const namespace = await staged((ns) =>
        networkPolicy(ns, 'generous', {
          podSelector: {},
          policyTypes: ['Egress'],
          egress: [{ to: [{ ipBlock: { cidr: '192.0.2.0/24' } }] }],
        }),
      );
      await expect(planned({ mode: 'contain', to: [], strict: true }, deploy(namespace))).rejects.toEqual(
        refused('strict', /192\.0\.2\.0\/24/),
      );
      const { plan } = await planned({ mode: 'contain', to: [] }, deploy(namespace));
      expect(plan.preview.notes.join()).toContain('192.0.2.0/24');
    });

    test('to isolate live pods or to close connections, unless the profile says so; then they are listed', async () => {
      const namespace = await staged();
      const to = [{ namespace, pods: { app: 'payments' }, ports: [{ port: 8080 }] }];
      await expect(planned({ mode: 'contain', to }, deploy(namespace))).rejects.toEqual(
        refused('allowIsolation', /would close \d+ connections .* and isolate .*deployment\/checkout \(egress\)/),
      );
      const { plan } = await planned({ mode: 'contain', to, allowIsolation: true }, deploy(namespace));
      expect(plan.preview.isolates).toEqual([`${namespace}/deployment/checkout (egress)`]);
      expect(plan.preview.closes.length).toBeGreaterThan(0);
      expect(plan.preview.reaches).toMatchObject([{ to: { name: 'payments' }, ports: [{ from: 8080, to: 8080 }] }]);
    });
  });

  test('the preview is of the cluster as it is: another policy makes another plan', async () => {
    const namespace = await staged(defaultDeny);
    const first = (await planned(WORKSPACE, deploy(namespace))).plan;
    expect(first.preview.opens).toMatchObject([{ to: { name: 'checkout' }, ports: [{ from: 8080, to: 8080 }] }]);
    const again = (await planned(WORKSPACE, deploy(namespace))).plan;
    expect(digestOfPlan(again)).toBe(digestOfPlan(first));
    await kube.apply([networkPolicy(namespace, 'egress-deny', { podSelector: {}, policyTypes: ['Egress'] })]);
    const after = (await planned(WORKSPACE, deploy(namespace))).plan;
    expect(digestOfPlan(after)).not.toBe(digestOfPlan(first));
  });

  test('what is there is held against the plan; policies of others are told from ours', async () => {
    const namespace = await staged(defaultDeny);
    const { grant } = await planned({ ...WORKSPACE, strict: false }, deploy(namespace));
    const differences = async () =>
      surroundingDifferences(grant.plan.surroundings, await surroundingsNow(cluster, grant));
    const foreign = async () =>
      allowances('workspace', await cluster.foreignPolicies(workspaces), workspacePod(workspaces, grant.id)).map(
        ({ name }) => name,
      );
    await cluster.placeLeases(grant);
    await cluster.raiseGuard(grant);
    await cluster.admit(grant);
    expect(await differences()).toEqual([]);
    expect(await foreign()).toEqual([]);

    const letsOut = { policyTypes: ['Egress'], egress: [{}] };
    await kube.apply([
      networkPolicy(workspaces, 'generous', { podSelector: {}, ...letsOut }),
      networkPolicy(workspaces, 'of-others', { podSelector: { matchLabels: { app: 'x' } }, ...letsOut }),
      networkPolicy(workspaces, 'deny', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }),
    ]);
    expect(await foreign()).toEqual(['generous']);
    expect(await differences()).toEqual([
      `policy ${workspaces}/deny selects the pods now`,
      `policy ${workspaces}/generous selects the pods now`,
      'isolation of the workspace, ingress, before the grant: was no, is yes',
      'isolation of the workspace, egress, before the grant: was no, is yes',
    ]);
    const { plan } = await planned(WORKSPACE, deploy(namespace));
    expect(plan.preview.notes.join()).toContain('Other policies let the workspace reach more than the target');
    await kube.kubectl(['-n', workspaces, 'delete', 'networkpolicy', 'generous', 'of-others', 'deny']);

    await kube.apply([
      networkPolicy(namespace, 'imitation', {
        podSelector: {},
        policyTypes: ['Ingress'],
        ingress: [
          {
            from: [{ namespaceSelector: {}, podSelector: { matchLabels: { 'drawbridge.internal/grant': grant.id } } }],
          },
        ],
      }),
    ]);
    await cluster.closeAdmission(grant);
    await cluster.lowerGuard(grant);
    await cluster.dropLeases(grant);
    expect(await cluster.remains(grant)).toEqual([]);
    const left = atOnce(reachLeft(grant, await cluster.snapshot(), workspaces));
    expect(left.flatMap(({ reasons }) => reasons).join()).toContain('imitation');
    await kube.kubectl(['-n', namespace, 'delete', 'networkpolicy', 'imitation']);
    expect(atOnce(reachLeft(grant, await cluster.snapshot(), workspaces))).toEqual([]);
  });

  test('a policy that carries the labels of another instance, which anybody may set, is one of others', async () => {
    const namespace = await staged();
    const contain: Network = { mode: 'contain', to: [], allowIsolation: true };
    const { plan, grant } = await planned(contain, deploy(namespace));
    const labels = { 'drawbridge.internal/instance': 'other', 'drawbridge.internal/grant': grant.id };
    const disguised = networkPolicy(namespace, 'disguised', { podSelector: {}, policyTypes: ['Egress'], egress: [{}] });
    await kube.apply([{ ...disguised, metadata: { ...disguised.metadata, labels } }]);
    const pod = { ...workspacePod(namespace, grant.id), labels: plan.workload?.labels ?? {} };
    expect(allowances('contain', await cluster.foreignPolicies(namespace), pod)).toMatchObject([{ name: 'disguised' }]);
    expect(surroundingDifferences(plan.surroundings, await surroundingsNow(cluster, grant))).toContain(
      `policy ${namespace}/disguised selects the pods now`,
    );
    expect(digestOfPlan((await planned(contain, deploy(namespace))).plan)).not.toBe(grant.digest);
    await expect(planned({ ...contain, strict: true }, deploy(namespace))).rejects.toEqual(
      refused('strict', /reach more than the profile says/),
    );
  });

  describe('a target is its pods, whoever owns them', () => {
    const template = (app: string) => ({
      metadata: { labels: { app } },
      spec: { containers: [{ name: 'app', image: 'example.test/app:1', ports: [{ containerPort: 8080 }] }] },
    });
    const set = (ns: string) => ({
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { namespace: ns, name: 'db' },
      spec: {
        replicas: 2,
        serviceName: 'db',
        podManagementPolicy: 'Parallel',
        selector: { matchLabels: { app: 'db' } },
        template: template('db'),
      },
    });
    const cronJob = (ns: string) => ({
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { namespace: ns, name: 'nightly' },
      spec: {
        schedule: '0 0 1 1 *',
        jobTemplate: {
          spec: { template: { ...template('nightly'), spec: { ...template('nightly').spec, restartPolicy: 'Never' } } },
        },
      },
    });
    /** What a Rollout is to Kubernetes: something unknown that keeps a ReplicaSet. */
    const rollout = (ns: string) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: ns, name: 'shop' },
    });
    const ownedBy = (name: string, uid: string) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name,
      uid,
      controller: true,
    });
    const uidOf = async (ns: string, name: string) =>
      (await kube.kubectl(['-n', ns, 'get', 'configmap', name, '-o', 'jsonpath={.metadata.uid}'])).stdout;
    const replicaSet = (ns: string, uid: string) => ({
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        namespace: ns,
        name: 'shop-abc',
        ownerReferences: [ownedBy('shop', uid)],
      },
      spec: { replicas: 2, selector: { matchLabels: { app: 'shop' } }, template: template('shop') },
    });
    const frontOf = (app: string) => (ns: string) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: ns, name: app },
      spec: { selector: { app }, ports: [{ port: 80, targetPort: 8080 }] },
    });
    const ends = ({ preview }: Plan, list: 'opens' | 'reaches') =>
      preview[list].map(({ from, to, ports }) => ({ from, to, ports }));
    const names = async (namespace: string, app: string) =>
      (
        await kube.kubectl([
          '-n',
          namespace,
          'get',
          'pods',
          '-l',
          `app=${app}`,
          '-o',
          'jsonpath={.items[*].metadata.name}',
        ])
      ).stdout
        .split(' ')
        .filter((name) => name !== '');
    const running = (namespace: string, app: string, count: number) =>
      vi.waitFor(
        async () => {
          const { stdout } = await kube.kubectl([
            '-n',
            namespace,
            'get',
            'pods',
            '-l',
            `app=${app}`,
            '-o',
            'jsonpath={.items[*].status.phase}',
          ]);
          expect(stdout.match(/Running/g) ?? []).toHaveLength(count);
        },
        { timeout: 20_000 },
      );
    /** To the pods of its namespace alone: other suites' come and go. */
    const letOut = (app: string) => (ns: string) =>
      networkPolicy(ns, `${app}-out`, {
        podSelector: { matchLabels: { app } },
        policyTypes: ['Egress'],
        egress: [{ to: [{ podSelector: {} }] }],
      });

    test('a pod of a StatefulSet, and a Job of a CronJob', async () => {
      const namespace = await staged(set, cronJob, letOut('db'), letOut('nightly'));
      expect((await kube.kubectl(['-n', namespace, 'create', 'job', 'nightly-1', '--from=cronjob/nightly'])).code).toBe(
        0,
      );
      await running(namespace, 'db', 2);
      await running(namespace, 'nightly', 1);
      const owner: Wanted = { namespace, workload: { kind: 'StatefulSet', name: 'db' } };
      const pod: Wanted = { namespace, workload: { kind: 'Pod', name: 'db-0' } };
      const job: Wanted = { namespace, workload: { kind: 'Job', name: 'nightly-1' } };
      const jobPod: Wanted = {
        namespace,
        workload: { kind: 'Pod', name: (await names(namespace, 'nightly'))[0] ?? '' },
      };
      const none: Network = { mode: 'none' };
      const list = ends((await planned(none, owner)).plan, 'reaches');
      expect(list.length).toBeGreaterThan(2);
      expect(ends((await planned(none, pod)).plan, 'reaches')).toEqual(list);
      expect(ends((await planned(none, job)).plan, 'reaches').length).toBeGreaterThan(2);
      expect(ends((await planned(none, jobPod)).plan, 'reaches')).toEqual(
        ends((await planned(none, job)).plan, 'reaches'),
      );
      for (const target of [owner, pod, job, jobPod])
        await expect(planned({ mode: 'contain', to: [], strict: true }, target)).rejects.toEqual(
          refused('strict', /deployment\/checkout/),
        );
      const opens = ends((await planned(WORKSPACE, owner)).plan, 'opens');
      expect(opens).toMatchObject([{ to: { kind: 'StatefulSet', name: 'db' }, ports: [{ from: 8080, to: 8080 }] }]);
      expect(ends((await planned(WORKSPACE, pod)).plan, 'opens')).toEqual(opens);
      expect(ends((await planned(WORKSPACE, job)).plan, 'opens')).toMatchObject([
        { to: { kind: 'CronJob', name: 'nightly' } },
      ]);
    });

    test('of an owner that can be no target: the advice works, in each mode', async () => {
      const namespace = await staged(rollout, frontOf('shop'), defaultDeny);
      const uid = await uidOf(namespace, 'shop');
      await kube.apply([replicaSet(namespace, uid)]);
      await running(namespace, 'shop', 2);
      const advice = await planned(WORKSPACE, { namespace, service: 'shop' }).catch(
        (error: unknown) => error as Refusal,
      );
      if (!(advice instanceof Refusal)) throw new Error('it was not refused');
      const name = /pod\/(\S+)`/.exec(advice.remedy)?.[1] ?? '';
      expect(await names(namespace, 'shop')).toContain(name);
      const pod: Wanted = { namespace, workload: { kind: 'Pod', name } };
      const { plan, grant } = await planned({ ...WORKSPACE, strict: false }, pod);
      expect(ends(plan, 'opens')).toMatchObject([{ to: { kind: 'ConfigMap', name: 'shop' } }]);
      expect(plan.preview.notes.join()).toMatch(/others of its owner \(shop-abc-/);
      // Rights are for the one pod that was asked for.
      expect(plan.pods).toEqual([name]);
      expect(await cluster.strangers(grant)).toEqual([]);
      await planned({ mode: 'bastion', from: [{ cidr: '10.8.0.0/16' }] }, pod);
      await planned({ mode: 'contain', to: [], allowIsolation: true }, pod);
      expect(ends((await planned({ mode: 'none' }, pod)).plan, 'reaches').length).toBeGreaterThan(2);
      // Who only takes its labels is a stranger still. It has an owner, else the ReplicaSet would take it for its own.
      const other = await uidOf(namespace, 'kube-root-ca.crt');
      await kube.apply([
        {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: {
            namespace,
            name: 'imposter',
            labels: { app: 'shop' },
            ownerReferences: [ownedBy('kube-root-ca.crt', other)],
          },
          spec: template('shop').spec,
        },
      ]);
      await expect(planned(WORKSPACE, pod)).rejects.toEqual(refused('network', /also select pod imposter/));
      expect(await cluster.strangers(grant)).toEqual(['pod imposter']);
    });
  });

  describe('a named role is held to what was approved', () => {
    const RBAC = { apiVersion: 'rbac.authorization.k8s.io/v1' };
    const pods = { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] };
    const secrets = { apiGroups: [''], resources: ['secrets'], verbs: ['get'] };
    const grown = (role: Plan['role'], namespace: string, change: Partial<Plan> = {}) =>
      grownRules(cluster, { ...samplePlan({ role, rules: [pods], target: { namespace } }), ...change });

    test('also when what it allows is aggregated', async () => {
      const namespace = await kube.freshNamespace('roles');
      const label = `example.test/aggregate-to-${namespace}`;
      const piece = (name: string, rule: object) => ({
        ...RBAC,
        kind: 'ClusterRole',
        metadata: { name: `${namespace}-${name}`, labels: { [label]: 'true' } },
        rules: [rule],
      });
      const whole = {
        ...RBAC,
        kind: 'ClusterRole',
        metadata: { name: namespace },
        aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [label]: 'true' } }] },
      };
      await kube.apply([whole, piece('look', pods)]);
      const role = { kind: 'ClusterRole', name: namespace } as const;
      await vi.waitFor(async () => expect(await cluster.rulesOf(role, namespace)).toHaveLength(1), { timeout: 10_000 });
      expect(await grown(role, namespace)).toBeNull();
      await kube.apply([piece('more', { ...pods, verbs: ['list'] })]);
      await kube.apply([piece('secrets', secrets)]);
      await vi.waitFor(
        async () =>
          expect(await grown(role, namespace)).toBe(
            `ClusterRole ${namespace} allows more than was approved: + get secrets`,
          ),
        { timeout: 10_000 },
      );
      expect(await grown(role, namespace, { roleMayGrow: true })).toBeNull();
      await kube.kubectl([
        'delete',
        'clusterrole',
        namespace,
        `${namespace}-look`,
        `${namespace}-more`,
        `${namespace}-secrets`,
      ]);
    });

    test('also when it is edited, or deleted and made anew; not when it allows less or is gone', async () => {
      const namespace = await kube.freshNamespace('roles');
      const of = (...rules: object[]) => ({ ...RBAC, kind: 'Role', metadata: { namespace, name: 'look' }, rules });
      const role = { kind: 'Role', name: 'look' } as const;
      await kube.apply([of({ ...pods, verbs: ['get'] })]);
      expect(await grown(role, namespace)).toBeNull();
      await kube.apply([of(pods, secrets)]);
      expect(await grown(role, namespace)).toContain('+ get secrets');
      await kube.kubectl(['-n', namespace, 'delete', 'role', 'look']);
      expect(await grown(role, namespace)).toBeNull();
      await kube.apply([of({ ...pods, verbs: ['*'] })]);
      expect(await grown(role, namespace)).toContain('+ * pods');
    });
  });

  test.each<[string, Network]>([
    ['contain', { mode: 'contain', to: [], allowIsolation: true }],
    ['bastion', { mode: 'bastion', from: [{ cidr: '10.8.0.0/16' }] }],
  ])('mode %s is one policy beside the target, extended and taken down with its grant', async (mode, network) => {
    const namespace = await staged(defaultDeny);
    const { grant } = await planned(network, deploy(namespace));
    const policies = async () =>
      (await kube.kubectl(['-n', namespace, 'get', 'networkpolicies', '-o', 'name'])).stdout.trim().split('\n');
    await cluster.placeLeases(grant);
    if (mode === 'contain') await cluster.raiseGuard(grant);
    else await cluster.admit(grant);
    await cluster.giveRights(grant, grant.plan.pods, null);
    const active = { ...grant, pods: grant.plan.pods };
    expect(await cluster.verify(active)).toEqual([]);
    expect(await surroundingsNow(cluster, active)).toEqual(active.plan.surroundings);
    expect(await policies()).toHaveLength(2);

    const longer = { ...active, expiresAt: (active.expiresAt ?? 0) + 60_000 };
    await cluster.extend(longer);
    expect(await cluster.verify(longer)).toEqual([]);
    const seen = (await cluster.found()).filter(({ id }) => id === grant.id);
    expect(seen.map(({ expiresAt }) => expiresAt)).toEqual(seen.map(() => longer.expiresAt));

    await cluster.takeRights(longer);
    // The lease is gone: what contains stays until somebody lifts it, what lets in goes with the lease.
    await cluster.closeAdmission(longer);
    expect(await policies()).toHaveLength(mode === 'contain' ? 2 : 1);
    await cluster.endWorkspace(longer);
    await cluster.lowerGuard(longer);
    await cluster.dropLeases(longer);
    expect(await policies()).toHaveLength(1);
    expect(await cluster.remains(longer)).toEqual([]);
  });
});
