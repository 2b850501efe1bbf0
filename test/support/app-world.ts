import { createAlarms } from '../../src/app/common/alarms.ts';
import { createConditions } from '../../src/app/common/conditions.ts';
import { createUseCases } from '../../src/app/create-use-cases.ts';
import type { AuditEntry } from '../../src/app/ports/audit.ts';
import type { ClusterAccess } from '../../src/app/ports/cluster-access.ts';
import type { News } from '../../src/app/ports/notifier.ts';
import type { Found, OwnObjects } from '../../src/app/ports/own-objects.ts';
import type { Survey } from '../../src/app/ports/survey.ts';
import type { PersonalTicketUse } from '../../src/app/ports/tickets.ts';
import type { View } from '../../src/app/ports/view.ts';
import type { World } from '../../src/app/ports/world.ts';
import { EVERYTHING, lookAround } from '../../src/app/upkeep/look-around.ts';
import { reconcile } from '../../src/app/upkeep/reconcile.ts';
import { reconcileRequests } from '../../src/app/upkeep/reconcile-requests.ts';
import { runJob } from '../../src/app/upkeep/run-job.ts';
import { Refusal, Unavailable } from '../../src/domain/errors.ts';
import type { Grant } from '../../src/domain/grant/grant.ts';
import { type Account, ruleOf } from '../../src/domain/people/people.ts';
import { admissionSpec, GRANT_LABEL, guardSpec, type PolicySpec } from '../../src/domain/plan/confinement.ts';
import { shortDigest } from '../../src/domain/plan/plan.ts';
import type { ProbeVerdict } from '../../src/domain/plan/probe.ts';
import { type Policy } from '../../src/domain/policy/policy.ts';
import { type PolicyInput, policySchema } from '../../src/domain/policy/schema.ts';
import type { Rule } from '../../src/domain/rights/rights.ts';
import { type ClusterName, isWide } from '../../src/domain/target.ts';
import type { TicketVerdict } from '../../src/domain/ticket.ts';
import type { Cluster, NetworkPolicy, Pod } from '../../src/network/types.ts';
import { clustersOf } from './clusters.ts';
import { manualClock, memoryLocks, memoryScheduler, memoryStore } from './memory.ts';

/** The whole app over a world in memory: people, a cluster that knows only what matters, and time that the test passes. */

export const PEOPLE = { ada: 'U0ADA', ben: 'U0BEN', cy: 'U0CY', dot: 'U0DOT' } as const;

/** A confirmed account of `<name>@example.test`. */
export const account = (slackId: string, name: string): Account => ({
  slackId,
  name,
  email: `${name}@example.test`,
  emailConfirmed: true,
  bot: false,
  guest: false,
  external: false,
  deactivated: false,
});

/** Another workload than the one that requests are for: of the same, one is made. */
export const on = (name: string) => ({
  target: { namespace: 'staging', workload: { kind: 'Deployment', name } } as const,
});

export const POLICY: PolicyInput = {
  version: 1,
  identity: {},
  administrators: { users: ['dot@example.test'] },
  approvals: { channel: 'C0ACCESS', timeout: '1h' },
  notifications: { warning: '5m' },
  profiles: {
    debug: {
      scope: 'workload',
      namespaces: ['staging', 'team-*'],
      rules: [{ apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get'] }],
      requesters: { users: ['ada@example.test', 'ben@example.test'] },
      approvers: { users: ['ben@example.test', 'cy@example.test'] },
      duration: { default: '30m', maximum: '2h' },
      network: { mode: 'workspace', image: 'example.test/tools:1' },
    },
  },
};

const WORKSPACES = 'drawbridge-workspaces';

/** What a cluster knows of one grant. */
interface Held {
  lease?: Grant;
  guard?: Grant;
  admission?: Grant;
  workspace?: boolean;
  rights?: readonly string[];
}

/** A cluster that notes what a real one would forbid. */
export function memoryCluster(now: () => number) {
  const held = new Map<string, Held>();
  const breaches: string[] = [];
  const of = (id: string): Held => {
    const found = held.get(id) ?? {};
    held.set(id, found);
    return found;
  };
  const target = {
    uid: 'uid-1',
    clusterUid: 'cluster-1',
    namespaceUid: 'namespace-1',
    nodeUid: 'node-1',
    /** Of the named role that a profile gives; null: it has rules of its own. */
    roleRules: null as Rule[] | null,
    /** Pods elsewhere. */
    others: [] as Pod[],
    /** Policies of others in the workspaces namespace. */
    foreign: [] as NetworkPolicy[],
    ip: '10.0.0.1',
    /** The Deployments behind the Services of `staging`. */
    services: new Map([['shop', 'checkout']]),
    pods: ['checkout-1'] as string[],
    /** What the probe of a workspace sees; null: there is none. */
    probe: { target: 'answers', canary: 'silent' } as ProbeVerdict | null,
    unprobed: null as string | null,
    strangers: [] as string[],
    gone: null as string | null,
    policies: [
      {
        metadata: { namespace: 'staging', name: 'default-deny' },
        spec: { podSelector: {}, policyTypes: ['Ingress'] },
      },
    ] as NetworkPolicy[],
  };
  /** What a real API server would list now, with the policies of the grants that are there. */
  const snapshot = (): Cluster => {
    const named = (namespace: string, grant: Grant, spec: PolicySpec): NetworkPolicy => ({
      metadata: { namespace, name: `drawbridge-${grant.id}`, labels: { [GRANT_LABEL]: grant.id } },
      spec,
    });
    return {
      namespaces: ['staging', WORKSPACES].map((name) => ({ name, labels: { 'kubernetes.io/metadata.name': name } })),
      pods: [
        ...target.others,
        ...target.pods.map((name) => ({
          namespace: 'staging',
          name,
          labels: { app: 'checkout' },
          ips: [target.ip],
          hostNetwork: false,
          ports: [],
          owner: { kind: 'Deployment', name: 'checkout' },
          phase: 'Running',
        })),
      ],
      policies: [
        ...target.policies,
        ...target.foreign,
        ...[...held.values()].flatMap(({ guard, admission }) => [
          ...(guard?.plan.network.mode === 'workspace'
            ? [named(WORKSPACES, guard, guardSpec(guard.id, { ...guard.plan.network, namespace: 'staging' }))]
            : []),
          ...(admission?.plan.network.mode === 'workspace'
            ? [named('staging', admission, admissionSpec(admission.id, admission.plan.network, WORKSPACES))]
            : []),
        ]),
      ],
    };
  };
  const access: ClusterAccess = {
    workspacesNamespace: WORKSPACES,
    nodesNamespace: 'drawbridge-nodes',
    closedNamespaces: [WORKSPACES, 'drawbridge'],
    missingRights: async (profiles) => profiles.map(() => []),
    tryLeash: async () => null,
    tryWriting: async () => [],
    namespaces: async () => ['staging', 'payments', 'kube-system'],
    nodes: async () => ['worker-1', 'worker-2'],
    workloads: async () => [{ kind: 'Deployment', name: 'checkout' }],
    snapshot: async () => snapshot(),
    foreignPolicies: async (namespace) =>
      [...target.policies, ...target.foreign].filter(({ metadata }) => metadata?.namespace === namespace),
    tokenFor: async (grant) => ({
      token: { reveal: () => `token of ${grant.id}`, toJSON: () => '[secret]' },
      expiresAt: now() + 600_000,
    }),
    entrance: () => ({ server: 'https://kubernetes.example.test', authority: 'Q0E=' }),
    rulesOf: async () => target.roleRules ?? [],
    async survey(wanted): Promise<Survey> {
      if (isWide(wanted))
        return {
          asOf: now(),
          clusterUid: target.clusterUid,
          namespaceUid: null,
          target: wanted,
          service: null,
          workload: null,
          node:
            wanted.scope === 'node'
              ? {
                  uid: target.nodeUid,
                  workloads: [{ namespace: 'staging', workload: 'deployment/checkout', count: 2 }],
                }
              : null,
          roleRules: target.roleRules,
          cluster: null,
          otherPolicies: [],
          staleSince: null,
          unprobed: null,
        };
      const { namespace, service } = wanted;
      const behind = target.services.get(service ?? '');
      if (service !== undefined && behind === undefined) throw new Refusal('target', `There is no Service ${service}.`);
      return {
        asOf: now(),
        clusterUid: target.clusterUid,
        namespaceUid: target.namespaceUid,
        target:
          service === undefined ? wanted : { namespace, workload: { kind: 'Deployment', name: behind ?? '' }, service },
        service:
          service === undefined
            ? null
            : { name: service, headless: false, ports: [{ dialled: 80, port: 8080, protocol: 'TCP' }] },
        workload:
          wanted.workload === undefined && service === undefined
            ? null
            : {
                uid: target.uid,
                selector: { matchLabels: { app: 'checkout' } },
                labels: { app: 'checkout' },
                pods: target.pods.map((name) => ({ name, ip: target.ip, hostNetwork: false })),
                ports: [{ port: 8080, protocol: 'TCP' }],
                services: [],
                kin: [],
                ended: [],
                replicas: null,
                strangers: target.strangers,
              },
        roleRules: target.roleRules,
        cluster: snapshot(),
        otherPolicies: [],
        staleSince: null,
        unprobed: target.unprobed,
      };
    },
    async placeLeases(grant) {
      of(grant.id).lease = grant;
    },
    async raiseGuard(grant) {
      of(grant.id).guard = grant;
    },
    async admit(grant) {
      of(grant.id).admission = grant;
    },
    async startWorkspace(grant) {
      if (of(grant.id).guard === undefined) breaches.push('a workspace without its guard');
      of(grant.id).workspace = true;
      return { pod: `drawbridge-${grant.id}-workspace-x`, probe: target.probe };
    },
    async giveRights(grant, pods) {
      const { lease, workspace } = of(grant.id);
      if (lease === undefined) breaches.push('rights without a lease');
      if (workspace !== true && grant.plan.network.mode === 'workspace') breaches.push('rights before the workspace');
      if ((grant.expiresAt ?? 0) <= now()) breaches.push('rights after the end');
      of(grant.id).rights = pods;
    },
    async verify(grant) {
      const rights = of(grant.id).rights;
      if (rights === undefined) return ['RoleBinding is not there'];
      return rights.join() === grant.pods.join() ? [] : ['the Role names other pods'];
    },
    async extend(grant) {
      of(grant.id).lease = grant;
    },
    podsOf: async () => target.pods,
    targetGone: async () => target.gone,
    strangers: async () => target.strangers,
    async narrowRights(grant, pods) {
      if (of(grant.id).rights !== undefined) of(grant.id).rights = pods;
    },
    async cutRights(grants) {
      for (const { id } of grants) delete held.get(id)?.rights;
      return grants.map(({ id }) => id);
    },
    async confirmRefused(grant) {
      if (held.get(grant.id)?.rights !== undefined) throw new Unavailable('Kubernetes', 'it is still allowed');
    },
    async takeRights(grant) {
      const had = of(grant.id).rights !== undefined;
      delete of(grant.id).rights;
      return had;
    },
    async closeAdmission(grant) {
      if (of(grant.id).rights !== undefined) breaches.push('admission closed before the rights');
      delete of(grant.id).admission;
    },
    async endWorkspace(grant) {
      delete of(grant.id).workspace;
    },
    async lowerGuard(grant) {
      if (of(grant.id).workspace === true) breaches.push('guard lowered over a running workspace');
      delete of(grant.id).guard;
    },
    async dropLeases(grant) {
      const kept = of(grant.id);
      delete kept.lease;
      if (Object.keys(kept).length === 0) held.delete(grant.id);
    },
    remains: async (grant) =>
      Object.keys(held.get(grant.id) ?? {}).map((what) => (what === 'rights' ? 'RoleBinding' : what)),
    otherAccess: async () => [],
    async found() {
      return [...held].flatMap(([id, { lease, rights, guard }]): Found[] => {
        const base = {
          namespace: 'staging',
          name: `drawbridge-${id}`,
          id,
          sealed: true,
          orphaned: false,
          inert: false,
          otherVersion: false,
          expiresAt: lease?.expiresAt ?? null,
          deleting: false,
          record: async () => null,
          ending: false,
        };
        return [
          ...(lease === undefined
            ? []
            : [
                {
                  ...base,
                  kind: 'Job',
                  uid: `${id}-lease`,
                  record: async () => lease,
                  ending: lease.state === 'ending',
                },
              ]),
          ...(guard !== undefined ? [{ ...base, kind: 'NetworkPolicy', uid: `${id}-guard` }] : []),
          ...(rights === undefined ? [] : [{ ...base, kind: 'RoleBinding', uid: `${id}-rb` }]),
        ];
      });
    },
    async remove({ id, kind }) {
      const kept = id === null ? undefined : held.get(id);
      if (id === null || kept === undefined) return true;
      if (kind === 'RoleBinding') delete kept.rights;
      if (kind === 'NetworkPolicy') {
        if (kept.rights !== undefined) breaches.push('a guard removed before the rights');
        delete kept.guard;
      }
      if (kind === 'Job') delete kept.lease;
      if (Object.keys(kept).length === 0) held.delete(id);
      return true;
    },
    podsGone: async (id) => held.get(id)?.workspace === undefined,
    async markEnding(grant) {
      const kept = held.get(grant.id);
      if (kept?.lease !== undefined) kept.lease = grant;
    },
    objectsOf: ({ id }) => [`RoleBinding staging/drawbridge-${id}`],
  };
  /** Kubernetes itself: what is past its lease goes, but for the guard. */
  const collect = () => {
    for (const [id, { lease, guard }] of held)
      if (lease?.expiresAt != null && lease.expiresAt + 2000 < now())
        held.set(id, guard !== undefined ? { guard } : {});
  };
  return { access, held, breaches, target, collect, hasRights: (id: string) => held.get(id)?.rights !== undefined };
}

/** What carries our instance, as if it were watched. */
export const ownOf = (byGrant: ReadonlyMap<string, readonly Found[]>): Pick<OwnObjects, 'ids' | 'of'> => ({
  ids: () => byGrant.keys(),
  of: (id) => byGrant.get(id) ?? [],
});

/** Only remembers which grants are to be followed. */
export const followedIn = (ids: Set<string>): Parameters<typeof reconcile>[3] => ({
  ids: () => ids,
  follows: (id) => ids.has(id),
  follow: ({ id, state }) => void (state === 'active' ? ids.add(id) : ids.delete(id)),
  followAll(all) {
    for (const id of all) ids.add(id);
  },
  leave: (id) => void ids.delete(id),
});

export function appWorld(policyInput: PolicyInput = POLICY, names: readonly [ClusterName, ...ClusterName[]] = [null]) {
  const clock = manualClock();
  const clusters = new Map(
    names.map((name, index) => {
      const made = memoryCluster(clock.now);
      made.target.clusterUid = `cluster-${index + 1}`;
      return [name, made];
    }),
  );
  const clusterNamed = (name: ClusterName) => {
    const found = clusters.get(name);
    if (found === undefined) throw new Error(`no cluster ${name}`);
    return found;
  };
  const cluster = clusterNamed(names[0]);
  const accounts = new Map(Object.entries(PEOPLE).map(([name, id]) => [id as string, account(id, name)]));
  const members = new Map<string, readonly string[] | null>();
  const handles = new Map<string, string>();
  /** Addresses by the id or address of a source; what is not here can't be read. */
  const onCall = new Map<string, readonly string[]>();
  /** Verdicts by key; what is not here can't be read. */
  const tickets = new Map<string, TicketVerdict>();
  const judged: PersonalTicketUse[] = [];
  const told: { id: string; news: News; state: string }[] = [];
  /** How the approvers were named in each of them. */
  const named: { news: News; naming: View['naming'] }[] = [];
  /** Direct messages to approvers. */
  const asked: { id: string; slackId: string; entry: string }[] = [];
  /** What was asked of Slack about people, but for members of lists. */
  const lookups: string[] = [];
  const alarms: string[] = [];
  const audit: AuditEntry[] = [];
  let policy: Policy = policySchema.parse(policyInput);
  let messages = 0;

  const fresh = () => ({ store: memoryStore(clock, (entry) => audit.push(entry)), scheduler: memoryScheduler(clock) });
  let redis = fresh();
  const conditions = createConditions({
    now: clock.now,
    tell: { began: () => {}, ended: () => {} },
    unknown: () => {},
  });
  const parts: Omit<World, 'alarms'> = {
    clock,
    policies: { current: () => policy, disabled: () => null },
    // Looked up with each call, so that a test can lose all that Redis held.
    store: {
      create: (...args) => redis.store.create(...args),
      requestedBy: (person) => redis.store.requestedBy(person),
      endedOf: (person) => redis.store.endedOf(person),
      get: (id) => redis.store.get(id),
      request: (...args) => redis.store.request(...args),
      approvedSince: (...args) => redis.store.approvedSince(...args),
      change: (...args) => redis.store.change(...args),
      summaries: (which) => redis.store.summaries(which),
      records: (ids) => redis.store.records(ids),
      open: (which) => redis.store.open(which),
      unreviewed: () => redis.store.unreviewed(),
      takeDue: (now, most) => redis.store.takeDue(now, most),
      nextDue: () => redis.store.nextDue(),
      firstTime: (key, seconds) => redis.store.firstTime(key, seconds),
      takeNumber: (key, seconds) => redis.store.takeNumber(key, seconds),
      lastNumber: (key) => redis.store.lastNumber(key),
    },
    scheduler: {
      schedule: (job, at) => redis.scheduler.schedule(job, at),
      cancel: (job) => redis.scheduler.cancel(job),
      scheduleOnce: (job, key, seconds) => redis.scheduler.scheduleOnce(job, key, seconds),
      forget: (key) => redis.scheduler.forget(key),
      unscheduled: (wanted) => redis.scheduler.unscheduled(wanted),
    },
    locks: memoryLocks(),
    notifier: {
      async deliver({ grant, naming }, news) {
        told.push({ id: grant.id, news, state: grant.state });
        named.push({ news, naming });
        if (news === 'message' && grant.message === null)
          return { message: { channel: 'C0ACCESS', ts: String(++messages) } };
        return {};
      },
      async ask(view, slackId, entry) {
        asked.push({ id: view.grant.id, slackId, entry: ruleOf(entry) });
      },
      async alarm(_policy, _id, text) {
        alarms.push(text);
      },
    },
    directory: {
      async account(slackId) {
        lookups.push(slackId);
        return accounts.get(slackId) ?? null;
      },
      async *everyone() {
        for (const one of accounts.values()) yield [one];
      },
      async accountWith(email) {
        lookups.push(email);
        return [...accounts.values()].find((one) => one.email === email) ?? null;
      },
      handle: async (group) => handles.get(group) ?? null,
      async members(list) {
        const found = members.get(list) ?? null;
        return found === null ? { retryIn: 20 } : new Set(found);
      },
    },
    onCall: {
      async addresses({ pagerduty, url }) {
        const found = onCall.get(pagerduty?.escalationPolicy ?? pagerduty?.schedule ?? url ?? '');
        return found === undefined ? { retryIn: 20 } : new Set(found);
      },
    },
    tickets: {
      async judge(_source, use) {
        judged.push(use);
        return tickets.get(use.key) ?? { retryIn: 20 };
      },
    },
    audit: {
      async record(entry) {
        audit.push(entry);
      },
    },
    clusters: clustersOf(new Map([...clusters].map(([name, { access }]) => [name, access]))),
    conditions,
  };
  const world: World = { ...parts, alarms: createAlarms(parts) };
  const useCases = createUseCases(world);
  /** What is in the cluster now. */
  const byGrant = async (on: World = world, name: ClusterName = names[0]) =>
    Map.groupBy(await on.clusters.of({ cluster: name }).found(), ({ id }) => id ?? '');
  const asking = {
    grant: async (id: string): Promise<Grant> => {
      const grant = await redis.store.get(id);
      if (grant === null) throw new Error(`no grant ${id}`);
      return grant;
    },
    request: (by: string = PEOPLE.ada, change: Partial<Parameters<typeof useCases.request>[1]> = {}) =>
      useCases.request(by, {
        profile: 'debug',
        target: { namespace: 'staging', workload: { kind: 'Deployment', name: 'checkout' } },
        duration: null,
        reason: 'checkout returns 502',
        ...change,
      }),
    /** What a press of the button on the grant's own message carries. */
    seen: async (id: string) => {
      const grant = await redis.store.get(id);
      return { digest: shortDigest(grant?.digest ?? ''), message: grant?.message ?? null };
    },
  };
  const run = (on: World = world) => redis.scheduler.runDue((job) => runJob(on, job));
  type Asked = Parameters<typeof asking.request>;
  async function pending(...asked: Asked): Promise<string> {
    const { grant } = await asking.request(...asked);
    await run();
    return grant.id;
  }
  return {
    ...asking,
    world,
    useCases,
    clock,
    cluster,
    clusterNamed,
    accounts,
    members,
    handles,
    lookups,
    asked,
    named,
    onCall,
    tickets,
    judged,
    told,
    alarms,
    conditions,
    audit,
    setPolicy: (input: PolicyInput) => {
      policy = policySchema.parse(input);
    },
    /** Everything that is due now, on this world or on another one over the same parts. */
    run,
    jobs: () => redis.scheduler.jobs(),
    byGrant,
    /** Looks at everything once, and at the workloads of what is active. */
    async reconcile(on: World = world) {
      await reconcileRequests(on, () => {});
      for (const name of names) {
        const followed = new Set<string>();
        await reconcile(on, name, ownOf(await byGrant(on, name)), followedIn(followed), () => {});
        await lookAround(
          on,
          on.clusters.of({ cluster: name }),
          [...followed],
          EVERYTHING,
          () => {},
          () => {},
        );
      }
    },
    loseRedis: () => {
      redis = fresh();
    },
    /** All that was scheduled is gone; what is on record stays. */
    loseQueue: () => {
      redis = { ...redis, scheduler: memoryScheduler(clock) };
    },
    /** A request that waits for a decision. */
    pending,
    /** The grant of a request that somebody else has approved. @throws Error when it has not come to be */
    async active(...asked: Asked): Promise<string> {
      const id = await pending(...asked);
      const approver = asked[0] === PEOPLE.ben ? PEOPLE.cy : PEOPLE.ben;
      await useCases.review(approver, id, 'approve', '', await asking.seen(id));
      await run();
      const { state } = await asking.grant(id);
      if (state !== 'active') throw new Error(`${id} is ${state}`);
      return id;
    },
  };
}
