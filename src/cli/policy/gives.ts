import { ownRulesOf, type Profile } from '../../domain/policy/policy.ts';
import type { Rule } from '../../domain/rights/rights.ts';

/** The profile with all its defaults, and the rules that it gives; null: those of a role of the cluster. */
export function forPrograms(profile: Profile): Profile & { readonly gives: readonly Rule[] | null } {
  return { ...profile, gives: ownRulesOf(profile) };
}

/** How a profile confines traffic, in at most one line. */
export function describeNetwork({ network: { mode, image, resources, strict } }: Profile): string[] {
  if (mode === 'none') return [];
  const given = resources === undefined ? '' : `, with ${resources.cpu} of CPU and ${resources.memory} of memory`;
  return [`  network: ${mode}${image === undefined ? '' : ` of ${image}`}${given}${strict ? ', strict' : ''}`];
}
