import { digestOf } from '../domain/canonical.ts';
import { GRANT_LABEL } from '../domain/confinement.ts';
import type { Grant } from '../domain/grant.ts';
import type { GrantId } from '../domain/ids.ts';
import { type Connection, hasAdmission, hasGuard, type Preview, reachOf } from '../domain/plan.ts';
import { affordable } from '../network/cost.ts';
import { diffReachability } from '../network/diff.ts';
import { selects } from '../network/isolation.ts';
import { atOnce } from '../network/steps.ts';
import type { Cluster, NetworkPolicy, Pod } from '../network/types.ts';

/** Reach as it is, held against reach as it was planned. */

/** Connections of each list that are stored and shown, and their length as text: a record must fit into an annotation. */
const LISTED = 50;
const LENGTH = 20_000;

/** Long lists cut, with what is needed to know the whole again. */
export function shortened({
  opens,
  closes,
  reaches,
}: Record<'opens' | 'closes' | 'reaches', readonly Connection[]>): Omit<Preview, 'isolates' | 'notes'> {
  const listed = { opens: first(opens), closes: first(closes), reaches: first(reaches) };
  return {
    ...listed,
    unlisted: {
      opens: opens.length - listed.opens.length,
      closes: closes.length - listed.closes.length,
      reaches: reaches.length - listed.reaches.length,
    },
    complete: {
      change: digestOf({ opens: reachOf(opens), closes: reachOf(closes) }),
      reaches: digestOf(reachOf(reaches)),
    },
  };
}

function first(list: readonly Connection[]): Connection[] {
  const listed: Connection[] = [];
  let length = 0;
  for (const connection of list.slice(0, LISTED)) {
    const own = JSON.stringify(connection).length;
    if (length + own > LENGTH) continue;
    length += own;
    listed.push(connection);
  }
  return listed;
}

/** What plans call the workspace. Not by the grant's id: what is shown before there is a request must have the digest of the request. */
export const NEW_WORKSPACE = { kind: 'Workspace', name: 'new' } as const;

/** The workspace's pod as a plan sees it: without an address, so that what depends on one is said as such. */
export function workspacePod(workspaces: string, id: GrantId): Pod {
  return {
    namespace: workspaces,
    name: id,
    labels: { [GRANT_LABEL]: id },
    ips: [],
    hostNetwork: false,
    ports: [],
    owner: NEW_WORKSPACE,
    phase: 'Running',
  };
}

/** Names of policies of others that select the workspace and let it do more; one that only denies changes nothing. */
export function foreignPolicies(policies: readonly NetworkPolicy[], pod: Pod, id: GrantId): string[] {
  return policies
    .filter(
      ({ metadata, spec }) =>
        metadata?.namespace === pod.namespace &&
        metadata.name !== `drawbridge-${id}` &&
        (spec?.ingress ?? []).length + (spec?.egress ?? []).length > 0,
    )
    .filter((policy) => selects(policy, pod))
    .map(({ metadata }) => metadata?.name ?? '')
    .toSorted();
}

/**
 * How the grant's objects change reach now, held against the approved plan: a phrase each for what differs. The grant's policies and
 * its workspace are taken out of the cluster and put back in thought.
 */
export function reachDifferences(grant: Grant, cluster: Cluster, workspaces: string): string[] {
  const { network, preview } = grant.plan;
  if ((!hasGuard(network) && !hasAdmission(network)) || preview.complete.change === '') return [];
  const name = `drawbridge-${grant.id}`;
  const own = ({ metadata }: NetworkPolicy): boolean =>
    metadata?.name === name && (metadata.namespace === workspaces || metadata.namespace === grant.target.namespace);
  const isWorkspace = (pod: Pod): boolean => pod.namespace === workspaces && pod.labels[GRANT_LABEL] === grant.id;
  const pods = cluster.pods.filter((pod) => !isWorkspace(pod));
  const before: Cluster = { ...cluster, pods, policies: cluster.policies.filter((policy) => !own(policy)) };
  const workspace = network.mode === 'workspace' ? [workspacePod(workspaces, grant.id)] : [];
  const { opens, closes } = diffReachability(before, { ...cluster, pods: [...pods, ...workspace] });
  const now = shortened({ opens, closes, reaches: [] });
  if (now.complete.change === preview.complete.change) return [];
  return [
    `reach is not what was approved: it opens ${opens.length} and closes ${closes.length} connections, planned were ${preview.opens.length + preview.unlisted.opens} and ${preview.closes.length + preview.unlisted.closes}`,
  ];
}

/** What a pod with the label of this grant would reach, or be reached by, more than one without: nothing, once the grant has ended. */
export function reachLeft(grant: Grant, cluster: Cluster, workspaces: string): readonly Connection[] {
  if (grant.plan.network.mode !== 'workspace') return [];
  const pod = workspacePod(workspaces, grant.id);
  const { cluster: counted } = atOnce(affordable(cluster, [workspaces]));
  const unlabelled: Cluster = { ...counted, pods: [...counted.pods, { ...pod, labels: {} }] };
  return diffReachability(unlabelled, { ...counted, pods: [...counted.pods, pod] }).opens;
}
