import { KubeConfig } from '@kubernetes/client-node';

/**
 * The kubeconfig that the settings name, else that of the pod's service account, else the user's own.
 * @throws Error when it can't be read or has no such context
 */
export function loadKubeConfig({
  kubeconfig,
  context,
}: {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
}): KubeConfig {
  const config = new KubeConfig();
  if (kubeconfig !== undefined) config.loadFromFile(kubeconfig);
  else if (process.env['KUBERNETES_SERVICE_HOST'] !== undefined) config.loadFromCluster();
  else config.loadFromDefault();
  if (context !== undefined) {
    if (!config.getContexts().some(({ name }) => name === context))
      throw new Error(`KUBE_CONTEXT: the kubeconfig has no context '${context}'`);
    config.setCurrentContext(context);
  }
  return config;
}
