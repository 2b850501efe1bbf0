import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { createApi } from '../../src/adapters/kubernetes/api.ts';
import { createClusterAccess } from '../../src/adapters/kubernetes/cluster-access.ts';
import { createClusterKeys } from '../../src/adapters/kubernetes/cluster-keys.ts';
import { entranceOf } from '../../src/adapters/kubernetes/kube-config.ts';
import { watchOwnObjects } from '../../src/adapters/kubernetes/model/own-objects.ts';
import type { RedisClient } from '../../src/adapters/redis/connection.ts';
import { createGrantStore } from '../../src/adapters/redis/grant-store.ts';
import { createLocks } from '../../src/adapters/redis/locks.ts';
import { createAlarms } from '../../src/app/common/alarms.ts';
import { mayPass } from '../../src/app/common/faults.ts';
import { createUseCases } from '../../src/app/create-use-cases.ts';
import type { Clock } from '../../src/app/ports/clock.ts';
import type { Job } from '../../src/app/ports/scheduler.ts';
import type { World } from '../../src/app/ports/world.ts';
import { createChangeJudge } from '../../src/app/upkeep/judge-changes.ts';
import { EVERYTHING, lookAround } from '../../src/app/upkeep/look-around.ts';
import { reconcile } from '../../src/app/upkeep/reconcile.ts';
import { reconcileRequests } from '../../src/app/upkeep/reconcile-requests.ts';
import { runJob } from '../../src/app/upkeep/run-job.ts';
import { type Grant, hasEnded } from '../../src/domain/grant/grant.ts';
import { shortDigest } from '../../src/domain/plan/plan.ts';
import { policySchema } from '../../src/domain/policy/schema.ts';
import type { Wanted } from '../../src/domain/target.ts';
import type { Installation } from '../../src/sandbox/chart.ts';
import { account, followedIn, ownOf, PEOPLE } from './app-world.ts';
import { auditOn } from './audit.ts';
import { exampleValues, type Targets } from './chart.ts';
import type { TestCluster } from './cluster.ts';
import { startedModel } from './cluster-model.ts';
import { oneCluster } from './clusters.ts';
import { KEY } from './made.ts';
import { memoryScheduler } from './memory.ts';
import { silentLog } from './silent-log.ts';

/**
 * The app on a real API server, with the rights of the chart and no others, and a real Redis. Time is real, but jobs and reconcile run when
 * the test says so; Slack only remembers.
 */
export async function liveWorld(options: {
  readonly cluster: TestCluster;
  readonly at: Installation;
  readonly targets: Targets;
  readonly redis: RedisClient;
  /** As the chart was installed with. */
  readonly changes?: Readonly<Record<string, unknown>>;
}) {
  const { cluster, at, targets, redis, changes = {} } = options;
  let ahead = 0;
  const clock: Clock = { now: () => Date.now() + ahead, doubt: () => null };
  const { instance, workspacesNamespace, accountsNamespace, nodesNamespace } = at;
  const example = policySchema.parse(exampleValues(targets, changes).policy);
  // The suites ask again and again for the same.
  const policy = { ...example, approvals: { ...example.approvals, askOnce: false } };
  const config = new KubeConfig();
  config.loadFromFile(await cluster.serviceAccountKubeconfig(at.namespace, at.serviceAccount));
  const people = Object.entries(PEOPLE).map(([name, id]) => account(id, name));
  const told: { id: string; news: string; state: string }[] = [];
  const alarms: string[] = [];
  const faults: unknown[] = [];
  const { audit, printed } = auditOn(redis, { instance });
  const calls: number[] = [];
  const api = createApi(config, (status) => calls.push(status));
  const model = startedModel(api, instance);
  let scheduler = memoryScheduler(clock);
  const parts: Omit<World, 'alarms'> = {
    clock,
    policies: { current: () => policy, disabled: () => null },
    store: createGrantStore({ redis, instance, log: silentLog(), audit }),
    locks: createLocks({ redis, instance }),
    scheduler: {
      schedule: (job, when) => scheduler.schedule(job, when),
      cancel: (job) => scheduler.cancel(job),
      scheduleOnce: (job, key, seconds) => scheduler.scheduleOnce(job, key, seconds),
      forget: (key) => scheduler.forget(key),
      unscheduled: (wanted) => scheduler.unscheduled(wanted),
    },
    notifier: {
      async deliver({ grant }, news) {
        told.push({ id: grant.id, news, state: grant.state });
        return news === 'message' && grant.message === null ? { message: { channel: 'C0ACCESS', ts: '1.0' } } : {};
      },
      ask: async () => {},
      async alarm(_policy, _id, text) {
        alarms.push(text);
      },
    },
    directory: {
      account: async (slackId) => people.find((one) => one.slackId === slackId) ?? null,
      everyone: () => Readable.from([people]),
      accountWith: async (email) => people.find((one) => one.email === email) ?? null,
      handle: async () => null,
      members: async () => ({ retryIn: 20 }),
    },
    onCall: { addresses: async () => ({ retryIn: 20 }) },
    tickets: { judge: async () => ({ retryIn: 20 }) },
    audit,
    clusters: oneCluster(
      createClusterAccess({
        api,
        model,
        instance,
        workspacesNamespace,
        accountsNamespace,
        nodesNamespace,
        entrance: () => entranceOf(config),
        sealKeys: [KEY],
        probeImage: null,
        ownNamespace: at.namespace,
        now: clock.now,
        sleep,
      }),
    ),
    conditions: { hindrance: () => null, doubt: () => {} },
  };
  const world: World = { ...parts, alarms: createAlarms(parts) };
  const useCases = createUseCases(world);
  /** All that is due, once; what fails is due again at the next call. */
  async function run(): Promise<void> {
    const failed: Job[] = [];
    for (let job = scheduler.takeDue(); job !== null; job = scheduler.takeDue())
      try {
        await runJob(world, job);
      } catch (error) {
        faults.push(error);
        failed.push(job);
      }
    for (const job of failed) await scheduler.schedule(job);
  }
  async function grant(id: string): Promise<Grant> {
    const found = await world.store.get(id);
    if (found === null) throw new Error(`no grant ${id}`);
    return found;
  }
  const live = {
    world,
    useCases,
    told,
    alarms,
    faults,
    /** The audit, as it was printed. */
    printed,
    grant,
    run,
    stop: () => model.stop(),
    /** What the API server answered to each call of the bot. */
    calls,
    /** From now on every change of what is ours is judged as it comes. Resolves when all of it is known. */
    async watch() {
      const listed = Promise.withResolvers<void>();
      const onFault = (error: unknown) => faults.push(error);
      const judge = createChangeJudge(
        world,
        null,
        (id) => own.of(id),
        () => {},
        onFault,
      );
      const own = watchOwnObjects({
        api,
        instance,
        keysOf: createClusterKeys(api, [KEY]),
        onChange: (id) => judge.changed(id),
        onListed: () => listed.resolve(),
        onFault,
      });
      await listed.promise;
      return {
        own,
        stop() {
          own.stop();
          judge.stop();
        },
      };
    },
    async reconcile() {
      const onFault = (error: unknown) => faults.push(error);
      const byGrant = Map.groupBy(await world.clusters.of({ cluster: null }).found(), ({ id }) => id ?? '');
      const followed = new Set<string>();
      await reconcile(world, null, ownOf(byGrant), followedIn(followed), onFault);
      await reconcileRequests(world, onFault);
      await lookAround(
        world,
        world.clusters.of({ cluster: null }),
        [...followed],
        EVERYTHING,
        () => {},
        (error) => {
          if (!mayPass(error)) onFault(error);
        },
      );
    },
    /** So many milliseconds pass for the app, and for nobody else. */
    wait(milliseconds: number): void {
      ahead += milliseconds;
    },
    /** Looks around and runs what is due, again and again, until the grant has ended. */
    async ended(id: string, within = 20_000): Promise<Grant> {
      for (const end = Date.now() + within; ; await sleep(100)) {
        await live.reconcile();
        await run();
        const now = await grant(id);
        if (hasEnded(now.state)) return now;
        if (Date.now() > end)
          throw new Error(
            `${id} is still ${now.state}: ${alarms.findLast((text) => text.includes(id))} ${String(faults.at(-1))}`,
          );
      }
    },
    /** Ada asks, Ben approves; nothing has been applied yet. */
    approved(profile: string, namespace: string, workload: string | null, seconds = 600): Promise<string> {
      const kind = 'Deployment';
      return live.approvedOn(
        profile,
        workload === null ? { namespace } : { namespace, workload: { kind, name: workload } },
        seconds,
      );
    },
    async approvedOn(profile: string, target: Wanted, seconds = 600): Promise<string> {
      const { grant: asked } = await useCases.request(PEOPLE.ada, {
        profile,
        target,
        duration: seconds,
        reason: 'checkout returns 502',
      });
      await run();
      const { digest, message } = await grant(asked.id);
      await useCases.review(PEOPLE.ben, asked.id, 'approve', '', { digest: shortDigest(digest), message });
      return asked.id;
    },
    active(profile: string, namespace: string, workload: string | null, seconds = 600): Promise<string> {
      return live.applied(() => live.approved(profile, namespace, workload, seconds));
    },
    activeOn(profile: string, target: Wanted, seconds = 600): Promise<string> {
      return live.applied(() => live.approvedOn(profile, target, seconds));
    },
    async applied(approve: () => Promise<string>): Promise<string> {
      for (let left = 5; ; left--) {
        const id = await approve();
        await run();
        const { state, ending } = await grant(id);
        if (state === 'active') return id;
        if (left === 0) throw new Error(`${id} is ${state}: ${ending?.note} ${String(faults.at(-1))}`);
        // The plan is of the whole cluster, which other suites share: theirs came or went meanwhile, so that it must be asked for anew.
        if (state === 'pending') await useCases.revoke(PEOPLE.ada, id, '');
      }
    },
    /** Redis and its queue have lost everything. */
    async loseRedis(): Promise<void> {
      await redis.flushall();
      scheduler = memoryScheduler(clock);
    },
  };
  return live;
}

export type LiveWorld = Awaited<ReturnType<typeof liveWorld>>;
