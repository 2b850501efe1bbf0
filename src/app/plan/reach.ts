import type { Grant } from '../../domain/grant/grant.ts';
import type { GrantId } from '../../domain/ids.ts';
import { GRANT_LABEL } from '../../domain/plan/confinement.ts';
import type { Connection, Preview } from '../../domain/plan/plan.ts';
import { affordable } from '../../network/cost.ts';
import { diffInSteps } from '../../network/diff.ts';
import type { Steps } from '../../network/steps.ts';
import type { Cluster, Pod } from '../../network/types.ts';

/** What a grant has to do with reach: the lists that are shown, the pod of a workspace, and what is left after its end. */

/** Connections of each list that are stored and shown, and their length as text: a record must fit into an annotation. */
const LISTED = 50;
const LENGTH = 20_000;

/** Long lists cut, with how much of each is not listed. */
export function shortened({
  opens,
  closes,
  reaches,
}: Record<'opens' | 'closes' | 'reaches', readonly Connection[]>): Pick<
  Preview,
  'opens' | 'closes' | 'reaches' | 'unlisted'
> {
  const listed = { opens: first(opens), closes: first(closes), reaches: first(reaches) };
  return {
    ...listed,
    unlisted: {
      opens: opens.length - listed.opens.length,
      closes: closes.length - listed.closes.length,
      reaches: reaches.length - listed.reaches.length,
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

/** The cluster as if the grant had put nothing into it. */
export function withoutGrant(cluster: Cluster, id: GrantId): Cluster {
  return {
    ...cluster,
    pods: cluster.pods.filter(({ labels }) => labels[GRANT_LABEL] !== id),
    policies: cluster.policies.filter(({ metadata }) => metadata?.labels?.[GRANT_LABEL] !== id),
  };
}

/** What a pod with the label of this grant would reach, or be reached by, more than one without: nothing, once the grant has ended. */
export function* reachLeft(grant: Grant, cluster: Cluster, workspaces: string): Steps<readonly Connection[]> {
  if (grant.plan.network.mode !== 'workspace') return [];
  const pod = workspacePod(workspaces, grant.id);
  const { cluster: counted } = yield* affordable(cluster, [workspaces]);
  const unlabelled: Cluster = { ...counted, pods: [...counted.pods, { ...pod, labels: {} }] };
  return (yield* diffInSteps(unlabelled, { ...counted, pods: [...counted.pods, pod] })).opens;
}
