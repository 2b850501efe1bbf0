import { nameOfRef } from '../../app/ports/own-objects.ts';
import type { Instant } from '../../domain/clocks.ts';
import { approvalsOf, type Grant } from '../../domain/grant/grant.ts';
import { type GrantSummary, summaryOf } from '../../domain/grant/summary.ts';
import { newGrantId } from '../../domain/ids.ts';
import { admissionSpec, containmentSpec, GRANT_LABEL, guardSpec, sourcesSpec } from '../../domain/plan/confinement.ts';
import { givesOnTarget, type WorkspacePlan } from '../../domain/plan/plan.ts';
import type { NodeShell } from '../../domain/policy/policy.ts';
import { narrowedRules, rulesOnNode } from '../../domain/rights/narrowed-rules.ts';
import type { Rule } from '../../domain/rights/rights.ts';
import { inNamespace, isWide, type Target, type WideTarget } from '../../domain/target.ts';
import type { Kind } from './api.ts';
import { type KubeObject, PREFIX } from './object.ts';
import { PROBE, type Probe } from './probe.ts';
import { LEASE } from './seal.ts';

export interface ManifestContext {
  readonly instance: string;
  readonly workspacesNamespace: string;
  /** Where the leases of grants are whose target is in no namespace; default: {@link ACCOUNTS_NAMESPACE}. */
  readonly accountsNamespace?: string;
  /** Where the pods of node shells run; default: {@link NODES_NAMESPACE}. */
  readonly nodesNamespace?: string;
  /** Names of Secrets there, with which workspaces pull their images; default: none. */
  readonly pullSecrets?: readonly string[];
}

/** The namespace of accounts, unless the chart's values say another. */
export const ACCOUNTS_NAMESPACE = 'drawbridge-accounts';
export const accountsOf = ({ accountsNamespace }: Pick<ManifestContext, 'accountsNamespace'>): string =>
  accountsNamespace ?? ACCOUNTS_NAMESPACE;

/** The namespace of node shells, unless the chart's values say another. */
export const NODES_NAMESPACE = 'drawbridge-nodes';
export const nodesOf = ({ nodesNamespace }: Pick<ManifestContext, 'nodesNamespace'>): string =>
  nodesNamespace ?? NODES_NAMESPACE;

/** Where the person's own pod is, a workspace or a node shell; null: the grant has none. */
export function podNamespace(
  { plan }: Pick<Grant, 'plan'>,
  context: Pick<ManifestContext, 'workspacesNamespace' | 'nodesNamespace'>,
): string | null {
  if (plan.shell !== undefined) return nodesOf(context);
  return plan.network.mode === 'workspace' ? context.workspacesNamespace : null;
}

/** The lease Job that owns an object: in its own namespace, always (an owner elsewhere is collected at once). */
export interface Lease {
  readonly name: string;
  readonly uid: string;
}

/** The image of lease Jobs. It is never pulled: a lease has parallelism 0. */
export const LEASE_IMAGE = 'drawbridge.internal/never-started:1';

const MANAGED_BY = { 'app.kubernetes.io/managed-by': 'drawbridge' };
const RESTRICTED_POD = {
  runAsNonRoot: true,
  runAsUser: 65_532,
  runAsGroup: 65_532,
  seccompProfile: { type: 'RuntimeDefault' },
};
const RESTRICTED_CONTAINER = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };

export const INSTANCE_LABEL = `${PREFIX}instance`;
export const EXPIRES_AT = `${PREFIX}expires-at`;

/** `drawbridge-g-7k3fq2`: the name of every object of a grant. */
export function objectName(id: string): string {
  return `drawbridge-${id}`;
}

/** The Job of the person's own pod, a workspace or a node shell; the plain name belongs to the lease beside it. */
export function workspaceName(id: string): string {
  return `${objectName(id)}-workspace`;
}

function windowOf(grant: Grant): { startsAt: Instant; expiresAt: Instant } {
  if (grant.startsAt === null || grant.expiresAt === null) throw new Error(`${grant.id} has no window yet`);
  return { startsAt: grant.startsAt, expiresAt: grant.expiresAt };
}

/** RFC 3339, UTC. */
export function rfc3339(at: Instant): string {
  return new Date(at).toISOString();
}

/** Of every object of a grant, and of the pod of its workspace. */
export function labelsOf(id: string, { instance }: ManifestContext): Record<string, string> {
  return { ...MANAGED_BY, [GRANT_LABEL]: id, [INSTANCE_LABEL]: instance };
}

/** Whoever may read the object reads this: no reason, no note, no other free text of people. */
function metadata(
  grant: Grant,
  context: ManifestContext,
  namespace: string | null,
  lease?: Lease,
): KubeObject['metadata'] {
  const approvedBy = approvalsOf(grant).map((d) => d.by?.user ?? 'policy');
  return {
    name: objectName(grant.id),
    ...(namespace !== null && { namespace }),
    labels: labelsOf(grant.id, context),
    annotations: {
      [EXPIRES_AT]: rfc3339(windowOf(grant).expiresAt),
      [`${PREFIX}requester`]: grant.requester.user,
      [`${PREFIX}approved-by`]: [...new Set(approvedBy)].join(','),
      [`${PREFIX}profile`]: grant.profile,
      [`${PREFIX}digest`]: grant.digest,
      ...(lease === undefined ? {} : { [LEASE]: lease.uid }),
    },
    ...(lease === undefined
      ? {}
      : { ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: lease.name, uid: lease.uid }] }),
  };
}

/**
 * Whole seconds from `since` to the end of the window, rounded up, plus one: the Job controller cuts `status.startTime` to seconds, so
 * that without the margin a lease would end up to a second early.
 */
export function deadlineSeconds(grant: Grant, since: Instant): number {
  return Math.max(1, Math.ceil((windowOf(grant).expiresAt - since) / 1000) + 1);
}

/**
 * The lease: a Job that never makes a pod, which Kubernetes itself ends at its deadline; garbage collection then takes what it owns.
 * Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/#job-termination-and-cleanup
 * @param since when the deadline counts from: now for a new lease, `status.startTime` for one that is there
 */
export function leaseJob(grant: Grant, context: ManifestContext, namespace: string, since: Instant): KubeObject {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: metadata(grant, context, namespace),
    spec: leaseSpec(deadlineSeconds(grant, since)),
  };
}

/** @param deadline seconds */
function leaseSpec(deadline: number) {
  return {
    parallelism: 0,
    backoffLimit: 0,
    activeDeadlineSeconds: deadline,
    ttlSecondsAfterFinished: 0,
    template: {
      spec: {
        restartPolicy: 'Never',
        automountServiceAccountToken: false,
        securityContext: RESTRICTED_POD,
        containers: [{ name: 'lease', image: LEASE_IMAGE, securityContext: RESTRICTED_CONTAINER }],
      },
    },
  };
}

function workspaceOf(grant: Grant): WorkspacePlan {
  const { network, workload } = grant.plan;
  if (network.mode !== 'workspace' || workload === null) throw new Error(`${grant.id} has no workspace`);
  return network;
}

/** Where the lease with the record of a grant is: beside its target, or among the accounts where that is in no namespace. */
export function leaseNamespace({ target }: Pick<Grant, 'target'>, context: ManifestContext): string {
  return target.namespace ?? accountsOf(context);
}

/** Where the guard of a grant is: beside the pods that it confines. */
export function guardNamespace(grant: Grant, context: ManifestContext): string {
  return grant.plan.network.mode === 'workspace' ? context.workspacesNamespace : inNamespace(grant.target).namespace;
}

/**
 * The guard: of the workspace pod, or (mode contain) of the target's own pods. It has no owner: a guard must never be collected while
 * somebody may still get into its pods, and collection knows no order.
 */
export function guardPolicy(grant: Grant, context: ManifestContext): KubeObject {
  const { network } = grant.plan;
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: metadata(grant, context, guardNamespace(grant, context)),
    spec:
      network.mode === 'contain'
        ? containmentSpec(network.selector, network.to, network.dns)
        : guardSpec(grant.id, { ...workspaceOf(grant), namespace: inNamespace(grant.target).namespace }),
  };
}

/** Lets the workspace, or (mode bastion) the sources of the profile, into an isolated target. */
export function admissionPolicy(grant: Grant, context: ManifestContext, lease: Lease): KubeObject {
  const { network } = grant.plan;
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: metadata(grant, context, inNamespace(grant.target).namespace, lease),
    spec:
      network.mode === 'bastion'
        ? sourcesSpec(network, network.from)
        : admissionSpec(grant.id, workspaceOf(grant), context.workspacesNamespace),
  };
}

/** It asks for no disk: a node that does not count its disk would take no pod that does. */
const WORKSPACE_RESOURCES = {
  requests: { cpu: '10m', memory: '32Mi', 'ephemeral-storage': '0' },
  limits: { cpu: '1', memory: '512Mi', 'ephemeral-storage': '1Gi' },
};

/** What a profile gives to a workspace is kept for it too, so that it has it when it is needed. */
const resourcesOf = ({ resources }: Pick<WorkspacePlan, 'resources'>): typeof WORKSPACE_RESOURCES =>
  resources === undefined
    ? WORKSPACE_RESOURCES
    : {
        requests: { cpu: resources.cpu, memory: resources.memory, 'ephemeral-storage': '0' },
        limits: { cpu: resources.cpu, memory: resources.memory, 'ephemeral-storage': '1Gi' },
      };

/** Runs before the workspace, in its pod and under its guard; the chart's leash knows it field by field. */
function probeContainer({ image, args }: Probe) {
  return {
    name: PROBE,
    image,
    // Where the Dockerfile puts it.
    workingDir: '/app',
    command: ['node', 'src/probe/main.ts', 'check'],
    args: [...args],
    terminationMessagePolicy: 'File',
    securityContext: { ...RESTRICTED_CONTAINER, readOnlyRootFilesystem: true },
    resources: WORKSPACE_RESOURCES,
  };
}

/** The Job with the one pod that the requester may exec into. */
export function workspaceJob(
  grant: Grant,
  context: ManifestContext,
  since: Instant,
  probe: Probe | null,
  pullSecrets: readonly string[] = context.pullSecrets ?? [],
): KubeObject {
  const meta = metadata(grant, context, context.workspacesNamespace);
  const deadline = deadlineSeconds(grant, since);
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { ...meta, name: workspaceName(grant.id) },
    spec: workspaceSpec(workspaceOf(grant), labelsOf(grant.id, context), deadline, probe, pullSecrets),
  };
}

/** The Job of the person's own pod: a workspace, or a node shell, which has neither probe nor guard. */
export function podJob(
  grant: Grant,
  context: ManifestContext,
  since: Instant,
  probe: Probe | null,
  pullSecrets?: readonly string[],
): KubeObject {
  return grant.plan.shell === undefined
    ? workspaceJob(grant, context, since, probe, pullSecrets)
    : shellJob(grant, context, since);
}

/** The Job with the privileged pod on the node that is the target. */
export function shellJob(grant: Grant, context: ManifestContext, since: Instant): KubeObject {
  const { shell, target } = grant.plan;
  if (shell === undefined || target.node === undefined) throw new Error(`${grant.id} has no node shell`);
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { ...metadata(grant, context, nodesOf(context)), name: workspaceName(grant.id) },
    spec: shellSpec(shell, target.node, labelsOf(grant.id, context), deadlineSeconds(grant, since)),
  };
}

/** The volume of the node's files. Where the runtime can, what is mounted below `/` is read-only too. */
const HOST = {
  volumes: [{ name: 'host', hostPath: { path: '/', type: 'Directory' } }],
  mounts: {
    'read-only': [{ name: 'host', mountPath: '/host', readOnly: true, recursiveReadOnly: 'IfPossible' }],
    'read-write': [{ name: 'host', mountPath: '/host' }],
  },
};

/**
 * A Job of one pod of somebody's, which is tried once, ends by itself, and goes with its pod.
 * @param deadline seconds
 */
const onePod = (deadline: number, labels: Readonly<Record<string, string>>, pod: object) => ({
  parallelism: 1,
  completions: 1,
  backoffLimit: 0,
  activeDeadlineSeconds: deadline,
  ttlSecondsAfterFinished: 0,
  template: {
    metadata: { labels },
    spec: {
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      // 30 seconds would outlast the window; 0 would remove the pod object before the kubelet has confirmed that it is gone.
      terminationGracePeriodSeconds: 1,
      ...pod,
    },
  },
});

/** It asks for nothing, so that a node that is full takes it too. */
const SHELL_RESOURCES = {
  requests: { cpu: '0', memory: '0', 'ephemeral-storage': '0' },
  limits: WORKSPACE_RESOURCES.limits,
};

/**
 * The chart's leash knows it field by field. No scheduler places it and no taint keeps it away: whoever looks at a node that is ill asks for that one.
 * @param deadline seconds
 */
function shellSpec(
  { image, host, filesystem }: NodeShell,
  node: string,
  labels: Readonly<Record<string, string>>,
  deadline: number,
) {
  return onePod(deadline, labels, {
    nodeName: node,
    tolerations: [{ operator: 'Exists' }],
    // With the node's processes the first one is the node's, and the shell's own an ordinary one, which TERM ends.
    ...(host.includes('pid') ? { hostPID: true } : { shareProcessNamespace: true }),
    ...(host.includes('network') && { hostNetwork: true }),
    dnsPolicy: 'Default',
    ...(filesystem !== 'none' && { volumes: HOST.volumes }),
    containers: [
      {
        name: 'workspace',
        image,
        command: ['sleep', 'infinity'],
        securityContext: { privileged: true, runAsUser: 0 },
        resources: SHELL_RESOURCES,
        ...(filesystem !== 'none' && { volumeMounts: HOST.mounts[filesystem] }),
      },
    ],
  });
}

/** The Secrets with which the images of a workspace are pulled, as it was made. */
export function pullSecretsIn(job: KubeObject): string[] {
  const { template } = job.spec as { template: { spec: { imagePullSecrets?: { name: string }[] } } };
  return (template.spec.imagePullSecrets ?? []).map(({ name }) => name);
}

/** @param deadline seconds */
function workspaceSpec(
  workspace: Pick<WorkspacePlan, 'image' | 'command' | 'resources' | 'hostAliases' | 'dns'>,
  labels: Readonly<Record<string, string>>,
  deadline: number,
  probe: Probe | null,
  pullSecrets: readonly string[],
) {
  const { image, command, hostAliases, dns } = workspace;
  return onePod(deadline, labels, {
    // The first process of a namespace of processes ignores TERM unless it handles it, as `sleep` does not: it would live until the second is over.
    shareProcessNamespace: true,
    hostAliases: hostAliases.map(({ ip, hostnames }) => ({ ip, hostnames: [...hostnames] })),
    ...(dns === 'cluster'
      ? { dnsPolicy: 'ClusterFirst' }
      : { dnsPolicy: 'None', dnsConfig: { nameservers: ['127.0.0.1'] } }),
    securityContext: RESTRICTED_POD,
    ...(pullSecrets.length === 0 ? {} : { imagePullSecrets: pullSecrets.map((name) => ({ name })) }),
    ...(probe === null ? {} : { initContainers: [probeContainer(probe)] }),
    containers: [
      {
        name: 'workspace',
        image,
        command: [...command],
        securityContext: RESTRICTED_CONTAINER,
        resources: resourcesOf(workspace),
      },
    ],
  });
}

/**
 * Of each kind of Job that the bot writes, and of the Role that is in its own namespace, one of no grant: to be tried by dry runs.
 * @param namespaces those that get leases
 * @param shells with the name of a node that their profile covers
 */
export function samples(
  context: ManifestContext,
  namespaces: readonly string[],
  workspaces: readonly Pick<WorkspacePlan, 'image' | 'command' | 'resources' | 'dns'>[],
  shells: readonly { readonly shell: NodeShell; readonly node: string }[] = [],
): KubeObject[] {
  const id = newGrantId();
  const labels = labelsOf(id, context);
  const name = objectName(id);
  const { workspacesNamespace: namespace } = context;
  const lease = { apiVersion: 'batch/v1', kind: 'Job', name, uid: '00000000-0000-4000-8000-000000000000' };
  const job = { apiVersion: 'batch/v1', kind: 'Job' };
  return [
    ...namespaces.map((one) => ({ ...job, metadata: { name, namespace: one, labels }, spec: leaseSpec(60) })),
    ...workspaces.map((workspace) => ({
      ...job,
      metadata: { name: workspaceName(id), namespace, labels },
      spec: workspaceSpec({ ...workspace, hostAliases: [] }, labels, 60, null, context.pullSecrets ?? []),
    })),
    ...shells.map(({ shell, node }) => ({
      ...job,
      metadata: { name: workspaceName(id), namespace: nodesOf(context), labels },
      spec: shellSpec(shell, node, labels, 60),
    })),
    ...[namespace, ...(shells.length === 0 ? [] : [nodesOf(context)])].map((one) => ({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name, namespace: one, labels, ownerReferences: [lease] },
      rules: workspaceRules(`${workspaceName(id)}-x`),
    })),
  ];
}

/** What the requester may do with the workspace pod. Since Kubernetes 1.35 exec over WebSocket needs `create` beside `get`. */
function workspaceRules(pod: string): Rule[] {
  return [
    { apiGroups: [''], resources: ['pods'], verbs: ['get'], resourceNames: [pod] },
    { apiGroups: [''], resources: ['pods/exec', 'pods/attach'], verbs: ['get', 'create'], resourceNames: [pod] },
    { apiGroups: [''], resources: ['pods/log'], verbs: ['get'], resourceNames: [pod] },
    // Demanded by the chart's admission policy for connections into the workspaces namespace.
    { apiGroups: ['drawbridge.internal'], resources: ['workspaces'], verbs: ['use'], resourceNames: [pod] },
  ];
}

function role(
  grant: Grant,
  context: ManifestContext,
  namespace: string,
  lease: Lease,
  rules: readonly Rule[],
): KubeObject {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { ...metadata(grant, context, namespace, lease), name: roleName(grant) },
    rules,
  };
}

function roleBinding(
  grant: Grant,
  context: ManifestContext,
  namespace: string,
  lease: Lease,
  roleRef: { kind: string; name: string },
): KubeObject {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: metadata(grant, context, namespace, lease),
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', ...roleRef },
    subjects: [subjectOf(grant, context)],
  };
}

const RBAC = 'rbac.authorization.k8s.io';

/** Who is bound: the person's own user, or the account that is made for the grant. */
function subjectOf(grant: Grant, context: ManifestContext): object {
  return grant.plan.credential === 'token'
    ? { kind: 'ServiceAccount', name: objectName(grant.id), namespace: accountsOf(context) }
    : { apiGroup: RBAC, kind: 'User', name: grant.plan.user };
}

/**
 * What roles of the grant's own are called. Those for an account have a name of their own, by which the leash knows that they may hold no more
 * than what the policy gives by token: a stolen token of the bot can itself act by these.
 */
function roleName({ id, plan }: Grant): string {
  return plan.credential === 'token' ? `${objectName(id)}-token` : objectName(id);
}

/** The account by which the person acts, which its lease owns: Kubernetes ends it, and with it every token. */
export function account(grant: Grant, context: ManifestContext, lease: Lease): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: metadata(grant, context, accountsOf(context), lease),
    automountServiceAccountToken: false,
  };
}

/**
 * The rights on what is in no namespace: a ClusterRole of the grant's own unless a named one is bound, and the ClusterRoleBinding last. Nothing owns
 * them: what is in a namespace can't own what is in none.
 */
function wideRights(grant: Grant, target: WideTarget, context: ManifestContext): KubeObject[] {
  const { plan } = grant;
  const binding = (role: string): KubeObject => ({
    apiVersion: `${RBAC}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: metadata(grant, context, null),
    roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: role },
    subjects: [subjectOf(grant, context)],
  });
  if (!givesOnTarget(plan)) return [];
  if (plan.role !== null) return [binding(plan.role.name)];
  const role: KubeObject = {
    apiVersion: `${RBAC}/v1`,
    kind: 'ClusterRole',
    metadata: { ...metadata(grant, context, null), name: roleName(grant) },
    rules: rulesGiven(plan.rules, target, []),
  };
  return [role, binding(roleName(grant))];
}

/** The rules that a grant gives on its target: narrowed to what that names. */
export function rulesGiven(rules: readonly Rule[], target: Target, pods: readonly string[]): readonly Rule[] {
  if (isWide(target)) return target.scope === 'node' ? rulesOnNode(rules, target.node) : rules;
  return target.workload === undefined ? rules : narrowedRules(rules, target, pods);
}

/** The rights on the target: a Role of the grant's own unless a named role is bound, and the RoleBinding last. */
export function targetRights(
  grant: Grant,
  context: ManifestContext,
  lease: Lease,
  pods: readonly string[],
): KubeObject[] {
  const { plan, target } = grant;
  if (isWide(target)) return wideRights(grant, target, context);
  const { namespace } = target;
  if (plan.role !== null) return [roleBinding(grant, context, namespace, lease, plan.role)];
  const rules = rulesGiven(plan.rules, target, pods);
  return [
    role(grant, context, namespace, lease, rules),
    roleBinding(grant, context, namespace, lease, { kind: 'Role', name: roleName(grant) }),
  ];
}

/** The rights on the person's own pod, in its namespace. */
export function workspaceRights(grant: Grant, context: ManifestContext, lease: Lease, pod: string): KubeObject[] {
  const namespace = podNamespace(grant, context) ?? context.workspacesNamespace;
  return [
    role(grant, context, namespace, lease, workspaceRules(pod)),
    roleBinding(grant, context, namespace, lease, { kind: 'Role', name: objectName(grant.id) }),
  ];
}

/** An object of a grant; namespace '': it is in none. */
export interface PlannedObject {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
}

/** The objects that a grant has, in the order in which they are made. */
export function objectsOf(grant: Grant | GrantSummary, context: ManifestContext): PlannedObject[] {
  const { id, namespace, has } = 'plan' in grant ? summaryOf(grant) : grant;
  const t = namespace ?? accountsOf(context);
  const w = has.shell ? nodesOf(context) : context.workspacesNamespace;
  const hasOwnPod = has.workspace || has.shell;
  const at = (kind: Kind, where: string, name = objectName(id)): PlannedObject => ({ kind, namespace: where, name });
  const ownRole = `${objectName(id)}${has.account ? '-token' : ''}`;
  const rights = !has.target
    ? []
    : namespace === null
      ? [...(has.role ? [at('ClusterRole', '', ownRole)] : []), at('ClusterRoleBinding', '')]
      : [...(has.role ? [at('Role', t, ownRole)] : []), at('RoleBinding', t)];
  const a = accountsOf(context);
  return [
    at('Job', t),
    ...(hasOwnPod ? [at('Job', w)] : []),
    ...(has.account && namespace !== null ? [at('Job', a)] : []),
    ...(has.guard ? [at('NetworkPolicy', has.workspace ? w : t)] : []),
    ...(has.admission ? [at('NetworkPolicy', t)] : []),
    ...(hasOwnPod ? [at('Job', w, workspaceName(id))] : []),
    ...(has.account ? [at('ServiceAccount', a)] : []),
    ...rights,
    ...(hasOwnPod ? [at('Role', w), at('RoleBinding', w)] : []),
  ];
}

/** What may stand of a grant's rights, a role of its own also where the record knows of none: a hand that was slow to die may have written one. */
export function rightsOf(grant: Grant, context: ManifestContext): PlannedObject[] {
  const name = objectName(grant.id);
  const ownRole = roleName(grant);
  const ofPod = podNamespace(grant, context);
  const inNamespaces = [grant.target.namespace ?? null, ofPod]
    .filter((namespace) => namespace !== null)
    .flatMap((namespace): PlannedObject[] => [
      { kind: 'RoleBinding', namespace, name },
      { kind: 'Role', namespace, name: ownRole },
    ]);
  if (!isWide(grant.target)) return inNamespaces;
  return [
    ...inNamespaces,
    { kind: 'ClusterRoleBinding', namespace: '', name },
    { kind: 'ClusterRole', namespace: '', name: ownRole },
  ];
}

/** The same as people read them: `kind namespace/name`. */
export function objectList(grant: Grant | GrantSummary, context: ManifestContext): string[] {
  return objectsOf(grant, context).map(nameOfRef);
}
