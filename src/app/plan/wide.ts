import type { Instant } from '../../domain/clocks.ts';
import type { NetworkPlan, Preview, Surroundings } from '../../domain/plan/plan.ts';
import type { NodeShell, Profile } from '../../domain/policy/policy.ts';
import { letsIntoPods, type Rule, reachesOf } from '../../domain/rights/rights.ts';
import type { WideTarget } from '../../domain/target.ts';
import type { Survey } from '../ports/survey.ts';

/** What a grant on what is in no namespace means: it changes nothing in the network, and what is at stake is told. Pure. */

/** So many namespaces are told of that have pods on a node, and so many workloads of each. */
const MOST_NAMESPACES = 12;
const MOST_WORKLOADS = 8;

export function wideConfinement(
  target: WideTarget,
  { credential, shell }: Pick<Profile, 'credential' | 'shell'>,
  rules: readonly Rule[],
  survey: Pick<Survey, 'asOf' | 'node'>,
): { network: NetworkPlan; surroundings: Surroundings; preview: Preview } {
  return {
    network: { mode: 'none' },
    surroundings: { policies: [], isolation: [] },
    preview: previewOf(survey.asOf, [
      ...(target.scope === 'cluster'
        ? stakesOfCluster(rules)
        : [
            ...(shell === undefined ? [] : stakesOfShell(target.node, shell)),
            ...stakesOfNode(target.node, survey.node),
          ]),
      ...endOf(credential, rules, shell),
    ]),
  };
}

/** Which hand ends it while Drawbridge is away. */
function endOf(credential: Profile['credential'], rules: readonly Rule[], shell: Profile['shell']): string[] {
  const [ofShell, ofRights] = [shell !== undefined, shell === undefined || rules.length > 0];
  return [
    ...(ofShell
      ? [
          'The shell ends by the deadline of its Job, also while Drawbridge is away: while the kubelet of the node is silent nobody can end what runs in it.',
        ]
      : []),
    ...(ofRights
      ? [
          credential === 'token'
            ? 'The account by which the person acts is owned by its lease: while Drawbridge is away Kubernetes itself ends the access, about a second after the window.'
            : 'What is in no namespace no lease can own: while Drawbridge is away its reaper ends the access, within 70 s of the end of the window.',
        ]
      : []),
  ];
}

/** What a shell on a node is: root there, whatever the profile calls it. Persistence is acknowledged beside these. */
function stakesOfShell(node: string, { host, filesystem }: NodeShell): string[] {
  const files: Record<NodeShell['filesystem'], string> = {
    none: 'It is given no files of the node, which keeps from slips and not somebody who means it: root can mount its disks.',
    'read-only':
      'The files of the node are at /host, read-only, which keeps from slips and not somebody who means it: root can mount its disks.',
    'read-write': 'The files of the node are at /host and can be changed.',
  };
  return [
    `The shell is root on ${node}: it runs privileged, and RBAC, Pod Security and NetworkPolicies bind nothing that is done there.`,
    `What every pod on ${node} can do and read can be done and read by it.`,
    files[filesystem],
    ...(host.includes('pid') ? ['It sees the processes of the node, and may end them.'] : []),
    ...(host.includes('network')
      ? [
          'It has the network of the node: what the node reaches it reaches, its localhost and the metadata service of a cloud among it.',
        ]
      : []),
  ];
}

const previewOf = (asOf: Instant, notes: readonly string[]): Preview => ({
  asOf,
  opens: [],
  closes: [],
  reaches: [],
  isolates: [],
  unlisted: { opens: 0, closes: 0, reaches: 0 },
  notes,
});

function stakesOfCluster(rules: readonly Rule[]): string[] {
  return [
    'The access holds in every namespace, kube-system and those that are made later among them, and for what is in none.',
    ...reachesOf(rules).map((words) => `In the whole cluster the access ${words}.`),
    ...(letsIntoPods(rules)
      ? ['It leads into pods of every namespace: what can be reached from inside them is not listed.']
      : []),
  ];
}

function stakesOfNode(node: string, there: Survey['node'] = null): string[] {
  const byNamespace = [...Map.groupBy(there?.workloads ?? [], ({ namespace }) => namespace)];
  if (byNamespace.length === 0) return [`No pod runs on ${node} now.`];
  const rest = byNamespace.length - MOST_NAMESPACES;
  return [
    ...byNamespace.slice(0, MOST_NAMESPACES).map(([namespace, workloads]) => {
      const named = workloads.slice(0, MOST_WORKLOADS).map(({ workload, count }) => `${workload} (${count})`);
      const more = workloads.length - named.length;
      return `Pods on ${node}, of ${namespace}: ${named.join(', ')}${more > 0 ? ` and ${more} more workloads` : ''}.`;
    }),
    ...(rest > 0 ? [`Pods on ${node}, of ${rest} more namespaces.`] : []),
  ];
}
