import { beforeAll, expect, test, vi } from 'vitest';
import { describeWithCluster } from '../support/cluster.ts';
import { connectionsJson, manifestDir, runPolicy } from '../support/policy-cli.ts';
import { defaultDeny, deployment } from '../support/workloads.ts';

const template = (app: string, restartPolicy = 'Always') => ({
  metadata: { labels: { app } },
  spec: {
    restartPolicy,
    containers: [{ name: 'app', image: 'example.test/app:1', ports: [{ name: 'pg', containerPort: 5432 }] }],
  },
});
const workload = (namespace: string, kind: string, name: string, spec: object) => ({
  apiVersion: kind === 'ReplicationController' ? 'v1' : kind.endsWith('Job') ? 'batch/v1' : 'apps/v1',
  kind,
  metadata: { namespace, name },
  spec,
});
const policy = (namespace: string, name: string, spec: object) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { namespace, name },
  spec,
});
const selected = (app: string) => ({ selector: { matchLabels: { app } }, template: template(app) });

/** Two namespaces with every kind of workload that makes pods without a node. */
function manifests(shop: string, ops: string): object[] {
  return [
    ...deployment(shop, 'web', { replicas: 3 }),
    workload(shop, 'StatefulSet', 'db', {
      replicas: 2,
      podManagementPolicy: 'Parallel',
      serviceName: 'db',
      ...selected('db'),
    }),
    workload(shop, 'Job', 'seed', { template: template('seed', 'Never') }),
    workload(shop, 'CronJob', 'report', {
      schedule: '0 0 1 1 *',
      jobTemplate: { spec: { template: template('report', 'Never') } },
    }),
    workload(ops, 'ReplicaSet', 'probe', selected('probe')),
    workload(ops, 'ReplicationController', 'old', { replicas: 1, selector: { app: 'old' }, template: template('old') }),
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: ops, name: 'bare', labels: { app: 'bare' } },
      spec: template('bare').spec,
    },
    defaultDeny(shop),
    policy(shop, 'db', {
      podSelector: { matchLabels: { app: 'db' } },
      ingress: [
        {
          from: [{ podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['web', 'report'] }] } }],
          ports: [{ port: 'pg' }],
        },
        {
          from: [{ podSelector: { matchLabels: { 'batch.kubernetes.io/job-name': 'seed' } } }],
          ports: [{ port: 5000, endPort: 5999 }],
        },
        {
          from: [
            {
              namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': ops } },
              podSelector: { matchLabels: { app: 'bare' } },
            },
          ],
        },
      ],
    }),
    // Addresses depend on who else is at work in this cluster: each block stands beside a peer that admits all pods.
    policy(shop, 'web', {
      podSelector: { matchLabels: { app: 'web' } },
      ingress: [
        {
          from: [
            { ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8'] } },
            { ipBlock: { cidr: '2001:db8::/32' } },
            { namespaceSelector: {} },
          ],
          ports: [{ port: 'http' }],
        },
      ],
    }),
    policy(ops, 'closed', { podSelector: { matchLabels: { app: 'probe' } }, policyTypes: ['Ingress', 'Egress'] }),
  ];
}

describeWithCluster('npm run policy -- on a cluster', (kube) => {
  let shop: string;
  let ops: string;
  const cluster = () => ['--kubeconfig', kube.adminKubeconfig, '-n', shop, '-n', ops];

  /** This cluster has no controller for them. */
  async function playReplicationController(): Promise<void> {
    const { stdout: uid } = await kube.kubectl(['get', 'rc', 'old', '-n', ops, '-o', 'jsonpath={.metadata.uid}']);
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ReplicationController', name: 'old', uid, controller: true }];
    const { metadata, spec } = template('old');
    await kube.apply([
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { ...metadata, namespace: ops, name: 'old-1', ownerReferences },
        spec,
      },
    ]);
  }

  beforeAll(async () => {
    [shop, ops] = await Promise.all([kube.freshNamespace('cli-shop'), kube.freshNamespace('cli-ops')]);
    await kube.apply(manifests(shop, ops));
    const { code, stderr } = await kube.kubectl(['create', 'job', 'report-now', '--from=cronjob/report', '-n', shop]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    await playReplicationController();
    await vi.waitFor(
      async () => {
        const pods = await Promise.all(
          [shop, ops].map((name) => kube.kubectl(['get', 'pods', '-n', name, '-o', 'name'])),
        );
        expect(pods.map(({ stdout }) => stdout.trim().split('\n').length)).toEqual([3 + 2 + 1 + 1, 3]);
      },
      { timeout: 30_000, interval: 200 },
    );
  });

  test('the same manifests give the same connections in files and in a cluster', async () => {
    await using made = await manifestDir({ 'all.yaml': manifests(shop, ops) });
    const inFiles = await runPolicy('connections', '-f', made.dir, '-o', 'json');
    const inCluster = await runPolicy('connections', ...cluster(), '-o', 'json');
    expect(inCluster).toEqual({ ...inFiles, code: 0, err: '' });
    const { connections } = connectionsJson.parse(JSON.parse(inCluster.out));
    const kinds = new Set(
      connections.flatMap(({ from, to }) => [from, to]).map((end) => ('cidr' in end ? 'outside' : end.kind)),
    );
    expect([...kinds].sort()).toEqual([
      'CronJob',
      'Deployment',
      'Job',
      'Pod',
      'ReplicationController',
      'StatefulSet',
      'outside',
    ]);
    expect(connections.some(({ pluginDependent }) => pluginDependent)).toBe(false);

    // What kubectl writes out of the cluster is read as well, and gives the same again.
    const { stdout } = await kube.kubectl(['get', 'all,networkpolicies', '-n', shop, '-o', 'yaml']);
    await using exported = await manifestDir({ 'exported.yaml': stdout });
    const again = await runPolicy('connections', '-f', exported.dir, '-o', 'json');
    const inShop = await runPolicy('connections', '--kubeconfig', kube.adminKubeconfig, '-n', shop, '-o', 'json');
    expect(again).toEqual(inShop);
  });

  test('reach answers for live pods and for Services', async () => {
    const ask = (from: string, to: string, port: string) =>
      runPolicy('reach', '--from', from, '--to', to, '--port', port, ...cluster());
    expect(await ask(`${shop}/deploy/web`, `${shop}/db-0`, '5432/TCP')).toMatchObject({
      code: 0,
      out: expect.stringContaining(`ingress: allowed by ${shop}/db; isolated by ${shop}/default-deny too`),
    });
    expect(await ask(`${ops}/bare`, `${shop}/svc/web`, '80')).toMatchObject({
      code: 0,
      out: expect.stringContaining('container port 8080/TCP'),
    });
    expect(await ask(`${ops}/rs/probe`, `${shop}/svc/web`, '80')).toMatchObject({
      code: 1,
      out: expect.stringContaining(`egress: isolated by ${ops}/closed`),
    });
    expect(await ask(`${shop}/cronjob/report`, `${shop}/job/seed`, '80')).toMatchObject({ code: 1 });
  });

  test('a cluster that may not be read, or a namespace that is not there, is said', async () => {
    const nobody = await kube.kubeconfigFor('ada@example.test');
    const asked = (...options: string[]) => runPolicy('connections', ...options);
    expect(await asked('--kubeconfig', nobody)).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringMatching(/can't be read: .*403 .*ada@example\.test/),
    });
    expect(await asked('--kubeconfig', kube.adminKubeconfig, '-n', 'no-such-namespace')).toMatchObject({
      code: 2,
      err: "the cluster can't be read: there is no namespace no-such-namespace in the cluster",
    });
    expect(await asked('--kubeconfig', kube.adminKubeconfig, '--context', 'other')).toMatchObject({
      code: 2,
      err: expect.stringContaining("no cluster for context 'other', contexts are: drawbridge"),
    });
  });
});
