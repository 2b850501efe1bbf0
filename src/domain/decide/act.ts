import type { Instant } from '../clocks.ts';
import { Refusal } from '../errors.ts';
import type { Grant, WaivedStep } from '../grant/grant.ts';
import type { Person } from '../people/people.ts';
import type { Policy, Profile } from '../policy/policy.ts';
import type { Kit } from '../rights/kits.ts';
import { type ClusterName, isWide, type Wanted } from '../target.ts';
import type { Ticket } from '../ticket.ts';
import type { Daily } from './limits.ts';

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

/** What is given, as it was asked for. */
export function askOf(act: Giving): Ask {
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
