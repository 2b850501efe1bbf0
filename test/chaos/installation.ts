import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import type { Bot } from '../../src/sandbox/bot.ts';
import type { ControlPlane } from '../../src/sandbox/cluster/control-plane.ts';
import { joinKubeconfigs, readKubeconfig, writeKubeconfig } from '../../src/sandbox/cluster/kubeconfig.ts';
import { markRunning } from '../../src/sandbox/cluster/pods.ts';
import { startWorld, type World } from '../../src/sandbox/world.ts';
import { HOSTED } from '../support/redis-users.ts';
import { SHORT_MINUTE } from '../support/slack.ts';
import { type ApiProxy, startApiProxy } from './api-proxy.ts';
import type { CrashPoint } from './crash-points.ts';
import { type Climate, chaosWorkspace, SIDES, type Side } from './histories.ts';
import { type Pulse, startPulse } from './pulse.ts';
import { type SlackView, viewSlack } from './slack-view.ts';
import { slotObjects, slotProfiles, wideProfiles, workload } from './slots.ts';
import { startUnforgiving } from './unforgiving.ts';

const MAIN = fileURLToPath(new URL('./bot.ts', import.meta.url));
const ACCESS = 'C0ACCESS001';

/** A bot that is killed again and again, and started anew. */
export interface Victim {
  readonly bot: Bot;
  /** Tells it to kill itself at the next call of this kind, and to be down for so long afterwards. */
  arm(point: CrashPoint, down: number): void;
  disarm(): void;
  /** Kills it now, and starts it again `down` milliseconds later; does nothing while it is down. */
  kill(down: number): Promise<void>;
  /** Waits until it runs. */
  running(): Promise<void>;
  readonly isUp: boolean;
  stop(): Promise<void>;
}

/** A time in which something was broken, to which recovery is added by the judge. */
export interface Fault {
  readonly from: number;
  to: number;
  readonly what: string;
  /** It slows what ends the leases as well. */
  readonly cluster?: boolean;
  /** The one cluster to which the way is broken; left out: whatever there is. */
  readonly side?: Side;
}

/** One Drawbridge with all that it works with: two bots, Slack, Redis, namespaces of its own in the cluster. */
export interface Installation {
  readonly world: World;
  /** Between the bots and each of the clusters. */
  readonly proxies: readonly { readonly side: Side | null; readonly proxy: ApiProxy }[];
  readonly redis: Redis;
  readonly slack: SlackView;
  readonly victims: readonly Victim[];
  readonly namespaces: Readonly<Record<'staging' | 'payments' | 'open' | 'slots', string>>;
  readonly workspaces: string;
  /** Name of a node that each cluster has. */
  readonly node: string;
  readonly faulty: Fault[];
  readonly pulse: Pulse;
  /** Times in which no bot ran. */
  readonly dead: { readonly from: number; to: number }[];
  readonly flushes: number[];
  readonly counts: Record<'kills' | 'crashes' | 'redisRestarts' | 'flushes' | 'edits', number>;
  /** At which points bots killed themselves. */
  readonly crashedAt: Map<string, number>;
  stop(): Promise<void>;
}

/** A minute of the unforgiving Slack's limits: what people do in a batch would take them some minutes more. */
const MINUTE_MS = 10_000;

let installed = 0;

/** Each hoster in its turn. */
function pickHost(): keyof typeof HOSTED {
  const hosts = Object.keys(HOSTED) as (keyof typeof HOSTED)[];
  return hosts[installed % hosts.length] ?? 'no INFO';
}

/** Brings an installation up on a control plane that others may use too. */
export async function install(options: {
  /** One, or two in the order of `SIDES`. */
  readonly clusters: readonly [ControlPlane, ...ControlPlane[]];
  readonly plant: string | null;
  readonly climate: Climate;
  readonly log: (line: string) => void;
}): Promise<Installation> {
  const { clusters, plant, climate, log } = options;
  const [cluster, beside] = clusters;
  const isUnforgiving = climate === 'unforgiving';
  const suffix = randomBytes(3).toString('hex');
  const [open, slots] = [`open-${suffix}`, `slots-${suffix}`];
  const node = `chaos-${suffix}.example.test`;
  const kubelets = await Promise.all(
    clusters.map(async (one) => {
      await one.apply([
        ...[open, slots].map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })),
        { apiVersion: 'v1', kind: 'Node', metadata: { name: node } },
        workload(open, 'probe', 2),
        ...slotObjects(slots),
      ]);
      return markRunning({
        kubeconfig: await one.kubeconfigFor('system:kube-scheduler'),
        namespaces: [open, slots],
        podCidr: `10.${200 + ((randomBytes(1)[0] ?? 0) % 50)}.0.0/24`,
      });
    }),
  );
  const world = await startWorld({
    log: () => {},
    cluster,
    ...(beside && { clusters: 2, beside }),
    slack: { ...chaosWorkspace(), ackMs: 3000, minuteMs: isUnforgiving ? MINUTE_MS : SHORT_MINUTE },
    // A kill then loses nothing that was answered, so that what is lost can be told: all of it, by a flush.
    redis: { appendfsync: 'always', users: [`hosted on >hosted ~* &* ${HOSTED[pickHost()]}`] },
    policy(policy) {
      policy.approvals = { ...policy.approvals, askOnce: false, timeout: '15s', reminder: '5s' };
      policy.notifications = { warning: '2s' };
      for (const profile of Object.values(policy.profiles)) {
        delete profile.timeout;
        profile.duration = { default: '5s', maximum: '1h' };
      }
      const { view, debug, troubleshoot, shell, 'own-tools': ownTools } = policy.profiles;
      if (!view || !debug || !troubleshoot || !ownTools || !shell?.network)
        throw new Error('the example policy lacks a profile');
      shell.namespaces = [open];
      shell.network.allowIsolation = true;
      for (const profile of [debug, troubleshoot, shell, ownTools]) profile.namespaces?.push(slots);
      Object.assign(policy.profiles, slotProfiles(slots, view.approvers), wideProfiles(debug, node));
      if (beside) for (const profile of Object.values(policy.profiles)) profile.clusters = ['*'];
    },
  });
  const proxies = await Promise.all(
    clusters.map(async (one, index) => ({
      side: beside === undefined ? null : (SIDES[index] ?? null),
      proxy: await startApiProxy(one.url, join(one.dir, 'pki')),
    })),
  );
  const { namespace, serviceAccount } = world.installation;
  const ways = await Promise.all(
    clusters.map(async (one, index): Promise<[string, string]> => {
      const file = join(world.dir, `way-${index}.kubeconfig`);
      const direct = await one.serviceAccountKubeconfig(namespace, serviceAccount, { expirationSeconds: 86_400 });
      const { server, credentials } = await readKubeconfig(direct);
      await writeKubeconfig(file, { ...server, url: proxies[index]?.proxy.url ?? '' }, credentials);
      return [SIDES[index] ?? '', file];
    }),
  );
  const kubeconfig = join(world.dir, 'bots.kubeconfig');
  await joinKubeconfigs(kubeconfig, new Map(ways));
  const redis = new Redis(world.redisUrl, { maxRetriesPerRequest: 0, retryStrategy: () => 200 });
  redis.on('error', () => {});

  // They start again and again.
  const compiled = join(world.dir, 'compiled');
  const faulty: Installation['faulty'] = [];
  const dead: Installation['dead'] = [];
  const counts: Installation['counts'] = { kills: 0, crashes: 0, redisRestarts: 0, flushes: 0, edits: 0 };
  const crashedAt = new Map<string, number>();
  const victims: Victim[] = [];
  const noteDead = () => {
    const isDead = victims.every((victim) => !victim.isUp);
    const last = dead.at(-1);
    const now = Date.now();
    if (isDead && last?.to !== Number.POSITIVE_INFINITY) dead.push({ from: now, to: Number.POSITIVE_INFINITY });
    else if (!isDead && last?.to === Number.POSITIVE_INFINITY) last.to = now;
  };

  async function startVictim(name: string): Promise<Victim> {
    const crashFile = join(world.dir, `${name}.crash`);
    const bot = await world.startBot({
      name,
      main: MAIN,
      env: {
        KUBECONFIG: kubeconfig,
        CHAOS_CRASH: crashFile,
        ...(isUnforgiving ? { REDIS_URL: world.redisUrl.replace('redis://', 'redis://hosted:hosted@') } : {}),
        NODE_COMPILE_CACHE: compiled,
        ...(plant === null ? {} : { CHAOS_PLANT: plant }),
      },
    });
    const now = { up: true, stopping: false, down: 0 };

    /** Whatever ended it, it comes back. */
    async function revive(): Promise<void> {
      while (!now.stopping) {
        await bot.exited;
        now.up = false;
        noteDead();
        if (existsSync(`${crashFile}.done`)) {
          const point = readFileSync(`${crashFile}.done`, 'utf8').trim();
          crashedAt.set(point, (crashedAt.get(point) ?? 0) + 1);
          rmSync(`${crashFile}.done`);
          counts.crashes += 1;
        }
        const fault: Fault = { from: Date.now(), to: Number.POSITIVE_INFINITY, what: `${name} down` };
        faulty.push(fault);
        await sleep(now.down);
        now.down = 0;
        if (now.stopping) return;
        await bot.restart({ waitReady: false });
        fault.to = Date.now();
        now.up = true;
        noteDead();
      }
    }
    const reviving = revive().catch((error: unknown) => log(`${name} could not be started: ${String(error)}`));
    return {
      bot,
      arm(point, downFor) {
        now.down = downFor;
        writeFileSync(crashFile, JSON.stringify(point));
      },
      disarm: () => rmSync(crashFile, { force: true }),
      async kill(downFor) {
        if (!now.up) return;
        now.down = downFor;
        counts.kills += 1;
        await bot.kill9();
      },
      async running() {
        while (!(now.up && (await bot.ready()))) await sleep(50);
      },
      get isUp() {
        return now.up;
      },
      async stop() {
        now.stopping = true;
        await bot.stop();
        await reviving;
      },
    };
  }
  const namespaces = { ...world.namespaces, open, slots };
  const workspaces = world.installation.workspacesNamespace;
  const unforgiving = isUnforgiving
    ? await startUnforgiving(cluster, [...Object.values(namespaces), workspaces])
    : null;
  victims.push(await startVictim('one'));
  victims.push(await startVictim('two'));
  await world.slack.control.connected(2);
  const pulse = await startPulse(cluster, open, (fault) => faulty.push(fault));
  // Every second one is told of nobody who leaves; with a planted fault all are: the bot would end what the fault is to be seen by.
  world.slack.faults.loseEvents(plant !== null || installed++ % 2 === 1);

  return {
    world,
    proxies,
    redis,
    slack: viewSlack(world.slack.control.log(), ACCESS),
    victims,
    namespaces,
    workspaces,
    node,
    faulty,
    pulse,
    dead,
    flushes: [],
    counts,
    crashedAt,
    async stop() {
      await pulse.stop();
      await Promise.all(victims.map((victim) => victim.stop()));
      redis.disconnect();
      for (const { proxy } of proxies) await proxy.stop();
      await unforgiving?.stop();
      await world.stop();
      for (const kubelet of kubelets) await kubelet.stop();
    },
  };
}
