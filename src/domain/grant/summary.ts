import { z } from 'zod';
import { digestOf } from '../canonical.ts';
import type { Instant } from '../clocks.ts';
import { type GrantId, isGrantId } from '../ids.ts';
import { givesOnTarget, hasAdmission, hasGuard, shortDigest } from '../plan/plan.ts';
import type { ClusterName } from '../target.ts';
import { GRANT_STATES, type Grant, type GrantState } from './grant.ts';

/** What is looked at of every open grant at once: little enough to be read of a hundred thousand. The record has the rest. */
export interface GrantSummary {
  readonly id: GrantId;
  readonly state: GrantState;
  readonly profile: string;
  readonly requester: { readonly slackId: string; readonly user: string };
  readonly cluster: ClusterName;
  /** Uid of the `kube-system` of the cluster that it is planned for; empty: a version that knew none has written it. */
  readonly clusterUid: string;
  /** Of the target; null: it is in none. */
  readonly namespace: string | null;
  /** The target is one workload, whose pods the grant follows. */
  readonly workload: boolean;
  readonly createdAt: Instant;
  readonly pendingUntil: Instant;
  readonly expiresAt: Instant | null;
  /** Since when it is being ended; null: it is not. */
  readonly endingSince: Instant | null;
  /** The approval message is in Slack. */
  readonly posted: boolean;
  /** It needs no approval by people. */
  readonly automatic: boolean;
  /** Of what is asked for ({@link askedFor}); empty: a version that knew none has written it. */
  readonly asks: string;
  /** Which objects it has in the cluster, beside a lease and a RoleBinding in the target's namespace. */
  readonly has: {
    readonly role: boolean;
    readonly guard: boolean;
    readonly admission: boolean;
    readonly workspace: boolean;
    /** A service account, and a lease beside it. */
    readonly account: boolean;
    /** The pod of a node shell, and a lease beside it. */
    readonly shell: boolean;
    /** Rights on its target. */
    readonly target: boolean;
  };
}

export const grantSummary = z.looseObject({
  id: z.string().refine(isGrantId),
  state: z.enum(GRANT_STATES),
  profile: z.string(),
  requester: z.looseObject({ slackId: z.string(), user: z.string() }),
  cluster: z.string().nullable().default(null),
  clusterUid: z.string().default(''),
  namespace: z.string().nullable(),
  workload: z.boolean(),
  createdAt: z.number(),
  pendingUntil: z.number(),
  expiresAt: z.number().nullable(),
  endingSince: z.number().nullable(),
  posted: z.boolean(),
  automatic: z.boolean(),
  asks: z.string().default(''),
  has: z.looseObject({
    role: z.boolean(),
    guard: z.boolean(),
    admission: z.boolean(),
    workspace: z.boolean(),
    account: z.boolean().default(false),
    shell: z.boolean().default(false),
    target: z.boolean().default(true),
  }),
}) satisfies z.ZodType<GrantSummary>;

export function summaryOf(grant: Grant): GrantSummary {
  const { id, state, profile, requester, cluster, target, createdAt, pendingUntil, expiresAt, ending, message, plan } =
    grant;
  return {
    id,
    state,
    profile,
    requester: { slackId: requester.slackId, user: requester.user },
    cluster,
    clusterUid: plan.cluster,
    namespace: target.namespace ?? null,
    workload: target.workload !== undefined,
    createdAt,
    pendingUntil,
    expiresAt,
    endingSince: ending?.since ?? null,
    posted: message !== null,
    automatic: grant.approvalsNeeded === 0,
    asks: askedFor(grant),
    has: {
      role: plan.role === null && givesOnTarget(plan),
      guard: hasGuard(plan.network),
      admission: hasAdmission(plan.network),
      workspace: plan.network.mode === 'workspace',
      account: plan.credential === 'token',
      shell: plan.shell !== undefined,
      target: givesOnTarget(plan),
    },
  };
}

/** Milliseconds since access that may still be open was due to end: by its window, or when somebody ended it; 0: it is not due. */
export function overdueBy(
  { state, expiresAt, endingSince }: Pick<GrantSummary, 'state' | 'expiresAt' | 'endingSince'>,
  now: Instant,
): number {
  if (state !== 'applying' && state !== 'active' && state !== 'ending') return 0;
  return Math.max(0, now - Math.min(expiresAt ?? now, endingSince ?? now));
}

/**
 * Short digest of what is asked for: of two requests with the same one is enough. The Kubernetes user, the profile, the cluster, the workload by whatever
 * name it was found, or the namespace, the rights in words, and the ports that are opened; not how long, nor why.
 */
export function askedFor({
  profile,
  cluster,
  plan,
  breakGlass,
  startAt,
}: Pick<Grant, 'profile' | 'cluster' | 'plan' | 'breakGlass' | 'startAt'>): string {
  const { user, target, rights, network } = plan;
  const ports = network.mode === 'workspace' || network.mode === 'bastion' ? network.ports : [];
  return shortDigest(
    digestOf({
      user: user.toLowerCase(),
      profile,
      // A request that waits is no answer to somebody who breaks the glass.
      ...(breakGlass && { breakGlass: true }),
      // Nor is what begins tomorrow to somebody who asks for now.
      ...(startAt !== undefined && { startAt }),
      cluster,
      namespace: target.namespace ?? null,
      node: target.node ?? null,
      workload: target.workload === undefined ? null : `${target.workload.kind}/${target.workload.name}`,
      rights: rights?.toSorted() ?? null,
      ports: ports.map(({ port, protocol }) => `${port}/${protocol}`).toSorted(),
    }),
  );
}

/** Whether it waits or is open, and goes on: what has reached its time is asked for anew. */
export function stands(
  { state, pendingUntil, expiresAt }: Pick<GrantSummary, 'state' | 'pendingUntil' | 'expiresAt'>,
  now: Instant,
): boolean {
  if (state === 'pending') return pendingUntil > now;
  if (state === 'active') return expiresAt !== null && expiresAt > now;
  return state === 'approved' || state === 'applying';
}
