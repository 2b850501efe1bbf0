import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import { createApi } from '../../src/adapters/kubernetes/api.ts';
import { createClusterAccess } from '../../src/adapters/kubernetes/cluster-access.ts';
import { readClusterUid } from '../../src/adapters/kubernetes/cluster-keys.ts';
import { createClusterModel } from '../../src/adapters/kubernetes/model/cluster-model.ts';
import type { ClusterAccess } from '../../src/app/ports/cluster-access.ts';
import { Unavailable } from '../../src/domain/errors.ts';
import type { Grant } from '../../src/domain/grant/grant.ts';
import { summaryOf } from '../../src/domain/grant/summary.ts';
import { applyingGrant, samplePlan } from './grants.ts';
import { KEY } from './made.ts';

/** One cluster, by the port that is tried. */
export interface Side {
  readonly access: ClusterAccess;
  /** Uid of its `kube-system`. */
  readonly uid: string;
  /** A namespace that it has, by the same name as the others have it. */
  readonly namespace: string;
}

/** A grant of rights in the namespace, planned for this cluster. */
const grantFor = ({ uid, namespace }: Side, change: Partial<Grant> = {}): Grant =>
  applyingGrant(600, {
    plan: samplePlan({
      cluster: uid,
      target: { namespace },
      workload: null,
      pods: [],
      rules: [{ apiGroups: [''], resources: ['configmaps'], verbs: ['get'] }],
    }),
    ...change,
  });

/** What everybody who ends and gives goes by, whatever is behind the port. One after the other in each of the clusters; with several, none meets another. */
export function describeClusterAccess(name: string, sides: () => Promise<readonly Side[]>): void {
  const given = async (side: Side, change: Partial<Grant> = {}): Promise<Grant> => {
    const grant = grantFor(side, change);
    await side.access.placeLeases(grant);
    await side.access.giveRights(grant, [], null);
    return { ...grant, state: 'active' };
  };
  const ended = async ({ access }: Side, grant: Grant): Promise<void> => {
    await access.takeRights(grant);
    await access.dropLeases(grant);
    expect(await access.remains(grant)).toEqual([]);
  };
  const idsIn = async ({ access }: Side) => (await access.found()).map(({ id }) => id);

  describe(name, () => {
    test('what was given is there until it is taken, which says whether anything was in force', async () => {
      for (const side of await sides()) {
        const { access } = side;
        const grant = await given(side);
        expect(await access.verify(grant)).toEqual([]);
        expect(await idsIn(side)).toContain(grant.id);
        // Each step may run again.
        await access.placeLeases(grant);
        await access.giveRights(grant, [], null);
        expect([await access.takeRights(grant), await access.takeRights(grant)]).toEqual([true, false]);
        expect(await access.remains(grant)).not.toEqual([]);
        await ended(side, grant);
        expect(await idsIn(side)).not.toContain(grant.id);
      }
    });

    test('bindings of many are cut at once, and of each that is answered nothing is allowed any more', async () => {
      for (const side of await sides()) {
        const grants = [await given(side), await given(side)];
        const gone = await side.access.cutRights(grants.map(summaryOf));
        expect(gone.toSorted()).toEqual(grants.map(({ id }) => id).toSorted());
        for (const grant of grants) {
          await side.access.confirmRefused(grant);
          await ended(side, grant);
        }
      }
    });

    test('what is in one is not in another, and nothing of it is done or confirmed there', async () => {
      const [here, ...others] = await sides();
      if (here === undefined) throw new Error('there is no cluster');
      const grant = await given(here);
      for (const other of others) {
        expect(await idsIn(other)).not.toContain(grant.id);
        await expect(other.access.takeRights(grant)).rejects.toThrow(Unavailable);
        await expect(other.access.remains(grant)).rejects.toThrow(Unavailable);
        expect(await other.access.cutRights([summaryOf(grant)])).toEqual([]);
        // The same id, in the namespace of the same name, is another grant there.
        const twin = await given(other, { id: grant.id });
        expect(await other.access.takeRights(twin)).toBe(true);
        await ended(other, twin);
      }
      expect(await here.access.verify(grant)).toEqual([]);
      await ended(here, grant);
    });
  });
}

/** A real cluster, as an administrator; `instance` has no other objects there. */
export async function realSide(kubeconfig: string, namespace: string, instance: string): Promise<Side> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const api = createApi(config);
  const access = createClusterAccess({
    api,
    // Never started: nothing is planned here.
    model: createClusterModel({ api, instance, now: Date.now, onFault: () => {} }),
    sealKeys: [KEY],
    ownNamespace: null,
    probeImage: null,
    workspacesNamespace: namespace,
    instance,
    now: Date.now,
    sleep,
  });
  return { access, uid: await readClusterUid(api), namespace };
}
