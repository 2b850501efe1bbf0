import { inParallel } from '../../app/common/in-parallel.ts';
import { Unavailable } from '../../domain/errors.ts';
import { newGrantId } from '../../domain/ids.ts';
import { GRANT_LABEL } from '../../domain/plan/confinement.ts';
import type { Profile } from '../../domain/policy/policy.ts';
import { type Api, ApiError } from './api.ts';
import { explained, tellOfChange, unsealedBy } from './changed-on-its-way.ts';
import type { ClusterKeys } from './cluster-keys.ts';
import {
  accountsOf,
  INSTANCE_LABEL,
  type ManifestContext,
  nodesOf,
  objectName,
  samples,
  workspaceName,
} from './manifests.ts';
import type { KubeObject } from './object.ts';
import { maySelf } from './reviews.ts';
import { isSealed, seal } from './seal.ts';

/** Whom the leash must let nobody give access to: a name of Kubernetes' own, and nobody's. */
const NOBODY = 'system:leash-test';
const RBAC = 'rbac.authorization.k8s.io';

/**
 * What each policy of the leash must refuse and no other refuses before it, by the end of the policy's name. The bot may make all of it by
 * RBAC (`system:basic-user` holds what everybody has), in the namespace that it may always write in.
 */
function forbidden(
  { instance, workspacesNamespace: namespace }: ManifestContext,
  mayGive: {
    readonly widely: boolean;
    readonly rulesWidely: boolean;
    readonly accounts: string | null;
    readonly shells: string | null;
  },
): Record<string, KubeObject> {
  const id = newGrantId();
  const name = objectName(id);
  const labels = { 'app.kubernetes.io/managed-by': 'drawbridge', [GRANT_LABEL]: id, [INSTANCE_LABEL]: instance };
  const metadata = { name, namespace, labels };
  const ownedBy = (owner: string) => ({
    ownerReferences: [
      { apiVersion: 'batch/v1', kind: 'Job', name: owner, uid: '00000000-0000-4000-8000-000000000000' },
    ],
  });
  const container = { name: 'lease', image: 'example.test/none:1' };
  return {
    'leash-rolebindings': {
      apiVersion: `${RBAC}/v1`,
      kind: 'RoleBinding',
      metadata: { ...metadata, ...ownedBy(name) },
      roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'system:basic-user' },
      subjects: [{ apiGroup: RBAC, kind: 'User', name: NOBODY }],
    },
    'leash-roles': {
      apiVersion: `${RBAC}/v1`,
      kind: 'Role',
      metadata: { ...metadata, ...ownedBy(name) },
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
    },
    'leash-jobs': {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata,
      spec: { parallelism: 0, template: { spec: { restartPolicy: 'Never', containers: [container] } } },
    },
    'leash-networkpolicies': {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata,
      spec: { podSelector: {}, policyTypes: ['Ingress'] },
    },
    ...(mayGive.shells !== null && {
      'leash-shells': {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { ...metadata, name: workspaceName(id), namespace: mayGive.shells },
        spec: { parallelism: 1, template: { spec: { restartPolicy: 'Never', containers: [container] } } },
      },
    }),
    ...(mayGive.widely && {
      'leash-clusterrolebindings': {
        apiVersion: `${RBAC}/v1`,
        kind: 'ClusterRoleBinding',
        metadata: { name, labels },
        roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'system:basic-user' },
        subjects: [{ apiGroup: RBAC, kind: 'User', name: NOBODY }],
      },
    }),
    ...(mayGive.rulesWidely && {
      'leash-clusterroles': {
        apiVersion: `${RBAC}/v1`,
        kind: 'ClusterRole',
        metadata: { name, labels },
        rules: [{ nonResourceURLs: ['/version'], verbs: ['get'] }],
      },
    }),
    ...(mayGive.accounts !== null && {
      'leash-serviceaccounts': {
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { ...metadata, namespace: mayGive.accounts },
      },
    }),
    // Of no grant: what is not labelled.
    leash: {
      apiVersion: `${RBAC}/v1`,
      kind: 'Role',
      metadata: { name: 'drawbridge-', namespace, ...ownedBy('drawbridge-') },
      rules: [],
    },
  };
}

/**
 * Tries by dry runs what the chart's leash must refuse. Null: all of it was refused, by the policy that must. Else what was not, one phrase:
 * a leash that names another account than the bot's refuses nothing, and says nothing.
 * @throws Unavailable when the API server does not answer
 */
export async function tryLeash(api: Api, context: ManifestContext): Promise<string | null> {
  const may = (resource: string, group = RBAC, namespace = '') =>
    maySelf(api, { namespace, group, resource, verb: 'create' });
  const accounts = accountsOf(context);
  // What RBAC does not let it make at all, as where no profile is for the whole cluster, needs no leash.
  const mayGive = {
    widely: await may('clusterrolebindings'),
    rulesWidely: await may('clusterroles'),
    accounts: (await may('serviceaccounts', '', accounts)) ? accounts : null,
    shells: (await mayOpenShells(api, nodesOf(context))) ? nodesOf(context) : null,
  };
  for (const [policy, object] of Object.entries(forbidden(context, mayGive))) {
    const refusal = await named(api.dryRun(object));
    if (typeof refusal === 'string') return `it can't be tried: ${refusal}`;
    if (refusal === null)
      return `the API server lets it write a ${object.kind} that the policy *-${policy} must refuse`;
    if (!new RegExp(`ValidatingAdmissionPolicy '[^']*-${policy}' .*denied request`).test(refusal.words))
      return `a ${object.kind} that the policy *-${policy} must refuse was refused by something else: ${refusal.words.slice(0, 300)}`;
  }
  return null;
}

/** Whether the chart has made the namespace of node shells: jobs alone may be given by a pattern of a profile, in namespaces that are not there too. */
const mayOpenShells = (api: Api, namespace: string): Promise<boolean> =>
  maySelf(api, { namespace, group: 'drawbridge.internal', resource: 'workspaces', verb: 'use' });

/** What is answered, or who says that it can't be: an admission webhook that is away. @throws Unavailable when the API server does not answer */
async function named<T>(answer: Promise<T>): Promise<T | string> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Unavailable && error.words !== null) return error.words;
    throw error;
  }
}

/** How many namespaces of the policy are tried, and how many dry runs are made at once. */
const MOST_NAMESPACES = 500;
const TRIES_AT_ONCE = 8;

/**
 * Tries by dry runs what the bot will write for these profiles. Answers why it would not be taken as it is, a phrase each: somebody's admission
 * webhook changes it, or is away.
 * @throws Unavailable when the API server does not answer
 */
export async function tryWriting(
  api: Api,
  context: ManifestContext,
  keys: ClusterKeys,
  profiles: readonly Profile[],
): Promise<string[]> {
  const literal = profiles.flatMap(({ namespaces = [] }) => namespaces.filter((name) => !name.includes('*')));
  const workspaces = profiles.flatMap(({ network: { mode, image, command, resources, dns } }) =>
    mode === 'workspace' && image !== undefined
      ? [{ image, command: command ?? ['sleep', 'infinity'], dns, ...(resources && { resources }) }]
      : [],
  );
  const hasAccounts = profiles.some(
    ({ scope, credential }) => credential === 'token' || ['cluster', 'node'].includes(scope),
  );
  const shells = profiles.flatMap(({ shell, nodes = [] }) =>
    shell === undefined ? [] : nodes.map((pattern) => ({ shell, node: pattern.replaceAll('*', 'x') })),
  );
  const own = [
    context.workspacesNamespace,
    ...(hasAccounts ? [accountsOf(context)] : []),
    ...(shells.length > 0 ? [nodesOf(context)] : []),
  ];
  const namespaces = [...new Set([...own, ...literal])].slice(0, MOST_NAMESPACES);
  const why = await inParallel(samples(context, namespaces, workspaces, shells), TRIES_AT_ONCE, (sample) =>
    whyNotTaken(api, seal(sample, keys), keys),
  );
  return [...new Set(why.filter((reason) => reason !== null))];
}

/** Why an object would not be taken as it is, a phrase; null: it would, or what refuses it is told to whoever asks for it. @throws Unavailable */
async function whyNotTaken(api: Api, object: KubeObject, keys: ClusterKeys): Promise<string | null> {
  // By a create the API server would record its own defaults as what was sent.
  const answer = await named(api.apply(object, true)).catch(async (error: unknown) => {
    const explanation = await explained(api, object, error);
    // What else is refused (by a quota, since a namespace is not there yet) is told to whoever asks for it.
    if (explanation === error && !(error instanceof ApiError)) throw error;
    return explanation === error ? object : (explanation as ApiError).words;
  });
  if (typeof answer === 'string') return answer;
  if (isSealed({ ...answer, kind: object.kind }, keys)) return null;
  return tellOfChange(api, object, `${unsealedBy(object, answer).join(', ')} was changed`);
}
