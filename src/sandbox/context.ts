import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { kubectlRunner } from './cluster/cluster.ts';
import type { WorldCluster } from './world.ts';

/** Names that the usual tools give to clusters on one's own machine. */
const LOCAL = /^(kind-|k3d-|minikube|docker-desktop$|rancher-desktop$|colima|orbstack$|microk8s$)/;

/** True when a context looks like one of a cluster on this machine. */
export function looksLocal(context: string): boolean {
  return LOCAL.test(context);
}

/**
 * Waits for our end of its standard input. A word: all is done, only the folder "$1" is removed. Closed without one: this process has died,
 * and the rest of the arguments, commands of kubectl ("$0") that end with `;` each, are run before.
 */
const JANITOR = `
trap '' HUP INT TERM
dir=$1; shift
if ! read -r word; then
  line=
  for part in "$@"; do
    if [ "$part" = ';' ]; then "$0" "--kubeconfig=$dir/janitor.kubeconfig" "--cache-dir=$dir" $line; line=; else line="$line $part"; fi
  done
fi
rm -rf -- "$dir"
`;

interface Config {
  clusters: object[];
  users: { name: string; user: object }[];
  [field: string]: unknown;
}

/**
 * The cluster behind a context of the user's own kubeconfig. People act in it by impersonation, which their kubeconfigs say.
 * What is made in it is removed also when this process is killed.
 * @throws Error with kubectl's words when there is no kubectl, no such context, or nobody who answers
 */
export async function openContext(context: string): Promise<WorldCluster> {
  const view = ['config', 'view', '--raw', '--minify', '--flatten', '--context', context, '-o', 'json'];
  const config = JSON.parse(await run(view)) as Config;
  const dir = await mkdtemp(join(tmpdir(), 'drawbridge-context-'));
  const write = async (name: string, change: object): Promise<string> => {
    const path = join(dir, `${name.replaceAll(/[^\w.@-]+/g, '-')}-${randomBytes(3).toString('hex')}.kubeconfig`);
    await writeFile(path, JSON.stringify({ ...config, ...change }), { mode: 0o600 });
    return path;
  };
  const [own] = config.users;
  const userName = own?.name ?? 'user';
  const adminKubeconfig = await write('admin', {});
  const runner = kubectlRunner({ kubectl: 'kubectl', dir, adminKubeconfig });
  const { code, stderr } = await runner.kubectl(['version', '--request-timeout=10s']);
  if (code !== 0) throw new Error(`the cluster of context '${context}' does not answer: ${stderr.trim()}`);
  return {
    ...runner,
    adminKubeconfig,
    async entrust(removal) {
      await writeFile(join(dir, 'janitor.kubeconfig'), JSON.stringify(config), { mode: 0o600 });
      const commands = removal.flatMap((command) => [...command, ';']);
      const janitor = spawn('/bin/sh', ['-c', JANITOR, 'kubectl', dir, ...commands], {
        stdio: ['pipe', 'ignore', 'ignore'],
        detached: true,
      });
      const gone = new Promise<void>((resolve) => janitor.once('exit', () => resolve()));
      return {
        async dismiss() {
          janitor.stdin.end('done\n');
          await gone;
        },
      };
    },
    kubeconfigFor: (user, groups = []) =>
      write(user, { users: [{ name: userName, user: { ...own?.user, as: user, 'as-groups': groups } }] }),
    async serviceAccountKubeconfig(namespace, name, { expirationSeconds = 3600 } = {}) {
      const args = ['-n', namespace, 'create', 'token', name, `--duration=${expirationSeconds}s`];
      const { code, stdout, stderr } = await runner.kubectl(args);
      if (code !== 0) throw new Error(`no token for ${namespace}/${name}: ${stderr.trim()}`);
      return write(name, { users: [{ name: userName, user: { token: stdout.trim() } }] });
    },
  };
}

async function run(args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)('kubectl', args)).stdout;
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    if (code === 'ENOENT')
      throw new Error('no kubectl on the PATH, which --context needs: https://kubernetes.io/docs/tasks/tools/', {
        cause: error,
      });
    throw new Error(`kubectl ${args.slice(0, 2).join(' ')}: ${stderr?.trim() || String(error)}`, { cause: error });
  }
}
