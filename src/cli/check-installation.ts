import { parseArgs } from 'node:util';
import { createClock } from '../adapters/clock/clock.ts';
import { readClusterUid } from '../adapters/kubernetes/cluster-keys.ts';
import { createProber } from '../adapters/kubernetes/probe.ts';
import { lackOfWatching } from '../adapters/kubernetes/reviews.ts';
import { redisTime } from '../adapters/redis/checks.ts';
import { connectRedis, type RedisClient } from '../adapters/redis/connection.ts';
import { connectSlack } from '../adapters/slack/connection.ts';
import { lackOfAppToken } from '../adapters/slack/needs.ts';
import { createLog, scrubber } from '../adapters/telemetry/log.ts';
import type { Lack, Need } from '../app/ports/conditions.ts';
import { type ConnectedCluster, connectClusters } from '../composition/clusters.ts';
import { needsOfCluster, needsOfRedis, needsOfSlack } from '../composition/services/needs.ts';
import { openPolicyFile, type PolicyFile } from '../config/policy-file.ts';
import { describeProblems, loadSettings, type Settings, secretTexts } from '../config/settings.ts';
import { environment, type Output, runCommand, terminal, UsageError, usage } from './command.ts';

const HELP = `Usage: npm run check-installation

Tries what the bot needs, as the bot itself does at its start and every ten minutes: Redis and its commands, the API server, the rights there, the
leash (by dry runs of what it must refuse), the canary, and Slack (tokens, scopes, channels and lists of the policy). It gives nobody
access, posts nothing, and leaves nothing behind. A line for each; the chart runs it as \`helm test\`.

Reads the settings of the bot from the environment or from .env.
Exit code: 0 all is as it should be, 1 something is not, 2 wrong arguments or settings.`;

/** Milliseconds that Redis has to answer. */
const PATIENCE = 5000;

/** Runs `npm run check-installation`. @returns the exit code */
export async function runCheck(argv: readonly string[], out: Output, env: NodeJS.ProcessEnv): Promise<number> {
  return runCommand({ command: 'check-installation --', help: HELP, argv, out }, async () => {
    usage(() => parseArgs({ args: [...argv] }));
    const loaded = loadSettings(env);
    if (!loaded.ok) throw new UsageError(describeProblems(loaded.problems));
    return checkAll(loaded.settings, out);
  });
}

const inCluster = (name: ConnectedCluster['name']): string => (name === null ? '' : ` of ${name}`);

/** Nothing here goes by the time that most clocks agree on. */
const MACHINE_CLOCK = {
  now: Date.now,
  heard() {},
  fromKubernetes: (at: number) => at,
};

/** That it answers, and is no other of the clusters. */
async function answers({ api, claim }: ConnectedCluster): Promise<true> {
  await api.ready();
  claim(await readClusterUid(api));
  return true;
}

async function checkAll(settings: Settings, out: Output): Promise<number> {
  const { instance, workspacesNamespace, slack } = settings;
  const log = createLog({ level: 'silent', secrets: [] });
  const hide = scrubber(secretTexts(settings));
  let failures = 0;

  /** Says whether it is there. Answers what was made on the way; null: it failed. */
  async function check<T>(name: string, attempt: () => Promise<T>): Promise<T | null> {
    try {
      const made = await attempt();
      out.print(`ok      ${name}`);
      return made;
    } catch (error) {
      failures += 1;
      const why = error instanceof Error ? error.message : String(error);
      out.print(`FAILED  ${name}: ${hide(why).replaceAll(/\s*\n\s*/g, ' ')}`);
      return null;
    }
  }
  const lacking = (name: string, look: () => Promise<Lack | null>) =>
    check(name, async () => {
      const lack = await look();
      if (lack !== null) throw new Error(`${[lack.lacks, lack.detail].filter(Boolean).join(': ')}. ${lack.todo}`);
    });
  async function all(needs: readonly Need[]): Promise<void> {
    for (const need of needs) await lacking(need.name, () => need.look());
  }

  async function ofKubernetes(
    { name, api, access }: ConnectedCluster,
    policies: PolicyFile,
    clusters: readonly ConnectedCluster[],
  ): Promise<void> {
    const given = {
      clusters: clusters.map((one) => ({ ...one, lackOfWatch: () => null })),
      world: null,
      policies,
      log,
    };
    // No watch is opened here: whether one may be is asked.
    for (const need of needsOfCluster({ name, api, access, lackOfWatch: () => null }, given))
      await lacking(`${need.name}${inCluster(name)}`, () =>
        need.name === 'kubernetes watch' ? lackOfWatching(api) : need.look(),
      );
    const image = settings.probeImage ?? null;
    if (image === null) return;
    await lacking(`canary${inCluster(name)}`, async () => {
      const lacks = await createProber({ api, image, workspacesNamespace }).missing();
      const todo = 'Look at its Deployment: the image, the quota of the namespace, the node.';
      return lacks === null ? null : { lacks, todo };
    });
  }

  async function ofClocks(redis: RedisClient, clusters: readonly ConnectedCluster[]): Promise<void> {
    const kubernetes = new Map(clusters.map(({ name, api }) => [name, () => api.time()]));
    const clock = createClock({ redis: () => redisTime(redis), kubernetes });
    await clock.measure();
    const doubt = clusters.map(({ name }) => clock.doubt(name)).find((why) => why !== null);
    if (doubt != null) throw new Error(doubt);
  }

  async function ofSlack(policies: PolicyFile): Promise<void> {
    const { transport, apiUrl, botToken } = slack;
    const connect = (token: string) => connectSlack({ botToken: token, apiUrl }, log);
    const connection = connect(botToken.reveal());
    const lackOfConnection = async () =>
      transport.mode === 'socket' ? lackOfAppToken(connect(transport.appToken.reveal())) : null;
    const needs = needsOfSlack({ connection, policies, lackOfConnection });
    // By HTTP it is Slack that calls: nothing of that can be tried from here.
    await all(needs.filter(({ name }) => name !== 'slack connection' || transport.mode === 'socket'));
  }

  const policies = await check('policy file', () => openPolicyFile(settings.policyFile, log));
  const redis = await check('redis', () =>
    connectRedis(settings.redis.reveal(), { role: 'requests', log, startTimeout: PATIENCE }),
  );
  const clusters = connectClusters(
    { settings, log, metrics: { apiError() {} }, clock: () => MACHINE_CLOCK },
    policies?.current() ?? {},
  );
  const answering: ConnectedCluster[] = [];
  for (const cluster of clusters)
    if ((await check(`kubernetes${inCluster(cluster.name)}`, () => answers(cluster))) !== null) answering.push(cluster);
  if (redis !== null) await all(needsOfRedis({ redis, instance }));
  if (redis !== null && answering.length > 0) await check('clock', () => ofClocks(redis, answering));
  redis?.disconnect();
  if (policies !== null) for (const cluster of answering) await ofKubernetes(cluster, policies, clusters);
  if (policies !== null) await ofSlack(policies);
  for (const cluster of clusters) cluster.close();
  return failures === 0 ? 0 : 1;
}

if (import.meta.main) process.exit(await runCheck(process.argv.slice(2), terminal, environment()));
