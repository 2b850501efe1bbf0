import { digestOf } from '../canonical.ts';
import type { Instant } from '../clocks.ts';
import { formatDuration } from '../duration.ts';
import { Refusal, UnreadableMembers, UnreadableTicket } from '../errors.ts';
import { type Extension, type Grant, holdsAccess, type WaivedStep } from '../grant/grant.ts';
import type { GrantId } from '../ids.ts';
import { nearest } from '../nearest.ts';
import { type Asking, allowedBy, identityIn, type Listing, type Person, ruleOf } from '../people/people.ts';
import { describeLists } from '../policy/conditions-in-words.ts';
import { startOfDay } from '../policy/hours.ts';
import { isSamePerson } from '../policy/identity.ts';
import {
  type AutomaticEntry,
  approvalOf,
  automaticEntries,
  decidersOf,
  describeDurations,
  kitsGiven,
  LONGEST_REASON,
  type Policy,
  type Profile,
  placeOf,
  profileNamed,
  reviewersOf,
} from '../policy/policy.ts';
import type { Kit } from '../rights/kits.ts';
import { FURTHEST_START, START_FORM } from '../start.ts';
import { type ClusterName, isWide, type Wanted } from '../target.ts';
import { LONGEST_KEY, type Ticket } from '../ticket.ts';
import { type Circumstances, dayOf, missedConditions, missedPerDay } from './conditions.ts';
import { type Decided, denied, firstRefusal, type No, refuse, unread, verdictOf, type Why } from './decided.ts';
import { type PlacedAsk, placeOfAsk } from './in-cluster.ts';
import type { Daily } from './limits.ts';
import { whyNotNote } from './notes.ts';
import { whyNotThere } from './place.ts';
import {
  approvalsOfSteps,
  decidableBy,
  progressOf,
  type StepProgress,
  type Waiting,
  waitingExtension,
  waitingRequest,
  waivedSteps,
  wouldCount,
} from './steps.ts';
import { isKeyOf, type JudgedTicket, keyInReason } from './ticket.ts';

/** What somebody asks for. `duration` null: the profile's default. */
export interface Ask {
  readonly profile: string;
  /** Left out: it was not said, which does where there is one to choose. */
  readonly cluster?: ClusterName;
  readonly target: Wanted;
  /** Fewer of the profile's rights in words; left out: all of them. */
  readonly rights?: readonly Kit[];
  readonly duration: number | null;
  readonly reason: string;
  /** The glass is broken: at once, without a decision. */
  readonly breaksGlass?: true;
  /** When it is to begin; left out: as soon as it is approved. */
  readonly startAt?: Instant;
  /** The key of a ticket, where it was given beside the reason; else the reason may name one. */
  readonly ticketKey?: string;
}

/** What decisions are made by, beside the people. */
export interface Rules {
  readonly policy: Policy;
  /** Namespaces that no request can name: Drawbridge's own. */
  readonly closedNamespaces: readonly string[];
  readonly now: Instant;
}

/** Everything that is decided. `apply`: an approved request is carried out. */
export type Act = Giving | Denial | Ending;
/** What gives access, or more of it. */
export type Giving =
  /** `saysNear`: whoever asks is told which condition it just misses. */
  | { readonly kind: 'request'; readonly ask: Ask; readonly saysNear?: boolean }
  /** `seconds` null: the profile's default, cut to what is left of its maximum. */
  | { readonly kind: 'extend'; readonly grant: Grant; readonly seconds: number | null }
  | Approval
  | { readonly kind: 'apply'; readonly grant: Grant };
/** `note`: what comes with it; left out: nothing does. */
export type Approval = Review<'approve'>;
export type Denial = Review<'deny'>;
type Review<Kind> = { readonly kind: Kind; readonly of: Subject; readonly grant: Grant; readonly note?: string };
export type Ending = { readonly kind: 'end'; readonly grant: Grant };
export type Subject = 'request' | 'extension';

/** Who is concerned. */
export interface Parties {
  /** Who benefits, as Slack and the policy say now; a refusal: that account may not act any more. Not looked at where nothing is given. */
  readonly requester: Person | Refusal;
  /** Who acts; null: Drawbridge, by what was approved. */
  readonly actor: Person | null;
}

/** What the requester gets by the policy as it is now. */
export interface Terms {
  readonly profile: Profile;
  readonly cluster: ClusterName;
  /** Seconds; of an extension: how much more. */
  readonly duration: number;
  /** How many people must approve; 0: a condition of the policy is met. */
  readonly approvals: number;
  /** The steps that are not needed. */
  readonly waived: readonly WaivedStep[];
  /** The ticket that it is asked for with, where the profile takes one. */
  readonly ticket: Ticket | null;
  /** Of a request: the one condition without which the policy itself would have approved it, as a sentence. */
  readonly missed: string | null;
  /** Where the policy itself approves: what is to be counted in the step that makes it so; null: nothing. */
  readonly counts: Daily | null;
}

/** What somebody may do who approves. */
export interface Reviewing {
  /** The names of the steps that this person may decide now, also of those whose turn has not come: each may be what the approval counts for. */
  readonly steps: readonly string[];
}

/** What only a person does. */
const NOBODY = refuse('actor', 'Drawbridge does not do that by itself.');

/**
 * The one entry for every decision: may this be done now? First whether the actor may act (explicit deny before all else), then whether the
 * requester would be given it by the policy as it is now (explicit deny first again): a stranger is not told what it says of somebody else.
 */
export function decide(rules: Rules, act: Approval, parties: Parties): Asking<Decided<Terms & Reviewing>>;
export function decide(rules: Rules, act: Giving, parties: Parties): Asking<Decided<Terms>>;
export function decide(rules: Rules, act: Act, parties: Parties): Asking<Decided>;
export function* decide(rules: Rules, act: Act, { requester, actor }: Parties): Asking<Decided> {
  if (act.kind === 'end') return yield* decideEnd(rules.policy, act.grant, actor);
  const name = act.kind === 'request' ? act.ask.profile : act.grant.profile;
  if (profileNamed(rules.policy, name) === undefined) return noProfile(rules.policy, act, name);
  const may = yield* mayAct(rules, act, actor, requester);
  if (!may.allowed) return may;
  const why = whyNotSo(rules.policy, act);
  if (why !== null) return why;
  if (act.kind === 'deny') return may;
  const given = yield* decideGift(rules, act, requester);
  // Which steps are needed was found out with the actor, before which of them that person may decide.
  if (given.allowed) return act.kind === 'approve' ? { ...given, ...may } : given;
  const isActor = !(requester instanceof Refusal) && requester.slackId === actor?.slackId;
  return isActor ? given : aboutRequester(given, act);
}

/** Why whoever may decide does not decide so. */
function whyNotSo(policy: Policy, act: Act): Why {
  if (act.kind !== 'approve' && act.kind !== 'deny') return null;
  const { profile } = act.grant;
  const refusal = whyNotNote(profile, policy.profiles[profile] as Profile, act.kind, act.note ?? '');
  return refusal && { allowed: false, refusal };
}

function* mayAct(
  rules: Pick<Rules, 'policy' | 'now'>,
  act: Exclude<Act, Ending>,
  actor: Person | null,
  requester: Person | Refusal,
): Asking<Decided> {
  const { policy } = rules;
  if (act.kind === 'request' || act.kind === 'apply') return { allowed: true, rule: 'requester' };
  if (actor === null) return NOBODY;
  const why = yield* denied(policy, act.grant.profile, actor);
  if (why !== null) return why;
  if (act.kind !== 'extend') return yield* mayReview(rules, act, actor, requester);
  return isSamePerson(actor, act.grant.requester)
    ? { allowed: true, rule: 'requester' }
    : refuse('extend', 'Only the requester asks for a longer window.', 'Ask for a grant of your own.');
}

/** Whether whoever benefits would be given it now. */
function* decideGift(rules: Rules, act: Giving, requester: Person | Refusal): Asking<Decided<Terms>> {
  if (requester instanceof Refusal) return { allowed: false, refusal: requester };
  if (act.kind === 'request' ? act.ask.breaksGlass : act.grant.breakGlass)
    return yield* decideBreakGlass(rules, act, requester);
  const wanted = askOf(act);
  const asking = yield* mayAsk(rules.policy, wanted.profile, requester);
  if (!asking.allowed) return asking;
  const profile = rules.policy.profiles[wanted.profile] as Profile;
  const placed = placeOfAsk(rules.policy, profile, wanted, requester);
  if (!placed.allowed) return placed;
  const ask: PlacedAsk = { ...wanted, cluster: placed.cluster };
  const duration = ask.duration ?? profile.duration.default;
  const why =
    whyNot(rules, profile, ask, duration) ??
    (act.kind === 'request' ? (whyNotReason(profile, act.ask) ?? whyNotThen(act.ask, rules.now)) : null);
  if (why !== null) return why;
  const judged = yield* judgeTicketOf(rules.policy, profile, act, ask, duration, requester);
  if (!judged.allowed) return judged;
  if (act.kind === 'extend' || (act.kind === 'approve' && act.of === 'extension'))
    return yield* decideExtension(rules, profile, ask.cluster, act, requester, asking.rule, judged.by);
  const tooLong = whyNotSoLong(
    `profiles.${ask.profile}`,
    judged.by,
    endOfWindow(act, ask, duration, rules.now),
    rules.now,
  );
  return tooLong ?? (yield* termsOfRequest(rules, profile, act, ask, duration, requester, asking.rule, judged.by));
}

/** What is given, as it was asked for. */
function askOf(act: Giving): Ask {
  if (act.kind === 'request') return act.ask;
  const { profile, cluster, target, rights, reason, plan, startAt, narrowed } = act.grant;
  return {
    profile,
    cluster,
    // What an approver has left of a namespace is judged as that namespace, which is what the profile is for.
    target: narrowed?.toWorkload && !isWide(target) ? { namespace: target.namespace } : target,
    ...(rights && { rights }),
    duration: plan.duration,
    reason,
    ...(startAt !== undefined && { startAt }),
  };
}

/**
 * Break-glass access: by its own list and its own limits, without people, steps or a ticket. Whoever is denied the profile gets none, and what the
 * profile covers, its namespaces and its reason are as for a request.
 */
function* decideBreakGlass(rules: Rules, act: Giving, requester: Person): Asking<Decided<Terms>> {
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

/** How many count against one: those before it, where it is counted already. */
function countedBefore(had: ReadonlySet<GrantId>, grant: GrantId | null): number {
  const place = grant === null ? -1 : [...had].indexOf(grant);
  return place === -1 ? had.size : place;
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

/** When the window would end, or ends where it is open. What is applied a moment after it was approved does not fail by that moment. */
function endOfWindow(act: Giving, { startAt = 0 }: Ask, duration: number, now: Instant): Instant {
  if (act.kind === 'apply' && holdsAccess(act.grant.state) && act.grant.expiresAt !== null) return act.grant.expiresAt;
  return Math.max(now, startAt) + duration * 1000 - (act.kind === 'apply' ? 60_000 : 0);
}

/** A ticket holds for so long, and so must the window. */
function whyNotSoLong(path: string, by: JudgedTicket | null, end: Instant, now: Instant): Why {
  if (by === null || by.until === null || end <= by.until) return null;
  const left = Math.floor((by.until - now) / 1000);
  return refuse(
    `${path}.ticket`,
    `${by.ticket.key} holds until ${new Date(by.until).toISOString().replace(/\.\d+Z$/, 'Z')}, and no window past that.`,
    left > 0 ? `Ask for ${formatDuration(left)} at most.` : 'Name another ticket.',
  );
}

/** The ticket of a request or grant, where the profile takes one, as its system judges it now. `by` null: there is none, and it need not be. */
function* judgeTicketOf(
  { tickets }: Policy,
  profile: Profile,
  act: Giving,
  ask: PlacedAsk,
  duration: number,
  requester: Person,
): Asking<Decided<{ readonly by: JudgedTicket | null }>> {
  const rule = `profiles.${ask.profile}.ticket`;
  const none = { allowed: true, rule, by: null } as const;
  const given = act.kind === 'request' ? ask.ticketKey : act.grant.ticket?.key;
  if (profile.ticket === 'none' || tickets === undefined)
    return act.kind !== 'request' || given === undefined
      ? none
      : refuse(rule, `Profile '${ask.profile}' takes no ticket.`, 'Leave it out, or name it in the reason.');
  if (act.kind === 'request' && given !== undefined && !isKeyOf(tickets, given))
    return refuse(
      rule,
      `'${given.slice(0, LONGEST_KEY)}' is not the key of a ticket.`,
      `Keys look like ${tickets.pattern}.`,
    );
  const key = given ?? (act.kind === 'request' ? keyInReason(tickets, ask.reason) : null);
  if (key === null)
    return profile.ticket === 'optional'
      ? none
      : refuse(
          rule,
          `Profile '${ask.profile}' needs a ticket.`,
          `Name it in the reason; keys look like ${tickets.pattern}.`,
        );
  const { namespace = null, node, workload } = ask.target;
  const { cluster } = ask;
  const verdict = yield {
    about: 'ticket',
    requester,
    use: {
      key,
      profile: ask.profile,
      ...(cluster !== null && { cluster }),
      namespace,
      ...(node !== undefined && { node }),
      workload: workload === undefined ? null : `${workload.kind}/${workload.name}`,
      duration,
      reason: ask.reason,
    },
  };
  if ('is' in verdict && verdict.is === 'allowed') return { allowed: true, rule, by: verdict };
  // A word of the reason that only looks like a key, of a request that needs none.
  if (profile.ticket === 'optional' && given === undefined) return none;
  if ('is' in verdict) return refuse(rule, verdict.why, 'Have that put right, or ask again with another ticket.');
  const retryIn = 'retryIn' in verdict ? verdict.retryIn : null;
  return { allowed: false, refusal: new UnreadableTicket(rule, key, retryIn) };
}

function* termsOfRequest(
  { now }: Rules,
  profile: Profile,
  act: Giving,
  ask: PlacedAsk,
  duration: number,
  requester: Person,
  rule: string,
  by: JudgedTicket | null,
): Asking<Decided<Terms>> {
  const ticket = by?.ticket ?? null;
  const at = { now, startsAt: startIn(ask), ticket: ticket !== null };
  const byPeople = termsByPeople(rule, profile, ask.cluster, duration, ticket);
  const isByPolicy = act.kind === 'apply' && act.grant.approvalsNeeded === 0 && !holdsAccess(act.grant.state);
  // Who approves, or has approved, needs no condition of the policy.
  if (act.kind !== 'request' && !isByPolicy) return byPeople;
  const automatic = yield* automaticRule(profile, ask, {
    duration,
    person: requester,
    at,
    grant: act.kind === 'request' ? null : act.grant.id,
    saysNear: act.kind === 'request' && act.saysNear === true,
  });
  if (automatic.is === 'met') return { ...byPeople, rule: automatic.rule, approvals: 0, counts: automatic.counts };
  if (!isByPolicy) {
    const missed = automatic.is === 'unmet' ? automatic.missed : null;
    return { ...byPeople, ...(yield* approvalsFor(profile, ask, duration, requester, at)), missed };
  }
  return automatic.is === 'unknown'
    ? unread(automatic.entry, automatic.retryIn, 'Whether the policy still approves this by itself is not known.')
    : refuse(
        `profiles.${ask.profile}.automatic`,
        'The condition by which the policy approved this by itself is not met any more.',
        'Ask again: people decide.',
      );
}

type Approvals = Pick<Terms, 'approvals' | 'waived'>;

const approvalsWithout = (profile: Profile, waived: readonly WaivedStep[]): Approvals => ({
  approvals: approvalsOfSteps(profile, waived),
  waived,
});

/** How many people must approve what is asked for now. */
function* approvalsFor(
  profile: Profile,
  { profile: name, cluster, target, rights }: Pick<PlacedAsk, 'profile' | 'cluster' | 'target' | 'rights'>,
  duration: number,
  requester: Person,
  at: Pick<Circumstances, 'now' | 'startsAt' | 'ticket'>,
): Asking<Approvals> {
  const circumstances = {
    cluster,
    namespace: target.namespace ?? null,
    duration,
    rights: kitsGiven(profile, rights),
    ...at,
  };
  return approvalsWithout(profile, yield* waivedSteps(name, approvalOf(profile).steps, circumstances, requester));
}

/** The same for a request whose plan is another now, so that its steps are asked again. */
export function* approvalsAgain(
  { policy, now }: Pick<Rules, 'policy' | 'now'>,
  grant: Grant,
  requester: Person,
): Asking<Approvals> {
  const profile = profileNamed(policy, grant.profile);
  // Without its profile nobody can approve it; that it is one keeps the policy from approving it by itself.
  if (profile === undefined) return { approvals: Math.max(1, grant.approvalsNeeded), waived: [] };
  const at = { now, startsAt: startIn(grant), ticket: grant.ticket !== undefined };
  return yield* approvalsFor(profile, grant, grant.duration, requester, at);
}

const termsByPeople = (
  rule: string,
  profile: Profile,
  cluster: ClusterName,
  duration: number,
  ticket: Ticket | null,
) => {
  const needed = approvalsWithout(profile, []);
  return { allowed: true, rule, profile, cluster, duration, ...needed, ticket, missed: null, counts: null } as const;
};

function noProfile({ profiles }: Policy, act: Act, name: string): No {
  if (act.kind === 'request') {
    const near = nearest(name.slice(0, 63), Object.keys(profiles));
    const remedy = '`/jit` shows what you may ask for.';
    return refuse(
      'profiles',
      `There is no profile '${name.slice(0, 63)}'.`,
      near === null ? remedy : `Did you mean '${near}'? ${remedy}`,
    );
  }
  return refuse(
    'profiles',
    `The policy has no profile '${name}' any more.`,
    act.kind === 'extend'
      ? 'Make a new request when this one has ended.'
      : 'Administrators can withdraw it; else it ends by itself.',
  );
}

/** A refusal speaks to the requester; who reads it is an approver, or it goes into the record. */
function aboutRequester({ refusal }: No, act: Act): No {
  const isRequest = act.kind === 'apply' || (act.kind === 'approve' && act.of === 'request');
  const what = isRequest
    ? 'The policy would not take this request any more.'
    : 'The policy would not give this any longer.';
  const remedy = isRequest ? 'Deny it, or let it time out.' : 'Deny it; the window ends as it was approved.';
  if (refusal instanceof UnreadableTicket) return { allowed: false, refusal };
  const reason = `${what} To the requester it would say: ${refusal.message}`;
  return {
    allowed: false,
    refusal:
      refusal instanceof UnreadableMembers
        ? refusal.saying(`Whether the policy still gives this to the requester is not known.`)
        : new Refusal(refusal.rule, reason, remedy),
  };
}

/** May this person ask for this profile at all? The first half of a request: it fills the form. */
export function* mayAsk(policy: Policy, name: string, person: Person): Asking<Decided> {
  const why = yield* denied(policy, name, person);
  if (why !== null) return why;
  const path = `profiles.${name}.requesters`;
  const { requesters } = policy.profiles[name] as Profile;
  const listing = yield* allowedBy({ [path]: requesters }, person);
  const needed = describeLists(requesters);
  return verdictOf(listing, `Whether profile '${name}' is yours to ask for is not known.`, () =>
    refuse(
      path,
      `You can't request '${name}'${needed === '' ? '' : ` (it needs ${needed})`}.`,
      '`/jit` shows what you may ask for.',
    ),
  );
}

function whyNot(rules: Rules, profile: Profile, ask: Ask, duration: number): Why {
  const path = `profiles.${ask.profile}`;
  return firstRefusal(
    () => whyNotThere(rules, profile, ask),
    () => whyNotRights(ask, profile, path),
    () =>
      Number.isSafeInteger(duration) && duration > 0
        ? null
        : refuse(
            `${path}.duration`,
            'The duration must be longer than nothing.',
            `Durations: ${describeDurations(profile)}.`,
          ),
    () =>
      duration <= profile.duration.maximum
        ? null
        : refuse(
            `${path}.duration.maximum`,
            `${formatDuration(duration)} is longer than profile '${ask.profile}' allows.`,
            `Ask for ${formatDuration(profile.duration.maximum)} at most.`,
          ),
    () =>
      ask.reason.trim() === ''
        ? refuse('reason', 'A reason is needed: approvers decide by it.', 'Say in a few words what you need it for.')
        : null,
    () =>
      ask.reason.length > LONGEST_REASON
        ? refuse(
            'reason',
            `The reason has ${ask.reason.length} characters, ${LONGEST_REASON} are taken.`,
            'Shorten it; put details into a ticket.',
          )
        : null,
  );
}

const startIn = ({ startAt }: { readonly startAt?: Instant }): Instant | null => startAt ?? null;

/** Why it can't begin when it is asked for. */
function whyNotThen({ startAt }: Ask, now: Instant): Why {
  if (startAt === undefined) return null;
  if (startAt < now - 60_000)
    return refuse('start', 'That start has passed already.', `Leave it out, or name a later one: ${START_FORM}.`);
  return startAt <= now + FURTHEST_START * 1000
    ? null
    : refuse('start', `A start is ${formatDuration(FURTHEST_START)} ahead at most.`, 'Ask again when it is nearer.');
}

/** What the profile asks of a reason. It is held against what somebody types, not against what was taken before. */
function whyNotReason({ reason: rule = {} }: Profile, { reason, profile }: Ask): Why {
  const { min = 0, template } = rule;
  const path = `profiles.${profile}.reason`;
  const said = plainWords(reason);
  if (template !== undefined && said === plainWords(template))
    return refuse(`${path}.template`, 'That is the question, not a reason.', `Answer it: “${template}”`);
  const length = [...CHARACTERS.segment(said)].length;
  if (length >= min) return null;
  const hint = template === undefined ? '' : ` “${template}”`;
  return refuse(
    `${path}.min`,
    `The reason has ${length} ${length === 1 ? 'character' : 'characters'}, and profile '${profile}' needs ${min}.`,
    `Say more, since approvers decide by it.${hint}`,
  );
}

/** As people see them: a letter with its marks is one. */
const CHARACTERS = new Intl.Segmenter('en');

/** Without what shows nothing and without the difference of case, blanks in one place being one. */
const plainWords = (text: string): string =>
  text
    .normalize('NFC')
    .replace(/[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]+/gu, (hidden) => (/\s/.test(hidden) ? ' ' : ''))
    .replace(/\s+/g, ' ')
    .trim()
    .toLowerCase();

/** Who asks for fewer rights names some of those that the profile has. */
function whyNotRights({ rights, profile: name }: Ask, profile: Profile, path: string): Why {
  if (rights === undefined) return null;
  const given: readonly Kit[] | undefined = profile.rights;
  if (given === undefined)
    return refuse(
      `${path}.rights`,
      `Profile '${name}' has no rights in words to choose from.`,
      `Ask for \`${name}\` alone.`,
    );
  const missing = rights.filter((kit) => !given.includes(kit));
  if (rights.length > 0 && missing.length === 0) return null;
  return refuse(
    `${path}.rights`,
    rights.length === 0 ? 'No right was chosen.' : `Profile '${name}' does not give ${missing.join(', ')}.`,
    `It gives: ${given.join(', ')}.`,
  );
}

/** `missed`: the one condition that alone was in the way, to whoever asked. */
type Automatic =
  | { readonly is: 'met'; readonly rule: string; readonly counts: Daily | null }
  | { readonly is: 'unmet'; readonly missed: string | null }
  | Extract<Listing, { readonly is: 'unknown' }>;

/** What an entry is held against, beside what is asked for. */
interface Case {
  /** Seconds; of an extension: the whole window. */
  readonly duration: number;
  readonly person: Person;
  readonly at: Pick<Circumstances, 'now' | 'startsAt' | 'ticket'>;
  /** What is judged, where it is a grant already: it does not count against itself. */
  readonly grant: GrantId | null;
  /** Whether to find out what only just was not met, which may take further look-ups. */
  readonly saysNear: boolean;
}

/** The first entry by which the policy itself approves. It never acknowledges what a person would have to. */
function* automaticRule(profile: Profile, ask: PlacedAsk, judged: Case): Asking<Automatic> {
  if (profile.acknowledgePersistence || profile.network.allowIsolation) return { is: 'unmet', missed: null };
  const { duration, at } = judged;
  const { now } = at;
  const rights = kitsGiven(profile, ask.rights);
  const circumstances = { cluster: ask.cluster, namespace: ask.target.namespace ?? null, duration, rights, ...at };
  const entries = automaticEntries(profile);
  const isCounted = entries.some(({ when }) => when.perDay !== undefined);
  let unknown: Extract<Listing, { readonly is: 'unknown' }> | null = null;
  let spent: string | null = null;
  const near: { readonly entry: AutomaticEntry; readonly missed: string }[] = [];
  for (const entry of entries) {
    const [missed, ...more] = missedConditions(entry.when, circumstances);
    if (missed !== undefined) {
      // What the profile never gives in words is no near miss.
      if (more.length === 0 && (entry.when.rights === undefined || rights !== null)) near.push({ entry, missed });
      continue;
    }
    const listing = yield* membersOf(ask.profile, entry, judged.person);
    if (listing.is === 'unknown') unknown ??= listing;
    if (listing.is !== 'met') continue;
    const had = yield* missedToday(ask.profile, entry, judged);
    if (had === null) {
      const counts = { since: dayOf(entry.when, now), at: now, most: entry.when.perDay ?? null };
      return { is: 'met', rule: listing.rule, counts: isCounted ? counts : null };
    }
    spent ??= had;
  }
  if (unknown !== null) return unknown;
  if (spent !== null) return { is: 'unmet', missed: spent };
  // Who is not one of the members is not told what others need not wait for.
  for (const { entry, missed } of judged.saysNear ? near : [])
    if (
      (yield* membersOf(ask.profile, entry, judged.person)).is === 'met' &&
      (yield* missedToday(ask.profile, entry, judged)) === null
    )
      return { is: 'unmet', missed };
  return { is: 'unmet', missed: null };
}

/** Why the day's count of this entry is not met. A grant that is counted already is judged by those before it. */
function* missedToday(
  profile: string,
  { when }: AutomaticEntry,
  { person, at: { now }, grant }: Case,
): Asking<ReturnType<typeof missedPerDay>> {
  if (when.perDay === undefined) return null;
  const approved = yield { about: 'approved', how: 'automatic', person, profile, since: dayOf(when, now) };
  if (!(approved instanceof Set)) return 'How many you have had today is not known now.';
  return missedPerDay(when, countedBefore(approved, grant));
}

function* membersOf(
  profile: string,
  { path, when: { members } }: AutomaticEntry,
  person: Person,
): Asking<{ readonly is: 'met'; readonly rule: string } | Exclude<Listing, { readonly is: 'named' }>> {
  const rule = placeOf(profile, path);
  if (members === undefined) return { is: 'met', rule };
  const listing = yield* allowedBy({ [rule]: members }, person);
  return listing.is === 'named' ? { is: 'met', rule: ruleOf(listing.entry) } : listing;
}

/** May this person decide on what waits, a request or a longer window? The first half of a review: it lists what waits for somebody. */
export function* mayDecide(rules: Pick<Rules, 'policy' | 'now'>, grant: Grant, person: Person): Asking<Decided> {
  const act = { kind: 'approve', of: grant.extension === null ? 'request' : 'extension', grant } as const;
  if (profileNamed(rules.policy, grant.profile) === undefined) return noProfile(rules.policy, act, grant.profile);
  return yield* mayAct(rules, act, person, grant.requester);
}

/** What waits for people, and how long access would last by it. */
function waitingOf(of: Subject, grant: Grant): { readonly waiting: Waiting; readonly duration: number } {
  const { extension, startsAt, expiresAt } = grant;
  if (of === 'request') return { waiting: waitingRequest(grant), duration: grant.plan.duration };
  if (extension === null || startsAt === null || expiresAt === null)
    return { waiting: { approvals: [], waived: [], askedAt: grant.createdAt }, duration: grant.duration };
  const window = Math.ceil((expiresAt - startsAt) / 1000);
  return { waiting: waitingExtension(extension), duration: window + extension.duration };
}

/** Whether somebody decides, whom the policy does not deny it. Of the requester both count: who asked, and who that account is now. */
function* mayReview(
  { policy, now }: Pick<Rules, 'policy' | 'now'>,
  { kind, of, grant }: Approval | Denial,
  reviewer: Person,
  requester: Person | Refusal,
): Asking<Decided<Reviewing & Approvals>> {
  const path = `profiles.${grant.profile}`;
  const profile = policy.profiles[grant.profile] as Profile;
  const isOwn =
    isSamePerson(reviewer, grant.requester) || (!(requester instanceof Refusal) && isSamePerson(reviewer, requester));
  if (isOwn && !profile.selfApproval)
    return refuse(
      `${path}.selfApproval`,
      `You can't ${kind} your own request.`,
      'Another approver must press the button.',
    );
  const { waiting, duration } = waitingOf(of, grant);
  if (kind === 'approve' && waiting.approvals.some(({ by }) => by !== null && isSamePerson(by, reviewer)))
    return refuse(
      'approvals',
      'You have decided on this already: each person counts once.',
      'Another approver must press the button.',
    );
  const approval = approvalOf(profile);
  // That its ticket still counts is judged with what the requester is given.
  const ticket = grant.ticket !== undefined;
  const rights = kitsGiven(profile, grant.rights);
  const { cluster, target } = grant;
  const circumstances: Circumstances = {
    cluster,
    namespace: target.namespace ?? null,
    duration,
    rights,
    now,
    startsAt: startIn(grant),
    ticket,
  };
  const waived =
    kind === 'deny' ? waiting.waived : yield* stillWaived(grant.profile, approval, waiting, circumstances, requester);
  const stands: Waiting = { ...waiting, waived };
  const { steps } = progressOf(approval, stands);
  const { rules, unknown } = yield* decidableBy(grant.profile, steps, reviewer, now);
  const names = steps.filter(({ step }) => rules.has(step.name));
  const asked = names.filter(({ askedAt }) => askedAt !== null);
  const [first] = asked;
  const counts = kind === 'deny' ? first !== undefined : wouldCount(approval, stands, [...rules.keys()]);
  if (first !== undefined && counts)
    return {
      allowed: true,
      rule: rules.get((asked.find(({ isComplete }) => !isComplete) ?? first).step.name) ?? '',
      steps: [...rules.keys()],
      ...approvalsWithout(profile, waived),
    };
  if (unknown !== null)
    return unread(
      unknown.entry,
      unknown.retryIn,
      `Whether you are an approver of profile '${grant.profile}' is not known.`,
    );
  return whyNotCounted(grant.profile, profile, steps, names);
}

/** A step that people were asked to decide stays needed, and one that was waived is needed where its conditions do not hold any more. */
function* stillWaived(
  profile: string,
  { steps }: ReturnType<typeof approvalOf>,
  { waived }: Waiting,
  circumstances: Circumstances,
  requester: Person | Refusal,
): Asking<WaivedStep[]> {
  if (requester instanceof Refusal) return [];
  const were = steps.filter(({ name }) => waived.some((one) => one.name === name));
  return yield* waivedSteps(profile, were, circumstances, requester);
}

/** Why nobody needs this person's word now. `own`: the steps that this person may decide. */
function whyNotCounted(
  name: string,
  profile: Profile,
  steps: readonly StepProgress[],
  own: readonly StepProgress[],
): No {
  const path = `profiles.${name}`;
  const [first] = own;
  if (first === undefined)
    return refuse(
      profile.approvers === undefined ? `${path}.approval.steps` : `${path}.approvers`,
      `You are not an approver of profile '${name}'.`,
      'The message of the request names those who are.',
    );
  const open = steps.filter(({ askedAt, isComplete }) => askedAt !== null && !isComplete).map(({ step }) => step.name);
  if (own.every(({ askedAt }) => askedAt === null))
    return refuse(
      `${path}.approval.order`,
      `Step '${first.step.name}' has not been asked yet.`,
      `It is asked when the step before it is complete; now it is the turn of '${open.join("', '")}'.`,
    );
  return refuse(
    'approvals',
    `Enough people have approved for what you may decide: ${own.map(({ step }) => step.name).join(', ')}.`,
    open.length === 0 ? 'There is nothing left to approve.' : `Others must press the button, for: ${open.join(', ')}.`,
  );
}

/**
 * The requester, its approvers and administrators end a grant, or call the request back. No deny list keeps anybody from it, and no list is
 * read for the requester: an end must be possible while Slack can't say who is in which group.
 */
function* decideEnd(policy: Policy, grant: Grant, actor: Person | null): Asking<Decided> {
  if (actor === null) return NOBODY;
  if (isSamePerson(actor, grant.requester)) return { allowed: true, rule: 'requester' };
  const profile = profileNamed(policy, grant.profile);
  const lists = {
    administrators: policy.administrators,
    ...(profile === undefined ? {} : decidersOf(grant.profile, profile)),
  };
  return verdictOf(yield* allowedBy(lists, actor), 'Whether you may end this is not known.', () =>
    refuse(
      'revoke',
      'Only the requester, an approver of the profile or an administrator ends a grant.',
      'Ask one of them.',
    ),
  );
}

/**
 * Why somebody may not keep what is open: the account is deactivated, or the policy denies them the profile, as whom they are now or were when
 * they asked. Null: nothing that can be read says so.
 */
export function* decideStay(policy: Policy, grant: Grant, requester: Person | Refusal): Asking<Refusal | null> {
  if (requester instanceof Refusal && requester.rule === 'identity.deactivated') return requester;
  if (profileNamed(policy, grant.profile) === undefined) return null;
  for (const person of [requester, grant.requester]) {
    const why = person instanceof Refusal ? null : yield* denied(policy, grant.profile, person);
    if (why !== null && !(why.refusal instanceof UnreadableMembers)) return why.refusal;
  }
  return null;
}

/** Seconds by which the window can still be made longer: never past the profile's maximum, counted from its start. */
export function roomToExtend(grant: Grant, profile: Profile): number {
  const { startsAt, expiresAt } = grant;
  if (grant.state !== 'active' || startsAt === null || expiresAt === null) return 0;
  return Math.max(0, profile.duration.maximum - Math.ceil((expiresAt - startsAt) / 1000));
}

function* decideExtension(
  { now }: Rules,
  profile: Profile,
  cluster: ClusterName,
  act: Extract<Giving, { readonly kind: 'extend' | 'approve' }>,
  requester: Person,
  rule: string,
  by: JudgedTicket | null,
): Asking<Decided<Terms>> {
  const { grant } = act;
  const path = `profiles.${grant.profile}`;
  if (grant.state !== 'active' || grant.startsAt === null || grant.expiresAt === null || grant.expiresAt <= now)
    return refuse(
      'extend',
      `Only an active grant can be extended; ${grant.id} is ${grant.state === 'active' ? 'at its end' : grant.state}.`,
      'Make a new request.',
    );
  // What would be prolonged is bound to the user of the plan; the account leads to another one now.
  if (identityIn(requester, cluster)?.user !== grant.plan.user)
    return refuse(
      'identity.user',
      `The Slack account of the requester is another Kubernetes user now; ${grant.id} is ${grant.plan.user}'s.`,
      'Make a new request when this one has ended.',
    );
  const room = roomToExtend(grant, profile);
  const wanted = act.kind === 'extend' ? act.seconds : grant.extension?.duration;
  const duration = wanted ?? Math.min(profile.duration.default, room || profile.duration.default);
  if (!Number.isSafeInteger(duration) || duration <= 0)
    return refuse(
      `${path}.duration`,
      'The duration must be longer than nothing.',
      `Durations: ${describeDurations(profile)}.`,
    );
  if (duration > room)
    return refuse(
      `${path}.duration.maximum`,
      `With ${formatDuration(duration)} more the window would be longer than the ${formatDuration(profile.duration.maximum)} that profile '${grant.profile}' allows.`,
      room > 0 ? `Ask for ${formatDuration(room)} at most.` : 'Make a new request when this one has ended.',
    );
  const tooLong = whyNotSoLong(path, by, grant.expiresAt + duration * 1000, now);
  if (tooLong !== null) return tooLong;
  const ticket = by?.ticket ?? null;
  const byPeople = termsByPeople(rule, profile, cluster, duration, ticket);
  if (act.kind !== 'extend') return byPeople;
  const whole = profile.duration.maximum - room + duration;
  const at = { now, startsAt: null, ticket: ticket !== null };
  const judged = { duration: whole, person: requester, at, grant: grant.id, saysNear: false };
  const automatic = yield* automaticRule(profile, { ...grant, cluster }, judged);
  if (automatic.is === 'met') return { ...byPeople, rule: automatic.rule, approvals: 0, counts: automatic.counts };
  return { ...byPeople, ...(yield* approvalsFor(profile, { ...grant, cluster }, whole, requester, at)) };
}

/** What approvers of an extension agree to: the grant as it was approved, its end, and so much more. */
export function extensionDigest(grant: Grant, extension: Extension): string {
  return digestOf({ grant: grant.digest, expiresAt: grant.expiresAt, duration: extension.duration });
}
