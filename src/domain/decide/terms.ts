import type { Instant } from '../clocks.ts';
import { type Grant, holdsAccess, type WaivedStep } from '../grant/grant.ts';
import type { Asking, Person } from '../people/people.ts';
import { approvalOf, kitsGiven, type Profile, profileNamed } from '../policy/policy.ts';
import type { ClusterName } from '../target.ts';
import type { Ticket } from '../ticket.ts';
import type { Giving, Rules, Terms } from './act.ts';
import { automaticRule } from './automatic.ts';
import type { Circumstances } from './conditions.ts';
import { type Decided, refuse, unread } from './decided.ts';
import type { PlacedAsk } from './in-cluster.ts';
import { approvalsOfSteps, waivedSteps } from './steps.ts';
import type { JudgedTicket } from './ticket.ts';

/** By what a request is given: by the policy itself, where one of its entries holds, else by people. */
export function* termsOfRequest(
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

export type Approvals = Pick<Terms, 'approvals' | 'waived'>;

/** How many people must approve where these steps are not needed. */
export const approvalsWithout = (profile: Profile, waived: readonly WaivedStep[]): Approvals => ({
  approvals: approvalsOfSteps(profile, waived),
  waived,
});

/** How many people must approve what is asked for now. */
export function* approvalsFor(
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

/** Terms where people decide, with all steps. */
export const termsByPeople = (
  rule: string,
  profile: Profile,
  cluster: ClusterName,
  duration: number,
  ticket: Ticket | null,
) => {
  const needed = approvalsWithout(profile, []);
  return { allowed: true, rule, profile, cluster, duration, ...needed, ticket, missed: null, counts: null } as const;
};

/** When it is to begin; null: as soon as it is approved. */
export const startIn = ({ startAt }: { readonly startAt?: Instant }): Instant | null => startAt ?? null;
