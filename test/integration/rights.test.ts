import { expect, test, vi } from 'vitest';
import { classOf, persistenceRisks, type Rule, reachesOf } from '../../src/domain/rights/rights.ts';
import { type Api, openApi } from '../../src/sandbox/cluster/api.ts';
import { describeWithCluster } from '../support/cluster.ts';

describeWithCluster('the table of rights', (cluster) => {
  async function read<T>(api: Api, path: string): Promise<T> {
    const { status, body } = await api.call('GET', path);
    if (status !== 200) throw new Error(`${path}: ${status}`);
    return body as T;
  }

  test('has every resource and verb that the API server serves', async () => {
    const api = await openApi(cluster.adminKubeconfig);
    const { groups } = await read<{ groups: { name: string; versions: { groupVersion: string }[] }[] }>(api, '/apis');
    // Groups of other suites' custom resources have no place in it.
    const own = groups.filter(({ name }) => !name.includes('.') || name.endsWith('.k8s.io'));
    const places = own.flatMap(({ name, versions }) =>
      versions.map(({ groupVersion }): [string, string] => [name, `/apis/${groupVersion}`]),
    );
    const missing: string[] = [];
    let seen = 0;
    for (const [group, path] of [['', '/api/v1'] as const, ...places]) {
      const { resources } = await read<{ resources: { name: string; verbs: string[] }[] }>(api, path);
      for (const { name, verbs } of resources)
        for (const verb of verbs) {
          seen += 1;
          if (classOf(group, name, verb) === null) missing.push(`${verb} ${name}.${group}`);
        }
    }
    expect(missing).toEqual([]);
    expect(seen).toBeGreaterThan(500);
  });

  test('leaves the role view free, and asks for an acknowledgement of edit and admin', async () => {
    const api = await openApi(cluster.adminKubeconfig);
    // A controller fills these roles when the cluster begins.
    const rulesOf = (name: string) =>
      vi.waitFor(
        async () => {
          const path = `/apis/rbac.authorization.k8s.io/v1/clusterroles/${name}`;
          const { rules } = await read<{ rules: Partial<Rule>[] | null }>(api, path);
          expect(rules).toHaveProperty('0');
          // Those of URLs name no resources.
          return (rules ?? []).map((rule): Rule => ({ apiGroups: [], resources: [], verbs: [], ...rule }));
        },
        { timeout: 20_000 },
      );
    const view = await rulesOf('view');
    expect([persistenceRisks(view), reachesOf(view)]).toEqual([[], []]);
    expect(persistenceRisks(await rulesOf('edit')).slice(0, 3)).toEqual([
      'impersonates others',
      'mints service account tokens',
      'reads secrets',
    ]);
    expect(persistenceRisks(await rulesOf('admin')).slice(0, 2)).toEqual(['impersonates others', 'writes RBAC']);
    expect(persistenceRisks(await rulesOf('cluster-admin'))[0]).toMatch(/by wildcards/);
  });

  test.each(['patch', 'deletecollection'])('whoever may %s secrets reads them', async (verb) => {
    const namespace = await cluster.freshNamespace('secrets');
    const name = `${verb}-${namespace}`;
    const RBAC = 'rbac.authorization.k8s.io';
    await cluster.apply([
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'safe', namespace }, stringData: { word: 'swordfish' } },
      {
        apiVersion: `${RBAC}/v1`,
        kind: 'Role',
        metadata: { name, namespace },
        rules: [{ apiGroups: [''], resources: ['secrets'], verbs: [verb] }],
      },
      {
        apiVersion: `${RBAC}/v1`,
        kind: 'RoleBinding',
        metadata: { name, namespace },
        roleRef: { apiGroup: RBAC, kind: 'Role', name },
        subjects: [{ apiGroup: RBAC, kind: 'User', name: `${name}@example.test` }],
      },
    ]);
    const api = await openApi(await cluster.kubeconfigFor(`${name}@example.test`));
    const path = `/api/v1/namespaces/${namespace}/secrets`;
    const answer =
      verb === 'patch'
        ? await api.call('PATCH', `${path}/safe?dryRun=All`, {}, 'application/merge-patch+json')
        : await api.call('DELETE', `${path}?dryRun=All`);
    expect(answer.status).toBe(200);
    expect(JSON.stringify(answer.body)).toContain(Buffer.from('swordfish').toString('base64'));
  });
});
