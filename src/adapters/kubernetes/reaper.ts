import { setTimeout as sleep } from 'node:timers/promises';
import type { ReaperCluster } from '../../app/upkeep/reap.ts';
import { GRANT_LABEL } from '../../domain/plan/confinement.ts';
import type { Api, Kind } from './api.ts';
import type { ClusterKeys } from './cluster-keys.ts';
import { createFinder, KINDS } from './found.ts';
import { INSTANCE_LABEL, workspaceName } from './manifests.ts';
import type { KubeObject } from './object.ts';

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
    async remove({ kind, namespace: where, name, uid }) {
      const namespace = where || null;
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
    podsGone: (id, namespace) =>
      within(
        PATIENCE.pod,
        async () =>
          (await api.list('Pod', namespace, { selector: `${GRANT_LABEL}=${id}`, metadataOnly: true })).length === 0,
      ),
  };
}

/** An instance that has something open. */
export interface OpenInstance {
  readonly instance: string;
  readonly grants: number;
  /** Where its workspaces are; null: it has none open. */
  readonly workspacesNamespace: string | null;
}

/** The instances in this cluster, but for this one, of which there are objects of grants, sealed or not. */
export async function otherOpenInstances(api: Api, instance: string): Promise<OpenInstance[]> {
  const selector = `${INSTANCE_LABEL},${INSTANCE_LABEL}!=${instance}`;
  const lists = KINDS.map((kind) =>
    api.list<Pick<KubeObject, 'metadata'>>(kind, null, { selector, metadataOnly: true }),
  );
  return byInstance((await Promise.all(lists)).flat());
}

/** The instances of which these objects are, in the order of their names. */
export function byInstance(objects: readonly Pick<KubeObject, 'metadata'>[]): OpenInstance[] {
  const idOf = ({ metadata }: Pick<KubeObject, 'metadata'>) => metadata.labels?.[GRANT_LABEL] ?? '';
  const instances = Map.groupBy(objects, ({ metadata }) => metadata.labels?.[INSTANCE_LABEL] ?? '');
  return [...instances]
    .map(([instance, own]) => ({
      instance,
      grants: new Set(own.map(idOf)).size,
      workspacesNamespace:
        own.find((object) => object.metadata.name === workspaceName(idOf(object)))?.metadata.namespace ?? null,
    }))
    .toSorted((a, b) => a.instance.localeCompare(b.instance));
}
