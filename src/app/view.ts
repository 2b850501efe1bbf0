import { approvalsMissing, extensionDigest, roomToExtend } from '../domain/decide.ts';
import { type Grant, holdsAccess } from '../domain/grant.ts';
import { shortDigest } from '../domain/plan.ts';
import { type Policy, type Principals, profileNamed } from '../domain/policy.ts';
import { WORKLOAD_KINDS } from '../domain/rights.ts';

/** A grant with all that a message about it says: what the Slack adapter renders, and nothing that it has to look up. */
export interface View {
  readonly grant: Grant;
  /** The profile's approvers as in the policy now; null when the policy has no such profile any more. */
  readonly approvers: Principals | null;
  /** How many more people must approve. */
  readonly missing: number;
  /** `kind namespace/name`, in the order of making. */
  readonly objects: readonly string[];
  /** What the requester can run now, a line each; empty without access. */
  readonly commands: readonly string[];
  /** What ends at the end of the window and what may live on, in a sentence. */
  readonly closing: string;
  /** Short digest of what Approve and Deny decide on now: the plan, or the extension that is asked for. */
  readonly digest: string;
  /** Seconds by which the window can still be extended; 0: it can't. */
  readonly extendable: number;
}

export function viewOf(
  grant: Grant,
  policy: Policy,
  cluster: { readonly workspacesNamespace: string; objectsOf(grant: Grant): string[] },
): View {
  const profile = profileNamed(policy, grant.profile);
  return {
    grant,
    approvers: profile?.approvers ?? null,
    missing: approvalsMissing(grant),
    objects: cluster.objectsOf(grant),
    commands:
      holdsAccess(grant.state) && grant.state !== 'ending' ? commandsFor(grant, cluster.workspacesNamespace) : [],
    closing: closingOf(grant),
    digest: shortDigest(grant.extension === null ? grant.digest : extensionDigest(grant, grant.extension)),
    extendable: profile === undefined ? 0 : roomToExtend(grant, profile),
  };
}

function closingOf(grant: Grant): string {
  switch (grant.plan.network.mode) {
    case 'workspace':
      return 'At the end the workspace is stopped, and every session and connection in it with it. Sessions on live pods that were opened by exec, logs or port-forward may live on until they are closed.';
    case 'contain':
      return 'At the end new requests are refused, then the containment is lifted. A session in the pods that lives on is unconfined from then on.';
    case 'bastion':
      return 'At the end new requests and new connections are refused. Sessions, watches and connections that are open already may live on until they are closed.';
    default:
      return 'At the end new requests are refused. Sessions, watches and connections that are open already may live on until they are closed.';
  }
}

/** kubectl lines for what was granted; with `resourceNames` a plain list would be refused, so each names its object. */
function commandsFor(grant: Grant, workspaces: string): string[] {
  const { namespace, workload } = grant.target;
  const lines: string[] = [];
  if (grant.workspacePod !== null)
    lines.push(`kubectl -n ${workspaces} exec -it ${grant.workspacePod} -c workspace -- sh`);
  if (workload === undefined) return [`kubectl -n ${namespace} auth can-i --list`, ...lines];
  const pod = grant.pods[0];
  const can = (resource: string, ...verbs: string[]) =>
    grant.plan.rules.some(
      (rule) => rule.resources.includes(resource) && rule.verbs.some((verb) => verbs.includes(verb)),
    );
  if (pod !== undefined) {
    if (can('pods', 'get')) lines.push(`kubectl -n ${namespace} get pod ${pod}`);
    if (can('pods/log', 'get')) lines.push(`kubectl -n ${namespace} logs ${pod}`);
    if (can('pods/exec', 'create')) lines.push(`kubectl -n ${namespace} exec -it ${pod} -- sh`);
    if (can('pods/portforward', 'create')) lines.push(`kubectl -n ${namespace} port-forward ${pod} 8080`);
  }
  const kind = WORKLOAD_KINDS.find((k) => k.kind === workload.kind && k.kind !== 'Pod');
  if (kind !== undefined && can(kind.resource, 'get'))
    lines.push(`kubectl -n ${namespace} get ${kind.resource} ${workload.name}`);
  return lines;
}
