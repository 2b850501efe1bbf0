import { type Api, openApi } from '../../src/sandbox/cluster/api.ts';
import type { ControlPlane } from '../../src/sandbox/cluster/control-plane.ts';
import { type AuditLog, openAuditLog } from './audit-log.ts';
import { SIDES, type Side } from './histories.ts';

/** A cluster, as the harness sees it: past the bots, and past the faults between them and it. */
export interface Place {
  readonly cluster: ControlPlane;
  /** Its API server's own. */
  readonly audit: AuditLog;
  readonly admin: Api;
}

/** The clusters of a run. */
export interface Places {
  /** Null: where there is one. */
  at(side: Side | null): Place;
  /** The other one; null: what is looked at has no other. */
  beside(side: Side | null): Place | null;
  /** Reads what is new in their audit logs. */
  read(): Promise<void>;
  close(): Promise<void>;
}

/** @param clusters one, or two in the order of `SIDES` */
export async function openPlaces(clusters: readonly ControlPlane[]): Promise<Places> {
  const places = await Promise.all(
    clusters.map(async (cluster): Promise<Place> => {
      return {
        cluster,
        audit: await openAuditLog(cluster.auditLogPath),
        admin: await openApi(cluster.adminKubeconfig),
      };
    }),
  );
  const numbered = (index: number): Place => {
    const place = places[index];
    if (place === undefined) throw new Error(`there are ${places.length} clusters`);
    return place;
  };
  return {
    at: (side) => numbered(side === null ? 0 : SIDES.indexOf(side)),
    beside: (side) => (side === null ? null : numbered(1 - SIDES.indexOf(side))),
    read: async () => void (await Promise.all(places.map(({ audit }) => audit.read()))),
    async close() {
      for (const { audit, admin } of places) {
        admin.close();
        await audit.close();
      }
    },
  };
}
