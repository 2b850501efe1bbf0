import { parseArgs } from 'node:util';
import { ApiError, createApi } from '../adapters/kubernetes/api.ts';
import { readClusterUid, sealKeysOf } from '../adapters/kubernetes/cluster-keys.ts';
import { loadKubeConfig } from '../adapters/kubernetes/kube-config.ts';
import { loadPolicy } from '../config/policy-text.ts';
import { describeProblems, loadReaperSettings, type ReaperSettings } from '../config/settings.ts';
import { Unavailable } from '../domain/errors.ts';
import { clusterNamed } from '../domain/policy/policy.ts';
import { environment, type Output, runCommand, terminal, UsageError, usage } from './command.ts';

const HELP = `Usage: npm run keys -- --cluster NAME | --uid UID

Prints the key by which a reaper knows the seals of one cluster: CLUSTER_SEAL_KEY of a satellite (docs/clusters.md). It is derived from SEAL_KEY, which
stays where the bot is; it opens no other cluster, no record and not the audit. Whoever has it can imitate what Drawbridge makes in that cluster.

  --cluster NAME   of a cluster of the policy: it is asked which it is
  --uid UID        of the cluster whose namespace kube-system has this uid: nothing is asked

Reads the settings SEAL_KEY, and for --cluster POLICY_FILE, KUBECONFIG and KUBE_CONTEXT, from the environment or from .env.
Exit code: 0, 2 wrong arguments or settings, 3 the cluster does not answer or does not allow it.`;

const UID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Runs `npm run keys`. @returns the exit code */
export async function runKeys(argv: readonly string[], out: Output, env: NodeJS.ProcessEnv): Promise<number> {
  return runCommand({ command: 'keys --', help: HELP, argv, out }, async () => {
    const options = { cluster: { type: 'string' }, uid: { type: 'string' } } as const;
    const { values } = usage(() => parseArgs({ args: [...argv], options }));
    if ((values.cluster === undefined) === (values.uid === undefined))
      throw new UsageError('expected --cluster NAME or --uid UID');
    if (values.uid !== undefined && !UID.test(values.uid))
      throw new UsageError(
        `'${values.uid.slice(0, 80)}' is no uid: kubectl get namespace kube-system -o jsonpath={.metadata.uid}`,
      );
    const loaded = loadReaperSettings(env);
    if (!loaded.ok) throw new UsageError(describeProblems(loaded.problems));
    const { sealKeys } = loaded.settings;
    if (sealKeys === null) throw new UsageError(describeProblems(['SEAL_KEY is not set: the key is derived from it']));
    try {
      const uid = values.uid ?? (await uidOf(values.cluster ?? '', loaded.settings, env['POLICY_FILE']));
      out.print(
        sealKeysOf(sealKeys.reveal(), uid)
          .map((key) => key.toString('base64'))
          .join(','),
      );
      return 0;
    } catch (error) {
      if (!(error instanceof Unavailable || error instanceof ApiError)) throw error;
      out.complain(`the cluster says no: ${error.message}`);
      return 3;
    }
  });
}

/** The uid of a cluster, by its name in the policy. */
async function uidOf(name: string, { kubernetes }: ReaperSettings, file = ''): Promise<string> {
  if (file === '')
    throw new UsageError(describeProblems(['POLICY_FILE is not set: it says what leads to the cluster']));
  const policy = await loadPolicy(file);
  if (!policy.ok) throw new UsageError(policy.problems.join('\n'));
  const cluster = clusterNamed(policy.policy, name);
  if (cluster === undefined) {
    const names = Object.keys(policy.policy.clusters ?? {});
    throw new UsageError(
      `the policy has no cluster '${name}'${names.length === 0 ? '' : `: there are ${names.join(', ')}`}`,
    );
  }
  try {
    const { context = kubernetes.context } = cluster;
    return await readClusterUid(
      createApi(loadKubeConfig({ ...kubernetes, context, named: `clusters.${name}.context` })),
    );
  } catch (error) {
    if (error instanceof Unavailable || error instanceof ApiError) throw error;
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

if (import.meta.main) process.exitCode = await runKeys(process.argv.slice(2), terminal, environment());
