import { setImmediate } from 'node:timers/promises';
import type { Found, ObjectRef } from '../../app/ports/own-objects.ts';
import type { Grant } from '../../domain/grant/grant.ts';
import { parseGrantRecord } from '../../domain/grant/record.ts';
import { isGrantId } from '../../domain/ids.ts';
import { GRANT_LABEL } from '../../domain/plan/confinement.ts';
import type { Api, Kind } from './api.ts';
import type { ClusterKeys } from './cluster-keys.ts';
import { EXPIRES_AT, INSTANCE_LABEL } from './manifests.ts';
import { isInert, type KubeObject } from './object.ts';
import { RECORD, recordText } from './record.ts';
import { isOfOtherVersion, isOrphaned, isSealed } from './seal.ts';

/** The kinds of which a grant has objects; pods of workspaces follow their Job. */
export const KINDS = [
  'RoleBinding',
  'ClusterRoleBinding',
  'Role',
  'ClusterRole',
  'NetworkPolicy',
  'ServiceAccount',
  'Job',
] as const satisfies readonly Kind[];

/** How the record of an ending grant reads. In the texts of people the quotes are escaped. */
const ENDING = '"state":"ending"';

/** Objects that are judged in one go, before whatever waits has its turn: an end that is due meanwhile. */
const JUDGED_AT_ONCE = 20;

/** The objects that carry the instance, by their label. */
export const ofInstance = (instance: string): string => `${INSTANCE_LABEL}=${instance}`;

/** Answers how to list everything in the cluster that carries the instance, sealed or not. */
export function createFinder(api: Api, instance: string, keysOf: () => Promise<ClusterKeys>): () => Promise<Found[]> {
  return async function find() {
    const judge = judgeWith(await keysOf(), api);
    async function judgeAll(kind: Kind, page: readonly KubeObject[]): Promise<Found[]> {
      const found: Found[] = [];
      for (const object of page) {
        if (found.length % JUDGED_AT_ONCE === 0) await setImmediate();
        found.push(judge(kind, object));
      }
      return found;
    }
    const selector = ofInstance(instance);
    const lists = KINDS.map((kind) =>
      api.list(kind, null, { selector, keep: (page: readonly KubeObject[]) => judgeAll(kind, page) }),
    );
    return (await Promise.all(lists)).flat();
  };
}

/**
 * Answers how to judge an object that carries the instance: what matters of it, and whether its seal holds. Lists leave the kind out of their
 * items. Its record is large and seldom asked for: it is not kept, but read when it is.
 */
export function judgeWith(keys: ClusterKeys, api: Pick<Api, 'read'>): (kind: Kind, object: KubeObject) => Found {
  // Made apart, so that it holds no more of the object than this.
  const recordOf = (kind: Kind, namespace: string, name: string, uid: string) => () =>
    readRecord(kind, { namespace, name, uid }, keys, api);
  return function judge(kind, listed) {
    const object = { ...listed, kind };
    const { namespace = '', name, uid = '', labels, annotations, deletionTimestamp } = object.metadata;
    const label = labels?.[GRANT_LABEL] ?? '';
    const expiresAt = Date.parse(annotations?.[EXPIRES_AT] ?? '');
    const sealed = isSealed(object, keys);
    const orphaned = !sealed && isOrphaned(object, keys);
    return {
      kind,
      namespace,
      name,
      uid,
      id: isGrantId(label) ? label : null,
      sealed,
      orphaned,
      inert: isInert(object),
      otherVersion: isOfOtherVersion(object, keys),
      ending: sealed && (recordText(object, keys) ?? '').includes(ENDING),
      expiresAt: (sealed || orphaned) && Number.isFinite(expiresAt) ? expiresAt : null,
      record: sealed && annotations?.[RECORD] !== undefined ? recordOf(kind, namespace, name, uid) : async () => null,
      deleting: deletionTimestamp !== undefined,
    };
  };
}

/** The record that the object has now. A record that can't be read is none. */
async function readRecord(
  kind: Kind,
  { namespace, name, uid }: Pick<ObjectRef, 'namespace' | 'name' | 'uid'>,
  keys: ClusterKeys,
  api: Pick<Api, 'read'>,
): Promise<Grant | null> {
  const read = await api.read(kind, namespace || null, name);
  if (read === null || read.metadata.uid !== uid) return null;
  const object = { ...read, kind };
  const parsed = parseGrantRecord((isSealed(object, keys) && recordText(object, keys)) || '');
  return 'grant' in parsed ? parsed.grant : null;
}
