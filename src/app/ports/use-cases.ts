import type { Instant } from '../../domain/clocks.ts';
import type { Ask } from '../../domain/decide/act.ts';
import type { NoteRule, Verdict } from '../../domain/decide/notes.ts';
import type { Refusal } from '../../domain/errors.ts';
import type { GlassReview, Grant, MessageRef } from '../../domain/grant/grant.ts';
import type { OpenAccess } from '../../domain/grant/reading.ts';
import type { GrantId } from '../../domain/ids.ts';
import type { Narrowing } from '../../domain/plan/narrower.ts';
import type { Scope } from '../../domain/policy/policy.ts';
import type { Kit } from '../../domain/rights/kits.ts';
import type { TypedStart } from '../../domain/start.ts';
import type { ClusterName } from '../../domain/target.ts';
import type { Concealed } from './cluster-access.ts';
import type { Freshness } from './directory.ts';
import type { View } from './view.ts';

/** What a person asks for, as it was typed: the start by the person's own clocks. */
export interface Asked extends Omit<Ask, 'startAt'> {
  readonly start?: TypedStart;
}

/** A profile that a person may ask for, for the request modal. */
export interface Offer {
  readonly profile: string;
  readonly cluster: ClusterName;
  readonly description: string;
  readonly scope: Scope;
  /** Its rights in words, of which a person may ask for fewer; null: it has none. */
  readonly rights: readonly Kit[] | null;
  /** Whether a ticket must be named, and what its key looks like; left out: it takes none. */
  readonly ticket?: { readonly need: 'required' | 'optional'; readonly pattern: string };
  /** What it asks of a reason: characters at least, and what a good one says. */
  readonly reason?: { readonly min?: number | undefined; readonly template?: string | undefined };
  /** Existing namespaces that the profile covers, sorted; none where it is for what is in none. */
  readonly namespaces: readonly string[];
  /** Existing nodes that the profile covers, sorted; left out: it is for no node. */
  readonly nodes?: readonly string[];
  /** Seconds. */
  readonly defaultDuration: number;
  readonly maximumDuration: number;
  /** How this person may have it by breaking the glass; left out: they may not. */
  readonly breakGlass?: BreakGlassOffer;
}

/** Break-glass access, as whoever may have it is warned of it. */
export interface BreakGlassOffer {
  /** Seconds. */
  readonly maximum: number;
  /** Who is told at once, and who reviews it afterwards, as people are named in the policy: a phrase each. */
  readonly told: string;
  readonly reviewers: string;
}

/** What would be granted: a request as it would be made, of which nothing is stored. */
export interface Proposal {
  /** Its id is of nothing that exists. */
  readonly view: View;
  /** The rule by which it may be asked for; where no approval is needed, the one by which the policy itself approves. */
  readonly rule: string;
  /** The one condition without which the policy itself would approve it, as a sentence. */
  readonly missed: string | null;
  /** Short digest of what is shown, to ask for just that. */
  readonly digest: string;
  /** The same, where this person has asked for it already: a request is answered with it. */
  readonly asked?: View;
}

/** What came of a request. */
export interface Requested extends View {
  /** The one condition without which the policy itself would have approved it, as a sentence; null where a preview has said it. */
  readonly missed: string | null;
  /** It was asked for before and waits or is open: nothing new was requested. */
  readonly isAgain: boolean;
}

/** What approving a request that waits would give now. */
export type Anew =
  | { readonly kind: 'same' }
  /** Approving it would ask the approvers again, with this plan. */
  | { readonly kind: 'changed'; readonly view: View }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** The cluster, Slack or the policy could not be asked. */
  | { readonly kind: 'unknown' };

/** A grant as this person may see it: whole (`anew`: the plan of a request that waits made anew, null for others), or what everybody may know of it. */
export type Inspected = { readonly view: View; readonly anew: Anew | null } | { readonly access: OpenAccess };

/** What a list says of a grant. */
export type Listed = OpenAccess & Pick<Grant, 'endedAt' | 'digest'>;

/** Which of everything an administrator means: all that is said must hold; nothing said: all of it. From the person's side: it is judged anew. */
export interface Which {
  /** Slack id of the requester; the same person by another account counts, too. */
  readonly person?: string;
  readonly namespace?: string;
  readonly cluster?: string;
}

/** What of everything that is open or waits matches, a page at a time: what gives access first, the soonest end before the others. Pages count from 0. */
export interface Everything {
  readonly which: Which;
  readonly entries: readonly Listed[];
  readonly page: number;
  readonly pages: number;
  /** How many are on the pages; of more that match the rest is found by saying which. */
  readonly listed: number;
  /** How many match, on whatever page. */
  readonly count: number;
  /** How many of them can be ended or withdrawn: they are not being ended already. */
  readonly endable: number;
  /** Names of the clusters to choose from; empty where there is one. */
  readonly clusters: readonly string[];
}

/** What came of ending all that matches. */
export interface EndedAll {
  readonly ended: number;
  readonly withdrawn: number;
  /** How many could not be ended; why, of the first few. */
  readonly failures: number;
  readonly failed: readonly { readonly id: GrantId; readonly error: unknown }[];
}

/** A cluster in which nothing can be asked for now. */
export interface ClosedCluster {
  readonly name: string;
  /** A clause without a stop: it may hold words of those who run it. */
  readonly why: string;
  readonly remedy: string;
}

/** What a person finds on the Home of the bot. */
export interface Home {
  /** What is open before what waits. */
  readonly mine: readonly View[];
  readonly waiting: readonly View[];
  /** Others may wait than were looked at. */
  readonly more: boolean;
  readonly offers: readonly Offer[];
  /** What has ended, each request once: it can be asked for again. */
  readonly ended: readonly Listed[];
  /** Break-glass access of this person that nobody has reviewed yet. */
  readonly unreviewed: readonly Listed[];
  /** Null: this is no administrator. */
  readonly everything: Everything | null;
  /** When this was so, and what time left is counted from. */
  readonly asOf: Instant;
}

/** What a decision was made on: the digest that the button carried, and the message that the button was in. */
export interface Seen {
  /** The first characters of the plan's digest (`shortDigest`). */
  readonly digest: string;
  /** Null: shown to the reviewer alone (`/jit approve`). */
  readonly message: MessageRef | null;
}

/**
 * What people can do, by Slack id; the adapter for Slack is the only caller. Each looks up the person and the policy as they are now.
 * All throw `Refusal` for a "no" that may be shown, `Unavailable` when a dependency is away.
 */
export interface UseCases {
  /** `recently`: with each letter that somebody types, for which Slack is not asked who they are each time. Nothing is decided by it. */
  offers(slackId: string, freshness?: Freshness): Promise<Offer[]>;
  /** The clusters in which this person could ask for something, and nobody can now. */
  closedClusters(slackId: string): Promise<ClosedCluster[]>;
  /** Workloads of a namespace that one of the person's offers covers. */
  workloads(
    slackId: string,
    profile: string,
    cluster: ClusterName,
    namespace: string,
  ): Promise<{ kind: string; name: string }[]>;
  /** What a request of a profile names; null: the policy has no such profile. */
  scopeOf(profile: string): Scope | null;
  /** The moment that somebody means by the clock of their Slack account. */
  startOf(slackId: string, start: TypedStart): Promise<Instant>;
  /** What a request would be, by the same rules and the same plan; stores nothing and tells nobody. */
  preview(slackId: string, ask: Asked): Promise<Proposal>;
  /** Makes a request; it is pending, or approved by the policy itself. Where the same waits or is open, that one is answered. */
  request(slackId: string, ask: Asked): Promise<Requested>;
  /** The same for what was shown, by the proposal's digest; where it would be another now, requests nothing and answers that one. */
  requestAsShown(
    slackId: string,
    ask: Asked,
    digest: string,
  ): Promise<{ readonly requested: Requested } | { readonly changed: Proposal }>;
  /** One decision of one person. The grant may still be pending afterwards (more approvals are needed, or the plan differs: asked again). */
  review(slackId: string, id: GrantId, verdict: Verdict, note: string, seen: Seen): Promise<View>;
  /** Whether this person may decide on it now; decides nothing. @throws Refusal as the decision would, but for its note */
  mustBeReviewable(
    slackId: string,
    id: GrantId,
    verdict: Verdict,
    of: 'request' | 'extension',
    seen: Seen,
  ): Promise<void>;
  /** Asks for a longer window; `seconds` null: the profile's default duration, cut to what is left of the maximum. */
  extend(slackId: string, id: GrantId, seconds: number | null): Promise<View>;
  reviewExtension(slackId: string, id: GrantId, verdict: Verdict, note: string, seen: Seen): Promise<View>;
  /** What a request would be with less than was asked for, to somebody who may approve it so; its digest is what they then approve. */
  considerChanges(slackId: string, id: GrantId, changes: Narrowing, note: string): Promise<View>;
  /** Approves it so. `seen`: what the dialog was opened on; `shown`: the digest that `considerChanges` has answered. */
  approveWithChanges(
    slackId: string,
    id: GrantId,
    changes: Narrowing,
    note: string,
    seen: Seen,
    shown: string,
  ): Promise<View>;
  /** What a reviewer says of break-glass access that has ended. */
  reviewBreakGlass(slackId: string, id: GrantId, verdict: GlassReview['verdict'], note: string): Promise<View>;
  /** Whether this person may review it now. @throws Refusal */
  mustBeGlassReviewer(slackId: string, id: GrantId): Promise<void>;
  /** Reminds those who may decide on a request of this person's that waits. */
  nudge(slackId: string, id: GrantId): Promise<View>;
  /** Ends a grant, or withdraws a request. */
  revoke(slackId: string, id: GrantId, note: string): Promise<View>;
  /** The person's own, and those that wait for this person's decision; open ones, newest first. `more`: others may wait than were looked at. */
  list(slackId: string): Promise<{ mine: View[]; waiting: View[]; more: boolean }>;
  /** `which`: of everything, for administrators. */
  home(slackId: string, page: number, which?: Which): Promise<Home>;
  /** For administrators. */
  everything(slackId: string, page: number, which?: Which): Promise<Everything>;
  /** Ends and withdraws all that matches now, each as `revoke` does, whatever becomes of the others. For administrators, of a person or a namespace. */
  endAll(slackId: string, which: Which): Promise<EndedAll>;
  /** What was asked for with this request of the person's own, to ask for it again. */
  again(slackId: string, id: GrantId): Promise<Ask>;
  /** How a note goes with this decision by the policy as it is now; `none` also where there is nothing to decide on. */
  noteOn(id: GrantId, verdict: Verdict): Promise<NoteRule>;
  /** What somebody is about to approve with this note: see `status`. A note that is not taken is refused. */
  consider(slackId: string, id: GrantId, note: string): Promise<View>;
  /** Everything about one, as it is on record, for who may read it. */
  status(slackId: string, id: GrantId): Promise<View>;
  /** What this person may see of it now. */
  inspect(slackId: string, id: GrantId): Promise<Inspected>;
  /** Puts into the audit that somebody was refused before it could be known what they wanted. */
  turnAway(slackId: string, doing: string, refusal: Refusal): Promise<void>;
  /** A token of a grant by token, for its person: see the kubeconfig of the view. Nothing stores it. */
  takeToken(
    slackId: string,
    id: GrantId,
  ): Promise<{ readonly view: View; readonly token: Concealed; readonly expiresAt: Instant }>;
  /** Who has access to a namespace now, in this cluster; left out: in the one of that name of whichever cluster. */
  who(slackId: string, namespace: string, cluster?: string): Promise<OpenAccess[]>;
}

export type { Ask, Grant };
