import { setTimeout as sleep } from 'node:timers/promises';
import type { ReaperCluster } from '../../app/reap.ts';
import { GRANT_LABEL } from '../../domain/confinement.ts';
import type { Api, Kind } from './api.ts';
import type { ClusterKeys } from './cluster-keys.ts';
import { createFinder } from './found.ts';
import { INSTANCE_LABEL } from './manifests.ts';

/** For how long a deleted object, or the pod of a deleted workspace, is waited for: milliseconds. */
const PATIENCE = { object: 3000, pod: 20_000 };

/** The cluster by somebody who may list and delete, and nothing else. */
export function createReaperCluster(options: {
  readonly api: Api;
  readonly instance: string;
  readonly keysOf: () => Promise<ClusterKeys>;
  readonly workspacesNamespace: string;
}): ReaperCluster {
  const { api, instance, keysOf, workspacesNamespace } = options;

  async function within(limit: number, isSo: () => Promise<boolean>): Promise<boolean> {
    const end = performance.now() + limit;
    for (let pause = 20; ; pause = Math.min(500, pause * 2)) {
      if (await isSo()) return true;
      if (performance.now() >= end) return false;
      await sleep(pause);
    }
  }

  return {
    workspacesNamespace,
    found: createFinder(api, instance, keysOf),
    async remove({ kind, namespace, name, uid }) {
      if ((await api.remove(kind as Kind, namespace, name, uid)) !== 'kept') return true;
      const there = async () =>
        (
          await api.list<{ metadata: { uid: string } }>(kind as Kind, namespace, {
            selector: `${INSTANCE_LABEL}=${instance}`,
            metadataOnly: true,
          })
        ).some((o) => o.metadata.uid === uid);
      return within(PATIENCE.object, async () => !(await there()));
    },
    workspaceGone: (id) =>
      within(
        PATIENCE.pod,
        async () =>
          (await api.list('Pod', workspacesNamespace, { selector: `${GRANT_LABEL}=${id}`, metadataOnly: true }))
            .length === 0,
      ),
  };
}
