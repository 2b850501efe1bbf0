import { type Act, type Parties, type Rules } from '../../src/domain/decide/act.ts';
import { decide as real } from '../../src/domain/decide/decide.ts';
import type { Decided } from '../../src/domain/decide/decided.ts';
import type { Asking } from '../../src/domain/people/people.ts';
import { ONLY_STEP } from '../../src/domain/policy/policy.ts';
import { PLANT } from './crash.ts';

export * from '../../src/domain/decide/decide.ts';

/** Planted: whoever presses Approve may. */
function* anyoneApproves(rules: Rules, act: Act, parties: Parties): Asking<Decided> {
  if (act.kind !== 'approve') return yield* real(rules, act, parties);
  const may = yield* real(rules, { kind: 'apply', grant: act.grant }, { ...parties, actor: null });
  // An approval counts for a step.
  return may.allowed ? Object.assign({}, may, { steps: [ONLY_STEP] }) : may;
}

/** Planted: where a longer window is approved its approver is judged, and not whoever gets it. */
function* unjudgedExtension(rules: Rules, act: Act, parties: Parties): Asking<Decided> {
  const isApproval = act.kind === 'approve' && act.of === 'extension';
  // The plan of an active grant is made anew only for its extension.
  if (!isApproval && !(act.kind === 'apply' && act.grant.state === 'active')) return yield* real(rules, act, parties);
  const { grant } = act;
  const profile = rules.policy.profiles[grant.profile];
  const duration = isApproval ? grant.extension?.duration : grant.plan.duration;
  const given = {
    allowed: true,
    rule: 'planted',
    profile,
    duration,
    approvals: profile?.approvals,
    waived: [],
  } as const;
  if (!isApproval) return given;
  const may = yield* real(rules, { kind: 'deny', of: 'extension', grant }, parties);
  const reviewed = { ...given, steps: [ONLY_STEP] };
  return may.allowed ? reviewed : may;
}

export const decide = (PLANT === 'anyone-approves' ? anyoneApproves : unjudgedExtension) as typeof real;
