import { isSameUser, isSlackId, whyAmbiguous } from './identity.ts';
import { type ClusterEntry, conditionsOf, matchesCluster, type Policy, type Profile } from './policy.ts';
import type { PolicyProblem } from './unnameable.ts';

/** What is wrong with the clusters of a policy, and with what its profiles say of them. */
export function wrongClusters(policy: Policy): PolicyProblem[] {
  const { clusters } = policy;
  const ofProfiles = Object.entries(policy.profiles).flatMap(([name, profile]) =>
    clusters === undefined
      ? withoutClusters(['profiles', name], profile)
      : problemsOfProfile(['profiles', name], profile, policy, Object.keys(clusters)),
  );
  return [...(clusters === undefined ? [] : problemsOfClusters(policy, clusters)), ...ofProfiles];
}

function problemsOfClusters(policy: Policy, clusters: Readonly<Record<string, ClusterEntry>>): PolicyProblem[] {
  const entries = Object.entries(clusters);
  return entries.flatMap(([name, { context, identity }], index) => {
    const before = entries.slice(0, index).find(([, other]) => other.context === context)?.[0];
    const path = ['clusters', name];
    return [
      ...(before === undefined
        ? []
        : [
            context === undefined
              ? { path, message: `has no context, and neither has ${before}: one cluster at most is the bot's own` }
              : { path: [...path, 'context'], message: `leads to the same cluster as ${before}` },
          ]),
      ...(identity === undefined ? [] : problemsOfIdentity([...path, 'identity'], policy.identity, identity)),
    ];
  });
}

/** In one cluster, two people must never be one user. */
function problemsOfIdentity(
  path: readonly string[],
  general: Policy['identity'],
  own: NonNullable<ClusterEntry['identity']>,
): PolicyProblem[] {
  const { user = general.user, emailDomains = general.emailDomains, overrides = [] } = own;
  const why = whyAmbiguous({ user, emailDomains });
  return [
    ...(why === null ? [] : [{ path: [...path, 'emailDomains'], message: why }]),
    ...overrides.flatMap((one, index) => {
      const at = [...path, 'overrides', index];
      const earlier = overrides.slice(0, index);
      return [
        ...(isSlackId(one.user)
          ? [{ path: [...at, 'user'], message: `${one.user} has the form of a Slack member id` }]
          : []),
        ...(earlier.some(({ slack }) => slack === one.slack)
          ? [{ path: [...at, 'slack'], message: `${one.slack} has two overrides, and so leads to no user` }]
          : []),
        ...(earlier.some((other) => other.slack !== one.slack && isSameUser(other.user, one.user))
          ? [{ path: [...at, 'user'], message: `${one.user} is the user of two accounts: each has its own` }]
          : []),
      ];
    }),
  ];
}

function withoutClusters(path: readonly string[], profile: Profile): PolicyProblem[] {
  const message = 'the policy names no clusters: there is one, without a name';
  return [
    ...(profile.clusters === undefined ? [] : [{ path: [...path, 'clusters'], message }]),
    ...conditionsOf(profile)
      .filter(({ when }) => when.clusters !== undefined)
      .map((one) => ({ path: [...path, ...one.path, 'clusters'], message })),
  ];
}

function problemsOfProfile(
  path: readonly string[],
  profile: Profile,
  policy: Policy,
  names: readonly string[],
): PolicyProblem[] {
  const there = `there are ${names.join(', ')}`;
  if (profile.clusters === undefined)
    return names.length > 1
      ? [{ path: [...path, 'clusters'], message: `is missing: with several clusters it must be said (${there})` }]
      : [];
  const strange = (patterns: readonly string[], at: readonly (string | number)[]) =>
    patterns.flatMap((pattern, index) =>
      names.some((name) => matchesCluster([pattern], name))
        ? []
        : [{ path: [...path, ...at, index], message: `no cluster fits ${pattern}: ${there}` }],
    );
  return [
    ...strange(profile.clusters, ['clusters']),
    ...conditionsOf(profile).flatMap((one) => strange(one.when.clusters ?? [], [...one.path, 'clusters'])),
  ];
}
