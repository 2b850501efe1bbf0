import { randomBytes } from 'node:crypto';
import { copyFile, mkdtemp, readFile, realpath, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import type { PolicyInput } from '../domain/policy/schema.ts';
import { drawbridgeContents, redisContents } from '../image/contents.ts';
import { type Bot, startBotProcess } from './bot.ts';
import { type Installation, installationWith, installChart, installRelease } from './chart.ts';
import type { ChartValues } from './chart-values.ts';
import { CONTROL_PLANE, ensureBinaries } from './cluster/binaries.ts';
import type { Cluster } from './cluster/cluster.ts';
import { type ControlPlane, startControlPlane } from './cluster/control-plane.ts';
import { joinKubeconfigs } from './cluster/kubeconfig.ts';
import { loadImage } from './cluster/load-image.ts';
import { enforceNetworkPolicies } from './cluster/network-policies.ts';
import { type Node, startClusterWithNode } from './cluster/node.ts';
import { DRAWBRIDGE_IMAGE, TOOLS_IMAGE } from './cluster/node-image.ts';
import { markRunning } from './cluster/pods.ts';
import { type Log, removeAtEnd } from './cluster/supervisor.ts';
import { sandboxPolicy } from './policy.ts';
import { type LocalRedis, type RedisOptions, startRedis } from './redis.ts';
import { AGNHOST, GROUPS, type Namespaces, PEOPLE, type PersonName, shop, TOOLS, workspace } from './scenery.ts';
import { type LocalSlack, type SlackOptions, startSlack } from './slack/index.ts';

/** What a world needs of a cluster: one of its own, the one of a test run, or one of the user's. */
export type WorldCluster = Pick<
  Cluster,
  'adminKubeconfig' | 'kubeconfigFor' | 'serviceAccountKubeconfig' | 'kubectl' | 'apply'
> & {
  /** Takes the kubectl commands that remove everything again, to run them if this process dies before it does so itself. */
  readonly entrust?: (removal: readonly (readonly string[])[]) => Promise<{ dismiss(): Promise<void> }>;
};

export interface WorldOptions {
  readonly log: Log;
  /** How long a grant lasts by default, in minutes; the warning then comes half a minute before its end. */
  readonly minutes?: number;
  /** A cluster that is there already; everything then has names of its own in it and is removed by `stop`. Default: a new control plane. */
  readonly cluster?: WorldCluster;
  /** Whether pods of that cluster are really run by nodes. Without (default) they are marked as running, and nothing can be executed in them. */
  readonly hasNodes?: boolean;
  /**
   * For a world with a cluster of its own: a real node, with NetworkPolicies enforced (connections that exist outlive the policy that
   * allowed them) or `open`, without anybody who enforces them. Needs what `reasonAgainstNode` tells of.
   */
  readonly node?: 'enforcing' | 'open';
  /**
   * For a world with a node of its own. `pods`: the chart's Deployment runs there, of the image made of the sources as they are, with the chart's
   * Valkey. `none`: nothing of Drawbridge is there yet, not its namespace either. Default: bots are processes beside the cluster.
   */
  readonly installed?: 'pods' | 'none';
  /** What the probe of a workspace is played to say where there are no nodes, as its last words; default: that the cluster enforces NetworkPolicies. */
  readonly verdict?: string;
  /**
   * How many clusters there are, by their names in the policy ({@link CLUSTERS}). Those beside the first have a control plane of their own, without a
   * node, with the same workloads in namespaces of the same names. Default: one, without a name.
   */
  readonly clusters?: 1 | 2;
  /** A control plane that is there already, to be the second cluster; everything in it is removed by `stop`. Default: a new one. */
  readonly beside?: ControlPlane;
  /** With the profile `look-around` (see `sandboxPolicy`). */
  readonly byToken?: boolean;
  /** Changes the policy before chart and bot get it. */
  readonly policy?: (policy: PolicyInput) => void;
  readonly slack?: Partial<SlackOptions>;
  readonly redis?: Partial<RedisOptions>;
  /** Settings of all bots, beside or instead of those that the world makes. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** The names of clusters, where there are several. */
export const CLUSTERS = ['eu', 'us'] as const;

/** What stands before a target in the first of several clusters, as people type it. */
export const placeIn = ({ other }: Pick<World, 'other'>): string => (other === undefined ? '' : `${CLUSTERS[0]}:`);

/** A cluster beside the first. */
export interface OtherCluster {
  readonly name: string;
  readonly cluster: ControlPlane;
  /** A new kubeconfig of the bot's own there, by the account that the satellite made. */
  readonly credential: () => Promise<string>;
  adminKubectl(args: readonly string[]): Promise<string>;
  /** As of the world. */
  grantObjects(): Promise<string[]>;
}

/** A node was wanted and did not start. */
export class NodeFailedError extends Error {
  override name = 'NodeFailedError';
}

/** How a program ended and what it wrote. */
export type Ran = Awaited<ReturnType<Cluster['kubectl']>>;

export interface BotOptions {
  /** Default `bot`; several at once need several names. */
  readonly name?: string;
  /** Settings that differ; undefined takes one away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What it runs in the place of src/main.ts. */
  readonly main?: string;
  /** False: don't wait until it is ready. */
  readonly waitReady?: boolean;
  /** The file `cgroup.procs` of a cgroup that it is to run in. */
  readonly cgroup?: string;
}

/**
 * All that Drawbridge works with, on this machine: a Slack with people, Redis, a cluster with workloads, the chart installed, and bots
 * that hold the rights of the chart and no others.
 */
export interface World {
  readonly slack: LocalSlack;
  readonly redis: LocalRedis;
  readonly redisUrl: string;
  readonly cluster: WorldCluster;
  /** The cluster beside the first, where there are two. */
  readonly other: OtherCluster | undefined;
  /** Writes the bot's kubeconfig anew, with these credentials (a kubeconfig each) by the names of the clusters. */
  rotate(credentials: ReadonlyMap<string, string>): Promise<void>;
  /** The node of its own, if it has one. */
  readonly node: Node | undefined;
  readonly installation: Installation;
  /** The namespaces of the example policy, by their names here. */
  readonly namespaces: Namespaces;
  /** What the bot reads; change it with `changePolicy`, or by hand. */
  readonly policyFile: string;
  readonly dir: string;
  /** The settings that every bot gets. */
  readonly settings: Readonly<Record<string, string | undefined>>;
  /** Path of the kubeconfig by which somebody acts; without any right of its own. */
  readonly kubeconfigOf: (person: PersonName) => string;
  /** Runs kubectl as that person. A failure is an exit code, not an exception. */
  kubectlAs(person: PersonName, args: readonly string[]): Promise<Ran>;
  /** Runs kubectl as the administrator of the cluster, and answers what it writes. @throws Error with kubectl's words */
  adminKubectl(args: readonly string[]): Promise<string>;
  /** The names of the running pods of a workload of the shop, sorted. */
  podsOf(namespace: string, app: string): Promise<string[]>;
  /** Objects of grants that are in the cluster now, `kind/namespace/name`, of this world only. */
  grantObjects(): Promise<string[]>;
  /** Writes the policy anew, as an editor does: bots read it again by themselves. */
  changePolicy(change: (policy: PolicyInput) => void): Promise<void>;
  /** Starts a bot beside the cluster and waits until it is ready. */
  startBot(options?: BotOptions): Promise<Bot>;
  /** Ends one in order and starts it again. @throws Error when there is none of that name */
  restartBot(name?: string): Promise<Bot>;
  /** By name; those that were started and not forgotten, running or not. */
  readonly bots: ReadonlyMap<string, Bot>;
  /** Path of a shell script to be sourced: with it the project's commands (`npm run audit`, ...) are those of an operator of this installation. */
  operatorFile(): Promise<string>;
  /** Ends and removes everything. Calling it again is harmless. */
  stop(): Promise<void>;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Kinds of which a grant has objects. */
const KINDS = 'jobs,rolebindings,roles,clusterrolebindings,clusterroles,networkpolicies,pods';

/**
 * Brings a world up; bots are started by `startBot`. All of it ends with this process, killed with -9 too; on a cluster that was there
 * already, what was made in it stays then.
 * @throws NodeFailedError when it was the node that did not start, Error for any other part; what was started is ended again
 */
export async function startWorld(options: WorldOptions): Promise<World> {
  const closing: (() => Promise<unknown>)[] = [];
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= endAll(closing, options.log);
    return stopped;
  };
  try {
    return await bringUp(options, closing, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Last made, first ended; one that fails does not keep the others. */
async function endAll(closing: (() => Promise<unknown>)[], log: Log): Promise<void> {
  for (let close = closing.pop(); close !== undefined; close = closing.pop()) {
    try {
      await close();
    } catch (error) {
      log(`while stopping: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

async function bringUp(
  options: WorldOptions,
  closing: (() => Promise<unknown>)[],
  stop: () => Promise<void>,
): Promise<World> {
  const { log, minutes, cluster: given, verdict } = options;
  const ownNode = given === undefined ? options.node : undefined;
  const installed = ownNode === undefined ? undefined : options.installed;
  const hasNodes = ownNode !== undefined || (given !== undefined && options.hasNodes === true);
  // A user's nodes have no image of Drawbridge: nothing is probed there. Where there are no nodes the probe is played too.
  const probes = !hasNodes || ownNode !== undefined;
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'drawbridge-world-')));
  const folder = removeAtEnd(dir);
  closing.push(() => folder.stop());

  // On a cluster that others use too, names of its own.
  const prefix = given === undefined ? '' : `sandbox-${randomBytes(3).toString('hex')}-`;
  const namespaces: Namespaces = { staging: `${prefix}staging`, payments: `${prefix}payments` };
  const release = `${prefix}drawbridge`;

  const policyFile = join(dir, 'policy.yaml');
  const text = await sandboxPolicy({
    namespaces,
    strict: probes,
    byToken: options.byToken ?? false,
    ...(ownNode === undefined ? {} : { toolbox: TOOLS_IMAGE }),
    // Whoever installs the chart themselves do so with its default values.
    ...(ownNode === undefined || installed === 'none' ? {} : { machine: TOOLS_IMAGE }),
    ...(minutes === undefined ? {} : { seconds: minutes * 60 }),
  });
  const named = options.clusters === 2 ? changed(text, nameClusters) : text;
  await writeFile(policyFile, options.policy === undefined ? named : changed(named, options.policy));
  const policy = parse(await readFile(policyFile, 'utf8')) as PolicyInput;

  const started = timed(log);
  const startingCluster = startCluster();
  const startingSlack = started('Slack', async () => {
    // Pods reach this machine at its end of the link to the node.
    const place = installed === undefined ? undefined : (await startingCluster).node;
    // More patience than the three seconds of the real one: all of this shares one machine.
    const slack = await startSlack({
      ...workspace(),
      log: quiet,
      ackMs: 10_000,
      triggerMs: 10_000,
      ...(place === undefined ? {} : { address: place.network.hostAddress }),
      ...options.slack,
    });
    closing.push(() => slack.stop());
    return slack;
  });
  const startingOther = options.clusters === 2 ? startOther() : undefined;
  startingOther?.catch(() => {});
  const [slack, redis, { cluster, node, installation, kubeconfigs }] = await all(
    startingSlack,
    started('Redis', async () => {
      const redis = await startRedis({ log: quiet, ...options.redis });
      closing.push(() => redis.stop());
      return redis;
    }),
    prepareCluster(),
  );

  /** The same once more, in a cluster without a node. */
  async function startOther() {
    const other = await started(`Kubernetes of cluster ${CLUSTERS[1]}`, async () => {
      if (options.beside !== undefined) return options.beside;
      const made = await startControlPlane({ binaries: await ensureBinaries(CONTROL_PLANE, log), log });
      closing.push(() => made.stop());
      return made;
    });
    const names = [...Object.values(namespaces), release];
    if (options.beside !== undefined)
      closing.push(async () => {
        for (const args of removalOf(release, names, false)) await mustRun(other, args);
      });
    await other.apply(names.map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })));
    const values: ChartValues = {
      ...valuesOf(),
      mode: 'satellite',
      hub: { cluster: CLUSTERS[1] },
      probe: { enabled: true },
    };
    await all(
      installRelease({ kubeconfig: other.adminKubeconfig, values, release, namespace: release }),
      (async () => {
        await other.apply(shop(namespaces, AGNHOST));
        await playNodes(other);
        for (const name of Object.values(namespaces)) await mustRun(other, availableIn(name, '--timeout=60s'));
      })(),
      Promise.resolve(),
    );
    await mustRun(other, availableIn(workspacesOf(release), '--timeout=60s'));
    return { cluster: other };
  }

  function valuesOf(): ChartValues {
    return {
      policy,
      existingSecret: SECRET,
      // The bot runs here, as a process of its own, with the service account that the chart gives it.
      replicas: 0,
      workspaces: { namespace: workspacesOf(release) },
      accounts: { enabled: needsAccounts(policy), namespace: accountsOf(release) },
      nodes: {
        enabled: Object.values(policy.profiles).some(({ shell }) => shell !== undefined),
        namespace: nodesOf(release),
      },
    };
  }

  async function startCluster(): Promise<{ cluster: WorldCluster; node?: Node }> {
    if (given !== undefined) return { cluster: given };
    if (ownNode === undefined)
      return started('Kubernetes (control plane)', async () => {
        const cluster = await startControlPlane({ binaries: await ensureBinaries(CONTROL_PLANE, log), log });
        closing.push(() => cluster.stop());
        return { cluster };
      });
    return started('Kubernetes (control plane and a node)', async () => {
      const {
        controlPlane: cluster,
        node,
        stop,
      } = await startClusterWithNode({ log }).catch((error: unknown) => {
        throw new NodeFailedError(`The node did not start: ${String(error)}`, { cause: error });
      });
      closing.push(stop);
      if (ownNode === 'enforcing') {
        const policies = await enforceNetworkPolicies({ cluster, node, keepEstablished: true, log });
        closing.push(() => policies.stop());
      }
      return { cluster, node };
    });
  }

  async function prepareCluster() {
    const { cluster, node } = await startingCluster;
    await makeNamespaces(cluster);
    const values: ChartValues = {
      ...valuesOf(),
      probe: { enabled: probes },
      ...(ownNode === undefined ? {} : { image: DRAWBRIDGE_IMAGE }),
      ...(installed === 'pods' && node !== undefined ? await podValues(cluster, node) : {}),
    };
    const limit = hasNodes ? '--timeout=180s' : '--timeout=60s';
    const available = (namespace: string) => mustRun(cluster, availableIn(namespace, limit));
    const [installation, , kubeconfigs] = await all(
      started('the Helm chart', async () => {
        const chart = { values, release, namespace: release };
        return installed === 'none'
          ? installationWith(chart)
          : installChart({ kubeconfig: cluster.adminKubeconfig, ...chart });
      }),
      started('workloads', async () => {
        await cluster.apply(shop(namespaces, ownNode === undefined ? AGNHOST : TOOLS));
        if (!hasNodes) await playNodes(cluster);
        for (const namespace of Object.values(namespaces)) await available(namespace);
      }),
      writeKubeconfigs(cluster),
    );
    if (probes && installed !== 'none') await started('the canary', () => available(workspacesOf(release)));
    if (installed === 'pods') await started('Drawbridge, as two pods', () => available(release));
    return { cluster, node, installation, kubeconfigs };
  }

  /** What the chart's own pods need on a node of ours. */
  async function podValues(cluster: WorldCluster, node: Node) {
    const image = await started('the image of Drawbridge', () => loadImage(node, drawbridgeContents));
    const redis = await started('the image of Redis', () => loadImage(node, redisContents));
    await cluster.apply([secretOf(release, await startingSlack)]);
    return { replicas: 2, image, valkey: { enabled: true, image: redis } };
  }

  async function makeNamespaces(cluster: WorldCluster): Promise<void> {
    const names = [...Object.values(namespaces), ...(installed === 'none' ? [] : [release])];
    if (given !== undefined) {
      const removal = removalOf(release, names, hasNodes);
      const trust = await given.entrust?.(removal);
      closing.push(async () => {
        for (const args of removal) await mustRun(cluster, args);
        await trust?.dismiss();
      });
    }
    const labels = { 'drawbridge.example/sandbox': release };
    await cluster.apply(names.map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } })));
  }

  /** Without a node somebody must say that pods run. */
  async function playNodes(cluster: Pick<Cluster, 'kubeconfigFor'>): Promise<void> {
    const [block, rest] = randomBytes(2);
    const kubelet = await markRunning({
      kubeconfig: await cluster.kubeconfigFor('system:kube-scheduler'),
      namespaces: [...Object.values(namespaces), workspacesOf(release)],
      // Worlds side by side know nothing of one another's addresses.
      ...(given === undefined ? {} : { podCidr: `10.${100 + ((block ?? 0) % 100)}.${rest}.0/24` }),
      ...(verdict === undefined ? {} : { terminationMessage: (_pod, name) => (name === 'probe' ? verdict : '') }),
      onError: (error) => log(`pods: ${error instanceof Error ? error.message : String(error)}`),
    });
    closing.push(() => kubelet.stop());
  }

  async function writeKubeconfigs(cluster: WorldCluster): Promise<Record<PersonName, string>> {
    const paths = await Promise.all(
      (Object.keys(PEOPLE) as PersonName[]).map(async (name) => {
        const path = join(dir, `${name}.kubeconfig`);
        const mine = await cluster.kubeconfigFor(PEOPLE[name].user, GROUPS);
        if (startingOther === undefined) await copyFile(mine, path);
        else {
          const { cluster: other } = await startingOther;
          const files = [mine, await other.kubeconfigFor(PEOPLE[name].user, GROUPS)];
          await joinKubeconfigs(path, new Map(CLUSTERS.map((cluster, index) => [cluster, files[index] ?? ''])));
        }
        return [name, path] as const;
      }),
    );
    return Object.fromEntries(paths) as Record<PersonName, string>;
  }

  const { namespace, serviceAccount, instance, workspacesNamespace, accountsNamespace, nodesNamespace, probeImage } =
    installation;
  const credentialOf = (of: Pick<Cluster, 'serviceAccountKubeconfig'>) =>
    of.serviceAccountKubeconfig(namespace, serviceAccount, { expirationSeconds: 86_400 });
  const credential = () => credentialOf(cluster);
  const joined = join(dir, 'bot.kubeconfig');
  const rotate = (credentials: ReadonlyMap<string, string>) => joinKubeconfigs(joined, credentials);
  const beside = await startingOther;
  if (beside !== undefined)
    await rotate(
      new Map([
        [CLUSTERS[0], await credential()],
        [CLUSTERS[1], await credentialOf(beside.cluster)],
      ]),
    );
  const settings: Record<string, string | undefined> = {
    SLACK_BOT_TOKEN: slack.botToken,
    SLACK_APP_TOKEN: slack.appToken,
    SLACK_API_URL: slack.apiUrl,
    REDIS_URL: redis.url,
    KUBECONFIG: installed === undefined ? (beside === undefined ? await credential() : joined) : undefined,
    POLICY_FILE: policyFile,
    INSTANCE: instance,
    SEAL_KEY: randomBytes(32).toString('base64'),
    WORKSPACES_NAMESPACE: workspacesNamespace,
    ACCOUNTS_NAMESPACE: accountsNamespace,
    NODES_NAMESPACE: nodesNamespace,
    POD_NAMESPACE: namespace,
    PROBE_IMAGE: probeImage ?? undefined,
    ...options.env,
  };

  const bots = new Map<string, Bot>();
  const adminKubectl = (args: readonly string[]) => mustRun(cluster, args);
  const listed = async (args: readonly string[], of: Pick<Cluster, 'kubectl'> = cluster) =>
    (await mustRun(of, args)).split(' ').filter((name) => name !== '');
  const objectsIn = (of: Pick<Cluster, 'kubectl'>) => {
    const selector = `drawbridge.internal/instance=${instance}`;
    const format = '-o=jsonpath={range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name} {end}';
    return listed(['get', KINDS, '-A', '-l', selector, format], of);
  };
  const other: OtherCluster | undefined = beside && {
    name: CLUSTERS[1],
    ...beside,
    credential: () => credentialOf(beside.cluster),
    adminKubectl: (args) => mustRun(beside.cluster, args),
    grantObjects: () => objectsIn(beside.cluster),
  };

  return {
    slack,
    redis,
    redisUrl: redis.url,
    cluster,
    other,
    rotate,
    node,
    installation,
    namespaces,
    policyFile,
    dir,
    settings,
    bots,
    stop,
    kubeconfigOf: (person) => kubeconfigs[person],
    kubectlAs: (person, args) => cluster.kubectl(args, { kubeconfig: kubeconfigs[person] }),
    adminKubectl,
    async podsOf(namespace, app) {
      const running = ['--field-selector', 'status.phase=Running', '-o', 'jsonpath={.items[*].metadata.name}'];
      return (await listed(['get', 'pods', '-n', namespace, '-l', `app=${app}`, ...running])).toSorted();
    },
    grantObjects: () => objectsIn(cluster),
    async changePolicy(change) {
      const temporary = `${policyFile}.new`;
      await writeFile(temporary, changed(await readFile(policyFile, 'utf8'), change));
      await rename(temporary, policyFile);
    },
    async operatorFile() {
      const path = join(dir, 'operator.sh');
      const taken = [
        'REDIS_URL',
        'INSTANCE',
        'SEAL_KEY',
        'WORKSPACES_NAMESPACE',
        'ACCOUNTS_NAMESPACE',
        'NODES_NAMESPACE',
        'KUBECONFIG',
      ];
      const lines = taken.map((name) => `export ${name}=${quoted(settings[name] ?? '')}\n`);
      await writeFile(path, `cd ${quoted(ROOT)}\nunset KUBE_CONTEXT\n${lines.join('')}`, { mode: 0o600 });
      return path;
    },
    async startBot({ name = 'bot', env = {}, ...how } = {}) {
      if (bots.has(name)) throw new Error(`there is a bot '${name}' already: use restartBot, or another name`);
      const bot = await startBotProcess({
        name,
        env: { ...settings, ...env },
        logFile: join(dir, `${name}.log`),
        cwd: dir,
        ...how,
      });
      bots.set(name, bot);
      closing.push(() => bot.stop());
      return bot;
    },
    async restartBot(name = 'bot') {
      const bot = bots.get(name);
      if (bot === undefined) throw new Error(`there is no bot '${name}'`);
      await bot.restart();
      return bot;
    },
  };
}

/** Two clusters, and every profile for both. */
function nameClusters(policy: PolicyInput): void {
  policy.clusters = { [CLUSTERS[0]]: {}, [CLUSTERS[1]]: { context: CLUSTERS[1] } };
  for (const profile of Object.values(policy.profiles)) profile.clusters = ['*'];
}

const availableIn = (namespace: string, limit: string): string[] => [
  'wait',
  'deployment',
  '--all',
  '--for=condition=Available',
  '-n',
  namespace,
  limit,
];

/** What removes a world from a cluster: first the admission policies, which would guard the rest. */
function removalOf(release: string, namespaces: readonly string[], wait: boolean): string[][] {
  const clusterWide = [
    'validatingadmissionpolicybindings',
    'validatingadmissionpolicies',
    'clusterrolebindings',
    'clusterroles',
  ].join();
  return [
    ['delete', clusterWide, '-l', `app.kubernetes.io/instance=${release}`],
    [
      'delete',
      'namespace',
      ...namespaces,
      workspacesOf(release),
      accountsOf(release),
      nodesOf(release),
      '--ignore-not-found',
      `--wait=${wait}`,
    ],
  ];
}

/** The Secret that the chart's pods read. */
const SECRET = 'drawbridge-settings';
const secretOf = (namespace: string, { botToken, appToken, apiUrl }: LocalSlack): object => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: SECRET, namespace },
  stringData: {
    SLACK_BOT_TOKEN: botToken,
    SLACK_APP_TOKEN: appToken,
    SLACK_API_URL: apiUrl,
    SEAL_KEY: randomBytes(32).toString('base64'),
  },
});

const workspacesOf = (release: string): string => `${release}-workspaces`;
const accountsOf = (release: string): string => `${release}-accounts`;
const nodesOf = (release: string): string => `${release}-nodes`;

/** Whether a profile gives what only an installation with `accounts.enabled` may. */
const needsAccounts = ({ profiles }: PolicyInput): boolean =>
  Object.values(profiles).some(
    ({ scope, credential }) => scope === 'cluster' || scope === 'node' || credential === 'token',
  );

const quiet: Log = () => {};

/** As one word of a shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** Tells what is up, and how long it took. */
function timed(log: Log): <T>(what: string, work: () => Promise<T>) => Promise<T> {
  return async (what, work) => {
    const begin = performance.now();
    const result = await work();
    log(`${what}: up after ${((performance.now() - begin) / 1000).toFixed(1)} s`);
    return result;
  };
}

/** All of them; when one fails the others are waited for too, so that what they started is known and can be ended. */
async function all<A, B, C>(a: Promise<A>, b: Promise<B>, c: Promise<C>): Promise<[A, B, C]> {
  await Promise.allSettled([a, b, c]);
  return [await a, await b, await c];
}

async function mustRun(cluster: Pick<Cluster, 'kubectl'>, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cluster.kubectl(args);
  if (code !== 0) throw new Error(`kubectl ${args.slice(0, 3).join(' ')}: ${stderr.trim()}`);
  return stdout;
}

function changed(text: string, change: (policy: PolicyInput) => void): string {
  const policy = parse(text) as PolicyInput;
  change(policy);
  return stringify(policy);
}
