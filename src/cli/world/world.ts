import { readOtherPolicies } from '../../adapters/kubernetes/other-policies.ts';
import { type ClusterSnapshot, readSnapshot } from '../../adapters/kubernetes/snapshot.ts';
import { layerNote } from '../../network/layer.ts';
import { UsageError } from '../command.ts';
import { readFiles } from './files.ts';
import { worldFromManifests } from './from-manifests.ts';
import { openCluster, unreadable } from './kubeconfig.ts';
import { parseManifests } from './manifests.ts';

/** The options (for `parseArgs`) that say of which cluster is spoken. */
export const WORLD_OPTIONS = {
  file: { type: 'string', short: 'f', multiple: true, default: [] as string[] },
  kubeconfig: { type: 'string' },
  context: { type: 'string' },
  namespace: { type: 'string', short: 'n', multiple: true, default: [] as string[] },
} as const;

export const WORLD_HELP = `  -f, --file PATH       manifests: a file, a directory with all that is below it, or - for standard input; may be
                        repeated. Every workload counts as running, whatever its replicas
  --kubeconfig FILE     instead of manifests: the cluster as it is now (only read)
  --context NAME        another context of the kubeconfig than its current one
  -n, --namespace NAME  only this namespace, as if there were no others; may be repeated`;

export const WORLD_REMARKS = `NetworkPolicy only: policies of other kinds are not looked at; where a cluster serves such, that is said on standard
error. Policies see pod addresses and container ports.
Pods of manifests have no address yet, so that an ipBlock may match any of them: such connections are "plugin-dependent",
as network plugins differ on ipBlocks against pods. A pod always reaches itself and its node; pods with hostNetwork
are not governed.`;

interface WorldChoice {
  readonly file: readonly string[];
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly namespace: readonly string[];
}

export type World =
  | { readonly ok: true; readonly world: ClusterSnapshot; readonly notes: readonly string[] }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Reads the manifests or the cluster that the options name. What can't be read or is wrong is a problem, not an error.
 * @throws UsageError when the options name neither or both
 */
export function loadWorld({ file, kubeconfig, context, namespace }: WorldChoice): Promise<World> {
  if (file.length > 0 === (kubeconfig !== undefined))
    throw new UsageError('expected manifests (-f) or a cluster (--kubeconfig), one of them');
  if (context !== undefined && kubeconfig === undefined) throw new UsageError('--context goes with --kubeconfig');
  return kubeconfig === undefined ? worldOfFiles(file, namespace) : worldOfCluster(kubeconfig, context, namespace);
}

/** The first of many: a template that was not rendered has an error in every line. */
function fewOf(problems: readonly string[]): string[] {
  const more = problems.length - 5;
  return more <= 0
    ? [...problems]
    : [...problems.slice(0, 5), `… and ${more} more in this file (a template must be rendered first)`];
}

async function worldOfFiles(paths: readonly string[], namespaces: readonly string[]): Promise<World> {
  const { files, problems } = await readFiles(paths);
  const read = files.map(({ name, text }) => parseManifests(text, name));
  const notes = read.flatMap((file) => file.notes);
  const all = [...problems, ...read.flatMap((file) => fewOf(file.problems))];
  if (all.length === 0 && read.every((file) => file.objects === 0))
    all.push(...notes, `${paths.join(', ')}: no Kubernetes object found`);
  if (all.length > 0) return { ok: false, problems: all };
  const made = worldFromManifests(
    read.flatMap((file) => file.manifests),
    namespaces,
  );
  return made.ok ? { ...made, notes } : made;
}

async function worldOfCluster(
  kubeconfig: string,
  context: string | undefined,
  namespaces: readonly string[],
): Promise<World> {
  const opened = openCluster(kubeconfig, context);
  if (!opened.ok) return opened;
  const { api } = opened;
  try {
    const [world, others] = await Promise.all([readSnapshot(api, namespaces), readOtherPolicies(api)]);
    return { ok: true, world, notes: layerNote(others) };
  } catch (error) {
    return unreadable(error);
  }
}
