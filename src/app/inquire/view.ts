import type { Instant } from '../../domain/clocks.ts';
import { extensionDigest, roomToExtend } from '../../domain/decide/extension.ts';
import {
  decidersNow,
  type Progress,
  progressOf,
  untoldEscalations,
  type Waiting,
  waitingExtension,
  waitingRequest,
} from '../../domain/decide/steps.ts';
import { awaitsReview, type Grant, holdsAccess } from '../../domain/grant/grant.ts';
import { type Plan, shortDigest } from '../../domain/plan/plan.ts';
import {
  approvalOf,
  type Policy,
  type Profile,
  profileNamed,
  reviewersOf,
  together,
} from '../../domain/policy/policy.ts';
import { WORKLOAD_KINDS } from '../../domain/rights/rights.ts';
import { isWide, type WideTarget } from '../../domain/target.ts';
import type { ClusterAccess } from '../ports/cluster-access.ts';
import type { StepView, View } from '../ports/view.ts';
import { kubeconfigOf } from './kubeconfig.ts';
export function viewOf(
  grant: Grant,
  policy: Policy,
  cluster: Pick<ClusterAccess, 'workspacesNamespace' | 'nodesNamespace' | 'objectsOf' | 'entrance'>,
  now: Instant,
  naming: View['naming'] = new Map(),
): View {
  const profile = profileNamed(policy, grant.profile);
  const waiting = grant.extension === null ? waitingRequest(grant) : waitingExtension(grant.extension);
  const steps = profile === undefined ? [] : stepsOf(profile, waiting, now);
  const needsNobody = grant.approvalsNeeded === 0 && grant.extension === null;
  return {
    grant,
    description: profile?.description ?? '',
    approvers:
      profile === undefined
        ? null
        : together(steps.filter(({ state }) => state === 'asked').map(({ people }) => people)),
    steps: needsNobody ? [] : steps,
    escalations: untoldEscalations(grant, profile, now),
    missing: needsNobody ? 0 : steps.reduce((sum, { count, approvals }) => sum + count - approvals.length, 0),
    naming,
    selfApproval: profile?.selfApproval ?? false,
    objects: cluster.objectsOf(grant),
    commands:
      holdsAccess(grant.state) && grant.state !== 'ending'
        ? commandsFor(grant, cluster).map((line) => inContextOf(grant, line))
        : [],
    kubeconfig: grant.state === 'active' ? kubeconfigOf(grant, cluster.entrance()) : null,
    closing: closingOf(grant),
    digest: shortDigest(grant.extension === null ? grant.digest : extensionDigest(grant, grant.extension)),
    glass: grant.breakGlass
      ? { reviewers: together(reviewersOf(policy, grant.profile)), awaitsReview: awaitsReview(grant) }
      : null,
    extendable: profile === undefined || grant.breakGlass ? 0 : roomToExtend(grant, profile),
  };
}

function stepsOf(profile: Profile, waiting: Waiting, now: Instant): StepView[] {
  const approval = approvalOf(profile);
  const { steps } = progressOf(approval, waiting);
  return approval.steps.map(({ name, from, count }): StepView => {
    const progress = steps.find(({ step }) => step.name === name);
    const waived = waiting.waived.find((one) => one.name === name);
    if (progress === undefined)
      return { name, state: 'waived', people: from.people, count: 0, approvals: [], because: waived?.because ?? '' };
    const { approvals } = progress;
    const people = decidersNow(progress, now).map((list) => list.people);
    return { name, state: stateOf(progress), people: together(people), count, approvals, because: '' };
  });
}

function stateOf({ isComplete, askedAt }: Progress['steps'][number]): StepView['state'] {
  if (askedAt === null) return 'waits';
  return isComplete ? 'complete' : 'asked';
}

function closingOf({ plan: { network, shell } }: Grant): string {
  if (shell !== undefined)
    return 'At the end the shell is stopped, and what runs in it is killed. What was moved out of its container, or left on the node, lives on.';
  switch (network.mode) {
    case 'workspace':
      return 'At the end the workspace is stopped, and every session and connection in it with it. Sessions on live pods that were opened by exec, logs or port-forward may live on until they are closed.';
    case 'contain':
      if (!network.applies)
        return 'At the end new requests are refused. No policy was added, and none is lifted: the pods stay isolated as they were. Sessions that are open already may live on.';
      return 'At the end new requests are refused, then the containment is lifted. A session in the pods that lives on is unconfined from then on.';
    case 'bastion':
      if (!network.admits)
        return 'At the end new requests are refused. Nothing was opened, and nothing is closed: the target stays as reachable as it was.';
      return 'At the end new requests and new connections are refused. Sessions, watches and connections that are open already may live on until they are closed.';
    default:
      return 'At the end new requests are refused. Sessions, watches and connections that are open already may live on until they are closed.';
  }
}

/** The same on what is in no namespace. */
function commandsForWide(target: WideTarget, { rules }: Pick<Plan, 'rules'>): string[] {
  if (target.scope === 'cluster') return ['kubectl auth can-i --list -A', 'kubectl get namespaces'];
  const isGiven = (group: string) =>
    rules.some(
      ({ apiGroups, resources, verbs }) =>
        apiGroups.includes(group) && resources.includes('nodes') && verbs.includes('get'),
    );
  return [
    ...(isGiven('') ? [`kubectl get node ${target.node} -o wide`, `kubectl describe node ${target.node}`] : []),
    ...(isGiven('metrics.k8s.io') ? [`kubectl top node ${target.node}`] : []),
  ];
}

/** With the context of the grant's cluster, by the name that everybody calls it. */
function inContextOf({ cluster }: Grant, line: string): string {
  return cluster === null ? line : line.replace(/^kubectl /, `kubectl --context ${cluster} `);
}

/** So many pods are named in one line. */
const MOST_PODS = 10;

/** kubectl lines for what was granted; with `resourceNames` a plain list would be refused, so each names its object. */
function commandsFor(
  grant: Grant,
  { workspacesNamespace, nodesNamespace }: Pick<ClusterAccess, 'workspacesNamespace' | 'nodesNamespace'>,
): string[] {
  const lines: string[] = [];
  const own = grant.plan.shell === undefined ? workspacesNamespace : nodesNamespace;
  if (grant.workspacePod !== null) lines.push(`kubectl -n ${own} exec -it ${grant.workspacePod} -c workspace -- sh`);
  if (isWide(grant.target)) return [...lines, ...commandsForWide(grant.target, grant.plan)];
  const { namespace, workload } = grant.target;
  if (workload === undefined) return [`kubectl -n ${namespace} auth can-i --list`, ...lines];
  const [pod] = grant.pods;
  // All of them in one line, as many as can be read.
  const pods = grant.pods.slice(0, MOST_PODS).join(' ');
  const can = (resource: string, ...verbs: string[]) =>
    grant.plan.rules.some(
      (rule) => rule.resources.includes(resource) && rule.verbs.some((verb) => verbs.includes(verb)),
    );
  if (pod !== undefined) {
    if (can('pods', 'get')) lines.push(`kubectl -n ${namespace} get pod ${pods}`);
    if (can('pods/log', 'get')) lines.push(`kubectl -n ${namespace} logs ${pod}`);
    if (can('pods/exec', 'create')) lines.push(`kubectl -n ${namespace} exec -it ${pod} -- sh`);
    if (can('pods/portforward', 'create')) lines.push(`kubectl -n ${namespace} port-forward ${pod} 8080`);
    if (can('pods', 'get') && can('pods', 'delete')) lines.push(`kubectl -n ${namespace} delete pod ${pod}`);
  }
  const kind = WORKLOAD_KINDS.find((k) => k.kind === workload.kind && k.kind !== 'Pod');
  if (kind !== undefined && can(kind.resource, 'get'))
    lines.push(`kubectl -n ${namespace} get ${kind.resource} ${workload.name}`);
  if (kind !== undefined && can(`${kind.resource}/scale`, 'patch'))
    lines.push(`kubectl -n ${namespace} scale ${kind.resource} ${workload.name} --replicas=3`);
  return lines;
}
