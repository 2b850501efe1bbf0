import type { Api } from '../../adapters/kubernetes/api.ts';
import { ACCOUNTS_NAMESPACE, NODES_NAMESPACE } from '../../adapters/kubernetes/manifests.ts';
import { type Access, accessesToGive, describeAccess, mayAccount } from '../../adapters/kubernetes/reviews.ts';
import { inParallel } from '../../app/common/in-parallel.ts';
import { nearest } from '../../domain/nearest.ts';
import type { Finding } from '../../domain/policy/findings.ts';
import {
  clusterNamed,
  clusterNames,
  clustersOf,
  isSystemNamespace,
  matchesNamespace,
  type Policy,
  type Profile,
} from '../../domain/policy/policy.ts';
import type { ClusterName } from '../../domain/target.ts';
import { openCluster, unreadable } from '../world/kubeconfig.ts';
import type { Looked } from './looked.ts';

/** A policy held against its clusters: what it names is there, and the bot may give it. */

export interface BotAccount {
  readonly namespace: string;
  readonly name: string;
}

/** Calls at once. */
const WIDTH = 8;
/** So many names are told of those that lack something. */
const MOST_NAMED = 5;

interface Reached {
  readonly kubeconfig: string;
  /** Of the cluster that has none in the policy; left out: the current one. */
  readonly context: string | undefined;
  readonly bot: BotAccount;
}

/** Each cluster of the policy by its own context, with the profiles that are for it. */
export async function checkCluster(policy: Policy, { context, ...reached }: Reached): Promise<Looked> {
  const looked = await Promise.all(
    clusterNames(policy).map(async (name) => {
      const profiles = Object.entries(policy.profiles).filter(([, one]) => clustersOf(policy, one).includes(name));
      const there = { ...policy, profiles: Object.fromEntries(profiles) };
      const entry = name === null ? undefined : clusterNamed(policy, name);
      return inCluster(name, await checkOne(there, { ...reached, context: entry?.context ?? context }));
    }),
  );
  const problems = looked.flatMap((one) => (one.ok ? [] : one.problems));
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, findings: looked.flatMap((one) => (one.ok ? one.findings : [])) };
}

function inCluster(name: ClusterName, looked: Looked): Looked {
  if (name === null) return looked;
  const named = (text: string) => `cluster ${name}: ${text}`;
  if (!looked.ok) return { ok: false, problems: looked.problems.map(named) };
  return { ok: true, findings: looked.findings.map((one) => ({ ...one, message: named(one.message) })) };
}

async function checkOne(policy: Policy, { kubeconfig, context, bot }: Reached): Promise<Looked> {
  const opened = openCluster(kubeconfig, context);
  if (!opened.ok) return opened;
  const { api } = opened;
  try {
    const listed = await api.list('Namespace', null);
    const namespaces = listed.map(({ metadata }) => metadata.name);
    const [roles, rights] = await Promise.all([missingRoles(api, policy, namespaces), missingOfBot(api, policy, bot)]);
    return { ok: true, findings: [...missingNamespaces(policy, namespaces), ...roles, ...rights] };
  } catch (error) {
    return unreadable(error);
  }
}

const finding = (
  severity: Finding['severity'],
  profile: string,
  path: readonly (string | number)[],
  message: string,
): Finding => ({ severity, path: ['profiles', profile, ...path], message });

function missingNamespaces({ profiles }: Policy, known: readonly string[]): Finding[] {
  const isKnown = new Set(known);
  const why = (name: string) => {
    const near = nearest(name, known);
    return `there is no namespace '${name}' in the cluster${near === null ? '' : `, did you mean '${near}'?`}`;
  };
  return Object.entries(profiles).flatMap(([name, { namespaces = [], network }]) => [
    ...namespaces.flatMap((pattern, index) => {
      const path = ['namespaces', index];
      if (isSystemNamespace(pattern)) return [];
      if (!pattern.includes('*')) return isKnown.has(pattern) ? [] : [finding('error', name, path, why(pattern))];
      return known.some((one) => matchesNamespace([pattern], one) && !isSystemNamespace(one))
        ? []
        : [finding('note', name, path, `no namespace of the cluster fits ${pattern} now`)];
    }),
    ...(['to', 'from'] as const).flatMap((list) =>
      (network[list] ?? []).flatMap(({ namespace }, index) =>
        namespace === undefined || isKnown.has(namespace)
          ? []
          : [finding('error', name, ['network', list, index, 'namespace'], why(namespace))],
      ),
    ),
  ]);
}

async function missingRoles(api: Api, { profiles }: Policy, known: readonly string[]): Promise<Finding[]> {
  const named = Object.entries(profiles);
  const clusterRoles = [...new Set(named.flatMap(([, { clusterRole }]) => clusterRole ?? []))];
  const read = await inParallel(clusterRoles, WIDTH, (name) => api.read('ClusterRole', null, name));
  const missing = new Set(clusterRoles.filter((_, index) => read[index] === null));
  const ofCluster = named.flatMap(([name, { clusterRole }]) =>
    clusterRole !== undefined && missing.has(clusterRole)
      ? [finding('error', name, ['clusterRole'], `there is no ClusterRole '${clusterRole}' in the cluster`)]
      : [],
  );
  const ofNamespaces = await inParallel(named, 1, ([name, profile]) => missingRole(api, name, profile, known));
  return [...ofCluster, ...ofNamespaces.flat()];
}

/** A Role is to be in each namespace that is named; that one which a pattern covers lacks it is said. */
async function missingRole(
  api: Api,
  name: string,
  { role, namespaces = [] }: Profile,
  known: readonly string[],
): Promise<Finding[]> {
  if (role === undefined) return [];
  const covered = known.filter((one) => matchesNamespace(namespaces, one) && !isSystemNamespace(one));
  const read = await inParallel(covered, WIDTH, (namespace) => api.read('Role', namespace, role));
  const without = covered.filter((_, index) => read[index] === null);
  const literal = without.filter((one) => namespaces.includes(one));
  const byPattern = without.filter((one) => !namespaces.includes(one));
  const tell = (severity: Finding['severity'], where: readonly string[]) =>
    where.length === 0 ? [] : [finding(severity, name, ['role'], `there is no Role '${role}' in ${someOf(where)}`)];
  return [...tell('error', literal), ...tell('note', byPattern)];
}

const someOf = (names: readonly string[]): string =>
  `${names.slice(0, MOST_NAMED).join(', ')}${names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : ''}`;

/** What the bot lacks to give the profiles, by what the API server says of its account. */
async function missingOfBot(api: Api, { profiles }: Policy, bot: BotAccount): Promise<Finding[]> {
  const account = `${bot.namespace}/${bot.name}`;
  if ((await api.read('ServiceAccount', bot.namespace, bot.name)) === null)
    return [
      {
        severity: 'note',
        path: ['profiles'],
        message: `what the bot may give was not looked at: there is no service account ${account} (--bot names another)`,
      },
    ];
  const wanted = Object.entries(profiles).map(([name, profile]) => ({
    name,
    accesses: accessesToGive(profile, ACCOUNTS_NAMESPACE, NODES_NAMESPACE),
  }));
  const asked = new Map<string, Access>();
  for (const { accesses } of wanted) for (const access of accesses) asked.set(JSON.stringify(access), access);
  const allowed = await inParallel([...asked], WIDTH, async ([key, access]) =>
    (await mayAccount(api, bot, access)) ? key : null,
  );
  const may = new Set(allowed);
  return wanted.flatMap(({ name, accesses }) => {
    const lacking = accesses.filter((access) => !may.has(JSON.stringify(access))).map(describeAccess);
    return lacking.length === 0
      ? []
      : [
          finding(
            'error',
            name,
            [],
            `the bot (${account}) may not ${someOf(lacking)}: upgrade the chart with this policy`,
          ),
        ];
  });
}
