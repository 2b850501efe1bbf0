/** A rule of RBAC, without non-resource URLs. `resourceNames` missing means all names. */
export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** The kinds that a request may name as its target, with the short names that people type. */
export const WORKLOAD_KINDS = [
  { kind: 'Deployment', apiGroup: 'apps', resource: 'deployments', words: ['deploy', 'deployment', 'deployments'] },
  { kind: 'StatefulSet', apiGroup: 'apps', resource: 'statefulsets', words: ['sts', 'statefulset', 'statefulsets'] },
  { kind: 'DaemonSet', apiGroup: 'apps', resource: 'daemonsets', words: ['ds', 'daemonset', 'daemonsets'] },
  { kind: 'Job', apiGroup: 'batch', resource: 'jobs', words: ['job', 'jobs'] },
  { kind: 'Pod', apiGroup: '', resource: 'pods', words: ['po', 'pod', 'pods'] },
] as const;

export type WorkloadKind = (typeof WORKLOAD_KINDS)[number]['kind'];

/** The kind behind `deploy`, `Deployment`, `deployments`, …; null when it is none that can be a target. */
export function workloadKind(word: string): WorkloadKind | null {
  const lower = word.toLowerCase();
  return WORKLOAD_KINDS.find((k) => (k.words as readonly string[]).includes(lower))?.kind ?? null;
}

const WRITES = new Set(['create', 'update', 'patch', '*']);
const READS = new Set(['get', 'list', 'watch', '*']);
const POD_MAKERS = new Set([
  'pods',
  'deployments',
  'statefulsets',
  'daemonsets',
  'replicasets',
  'replicationcontrollers',
  'jobs',
  'cronjobs',
  'podtemplates',
]);

/**
 * Why access by these rules can outlive its grant, a phrase each; empty when it can't. Such rights read a credential, mint one, or
 * leave something behind that goes on acting.
 * Source: https://kubernetes.io/docs/concepts/security/rbac-good-practices/#privilege-escalation-risks
 */
export function persistenceRisks(rules: readonly Rule[]): string[] {
  const risks = new Set<string>();
  for (const { resources, verbs, apiGroups } of rules) {
    const writes = verbs.some((verb) => WRITES.has(verb));
    for (const resource of resources) {
      if (resource === '*' || verbs.includes('*') || apiGroups.includes('*'))
        risks.add('wildcards reach everything, also what is added later');
      if ((resource === 'secrets' || resource === '*') && verbs.some((verb) => READS.has(verb)))
        risks.add('reads secrets');
      if (resource === 'serviceaccounts/token' && writes) risks.add('mints service account tokens');
      if (resource === 'pods/ephemeralcontainers' && writes) risks.add('adds containers to running pods');
      if (POD_MAKERS.has(resource) && writes) risks.add(`creates or changes workloads (${resource})`);
      if (
        apiGroups.some((g) => g === 'rbac.authorization.k8s.io' || g === '*') &&
        (writes || verbs.some((v) => v === 'bind' || v === 'escalate'))
      )
        risks.add('writes RBAC');
      if (
        resource.startsWith('certificatesigningrequests') &&
        verbs.some((v) => WRITES.has(v) || v === 'approve' || v === 'sign')
      )
        risks.add('makes certificates');
      if (resource.startsWith('nodes/proxy')) risks.add('reaches the kubelet past admission');
      if (resource === 'networkpolicies' && (writes || verbs.some((v) => v === 'delete' || v === 'deletecollection')))
        risks.add('changes network policies');
      // Labels can be written there too, and decide which policies select a pod.
      if ((resource === 'pods/status' || resource === 'pods/binding') && writes)
        risks.add(`changes the labels of pods (${resource})`);
    }
    if (verbs.includes('impersonate')) risks.add('impersonates others');
  }
  return [...risks].toSorted();
}

const INTO_PODS = new Set(['pods', 'pods/*', 'pods/exec', 'pods/attach', 'pods/ephemeralcontainers', '*']);

/** Whether these rules let somebody run something in a pod, or in one that he makes: he then shares its network. */
export function letsIntoPods(rules: readonly Rule[]): boolean {
  return rules.some(
    ({ apiGroups, resources, verbs }) =>
      apiGroups.some((group) => group === '' || group === '*') &&
      resources.some(
        (resource) =>
          INTO_PODS.has(resource) && (resource !== 'pods' || verbs.includes('create') || verbs.includes('*')),
      ) &&
      // exec and attach ask for get, since Kubernetes 1.35 for create too.
      verbs.some((verb) => WRITES.has(verb) || verb === 'get'),
  );
}
