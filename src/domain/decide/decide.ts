import { digestOf } from '../canonical.ts';
import type { Instant } from '../clocks.ts';
import { formatDuration } from '../duration.ts';
import { Refusal, UnreadableMembers } from '../errors.ts';
import { approvalsOf, type Decision, type Extension, type Grant, holdsAccess } from '../grant/grant.ts';
import { type Asking, allowedBy, deniedBy, type Entry, type Listing, type Person, ruleOf } from '../people/people.ts';
import { isSamePerson } from '../policy/identity.ts';
import {
  type AutomaticEntry,
  automaticEntries,
  describeDurations,
  isSystemNamespace,
  matchesNamespace,
  type Policy,
  type Profile,
  profileNamed,
} from '../policy/policy.ts';
import type { Kit } from '../rights/kits.ts';
import type { Wanted } from '../target.ts';
import { missedConditions } from './conditions.ts';

/** The longest reason that is taken: a message shows it whole. */
export const LONGEST_REASON = 500;

/** The names of namespaces and Services. https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names */
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** What somebody asks for. `duration` null: the profile's default. */
export interface Ask {
  readonly profile: string;
  readonly target: Wanted;
  /** Fewer of the profile's rights in words; left out: all of them. */
  readonly rights?: readonly Kit[];
  readonly duration: number | null;
  readonly reason: string;
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
  /** `isPreview`: it is to be shown only, with the condition that it just misses. */
  | { readonly kind: 'request'; readonly ask: Ask; readonly isPreview?: boolean }
  /** `seconds` null: the profile's default, cut to what is left of its maximum. */
  | { readonly kind: 'extend'; readonly grant: Grant; readonly seconds: number | null }
  | Approval
  | { readonly kind: 'apply'; readonly grant: Grant };
export type Approval = { readonly kind: 'approve'; readonly of: Subject; readonly grant: Grant };
export type Denial = { readonly kind: 'deny'; readonly of: Subject; readonly grant: Grant };
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
  /** Seconds; of an extension: how much more. */
  readonly duration: number;
  /** How many people must approve; 0: a condition of the policy is met. */
  readonly approvals: number;
  /** Of a preview: the one condition without which the policy itself would have approved it, as a sentence. */
  readonly missed: string | null;
}

/** A decision with the rule of the policy that made it. */
export type Decided<T = unknown> =
  | ({ readonly allowed: true; readonly rule: string } & T)
  | { readonly allowed: false; readonly refusal: Refusal };

type No = { readonly allowed: false; readonly refusal: Refusal };
const refuse = (rule: string, reason: string, remedy = ''): No => ({
  allowed: false,
  refusal: new Refusal(rule, reason, remedy),
});
/** Who is in a list can't be read, and that decides. `what`: what is therefore not known. */
const unread = ({ word, id, path }: Entry, retryIn: number | null, what: string): No => ({
  allowed: false,
  refusal: new UnreadableMembers(`${path} (${word}: ${id}, whose members can't be read now)`, id, retryIn, what),
});

/** What only a person does. */
const NOBODY = refuse('actor', 'Drawbridge does not do that by itself.');

type Why = No | null;
/** The first refusal of an ordered list of checks. */
function firstRefusal(...checks: (() => Why)[]): Why {
  for (const check of checks) {
    const why = check();
    if (why !== null) return why;
  }
  return null;
}

/**
 * The one entry for every decision: may this be done now? First whether the actor may act (explicit deny before all else), then whether the
 * requester would be given it by the policy as it is now (explicit deny first again): a stranger is not told what it says of somebody else.
 */
export function decide(rules: Rules, act: Giving, parties: Parties): Asking<Decided<Terms>>;
export function decide(rules: Rules, act: Act, parties: Parties): Asking<Decided>;
export function* decide(rules: Rules, act: Act, { requester, actor }: Parties): Asking<Decided> {
  if (act.kind === 'end') return yield* decideEnd(rules.policy, act.grant, actor);
  const name = act.kind === 'request' ? act.ask.profile : act.grant.profile;
  if (profileNamed(rules.policy, name) === undefined) return noProfile(rules.policy, act, name);
  const may = yield* mayAct(rules.policy, act, actor, requester);
  if (!may.allowed || act.kind === 'deny') return may;
  const given = yield* decideGift(rules, act, requester);
  if (given.allowed) return act.kind === 'approve' ? { ...given, rule: may.rule } : given;
  const isActor = !(requester instanceof Refusal) && requester.slackId === actor?.slackId;
  return isActor ? given : aboutRequester(given, act);
}

function* mayAct(
  policy: Policy,
  act: Exclude<Act, Ending>,
  actor: Person | null,
  requester: Person | Refusal,
): Asking<Decided> {
  if (act.kind === 'request' || act.kind === 'apply') return { allowed: true, rule: 'requester' };
  if (actor === null) return NOBODY;
  const why = yield* denied(policy, act.grant.profile, actor);
  if (why !== null) return why;
  if (act.kind !== 'extend') return yield* mayReview(policy, act, actor, requester);
  return isSamePerson(actor, act.grant.requester)
    ? { allowed: true, rule: 'requester' }
    : refuse('extend', 'Only the requester asks for a longer window.', 'Ask for a grant of your own.');
}

/** Whether whoever benefits would be given it now. */
function* decideGift(rules: Rules, act: Giving, requester: Person | Refusal): Asking<Decided<Terms>> {
  if (requester instanceof Refusal) return { allowed: false, refusal: requester };
  const ask: Ask = act.kind === 'request' ? act.ask : { ...act.grant, duration: act.grant.plan.duration };
  const asking = yield* mayAsk(rules.policy, ask.profile, requester);
  if (!asking.allowed) return asking;
  const profile = rules.policy.profiles[ask.profile] as Profile;
  const duration = ask.duration ?? profile.duration.default;
  const why = whyNot(rules, profile, ask, duration);
  if (why !== null) return why;
  if (act.kind === 'extend' || (act.kind === 'approve' && act.of === 'extension'))
    return yield* decideExtension(rules, profile, act, requester, asking.rule);
  return yield* termsOfRequest(rules, profile, act, ask, duration, requester, asking.rule);
}

function* termsOfRequest(
  { now }: Rules,
  profile: Profile,
  act: Giving,
  ask: Ask,
  duration: number,
  requester: Person,
  rule: string,
): Asking<Decided<Terms>> {
  const byPeople = { allowed: true, rule, profile, duration, approvals: profile.approvals, missed: null } as const;
  const isByPolicy = act.kind === 'apply' && act.grant.approvalsNeeded === 0 && !holdsAccess(act.grant.state);
  // Who approves, or has approved, needs no condition of the policy.
  if (act.kind !== 'request' && !isByPolicy) return byPeople;
  const automatic = yield* automaticRule(
    profile,
    ask,
    duration,
    requester,
    now,
    act.kind === 'request' && act.isPreview === true,
  );
  if (automatic.is === 'met') return { ...byPeople, rule: automatic.rule, approvals: 0 };
  if (!isByPolicy) return automatic.is === 'unmet' ? { ...byPeople, missed: automatic.missed } : byPeople;
  return automatic.is === 'unknown'
    ? unread(automatic.entry, automatic.retryIn, 'Whether the policy still approves this by itself is not known.')
    : refuse(
        `profiles.${ask.profile}.automatic`,
        'The condition by which the policy approved this by itself is not met any more.',
        'Ask again: people decide.',
      );
}

function noProfile({ profiles }: Policy, act: Act, name: string): No {
  if (act.kind === 'request')
    return refuse(
      'profiles',
      `There is no profile '${name.slice(0, 63)}'.`,
      `Profiles are: ${Object.keys(profiles).join(', ')}.`,
    );
  return refuse(
    'profiles',
    `The policy has no profile '${name}' any more.`,
    act.kind === 'extend'
      ? 'Make a new request when this one has ended.'
      : 'Administrators can call it back; else it ends by itself.',
  );
}

/** A refusal speaks to the requester; who reads it is an approver, or it goes into the record. */
function aboutRequester({ refusal }: No, act: Act): No {
  const isRequest = act.kind === 'apply' || (act.kind === 'approve' && act.of === 'request');
  const what = isRequest
    ? 'The policy would not take this request any more.'
    : 'The policy would not give this any longer.';
  const remedy = isRequest ? 'Deny it, or let it time out.' : 'Deny it; the window ends as it was approved.';
  const reason = `${what} To the requester it would say: ${refusal.message}`;
  return {
    allowed: false,
    refusal:
      refusal instanceof UnreadableMembers
        ? refusal.saying(`Whether the policy still gives this to the requester is not known.`)
        : new Refusal(refusal.rule, reason, remedy),
  };
}

function* denied(policy: Policy, name: string, person: Person): Asking<Why> {
  const profile = policy.profiles[name] as Profile;
  const listing = yield* deniedBy(`profiles.${name}.deny`, profile.deny, person, policy.identity);
  if (listing.is === 'unnamed') return null;
  if (listing.is === 'unknown')
    return unread(listing.entry, listing.retryIn, `Whether the policy denies profile '${name}' to you is not known.`);
  return refuse(
    ruleOf(listing.entry),
    `The policy denies profile '${name}' to you.`,
    'Ask an administrator of Drawbridge.',
  );
}

/** May this person ask for this profile at all? The first half of a request: it fills the form. */
export function* mayAsk(policy: Policy, name: string, person: Person): Asking<Decided> {
  const why = yield* denied(policy, name, person);
  if (why !== null) return why;
  const path = `profiles.${name}.requesters`;
  const listing = yield* allowedBy({ [path]: (policy.profiles[name] as Profile).requesters }, person);
  return verdictOf(listing, `Whether profile '${name}' is yours to ask for is not known.`, () =>
    refuse(path, `Profile '${name}' is not yours to ask for.`, '`/jit` shows what you may ask for.'),
  );
}

/** An allow list's answer as a decision. `unknown`: what is not known while it can't be read. */
function verdictOf(listing: Listing, unknown: string, no: () => No): Decided {
  if (listing.is === 'named') return { allowed: true, rule: ruleOf(listing.entry) };
  return listing.is === 'unknown' ? unread(listing.entry, listing.retryIn, unknown) : no();
}

function whyNot({ closedNamespaces }: Rules, profile: Profile, ask: Ask, duration: number): Why {
  const { target } = ask;
  const path = `profiles.${ask.profile}`;
  return firstRefusal(
    () =>
      LABEL.test(target.namespace)
        ? null
        : refuse(
            'target',
            `'${target.namespace.slice(0, 63)}' is not the name of a namespace.`,
            'Name one namespace; patterns are not taken.',
          ),
    () =>
      isSystemNamespace(target.namespace) || closedNamespaces.includes(target.namespace)
        ? refuse(
            'namespaces',
            `Namespace '${target.namespace}' is closed to every profile: it belongs to Kubernetes or to Drawbridge.`,
          )
        : null,
    () =>
      matchesNamespace(profile.namespaces, target.namespace)
        ? null
        : refuse(
            `${path}.namespaces`,
            `Profile '${ask.profile}' does not cover namespace '${target.namespace}'.`,
            `It covers: ${profile.namespaces.join(', ')}.`,
          ),
    () =>
      profile.scope === 'workload' && target.workload === undefined && target.service === undefined
        ? refuse(
            `${path}.scope`,
            `Profile '${ask.profile}' is for one workload.`,
            `Name it, or a Service in front of it: \`/jit request ${ask.profile} ${target.namespace}/deploy/NAME\`, or \`${target.namespace}/svc/NAME\`.`,
          )
        : null,
    () =>
      profile.scope === 'namespace' && (target.workload !== undefined || target.service !== undefined)
        ? refuse(
            `${path}.scope`,
            `Profile '${ask.profile}' is for a whole namespace, not for one workload.`,
            `Ask for \`${target.namespace}\` alone, or for a profile with scope workload.`,
          )
        : null,
    () => whyNotRights(ask, profile, path),
    () =>
      target.workload === undefined || /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(target.workload.name)
        ? null
        : refuse(
            'target',
            'That is not the name of a workload.',
            'Names have lower-case letters, digits, dashes and dots.',
          ),
    () =>
      target.service === undefined || LABEL.test(target.service)
        ? null
        : refuse('target', 'That is not the name of a Service.', 'Names have lower-case letters, digits and dashes.'),
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
  | { readonly is: 'met'; readonly rule: string }
  | { readonly is: 'unmet'; readonly missed: string | null }
  | Extract<Listing, { readonly is: 'unknown' }>;

/**
 * The first entry by which the policy itself approves. It never acknowledges what a person would have to.
 * @param saysNear whether to find out what only just was not met, which may take further look-ups
 */
function* automaticRule(
  profile: Profile,
  ask: Ask,
  duration: number,
  person: Person,
  now: Instant,
  saysNear: boolean,
): Asking<Automatic> {
  if (profile.acknowledgePersistence || profile.network.allowIsolation) return { is: 'unmet', missed: null };
  const circumstances = { namespace: ask.target.namespace, duration, now };
  let unknown: Extract<Listing, { readonly is: 'unknown' }> | null = null;
  const near: { readonly entry: AutomaticEntry; readonly missed: string }[] = [];
  for (const entry of automaticEntries(profile)) {
    const [missed, ...more] = missedConditions(entry.when, circumstances);
    if (missed === undefined) {
      const listing = yield* membersOf(ask.profile, entry, person);
      if (listing.is === 'met') return listing;
      if (listing.is === 'unknown') unknown ??= listing;
    } else if (more.length === 0) near.push({ entry, missed });
  }
  if (unknown !== null) return unknown;
  // Who is not one of the members is not told what others need not wait for.
  for (const { entry, missed } of saysNear ? near : [])
    if ((yield* membersOf(ask.profile, entry, person)).is === 'met') return { is: 'unmet', missed };
  return { is: 'unmet', missed: null };
}

function* membersOf(
  profile: string,
  { path, when: { members } }: AutomaticEntry,
  person: Person,
): Asking<{ readonly is: 'met'; readonly rule: string } | Exclude<Listing, { readonly is: 'named' }>> {
  const at = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`)).join('');
  const rule = `profiles.${profile}${at}`;
  if (members === undefined) return { is: 'met', rule };
  const listing = yield* allowedBy({ [rule]: members }, person);
  return listing.is === 'named' ? { is: 'met', rule: ruleOf(listing.entry) } : listing;
}

/** May this person decide on a request that waits? The first half of a review: it lists what waits for somebody. */
export function* mayDecide(policy: Policy, grant: Grant, person: Person): Asking<Decided> {
  const act = { kind: 'approve', of: 'request', grant } as const;
  if (profileNamed(policy, grant.profile) === undefined) return noProfile(policy, act, grant.profile);
  return yield* mayAct(policy, act, person, grant.requester);
}

/** Whether somebody decides, whom the policy does not deny it. Of the requester both count: who asked, and who that account is now. */
function* mayReview(
  policy: Policy,
  { kind, of, grant }: Approval | Denial,
  reviewer: Person,
  requester: Person | Refusal,
): Asking<Decided> {
  const path = `profiles.${grant.profile}`;
  const profile = policy.profiles[grant.profile] as Profile;
  const isOwn =
    isSamePerson(reviewer, grant.requester) || (!(requester instanceof Refusal) && isSamePerson(reviewer, requester));
  if (isOwn && !profile.selfApproval)
    return refuse(
      `${path}.selfApproval`,
      'Nobody decides on a request of their own.',
      'Another approver must press the button.',
    );
  if (decisionsOn(grant, of).some((d) => d.verdict === kind && d.by !== null && isSamePerson(d.by, reviewer)))
    return refuse(
      'approvals',
      'You have decided on this already: each person counts once.',
      'Another approver must press the button.',
    );
  const listing = yield* allowedBy({ [`${path}.approvers`]: profile.approvers }, reviewer);
  return verdictOf(listing, `Whether you are an approver of profile '${grant.profile}' is not known.`, () =>
    refuse(
      `${path}.approvers`,
      `You are not an approver of profile '${grant.profile}'.`,
      'The message of the request names those who are.',
    ),
  );
}

/** What was decided on what waits now. */
function decisionsOn(grant: Grant, of: Subject): readonly Decision[] {
  if (of === 'extension') return grant.extension?.approvals ?? [];
  return grant.decisions.filter((d) => d.digest === grant.digest);
}

/** How many more people must approve. */
export function approvalsMissing(grant: Grant): number {
  return Math.max(0, grant.approvalsNeeded - approvalsOf(grant).length);
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
    ...(profile === undefined ? {} : { [`profiles.${grant.profile}.approvers`]: profile.approvers }),
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
  act: Extract<Giving, { readonly kind: 'extend' | 'approve' }>,
  requester: Person,
  rule: string,
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
  if (requester.user !== grant.plan.user)
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
  if (act.kind !== 'extend')
    return { allowed: true, rule, profile, duration, approvals: profile.approvals, missed: null };
  const whole = profile.duration.maximum - room + duration;
  const automatic = yield* automaticRule(profile, { ...grant, duration: whole }, whole, requester, now, false);
  return automatic.is === 'met'
    ? { allowed: true, rule: automatic.rule, profile, duration, approvals: 0, missed: null }
    : { allowed: true, rule, profile, duration, approvals: profile.approvals, missed: null };
}

/** What approvers of an extension agree to: the grant as it was approved, its end, and so much more. */
export function extensionDigest(grant: Grant, extension: Extension): string {
  return digestOf({ grant: grant.digest, expiresAt: grant.expiresAt, duration: extension.duration });
}
