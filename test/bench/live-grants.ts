import { setTimeout as sleep } from 'node:timers/promises';
import { createApi } from '../../src/adapters/kubernetes/api.ts';
import { createClusterAccess } from '../../src/adapters/kubernetes/cluster-access.ts';
import { readClusterUid } from '../../src/adapters/kubernetes/cluster-keys.ts';
import { loadKubeConfig } from '../../src/adapters/kubernetes/kube-config.ts';
import { objectName } from '../../src/adapters/kubernetes/manifests.ts';
import { createClusterModel } from '../../src/adapters/kubernetes/model/cluster-model.ts';
import { createScheduler } from '../../src/adapters/queue/scheduler.ts';
import { connectRedis } from '../../src/adapters/redis/connection.ts';
import { createGrantStore } from '../../src/adapters/redis/grant-store.ts';
import { inParallel } from '../../src/app/common/in-parallel.ts';
import { Unavailable } from '../../src/domain/errors.ts';
import type { Grant } from '../../src/domain/grant/grant.ts';
import type { Plan } from '../../src/domain/plan/plan.ts';
import { auditOn } from '../support/audit.ts';
import { ADA, applyingGrant, sampleGrant, samplePlan } from '../support/grants.ts';
import { silentLog } from '../support/silent-log.ts';
import type { BenchStage } from './stage.ts';

/** Calls under way at once while grants are made: more makes nothing faster on one machine. */
const AT_ONCE = 48;
const ATTEMPTS = 10;
const WARNING_MS = 300_000;
/** Between moving ends and the new end, at least: milliseconds. */
const LEAST_LEAD = 10_000;

/** Puts grants into Redis, the queue and the cluster with the bot's own parts and rights, as the bot does. */
export interface GrantMaker {
  /**
   * Active grants, each of a person of its own: one of `view` (lease, RoleBinding) in each namespace, then one of `debug` on a Deployment (lease,
   * Role, RoleBinding) in each, and so on. Up to as many as there are namespaces they are of `view` alone.
   */
  live(count: number, seconds: number): Promise<Grant[]>;
  /** Requests that wait for an approver, with the job that lets them time out. */
  pending(count: number, seconds: number): Promise<void>;
  /** Moves the end of grants, as an extension does: record, queue, then all objects. */
  endAt(grants: readonly Grant[], at: number): Promise<Grant[]>;
  /** Moves the ends of all to one instant, a whole second, as soon as can be done; answers it (milliseconds since the epoch) when it has come. */
  endTogether(grants: readonly Grant[]): Promise<number>;
  close(): Promise<void>;
}

/** Again, as the bot's queue does it, when an overloaded API server did not answer in time. */
async function patiently(work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Unavailable) || attempt === ATTEMPTS) throw error;
    }
  }
}

/** The RoleBinding's name of a grant. */
export const bindingOf = (grant: Grant): string => objectName(grant.id);

export async function openMaker(stage: BenchStage): Promise<GrantMaker> {
  const { settings, redisUrl, installation } = stage.world;
  const { instance, workspacesNamespace } = installation;
  const log = silentLog();
  const redis = await connectRedis(redisUrl, { role: 'worker', log });
  const sealKeys = [Buffer.from(settings['SEAL_KEY'] ?? '', 'base64')];
  const { audit } = auditOn(redis, { instance, keys: sealKeys });
  const store = createGrantStore({ redis, instance, log, audit });
  const scheduler = createScheduler({ redis, instance, log });
  const api = createApi(loadKubeConfig({ kubeconfig: settings['KUBECONFIG'], context: undefined }));
  // Never started: what is made here is written, not looked up.
  const model = createClusterModel({ api, instance, now: Date.now, onFault() {} });
  const cluster = createClusterAccess({
    api,
    model,
    instance,
    workspacesNamespace,
    sealKeys,
    probeImage: null,
    ownNamespace: null,
    now: Date.now,
    sleep,
  });

  const uids = new Map<string, string>();
  for (const namespace of stage.namespaces) {
    const { body } = await stage.admin.call('GET', `/apis/apps/v1/namespaces/${namespace}/deployments/app`);
    uids.set(namespace, (body as { metadata: { uid: string } }).metadata.uid);
  }

  const uid = await readClusterUid(api);
  function planOf(index: number, seconds: number): Plan {
    const namespace = stage.namespaces[index % stage.namespaces.length] ?? '';
    const common = { user: `person-${index}@example.test`, groups: ['developers'], duration: seconds, cluster: uid };
    if (Math.floor(index / stage.namespaces.length) % 2 === 0)
      return samplePlan({
        ...common,
        profileName: 'view',
        target: { namespace },
        role: { kind: 'ClusterRole', name: 'view' },
        // The rules of these plans are not those of the role.
        roleMayGrow: true,
        workload: null,
        pods: [],
      });
    return samplePlan({
      ...common,
      target: { namespace, workload: { kind: 'Deployment', name: 'app' } },
      workload: { uid: uids.get(namespace) ?? '', selector: { matchLabels: { app: 'app' } }, labels: { app: 'app' } },
      pods: [],
    });
  }

  let made = 0;
  /** How long one grant took to be made, of those that were made last: milliseconds. To move an end takes as many calls. */
  let pace = 0;
  const pods = new Map<string, Promise<string[]>>();
  async function podsOf(grant: Grant): Promise<string[]> {
    const { namespace, workload } = grant.target;
    if (workload === undefined) return [];
    const known = pods.get(namespace) ?? cluster.podsOf(grant);
    pods.set(namespace, known);
    return known;
  }

  async function give(grant: Grant): Promise<Grant> {
    const active: Grant = { ...grant, state: 'active', pods: await podsOf(grant) };
    await patiently(async () => {
      await cluster.placeLeases(active);
      await cluster.giveRights(active, active.pods, null);
    });
    if (!(await store.create(active))) throw new Error(`${grant.id} is taken`);
    const end = active.expiresAt ?? 0;
    await scheduler.schedule({ v: 1, kind: 'revoke', id: grant.id }, end);
    await scheduler.schedule({ v: 1, kind: 'warn', id: grant.id }, end - WARNING_MS);
    return active;
  }

  const endAt = (grants: readonly Grant[], at: number) =>
    inParallel(grants, AT_ONCE, async ({ id }) => {
      const changed = await store.change(id, (grant) => ({ ...grant, expiresAt: at }));
      if (changed === null) throw new Error(`${id} is gone`);
      await scheduler.schedule({ v: 1, kind: 'revoke', id }, at);
      await patiently(() => cluster.extend(changed.grant));
      return changed.grant;
    });

  return {
    async live(count, seconds) {
      const began = performance.now();
      const grants = Array.from({ length: count }, () => {
        const plan = planOf(made++, seconds);
        return applyingGrant(seconds, { plan, requester: { ...ADA, user: plan.user } });
      });
      const given = await inParallel(grants, AT_ONCE, give);
      pace = (performance.now() - began) / count;
      return given;
    },
    async pending(count, seconds) {
      const pendingUntil = Date.now() + seconds * 1000;
      await inParallel(Array.from({ length: count }), 500, async () => {
        const plan = planOf(made++, 1800);
        // Its message is posted already, so that nothing is left to do.
        const message = { channel: 'C0ACCESS001', ts: '1700000000.000100' };
        const requester = { ...ADA, user: plan.user };
        // Of a million ids some are taken.
        for (;;) {
          const grant = sampleGrant({ plan, requester, decisions: [], pendingUntil, message });
          if (!(await store.create(grant))) continue;
          await scheduler.schedule({ v: 1, kind: 'timeout', id: grant.id }, pendingUntil);
          return;
        }
      });
    },
    endAt,
    async endTogether(grants) {
      const due = Math.ceil((Date.now() + LEAST_LEAD + 3 * pace * grants.length) / 1000) * 1000;
      await endAt(grants, due);
      if (Date.now() >= due)
        throw new Error('it took too long to move the ends: something else keeps this machine busy');
      await sleep(due - Date.now());
      return due;
    },
    async close() {
      await audit.close();
      redis.disconnect();
    },
  };
}
