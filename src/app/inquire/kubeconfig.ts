import type { Grant } from '../../domain/grant/grant.ts';
import type { ClusterAccess } from '../ports/cluster-access.ts';

/** What stands in the place of the token. */
export const TOKEN_PLACE = 'PASTE-THE-TOKEN-HERE';

/** The kubeconfig of a grant by token, without the token; null: its person acts as their own user. */
export function kubeconfigOf(
  { id, plan, target }: Pick<Grant, 'id' | 'plan' | 'target'>,
  { server, authority }: ReturnType<ClusterAccess['entrance']>,
): string | null {
  if (plan.credential !== 'token') return null;
  const name = JSON.stringify(`drawbridge-${id}`);
  return [
    'apiVersion: v1',
    'kind: Config',
    `current-context: ${name}`,
    'clusters:',
    `- name: ${name}`,
    '  cluster:',
    `    server: ${JSON.stringify(server)}`,
    ...(authority === null ? [] : [`    certificate-authority-data: ${authority}`]),
    'users:',
    `- name: ${name}`,
    '  user:',
    `    token: ${TOKEN_PLACE}`,
    'contexts:',
    `- name: ${name}`,
    '  context:',
    `    cluster: ${name}`,
    `    user: ${name}`,
    ...(target.namespace === undefined ? [] : [`    namespace: ${target.namespace}`]),
  ].join('\n');
}
