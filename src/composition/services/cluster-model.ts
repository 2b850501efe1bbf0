import type { ClusterModel } from '../../adapters/kubernetes/model/cluster-model.ts';
import type { ClusterListener } from '../../app/ports/cluster-events.ts';
import type { Lack } from '../../app/ports/conditions.ts';
import type { Service } from '../service.ts';

/** Keeps the model of the cluster. Nothing waits for its first list here: whoever needs it waits then. */
export function clusterModelService({
  model,
  listener,
  onListed,
}: {
  readonly model: Pick<ClusterModel, 'start' | 'stop' | 'staleKinds'>;
  readonly listener: ClusterListener;
  /** What changed before that was not told. */
  readonly onListed: () => void;
}): Service & { lack(): Lack | null } {
  return {
    lack() {
      const kinds = model.staleKinds();
      if (kinds.length === 0) return null;
      return {
        lacks: `what changes in the cluster is not heard of: the watches on ${kinds.join(', ')} are down`,
        todo: 'Plans say so, strict profiles are refused, and what happens around grants is noticed late; grants end as ever. Look at the API server, and at whether the service account of Drawbridge may list and watch these in all namespaces (the ClusterRole of the chart); the log has the error.',
      };
    },
    start: () => model.start(listener, onListed),
    stop: () => model.stop(),
  };
}
