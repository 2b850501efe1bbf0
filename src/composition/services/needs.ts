import { type Api, ApiError } from '../../adapters/kubernetes/api.ts';
import { readClusterUid } from '../../adapters/kubernetes/cluster-keys.ts';
import { lackOfEnding, missingToWatch } from '../../adapters/kubernetes/reviews.ts';
import type { RedisClient } from '../../adapters/redis/connection.ts';
import { lackOfRedis } from '../../adapters/redis/needs.ts';
import type { SlackConnection } from '../../adapters/slack/connection.ts';
import { lackOfChannel, lackOfLists, lackOfOwnChannels, lackOfScopes } from '../../adapters/slack/needs.ts';
import type { Alarms } from '../../app/ports/alarms.ts';
import type { ClusterAccess } from '../../app/ports/cluster-access.ts';
import { APPROVALS_CHANNEL, type Conditions, type Lack, type Need, OWN_CHANNELS } from '../../app/ports/conditions.ts';
import type { World } from '../../app/ports/world.ts';
import { givenElsewhere } from '../../app/upkeep/given-elsewhere.ts';
import type { PolicyFile } from '../../config/policy-file.ts';
import { holdsAccess } from '../../domain/grant/grant.ts';
import { clusterNames, clustersOf, type Policy, type Profile } from '../../domain/policy/policy.ts';
import type { ClusterName } from '../../domain/target.ts';
import { every, type Service, type ServiceLog } from '../service.ts';

/** Milliseconds between two looks at which needs are due to be looked at, and between two tries of an alarm that the queue did not take. */
const TEND_EVERY = 5000;
/** Milliseconds between two looks at what seldom goes away while nothing is missing. */
const RARELY = 600_000;
/** Milliseconds for which the first look at everything keeps others waiting. */
const FIRST_LOOK = 10_000;

/** A cluster, as far as it is looked at what is needed there. */
export interface NeededCluster {
  readonly name: ClusterName;
  readonly api: Api;
  readonly access: Pick<ClusterAccess, 'tryLeash' | 'tryWriting' | 'missingRights'>;
  readonly lackOfWatch: () => Lack | null;
}

interface Needing {
  readonly redis: RedisClient;
  readonly instance: string;
  readonly clusters: readonly NeededCluster[];
  /** What is known of grants; null: nothing, where no bot runs. */
  readonly world: Pick<World, 'store' | 'clusters' | 'clock'> | null;
  readonly policies: Pick<PolicyFile, 'current' | 'disabled' | 'setDisabled'>;
  readonly connection: SlackConnection;
  readonly lackOfConnection: () => Lack | null | Promise<Lack | null>;
  readonly log: Pick<ServiceLog, 'error'>;
}

/** Looks at what Drawbridge needs (`needs`), and tells what it lacks of it. */
export function needsService({
  needs,
  conditions,
  alarms,
  log,
}: {
  readonly needs: readonly Need[];
  readonly conditions: Pick<Conditions, 'add' | 'tend'>;
  readonly alarms: Pick<Alarms, 'settle'>;
  readonly log: ServiceLog;
}): Service & { trouble(): string | null; tried(): Promise<void> } {
  let isTried = false;
  let firstLook = Promise.resolve();
  const failed = (error: unknown) => log.error({ err: error }, 'what is needed could not be looked at');
  // Neither waits for the other, nor the look at one need for that at another, which may take its time.
  const tending = every(TEND_EVERY, async () => void conditions.tend().catch(failed), failed);
  const settling = every(TEND_EVERY, () => alarms.settle(), failed);
  return {
    /** Why it is not known yet what is lacking. */
    trouble: () => (isTried ? null : 'not tried yet'),
    /** Resolves when everything was looked at once, or ten seconds after the start: one that does not answer must not hold up the others for long. */
    tried: () => firstLook,
    start() {
      for (const need of needs) conditions.add(need);
      const looked = conditions.tend(true).then(() => void (isTried = true), failed);
      firstLook = Promise.race([looked, new Promise<void>((resolve) => setTimeout(resolve, FIRST_LOOK).unref())]);
      tending.start();
      settling.start();
    },
    stop() {
      tending.stop();
      settling.stop();
    },
  };
}

export const needsOf = (given: Needing): Need[] => [
  ...needsOfRedis(given),
  ...(given.world === null ? [] : [needOfClusters(given.policies, given.world)]),
  ...given.clusters.flatMap((cluster) => needsOfCluster(cluster, given)),
  ...needsOfSlack(given),
];

export function needsOfRedis({ redis, instance }: Pick<Needing, 'redis' | 'instance'>): Need[] {
  return [{ name: 'redis commands', severity: 'not ready', every: 10_000, look: () => lackOfRedis(redis, instance) }];
}

type OfCluster = Pick<Needing, 'clusters' | 'policies' | 'world' | 'log'>;

/**
 * What is needed of one cluster. Where there are others, what is missing in one keeps nothing from being done in them: it refuses there alone, and the
 * process stays ready.
 */
export function needsOfCluster(cluster: NeededCluster, given: OfCluster): Need[] {
  const { name } = cluster;
  if (name === null) return needsOfKubernetes(cluster, given);
  const isAlone = given.clusters.length === 1;
  return [...(isAlone ? [] : [needOfAnswers(cluster)]), ...needsOfKubernetes(cluster, given)].map((need) => ({
    ...need,
    cluster: name,
    ...(!isAlone && need.severity === 'not ready' && { severity: 'degraded' as const, refuses: 'giving' as const }),
    ...(need.untilKnown !== undefined && { untilKnown: naming(name, need.untilKnown) }),
    look: async () => {
      const lack = await need.look();
      return lack === null ? null : naming(name, lack);
    },
  }));
}

const naming = (cluster: string, lack: Lack): Lack => ({ ...lack, lacks: `in cluster ${cluster} ${lack.lacks}` });

/** That it answers, as the cluster that it was. */
function needOfAnswers({ api }: NeededCluster): Need {
  let known: string | null = null;
  return {
    name: 'cluster',
    severity: 'degraded',
    refuses: 'asking',
    every: 10_000,
    async look() {
      try {
        const uid = await readClusterUid(api);
        known ??= uid;
        if (uid === known) return null;
        const todo = 'Nothing is given there. Mend the kubeconfig, or start Drawbridge again if that is meant.';
        return { lacks: 'another cluster answers than at the start', todo };
      } catch (error) {
        if (error instanceof ApiError)
          return { lacks: 'the API server refuses Drawbridge', todo: 'Look at its credential in the kubeconfig.' };
        return {
          lacks: 'the API server does not answer',
          todo: 'Requests for it are refused; what is open there ends by its leases, and is told when it is back.',
        };
      }
    },
  };
}

/** That the clusters of the policy are those that were connected at the start, by the same contexts. */
function needOfClusters(policies: Needing['policies'], { store, clusters }: NonNullable<Needing['world']>): Need {
  const { clusters: atStart = {} } = policies.current();
  async function isOpenIn(cluster: ClusterName): Promise<boolean> {
    for await (const portion of store.summaries('not pending'))
      if (portion.some((summary) => holdsAccess(summary.state) && clusters.isIn(cluster, summary))) return true;
    return false;
  }
  return {
    name: 'clusters of the policy',
    severity: 'degraded',
    every: RARELY,
    again: 30_000,
    async look() {
      const policy = policies.current();
      const named = clusterNames(policy);
      const added = named.filter((name) => !clusters.names.includes(name)).map((name) => name ?? 'one without a name');
      const moved = Object.entries(policy.clusters ?? {})
        .filter(([name, { context }]) => Object.hasOwn(atStart, name) && atStart[name]?.context !== context)
        .map(([name]) => name);
      const left: string[] = [];
      for (const name of clusters.names)
        if (!named.includes(name) && (await isOpenIn(name))) left.push(name ?? 'one without a name');
      if (added.length + moved.length + left.length === 0) return null;
      const say = (names: readonly string[], text: string) =>
        names.length === 0 ? [] : [`${names.join(', ')} ${text}`];
      return {
        lacks: `the clusters of the policy are not those of the start: ${[
          ...say(added, 'not connected'),
          ...say(moved, 'by another context'),
          ...say(left, 'named no more, with open grants'),
        ].join('; ')}`,
        todo:
          left.length > 0
            ? 'What is open in a cluster that is named no more ends as ever until Drawbridge is started again: after that its leases end it, and nobody confirms it. End it first, or name the cluster again.'
            : 'Start Drawbridge again: until then requests for what is not connected are refused, and a context is the one of the start.',
      };
    },
  };
}

/** So many grants are named. */
const MOST_NAMED = 5;

/** That it is the cluster in which what is open there was given: a kubeconfig may have been changed while nothing ran. */
function needOfIdentity({ name, api }: NeededCluster, world: NonNullable<Needing['world']>): Need {
  return {
    name: 'cluster of open grants',
    severity: 'degraded',
    refuses: 'giving',
    every: RARELY,
    again: 30_000,
    async look() {
      const ids = await givenElsewhere(world, name, await readClusterUid(api));
      if (ids.length === 0) return null;
      const named = `${ids.slice(0, MOST_NAMED).join(', ')}${ids.length > MOST_NAMED ? ', …' : ''}`;
      return {
        lacks: `another cluster is reached than the one in which ${ids.length} open grant${ids.length === 1 ? ' was' : 's were'} given (${named})`,
        todo: 'Their ends are not confirmed, and nothing is given here. Lead the context of the kubeconfig to that cluster again and start Drawbridge anew; in that cluster leases and reaper end them. If it is gone for good, this is over a day after the last of their windows.',
      };
    },
  };
}

export function needsOfKubernetes(
  cluster: NeededCluster,
  { policies, world, log }: Pick<OfCluster, 'policies' | 'world' | 'log'>,
): Need[] {
  const { name, api, access, lackOfWatch } = cluster;
  return [
    ...(world === null ? [] : [needOfIdentity(cluster, world)]),
    { name: 'kubernetes rights', severity: 'not ready', every: RARELY, look: () => lackOfEnding(api) },
    { name: 'kubernetes watch', severity: 'degraded', every: 30_000, look: () => explained(api, lackOfWatch()) },
    {
      name: 'leash',
      severity: 'degraded',
      refuses: 'giving',
      every: 600_000,
      again: 30_000,
      untilKnown: lackOfLeash('it has not been tried yet'),
      look: async () => {
        const doubt = await access.tryLeash();
        return doubt === null ? null : lackOfLeash(doubt);
      },
    },
    {
      name: 'admission webhooks',
      severity: 'degraded',
      every: RARELY,
      again: 60_000,
      look: async () =>
        lackOfWriting(await access.tryWriting(profilesFor(policies.current(), name).map(([, one]) => one))),
    },
    {
      name: 'profiles',
      severity: 'degraded',
      every: RARELY,
      look: () => lackOfProfiles(name, access, policies, log),
    },
  ];
}

type OfSlack = Pick<Needing, 'connection' | 'policies' | 'lackOfConnection'>;

export function needsOfSlack({ connection, policies, lackOfConnection }: OfSlack): Need[] {
  return [
    {
      name: 'slack token',
      severity: 'not ready',
      every: RARELY,
      again: 30_000,
      look: () => lackOfScopes(connection, true),
    },
    { name: 'slack connection', severity: 'not ready', every: 10_000, look: async () => lackOfConnection() },
    {
      name: 'slack scopes',
      severity: 'degraded',
      every: RARELY,
      again: 30_000,
      look: () => lackOfScopes(connection, false),
    },
    {
      name: APPROVALS_CHANNEL,
      severity: 'degraded',
      refuses: 'asking',
      every: RARELY,
      again: 30_000,
      look: () => lackOfChannel(connection, policies.current().approvals.channel),
    },
    {
      name: OWN_CHANNELS,
      severity: 'degraded',
      every: RARELY,
      again: 30_000,
      look: () => lackOfOwnChannels(connection, policies.current()),
    },
    {
      name: 'slack lists',
      severity: 'degraded',
      every: RARELY,
      again: 60_000,
      look: () => lackOfLists(connection, policies.current()),
    },
  ];
}

/** With the rights that are missing, where that is why. */
async function explained(api: Api, lack: Lack | null): Promise<Lack | null> {
  if (lack === null) return null;
  const missing = await missingToWatch(api).catch(() => []);
  return missing.length === 0 ? lack : { ...lack, lacks: `${lack.lacks}; Drawbridge may not ${missing.join(', ')}` };
}

/** The profiles that may be asked for in a cluster. */
const profilesFor = (policy: Policy, cluster: ClusterName): [string, Profile][] =>
  Object.entries(policy.profiles).filter(([, profile]) => clustersOf(policy, profile).includes(cluster));

/** Profiles that need more than the bot may give are switched off, by name, until it may; the others stay. */
async function lackOfProfiles(
  name: ClusterName,
  cluster: NeededCluster['access'],
  policies: Needing['policies'],
  log: Needing['log'],
): Promise<Lack | null> {
  const reasons = new Map<string, string>();
  const profiles = profilesFor(policies.current(), name);
  const lacking = await cluster.missingRights(profiles.map(([, profile]) => profile));
  for (const [index, [profileName]] of profiles.entries()) {
    const missing = lacking[index] ?? [];
    if (missing.length === 0) continue;
    const reason = `Drawbridge may not ${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ', …' : ''}`;
    reasons.set(profileName, reason);
    if (policies.disabled(profileName, name) !== reason)
      log.error(
        { profile: profileName, ...(name !== null && { cluster: name }), missing },
        'a profile is disabled: the bot lacks the rights to give it',
      );
  }
  policies.setDisabled(name, reasons);
  if (reasons.size === 0) return null;
  return {
    lacks: `profiles are disabled: ${[...reasons].map(([profile, reason]) => `${profile} (${reason})`).join('; ')}`,
    todo: 'Bring the chart up to the policy: helm upgrade with the same one.',
  };
}

/** So many texts are told. */
const MOST_TOLD = 5;

/** @param why what would not be taken as it is written, as it is told */
function lackOfWriting(why: readonly string[]): Lack | null {
  if (why.length === 0) return null;
  const more = why.length > MOST_TOLD ? [`and ${why.length - MOST_TOLD} more`] : [];
  return {
    lacks:
      "what Drawbridge writes is changed or refused by somebody's admission webhook, so that some grants can't be given",
    todo: 'Exclude it there: docs/operations.md says what.',
    detail: [...why.slice(0, MOST_TOLD), ...more].join('\n'),
  };
}

/** @param doubt why the leash does not hold */
const lackOfLeash = (doubt: string): Lack => ({
  lacks: `the leash on Drawbridge in this cluster does not hold: ${doubt}`,
  todo: "It grants nothing until that is mended; grants end as ever. Look at the chart's ValidatingAdmissionPolicies and their bindings, and at the service account of the bot.",
});
