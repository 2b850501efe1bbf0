import { setTimeout as sleep } from 'node:timers/promises';
import type { Bot } from '../../src/sandbox/bot.ts';
import { type Api, openApi } from '../../src/sandbox/cluster/api.ts';
import { CONTROL_PLANE, ensureBinaries } from '../../src/sandbox/cluster/binaries.ts';
import { type ControlPlane, startControlPlane } from '../../src/sandbox/cluster/control-plane.ts';
import { startWorld, type World } from '../../src/sandbox/world.ts';
import { makeBundle } from '../support/bundle.ts';
import { askingAgain } from '../support/e2e.ts';
import { SHORT_MINUTE } from '../support/slack.ts';
import { notingStalls } from './stalls.ts';

/** Namespaces in which the grants of a bench live. They are many: with all bindings in one place each review would read all of them. */
const NAMESPACES = 100;
/** How long a bot may take to be ready: milliseconds. With many grants that is what is measured. */
const READY_MS = 600_000;

/** A control plane, Redis, Slack and the chart's installation of its own, for one row. */
export interface BenchStage {
  readonly world: World;
  readonly cluster: ControlPlane;
  /** The administrator, over kept connections. */
  readonly admin: Api;
  /** Namespaces that the policy covers, each with a Deployment `app`. */
  readonly namespaces: readonly string[];
  /** The user by which the API server knows the bot. */
  readonly botUser: string;
  readonly kubernetes: string;
  /**
   * Starts the bot; answers it and how many milliseconds passed until it was ready.
   * @param unbundled from its sources, in the place of the program that the image has
   */
  startBot(
    env?: Readonly<Record<string, string | undefined>>,
    cgroup?: string,
    unbundled?: boolean,
  ): Promise<{ bot: Bot; readyAfter: number }>;
}

/** What the cluster does to itself is not looked at. */
const OWN_CALLS = {
  level: 'None',
  userGroups: ['system:masters', 'system:serviceaccounts:kube-system'],
};
const OWN_USERS = {
  level: 'None',
  users: ['system:kube-controller-manager', 'system:kube-scheduler', 'system:apiserver'],
};
const BODIES = {
  level: 'Request',
  verbs: ['create', 'patch', 'update', 'delete'],
};

/**
 * Runs `work` on a stage of its own, and takes it down.
 * @param options.bodies the API server's audit log has what was written, too
 * @param options.namespaces how many for grants, each with a workload of one pod
 */
export async function onStage<T>(
  options: { readonly say: (line: string) => void; readonly bodies?: boolean; readonly namespaces?: number },
  work: (stage: BenchStage) => Promise<T>,
): Promise<T> {
  const { say, bodies = false } = options;
  const namespaces = Array.from({ length: options.namespaces ?? NAMESPACES }, (_, index) => `bench-${index}`);
  const closing: (() => unknown)[] = [];
  try {
    const bundle = await makeBundle();
    closing.push(() => bundle.remove());
    const cluster = await startControlPlane({
      binaries: await ensureBinaries(CONTROL_PLANE, say),
      log: say,
      auditRules: [OWN_CALLS, OWN_USERS, ...(bodies ? [BODIES] : [])],
    });
    closing.push(() => cluster.stop());
    const world = await startWorld({
      log: () => {},
      cluster,
      // What is measured is not what Slack allows: `slack` measures that.
      slack: { minuteMs: SHORT_MINUTE },
      policy: askingAgain(({ profiles }) => {
        for (const name of ['view', 'debug']) profiles[name]?.namespaces?.push('bench-*');
      }),
    });
    closing.push(() => world.stop());
    if (namespaces.length > 0) await cluster.apply(namespaces.flatMap(workload));
    const admin = await openApi(cluster.adminKubeconfig);
    closing.push(() => admin.close());
    await untilPods(admin, namespaces.length);
    const { namespace, serviceAccount } = world.installation;
    const { body } = await admin.call('GET', '/version');
    return await work({
      world,
      cluster,
      admin,
      namespaces,
      botUser: `system:serviceaccount:${namespace}:${serviceAccount}`,
      kubernetes: (body as { gitVersion: string }).gitVersion,
      async startBot(env = {}, cgroup, unbundled = false) {
        const began = performance.now();
        const bot = await world.startBot({
          name: `bot-${world.bots.size}`,
          waitReady: false,
          ...(unbundled ? {} : { main: bundle.main }),
          env: { ...profiled(), ...env },
          ...(cgroup === undefined ? {} : { cgroup }),
        });
        while (!(await bot.ready())) {
          if (performance.now() - began > READY_MS) throw new Error(`the bot is not ready; see ${bot.logFile}`);
          await sleep(20);
        }
        return { bot: notingStalls(bot), readyAfter: performance.now() - began };
      },
    });
  } finally {
    for (const close of closing.toReversed()) await close();
  }
}

/** Waits until each workload has its pod, which a Role can name. */
async function untilPods(admin: Api, count: number): Promise<void> {
  for (;;) {
    const { body } = await admin.call('GET', '/api/v1/pods?labelSelector=app%3Dapp');
    if ((body as { items: unknown[] }).items.length === count) return;
    await sleep(200);
  }
}

/** With BENCH_CPU_PROFILE=DIR each bot leaves a profile there when it is stopped. It makes the bot slower. */
function profiled(): Record<string, string> {
  const dir = process.env['BENCH_CPU_PROFILE'];
  return !dir ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${dir} --cpu-prof-interval=2000` };
}

/** Its pod never runs, as there is no node; it is there, and a Role can name it. */
function workload(namespace: string): object[] {
  const labels = { app: 'app' };
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { namespace, name: 'app' },
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { containers: [{ name: 'app', image: 'registry.k8s.io/pause:3.10' }] },
        },
      },
    },
  ];
}
