import type { Grant } from '../../domain/grant/grant.ts';
import type { Plan, Surroundings } from '../../domain/plan/plan.ts';
import { areTooMany, describeRule, growth, MOST_RIGHTS } from '../../domain/rights/coverage.ts';
import type { ClusterAccess } from '../ports/cluster-access.ts';
import { ownPolicies, podsOfPlan, surroundingsOf } from './surroundings.ts';

/** What has become of that which an approval bound, in the cluster as it is now. */

/** The policies of others that select the pods of a grant now, and how these are isolated. */
export async function surroundingsNow(
  cluster: Pick<ClusterAccess, 'foreignPolicies' | 'workspacesNamespace'>,
  { plan, id }: Pick<Grant, 'plan' | 'id'>,
): Promise<Surroundings> {
  const { workspacesNamespace } = cluster;
  const pods = podsOfPlan(plan, id, workspacesNamespace);
  const namespaces = [...new Set(pods.map(({ namespace }) => namespace))];
  const policies = await Promise.all(namespaces.map((namespace) => cluster.foreignPolicies(namespace)));
  return surroundingsOf(pods, policies.flat(), ownPolicies(plan, id, workspacesNamespace));
}

/** So many additions to a role are named. */
const MOST_NAMED = 8;

/** What the named role of a plan allows now beyond what was approved, as a phrase; null: nothing, or it may. */
export async function grownRules(
  cluster: Pick<ClusterAccess, 'rulesOf'>,
  { role, roleMayGrow, rules, target }: Plan,
): Promise<string | null> {
  if (role === null || roleMayGrow) return null;
  const now = await cluster.rulesOf(role, target.namespace ?? null);
  if (areTooMany(now) || areTooMany(now, rules))
    return `${role.kind} ${role.name} has come to have more single rights than are compared (${MOST_RIGHTS}, or fewer with wildcards)`;
  const grown = growth(rules, now).map((rule) => `+ ${describeRule(rule)}`);
  if (grown.length === 0) return null;
  const more = grown.length > MOST_NAMED ? ` and ${grown.length - MOST_NAMED} more` : '';
  return `${role.kind} ${role.name} allows more than was approved: ${grown.slice(0, MOST_NAMED).join('; ')}${more}`;
}
