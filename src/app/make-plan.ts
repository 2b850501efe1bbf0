import { decideRequest } from '../domain/decide.ts';
import { Refusal } from '../domain/errors.ts';
import { type Grant } from '../domain/grant.ts';
import { digestOfProfile, type Plan } from '../domain/plan.ts';
import type { Profile } from '../domain/policy.ts';
import { persistenceRisks, reachesOf } from '../domain/rights.ts';
import type { Wanted } from '../domain/target.ts';
import { confine, type Wish } from './confine.ts';
import type { Survey, World } from './ports.ts';
import { factsFor, personBehind } from './who.ts';

/** As somebody asks: the target may be a Service still. */
type Asked = Omit<Wish, 'target'> & { readonly target: Wanted };

/**
 * The plan of a grant, from a profile of the policy and the cluster as it is now.
 * @throws Refusal when the target or the cluster does not admit what was asked for
 */
export async function makePlan(world: World, asked: Asked, profile: Profile): Promise<Plan> {
  const survey = await world.cluster.survey(asked.target, profile);
  return planOf(asked, profile, survey, world.cluster.workspacesNamespace);
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
  const asked: Asked = {
    id: grant.id,
    requester,
    target: grant.target,
    profileName: grant.profile,
    duration: grant.duration,
  };
  return makePlan(world, asked, decision.profile);
}

/** The pure half of {@link makePlan}. */
export function planOf(asked: Asked, profile: Profile, survey: Survey, workspaces: string): Plan {
  const wish: Wish = { ...asked, target: survey.target };
  const rules = profile.rules ?? survey.roleRules ?? [];
  const path = `profiles.${wish.profileName}`;
  const persistence = persistenceRisks(rules);
  if (persistence.length > 0 && !profile.acknowledgePersistence)
    throw new Refusal(
      `${path}.acknowledgePersistence`,
      `Access by this profile can outlive its window: it ${persistence.join('; ')}.`,
      'An administrator must say acknowledgePersistence: true in the profile, or give less.',
    );
  const { network, preview } = confine(wish, profile, rules, survey, workspaces);
  const said = reachesOf(rules).map((words) => `The access ${words}.`);
  const { workload } = survey;
  const role =
    profile.clusterRole !== undefined
      ? ({ kind: 'ClusterRole', name: profile.clusterRole } as const)
      : profile.role !== undefined
        ? ({ kind: 'Role', name: profile.role } as const)
        : null;
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
    network,
    preview: { ...preview, notes: [...said, ...preview.notes] },
  };
}
