import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { KubeConfig } from '@kubernetes/client-node';

/** Both undefined: in-cluster, or the default kubeconfig. */
export interface WayToCluster {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  /** What names the context; left out: the setting. */
  readonly named?: string;
}

/**
 * The kubeconfig that the settings name, else that of the pod's service account, else the user's own.
 * @throws Error when it can't be read or has no such context
 */
export function loadKubeConfig({ kubeconfig, context, named = 'KUBE_CONTEXT' }: WayToCluster): KubeConfig {
  const config = new KubeConfig();
  if (kubeconfig !== undefined) config.loadFromFile(kubeconfig);
  else if (process.env['KUBERNETES_SERVICE_HOST'] !== undefined) config.loadFromCluster();
  else config.loadFromDefault();
  if (context !== undefined) {
    const known = config.getContexts().map(({ name }) => name);
    if (!known.includes(context))
      throw new Error(`${named}: the kubeconfig has no context '${context}'; it has ${known.join(', ')}`);
    config.setCurrentContext(context);
  }
  return config;
}

/** Milliseconds between two looks at whether the file is another. */
const LOOK_EVERY = 2000;

/** The kubeconfig of one cluster as it is now: tokens, certificates and authorities in it rotate. */
export interface FollowedKubeConfig {
  current(): KubeConfig;
  stop(): void;
}

/**
 * The same, read again when the file has changed. What can't be read any more, has lost the context or leads to another server keeps what was there.
 * @param onFault is told of that, once for each such file
 * @throws Error like {@link loadKubeConfig}
 */
export function followKubeConfig(wanted: WayToCluster, onFault: (error: unknown) => void): FollowedKubeConfig {
  let config = loadKubeConfig(wanted);
  const { kubeconfig: file } = wanted;
  if (file === undefined) return { current: () => config, stop() {} };
  let text = readFileSync(file, 'utf8');
  async function look(path: string): Promise<void> {
    const now = await readFile(path, 'utf8');
    if (now === text) return;
    text = now;
    const next = loadKubeConfig(wanted);
    if (next.getCurrentCluster()?.server !== config.getCurrentCluster()?.server)
      throw new Error(`${path} leads to another server now: that takes a new start`);
    config = next;
  }
  const timer = setInterval(() => void look(file).catch(onFault), LOOK_EVERY).unref();
  return { current: () => config, stop: () => clearInterval(timer) };
}

/**
 * How people reach the API server of a kubeconfig.
 * @param server another address of it: in a pod the one of the kubeconfig is an address that nobody else reaches
 * @returns authority: certificates, base64 of PEM; null: those that machines trust
 * @throws Error when the file of the certificates can't be read
 */
export function entranceOf(config: KubeConfig, server?: string): { server: string; authority: string | null } {
  const cluster = config.getCurrentCluster();
  const { caData, caFile } = cluster ?? {};
  const authority = caData ?? (caFile === undefined ? null : readFileSync(caFile).toString('base64'));
  return { server: server ?? cluster?.server ?? '', authority };
}
