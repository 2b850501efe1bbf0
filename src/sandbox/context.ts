import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
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
 * The contexts of the user's kubeconfig.
 * @throws Error with kubectl's words when there is no kubectl, or the kubeconfig can't be read
 */
export async function contextNames(): Promise<string[]> {
  const names = await run(['config', 'get-contexts', '--output=name']);
  return names.split('\n').filter((name) => name !== '');
}

/**
 * Waits until our end of its standard input is closed, when this process dies at the latest. Then it runs with kubectl what the file
 * `removal` in folder "$0" says, a line each, and removes the folder.
 */
const JANITOR = `
trap '' HUP INT TERM
read -r _
if [ -f "$0/removal" ]; then
  while read -r line; do kubectl --kubeconfig="$0/admin.kubeconfig" --cache-dir="$0" $line </dev/null; done <"$0/removal"
fi
rm -rf -- "$0"
`;

interface Config {
  clusters: object[];
  users: { name: string; user: object }[];
  [field: string]: unknown;
}

/**
 * The cluster behind a context of the user's own kubeconfig. People act in it by impersonation, which their kubeconfigs say.
 * What is made in it is removed also when this process is killed; `close` is called when nothing is left.
 * @throws Error with kubectl's words when there is no kubectl, no such context, or nobody who answers
 */
export async function openContext(context: string): Promise<WorldCluster & { close(): Promise<void> }> {
  const view = ['config', 'view', '--raw', '--minify', '--flatten', '--context', context, '-o', 'json'];
  const config = JSON.parse(await run(view)) as Config;
  await run(['--context', context, 'version', '--request-timeout=10s']);

  const dir = await mkdtemp(join(tmpdir(), 'drawbridge-context-'));
  const janitor = spawn('/bin/sh', ['-c', JANITOR, dir], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  const janitorGone = new Promise<void>((resolve) => janitor.once('exit', () => resolve()));

  const write = async (name: string, change: object): Promise<string> => {
    const path = join(dir, `${name.replaceAll(/[^\w.@-]+/g, '-')}.kubeconfig`);
    await writeFile(path, JSON.stringify({ ...config, ...change }), { mode: 0o600 });
    return path;
  };
  const [own] = config.users;
  const userName = own?.name ?? 'user';
  const adminKubeconfig = await write('admin', {});
  const runner = kubectlRunner({ kubectl: 'kubectl', dir, adminKubeconfig });
  return {
    ...runner,
    adminKubeconfig,
    async entrust(removal) {
      const file = join(dir, 'removal');
      await writeFile(file, removal.map((args) => `${args.join(' ')}\n`).join(''));
      return { dismiss: () => rm(file) };
    },
    async close() {
      janitor.stdin.end();
      await janitorGone;
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
