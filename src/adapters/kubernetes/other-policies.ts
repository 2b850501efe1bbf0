import { Unavailable } from '../../domain/errors.ts';
import type { OtherPolicies } from '../../network/layer.ts';
import { type Api, ApiError } from './api.ts';

/**
 * The API groups in which network plugins and Kubernetes itself have policies that decide on connections beside NetworkPolicy.
 * Sources: https://network-policy-api.sigs.k8s.io, https://docs.cilium.io/en/stable/network/kubernetes/policy/,
 * https://docs.tigera.io/calico/latest/reference/resources/, https://antrea.io/docs/main/docs/antrea-network-policy/
 */
const GROUPS = ['policy.networking.k8s.io', 'cilium.io', 'projectcalico.org', 'crd.projectcalico.org', 'crd.antrea.io'];

/** So many versions of a group are looked at: what it serves in the one it may not serve in another. */
const MOST_VERSIONS = 5;

/** All their kinds of policy end in this word; staged ones (Calico) are not in force. */
const isPolicy = (kind: string): boolean => kind.endsWith('NetworkPolicy') && !kind.startsWith('Staged');

/**
 * The policies of other kinds that the cluster serves, by API discovery, which everybody who is authenticated may read; whether there are
 * any of them is not looked at. A group that can't be read counts as one that has them.
 * https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api
 * @throws Unavailable when the API server does not answer at all
 */
export async function readOtherPolicies(api: Api): Promise<OtherPolicies> {
  const groups = await api.groups().catch((error: unknown) => {
    if (error instanceof ApiError) return null;
    throw error;
  });
  if (groups === null) return null;
  const known = groups.filter(({ name }) => GROUPS.includes(name)).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const phrases = await Promise.all(
    known.map(async ({ name, versions }) => {
      const kinds = await Promise.all(versions.slice(0, MOST_VERSIONS).map((version) => kindsOf(api, version)));
      const policies = [...new Set(kinds.flatMap((list) => list ?? []).filter(isPolicy))].toSorted();
      if (policies.length > 0) return `${policies.join(', ')} (${name})`;
      return kinds.includes(null) ? `whatever ${name} serves, which can not be read now` : null;
    }),
  );
  return phrases.filter((phrase) => phrase !== null);
}

/** Null where the part of the API server that serves them (often a server of the plugin's own) does not say. */
async function kindsOf(api: Api, groupVersion: string): Promise<string[] | null> {
  try {
    return await api.kinds(groupVersion);
  } catch (error) {
    if (error instanceof ApiError || error instanceof Unavailable) return null;
    throw error;
  }
}
