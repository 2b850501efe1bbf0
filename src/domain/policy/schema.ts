import type { z } from 'zod';
import { policyFields } from './fields/policy.ts';
import { entriesThatNameNobody } from './unnameable.ts';
import { wrongClusters } from './wrong-clusters.ts';
import { wrongTickets } from './wrong-tickets.ts';

/** The policy file, judged whole. */
export const policySchema = policyFields.superRefine((policy, context) => {
  for (const { path, message } of [...entriesThatNameNobody(policy), ...wrongTickets(policy), ...wrongClusters(policy)])
    context.addIssue({ code: 'custom', path: [...path], message, input: policy });
});

/** The policy file as a person writes it, before defaults. */
export type PolicyInput = z.input<typeof policySchema>;
