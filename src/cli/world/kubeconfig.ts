import { KubeConfig } from '@kubernetes/client-node';
import { type Api, ApiError, createApi } from '../../adapters/kubernetes/api.ts';
import { Unavailable } from '../../domain/errors.ts';

export type Opened =
  | { readonly ok: true; readonly api: Api }
  | { readonly ok: false; readonly problems: readonly string[] };

/** The cluster of a kubeconfig that the command line names. It is not called yet. */
export function openCluster(kubeconfig: string, context: string | undefined): Opened {
  const config = new KubeConfig();
  try {
    config.loadFromFile(kubeconfig);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { ok: false, problems: [`${kubeconfig}: can't be read: ${why}`] };
  }
  if (context !== undefined) config.setCurrentContext(context);
  if (config.getCurrentCluster() === null) {
    const known = config.getContexts().map(({ name }) => name);
    const problem = `${kubeconfig}: no cluster for context '${config.getCurrentContext()}', contexts are: ${known.join(', ') || 'none'}`;
    return { ok: false, problems: [problem] };
  }
  return { ok: true, api: createApi(config) };
}

/** What keeps somebody from an answer of the API server. @throws the error, when it is another fault */
export function unreadable(error: unknown): { readonly ok: false; readonly problems: readonly string[] } {
  if (!(error instanceof ApiError || error instanceof Unavailable)) throw error;
  const cause = lastCause(error);
  const why = cause === error || cause.message === '' ? '' : ` (${cause.message})`;
  return { ok: false, problems: [`the cluster can't be read: ${error.message}${why}`] };
}

/** `fetch failed` says nothing; what it failed by does. */
function lastCause(error: Error): Error {
  let last = error;
  while (last.cause instanceof Error) last = last.cause;
  return last;
}
