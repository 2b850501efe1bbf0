import { describe, expect, it } from 'vitest';
import {
  classOf,
  letsIntoPods,
  persistenceRisks,
  type Rule,
  reachesOf,
  risksOf,
  workloadKind,
} from '../../../../src/domain/rights/rights.ts';
import { CLASSES, DANGEROUS_RIGHTS, HARMLESS_RIGHTS } from '../../../../src/domain/rights/table.ts';

const rule = (apiGroup: string, resource: string, ...verbs: string[]): Rule => ({
  apiGroups: [apiGroup],
  resources: [resource],
  verbs,
});
const RBAC = 'rbac.authorization.k8s.io';
const ADMISSION = 'changes admission, which sees and stops every write';

describe('rights by which access outlives its grant', () => {
  it.each<[string, Rule, string]>([
    ['reading secrets', rule('', 'secrets', 'get'), 'reads secrets'],
    ['listing secrets', rule('', 'secrets', 'list'), 'reads secrets'],
    ['watching secrets', rule('', 'secrets', 'watch'), 'reads secrets'],
    // An empty change with dryRun=All is answered with the content.
    ['patching secrets', rule('', 'secrets', 'patch'), 'reads secrets'],
    ['replacing secrets', rule('', 'secrets', 'update'), 'reads secrets'],
    ['deleting secrets', rule('', 'secrets', 'delete'), 'reads secrets'],
    ['deleting all secrets', rule('', 'secrets', 'deletecollection'), 'reads secrets'],
    // One of type service-account-token is filled with a token.
    ['making secrets', rule('', 'secrets', 'create'), 'reads secrets'],
    ['taking secrets in any verb', rule('', 'secrets', 'frob'), 'reads secrets'],
    ['minting tokens', rule('', 'serviceaccounts/token', 'create'), 'mints service account tokens'],
    ['impersonating', rule('', 'users', 'impersonate'), 'impersonates others'],
    ['impersonating groups', rule('', 'groups', 'impersonate'), 'impersonates others'],
    ['impersonating as edit does', rule('', 'serviceaccounts', 'impersonate'), 'impersonates others'],
    [
      'impersonating with scopes',
      rule('authentication.k8s.io', 'userextras/scopes', 'impersonate'),
      'impersonates others',
    ],
    ['impersonating in part', rule('authentication.k8s.io', 'users', 'impersonate:user-info'), 'impersonates others'],
    ['making pods', rule('', 'pods', 'create'), 'creates or changes workloads (pods)'],
    ['patching pods', rule('', 'pods', 'patch'), 'creates or changes workloads (pods)'],
    ['making deployments', rule('apps', 'deployments', 'create'), 'creates or changes workloads (deployments)'],
    ['changing stateful sets', rule('apps', 'statefulsets', 'update'), 'creates or changes workloads (statefulsets)'],
    ['changing daemon sets', rule('apps', 'daemonsets', 'patch'), 'creates or changes workloads (daemonsets)'],
    ['making replica sets', rule('apps', 'replicasets', 'create'), 'creates or changes workloads (replicasets)'],
    ['making cron jobs', rule('batch', 'cronjobs', 'create'), 'creates or changes workloads (cronjobs)'],
    ['making jobs', rule('batch', 'jobs', 'create'), 'creates or changes workloads (jobs)'],
    ['ephemeral containers', rule('', 'pods/ephemeralcontainers', 'patch'), 'adds containers to running pods'],
    ['making role bindings', rule(RBAC, 'rolebindings', 'create'), 'writes RBAC'],
    ['binding roles', rule(RBAC, 'clusterroles', 'bind'), 'writes RBAC'],
    ['escalating', rule(RBAC, 'roles', 'escalate'), 'writes RBAC'],
    ['making certificates', rule('certificates.k8s.io', 'certificatesigningrequests', 'create'), 'makes certificates'],
    [
      'approving certificates',
      rule('certificates.k8s.io', 'certificatesigningrequests/approval', 'update'),
      'makes certificates',
    ],
    ['the kubelet', rule('', 'nodes/proxy', 'get'), 'reaches the kubelet past admission'],
    ['opening the network', rule('networking.k8s.io', 'networkpolicies', 'create'), 'changes network policies'],
    ['deleting guards', rule('networking.k8s.io', 'networkpolicies', 'delete'), 'changes network policies'],
    ['labels by status', rule('', 'pods/status', 'patch'), 'changes the labels of pods (pods/status)'],
    ['every resource', rule('', '*', 'get'), 'reads secrets'],
    ['every resource, said', rule('', '*', 'get'), 'reaches everything by wildcards, also what is added later'],
    ['every subresource', rule('', 'pods/*', 'get'), 'reaches everything by wildcards, also what is added later'],
    ['every subresource of secrets’ kin', rule('', 'serviceaccounts/*', 'create'), 'mints service account tokens'],
    ['that subresource of everything', rule('', '*/token', 'create'), 'mints service account tokens'],
    ['every verb on roles', rule(RBAC, 'roles', '*'), 'writes RBAC'],
    ['pod templates', rule('', 'podtemplates', 'create'), 'creates or changes workloads (podtemplates)'],
    [
      'what a rollback takes',
      rule('apps', 'controllerrevisions', 'patch'),
      'creates or changes workloads (controllerrevisions)',
    ],
    ['webhooks', rule('admissionregistration.k8s.io', 'mutatingwebhookconfigurations', 'create'), ADMISSION],
    ['the leash', rule('admissionregistration.k8s.io', 'validatingadmissionpolicybindings', 'delete'), ADMISSION],
    [
      'aggregated APIs',
      rule('apiregistration.k8s.io', 'apiservices', 'patch'),
      'answers API calls in the place of the API server',
    ],
    [
      'conversion webhooks',
      rule('apiextensions.k8s.io', 'customresourcedefinitions', 'update'),
      'changes custom resource definitions, whose conversion webhooks see every object',
    ],
    ['certificates of pods', rule('certificates.k8s.io', 'podcertificaterequests', 'create'), 'makes certificates'],
    ['signing', rule('certificates.k8s.io', 'signers', 'sign'), 'makes certificates'],
    ['trust', rule('certificates.k8s.io', 'clustertrustbundles', 'create'), 'changes which certificates are trusted'],
    ['volumes of a node', rule('', 'persistentvolumes', 'create'), 'makes volumes of the disk of a node'],
    ['nodes', rule('', 'nodes/status', 'patch'), 'changes nodes'],
    [
      'labels of a namespace',
      rule('', 'namespaces', 'patch'),
      'changes namespaces, whose labels choose Pod Security, admission and network policies',
    ],
    ['labels by binding', rule('', 'bindings', 'create'), 'changes the labels of pods (bindings)'],
    ['workspaces of others', rule('drawbridge.internal', 'workspaces', 'use'), 'enters workspaces of others'],
    ['Services', rule('', 'services', 'patch'), 'redirects traffic of others (services)'],
    ['endpoints', rule('', 'endpoints', 'update'), 'redirects traffic of others (endpoints)'],
    [
      'endpoint slices',
      rule('discovery.k8s.io', 'endpointslices', 'create'),
      'redirects traffic of others (endpointslices)',
    ],
    ['the lead', rule('coordination.k8s.io', 'leases', 'update'), 'takes the lead from controllers'],
    [
      'service accounts',
      rule('', 'serviceaccounts', 'patch'),
      'changes service accounts, by whose annotations clouds give roles',
    ],
    [
      'what is nobody’s here',
      rule('argoproj.io', 'workflows', 'create'),
      'changes what controllers of others may act on (workflows.argoproj.io)',
    ],
    ['verbs that are nobody’s here', rule('', 'configmaps', 'frob'), 'has verbs of others (frob on configmaps)'],
    ['every verb', rule('', 'secrets', '*'), 'reads secrets'],
    ['every verb on pods', rule('', 'pods', '*'), 'creates or changes workloads (pods)'],
    ['every group', rule('*', 'roles', 'create'), 'writes RBAC'],
  ])('%s', (_, given, risk) => {
    expect(persistenceRisks([given])).toContain(risk);
  });

  it.each<[string, Rule]>([
    ['reading pods and their logs', rule('', 'pods/log', 'get', 'list', 'watch')],
    ['exec', rule('', 'pods/exec', 'get', 'create')],
    ['port-forward', rule('', 'pods/portforward', 'create')],
    ['deleting a pod', rule('', 'pods', 'get', 'delete')],
    ['reading endpoints', rule('discovery.k8s.io', 'endpointslices', 'list')],
    ['looking at ephemeral containers', rule('', 'pods/ephemeralcontainers', 'get')],
    ['evicting', rule('', 'pods/eviction', 'create')],
    ['verbs that a resource does not have', rule('', 'pods/log', 'create', 'deletecollection')],
    ['reading what is nobody’s here', rule('argoproj.io', 'workflows', 'get', 'list')],
    ['resources in one of two groups', { ...rule('', 'pods', 'delete'), apiGroups: ['', 'policy'] }],
    ['reading roles', rule(RBAC, 'roles', 'get', 'list')],
    ['reading network policies', rule('networking.k8s.io', 'networkpolicies', 'get', 'list')],
    ['scaling', rule('apps', 'deployments/scale', 'patch')],
    ['reading config maps', rule('', 'configmaps', 'get')],
  ])('not %s', (_, given) => {
    expect(persistenceRisks([given])).toEqual([]);
  });

  it('are found in every subresource of everything', () => {
    expect(persistenceRisks([rule('', '*', 'create')])).toContain('mints service account tokens');
    expect(reachesOf([rule('', '*', 'create')])).toContainEqual(expect.stringMatching(/^enters containers/));
  });

  it('are found though a rule has other groups and verbs too', () => {
    expect(persistenceRisks([{ ...rule('', 'secrets', 'get'), apiGroups: ['apps', ''] }])).toEqual(['reads secrets']);
    expect(persistenceRisks([rule('apps', 'deployments', 'get', 'patch')])).toEqual([
      'creates or changes workloads (deployments)',
    ]);
    expect(persistenceRisks([rule('argoproj.io', 'workflows', 'get', 'create')])).toEqual([
      'changes what controllers of others may act on (workflows.argoproj.io)',
    ]);
    // What one group has, the other need not have.
    expect(persistenceRisks([{ ...rule('', 'secrets', 'frob'), apiGroups: ['', 'apps'] }])).toEqual(['reads secrets']);
  });

  it('are found in any rule, each named once', () => {
    const rules = [rule('', 'pods', 'get'), rule('', 'secrets', 'get'), rule('', 'secrets', 'list')];
    expect(persistenceRisks(rules)).toEqual(['reads secrets']);
  });

  it('are read worst first, those of one kind together', () => {
    const rules = [
      rule('', 'pods/portforward', 'create'),
      rule('', 'services', 'update'),
      rule('batch', 'jobs', 'create'),
      rule('argoproj.io', 'workflows', 'create'),
      rule('', 'secrets', 'list'),
      rule('apps', 'deployments', 'patch'),
      rule('', 'users', 'impersonate'),
    ];
    const expected = [
      ['never inline', 'impersonates others'],
      ['never inline', 'reads secrets'],
      ['never inline', 'creates or changes workloads (deployments, jobs)'],
      ['acknowledged', 'redirects traffic of others (services)'],
      ['acknowledged', 'changes what controllers of others may act on (workflows.argoproj.io)'],
      ['said', 'forwards ports: reaches every port of the pod, also those on its localhost, past every network policy'],
    ];
    for (const given of [rules, rules.toReversed()])
      expect(risksOf(given).map((risk) => [risk.class, risk.words])).toEqual(expected);
    expect(persistenceRisks(rules)).toEqual(expected.slice(0, 5).map(([, words]) => words));
    expect(reachesOf(rules)).toEqual([expected[5]?.[1]]);
  });
});

describe('what is said of rights that end with their grant', () => {
  it.each<[string, Rule, RegExp]>([
    ['exec', rule('', 'pods/exec', 'create'), /^enters containers: the token of the pod and mounted secrets/],
    ['attach', rule('', 'pods/attach', 'get'), /^enters containers/],
    ['port-forward', rule('', 'pods/portforward', 'create'), /localhost, past every network policy/],
    ['proxy to a pod', rule('', 'pods/proxy', 'get'), /^goes through the API server/],
    ['proxy to a Service', rule('', 'services/proxy', 'get'), /^goes through the API server/],
    ['configuration', rule('', 'configmaps', 'patch'), /^changes configuration/],
    ['scaling', rule('apps', 'deployments/scale', 'patch'), /^scales workloads/],
    ['deleting a namespace', rule('', 'namespaces', 'delete'), /^deletes what others need \(namespaces\)$/],
    ['what is nobody’s here', rule('argoproj.io', 'workflows', 'get'), /\(workflows\.argoproj\.io\)$/],
    [
      'a name that another group has too',
      { ...rule('', 'pods', 'get'), apiGroups: ['', 'metrics.k8s.io'] },
      /\(pods\.metrics\.k8s\.io\)$/,
    ],
  ])('%s', (_, given, words) => {
    expect(reachesOf([given])).toEqual([expect.stringMatching(words)]);
    expect(persistenceRisks([given])).toEqual([]);
  });

  it.each<[string, Rule]>([
    ['reading pods and their logs', { ...rule('', 'pods', 'get', 'list', 'watch'), resources: ['pods', 'pods/log'] }],
    ['events in both groups', { ...rule('', 'events', 'list'), apiGroups: ['', 'events.k8s.io'] }],
    ['what was served once', rule('extensions', 'networkpolicies', 'list')],
  ])('nothing of %s', (_, given) => {
    expect(risksOf([given])).toEqual([]);
  });
});

describe('whoever gets into pods', () => {
  it.each<[string, Rule, boolean]>([
    ['exec', rule('', 'pods/exec', 'create'), true],
    ['attach', rule('', 'pods/attach', 'get'), true],
    ['a container more', rule('', 'pods/ephemeralcontainers', 'patch'), true],
    ['a pod of one’s own', rule('', 'pods', 'create'), true],
    ['another image', rule('apps', 'deployments', 'patch'), true],
    ['a job of one’s own', rule('batch', 'jobs', 'create'), true],
    ['everything', rule('*', '*', '*'), true],
    ['reading', { ...rule('', 'pods', 'get', 'list'), resources: ['pods', 'pods/log'] }, false],
    ['ephemeral containers, looked at', rule('', 'pods/ephemeralcontainers', 'get'), false],
    ['scaling', rule('apps', 'deployments/scale', 'patch'), false],
    ['exec of another group', rule('example.test', 'pods/exec', 'create'), false],
  ])('%s', (_, given, into) => {
    expect(letsIntoPods([given])).toBe(into);
  });
});

it('one rule, and one resource of it, is enough to get into pods', () => {
  const reading = rule('', 'pods', 'get');
  expect(letsIntoPods([reading, { ...rule('', 'pods', 'create'), resources: ['services', 'pods/exec'] }])).toBe(true);
  expect(letsIntoPods([reading, reading])).toBe(false);
});

describe('what the table only knows by its defaults', () => {
  it.each<[string, Rule, string[]]>([
    ['a resource of others, changed', rule('a.test', 'things', 'get', 'patch'), ['things.a.test']],
    ['a resource of ours that is not known', rule('', 'things', 'patch'), ['(things)']],
    ['a verb of others on a resource of ours', rule('', 'configmaps', 'frob'), ['frob on configmaps']],
    ['no verb of others on a resource of others', rule('a.test', 'things', 'frob'), ['things.a.test']],
    ['the others of a group that is a wildcard', { ...rule('*', 'things', 'patch') }, []],
  ])('%s', (_, given, names) => {
    const found = risksOf([given]).filter(({ words }) => /of others/.test(words));
    expect(found).toHaveLength(names.length);
    for (const [index, name] of names.entries()) expect(found[index]?.words).toContain(name);
  });

  it('a group that has no such resource is passed over only where it is one of Kubernetes, and another group has it', () => {
    const words = (apiGroups: string[]) =>
      reachesOf([{ ...rule('', 'pods', 'get'), apiGroups }]).filter((text) =>
        text.startsWith('reads resources of others'),
      );
    expect(words(['', 'networking.k8s.io'])).toEqual([]);
    expect(words(['', 'metrics.k8s.io'])).toHaveLength(1);
    expect(words(['networking.k8s.io'])).toHaveLength(1);
  });
});

describe('the table of rights', () => {
  it('has a source for each row, and the worst class first', () => {
    for (const { source } of [...DANGEROUS_RIGHTS, ...HARMLESS_RIGHTS])
      expect(source).toMatch(/^(https:\/\/|seen: |helm\/)/);
    const classes = DANGEROUS_RIGHTS.map((right) => CLASSES.indexOf(right.class));
    expect(classes).toEqual(classes.toSorted((one, other) => one - other));
  });

  it('calls nothing harmless that it calls dangerous', () => {
    for (const { groups, resources, verbs } of HARMLESS_RIGHTS)
      for (const group of groups)
        for (const resource of resources)
          for (const verb of verbs)
            expect([group, resource, verb, classOf(group, resource, verb)]).toContain('harmless');
  });

  it.each([
    ['', 'secrets', 'get', 'never inline'],
    ['', 'services', 'create', 'acknowledged'],
    ['', 'pods/exec', 'create', 'said'],
    ['', 'pods', 'get', 'harmless'],
    ['', 'pods', 'frob', null],
    ['', 'pods/frob', 'get', null],
    ['apps', 'frobs', 'get', null],
    ['example.test', 'pods', 'get', null],
  ])('has %j %s %s as %s', (group, resource, verb, expected) => {
    expect(classOf(group, resource, verb)).toBe(expected);
  });
});

describe('kinds of targets', () => {
  it.each([
    ['deploy', 'Deployment'],
    ['Deployment', 'Deployment'],
    ['STS', 'StatefulSet'],
    ['ds', 'DaemonSet'],
    ['jobs', 'Job'],
    ['po', 'Pod'],
  ])('%s is a %s', (word, kind) => {
    expect(workloadKind(word)).toBe(kind);
  });
  it.each(['', 'svc', 'replicaset', 'constructor', 'deploy '])('%j is none', (word) => {
    expect(workloadKind(word)).toBeNull();
  });
});
