import { digestOf } from '../../domain/canonical.ts';
import type { GrantId } from '../../domain/ids.ts';
import {
  admissionSpec,
  containmentSpec,
  GRANT_LABEL,
  guardSpec,
  type PolicySpec,
  sourcesSpec,
} from '../../domain/plan/confinement.ts';
import type { IsolatedDirection, Plan, Surroundings } from '../../domain/plan/plan.ts';
import { isWide } from '../../domain/target.ts';
import { isolation, selects } from '../../network/isolation.ts';
import type { LabelSelectorRequirement, NetworkPolicy, Owner, Pod } from '../../network/types.ts';

/** The pods of a grant, its own policies on them, and what policies of others say of them. Pure. */

/**
 * A pod as its labels alone make it, without an address: what policies of its namespace select.
 * @param owner of whose template the labels are; a Pod has its own
 */
export function podLabelled(namespace: string, labels: Pod['labels'], owner: Owner = { kind: 'Pod', name: '' }): Pod {
  return { namespace, name: '', labels, ips: [], hostNetwork: false, ports: [], owner, phase: 'Running' };
}

/** Of which pod of a StatefulSet this is. */
const POD_NAME = 'statefulset.kubernetes.io/pod-name';
/**
 * What controllers add to the labels of their template, with values that differ from pod to pod or with each rollout.
 * Source: https://kubernetes.io/docs/reference/labels-annotations-taints/
 */
const ADDED: Readonly<Record<string, readonly string[]>> = {
  Deployment: ['pod-template-hash'],
  StatefulSet: [POD_NAME, 'apps.kubernetes.io/pod-index', 'controller-revision-hash'],
  DaemonSet: ['controller-revision-hash', 'pod-template-generation'],
  Job: ['batch.kubernetes.io/job-completion-index'],
};

/** Whether the policy selects the pod or, of a workload, may select one of its pods by what their controller adds to their labels. */
function maySelect(policy: NetworkPolicy, pod: Pod): boolean {
  const { kind, name } = pod.owner;
  const { matchLabels, matchExpressions } = policy.spec?.podSelector ?? {};
  const wanted: LabelSelectorRequirement[] = [
    ...Object.entries(matchLabels ?? {}).map(([key, value]) => ({ key, operator: 'In', values: [value] }) as const),
    ...(matchExpressions ?? []),
  ];
  const isAdded = ({ key }: LabelSelectorRequirement) => (ADDED[kind] ?? []).includes(key);
  const isOfOthers = wanted.some(
    ({ key, operator, values }) =>
      key === POD_NAME && operator === 'In' && !values?.some((value) => value.startsWith(`${name}-`)),
  );
  const podSelector = { matchExpressions: wanted.filter((one) => !isAdded(one)) };
  return !isOfOthers && selects({ ...policy, spec: { ...policy.spec, podSelector } }, pod);
}

/** The policies that are of no grant: those go when it ends, so that nothing may lean on them. */
export function lasting(policies: readonly NetworkPolicy[]): NetworkPolicy[] {
  return policies.filter(({ metadata }) => !(GRANT_LABEL in (metadata?.labels ?? {})));
}

/** The grant's own policies, as they are applied. */
export function ownPolicies(plan: Pick<Plan, 'target' | 'network'>, id: GrantId, workspaces: string): NetworkPolicy[] {
  const { network, target } = plan;
  if (isWide(target)) return [];
  const { namespace } = target;
  const named = (where: string, spec: PolicySpec): NetworkPolicy => ({
    metadata: { namespace: where, name: `drawbridge-${id}` },
    spec,
  });
  switch (network.mode) {
    case 'workspace':
      return [
        named(workspaces, guardSpec(id, { ...network, namespace })),
        ...(network.admits ? [named(namespace, admissionSpec(id, network, workspaces))] : []),
      ];
    case 'contain':
      return network.applies ? [named(namespace, containmentSpec(network.selector, network.to, network.dns))] : [];
    case 'bastion':
      return network.admits ? [named(namespace, sourcesSpec(network, network.from))] : [];
    case 'none':
      return [];
    default:
      return network satisfies never;
  }
}

/** The pods of a grant that policies are asked about. `labels` null: every pod of the namespace. */
export interface GrantPods {
  readonly pods: 'target' | 'workspace';
  readonly namespace: string;
  readonly labels: Pod['labels'] | null;
  /** Of whose template these are. */
  readonly owner?: Owner | undefined;
}

/** Of which pods an approval binds what selects them: those that the grant lets somebody into, and those that its own policies select. */
export function podsOfPlan(
  plan: Pick<Plan, 'target' | 'workload' | 'network'>,
  id: GrantId,
  workspaces: string,
): GrantPods[] {
  const { target, workload, network } = plan;
  // What leads into pods of all namespaces binds the policies of none: they change all the time.
  if (isWide(target)) return [];
  const { namespace, workload: owner } = target;
  const of: GrantPods = { pods: 'target', namespace, labels: workload?.labels ?? null, owner };
  return network.mode === 'workspace'
    ? [of, { pods: 'workspace', namespace: workspaces, labels: { [GRANT_LABEL]: id } }]
    : [of];
}

/**
 * What policies of others say of the pods of a grant.
 * @param policies of the namespaces of these pods, at least
 * @param own the grant's own
 */
export function surroundingsOf(
  pods: readonly GrantPods[],
  policies: readonly NetworkPolicy[],
  own: readonly NetworkPolicy[],
): Surroundings {
  const others = lasting(policies);
  const selecting = others.filter((policy) =>
    pods.some(({ namespace, labels, owner }) =>
      labels === null
        ? policy.metadata?.namespace === namespace
        : maySelect(policy, podLabelled(namespace, labels, owner)),
    ),
  );
  return {
    policies: selecting
      .map(({ metadata, spec }) => ({ name: `${metadata?.namespace}/${metadata?.name}`, spec: digestOf(spec ?? {}) }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    isolation: pods.flatMap(({ pods: which, namespace, labels }) => {
      if (labels === null) return [];
      const pod = podLabelled(namespace, labels);
      return [{ pods: which, before: directions(others, pod), with: directions([...others, ...own], pod) }];
    }),
  };
}

function directions(policies: readonly NetworkPolicy[], pod: Pod): IsolatedDirection[] {
  const { ingress, egress } = isolation({ policies }, pod);
  return [...(ingress.length > 0 ? (['Ingress'] as const) : []), ...(egress.length > 0 ? (['Egress'] as const) : [])];
}

/** Which directions count as a way for a confined pod to do more: of a workspace both, of the target's own pods what they may open. */
const WAYS = { workspace: ['ingress', 'egress'], contain: ['egress'] } as const;

/** A policy of others that lets a confined pod do something, and a digest of each rule by which it does. */
interface Allowance {
  readonly name: string;
  readonly rules: readonly string[];
}

/** Policies of others that let the pods of a grant do more; one that only denies changes nothing. */
export function allowances(mode: 'workspace' | 'contain', policies: readonly NetworkPolicy[], pod: Pod): Allowance[] {
  return policies
    .filter((policy) => maySelect(policy, pod))
    .map(({ metadata, spec }) => ({
      name: metadata?.name ?? '',
      rules: WAYS[mode].flatMap((way) => (spec?.[way] ?? []).map((rule) => digestOf({ [way]: rule }))),
    }))
    .filter(({ rules }) => rules.length > 0)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Each rule once, sorted: what a plan remembers of {@link allowances}. */
export function rulesOf(list: readonly Allowance[]): string[] {
  return [...new Set(list.flatMap(({ rules }) => rules))].toSorted();
}
