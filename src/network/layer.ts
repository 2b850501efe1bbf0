/**
 * Policies of other kinds that a cluster serves beside NetworkPolicy, a phrase for each API group; null: that can't be known. This folder
 * evaluates NetworkPolicy alone, and whoever shows its verdicts says so where that is not all.
 */
export type OtherPolicies = readonly string[] | null;

/** What must be said beside a verdict: nothing in a cluster that has NetworkPolicy only. */
export function layerNote(others: OtherPolicies): string[] {
  if (others === null)
    return [
      'NetworkPolicy layer only: whether the cluster also has policies of other kinds is not known, as its API discovery can not be read.',
    ];
  return others.length === 0
    ? []
    : [
        `NetworkPolicy layer only: the cluster also serves policies of other kinds, which are not looked at: ${others.join('; ')}.`,
      ];
}
