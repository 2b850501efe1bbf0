import type { Instant } from '../clocks.ts';
import { Refusal, UnreadableMembers, UnreadableTicket } from '../errors.ts';
import { type Grant, holdsAccess } from '../grant/grant.ts';
import { nearest } from '../nearest.ts';
import { type Asking, allowedBy, type Person } from '../people/people.ts';
import { describeLists } from '../policy/conditions-in-words.ts';
import { isSamePerson } from '../policy/identity.ts';
import { decidersOf, type Policy, type Profile, profileNamed } from '../policy/policy.ts';
import {
  type Act,
  type Approval,
  type Ask,
  askOf,
  type Ending,
  type Giving,
  type Parties,
  type Reviewing,
  type Rules,
  type Terms,
} from './act.ts';
import { decideBreakGlass } from './break-glass.ts';
import { type Decided, denied, type No, refuse, verdictOf, type Why } from './decided.ts';
import { decideExtension } from './extension.ts';
import { type PlacedAsk, placeOfAsk } from './in-cluster.ts';
import { whyNotNote } from './notes.ts';
import { mayReview } from './review.ts';
import { termsOfRequest } from './terms.ts';
import { judgeTicketOf, whyNotSoLong } from './ticket.ts';
import { whyNot, whyNotReason, whyNotThen } from './why-not.ts';

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
  if (profileNamed(rules.policy, name) === undefined) return yield* noProfile(rules.policy, act, name, requester);
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

/** When the window would end, or ends where it is open. What is applied a moment after it was approved does not fail by that moment. */
function endOfWindow(act: Giving, { startAt = 0 }: Ask, duration: number, now: Instant): Instant {
  if (act.kind === 'apply' && holdsAccess(act.grant.state) && act.grant.expiresAt !== null) return act.grant.expiresAt;
  return Math.max(now, startAt) + duration * 1000 - (act.kind === 'apply' ? 60_000 : 0);
}

/** The profile that was probably meant is named to whoever may ask for it. */
function* noProfile(policy: Policy, act: Act, name: string, requester: Person | Refusal): Asking<No> {
  if (act.kind === 'request') {
    const typed = name.slice(0, 63);
    const own: string[] = [];
    for (const candidate of Object.keys(policy.profiles))
      if (
        nearest(typed, [candidate]) !== null &&
        !(requester instanceof Refusal) &&
        (yield* mayAsk(policy, candidate, requester)).allowed
      )
        own.push(candidate);
    const near = nearest(typed, own);
    const remedy = '`/jit` shows what you may ask for.';
    return refuse(
      'profiles',
      `There is no profile '${typed}'.`,
      near === null ? remedy : `Did you mean '${near}'? ${remedy}`,
    );
  }
  return noMoreProfile(act, name);
}

function noMoreProfile(act: Act, name: string): No {
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

/** May this person decide on what waits, a request or a longer window? The first half of a review: it lists what waits for somebody. */
export function* mayDecide(rules: Pick<Rules, 'policy' | 'now'>, grant: Grant, person: Person): Asking<Decided> {
  const act = { kind: 'approve', of: grant.extension === null ? 'request' : 'extension', grant } as const;
  if (profileNamed(rules.policy, grant.profile) === undefined) return noMoreProfile(act, grant.profile);
  return yield* mayAct(rules, act, person, grant.requester);
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
