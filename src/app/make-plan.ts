import {
  admissionSpec,
  GRANT_LABEL,
  guardSpec,
  isEmptySelector,
  type PolicySpec,
  type PortRef,
} from '../domain/confinement.ts';
import { decideRequest } from '../domain/decide.ts';
import { Refusal } from '../domain/errors.ts';
import { type Grant } from '../domain/grant.ts';
import type { GrantId } from '../domain/ids.ts';
import type { Person } from '../domain/people.ts';
import { type Connection, digestOfProfile, type Plan, type Preview, type WorkspacePlan } from '../domain/plan.ts';
import type { Profile } from '../domain/policy.ts';
import { persistenceRisks } from '../domain/rights.ts';
import { describeTarget, type Target } from '../domain/target.ts';
import { previewChange } from '../network/diff.ts';
import { isolatedByAll } from '../network/isolation.ts';
import type { Cluster, Pod } from '../network/types.ts';
import type { Survey, World } from './ports.ts';
import { factsFor, personBehind } from './who.ts';

export interface Wish {
  readonly id: GrantId;
  readonly requester: Person;
  readonly target: Target;
  readonly profileName: string;
  /** Seconds. */
  readonly duration: number;
}

/**
 * The plan of a grant, from a profile of the policy and the cluster as it is now.
 * @throws Refusal when the target or the cluster does not admit what was asked for
 */
export async function makePlan(world: World, wish: Wish, profile: Profile): Promise<Plan> {
  const survey = await world.cluster.survey(wish.target, profile);
  return planOf(wish, profile, survey, world.cluster.workspacesNamespace);
}

/**
 * The plan of a grant that waits, made anew: the person, the policy and the cluster as they are now.
 * @throws Refusal also when the policy would not take this request any more
 */
export async function makePlanAnew(world: World, grant: Grant): Promise<Plan> {
  const policy = world.policies.current();
  const requester = await personBehind(world, policy, grant.requester.slackId);
  const facts = await factsFor(world.directory, policy, policy.profiles[grant.profile]);
  const decision = decideRequest(policy, grant, requester, facts, world.cluster.closedNamespaces);
  // Whoever reads this is an approver, and the rules speak to the requester.
  if (!decision.allowed)
    throw new Refusal(
      decision.refusal.rule,
      `The policy would not take this request any more. To the requester it would say: ${decision.refusal.message}`,
      'Deny it, or let it time out.',
    );
  const disabled = world.policies.disabled(grant.profile);
  if (disabled !== null)
    throw new Refusal(`profiles.${grant.profile}`, `Profile '${grant.profile}' is disabled: ${disabled}.`);
  const wish: Wish = {
    id: grant.id,
    requester,
    target: grant.target,
    profileName: grant.profile,
    duration: grant.duration,
  };
  return makePlan(world, wish, decision.profile);
}

/** The pure half of {@link makePlan}. */
export function planOf(wish: Wish, profile: Profile, survey: Survey, workspaces: string): Plan {
  const rules = profile.rules ?? survey.roleRules ?? [];
  const path = `profiles.${wish.profileName}`;
  const persistence = persistenceRisks(rules);
  if (persistence.length > 0 && !profile.acknowledgePersistence)
    throw new Refusal(
      `${path}.acknowledgePersistence`,
      `Access by this profile can outlive its window: it ${persistence.join('; ')}.`,
      'An administrator must say acknowledgePersistence: true in the profile, or give less.',
    );
  const { workload } = survey;
  const role =
    profile.clusterRole !== undefined
      ? ({ kind: 'ClusterRole', name: profile.clusterRole } as const)
      : profile.role !== undefined
        ? ({ kind: 'Role', name: profile.role } as const)
        : null;
  const confinement =
    profile.network.mode === 'workspace'
      ? confine(wish, profile, survey, workspaces)
      : { network: { mode: 'none' as const }, preview: UNCONFINED };
  return {
    user: wish.requester.user,
    groups: wish.requester.groups,
    profileName: wish.profileName,
    profileDigest: digestOfProfile(profile),
    target: wish.target,
    duration: wish.duration,
    role,
    rules,
    workload: workload === null ? null : { uid: workload.uid, selector: workload.selector },
    pods: workload === null ? [] : workload.pods.map((pod) => pod.name).toSorted(),
    persistence,
    ...confinement,
  };
}

const UNCONFINED: Preview = {
  opens: [],
  closes: [],
  notes: ['No network change: who may exec into a pod shares that pod’s network.'],
};

function confine(
  wish: Wish,
  profile: Profile,
  survey: Survey,
  workspaces: string,
): { network: WorkspacePlan; preview: Preview } {
  const { workload, cluster } = survey;
  const path = `profiles.${wish.profileName}.network`;
  const name = describeTarget(wish.target);
  if (workload === null || cluster === null || wish.target.workload === undefined)
    throw new Refusal(path, 'A workspace needs one workload as its target.');
  if (isEmptySelector(workload.selector))
    throw new Refusal(
      path,
      `${name} selects its pods by no label: every pod would be the target.`,
      'Ask for another profile.',
    );
  if (workload.pods.length === 0)
    throw new Refusal(path, `${name} has no running pod that could be reached.`, 'Ask again when it has.');
  if (workload.pods.some((pod) => pod.hostNetwork))
    throw new Refusal(
      path,
      `${name} runs on the host's network, which NetworkPolicy does not govern.`,
      'Ask for another profile.',
    );
  if (workload.strangers.length > 0)
    throw new Refusal(
      path,
      `The labels of ${name} also select ${workload.strangers.slice(0, 3).join(', ')}: they would be reachable too.`,
      'Give the workload labels of its own.',
    );
  const ports: readonly PortRef[] = profile.network.ports ?? workload.ports;
  if (ports.length === 0)
    throw new Refusal(
      `${path}.ports`,
      `The pods of ${name} declare no port in common.`,
      'Name ports in the profile, or declare containerPorts.',
    );

  const selected = cluster.pods.filter(
    (pod) => pod.namespace === wish.target.namespace && workload.pods.some((p) => p.name === pod.name),
  );
  const { isolated, open } = isolatedByAll(cluster, selected, 'Ingress');
  const partly = !isolated && open.length < selected.length;
  if (partly && !profile.network.allowIsolation)
    throw new Refusal(
      `${path}.allowIsolation`,
      `Some pods of ${name} are isolated and some are not: to admit the workspace would cut others off from the rest.`,
      'Isolate all of them or none.',
    );
  const admits = isolated || partly;

  const { selector } = workload;
  const pod: Pod = {
    namespace: workspaces,
    name: wish.id,
    labels: { [GRANT_LABEL]: wish.id },
    ips: [],
    hostNetwork: false,
    ports: [],
    owner: { kind: 'Workspace', name: wish.id },
    phase: 'Running',
  };
  const guard = guardSpec(wish.id, { namespace: wish.target.namespace, selector, ports, dns: profile.network.dns });
  const policies = [policy(workspaces, wish.id, guard)];
  if (admits)
    policies.push(policy(wish.target.namespace, wish.id, admissionSpec(wish.id, { selector, ports }, workspaces)));
  const after: Cluster = { ...cluster, pods: [...cluster.pods, pod], policies: [...cluster.policies, ...policies] };
  const change = previewChange(cluster, after);
  if (change.closes.length > 0 && !profile.network.allowIsolation)
    throw new Refusal(
      `${path}.allowIsolation`,
      `This grant would close ${change.closes.length} connections that exist now.`,
      'An administrator must say allowIsolation: true in the profile if that is meant.',
    );
  const leftovers = change.opens.filter((c) => !isExpected(c, wish, profile.network.dns));
  if (leftovers.length > 0 && profile.network.strict)
    throw new Refusal(
      `${path}.strict`,
      `Other policies let the workspace reach more than ${name}: ${leftovers.slice(0, 3).map(describeEnd).join(', ')}.`,
      'Remove those policies, or ask an administrator.',
    );
  return {
    network: {
      mode: 'workspace',
      image: profile.network.image ?? '',
      command: profile.network.command ?? ['sleep', 'infinity'],
      ports,
      dns: profile.network.dns,
      selector,
      admits,
      hostAliases: aliases(wish.target, workload),
    },
    preview: {
      opens: change.opens,
      closes: change.closes,
      notes: [
        ...(leftovers.length > 0 ? ['Other policies let the workspace reach more than the target: see the list.'] : []),
        ...(change.opens.length === 0
          ? ['No connection to the target would be opened: another policy of the cluster stands in the way.']
          : []),
        'NetworkPolicy never governs traffic between a pod and its own node.',
      ],
    },
  };
}

function policy(namespace: string, id: GrantId, spec: PolicySpec) {
  return { metadata: { namespace, name: `drawbridge-${id}` }, spec };
}

function isExpected({ from, to }: Connection, wish: Wish, dns: 'none' | 'cluster'): boolean {
  if (!('name' in from) || from.name !== wish.id || !('name' in to)) return false;
  const { namespace, workload } = wish.target;
  if (to.namespace === namespace && to.kind === workload?.kind && to.name === workload.name) return true;
  return dns === 'cluster' && to.namespace === 'kube-system';
}

const describeEnd = ({ to }: Connection): string => ('cidr' in to ? to.cidr : `${to.namespace}/${to.kind}/${to.name}`);

/** Names for the target in the workspace's /etc/hosts: by its Services where it has any with an address, else by its pods. */
function aliases(target: Target, workload: NonNullable<Survey['workload']>): WorkspacePlan['hostAliases'] {
  const names = (name: string) =>
    ['', `.${target.namespace}`, `.${target.namespace}.svc`, `.${target.namespace}.svc.cluster.local`].map(
      (s) => name + s,
    );
  const services = workload.services.flatMap(({ name, clusterIP }) =>
    clusterIP === null ? [] : [{ ip: clusterIP, hostnames: names(name) }],
  );
  if (services.length > 0) return services;
  const hostnames = names(target.workload?.name ?? '').slice(0, 2);
  return workload.pods.filter((pod) => pod.ip !== '').map((pod) => ({ ip: pod.ip, hostnames }));
}
