import { identityIn, type Person } from '../people/people.ts';
import { clusterNamed, clusterNames, clustersOf, type Policy, type Profile } from '../policy/policy.ts';
import type { ClusterName } from '../target.ts';
import type { Ask } from './act.ts';
import { type Decided, type No, refuse } from './decided.ts';

/** In which cluster something is asked for. */

/** What is asked for, in a cluster. */
export type PlacedAsk = Ask & { readonly cluster: ClusterName };

/** The clusters in which this person may ask for a profile, once the policy lets them ask for it at all: where they are somebody. */
export function clustersFor(policy: Policy, profile: Profile, person: Person): readonly ClusterName[] {
  return clustersOf(policy, profile).filter((cluster) => identityIn(person, cluster) !== null);
}

/** In which cluster it is asked for: where none was said, in the only one that there is for this person. */
export function placeOfAsk(
  policy: Policy,
  profile: Profile,
  { profile: name, cluster: said, target }: Ask,
  person: Person,
): Decided<{ readonly cluster: ClusterName }> {
  const path = `profiles.${name}.clusters`;
  const covered = clustersOf(policy, profile);
  if (said === undefined) {
    const [only, ...more] = clustersFor(policy, profile, person);
    if (only === undefined) return nobodyThere(covered[0] ?? null);
    return more.length === 0
      ? { allowed: true, rule: path, cluster: only }
      : refuse(
          path,
          `Profile '${name}' is for several clusters: ${[only, ...more].join(', ')}.`,
          `Say in which one: \`${only}:${target.namespace?.slice(0, 63) ?? ''}\`.`,
        );
  }
  // What was granted before the clusters were named is in the bot's own.
  const own =
    policy.clusters && Object.keys(policy.clusters).find((one) => clusterNamed(policy, one)?.context === undefined);
  const cluster = said ?? own ?? null;
  if (cluster === null && policy.clusters === undefined) return { allowed: true, rule: path, cluster };
  if (cluster === null || clusterNamed(policy, cluster) === undefined)
    return refuse(
      'clusters',
      `There is no cluster '${(cluster ?? '').slice(0, 63)}'.`,
      policy.clusters === undefined
        ? 'There is one, without a name: leave the word before the colon out.'
        : `Clusters are: ${clusterNames(policy).join(', ')}.`,
    );
  if (!covered.includes(cluster))
    return refuse(path, `Profile '${name}' is not for cluster '${cluster}'.`, `It is for: ${covered.join(', ')}.`);
  return identityIn(person, cluster) === null ? nobodyThere(cluster) : { allowed: true, rule: path, cluster };
}

const nobodyThere = (cluster: ClusterName): No =>
  refuse(
    `clusters.${cluster}.identity`,
    `Your Slack account leads to no Kubernetes user in cluster '${cluster}'.`,
    'Ask an administrator of Drawbridge for an entry in its overrides.',
  );
