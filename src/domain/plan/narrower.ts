import { canonical } from '../canonical.ts';
import { formatDuration, type Seconds } from '../duration.ts';
import { describeRule, growth } from '../rights/coverage.ts';
import type { Kit } from '../rights/kits.ts';
import type { Plan } from './plan.ts';

/** What an approver takes away of a request. Left out: it stays as it was asked for. */
export interface Narrowing {
  readonly duration?: Seconds;
  readonly rights?: readonly Kit[];
}

/** What is taken away, a phrase each; empty: nothing. */
export function takenAway(asked: Pick<Plan, 'duration' | 'rights'>, { duration, rights }: Narrowing): string[] {
  const gone = (asked.rights ?? []).filter((kit) => rights !== undefined && !rights.includes(kit));
  return [
    ...(duration === undefined || duration === asked.duration
      ? []
      : [`${formatDuration(duration)} in the place of ${formatDuration(asked.duration)}`]),
    ...(gone.length === 0 ? [] : [`without ${gone.join(', ')}`]),
  ];
}

/**
 * Why one plan is no part of another: whatever the changed grant allows, the asked one must have allowed. It is held against the plan as it was made,
 * not against what was to be changed of it. Null: it is a part of it.
 */
export function whyNotNarrower(asked: Plan, changed: Plan): string | null {
  const same = (of: (plan: Plan) => unknown) => canonical(of(asked) ?? null) === canonical(of(changed) ?? null);
  if (changed.duration > asked.duration) return `it lasts longer than ${formatDuration(asked.duration)}`;
  if (
    !same(({ user, groups, profileName, profileDigest, cluster, target, namespaceUid, workload }) => [
      user,
      groups,
      profileName,
      profileDigest,
      cluster,
      target,
      namespaceUid,
      workload,
    ])
  )
    return 'it is for somebody or something else';
  // What a role allows is not narrowed: it is bound whole, and may grow.
  if (!same(({ role, roleMayGrow }) => [role, roleMayGrow])) return 'it gives another role';
  if (!same(({ network, surroundings }) => [network, surroundings])) return 'its network is another';
  const more = growth(asked.rules, changed.rules);
  return more.length === 0 ? null : `it gives more: ${more.map(describeRule).join('; ')}`;
}
