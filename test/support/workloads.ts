/** Manifests of small workloads for tests. */

/** A Deployment `name` with `replicas` pods that declare one TCP port, and a Service on port 80 in front of it. */
export function deployment(
  namespace: string,
  name: string,
  options: { replicas?: number; port?: number } = {},
): object[] {
  const { replicas = 2, port = 8080 } = options;
  const labels = { app: name };
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { namespace, name },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            containers: [{ name: 'app', image: 'example.test/app:1', ports: [{ containerPort: port, name: 'http' }] }],
          },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace, name },
      spec: { selector: labels, ports: [{ port: 80, targetPort: port }] },
    },
  ];
}

/** Isolates every pod of a namespace for ingress. */
export function defaultDeny(namespace: string): object {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace, name: 'default-deny' },
    spec: { podSelector: {}, policyTypes: ['Ingress'] },
  };
}

/** Gives somebody a ClusterRole everywhere. */
export function clusterWide(name: string, role: string, subject: object): object {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [subject],
  };
}

/** A pod `bystander` that Pod Security `restricted` admits. */
export function bystander(namespace: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name: 'bystander' },
    spec: {
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'a',
          image: 'example.test/app:1',
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          resources: { requests: { cpu: '10m' } },
        },
      ],
    },
  };
}
