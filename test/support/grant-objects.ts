import type { TestCluster } from './cluster.ts';

/** What is there of a grant, as kubectl names it: `role.rbac.authorization.k8s.io/drawbridge-g-abc234`. */
export async function grantObjects(cluster: Pick<TestCluster, 'kubectl'>, id: string): Promise<string[]> {
  const kinds = 'rolebindings,roles,clusterrolebindings,clusterroles,serviceaccounts,networkpolicies,jobs,pods';
  const selector = `drawbridge.internal/grant=${id}`;
  const { stdout } = await cluster.kubectl(['get', kinds, '-A', '-o', 'name', '-l', selector]);
  return stdout.split('\n').filter((line) => line !== '');
}
