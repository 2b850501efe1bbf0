import type { ClusterAccess, Found } from '../../app/ports.ts';
import { GRANT_LABEL } from '../../domain/confinement.ts';
import { Unavailable } from '../../domain/errors.ts';
import type { Grant } from '../../domain/grant.ts';
import { parseGrantRecord } from '../../domain/grant-record.ts';
import { isGrantId } from '../../domain/ids.ts';
import { hasAdmission, hasGuard } from '../../domain/plan.ts';
import type { NetworkPolicy } from '../../network/types.ts';
import type { Api, Kind } from './api.ts';
import {
  admissionPolicy,
  EXPIRES_AT,
  guardNamespace,
  guardPolicy,
  INSTANCE_LABEL,
  type Lease,
  leaseJob,
  type ManifestContext,
  objectList,
  objectName,
  RECORD,
  targetRights,
  workspaceJob,
  workspaceName,
  workspaceRights,
} from './manifests.ts';
import type { KubeObject } from './object.ts';
import { isOurs, mayDo, missingRights, sampleOf } from './reviews.ts';
import { isSealed, seal } from './seal.ts';
import { readSnapshot } from './snapshot.ts';
import { createSurveyor } from './survey.ts';

/** The kinds of which a grant has objects; pods of workspaces follow their Job. */
const KINDS = ['RoleBinding', 'Role', 'NetworkPolicy', 'Job'] as const satisfies readonly Kind[];

/** How long the API server and its controllers are waited for within one step: milliseconds. */
const PATIENCE = { rights: 5000, start: 3000, stop: 20_000 };

export interface ClusterOptions extends ManifestContext {
  readonly api: Api;
  readonly sealKeys: readonly Buffer[];
  /** The namespace that Drawbridge itself runs in, when it runs in one. */
  readonly ownNamespace: string | null;
  readonly now: () => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
}

/** The cluster, over a real API server. Every write is a server-side apply of a sealed object, so that each step may run again. */
export function createClusterAccess(options: ClusterOptions): ClusterAccess {
  const { api, sealKeys, now, sleep, workspacesNamespace, instance } = options;
  const surveyor = createSurveyor(api);
  const apply = (object: KubeObject) => api.apply(seal(object, sealKeys));
  const snapshot = shared(() => readSnapshot(api));

  /** Waits until `probe` answers, asking ever less often. @throws Unavailable after `limit` milliseconds */
  async function until<T>(limit: number, what: string, probe: () => Promise<T | null>): Promise<T> {
    const end = performance.now() + limit;
    for (let pause = 20; ; pause = Math.min(500, pause * 2)) {
      const value = await probe();
      if (value !== null) return value;
      if (performance.now() >= end) throw new Unavailable('Kubernetes', `${what}: not within ${limit / 1000} s`);
      await sleep(pause);
    }
  }

  const namespacesOf = (grant: Grant): string[] =>
    grant.plan.network.mode === 'workspace' ? [grant.target.namespace, workspacesNamespace] : [grant.target.namespace];

  async function leaseIn(grant: Grant, namespace: string): Promise<Lease> {
    const name = objectName(grant.id);
    const found = await api.read('Job', namespace, name);
    // An object whose owner is not there is collected: rights without a lease would not be safe but gone.
    if (found?.metadata.uid === undefined) throw new Error(`the lease ${namespace}/${name} is gone`);
    return { name, uid: found.metadata.uid };
  }

  const startOf = (job: KubeObject | null): number => {
    const startTime = (job?.status as { startTime?: string } | undefined)?.startTime;
    return startTime === undefined ? now() : Date.parse(startTime);
  };

  async function placeLease(grant: Grant, namespace: string): Promise<void> {
    const existing = await api.read('Job', namespace, objectName(grant.id));
    await apply(leaseJob(grant, options, namespace, startOf(existing)));
  }

  async function workspacePods(grant: Grant): Promise<WorkspacePod[]> {
    return api.list<WorkspacePod>('Pod', workspacesNamespace, `${GRANT_LABEL}=${grant.id}`);
  }

  async function gone(kind: Kind, namespace: string, name: string): Promise<void> {
    if (await api.remove(kind, namespace, name))
      await until(PATIENCE.rights, `${kind} ${namespace}/${name} goes`, async () =>
        (await api.read(kind, namespace, name)) === null ? true : null,
      );
  }

  /** A deleted RoleBinding that a finalizer keeps stays in force: without subjects it does not. */
  async function endBinding(namespace: string, name: string): Promise<void> {
    if (!(await api.remove('RoleBinding', namespace, name))) return;
    const left = await api.read('RoleBinding', namespace, name);
    if (left === null) return;
    const emptied = await api.mergePatch('RoleBinding', namespace, name, { subjects: null });
    if (emptied !== null && subjectsOf(emptied).length > 0)
      throw new Unavailable('Kubernetes', `RoleBinding ${namespace}/${name} keeps its subjects`);
  }

  /** Whether the API server still lets the person do it by this grant; its authorizer learns of a change a moment later. */
  async function deniedByApiServer(grant: Grant): Promise<void> {
    for (const access of sampleOf(grant, workspacesNamespace))
      await until(PATIENCE.rights, `${access.verb} ${access.resource} is refused`, async () => {
        const { allowed, reason } = await mayDo(api, grant, access);
        return allowed && isOurs(reason, grant) ? null : true;
      });
  }

  async function mine(grant: Grant): Promise<KubeObject[]> {
    const selector = `${GRANT_LABEL}=${grant.id},${INSTANCE_LABEL}=${instance}`;
    const lists = await Promise.all(
      KINDS.map(async (kind) => (await api.list(kind, null, selector)).map((object) => ({ ...object, kind }))),
    );
    return lists.flat();
  }

  return {
    workspacesNamespace,
    closedNamespaces: [workspacesNamespace, ...(options.ownNamespace === null ? [] : [options.ownNamespace])],
    missingRights: (profile) => missingRights(api, profile),
    namespaces: surveyor.namespaces,
    workloads: surveyor.workloads,
    survey: surveyor.survey,
    snapshot,
    foreignPolicies: () => api.list<NetworkPolicy>('NetworkPolicy', workspacesNamespace, `!${INSTANCE_LABEL}`),
    objectsOf: (grant) => objectList(grant, options),

    async placeLeases(grant) {
      for (const namespace of namespacesOf(grant)) await placeLease(grant, namespace);
    },
    async raiseGuard(grant) {
      await apply(guardPolicy(grant, options));
    },
    async admit(grant) {
      await apply(admissionPolicy(grant, options, await leaseIn(grant, grant.target.namespace)));
    },
    async startWorkspace(grant) {
      const existing = await api.read('Job', workspacesNamespace, workspaceName(grant.id));
      await apply(workspaceJob(grant, options, startOf(existing)));
      return until(PATIENCE.start, 'the workspace starts', async () => {
        const pods = await workspacePods(grant);
        const running = pods.find(
          (pod) => pod.status?.phase === 'Running' && pod.metadata.deletionTimestamp === undefined,
        );
        if (running !== undefined) return running.metadata.name;
        const failed = pods.find((pod) => pod.status?.phase === 'Failed');
        if (failed !== undefined) throw new Error(`the workspace ${failed.metadata.name} has failed`);
        return null;
      });
    },
    async giveRights(grant, pods, workspacePod) {
      const { namespace } = grant.target;
      const give = async (objects: readonly KubeObject[]) => {
        for (const object of objects) {
          // The steps before may have taken longer than the window.
          if (now() >= (grant.expiresAt ?? 0))
            throw new Unavailable('Kubernetes', `the window of ${grant.id} ended before its rights could be given`);
          await apply(object);
        }
      };
      await give(targetRights(grant, options, await leaseIn(grant, namespace), pods));
      if (workspacePod === null) return;
      const lease = await leaseIn(grant, workspacesNamespace);
      await give(workspaceRights(grant, options, lease, workspacePod));
    },
    async narrowRights(grant, pods) {
      const { namespace } = grant.target;
      const [role] = targetRights(grant, options, await leaseIn(grant, namespace), pods);
      if (role?.kind === 'Role') await apply(role);
    },
    async verify(grant) {
      const objects = await mine(grant);
      const names = new Set(objects.map((o) => `${o.kind} ${o.metadata.namespace}/${o.metadata.name}`));
      const differences = objectList(grant, options)
        .filter((name) => !names.has(name))
        .map((name) => `${name} is not there`);
      for (const object of objects)
        if (!isSealed(object, sealKeys))
          differences.push(
            `${object.kind} ${object.metadata.namespace}/${object.metadata.name} is not as it was written`,
          );
      if (differences.length > 0) return differences;
      for (const access of sampleOf(grant, workspacesNamespace))
        await until(PATIENCE.rights, `${access.verb} ${access.resource} is allowed`, async () =>
          (await mayDo(api, grant, access)).allowed ? true : null,
        );
      return [];
    },

    async extend(grant) {
      for (const namespace of namespacesOf(grant)) await placeLease(grant, namespace);
      const { network } = grant.plan;
      if (hasGuard(network)) await this.raiseGuard(grant);
      if (hasAdmission(network)) await this.admit(grant);
      if (network.mode === 'workspace') {
        const job = await api.read('Job', workspacesNamespace, workspaceName(grant.id));
        await apply(workspaceJob(grant, options, startOf(job)));
      }
      await this.giveRights(grant, grant.pods, grant.workspacePod);
    },
    podsOf: (grant) =>
      grant.plan.workload === null ? Promise.resolve([]) : surveyor.podsOfTarget(grant.target, grant.plan.workload.uid),

    async takeRights(grant) {
      const name = objectName(grant.id);
      await Promise.all(namespacesOf(grant).map((namespace) => endBinding(namespace, name)));
      await Promise.all(namespacesOf(grant).map((namespace) => api.remove('Role', namespace, name)));
      await deniedByApiServer(grant);
    },
    async closeAdmission(grant) {
      if (hasAdmission(grant.plan.network)) await gone('NetworkPolicy', grant.target.namespace, objectName(grant.id));
    },
    async endWorkspace(grant) {
      if (grant.plan.network.mode !== 'workspace') return;
      await api.remove('Job', workspacesNamespace, workspaceName(grant.id));
      await until(PATIENCE.stop, 'the workspace pod goes', async () =>
        (await workspacePods(grant)).length === 0 ? true : null,
      );
    },
    async lowerGuard(grant) {
      if (hasGuard(grant.plan.network))
        await gone('NetworkPolicy', guardNamespace(grant, options), objectName(grant.id));
    },
    async dropLeases(grant) {
      for (const namespace of namespacesOf(grant)) await gone('Job', namespace, objectName(grant.id));
    },
    async remains(grant) {
      const left = (await mine(grant)).filter(
        (object) => object.kind !== 'RoleBinding' || subjectsOf(object).length > 0,
      );
      return left.map((object) => `${object.kind} ${object.metadata.namespace}/${object.metadata.name}`);
    },
    async otherAccess(grant) {
      const answers = await Promise.all(
        sampleOf(grant, workspacesNamespace).map((access) => mayDo(api, grant, access)),
      );
      const others = answers.filter(({ allowed, reason }) => allowed && !isOurs(reason, grant));
      return [...new Set(others.map(({ reason }) => reason.replace(/^RBAC: allowed by /, '')))];
    },

    async found() {
      const selector = `${INSTANCE_LABEL}=${instance}`;
      const lists = await Promise.all(
        KINDS.map(async (kind) =>
          (await api.list(kind, null, selector)).map((object) => asFound({ ...object, kind }, sealKeys)),
        ),
      );
      return lists.flat();
    },
    async disarm({ kind, namespace, name, uid }) {
      if (kind === 'RoleBinding') await endBinding(namespace, name);
      else await api.remove(kind as Kind, namespace, name, uid);
    },
  };
}

/** One at a time: whoever asks while one runs gets the next one with all others, so that each sees what was there when it asked. */
function shared<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  let next: Promise<T> | undefined;
  return function ask(): Promise<T> {
    if (running === undefined) {
      running = work().finally(() => (running = undefined));
      return running;
    }
    next ??= running
      .catch(() => {})
      .then(() => {
        next = undefined;
        return ask();
      });
    return next;
  };
}

interface WorkspacePod {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly status?: { readonly phase?: string };
}

function subjectsOf(binding: KubeObject): readonly unknown[] {
  return (binding.subjects as readonly unknown[] | undefined) ?? [];
}

/** @throws never: a record that can't be read is none */
function asFound(object: KubeObject, keys: readonly Buffer[]): Found {
  const { namespace, name, uid = '', labels, annotations, deletionTimestamp } = object.metadata;
  const label = labels?.[GRANT_LABEL] ?? '';
  const sealed = isSealed(object, keys);
  const expiresAt = Date.parse(annotations?.[EXPIRES_AT] ?? '');
  return {
    kind: object.kind,
    namespace,
    name,
    uid,
    id: isGrantId(label) ? label : null,
    sealed,
    expiresAt: sealed && Number.isFinite(expiresAt) ? expiresAt : null,
    record: sealed ? recordOf(annotations?.[RECORD]) : null,
    deleting: deletionTimestamp !== undefined,
  };
}

function recordOf(text: string | undefined): Grant | null {
  const parsed = parseGrantRecord(text ?? '');
  return 'grant' in parsed ? parsed.grant : null;
}
