import { describe, expect, it } from 'vitest';
import { persistenceRisks, type Rule, workloadKind } from '../../../src/domain/rights.ts';

const rule = (apiGroup: string, resource: string, ...verbs: string[]): Rule => ({
  apiGroups: [apiGroup],
  resources: [resource],
  verbs,
});
const RBAC = 'rbac.authorization.k8s.io';

describe('rights by which access outlives its grant', () => {
  it.each<[string, Rule, string]>([
    ['reading secrets', rule('', 'secrets', 'get'), 'reads secrets'],
    ['listing secrets', rule('', 'secrets', 'list'), 'reads secrets'],
    ['watching secrets', rule('', 'secrets', 'watch'), 'reads secrets'],
    ['minting tokens', rule('', 'serviceaccounts/token', 'create'), 'mints service account tokens'],
    ['impersonating', rule('', 'users', 'impersonate'), 'impersonates others'],
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
    ['every resource, said', rule('', '*', 'get'), 'wildcards reach everything, also what is added later'],
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
    ['writing secrets blind', rule('', 'secrets', 'create')],
    ['reading roles', rule(RBAC, 'roles', 'get', 'list')],
    ['reading network policies', rule('networking.k8s.io', 'networkpolicies', 'get', 'list')],
    ['scaling', rule('apps', 'deployments/scale', 'patch')],
    ['reading config maps', rule('', 'configmaps', 'get')],
  ])('not %s', (_, given) => {
    expect(persistenceRisks([given])).toEqual([]);
  });

  it('are found in any rule, each named once', () => {
    const rules = [rule('', 'pods', 'get'), rule('', 'secrets', 'get'), rule('', 'secrets', 'list')];
    expect(persistenceRisks(rules)).toEqual(['reads secrets']);
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
