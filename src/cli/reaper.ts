import { parseArgs } from 'node:util';
import { type Api, ApiError, createApi } from '../adapters/kubernetes/api.ts';
import {
  type ClusterKeys,
  createClusterKeys,
  keysForSeals,
  NO_KEYS,
  readClusterUid,
} from '../adapters/kubernetes/cluster-keys.ts';
import { loadKubeConfig } from '../adapters/kubernetes/kube-config.ts';
import { createReaperCluster, type OpenInstance, otherOpenInstances } from '../adapters/kubernetes/reaper.ts';
import { BINDINGS, type Found, nameOfRef } from '../app/ports/own-objects.ts';
import { type ReaperCluster, reap } from '../app/upkeep/reap.ts';
import { describeProblems, loadReaperSettings, type ReaperSettings } from '../config/settings.ts';
import { Unavailable } from '../domain/errors.ts';
import { type Output, runCommand, UsageError, usage } from './command.ts';

/**
 * For how long after its end a grant is left to the bot, which tells people, and to the lease: milliseconds. It is also more than the clocks of
 * API server and bot may differ by.
 */
const GRACE = 10_000;

const REAP_HELP = `Usage: npm run reap

Deletes what is past its end: once, by itself, without the bot, Redis or Slack. The chart runs it each minute as a CronJob of its own, with rights to
list and delete. What carries the labels of this instance without a valid seal is told and left alone.

Reads the settings INSTANCE, SEAL_KEY (or CLUSTER_SEAL_KEY, which npm run keys prints), WORKSPACES_NAMESPACE, KUBECONFIG and KUBE_CONTEXT from the
environment or from .env.
Exit code: 0 nothing is left that is past its end, 1 something is (a finalizer keeps it, or it is no work of ours), 2 wrong arguments or
settings, 3 the cluster does not answer or does not allow it.`;

const REVOKE_ALL_HELP = `Usage: npm run revoke-all -- --yes

Ends every grant of this instance now, whatever its window: the rights of all first, then workspaces, guards and leases. It needs neither the bot,
Redis, Slack nor a key; a bot that runs says of each grant that it ended. Whoever runs it must be in the emergency group of the chart, or act by
a kubeconfig of the bot or the reaper. Requests that wait are not touched: stop the bot, or empty the policy, if nothing new may begin.
Where nothing of this instance is open it names the others in the cluster of which something is.

  --yes   does it; without, it only lists what there is

Reads the settings INSTANCE, WORKSPACES_NAMESPACE, KUBECONFIG and KUBE_CONTEXT from the environment or from .env.
Exit code: 0 nothing is left (without --yes: there is nothing), 1 something is left, 2 wrong arguments or settings, 3 the cluster does not answer or
does not allow it.`;

/** Runs `npm run reap` (`all` false) or `npm run revoke-all`. @returns the exit code */
export async function runReaper(
  all: boolean,
  argv: readonly string[],
  out: Output,
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const command = all ? 'revoke-all --' : 'reap --';
  return runCommand({ command, help: all ? REVOKE_ALL_HELP : REAP_HELP, argv, out }, async () => {
    const { values } = usage(() => parseArgs({ args: [...argv], options: all ? { yes: { type: 'boolean' } } : {} }));
    const loaded = loadReaperSettings(env);
    if (!loaded.ok) throw new UsageError(describeProblems(loaded.problems));
    const { settings } = loaded;
    if (!all && settings.sealKeys === null && settings.clusterSealKeys === null)
      throw new UsageError(describeProblems(['SEAL_KEY is not set: it tells what is ours from imitations']));
    try {
      const { api, cluster } = connect(settings, all);
      if (!all) return await reapOnce(api, cluster, out);
      const others = () => otherOpenInstances(api, settings.instance);
      return await revokeAll(cluster, others, values.yes === true, out);
    } catch (error) {
      if (!(error instanceof Unavailable || error instanceof ApiError)) throw error;
      out.complain(`the cluster says no: ${error.message}`);
      return 3;
    }
  });
}

/** @param all whatever carries the labels is taken down, sealed or not */
function connect(settings: ReaperSettings, all: boolean): { api: Api; cluster: ReaperCluster } {
  const { kubernetes, instance, workspacesNamespace } = settings;
  try {
    const api = createApi(loadKubeConfig(kubernetes));
    const keysOf = all ? async () => NO_KEYS : keysFrom(settings, api);
    return { api, cluster: createReaperCluster({ api, instance, keysOf, workspacesNamespace }) };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function keysFrom({ sealKeys, clusterSealKeys }: ReaperSettings, api: Api): () => Promise<ClusterKeys> {
  if (sealKeys !== null) return createClusterKeys(api, sealKeys.reveal());
  // Those of another cluster know nothing here.
  return async () => keysForSeals(clusterSealKeys?.reveal() ?? [], await readClusterUid(api));
}

/** Deletes what is past its end by the API server's own clock. */
async function reapOnce(api: Api, cluster: ReaperCluster, out: Output): Promise<number> {
  const found = await cluster.found();
  const now = await api.time();
  const isOurs = ({ sealed, orphaned }: Found) => sealed || orphaned;
  for (const object of found.filter(({ otherVersion }) => otherVersion))
    out.print(`left to the version of Drawbridge that made it: ${nameOfRef(object)}`);
  const strangers = found.filter((object) => !isOurs(object) && !object.otherVersion);
  for (const object of strangers)
    out.complain(
      `not ours: ${nameOfRef(object)} carries the labels of this instance but no valid seal; it is left alone`,
    );
  const due = found.filter((object) => isOurs(object) && (object.expiresAt ?? 0) + GRACE < now);
  const isDone = await takeDown(cluster, due, out);
  return isDone && strangers.length === 0 ? 0 : 1;
}

async function revokeAll(
  cluster: ReaperCluster,
  others: () => Promise<OpenInstance[]>,
  isMeant: boolean,
  out: Output,
): Promise<number> {
  const found = await cluster.found();
  if (found.length === 0) {
    out.print('nothing is open');
    // Whoever forgot to say which instance must not take this for the end of everything.
    for (const other of await others()) out.complain(openElsewhere(other));
    return 0;
  }
  if (isMeant) return (await takeDown(cluster, found, out)) ? 0 : 1;
  for (const object of found) out.print(nameOfRef(object));
  const grants = new Set(found.map(({ id }) => id)).size;
  out.print(`${found.length} objects of ${grants} grants; say --yes to end them`);
  return 1;
}

function openElsewhere({ instance, grants, workspacesNamespace }: OpenInstance): string {
  const settings = [
    `INSTANCE=${instance}`,
    ...(workspacesNamespace === null ? [] : [`WORKSPACES_NAMESPACE=${workspacesNamespace}`]),
  ];
  return `open of another instance: ${grants} grants; what to type: ${settings.join(' ')} npm run revoke-all`;
}

async function takeDown(cluster: ReaperCluster, objects: readonly Found[], out: Output): Promise<boolean> {
  const { removed, kept } = await reap(cluster, objects);
  for (const object of removed) out.print(`removed ${nameOfRef(object)}`);
  for (const { object, why } of kept)
    out.complain(
      `still there: ${nameOfRef(object)}: ${why}${BINDINGS.includes(object.kind) ? '. IT IS IN FORCE: empty its subjects or remove the finalizer' : ''}`,
    );
  out.print(`${removed.length} removed, ${kept.length} kept`);
  return kept.length === 0;
}
