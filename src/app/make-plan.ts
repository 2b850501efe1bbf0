import { GRANT_LABEL } from '../domain/confinement.ts';
import { areTooMany, MOST_RIGHTS } from '../domain/coverage.ts';
import { Refusal } from '../domain/errors.ts';
import type { Grant } from '../domain/grant.ts';
import type { GrantId } from '../domain/ids.ts';
import { nothingGiven } from '../domain/narrowed-rules.ts';
import { digestOfProfile, type Plan } from '../domain/plan.ts';
import { type Profile, roleOf } from '../domain/policy.ts';
import { persistenceRisks, reachesOf } from '../domain/rights.ts';
import type { Wanted } from '../domain/target.ts';
import { atOnce, type Steps } from '../network/steps.ts';
import { confineAffordably } from './affordable.ts';
import type { Wish } from './confine.ts';
import { inPortions } from './in-portions.ts';
import type { Survey, World } from './ports.ts';
import { mustBeAllowed, requesterOf } from './who.ts';

/** As somebody asks: the target may be a Service still. */
type Asked = Omit<Wish, 'target'> & { readonly target: Wanted };

/**
 * The plan of a grant, from a profile of the policy and the cluster as it is now.
 * @throws Refusal when the target or the cluster does not admit what was asked for
 */
export async function makePlan(world: World, asked: Asked, profile: Profile): Promise<Plan> {
  const survey = await world.cluster.survey(asked.target, profile);
  return inPortions(planInSteps(asked, profile, withoutOwn(survey, asked.id), world.cluster.workspacesNamespace));
}

/** The cluster as if the grant had put nothing into it: the plan of one that is active is made anew when it is to last longer. */
function withoutOwn(survey: Survey, id: GrantId): Survey {
  if (survey.cluster === null) return survey;
  const { pods, policies } = survey.cluster;
  const cluster = {
    ...survey.cluster,
    pods: pods.filter(({ labels }) => labels[GRANT_LABEL] !== id),
    policies: policies.filter(({ metadata }) => metadata?.labels?.[GRANT_LABEL] !== id),
  };
  return { ...survey, cluster };
}

/**
 * The plan of a grant that waits, made anew: the person, the policy and the cluster as they are now.
 * @throws Refusal also when the policy would not take this request any more
 */
export async function makePlanAnew(world: World, grant: Grant): Promise<Plan> {
  const requester = await requesterOf(world, grant);
  const { profile, duration } = await mustBeAllowed(world, { kind: 'apply', grant }, { requester, actor: null });
  if (requester instanceof Refusal) throw requester;
  const disabled = world.policies.disabled(grant.profile);
  if (disabled !== null)
    throw new Refusal(`profiles.${grant.profile}`, `Profile '${grant.profile}' is disabled: ${disabled}.`);
  const asked: Asked = {
    id: grant.id,
    requester,
    target: grant.target,
    profileName: grant.profile,
    duration,
  };
  return makePlan(world, asked, profile);
}

/** The pure half of {@link makePlan}, in one go. */
export function planOf(...given: Parameters<typeof planInSteps>): Plan {
  return atOnce(planInSteps(...given));
}

function* planInSteps(asked: Asked, profile: Profile, survey: Survey, workspaces: string): Steps<Plan> {
  const wish: Wish = { ...asked, target: survey.target };
  const rules = profile.rules ?? survey.roleRules ?? [];
  const path = `profiles.${wish.profileName}`;
  if (areTooMany(rules))
    throw new Refusal(
      path,
      `What this profile gives has more than ${MOST_RIGHTS} single rights, or too many with wildcards, and could not be compared with what was approved.`,
      'An administrator must give less: see the lists of its role.',
    );
  const persistence = persistenceRisks(rules);
  if (persistence.length > 0 && !profile.acknowledgePersistence)
    throw new Refusal(
      `${path}.acknowledgePersistence`,
      `Access by this profile can outlive its window: it ${persistence.join('; ')}.`,
      'An administrator must say acknowledgePersistence: true in the profile, or give less.',
    );
  const { workload } = survey;
  const role = roleOf(profile);
  const running = workload?.pods.map((pod) => pod.name) ?? [];
  const pods = [...running, ...(workload?.ended ?? [])].toSorted();
  const { network, surroundings, preview } = yield* confineAffordably(wish, profile, rules, survey, workspaces);
  if (workload !== null && role === null && profile.network.mode !== 'workspace') {
    const nothing = nothingGiven(rules, wish.target, { ...workload, running });
    if (nothing !== null) throw new Refusal('target', nothing.reason, nothing.remedy);
  }
  const said = [
    ...reachesOf(rules).map((words) => `The access ${words}.`),
    ...(running.length === 0 && pods.length > 0 ? ['All its pods have ended: what is left are their logs.'] : []),
  ];
  return {
    user: wish.requester.user,
    groups: wish.requester.groups,
    profileName: wish.profileName,
    profileDigest: digestOfProfile(profile),
    cluster: survey.clusterUid,
    target: wish.target,
    namespaceUid: survey.namespaceUid,
    duration: wish.duration,
    role,
    roleMayGrow: profile.roleMayGrow,
    rules,
    workload: workload === null ? null : { uid: workload.uid, selector: workload.selector, labels: workload.labels },
    pods,
    persistence,
    network,
    surroundings,
    preview: { ...preview, notes: [...said, ...preview.notes] },
  };
}
