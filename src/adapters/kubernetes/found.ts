import type { Found } from '../../app/ports.ts';
import { GRANT_LABEL } from '../../domain/confinement.ts';
import type { Grant } from '../../domain/grant.ts';
import { parseGrantRecord } from '../../domain/grant-record.ts';
import { isGrantId } from '../../domain/ids.ts';
import type { Api, Kind } from './api.ts';
import { EXPIRES_AT, INSTANCE_LABEL, RECORD } from './manifests.ts';
import type { KubeObject } from './object.ts';
import { isOrphaned, isSealed } from './seal.ts';

/** The kinds of which a grant has objects; pods of workspaces follow their Job. */
const KINDS = ['RoleBinding', 'Role', 'NetworkPolicy', 'Job'] as const satisfies readonly Kind[];

/** How the record of an ending grant reads. In the texts of people the quotes are escaped. */
const ENDING = '"state":"ending"';

/** Everything in the cluster that carries the instance, sealed or not. */
export async function findObjects(api: Api, instance: string, keys: readonly Buffer[]): Promise<Found[]> {
  const lists = await Promise.all(
    KINDS.map(async (kind) =>
      (await api.list(kind, null, `${INSTANCE_LABEL}=${instance}`)).map((object) => asFound({ ...object, kind }, keys)),
    ),
  );
  return lists.flat();
}

/** @throws never: a record that can't be read is none */
function asFound(object: KubeObject, keys: readonly Buffer[]): Found {
  const { namespace, name, uid = '', labels, annotations, deletionTimestamp } = object.metadata;
  const label = labels?.[GRANT_LABEL] ?? '';
  const sealed = isSealed(object, keys);
  const orphaned = !sealed && isOrphaned(object, keys);
  const expiresAt = Date.parse(annotations?.[EXPIRES_AT] ?? '');
  return {
    kind: object.kind,
    namespace,
    name,
    uid,
    id: isGrantId(label) ? label : null,
    sealed,
    orphaned,
    expiresAt: (sealed || orphaned) && Number.isFinite(expiresAt) ? expiresAt : null,
    record: () => (sealed ? recordOf(annotations?.[RECORD]) : null),
    ending: sealed && (annotations?.[RECORD] ?? '').includes(ENDING),
    deleting: deletionTimestamp !== undefined,
  };
}

function recordOf(text: string | undefined): Grant | null {
  const parsed = parseGrantRecord(text ?? '');
  return 'grant' in parsed ? parsed.grant : null;
}
