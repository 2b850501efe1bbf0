import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clusterKeys } from '../../../../src/adapters/kubernetes/cluster-keys.ts';
import {
  admissionPolicy,
  deadlineSeconds,
  guardPolicy,
  leaseJob,
  objectList,
  podJob,
  pullSecretsIn,
  rightsOf,
  samples,
  shellJob,
  targetRights,
  workspaceJob,
  workspaceRights,
} from '../../../../src/adapters/kubernetes/manifests.ts';
import { withRecord } from '../../../../src/adapters/kubernetes/record.ts';
import { isSealed, seal } from '../../../../src/adapters/kubernetes/seal.ts';
import type { Grant } from '../../../../src/domain/grant/grant.ts';
import { admissionSpec, containmentSpec, guardSpec, sourcesSpec } from '../../../../src/domain/plan/confinement.ts';
import type { Plan } from '../../../../src/domain/plan/plan.ts';
import type { NodeShell } from '../../../../src/domain/policy/policy.ts';
import { narrowedRules } from '../../../../src/domain/rights/narrowed-rules.ts';
import { applyingGrant, samplePlan } from '../../../support/grants.ts';
import { WORKSPACE_PLAN } from '../../../support/views.ts';

const context = { instance: 'test', workspacesNamespace: 'workspaces' };
const grant = applyingGrant(600, { plan: WORKSPACE_PLAN });
const SELECTOR = { matchLabels: { app: 'checkout' } };
const PORTS = [{ port: 8080, protocol: 'TCP' }] as const;
const lease = { name: `drawbridge-${grant.id}`, uid: 'uid' };

describe('rules of a workload', () => {
  const rules = [
    { apiGroups: [''], resources: ['pods', 'pods/exec'], verbs: ['get'] },
    { apiGroups: ['apps'], resources: ['deployments'], verbs: ['get'] },
    { apiGroups: ['apps'], resources: ['statefulsets'], verbs: ['get'] },
  ];
  const target = { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } } as const;

  test('name the pods and the workload itself', () => {
    expect(narrowedRules(rules, target, ['b', 'a'])).toEqual([
      { apiGroups: [''], resources: ['pods'], verbs: ['get'], resourceNames: ['a', 'b'] },
      { apiGroups: [''], resources: ['pods/exec'], verbs: ['get'], resourceNames: ['a', 'b'] },
      { apiGroups: ['apps'], resources: ['deployments'], verbs: ['get'], resourceNames: ['checkout'] },
    ]);
  });

  test('never lack names, since no names means all: without pods the rule is left out', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 })), (pods) => {
        for (const rule of narrowedRules(rules, target, pods))
          expect((rule.resourceNames ?? []).length).toBeGreaterThan(0);
      }),
    );
    expect(narrowedRules(rules, target, []).map((rule) => rule.resources)).toEqual([['deployments']]);
  });
});

describe('objects of a grant', () => {
  const all = [
    leaseJob(grant, context, 'staging', grant.startsAt ?? 0),
    leaseJob(grant, context, 'workspaces', grant.startsAt ?? 0),
    guardPolicy(grant, context),
    admissionPolicy(grant, context, lease),
    workspaceJob(grant, context, grant.startsAt ?? 0, { image: 'drawbridge:1', args: [] }),
    ...targetRights(grant, context, lease, ['checkout-1']),
    ...workspaceRights(grant, context, lease, 'pod'),
  ];

  test('are the ones that the message lists, in that order', () => {
    expect(all.map((o) => `${o.kind} ${o.metadata.namespace}/${o.metadata.name}`)).toEqual(objectList(grant, context));
  });

  test('say whose they are and when they end', () => {
    for (const object of all) {
      expect(object.metadata.labels).toEqual({
        'app.kubernetes.io/managed-by': 'drawbridge',
        'drawbridge.internal/grant': grant.id,
        'drawbridge.internal/instance': 'test',
      });
      expect(object.metadata.annotations).toMatchObject({
        'drawbridge.internal/expires-at': new Date(grant.expiresAt ?? 0).toISOString(),
        'drawbridge.internal/requester': 'ada@example.test',
        'drawbridge.internal/approved-by': 'ben@example.test',
        'drawbridge.internal/digest': grant.digest,
      });
    }
  });

  test('say nothing that a person typed, and no more of people than who asked and who approved', () => {
    const typed = applyingGrant(600, {
      plan: WORKSPACE_PLAN,
      reason: 'TYPED reason',
      decisions: grant.decisions.map((decision) => ({ ...decision, note: 'TYPED note' })),
      remarks: ['TYPED remark'],
      ending: {
        cause: 'revoked',
        since: 0,
        by: null,
        note: 'TYPED word',
        rightsGoneAt: null,
        policyGoneAt: null,
        workspaceGoneAt: null,
      },
    });
    const keys = clusterKeys([Buffer.alloc(32, 1)], 'cluster-1');
    const written = [
      withRecord(leaseJob(typed, context, 'staging', 0), typed, keys),
      leaseJob(typed, context, 'workspaces', 0),
      guardPolicy(typed, context),
      admissionPolicy(typed, context, lease),
      workspaceJob(typed, context, 0, { image: 'drawbridge:1', args: [] }),
      ...targetRights(typed, context, lease, ['checkout-1']),
      ...workspaceRights(typed, context, lease, 'pod'),
    ].map((object) => seal(object, keys));
    for (const object of written) {
      expect(JSON.stringify(object)).not.toContain('TYPED');
      const names = Object.keys(object.metadata.annotations ?? {}).map((name) =>
        name.replace('drawbridge.internal/', ''),
      );
      const known = ['expires-at', 'requester', 'approved-by', 'profile', 'digest', 'seal', 'lease', 'record'];
      expect(names.filter((name) => !known.includes(name))).toEqual([]);
    }
  });

  test('a workspace has what its profile gives, kept for it too, and its probe what all have', () => {
    const given = applyingGrant(600, {
      plan: {
        ...WORKSPACE_PLAN,
        network: { ...WORKSPACE_PLAN.network, resources: { cpu: '2', memory: '3Gi' } } as never,
      },
    });
    const has = (cpu: string, memory: string, disk: string) => ({ cpu, memory, 'ephemeral-storage': disk });
    const usual = { requests: has('10m', '32Mi', '0'), limits: has('1', '512Mi', '1Gi') };
    const probe = { image: 'drawbridge:1', args: [] };
    const containersOf = (one: Grant) =>
      workspaceJob(one, context, 0, probe).spec as {
        template: { spec: { containers: { resources: object }[]; initContainers: { resources: object }[] } };
      };
    const made = containersOf(given).template.spec;
    expect(made.containers[0]?.resources).toEqual({ requests: has('2', '3Gi', '0'), limits: has('2', '3Gi', '1Gi') });
    expect(made.initContainers[0]?.resources).toEqual(usual);
    expect(containersOf(grant).template.spec.containers[0]?.resources).toEqual(usual);
  });

  test('a workspace is pulled with the Secrets that are set, and one that is there with those it was made with', () => {
    const probe = { image: 'drawbridge:1', args: [] };
    const made = workspaceJob(grant, { ...context, pullSecrets: ['registry', 'mirror'] }, 0, probe);
    expect(made.spec).toMatchObject({
      template: { spec: { imagePullSecrets: [{ name: 'registry' }, { name: 'mirror' }] } },
    });
    expect(workspaceJob(grant, { ...context, pullSecrets: ['other'] }, 0, probe, pullSecretsIn(made))).toEqual(made);
    const without = workspaceJob(grant, context, 0, probe);
    expect(JSON.stringify(without)).not.toContain('imagePullSecrets');
    expect(workspaceJob(grant, { ...context, pullSecrets: ['other'] }, 0, probe, pullSecretsIn(without))).toEqual(
      without,
    );
  });

  test('that give access are owned by the lease beside them, the guard by nobody', () => {
    const owned = all.filter((object) => object.metadata.ownerReferences !== undefined).map((object) => object.kind);
    expect(owned).toEqual(['NetworkPolicy', 'Role', 'RoleBinding', 'Role', 'RoleBinding']);
    expect(guardPolicy(grant, context).metadata.ownerReferences).toBeUndefined();
  });

  test.each([
    [
      'contain',
      {
        mode: 'contain',
        selector: SELECTOR,
        to: [{ peer: { cidr: '10.0.0.0/8' }, ports: PORTS }],
        dns: 'cluster',
        applies: true,
        strict: false,
        foreign: [],
      },
      guardPolicy,
    ],
    [
      'bastion',
      {
        mode: 'bastion',
        selector: SELECTOR,
        ports: PORTS,
        from: [{ cidr: '10.8.0.0/16' }, { namespace: 'ops', pods: { app: 'b' } }],
        admits: true,
      },
      (g: Grant) => admissionPolicy(g, context, lease),
    ],
  ] as const)('of mode %s are one policy beside the target, only where it is needed', (mode, network, make) => {
    const of = (change: object) =>
      applyingGrant(60, { plan: { ...WORKSPACE_PLAN, network: { ...network, ...change } } });
    const policies = (g: Grant) => objectList(g, context).filter((name) => name.startsWith('NetworkPolicy'));
    const needed = of({});
    expect(policies(needed)).toEqual([`NetworkPolicy staging/drawbridge-${needed.id}`]);
    expect(policies(of({ applies: false, admits: false }))).toEqual([]);
    const object = make(needed, context);
    expect(object.metadata.namespace).toBe('staging');
    // What contains outlives its rights; what lets in ends with the lease.
    expect(object.metadata.ownerReferences === undefined).toBe(mode === 'contain');
    expect(object.spec).toEqual(
      mode === 'contain'
        ? {
            podSelector: SELECTOR,
            policyTypes: ['Egress'],
            egress: [
              { to: [{ ipBlock: { cidr: '10.0.0.0/8' } }], ports: PORTS },
              {
                to: [
                  {
                    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
                    podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
                  },
                ],
                ports: [
                  { port: 53, protocol: 'UDP' },
                  { port: 53, protocol: 'TCP' },
                ],
              },
            ],
          }
        : {
            podSelector: SELECTOR,
            policyTypes: ['Ingress'],
            ingress: [
              {
                from: [
                  { ipBlock: { cidr: '10.8.0.0/16' } },
                  {
                    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ops' } },
                    podSelector: { matchLabels: { app: 'b' } },
                  },
                ],
                ports: PORTS,
              },
            ],
          },
    );
  });

  test('a named role is bound, and no other made', () => {
    const view = applyingGrant(60, {
      plan: samplePlan({
        role: { kind: 'ClusterRole', name: 'view' },
        target: { namespace: 'staging' },
        workload: null,
      }),
    });
    expect(targetRights(view, context, lease, [])).toMatchObject([
      { kind: 'RoleBinding', roleRef: { kind: 'ClusterRole', name: 'view' } },
    ]);
  });
});

test('a lease never ends early, and at most two seconds late', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 86_400_000 }), fc.integer({ min: 0, max: 999 }), (window, cut) => {
      const now = 1_700_000_000_000 + cut;
      const g = { ...grant, startsAt: now, expiresAt: now + window };
      // The Job controller cuts its start to whole seconds.
      const ends = Math.floor(now / 1000) * 1000 + deadlineSeconds(g, now) * 1000;
      expect(ends).toBeGreaterThanOrEqual(g.expiresAt);
      expect(ends - g.expiresAt).toBeLessThanOrEqual(2000);
    }),
  );
});

test('no policy of ours has an empty selector or an empty list: empty means all', () => {
  const ports = [{ port: 8080, protocol: 'TCP' }] as const;
  for (const selector of [{}, { matchLabels: {} }, { matchExpressions: [] }])
    expect(() => guardSpec('g-aaaaaa', { namespace: 'staging', selector, ports, dns: 'none' })).toThrow(
      'empty selector',
    );
  expect(() => admissionSpec('g-aaaaaa', { selector: { matchLabels: { app: 'x' } }, ports: [] }, 'workspaces')).toThrow(
    'empty list of ports',
  );
  const target = { selector: SELECTOR, ports };
  expect(() => sourcesSpec(target, [])).toThrow('empty list of sources');
  expect(() => sourcesSpec({ ...target, selector: {} }, [{ cidr: '10.8.0.0/16' }])).toThrow('empty selector');
  expect(() => sourcesSpec(target, [{ namespace: 'ops', pods: {} }])).toThrow('empty selector');
  expect(() => containmentSpec({}, [], 'none')).toThrow('empty selector');
  expect(() => containmentSpec(SELECTOR, [{ peer: { cidr: '10.8.0.0/16' }, ports: [] }], 'none')).toThrow(
    'empty list of ports',
  );
  expect(() => containmentSpec(SELECTOR, [{ peer: { namespace: 'ops', pods: {} }, ports }], 'none')).toThrow(
    'empty selector',
  );
});

describe('a shell on a node', () => {
  const shellGrant = (shell: NodeShell, rules: Plan['rules'] = []) =>
    applyingGrant(600, {
      plan: samplePlan({
        target: { scope: 'node', node: 'worker-1' },
        namespaceUid: null,
        workload: null,
        pods: [],
        rules,
        shell,
      }),
    });
  const at = { ...context, accountsNamespace: 'accounts', nodesNamespace: 'nodes' };
  const whole: NodeShell = { image: 'tools:1', host: ['pid', 'network'], filesystem: 'read-write' };
  const podOf = (shell: NodeShell) =>
    (podJob(shellGrant(shell), at, 0, null).spec as { template: { spec: Record<string, unknown> } }).template.spec;

  test('is one privileged pod on that node, which no taint keeps away and no account is in', () => {
    expect(podOf(whole)).toEqual({
      restartPolicy: 'Never',
      nodeName: 'worker-1',
      tolerations: [{ operator: 'Exists' }],
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 1,
      hostPID: true,
      hostNetwork: true,
      dnsPolicy: 'Default',
      volumes: [{ name: 'host', hostPath: { path: '/', type: 'Directory' } }],
      containers: [
        {
          name: 'workspace',
          image: 'tools:1',
          command: ['sleep', 'infinity'],
          securityContext: { privileged: true, runAsUser: 0 },
          resources: {
            requests: { cpu: '0', memory: '0', 'ephemeral-storage': '0' },
            limits: { cpu: '1', memory: '512Mi', 'ephemeral-storage': '1Gi' },
          },
          volumeMounts: [{ name: 'host', mountPath: '/host' }],
        },
      ],
    });
    const grant = shellGrant(whole);
    expect(shellJob(grant, at, grant.startsAt ?? 0).spec).toMatchObject({
      parallelism: 1,
      completions: 1,
      backoffLimit: 0,
      activeDeadlineSeconds: 601,
      ttlSecondsAfterFinished: 0,
    });
  });

  test('shares with the node what it says, and nothing else', () => {
    const readOnly = podOf({ ...whole, host: ['network'], filesystem: 'read-only' });
    expect(readOnly).not.toHaveProperty('hostPID');
    expect(readOnly).toMatchObject({
      hostNetwork: true,
      shareProcessNamespace: true,
      containers: [{ volumeMounts: [{ mountPath: '/host', readOnly: true, recursiveReadOnly: 'IfPossible' }] }],
    });
    const bare = podOf({ ...whole, host: [], filesystem: 'none' });
    for (const key of ['hostPID', 'hostNetwork', 'volumes']) expect(bare).not.toHaveProperty(key);
    expect(JSON.stringify(bare)).not.toContain('volumeMounts');
    expect(podOf({ ...whole, host: ['pid'] })).not.toHaveProperty('shareProcessNamespace');
    expect(podOf({ ...whole, host: ['pid'] })).not.toHaveProperty('hostNetwork');
  });

  test('has the objects that its message lists, with rights on the node or without, and all of them are taken', () => {
    const rules = [{ apiGroups: [''], resources: ['nodes'], verbs: ['get'] }];
    for (const grant of [shellGrant(whole), shellGrant(whole, rules)]) {
      const made = [
        leaseJob(grant, at, 'accounts', 0),
        leaseJob(grant, at, 'nodes', 0),
        shellJob(grant, at, 0),
        ...targetRights(grant, at, lease, []),
        ...workspaceRights(grant, at, lease, 'pod'),
      ];
      const names = made.map(
        ({ kind, metadata: { namespace, name } }) => `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`,
      );
      expect(names).toEqual(objectList(grant, at));
      expect(names.some((name) => name.startsWith('Cluster'))).toBe(grant.plan.rules.length > 0);
      const taken = rightsOf(grant, at).map(
        ({ kind, namespace, name }) => `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`,
      );
      expect(taken).toEqual(expect.arrayContaining(names.filter((name) => /Role|Binding/.test(name))));
    }
  });

  test('of another node is another, by its seal', () => {
    const keys = clusterKeys([Buffer.alloc(32, 7)], 'cluster');
    const sealed = seal(shellJob(shellGrant(whole), at, 0), keys);
    expect(isSealed(sealed, keys)).toBe(true);
    const moved = structuredClone(sealed);
    (moved.spec as { template: { spec: { nodeName: string } } }).template.spec.nodeName = 'worker-2';
    expect(isSealed(moved, keys)).toBe(false);
  });

  test('is tried before anybody asks, with a Role in its namespace', () => {
    const tried = (shells: Parameters<typeof samples>[3]) =>
      samples(at, ['staging'], [], shells).map(({ kind, metadata }) => `${kind} ${metadata.namespace}`);
    expect(tried([])).toEqual(['Job staging', 'Role workspaces']);
    expect(tried([{ shell: whole, node: 'x' }])).toEqual(['Job staging', 'Job nodes', 'Role workspaces', 'Role nodes']);
  });
});
