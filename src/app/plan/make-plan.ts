import { Refusal } from '../../domain/errors.ts';
import type { Grant } from '../../domain/grant/grant.ts';
import { identityIn, type Person } from '../../domain/people/people.ts';
import { digestOfProfile, type Plan } from '../../domain/plan/plan.ts';
import { kitsGiven, type Profile, profileNamed, roleOf } from '../../domain/policy/policy.ts';
import { areTooMany, MOST_RIGHTS } from '../../domain/rights/coverage.ts';
import { type Kit, kitsFor, rulesOfKits } from '../../domain/rights/kits.ts';
import { nothingGiven } from '../../domain/rights/narrowed-rules.ts';
import { persistenceRisks, reachesOf, SHELL_RISKS } from '../../domain/rights/rights.ts';
import { isWide, type Target, type Wanted } from '../../domain/target.ts';
import { atOnce, type Steps } from '../../network/steps.ts';
import { begun } from '../common/begun.ts';
import { inPortions } from '../common/in-portions.ts';
import { mustBeAllowed, requesterOf } from '../people/who.ts';
import type { InCluster } from '../ports/clusters.ts';
import type { Survey, SurveyPurpose } from '../ports/survey.ts';
import type { World } from '../ports/world.ts';
import { confineAffordably } from './affordable.ts';
import type { Wish } from './confine.ts';
import { withoutGrant } from './reach.ts';
import { wideConfinement } from './wide.ts';

/** As somebody asks: the target may be a Service still. */
type Asked = Omit<Wish, 'target'> & Partial<InCluster> & { readonly target: Wanted };
/** What is asked for once that is known. */
type Settled = Omit<Wish, 'target'> & Partial<InCluster> & { readonly target: Target };

/**
 * The plan of a grant, from a profile of the policy and what the cluster was found to be.
 * @throws Refusal when the target or the cluster does not admit what was asked for
 */
export async function makePlan(world: World, asked: Asked, profile: Profile, survey: Promise<Survey>): Promise<Plan> {
  const found = await survey;
  // The plan of one that is active is made anew when it is to last longer.
  const around = { ...found, cluster: found.cluster && withoutGrant(found.cluster, asked.id) };
  return inPortions(
    planInSteps(asked, profile, around, world.clusters.of({ cluster: asked.cluster ?? null }).workspacesNamespace),
  );
}

/** A plan, and whoever benefits by it, as they are now. */
export interface MadeAnew {
  readonly plan: Plan;
  readonly requester: Person;
}

/**
 * The plan of a grant that waits, made anew: the person, the policy and the cluster as they are now.
 * @throws Refusal also when the policy would not take this request any more
 */
export async function makePlanAnew(world: World, grant: Grant, purpose: SurveyPurpose): Promise<MadeAnew> {
  const known = profileNamed(world.policies.current(), grant.profile);
  // The cluster and the people are looked at side by side.
  const survey = known && begun(world.clusters.of(grant).survey(grant.target, known, purpose));
  const requester = await requesterOf(world, grant);
  const { profile, cluster, duration } = await mustBeAllowed(
    world,
    { kind: 'apply', grant },
    { requester, actor: null },
  );
  if (requester instanceof Refusal) throw requester;
  const disabled = world.policies.disabled(grant.profile, cluster);
  if (disabled !== null)
    throw new Refusal(`profiles.${grant.profile}`, `Profile '${grant.profile}' is disabled: ${disabled}.`);
  const asked: Asked = {
    id: grant.id,
    requester,
    cluster,
    target: grant.target,
    profileName: grant.profile,
    ...(grant.rights && { rights: grant.rights }),
    ...(grant.narrowed && { narrowed: grant.narrowed }),
    duration,
  };
  const isKnown = profile === known && survey !== undefined;
  const found = isKnown ? survey : world.clusters.of(grant).survey(grant.target, profile, purpose);
  return { plan: await makePlan(world, asked, profile, found), requester };
}

/** The pure half of {@link makePlan}, in one go. */
export function planOf(...given: Parameters<typeof planInSteps>): Plan {
  return atOnce(planInSteps(...given));
}

/**
 * The rights in words that there are for the target's kind; null: the profile gives a role or inline rules.
 * @throws Refusal when one that was asked for by name gives nothing there, or none of the profile's does
 */
function rightsOn({ rights, target }: Settled, profile: Profile, path: string): readonly Kit[] | null {
  const given = kitsGiven(profile, rights);
  if (given === null) return null;
  const kind = target.workload?.kind ?? null;
  const here = kitsFor(given, kind);
  const useless = given.filter((kit) => !here.includes(kit));
  if (here.length > 0 && (rights === undefined || useless.length === 0)) return here;
  throw new Refusal(
    `${path}.rights`,
    `${useless.join(', ')}: that is nothing for a ${kind}.`,
    here.length > 0 ? `Ask for ${here.join(', ')}.` : 'Ask for another target, or for another profile.',
  );
}

/** As whom the cluster knows whoever asks. */
function identityOf({ requester, cluster = null }: Asked): Pick<Plan, 'user' | 'groups'> {
  const there = identityIn(requester, cluster);
  if (there !== null) return there;
  throw new Refusal(`clusters.${cluster}.identity`, `The requester is nobody in cluster '${cluster}'.`);
}

function* planInSteps(asked: Asked, profile: Profile, survey: Survey, workspaces: string): Steps<Plan> {
  const wish: Settled = { ...asked, target: survey.target };
  const { target } = wish;
  const path = `profiles.${wish.profileName}`;
  const rights = rightsOn(wish, profile, path);
  const rules =
    rights === null ? (profile.rules ?? survey.roleRules ?? []) : rulesOfKits(rights, target.workload?.kind ?? null);
  if (areTooMany(rules))
    throw new Refusal(
      path,
      `What this profile gives has more than ${MOST_RIGHTS} single rights, or too many with wildcards, and could not be compared with what was approved.`,
      'An administrator must give less: see the lists of its role.',
    );
  const persistence = [...(profile.shell === undefined ? [] : SHELL_RISKS), ...persistenceRisks(rules)];
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
  const { network, surroundings, preview } = isWide(target)
    ? wideConfinement(target, profile, rules, survey)
    : yield* confineAffordably({ ...wish, target }, profile, rules, survey, workspaces);
  if (workload !== null && !isWide(target) && role === null && profile.network.mode !== 'workspace') {
    const nothing = nothingGiven(rules, target, { ...workload, running });
    if (nothing !== null) throw new Refusal('target', nothing.reason, nothing.remedy);
  }
  const said = [
    ...(isWide(target) ? [] : reachesOf(rules).map((words) => `The access ${words}.`)),
    ...(running.length === 0 && pods.length > 0 ? ['All its pods have ended: what is left are their logs.'] : []),
  ];
  return {
    ...identityOf(asked),
    profileName: wish.profileName,
    profileDigest: digestOfProfile(profile),
    cluster: survey.clusterUid,
    target,
    namespaceUid: survey.namespaceUid,
    ...(survey.node && { nodeUid: survey.node.uid }),
    duration: wish.duration,
    ...(profile.credential === 'token' && { credential: 'token' as const }),
    ...(profile.shell && { shell: profile.shell }),
    role,
    roleMayGrow: profile.roleMayGrow,
    rights,
    rules,
    workload: workload === null ? null : { uid: workload.uid, selector: workload.selector, labels: workload.labels },
    pods,
    persistence,
    network,
    surroundings,
    preview: { ...preview, notes: [...said, ...preview.notes] },
  };
}
