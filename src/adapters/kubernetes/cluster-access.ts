import { inParallel } from '../../app/common/in-parallel.ts';
import type { ClusterAccess, Concealed } from '../../app/ports/cluster-access.ts';
import { BINDINGS, nameOfRef, ROLES } from '../../app/ports/own-objects.ts';
import { Unavailable } from '../../domain/errors.ts';
import type { Grant } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import { GRANT_LABEL } from '../../domain/plan/confinement.ts';
import { hasAdmission, hasGuard, hasPod } from '../../domain/plan/plan.ts';
import type { Resources } from '../../domain/quantity.ts';
import { isWide } from '../../domain/target.ts';
import { type Api, ApiError, type Kind } from './api.ts';
import { awaitPods, type WorkspacePod } from './await-pods.ts';
import { explained, tellOfChange, unsealedBy } from './changed-on-its-way.ts';
import { type ClaimUid, createClusterKeys, readClusterUid } from './cluster-keys.ts';
import { createFinder } from './found.ts';
import { tryLeash, tryWriting } from './leash.ts';
import {
  account,
  accountsOf,
  admissionPolicy,
  guardNamespace,
  guardPolicy,
  INSTANCE_LABEL,
  type Lease,
  labelsOf,
  leaseJob,
  leaseNamespace,
  type ManifestContext,
  nodesOf,
  objectList,
  objectName,
  objectsOf,
  type PlannedObject,
  podJob,
  podNamespace,
  pullSecretsIn,
  rightsOf,
  targetRights,
  workspaceName,
  workspaceRights,
} from './manifests.ts';
import type { ClusterModel } from './model/cluster-model.ts';
import { isInert, type KubeObject, nameOf } from './object.ts';
import { inItsOwnCluster, uidOfNow } from './own-cluster.ts';
import { createProber, type Probe, probeIn } from './probe.ts';
import { keepPolicies } from './projection.ts';
import { withRecord } from './record.ts';
import { type Access, isOurs, mayDo, missingRights, sampleOf } from './reviews.ts';
import { isOfOtherVersion, isSealed, seal } from './seal.ts';
import { createSurveyor } from './survey.ts';
import { changesOfPod, type MadePod } from './workspace-pod.ts';

/** How many RoleBindings are deleted at once when many are due: beyond it the API server only lets them wait. */
const CUTS_AT_ONCE = 64;

/** How long the API server and its controllers are waited for within one step: milliseconds. */
const PATIENCE = { rights: 5000, start: 10_000, stop: 20_000 };

export interface ClusterOptions extends ManifestContext {
  readonly api: Api;
  readonly model: ClusterModel;
  readonly sealKeys: readonly Buffer[];
  readonly claim?: ClaimUid;
  /** Image of the workspaces' probe, Drawbridge's own; null: they have none. */
  readonly probeImage: string | null;
  /** The most that a workspace may be given; left out: it is not limited. */
  readonly mostResources?: Resources;
  /** The namespace that Drawbridge itself runs in, when it runs in one. */
  readonly ownNamespace: string | null;
  /** How people reach the API server; only where they are given tokens. */
  readonly entrance?: ClusterAccess['entrance'];
  readonly now: () => number;
  /** A time that the API server wrote, by the clock of `now`. */
  readonly fromServer?: (at: number) => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
}

/** The cluster, over a real API server. Every write is a server-side apply of a sealed object, so that each step may run again. */
export function createClusterAccess(options: ClusterOptions): ClusterAccess {
  const { api, model, now, fromServer = (at: number) => at, sleep, workspacesNamespace, instance } = options;
  const surveyor = createSurveyor(options);
  const prober = createProber({ api, image: options.probeImage, workspacesNamespace });
  const keysOf = createClusterKeys(api, options.sealKeys, options.claim);

  /** @throws ApiError also when what the API server keeps is not what was written */
  async function apply(object: KubeObject): Promise<KubeObject> {
    const keys = await keysOf();
    const sealed = seal(object, keys);
    const kept = await api.apply(sealed).catch(async (error: unknown) => {
      throw await explained(api, sealed, error);
    });
    if (isSealed({ ...kept, kind: object.kind }, keys)) return kept;
    const what = `${unsealedBy(sealed, kept).join(', ')} was changed`;
    const words = await tellOfChange(api, object, what);
    throw new ApiError(422, words, words);
  }

  /** Waits until `probe` answers, asking ever less often. @throws Unavailable after `limit` milliseconds */
  async function until<T>(limit: number, what: string, probe: () => Promise<T | null>): Promise<T> {
    const end = performance.now() + limit;
    for (let pause = 20; ; pause = Math.min(500, pause * 2)) {
      const value = await probe();
      if (value !== null) return value;
      if (performance.now() >= end) return notWithin(limit, what);
      await sleep(pause);
    }
  }

  const leaseNamespaceOf = (grant: Grant) => leaseNamespace(grant, options);
  /** Where the pod of its own is, of a grant that has one. */
  const podNamespaceOf = (grant: Grant): string => podNamespace(grant, options) ?? workspacesNamespace;
  /** Where it has leases. */
  const namespacesOf = (grant: Grant): string[] => [
    ...new Set([
      leaseNamespaceOf(grant),
      ...(hasPod(grant.plan) ? [podNamespaceOf(grant)] : []),
      ...(grant.plan.credential === 'token' ? [accountsOf(options)] : []),
    ]),
  ];

  async function leaseIn(grant: Grant, namespace: string): Promise<Lease> {
    const name = objectName(grant.id);
    const found = await api.read('Job', namespace, name);
    // An object whose owner is not there is collected: rights without a lease would not be safe but gone.
    if (found?.metadata.uid === undefined) throw new Error(`the lease ${namespace}/${name} is gone`);
    return { name, uid: found.metadata.uid };
  }

  const startOf = (job: KubeObject | null): number => {
    const startTime = (job?.status as { startTime?: string } | undefined)?.startTime;
    return startTime === undefined ? now() : fromServer(Date.parse(startTime));
  };

  /** @param existing the workspace that is there already: the template of a Job can't be changed, so it keeps what it was made with */
  const workspaceJobOf = (grant: Grant, existing: KubeObject | null, probe: Probe | null): KubeObject =>
    podJob(grant, options, startOf(existing), probe, existing === null ? undefined : pullSecretsIn(existing));

  /** @param existing the lease that is there already */
  async function applyLease(grant: Grant, namespace: string, existing: KubeObject | null): Promise<void> {
    const lease = leaseJob(grant, options, namespace, startOf(existing));
    await apply(namespace === leaseNamespaceOf(grant) ? withRecord(lease, grant, await keysOf()) : lease);
  }

  async function placeLease(grant: Grant, namespace: string): Promise<void> {
    await applyLease(grant, namespace, await api.read('Job', namespace, objectName(grant.id)));
  }

  const foreignPolicies = (namespace: string) =>
    api.list('NetworkPolicy', namespace, {
      selector: `${INSTANCE_LABEL}!=${instance}`,
      keep: keepPolicies(instance),
    });

  /** Waits until the pods of a workspace answer `judge`. @throws Unavailable after `limit` milliseconds */
  async function untilPods<T>(
    grant: Grant,
    limit: number,
    what: string,
    judge: (pods: readonly WorkspacePod[]) => Promise<T | null>,
  ): Promise<T> {
    const selector = `${GRANT_LABEL}=${grant.id}`;
    const answer = await awaitPods({ api, sleep, namespace: podNamespaceOf(grant), selector, limit }, judge);
    return answer ?? notWithin(limit, what);
  }

  /** @throws ApiError when admission webhooks have made another pod of it than its Job says */
  async function mustBeAsItsJob(job: KubeObject, pod: WorkspacePod, labels: Record<string, string>): Promise<void> {
    const { namespace = '' } = job.metadata;
    const { spec } = (job.spec as { template: { spec: MadePod['spec'] } }).template;
    const changes = changesOfPod({ spec, labels }, pod, await foreignPolicies(namespace));
    if (changes.length === 0) return;
    const object = { kind: 'Pod', metadata: { ...pod.metadata, namespace } };
    const words = await tellOfChange(api, object, `It has ${changes.join(', ')} beside what its Job says`);
    throw new ApiError(422, words, words);
  }

  /** The canary is the one pod in the namespace of workspaces that is there before anybody asks: what is added to it is added to them. */
  async function changesOfCanary(): Promise<string[]> {
    const pods = await prober.canaryPods();
    const added = pods.flatMap(({ metadata, spec: { containers } }) =>
      containers.filter(({ name }) => name !== 'canary').map((container) => ({ metadata, container })),
    );
    const [first] = added;
    if (first === undefined) return [];
    const object = { kind: 'Pod', metadata: { ...first.metadata, namespace: workspacesNamespace } };
    const names = added.map(({ container }) => `spec.containers[${container.name}]`);
    return [await tellOfChange(api, object, `It has ${[...new Set(names)].join(', ')} beside what the chart says`)];
  }

  const targetPods = async ({ target, plan }: Grant) =>
    plan.workload === null || isWide(target) ? [] : surveyor.podsOfTarget(target, plan.workload.uid);

  const runningPods = async (grant: Grant) => (await targetPods(grant)).filter(({ hasEnded }) => !hasEnded);

  async function gone(kind: Kind, namespace: string, name: string): Promise<void> {
    if ((await api.remove(kind, namespace, name)) === 'kept')
      await until(PATIENCE.rights, `${kind} ${namespace}/${name} goes`, async () =>
        (await api.read(kind, namespace, name)) === null ? true : null,
      );
  }

  /**
   * Deletes a binding or role. Where that is refused (somebody's admission webhook), or a finalizer keeps it, which leaves it in force, what
   * it gives is taken out of it. True when it gave something until now.
   */
  async function endRights({ kind, namespace: where, name }: PlannedObject): Promise<boolean> {
    const namespace = where || null;
    let refusal: ApiError | Unavailable | null = null;
    try {
      const answer = await api.remove(kind, namespace, name);
      if (answer !== 'kept') return answer === 'removed';
    } catch (error) {
      if (!isRefusal(error)) throw error;
      refusal = error;
    }
    const left = await api.read(kind, namespace, name);
    if (left === null || isInert({ ...left, kind })) return left === null;
    const nothing = BINDINGS.includes(kind) ? { subjects: null } : { rules: [] };
    const emptied = await api.mergePatch(kind, namespace, name, nothing).catch((error: unknown) => {
      throw refusal ?? error;
    });
    if (emptied !== null && !isInert({ ...emptied, kind }))
      throw new Unavailable('Kubernetes', `${nameOfRef({ kind, namespace: where, name })} keeps what it gives`);
    return true;
  }

  /** Whether the API server still lets the person do it by this grant; its authorizer learns of a change a moment later. */
  async function refused(grant: Grant, samples: readonly Access[]): Promise<void> {
    for (const access of samples)
      await until(PATIENCE.rights, `${access.verb} ${access.resource} is refused`, async () => {
        const { allowed, reason } = await mayDo(api, grant, access, accountsOf(options));
        return allowed && isOurs(reason, grant) ? null : true;
      });
  }

  /** With the account every token of it ends, some seconds later where the API server remembers it. */
  async function endAccount({ id, plan }: Grant): Promise<void> {
    if (plan.credential === 'token') await api.remove('ServiceAccount', accountsOf(options), objectName(id));
  }

  /** What stands where the objects of the grant belong. Nothing else is its own: the seal of each is over its name. */
  async function mine(grant: Grant): Promise<KubeObject[]> {
    const read = objectsOf(grant, options).map(async ({ kind, namespace, name }) => {
      const object = await api.read(kind, namespace || null, name);
      return object === null ? [] : [{ ...object, kind }];
    });
    return (await Promise.all(read)).flat();
  }

  /** Deletes one binding. True: it is not there any more. */
  const cut = ({ kind, namespace, name }: PlannedObject): Promise<boolean> =>
    api.remove(kind, namespace || null, name).then(
      (answer) => answer !== 'kept',
      () => false,
    );

  const acts: ClusterAccess = {
    workspacesNamespace,
    nodesNamespace: nodesOf(options),
    closedNamespaces: [
      workspacesNamespace,
      accountsOf(options),
      nodesOf(options),
      ...(options.ownNamespace === null ? [] : [options.ownNamespace]),
    ],
    missingRights: (profiles) => missingRights(api, profiles, accountsOf(options), nodesOf(options)),
    tryLeash: () => tryLeash(api, options),
    tryWriting: async (profiles) => [
      ...(await tryWriting(api, options, await keysOf(), profiles)),
      ...(await changesOfCanary()),
    ],
    namespaces: surveyor.namespaces,
    nodes: surveyor.nodes,
    workloads: surveyor.workloads,
    async survey(target, profile, purpose) {
      const asOf = now();
      const [survey, unprobed] = await Promise.all([
        surveyor.survey(target, profile, purpose),
        profile.network.mode === 'workspace' ? prober.missing() : null,
      ]);
      const { mostResources } = options;
      return { asOf, ...survey, unprobed, ...(mostResources && { mostResources }) };
    },
    async snapshot() {
      await model.listed();
      if (model.staleSince() !== null)
        throw new Unavailable('Kubernetes', 'what is in the cluster is not known as of now: watches on it are down');
      return model.cluster();
    },
    foreignPolicies,
    rulesOf: async (role, namespace) => (await surveyor.rulesOf(role, namespace)) ?? [],
    objectsOf: (grant) => objectList(grant, options),

    async placeLeases(grant) {
      for (const namespace of namespacesOf(grant)) await placeLease(grant, namespace);
    },
    async raiseGuard(grant) {
      await apply(guardPolicy(grant, options));
    },
    async admit(grant) {
      await apply(admissionPolicy(grant, options, await leaseIn(grant, leaseNamespaceOf(grant))));
    },
    async startWorkspace(grant) {
      const { network } = grant.plan;
      const existing = await api.read('Job', podNamespaceOf(grant), workspaceName(grant.id));
      const newProbe = async () =>
        network.mode === 'workspace' ? prober.probeFor(await runningPods(grant), network.ports) : null;
      const probe = existing === null ? await newProbe() : probeIn(existing);
      const job = await apply(workspaceJobOf(grant, existing, probe));
      let isMade = false;
      const pod = await untilPods(grant, PATIENCE.start, 'the workspace starts', async (pods) => {
        isMade = pods.length > 0;
        for (const pod of pods) await mustBeAsItsJob(job, pod, labelsOf(grant.id, options));
        const running = pods.find(
          (pod) => pod.status?.phase === 'Running' && pod.metadata.deletionTimestamp === undefined,
        );
        if (running !== undefined) return running;
        const failed = pods.find((pod) => pod.status?.phase === 'Failed');
        if (failed !== undefined) throw new Error(`the workspace ${failed.metadata.name} has failed`);
        return null;
      }).catch((error: unknown) => {
        throw error instanceof Unavailable && !isMade ? madeNoPod(job, error) : error;
      });
      return { pod: pod.metadata.name, probe: probe === null ? null : await prober.verdictOf(probe, pod) };
    },
    async giveRights(grant, pods, workspacePod) {
      const give = async (objects: readonly KubeObject[]) => {
        for (const object of objects) {
          // The steps before may have taken longer than the window.
          if (now() >= (grant.expiresAt ?? 0))
            throw new Unavailable('Kubernetes', `the window of ${grant.id} ended before its rights could be given`);
          await apply(object);
        }
      };
      if (grant.plan.credential === 'token')
        await give([account(grant, options, await leaseIn(grant, accountsOf(options)))]);
      const giveTarget = async () =>
        give(targetRights(grant, options, await leaseIn(grant, leaseNamespaceOf(grant)), pods));
      const giveWorkspace = async (pod: string) =>
        give(workspaceRights(grant, options, await leaseIn(grant, podNamespaceOf(grant)), pod));
      const given = [giveTarget(), ...(workspacePod === null ? [] : [giveWorkspace(workspacePod)])];
      // Of a write that is still on its way the caller must not hear that all has failed: it would be taken down before it is there.
      const failed = (await Promise.allSettled(given)).find((result) => result.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    },
    async narrowRights(grant, pods) {
      const [role] = targetRights(grant, options, await leaseIn(grant, leaseNamespaceOf(grant)), pods);
      if (role?.kind === 'Role') await apply(role);
    },
    async verify(grant) {
      const [objects, keys] = await Promise.all([mine(grant), keysOf()]);
      const names = new Set(objects.map(nameOf));
      const differences = objectList(grant, options)
        .filter((name) => !names.has(name))
        .map((name) => `${name} is not there`);
      for (const object of objects)
        if (!isSealed(object, keys) && !isOfOtherVersion(object, keys))
          differences.push(`${nameOf(object)} is not as it was written`);
        // A finalizer keeps it for now; whoever deleted it meant it.
        else if (object.metadata.deletionTimestamp !== undefined)
          differences.push(`${nameOf(object)} is being deleted`);
      if (differences.length > 0) return differences;
      for (const access of sampleOf(grant, options))
        await until(PATIENCE.rights, `${access.verb} ${access.resource} is allowed`, async () =>
          (await mayDo(api, grant, access, accountsOf(options))).allowed ? true : null,
        );
      return [];
    },

    async extend(grant) {
      for (const namespace of namespacesOf(grant)) await placeLease(grant, namespace);
      const { network } = grant.plan;
      if (hasGuard(network)) await acts.raiseGuard(grant);
      if (hasAdmission(network)) await acts.admit(grant);
      if (hasPod(grant.plan)) {
        const job = await api.read('Job', podNamespaceOf(grant), workspaceName(grant.id));
        await apply(workspaceJobOf(grant, job, job === null ? null : probeIn(job)));
      }
      await acts.giveRights(grant, grant.pods, grant.workspacePod);
    },
    podsOf: async (grant) => (await targetPods(grant)).map(({ name }) => name),
    targetGone: ({ target, plan }) =>
      surveyor.whyGone(target, plan.workload?.uid ?? plan.namespaceUid ?? plan.nodeUid ?? null),
    async strangers({ plan: { network, workload }, target }) {
      if (network.mode === 'none' || workload === null || isWide(target)) return [];
      const look = () => surveyor.strangersTo(target, workload.uid, network.selector);
      const first = await look();
      if (first.length === 0) return [];
      // Pods and their owners are two lists, and a rollout may come between them: whoever is a stranger is still one at a second look.
      const again = new Set(await look());
      return first.filter((pod) => again.has(pod));
    },

    async cutRights(grants) {
      const gone: GrantId[] = [];
      await inParallel(grants, CUTS_AT_ONCE, async (grant) => {
        const bindings = objectsOf(grant, options).filter(({ kind }) => BINDINGS.includes(kind));
        if ((await Promise.all(bindings.map(cut))).every(Boolean)) gone.push(grant.id);
      });
      return gone;
    },
    confirmRefused: (grant) => refused(grant, sampleOf(grant, options).slice(0, 1)),
    entrance: options.entrance ?? (() => ({ server: '', authority: null })),
    async tokenFor(grant) {
      const seconds = tokenSeconds((grant.expiresAt ?? 0) - now());
      const { token, expiresAt } = await api.token(accountsOf(options), objectName(grant.id), seconds);
      return { token: concealed(token), expiresAt };
    },
    async markEnding(grant) {
      const namespace = leaseNamespaceOf(grant);
      const lease = await api.read('Job', namespace, objectName(grant.id));
      if (lease?.metadata.deletionTimestamp === undefined && lease !== null) await applyLease(grant, namespace, lease);
    },
    async takeRights(grant) {
      const name = objectName(grant.id);
      const objects = rightsOf(grant, options);
      const end = (kinds: readonly string[]) =>
        Promise.allSettled(objects.filter(({ kind }) => kinds.includes(kind)).map(endRights));
      // One after the other: a binding can't be emptied any more once its role is gone.
      const bindings = await end(BINDINGS);
      const tries = [...bindings, ...(await end(ROLES)), ...(await Promise.allSettled([endAccount(grant)]))];
      const failed = tries.find((result) => result.status === 'rejected');
      if (isRefusal(failed?.reason))
        // Then the garbage collector may do it, when the lease is gone.
        for (const namespace of namespacesOf(grant)) await api.remove('Job', namespace, name).catch(() => {});
      else if (failed !== undefined) throw failed.reason;
      await refused(grant, sampleOf(grant, options)).catch((error: unknown) => {
        throw failed?.reason ?? error;
      });
      return bindings.some((result) => result.status !== 'fulfilled' || result.value);
    },
    async closeAdmission(grant) {
      if (hasAdmission(grant.plan.network)) await gone('NetworkPolicy', leaseNamespaceOf(grant), objectName(grant.id));
    },
    async endWorkspace(grant) {
      if (!hasPod(grant.plan)) return;
      await api.remove('Job', podNamespaceOf(grant), workspaceName(grant.id));
      await untilPods(grant, PATIENCE.stop, 'the workspace pod goes', async (pods) => pods.length === 0 || null);
    },
    async lowerGuard(grant) {
      if (hasGuard(grant.plan.network))
        await gone('NetworkPolicy', guardNamespace(grant, options), objectName(grant.id));
    },
    async dropLeases(grant) {
      for (const namespace of namespacesOf(grant)) await gone('Job', namespace, objectName(grant.id));
    },
    async remains(grant) {
      return (await mine(grant)).filter((object) => !isInert(object)).map(nameOf);
    },
    async otherAccess(grant) {
      const answers = await Promise.all(
        sampleOf(grant, options).map((access) => mayDo(api, grant, access, accountsOf(options))),
      );
      const others = answers.filter(({ allowed, reason }) => allowed && !isOurs(reason, grant));
      return [...new Set(others.map(({ reason }) => reason.replace(/^RBAC: allowed by /, '')))];
    },

    found: createFinder(api, instance, keysOf),
    async remove(found) {
      const { namespace, name, uid } = found;
      const kind = found.kind as Kind;
      if (BINDINGS.includes(kind) || ROLES.includes(kind)) await endRights({ kind, namespace, name });
      else if ((await api.remove(kind, namespace || null, name, uid)) === 'kept')
        return (await api.read(kind, namespace || null, name))?.metadata.uid !== uid;
      return true;
    },
    podsGone: async (id, namespace) =>
      (await api.list('Pod', namespace, { selector: `${GRANT_LABEL}=${id}` })).length === 0,
  };
  return inItsOwnCluster(
    acts,
    uidOfNow(() => readClusterUid(api)),
  );
}

/** @param limit milliseconds */
function notWithin(limit: number, what: string): never {
  throw new Unavailable('Kubernetes', `${what}: not within ${limit / 1000} s`);
}

/** A no that another call may not meet: the API server's own, or that of an admission webhook that is away. */
function isRefusal(error: unknown): error is ApiError | Unavailable {
  return error instanceof ApiError || (error instanceof Unavailable && error.words !== null);
}

/** Why there is none only the events of the Job say, which Drawbridge does not read. */
function madeNoPod({ metadata: { namespace, name } }: KubeObject, cause: Unavailable): Unavailable {
  const words = `Kubernetes made no pod for the workspace: an admission webhook, a quota or a limit may refuse pods in ${namespace}. See kubectl -n ${namespace} describe job ${name}.`;
  return new Unavailable('Kubernetes', words, { cause, words });
}

/** Kubernetes gives no token for less than ten minutes; the leash lets none be taken for more than an hour. The end of the account ends it. */
const TOKEN_SECONDS = { least: 600, most: 3600 };

/** @param left milliseconds of the window */
export function tokenSeconds(left: number): number {
  return Math.min(TOKEN_SECONDS.most, Math.max(TOKEN_SECONDS.least, Math.ceil(left / 1000)));
}

/** Nothing that logs, prints or stores what is around it finds the value. */
const concealed = (value: string): Concealed => ({
  reveal: () => value,
  toJSON: () => '[secret]',
});
