import { formatDuration } from '../duration.ts';
import { Refusal } from '../errors.ts';
import { type Grant, holdsAccess } from '../grant/grant.ts';
import { type Asking, allowedBy, type Person } from '../people/people.ts';
import { startOfDay } from '../policy/hours.ts';
import { isSamePerson } from '../policy/identity.ts';
import { type Policy, type Profile, profileNamed, reviewersOf } from '../policy/policy.ts';
import { askOf, type Giving, type Rules, type Terms } from './act.ts';
import { countedBefore } from './automatic.ts';
import { type Decided, denied, type No, refuse, verdictOf } from './decided.ts';
import { type PlacedAsk, placeOfAsk } from './in-cluster.ts';
import { termsByPeople } from './terms.ts';
import { whyNot, whyNotReason } from './why-not.ts';

/**
 * Break-glass access: by its own list and its own limits, without people, steps or a ticket. Whoever is denied the profile gets none, and what the
 * profile covers, its namespaces and its reason are as for a request.
 */
export function* decideBreakGlass(rules: Rules, act: Giving, requester: Person): Asking<Decided<Terms>> {
  const wanted = askOf(act);
  const profile = rules.policy.profiles[wanted.profile] as Profile;
  const { breakGlass: glass } = profile;
  const path = `profiles.${wanted.profile}.breakGlass`;
  if (glass === undefined) return noGlass(wanted.profile);
  const may = yield* mayBreakGlass(rules.policy, wanted.profile, requester);
  if (!may.allowed) return may;
  if (act.kind === 'extend' || (act.kind === 'approve' && act.of === 'extension'))
    return refuse(path, 'Break-glass access is never extended.', 'Ask for what you still need as usual.');
  const placed = placeOfAsk(rules.policy, profile, wanted, requester);
  if (!placed.allowed) return placed;
  const { cluster } = placed;
  const ask: PlacedAsk = { ...wanted, cluster };
  const duration = ask.duration ?? Math.min(profile.duration.default, glass.maximum);
  const why =
    whyNot(rules, profile, ask, duration) ??
    (duration > glass.maximum
      ? refuse(
          `${path}.maximum`,
          `${formatDuration(duration)} is longer than break-glass access to profile '${ask.profile}' lasts.`,
          `Break the glass for ${formatDuration(glass.maximum)} at most.`,
        )
      : null) ??
    (act.kind === 'request' ? whyNotReason(profile, act.ask) : null) ??
    (ask.startAt === undefined
      ? null
      : refuse(path, 'Break-glass access begins at once.', 'Leave the start out, or ask for it as usual.'));
  if (why !== null) return why;
  const since = startOfDay('UTC', rules.now);
  const grant = act.kind === 'request' ? null : act.grant.id;
  // What is open was counted on its day, which may be over.
  if (act.kind === 'apply' && holdsAccess(act.grant.state))
    return { ...termsByPeople(may.rule, profile, cluster, duration, null), approvals: 0 };
  const had = yield { about: 'approved', how: 'breakGlass', person: requester, profile: ask.profile, since };
  if (!(had instanceof Set) || countedBefore(had, grant) >= glass.perDay)
    return refuse(
      `${path}.perDay`,
      had instanceof Set
        ? `You have broken the glass for profile '${ask.profile}' ${glass.perDay === 1 ? 'once' : `${glass.perDay} times`} today, and nobody may more often.`
        : 'How often you have broken the glass today is not known now.',
      'Ask for it as usual: people decide.',
    );
  const counts = { since, at: rules.now, most: glass.perDay };
  return { ...termsByPeople(may.rule, profile, cluster, duration, null), approvals: 0, counts };
}

const noGlass = (name: string): No =>
  refuse(
    `profiles.${name}.breakGlass`,
    `Profile '${name}' has no break-glass access.`,
    'Ask for it as usual: people decide.',
  );

/** May this person break the glass for this profile at all? How often they have, and for what, is not looked at. */
export function* mayBreakGlass(policy: Policy, name: string, person: Person): Asking<Decided> {
  const glass = policy.profiles[name]?.breakGlass;
  if (glass === undefined) return noGlass(name);
  const denial = yield* denied(policy, name, person);
  if (denial !== null) return denial;
  const path = `profiles.${name}.breakGlass.from`;
  const listing = yield* allowedBy({ [path]: glass.from }, person);
  return verdictOf(listing, `Whether you may break the glass for profile '${name}' is not known.`, () =>
    refuse(path, `You may not break the glass for profile '${name}'.`, 'Ask for it as usual.'),
  );
}

/** May this person say what is thought of break-glass access that has ended? Never whoever had it, by whatever account. */
export function* decideGlassReview(
  policy: Policy,
  grant: Grant,
  actor: Person,
  requester: Person | Refusal,
): Asking<Decided> {
  const isOwn =
    isSamePerson(actor, grant.requester) || (!(requester instanceof Refusal) && isSamePerson(actor, requester));
  if (isOwn)
    return refuse('review', "You can't review your own break-glass access.", 'Another reviewer must press the button.');
  if (profileNamed(policy, grant.profile) !== undefined) {
    const why = yield* denied(policy, grant.profile, actor);
    if (why !== null) return why;
  }
  const lists = reviewersOf(policy, grant.profile);
  const [path = 'review'] = Object.keys(lists);
  return verdictOf(yield* allowedBy(lists, actor), 'Whether you may review this is not known.', () =>
    refuse(
      path,
      `You are not a reviewer of break-glass access to profile '${grant.profile}'.`,
      'Its message names them.',
    ),
  );
}
