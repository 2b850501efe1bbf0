import { setImmediate } from 'node:timers/promises';
import type { Found } from '../../app/ports.ts';
import { GRANT_LABEL } from '../../domain/confinement.ts';
import type { Grant } from '../../domain/grant.ts';
import { parseGrantRecord } from '../../domain/grant-record.ts';
import { isGrantId } from '../../domain/ids.ts';
import type { Api, Kind } from './api.ts';
import type { ClusterKeys } from './cluster-keys.ts';
import { EXPIRES_AT, INSTANCE_LABEL } from './manifests.ts';
import type { KubeObject } from './object.ts';
import { RECORD, recordText } from './record.ts';
import { isOfOtherVersion, isOrphaned, isSealed } from './seal.ts';

/** The kinds of which a grant has objects; pods of workspaces follow their Job. */
const KINDS = ['RoleBinding', 'Role', 'NetworkPolicy', 'Job'] as const satisfies readonly Kind[];

/** How the record of an ending grant reads. In the texts of people the quotes are escaped. */
const ENDING = '"state":"ending"';

/** Objects that are judged in one go, before whatever waits has its turn: an end that is due meanwhile. */
const JUDGED_AT_ONCE = 20;
/** For how long it is remembered what was judged: milliseconds, some more than from one look to the next. */
const REMEMBERED = 60_000;

type Proof = Pick<Found, 'sealed' | 'orphaned' | 'otherVersion' | 'ending'>;

/**
 * Answers how to find everything in the cluster that carries the instance, sealed or not. Seals cost more than all else of it, so that each
 * version of an object is judged once.
 */
export function createFinder(api: Api, instance: string, keysOf: () => Promise<ClusterKeys>): () => Promise<Found[]> {
  let known = { at: 0, proofs: new Map<string, Proof>() };
  return async function find() {
    const keys = await keysOf();
    // An etcd that is restored from a backup counts its versions from there again.
    const before = performance.now() - known.at < REMEMBERED ? known.proofs : null;
    const proofs = new Map<string, Proof>();
    async function judge(kind: Kind, page: readonly KubeObject[]): Promise<Found[]> {
      const found: Found[] = [];
      for (const listed of page) {
        if (found.length % JUDGED_AT_ONCE === 0) await setImmediate();
        // Lists leave the kind out of their items.
        const object = { ...listed, kind };
        const { uid = '', resourceVersion = '' } = object.metadata;
        const version = `${uid} ${resourceVersion}`;
        const proof = before?.get(version) ?? proofOf(object, keys);
        if (uid !== '' && resourceVersion !== '') proofs.set(version, proof);
        found.push(asFound(object, proof, keys));
      }
      return found;
    }
    const selector = `${INSTANCE_LABEL}=${instance}`;
    const lists = KINDS.map((kind) =>
      api.list(kind, null, { selector, keep: (page: readonly KubeObject[]) => judge(kind, page) }),
    );
    const found = (await Promise.all(lists)).flat();
    known = { at: performance.now(), proofs };
    return found;
  };
}

function proofOf(object: KubeObject, keys: ClusterKeys): Proof {
  const sealed = isSealed(object, keys);
  return {
    sealed,
    orphaned: !sealed && isOrphaned(object, keys),
    otherVersion: isOfOtherVersion(object, keys),
    ending: sealed && (recordText(object, keys) ?? '').includes(ENDING),
  };
}

/** @throws never: a record that can't be read is none */
function asFound(object: KubeObject, proof: Proof, keys: ClusterKeys): Found {
  const { namespace, name, uid = '', labels, annotations, deletionTimestamp } = object.metadata;
  const label = labels?.[GRANT_LABEL] ?? '';
  const expiresAt = Date.parse(annotations?.[EXPIRES_AT] ?? '');
  const record = annotations?.[RECORD];
  // Of the whole object no more is kept until the end of the look.
  const lease: KubeObject = {
    apiVersion: object.apiVersion,
    kind: object.kind,
    metadata: { namespace, name, annotations: record === undefined ? {} : { [RECORD]: record } },
  };
  return {
    kind: object.kind,
    namespace,
    name,
    uid,
    id: isGrantId(label) ? label : null,
    ...proof,
    expiresAt: (proof.sealed || proof.orphaned) && Number.isFinite(expiresAt) ? expiresAt : null,
    record: () => (proof.sealed ? grantOf(recordText(lease, keys)) : null),
    deleting: deletionTimestamp !== undefined,
  };
}

function grantOf(text: string | null): Grant | null {
  const parsed = parseGrantRecord(text ?? '');
  return 'grant' in parsed ? parsed.grant : null;
}
