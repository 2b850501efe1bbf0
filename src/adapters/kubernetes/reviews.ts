import type { Lack } from '../../app/ports/conditions.ts';
import type { Grant } from '../../domain/grant/grant.ts';
import { hasPod } from '../../domain/plan/plan.ts';
import { ownRulesOf, type Profile } from '../../domain/policy/policy.ts';
import { type AnyRule, allowing, areTooMany } from '../../domain/rights/coverage.ts';
import type { Rule } from '../../domain/rights/rights.ts';
import { isWide } from '../../domain/target.ts';
import { type Api, ApiError } from './api.ts';
import { objectName, podNamespace, rulesGiven } from './manifests.ts';

/** One thing that somebody may do, as an authorizer is asked. */
export interface Access {
  readonly namespace: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly verb: string;
  readonly name?: string;
}

interface Review {
  readonly status: { readonly allowed: boolean; readonly reason?: string };
}

/** How many of the accesses of a grant are asked for: one review each, in a row of at most so many. */
const SAMPLES = 6;

function accessesOf(rules: readonly Rule[], namespace: string): Access[] {
  return rules.flatMap((rule) =>
    rule.resources.flatMap((full) =>
      rule.verbs.flatMap((verb) => {
        const [resource = '', subresource] = full.split('/');
        const group = rule.apiGroups[0] ?? '';
        // Wildcards are no question: an authorizer is asked for one thing.
        if ([resource, verb, group].includes('*')) return [];
        return [
          {
            namespace,
            group,
            resource,
            verb,
            ...(subresource === undefined ? {} : { subresource }),
            ...(rule.resourceNames?.[0] === undefined ? {} : { name: rule.resourceNames[0] }),
          },
        ];
      }),
    ),
  );
}

/** What a grant gives, as questions to the authorizer: a sample of its rules, the first of each. */
export function sampleOf(grant: Grant, context: Parameters<typeof podNamespace>[1]): Access[] {
  const { plan, target } = grant;
  const rules = rulesGiven(plan.rules, target, grant.pods.length > 0 ? grant.pods : plan.pods);
  // Of what is in no namespace an authorizer is asked without one: for all of them.
  const first = rules.flatMap((rule) => accessesOf([rule], target.namespace ?? '').slice(0, 1)).slice(0, SAMPLES);
  return grant.workspacePod === null
    ? first
    : [
        ...first,
        {
          namespace: podNamespace(grant, context) ?? context.workspacesNamespace,
          group: '',
          resource: 'pods',
          subresource: 'exec',
          verb: 'create',
          name: grant.workspacePod,
        },
      ];
}

/**
 * Asks the API server whether the person of a grant may do something, with the groups that the policy says they have (without them the
 * answer would lie). The reason names the binding that allows it.
 */
export async function mayDo(
  api: Api,
  grant: Grant,
  access: Access,
  accountsNamespace: string,
): Promise<{ allowed: boolean; reason: string }> {
  const review = await api.create<Review>('SubjectAccessReview', {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { ...askedAs(grant, accountsNamespace), resourceAttributes: access },
  });
  return { allowed: review.status.allowed, reason: review.status.reason ?? '' };
}

/** As whom an authorizer is asked: an account has groups of its own, and none of the person's. */
function askedAs({ id, plan }: Grant, accountsNamespace: string): { user: string; groups: string[] } {
  return plan.credential === 'token'
    ? accountAsUser({ namespace: accountsNamespace, name: objectName(id) })
    : { user: plan.user, groups: [...plan.groups, 'system:authenticated'] };
}

const accountAsUser = ({ namespace, name }: { readonly namespace: string; readonly name: string }) => ({
  user: `system:serviceaccount:${namespace}:${name}`,
  groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
});

/** True when the reason of an answer names this grant's own binding: `RoleBinding "name/namespace"`, `ClusterRoleBinding "name"`. */
export function isOurs(reason: string, grant: Grant): boolean {
  const name = `"${objectName(grant.id)}`;
  if (!isWide(grant.target)) return reason.includes(`${name}/`);
  return reason.includes(`ClusterRoleBinding ${name}"`) || (hasPod(grant.plan) && reason.includes(` ${name}/`));
}

/**
 * What it takes to give a profile: `bind` on its role, or the rules themselves (RBAC lets nobody give what he does not hold). In each namespace
 * that the profile names, since the chart gives no more; in all of them at once where one is a pattern.
 */
export function accessesToGive(profile: Profile, accountsNamespace: string, nodesNamespace: string): Access[] {
  const role = profile.clusterRole ?? profile.role;
  const rbac = { group: 'rbac.authorization.k8s.io', verb: 'bind' };
  const named = profile.namespaces ?? [''];
  const namespaces = named.some((name) => name.includes('*')) ? [''] : named;
  const wide = profile.namespaces === undefined ? toGiveWidely(profile, accountsNamespace) : [];
  const shell = profile.shell === undefined ? [] : toGiveShells(nodesNamespace);
  const tokens = profile.credential === 'token' ? toGiveTokens(accountsNamespace) : [];
  const given = namespaces.flatMap((namespace) =>
    role === undefined
      ? accessesOf(ownRulesOf(profile) ?? [], namespace)
      : [{ ...rbac, namespace, resource: profile.clusterRole === undefined ? 'roles' : 'clusterroles', name: role }],
  );
  return [...wide, ...shell, ...tokens, ...given];
}

/** What it takes to make accounts and take tokens of them, which the chart gives with `accounts.enabled`. */
function toGiveTokens(namespace: string): Access[] {
  const ofAccounts = { namespace, group: '', resource: 'serviceaccounts', verb: 'create' };
  return [
    { namespace, group: 'batch', resource: 'jobs', verb: 'create' },
    ofAccounts,
    { ...ofAccounts, subresource: 'token' },
  ];
}

/** What it takes to open shells on nodes, which the chart gives with `nodes.enabled`. */
function toGiveShells(namespace: string): Access[] {
  const ofRbac = (resource: string): Access => ({
    namespace,
    group: 'rbac.authorization.k8s.io',
    resource,
    verb: 'create',
  });
  return [
    { namespace, group: 'drawbridge.internal', resource: 'workspaces', verb: 'use' },
    { namespace, group: 'batch', resource: 'jobs', verb: 'create' },
    ofRbac('roles'),
    ofRbac('rolebindings'),
    { namespace, group: '', resource: 'pods', subresource: 'exec', verb: 'create' },
  ];
}

/** What it takes to give anything that is in no namespace, which the chart gives with `accounts.enabled`. */
function toGiveWidely(profile: Profile, accountsNamespace: string): Access[] {
  const ofRbac = (resource: string): Access => ({
    namespace: '',
    group: 'rbac.authorization.k8s.io',
    resource,
    verb: 'create',
  });
  const ownRules = ownRulesOf(profile);
  return [
    { namespace: accountsNamespace, group: 'batch', resource: 'jobs', verb: 'create' },
    ...(ownRules?.length === 0 ? [] : [ofRbac('clusterrolebindings')]),
    ...(ownRules === null || ownRules.length === 0 ? [] : [ofRbac('clusterroles')]),
    ...(profile.scope === 'node'
      ? ['get', 'list'].map((verb) => ({ namespace: '', group: '', resource: 'nodes', verb }))
      : []),
  ];
}

/** What the bot lacks to give these profiles: of each in turn, a phrase for each right. */
export async function missingRights(
  api: Api,
  profiles: readonly Profile[],
  accountsNamespace: string,
  nodesNamespace: string,
): Promise<string[][]> {
  const rights = ownRights(api);
  const missing: string[][] = [];
  for (const profile of profiles)
    missing.push(
      (await rights.missing(accessesToGive(profile, accountsNamespace, nodesNamespace))).map(describeAccess),
    );
  return missing;
}

/** Whether a service account may do something; whoever asks must be allowed to. */
export async function mayAccount(
  api: Api,
  account: { readonly namespace: string; readonly name: string },
  access: Access,
): Promise<boolean> {
  const review = await api.create<Review>('SubjectAccessReview', {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { ...accountAsUser(account), resourceAttributes: access },
  });
  return review.status.allowed;
}

/** A namespace that can't be: what is allowed there is allowed in all of them. */
const NOWHERE = '-';

/** Looks at what the bot itself may do. */
interface OwnRights {
  /** Those of these accesses that it has not. @throws Unavailable, ApiError */
  missing(accesses: readonly Access[]): Promise<Access[]>;
}

/**
 * For one look: the rules of a namespace are listed once, however many accesses are looked for among them. A list may lack what an authorizer allows
 * that has no list (a webhook), so that what is not on it is asked for by itself.
 */
function ownRights(api: Api): OwnRights {
  const listed = new Map<string, ReturnType<typeof listedRights>>();
  const listedIn = (namespace: string) => {
    const known = listed.get(namespace) ?? listedRights(api, namespace);
    listed.set(namespace, known);
    return known;
  };
  return {
    async missing(accesses) {
      const missing: Access[] = [];
      for (const access of accesses) {
        const isListed = await listedIn(access.namespace === '' ? NOWHERE : access.namespace);
        if (!isListed(ruleOf(access)) && !(await maySelf(api, access))) missing.push(access);
      }
      return missing;
    },
  };
}

async function listedRights(api: Api, namespace: string): Promise<(rule: AnyRule) => boolean> {
  const { status } = await api.create<{ readonly status: { readonly resourceRules: readonly AnyRule[] } }>(
    'SelfSubjectRulesReview',
    { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview', spec: { namespace } },
  );
  return areTooMany(status.resourceRules) ? () => false : allowing(status.resourceRules);
}

const ruleOf = ({ group, resource, subresource, verb, name }: Access): AnyRule => ({
  apiGroups: [group],
  resources: [subresource === undefined ? resource : `${resource}/${subresource}`],
  verbs: [verb],
  ...(name !== undefined && { resourceNames: [name] }),
});

/** Whether the bot itself may do something. */
export async function maySelf(api: Api, access: Access): Promise<boolean> {
  const review = await api.create<Review>('SelfSubjectAccessReview', {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: access },
  });
  return review.status.allowed;
}

export function describeAccess({ namespace, verb, resource, subresource, name }: Access): string {
  const what = `${verb} on ${resource}${subresource ? `/${subresource}` : ''}${name ? ` ${name}` : ''}`;
  // Nothing but shells on nodes needs it.
  const from = resource === 'workspaces' ? ' (which the chart gives with nodes.enabled)' : '';
  return namespace === '' ? what : `${what} in ${namespace}${from}`;
}

const of = (group: string, resources: readonly string[], verbs: readonly string[]): Access[] =>
  resources.flatMap((resource) => verbs.map((verb) => ({ namespace: '', group, resource, verb })));

const CHART_ROLE = 'Give its service account the ClusterRole of the chart.';

/** What it takes to find what is open and to end it, in every namespace: profiles may have named others yesterday. */
const TO_END: readonly Access[] = [
  ...of('', ['pods'], ['list']),
  ...of('', ['serviceaccounts'], ['list', 'watch']),
  ...of('batch', ['jobs'], ['list', 'watch', 'delete']),
  ...of('networking.k8s.io', ['networkpolicies'], ['list', 'watch', 'delete']),
  ...of(
    'rbac.authorization.k8s.io',
    ['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings'],
    ['list', 'watch', 'delete'],
  ),
  ...of('authorization.k8s.io', ['subjectaccessreviews'], ['create']),
];

/** What it takes to know the cluster around grants: what the model of the cluster holds. */
const TO_WATCH: readonly Access[] = [
  ...of('', ['pods', 'namespaces', 'services'], ['list', 'watch']),
  ...of('apps', ['deployments', 'statefulsets', 'daemonsets', 'replicasets'], ['list', 'watch']),
  ...of('batch', ['jobs'], ['list', 'watch']),
  ...of('networking.k8s.io', ['networkpolicies'], ['list', 'watch']),
];

/** What the bot may not do of what it takes to watch the cluster, a phrase each. */
export async function missingToWatch(api: Api): Promise<string[]> {
  return (await ownRights(api).missing(TO_WATCH)).map(describeAccess);
}

/** What the bot lacks to watch the cluster; null: nothing. @throws Unavailable while the API server is away */
export async function lackOfWatching(api: Api): Promise<Lack | null> {
  const missing = await missingToWatch(api);
  if (missing.length === 0) return null;
  return { lacks: `Drawbridge may not ${missing.join(', ')}`, todo: CHART_ROLE };
}

/** What the bot lacks to end grants; null: nothing. @throws Unavailable while the API server is away */
export async function lackOfEnding(api: Api): Promise<Lack | null> {
  try {
    const missing = await ownRights(api).missing(TO_END);
    if (missing.length === 0) return null;
    return {
      lacks: `Drawbridge may not ${missing.map(describeAccess).join(', ')} in all namespaces, so that grants can't be ended`,
      todo: CHART_ROLE,
    };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return {
      lacks: `the API server refuses Drawbridge (${error.status})`,
      todo: 'Look at its service account, or at KUBECONFIG and KUBE_CONTEXT.',
    };
  }
}
