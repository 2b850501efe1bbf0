import { canonical } from '../../domain/canonical.ts';
import type { LabelSelector } from '../../domain/plan/confinement.ts';
import { matches } from '../../network/selector.ts';
import { type Api, ApiError, type Kind } from './api.ts';
import { type KubeObject, nameOf } from './object.ts';
import { coveredBySeal } from './seal.ts';

/**
 * Mutating admission webhooks and policies of others, and the defaults of a Kubernetes that is newer than Drawbridge, change what is written on
 * its way into the cluster. What does not matter is borne; what leash or seal can't accept is told: which field, by whom, and what to exclude.
 */

interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
}
interface Scope {
  readonly namespaceSelector?: LabelSelector;
  readonly objectSelector?: LabelSelector;
}
interface WebhookConfiguration {
  readonly metadata: { readonly name: string };
  readonly webhooks?: readonly (Scope & { readonly name: string; readonly rules?: readonly Rule[] })[];
}
interface MutatingPolicy {
  readonly metadata: { readonly name: string };
  readonly spec?: { readonly matchConstraints?: Scope & { readonly resourceRules?: readonly Rule[] } };
}

/** What may be changed on its way, with the group and the name under which rules of admission have it. */
const RESOURCES: Record<string, readonly [group: string, resource: string]> = {
  Pod: ['', 'pods'],
  ServiceAccount: ['', 'serviceaccounts'],
  Job: ['batch', 'jobs'],
  Role: ['rbac.authorization.k8s.io', 'roles'],
  RoleBinding: ['rbac.authorization.k8s.io', 'rolebindings'],
  ClusterRole: ['rbac.authorization.k8s.io', 'clusterroles'],
  ClusterRoleBinding: ['rbac.authorization.k8s.io', 'clusterrolebindings'],
  NetworkPolicy: ['networking.k8s.io', 'networkpolicies'],
};
/** So many of those who may have changed it are named. */
const MOST_NAMED = 5;

const isOneOf = (names: readonly string[] | undefined, ...wanted: string[]) =>
  (names ?? []).some((name) => wanted.includes(name));

/** True when somebody with these rules and this scope is asked about such an object. */
export function isAsked(
  rules: readonly Rule[] | undefined,
  { namespaceSelector = {}, objectSelector = {} }: Scope,
  { kind, metadata }: Pick<KubeObject, 'kind' | 'metadata'>,
  namespaceLabels: Readonly<Record<string, string>>,
): boolean {
  const [group, resource] = RESOURCES[kind] ?? ['', ''];
  return (
    (rules ?? []).some(
      (rule) => isOneOf(rule.apiGroups, '*', group) && isOneOf(rule.resources, '*', '*/*', resource),
    ) &&
    matches(namespaceSelector, namespaceLabels) &&
    matches(objectSelector, metadata.labels ?? {})
  );
}

/** Those of a kind; none where Drawbridge may not read them, or the cluster does not serve the kind. */
async function listed<T>(api: Api, kind: Kind): Promise<T[]> {
  return api.list<T>(kind, null).catch((error: unknown) => {
    if (error instanceof ApiError) return [];
    throw error;
  });
}

/** Whom the cluster asks to change such an object, by name. */
async function mutatorsOf(api: Api, object: Pick<KubeObject, 'kind' | 'metadata'>): Promise<string[]> {
  const { namespace: where } = object.metadata;
  const [namespace, configurations, policies] = await Promise.all([
    where === undefined ? null : api.read('Namespace', null, where),
    listed<WebhookConfiguration>(api, 'MutatingWebhookConfiguration'),
    listed<MutatingPolicy>(api, 'MutatingAdmissionPolicy'),
  ]);
  const labels = namespace?.metadata.labels ?? {};
  return [
    ...configurations.flatMap(({ metadata, webhooks = [] }) =>
      webhooks
        .filter((webhook) => isAsked(webhook.rules, webhook, object, labels))
        .map(({ name }) => `webhook ${name} (MutatingWebhookConfiguration ${metadata.name})`),
    ),
    ...policies
      .filter(({ spec }) =>
        isAsked(spec?.matchConstraints?.resourceRules, spec?.matchConstraints ?? {}, object, labels),
      )
      .map(({ metadata }) => `MutatingAdmissionPolicy ${metadata.name}`),
  ];
}

/** @param what was changed and why that can't be, a sentence */
export async function tellOfChange(
  api: Api,
  object: Pick<KubeObject, 'kind' | 'metadata'>,
  what: string,
): Promise<string> {
  const { kind, metadata } = object;
  const mutators = await mutatorsOf(api, object).catch(() => []);
  const named = mutators.slice(0, MOST_NAMED).join(', ');
  const whom = mutators.length === 0 ? 'a mutating webhook, or a later default of Kubernetes' : named;
  const exclude = `Exclude objects with the label app.kubernetes.io/managed-by=drawbridge (objectSelector)${metadata.namespace === undefined ? '' : ` or the namespace ${metadata.namespace} (namespaceSelector)`} from it`;
  const chart = mutators.length === 0 ? "; or bring the chart up to Drawbridge's policy and version" : '';
  return `${what.replace(/\.?$/, '.')} ${nameOf({ kind, metadata })} is not as Drawbridge wrote it: ${whom} changed it. ${exclude}${chart}.`;
}

const LEASH_REFUSED = /ValidatingAdmissionPolicy '[^']*-leash(?:-[a-z]+)?' .*?denied request: (.*)$/s;

/** A refusal that a change on its way may have caused, in words that say so; any other error as it is. */
export async function explained(api: Api, object: KubeObject, error: unknown): Promise<unknown> {
  if (!(error instanceof ApiError)) return error;
  const refused = LEASH_REFUSED.exec(error.words)?.[1];
  // What a webhook adds to a Job that is there is a change of its pod template.
  const isKept = /spec\.template: Invalid value: /.test(error.words);
  if (refused === undefined && !isKept) return error;
  const what = refused ?? 'Its spec.template was changed, which a Job keeps for good';
  const words = await tellOfChange(api, object, what);
  return new ApiError(error.status, `${nameOf(object)}: ${words}`, words);
}

/** Where two values differ, as paths; a list of things with names is gone through by these. */
export function differences(sent: unknown, got: unknown, at = ''): string[] {
  if (canonical(sent) === canonical(got)) return [];
  if (Array.isArray(sent) || Array.isArray(got)) {
    const [before, after] = [byName(sent), byName(got)];
    if (before === null || after === null) return [at];
    return membersOf(before, after).flatMap((name) => differences(before[name], after[name], `${at}[${name}]`));
  }
  if (!isObject(sent) || !isObject(got)) return [at];
  return membersOf(sent, got).flatMap((key) => differences(sent[key], got[key], at === '' ? key : `${at}.${key}`));
}

type Loose = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Loose => value !== null && typeof value === 'object';
const membersOf = (a: Loose, b: Loose) => [...new Set([...Object.keys(a), ...Object.keys(b)])];

function byName(list: unknown): Loose | null {
  if (list === undefined) return {};
  if (!Array.isArray(list)) return null;
  const named = list.map((item: unknown) => (isObject(item) && typeof item['name'] === 'string' ? item['name'] : null));
  return named.includes(null) ? null : Object.fromEntries(list.map((item, index) => [named[index], item]));
}

/** What of an object is not as it was sent, of all that its seal covers. */
export function unsealedBy(sent: KubeObject, got: KubeObject): string[] {
  const paths = differences(coveredBySeal(sent), coveredBySeal({ ...got, kind: sent.kind }));
  return paths.map((path) =>
    path
      .replace(/^content\.?/, sent.kind === 'Role' || sent.kind === 'ClusterRole' ? 'rules' : 'spec.')
      .replace(/\.$/, ''),
  );
}
