import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createApi } from '../../src/adapters/kubernetes/api.ts';
import { createClusterAccess } from '../../src/adapters/kubernetes/cluster-access.ts';
import { objectName } from '../../src/adapters/kubernetes/manifests.ts';
import { planOf } from '../../src/app/plan/make-plan.ts';
import type { ClusterAccess } from '../../src/app/ports/cluster-access.ts';
import { Unavailable } from '../../src/domain/errors.ts';
import type { Grant } from '../../src/domain/grant/grant.ts';
import { summaryOf } from '../../src/domain/grant/summary.ts';
import { newGrantId } from '../../src/domain/ids.ts';
import { digestOfPlan } from '../../src/domain/plan/plan.ts';
import { policySchema } from '../../src/domain/policy/schema.ts';
import type { Wanted } from '../../src/domain/target.ts';
import { markRunning } from '../../src/sandbox/cluster/pods.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { describeClusterAccess, realSide, type Side } from '../support/cluster-contract.ts';
import { startedModel } from '../support/cluster-model.ts';
import { grantObjects } from '../support/grant-objects.ts';
import { ADA, applyingGrant, BEN } from '../support/grants.ts';
import { defaultDeny, deployment } from '../support/workloads.ts';

const KEY = Buffer.alloc(32, 7);

const policy = policySchema.parse({
  version: 1,
  identity: {},
  administrators: { users: [BEN.user] },
  approvals: { channel: 'C0ACCESS' },
  profiles: {
    debug: {
      scope: 'workload',
      namespaces: ['*'],
      rules: [
        { apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get'] },
        { apiGroups: [''], resources: ['pods/exec'], verbs: ['get', 'create'] },
      ],
      requesters: { users: [ADA.user] },
      approvers: { users: [BEN.user] },
      duration: { default: '30m', maximum: '2h' },
    },
    troubleshoot: {
      scope: 'workload',
      namespaces: ['*'],
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
      requesters: { users: [ADA.user] },
      approvers: { users: [BEN.user] },
      duration: { default: '30m', maximum: '2h' },
      network: { mode: 'workspace', image: 'example.test/tools:1' },
    },
    view: {
      scope: 'namespace',
      namespaces: ['*'],
      clusterRole: 'view',
      requesters: { users: [ADA.user] },
      approvers: { users: [BEN.user] },
      duration: { default: '30m', maximum: '2h' },
    },
  },
});

describeWithCluster('the port', (kube) => {
  let side: Side | undefined;
  describeClusterAccess('one real cluster', async () => {
    const namespace = await kube.freshNamespace('contract');
    side ??= await realSide(kube.adminKubeconfig, namespace, namespace);
    return [side];
  });
});

describeWithCluster('the cluster, as Drawbridge works on it', (kube) => {
  let workspaces: string;
  let cluster: ClusterAccess;
  let ada: string;
  /** Of every probe. */
  let lastWords = '';
  /** Those of this suite: others play their own. */
  const played: string[] = [];
  const stops: (() => Promise<void>)[] = [];

  const access = (
    instance: string,
    workspacesNamespace: string,
    probeImage: string | null = null,
    sealKeys: readonly Buffer[] = [KEY],
  ): ClusterAccess => {
    const config = new KubeConfig();
    config.loadFromFile(kube.adminKubeconfig);
    const api = createApi(config);
    const model = startedModel(api, instance);
    stops.push(async () => model.stop());
    return createClusterAccess({
      api,
      model,
      sealKeys,
      ownNamespace: 'drawbridge',
      probeImage,
      workspacesNamespace,
      instance,
      now: Date.now,
      sleep,
    });
  };

  beforeAll(async () => {
    workspaces = await kube.freshNamespace('workspaces');
    played.push(workspaces);
    cluster = access(workspaces, workspaces);
    ada = await kube.kubeconfigFor(ADA.user, [...ADA.groups]);
    const kubelet = await markRunning({
      kubeconfig: await kube.kubeconfigFor('system:kube-scheduler'),
      namespaces: played,
      terminationMessage: () => lastWords,
    });
    stops.push(() => kubelet.stop());
  });
  afterAll(async () => {
    for (const stop of stops) await stop();
  });

  async function staged(): Promise<string> {
    const namespace = await kube.freshNamespace('staging');
    played.push(namespace);
    await kube.apply([
      ...deployment(namespace, 'checkout'),
      ...deployment(namespace, 'payments'),
      defaultDeny(namespace),
    ]);
    await vi.waitFor(
      async () => {
        const { stdout } = await kube.kubectl([
          '-n',
          namespace,
          'get',
          'pods',
          '-o',
          'jsonpath={.items[*].status.phase}',
        ]);
        expect(stdout).toBe('Running Running Running Running');
      },
      { timeout: 20_000 },
    );
    return namespace;
  }

  const planned = (
    profileName: string,
    namespace: string,
    seconds: number,
    workload?: string,
    on: ClusterAccess = cluster,
  ): Promise<Grant> =>
    plannedFor(
      profileName,
      workload === undefined ? { namespace } : { namespace, workload: { kind: 'Deployment', name: workload } },
      seconds,
      on,
    );

  async function plannedFor(
    profileName: string,
    target: Wanted,
    seconds: number,
    on: ClusterAccess = cluster,
  ): Promise<Grant> {
    const profile = policy.profiles[profileName];
    if (profile === undefined) throw new Error(profileName);
    const id = newGrantId();
    const survey = await on.survey(target, profile, 'bound');
    const plan = planOf({ id, requester: ADA, target, profileName, duration: seconds }, profile, survey, workspaces);
    return applyingGrant(seconds, {
      id,
      plan,
      target: plan.target,
      digest: digestOfPlan(plan),
      profile: profileName,
      pods: plan.pods,
    });
  }

  async function put(grant: Grant): Promise<Grant> {
    await cluster.placeLeases(grant);
    let workspacePod: string | null = null;
    if (grant.plan.network.mode === 'workspace') {
      await cluster.raiseGuard(grant);
      if (grant.plan.network.admits) await cluster.admit(grant);
      ({ pod: workspacePod } = await cluster.startWorkspace(grant));
    }
    const pods = await cluster.podsOf(grant);
    await cluster.giveRights(grant, pods, workspacePod);
    const active: Grant = { ...grant, state: 'active', pods, workspacePod };
    expect(await cluster.verify(active)).toEqual([]);
    return active;
  }

  async function takeDown(grant: Grant): Promise<void> {
    await cluster.takeRights(grant);
    await cluster.closeAdmission(grant);
    await cluster.endWorkspace(grant);
    await cluster.lowerGuard(grant);
    await cluster.dropLeases(grant);
    expect(await cluster.remains(grant)).toEqual([]);
  }

  const can = async (...args: string[]) =>
    (await kube.kubectl(['auth', 'can-i', ...args], { kubeconfig: ada })).stdout.trim();
  const all = ({ id }: Grant) => grantObjects(kube, id);

  test('no rights are given once the window has ended, however slow the steps before were', async () => {
    const namespace = await kube.freshNamespace('late');
    const late: Grant = { ...(await planned('view', namespace, 60)), expiresAt: Date.now() - 1 };
    await cluster.placeLeases(late);
    await expect(cluster.giveRights(late, [], null)).rejects.toThrow(Unavailable);
    expect((await all(late)).join()).not.toContain('rolebinding');
    await cluster.dropLeases(late);
  });

  test('a workload grant allows the pods of its target and not their neighbours, follows a restart, and leaves nothing', async () => {
    const namespace = await staged();
    const grant = await put(await planned('debug', namespace, 600, 'checkout'));
    const [pod = ''] = grant.pods;
    const neighbours = (
      await kube.kubectl([
        '-n',
        namespace,
        'get',
        'pods',
        '-l',
        'app=payments',
        '-o',
        'jsonpath={.items[0].metadata.name}',
      ])
    ).stdout;
    expect(await can('get', `pod/${pod}`, '-n', namespace)).toBe('yes');
    expect(await can('create', `pods/${pod}`, '--subresource=exec', '-n', namespace)).toBe('yes');
    expect(await can('get', `pod/${neighbours}`, '-n', namespace)).toBe('no');
    expect(await can('list', 'pods', '-n', namespace)).toBe('no');
    expect((await kube.kubectl(['-n', namespace, 'get', 'pod', pod], { kubeconfig: ada })).code).toBe(0);

    await kube.kubectl(['-n', namespace, 'delete', 'pod', pod]);
    const fresh = await vi.waitFor(
      async () => {
        const pods = await cluster.podsOf(grant);
        expect(pods).toHaveLength(2);
        expect(pods).not.toContain(pod);
        return pods;
      },
      { timeout: 10_000 },
    );
    await cluster.giveRights(grant, fresh, null);
    await vi.waitFor(async () => expect(await can('get', `pod/${fresh[0]}`, '-n', namespace)).toBe('yes'), {
      timeout: 5000,
    });

    await takeDown(grant);
    expect(await can('get', `pod/${fresh[0]}`, '-n', namespace)).toBe('no');
    expect(await all(grant)).toEqual([]);
  });

  test('a workspace grant runs one pod for one person, guarded first, and admits it to the isolated target only', async () => {
    const namespace = await staged();
    const grant = await planned('troubleshoot', namespace, 600, 'checkout');
    expect(grant.plan.preview.opens).toMatchObject([
      {
        from: { kind: 'Workspace' },
        to: { namespace, kind: 'Deployment', name: 'checkout' },
        ports: [{ protocol: 'TCP', from: 8080, to: 8080 }],
      },
    ]);
    expect(grant.plan.preview.closes).toEqual([]);
    expect(grant.plan.network).toMatchObject({ mode: 'workspace', admits: true });
    const active = await put(grant);
    expect(await can('create', `pods/${active.workspacePod}`, '--subresource=exec', '-n', workspaces)).toBe('yes');
    expect(await can('create', 'pods/another', '--subresource=exec', '-n', workspaces)).toBe('no');
    const name = objectName(grant.id);
    const policies = JSON.parse(
      (
        await kube.kubectl([
          'get',
          'networkpolicies',
          '-A',
          '-o',
          'json',
          '-l',
          `drawbridge.internal/grant=${grant.id}`,
        ])
      ).stdout,
    ) as {
      items: {
        metadata: { namespace: string; name: string; ownerReferences?: unknown[] };
        spec: { policyTypes: string[] };
      }[];
    };
    expect(
      policies.items
        .map((p) => [
          p.metadata.namespace,
          p.metadata.name,
          p.spec.policyTypes,
          (p.metadata.ownerReferences ?? []).length,
        ])
        .toSorted(),
    ).toEqual(
      [
        [namespace, name, ['Ingress'], 1],
        [workspaces, name, ['Ingress', 'Egress'], 0],
      ].toSorted(),
    );
    await takeDown(active);
    expect(await all(grant)).toEqual([]);
  });

  const service = (namespace: string, name: string, spec: object): object => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name },
    spec,
  });

  test('a Service as the target is its workload: rights on its pods, its container ports opened, its name and address in the workspace', async () => {
    const namespace = await staged();
    expect(await cluster.workloads(namespace)).toEqual(
      expect.arrayContaining([
        { kind: 'Deployment', name: 'checkout' },
        { kind: 'Service', name: 'checkout' },
      ]),
    );
    const grant = await plannedFor('troubleshoot', { namespace, service: 'checkout' }, 600);
    const direct = await planned('troubleshoot', namespace, 600, 'checkout');
    expect(grant.target).toEqual({ ...direct.target, service: 'checkout' });
    expect({ workload: grant.plan.workload, pods: grant.plan.pods }).toEqual({
      workload: direct.plan.workload,
      pods: direct.plan.pods,
    });
    const ip = (await kube.kubectl(['-n', namespace, 'get', 'service', 'checkout', '-o', 'jsonpath={.spec.clusterIP}']))
      .stdout;
    expect(grant.plan.network).toMatchObject({
      ports: [{ port: 8080, protocol: 'TCP' }],
      hostAliases: [{ ip, hostnames: expect.arrayContaining(['checkout', `checkout.${namespace}.svc`]) as string[] }],
    });
    expect(grant.plan.preview.notes).toContain('Service checkout: dialled on 80, arrives on 8080/TCP.');

    const active = await put(grant);
    expect(await can('get', `pod/${grant.pods[0]}`, '-n', namespace)).toBe('yes');
    expect(await can('list', 'pods', '-n', namespace)).toBe('no');
    const lease = (await cluster.found()).find((f) => f.id === grant.id && f.kind === 'Job');
    expect((await lease?.record())?.target).toEqual(grant.target);
    await takeDown(active);
    expect(await can('get', `pod/${grant.pods[0]}`, '-n', namespace)).toBe('no');
    expect(await all(grant)).toEqual([]);
  });

  test('Services that stand for no one workload are refused, and for rights alone their ports do not matter', async () => {
    const namespace = await staged();
    const http = [{ port: 80, targetPort: 'http' }];
    const [first = ''] = (await planned('debug', namespace, 60, 'payments')).pods;
    await kube.kubectl(['-n', namespace, 'label', 'pod', first, 'role=primary']);
    await kube.apply([
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace, name: 'lonely', labels: { app: 'lonely' } },
        spec: {
          containers: [{ name: 'app', image: 'example.test/app:1', ports: [{ name: 'web', containerPort: 9000 }] }],
        },
      },
      service(namespace, 'elsewhere', { type: 'ExternalName', externalName: 'db.example.test' }),
      service(namespace, 'by-hand', { ports: [{ port: 80 }] }),
      service(namespace, 'nobody', { selector: { app: 'nobody' }, ports: http }),
      service(namespace, 'primary', { selector: { role: 'primary' }, ports: http }),
      service(namespace, 'lonely', { clusterIP: 'None', selector: { app: 'lonely' }, ports: http }),
      service(namespace, 'lonely-web', {
        clusterIP: 'None',
        selector: { app: 'lonely' },
        ports: [{ port: 80, targetPort: 'web' }],
      }),
    ]);
    await kube.kubectl(['-n', namespace, 'label', 'pods', '-l', 'app in (checkout, payments)', 'shop=yes']);
    await kube.apply([service(namespace, 'shop', { selector: { shop: 'yes' }, ports: http })]);
    await vi.waitFor(async () => {
      const running = await kube.kubectl(['-n', namespace, 'get', 'pod', 'lonely', '-o', 'jsonpath={.status.podIP}']);
      expect(running.stdout).toMatch(/\d/);
    }, 20_000);

    const refusal = async (name: string, profile = 'troubleshoot') =>
      plannedFor(profile, { namespace, service: name }, 60).then(
        () => 'taken',
        (error: unknown) => String(error),
      );
    expect(await refusal('no-such')).toMatch(/There is no Service no-such/);
    expect(await refusal('elsewhere')).toMatch(/ExternalName/);
    expect(await refusal('by-hand')).toMatch(/no selector/);
    expect(await refusal('nobody')).toMatch(/No running pod/);
    expect(await refusal('shop')).toMatch(
      /of 2 workloads: deployment\/(checkout|payments), deployment\/(checkout|payments)/,
    );
    expect(await refusal('primary')).toMatch(/some pods of deployment\/payments only/);
    expect(await refusal('lonely')).toMatch(/'http', which lonely does not have/);
    expect(await refusal('lonely', 'debug')).toBe('taken');
    const offered = (await cluster.workloads(namespace))
      .filter(({ kind }) => kind === 'Service')
      .map(({ name }) => name);
    expect(offered).toEqual(expect.arrayContaining(['checkout', 'shop', 'lonely']));
    expect(offered).not.toContain('elsewhere');
    expect(offered).not.toContain('by-hand');

    const { plan } = await plannedFor('troubleshoot', { namespace, service: 'lonely-web' }, 60);
    expect(plan).toMatchObject({
      target: { workload: { kind: 'Pod', name: 'lonely' } },
      network: {
        ports: [{ port: 9000, protocol: 'TCP' }],
        hostAliases: [
          {
            ip: expect.stringMatching(/^10\./) as string,
            hostnames: expect.arrayContaining(['lonely-web']) as string[],
          },
        ],
      },
    });
    expect(plan.preview.notes.join()).toContain('lonely-web is headless');
  });

  test('the plan of a Service that leads elsewhere by now is another plan', async () => {
    const namespace = await staged();
    const before = await plannedFor('debug', { namespace, service: 'checkout' }, 60);
    const selector = JSON.stringify({ spec: { selector: { app: 'payments' } } });
    await kube.kubectl(['-n', namespace, 'patch', 'service', 'checkout', '--type=merge', '-p', selector]);
    // As when a grant's plan is made anew: with the workload that was found before.
    const after = await plannedFor('debug', before.target, 60);
    expect(after.target).toMatchObject({ workload: { name: 'payments' }, service: 'checkout' });
    expect(after.digest).not.toBe(before.digest);
    expect(after.pods).not.toEqual(before.pods);
  });

  test.each(['debug', 'troubleshoot', 'view'])(
    'with nobody left to revoke it, a %s grant ends at its time by Kubernetes alone',
    async (profile) => {
      const namespace = await staged();
      const grant = await put(await planned(profile, namespace, 4, profile === 'view' ? undefined : 'checkout'));
      const question =
        profile === 'view' ? ['list', 'configmaps', '-n', namespace] : ['get', `pod/${grant.pods[0]}`, '-n', namespace];
      expect(await can(...question)).toBe('yes');
      await vi.waitFor(async () => expect(await can(...question)).toBe('no'), { timeout: 15_000, interval: 200 });
      expect(Date.now()).toBeGreaterThanOrEqual(grant.expiresAt ?? 0);
      // What is left is at most the guard, which allows nobody anything.
      await vi.waitFor(
        async () => expect((await all(grant)).filter((name) => !name.startsWith('networkpolicy'))).toEqual([]),
        {
          timeout: 15_000,
          interval: 200,
        },
      );
    },
  );

  test('an extension moves the end that Kubernetes keeps', async () => {
    const namespace = await staged();
    const grant = await put(await planned('debug', namespace, 5, 'checkout'));
    const first = grant.expiresAt ?? 0;
    const longer: Grant = { ...grant, expiresAt: first + 5000, duration: 10 };
    await cluster.extend(longer);
    expect(await cluster.verify(longer)).toEqual([]);
    const question = ['get', `pod/${grant.pods[0]}`, '-n', namespace];
    await vi.waitFor(async () => expect(await can(...question)).toBe('no'), { timeout: 20_000, interval: 200 });
    expect(Date.now()).toBeGreaterThanOrEqual(first + 5000);
  });

  test('what was changed behind our back is found without its seal, and what is another installation’s is not seen', async () => {
    const namespace = await staged();
    const grant = await put(await planned('view', namespace, 600));
    expect((await cluster.found()).filter((f) => f.id === grant.id).map((f) => [f.kind, f.sealed])).toEqual([
      ['RoleBinding', true],
      ['Job', true],
    ]);
    const subjects = JSON.stringify({
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'mallory@example.test' }],
    });
    await kube.kubectl(['-n', namespace, 'patch', 'rolebinding', objectName(grant.id), '--type=merge', '-p', subjects]);
    const changed = (await cluster.found()).find((f) => f.id === grant.id && f.kind === 'RoleBinding');
    expect(changed).toMatchObject({ sealed: false, expiresAt: null });
    expect(await changed?.record()).toBeNull();
    expect(await cluster.verify(grant)).toEqual([
      `RoleBinding ${namespace}/${objectName(grant.id)} is not as it was written`,
    ]);
    expect((await access('another', workspaces).found()).filter((f) => f.id === grant.id)).toEqual([]);
    if (changed) await cluster.remove(changed);
    await takeDown(grant);
  });

  test('the bindings of many are cut at once, and it is said which are gone', async () => {
    const namespace = await staged();
    const [one, two, kept] = [
      await put(await planned('view', namespace, 600)),
      await put(await planned('debug', namespace, 600, 'checkout')),
      await put(await planned('view', namespace, 600)),
    ];
    const binding = ['-n', namespace, 'patch', 'rolebinding', objectName(kept.id), '--type=merge', '-p'];
    await kube.kubectl([...binding, '{"metadata":{"finalizers":["example.test/keep"]}}']);
    const never = { ...summaryOf(one), id: 'g-aaaaaa' };
    const gone = await cluster.cutRights([...[one, two, kept].map(summaryOf), never]);
    expect(gone.toSorted()).toEqual([one.id, two.id, never.id].toSorted());
    // What a finalizer keeps is in force; the revocation of that grant empties it.
    expect(await can('get', `pod/${two.pods[0]}`, '-n', namespace)).toBe('yes');
    expect(await cluster.takeRights(kept)).toBe(true);
    expect(await cluster.takeRights(two)).toBe(false);
    await cluster.confirmRefused(two);
    expect(await can('get', `pod/${two.pods[0]}`, '-n', namespace)).toBe('no');
    await kube.kubectl([...binding, '{"metadata":{"finalizers":null}}']);
    for (const grant of [one, two, kept]) await takeDown(grant);
  });

  test('a sealed lease holds the whole grant, so that it can be adopted', async () => {
    const namespace = await staged();
    const grant = await put(await planned('debug', namespace, 600, 'checkout'));
    const lease = (await cluster.found()).find((f) => f.id === grant.id && f.kind === 'Job');
    expect(await lease?.record()).toMatchObject({
      id: grant.id,
      requester: ADA,
      plan: grant.plan,
      digest: grant.digest,
    });
    await takeDown(grant);
  });

  test('the record is for holders of the key alone, and is not written anew when nothing has changed', async () => {
    const namespace = await staged();
    const typed = { ...(await planned('debug', namespace, 600, 'checkout')), reason: 'TYPED reason' };
    const grant = await put(typed);
    const read = async () =>
      (await kube.kubectl(['get', 'jobs,roles,rolebindings', '-n', namespace, '-o', 'yaml'])).stdout;
    // From here on its deadline counts from when it began.
    await cluster.placeLeases(typed);
    const before = await read();
    expect(before).toContain('drawbridge.internal/record: 1.');
    expect(before).not.toContain('TYPED');
    await cluster.placeLeases(typed);
    const versions = (yaml: string) => yaml.match(/resourceVersion: .*/g);
    expect(versions(await read())).toEqual(versions(before));
    await takeDown(grant);
  });

  test('a new key takes over in three steps, and no step takes what is open for a forgery', async () => {
    const namespace = await staged();
    const NEW = Buffer.alloc(32, 8);
    const [before, knows, seals, after] = [[KEY], [KEY, NEW], [NEW, KEY], [NEW]].map((keys) =>
      access(workspaces, workspaces, null, keys),
    ) as [ClusterAccess, ClusterAccess, ClusterAccess, ClusterAccess];
    const grant = await put(await planned('debug', namespace, 600, 'checkout', before));
    const judged = async (by: ClusterAccess) => {
      const found = (await by.found()).filter(({ id }) => id === grant.id);
      const records = await Promise.all(found.map(({ record }) => record()));
      return [found.every(({ sealed }) => sealed), records.some((record) => record?.id === grant.id)];
    };
    for (const by of [before, knows, seals]) expect(await judged(by)).toEqual([true, true]);
    expect(await judged(after)).toEqual([false, false]);
    const longer: Grant = { ...grant, expiresAt: (grant.expiresAt ?? 0) + 60_000 };
    await seals.extend(longer);
    // Both replicas of a rollout, and the one that comes after.
    for (const by of [knows, seals, after]) {
      expect(await judged(by)).toEqual([true, true]);
      expect(await by.verify(longer)).toEqual([]);
    }
    expect(await judged(before)).toEqual([false, false]);
    await takeDown(longer);
  });

  test('a binding that a finalizer keeps loses its subjects, and the person is refused', async () => {
    const namespace = await staged();
    const grant = await put(await planned('view', namespace, 600));
    const finalizers = (list: string[]) =>
      kube.kubectl([
        '-n',
        namespace,
        'patch',
        'rolebinding',
        objectName(grant.id),
        '--type=merge',
        '-p',
        JSON.stringify({ metadata: { finalizers: list } }),
      ]);
    await finalizers(['example.test/keep']);
    await takeDown(grant);
    expect(await can('list', 'configmaps', '-n', namespace)).toBe('no');
    await finalizers([]);
  });

  describe('a workspace with a probe', () => {
    const PROBED = '{"v":1,"target":"silent","canary":"silent"}';
    let probing: ClusterAccess;
    let place: string;
    const surveyed = async (on: ClusterAccess, namespace: string, profile: string) => {
      const target = { namespace, workload: { kind: 'Deployment', name: 'checkout' } } as const;
      return (await on.survey(target, policy.profiles[profile]!, 'bound')).unprobed;
    };
    const kubectl = async (...args: string[]) => {
      const { code, stdout, stderr } = await kube.kubectl(['-n', place, ...args]);
      expect([code, stderr]).toEqual([0, '']);
      return stdout;
    };
    const canaryIs = (status: 'True' | 'False', since: Date) =>
      kubectl(
        'patch',
        'pod',
        'canary',
        '--subresource=status',
        '--type=strategic',
        '-p',
        JSON.stringify({
          status: { conditions: [{ type: 'Ready', status, lastTransitionTime: since.toISOString() }] },
        }),
      );
    const argsOf = async (grant: Grant): Promise<string[]> => {
      const name = `job/${objectName(grant.id)}-workspace`;
      return JSON.parse(
        await kubectl('get', name, '-o', 'jsonpath={.spec.template.spec.initContainers[0].args}'),
      ) as string[];
    };

    beforeAll(async () => {
      place = await kube.freshNamespace('workspaces');
      played.push(place);
      probing = access(place, place, 'drawbridge:1');
    });

    test('tells beforehand why none could be run', async () => {
      const namespace = await staged();
      expect(await surveyed(cluster, namespace, 'troubleshoot')).toBe('PROBE_IMAGE is not set');
      expect(await surveyed(probing, namespace, 'troubleshoot')).toBe(`no canary is Ready in ${place}`);
      expect(await surveyed(probing, namespace, 'debug')).toBeNull();
      const container = { name: 'canary', image: 'drawbridge:1', ports: [{ containerPort: 8080 }] };
      const metadata = { namespace: place, name: 'canary', labels: { 'app.kubernetes.io/component': 'canary' } };
      await kube.apply([{ apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [container] } }]);
      await vi.waitFor(async () => expect(await surveyed(probing, namespace, 'troubleshoot')).toBeNull(), {
        timeout: 10_000,
      });
      await canaryIs('False', new Date());
      expect(await surveyed(probing, namespace, 'troubleshoot')).toBe(`no canary is Ready in ${place}`);
      await canaryIs('True', new Date(Date.now() - 60_000));
    });

    test('asks the pods of the target and the canary, is made once, and counts only while the canary stands', async () => {
      const namespace = await staged();
      const grant = await planned('troubleshoot', namespace, 600, 'checkout', probing);
      await probing.placeLeases(grant);
      await probing.raiseGuard(grant);
      await probing.admit(grant);
      lastWords = PROBED;
      const started = await probing.startWorkspace(grant);
      expect(started.probe).toEqual({ target: 'silent', canary: 'silent' });
      const ips = (
        await kube.kubectl([
          '-n',
          namespace,
          'get',
          'pods',
          '-l',
          'app=checkout',
          '-o',
          'jsonpath={.items[*].status.podIP}',
        ])
      ).stdout.split(' ');
      const canary = await kubectl('get', 'pod', 'canary', '-o', 'jsonpath={.status.podIP}');
      const args = await argsOf(grant);
      expect(args.toSorted()).toEqual(
        [...ips.map((ip) => `--target=tcp:${ip}:8080`), `--canary=tcp:${canary}:8080`].toSorted(),
      );

      // Once more, as after a crash: the template of a Job can't be changed, whatever is there now.
      await kube.kubectl(['-n', namespace, 'scale', 'deployment', 'checkout', '--replicas=1']);
      await canaryIs('False', new Date());
      expect(await probing.startWorkspace(grant)).toEqual({
        ...started,
        probe: { target: 'silent', canary: 'unknown' },
      });
      expect(await argsOf(grant)).toEqual(args);
      // It went and came back while it was asked.
      await canaryIs('True', new Date(Date.now() + 5000));
      expect((await probing.startWorkspace(grant)).probe).toEqual({ target: 'silent', canary: 'unknown' });
      await canaryIs('True', new Date(Date.now() - 60_000));
      expect((await probing.startWorkspace(grant)).probe).toEqual({ target: 'silent', canary: 'silent' });

      // With all that the API server has filled in, the seal holds, and so does that of an extension.
      const pods = await probing.podsOf(grant);
      await probing.giveRights(grant, pods, started.pod);
      const active: Grant = { ...grant, state: 'active', pods, workspacePod: started.pod };
      expect(await probing.verify(active)).toEqual([]);
      const longer = { ...active, expiresAt: (grant.expiresAt ?? 0) + 60_000 };
      await probing.extend(longer);
      expect(await probing.verify(longer)).toEqual([]);
      await probing.takeRights(longer);
      await probing.endWorkspace(longer);
      await probing.lowerGuard(longer);
      await probing.dropLeases(longer);
    });

    test.each([
      ['nothing', ''],
      ['what is none of its own', 'TypeError: fetch failed'],
      ['silence that it did not see', '{"v":1,"target":"unknown","canary":"unknown"}'],
    ])('whose last words are %s says nothing', async (_what, words) => {
      const namespace = await staged();
      const grant = await planned('troubleshoot', namespace, 600, 'checkout', probing);
      lastWords = words;
      await probing.raiseGuard(grant);
      expect((await probing.startWorkspace(grant)).probe).toEqual({ target: 'unknown', canary: 'unknown' });
      await probing.endWorkspace(grant);
      await probing.lowerGuard(grant);
    });

    test('that an answering canary has seen is believed, also when that canary has gone', async () => {
      const namespace = await staged();
      const grant = await planned('troubleshoot', namespace, 600, 'checkout', probing);
      lastWords = '{"v":1,"target":"answers","canary":"answers"}';
      await canaryIs('False', new Date());
      await probing.raiseGuard(grant);
      expect((await probing.startWorkspace(grant)).probe).toEqual({ target: 'answers', canary: 'answers' });
      await probing.endWorkspace(grant);
      await probing.lowerGuard(grant);
    });
  });
});
