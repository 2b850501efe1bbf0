import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { canonical } from '../../domain/canonical.ts';
import { GRANT_VERSION, type Grant } from '../../domain/grant/grant.ts';
import type { ClusterKey, ClusterKeys } from './cluster-keys.ts';
import { type KubeObject, PREFIX } from './object.ts';

/**
 * The record: the grant itself, encrypted, on its lease in the target's namespace; from it a grant that Redis forgot is adopted. Reason, notes and
 * plan are not for everybody who may read Jobs there.
 *
 * `VERSION.` and base64 of nonce, ciphertext and tag: AES-256-GCM over the deflated JSON. The nonce is an HMAC of what is encrypted and of its place, so
 * that the same record is the same text, and applying it again changes nothing; two records share a nonce only when they are equal.
 */
export const RECORD = `${PREFIX}record`;

const VERSION = '1';
const CIPHER = 'aes-256-gcm';
const NONCE = 12;
const TAG = 16;
/** All annotations of an object may have 256 KiB; the others of a lease are small. */
const MOST = 240 * 1024;

/** What is authenticated beside the text: it can be read in its own place alone. */
function placeOf({ metadata: { namespace, name } }: KubeObject, { cluster }: ClusterKeys): Buffer {
  return Buffer.from(canonical({ version: VERSION, cluster, namespace, name }));
}

/**
 * The lease with the record of its grant, under the first key. A record that is larger than annotations may be is left out: then Kubernetes ends the grant
 * in time as ever, but no lost Redis gets it back.
 */
export function withRecord(lease: KubeObject, grant: Grant, keys: ClusterKeys): KubeObject {
  const [key] = keys.keys;
  if (key === undefined) throw new Error('no seal key');
  const record: Grant = { ...grant, version: GRANT_VERSION };
  const text = deflateRawSync(JSON.stringify(record));
  const place = placeOf(lease, keys);
  const nonce = createHmac('sha256', key.nonce).update(place).update(text).digest().subarray(0, NONCE);
  const cipher = createCipheriv(CIPHER, key.record, nonce, { authTagLength: TAG }).setAAD(place);
  const encrypted = Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
  const value = `${VERSION}.${encrypted.toString('base64')}`;
  if (value.length > MOST) return lease;
  const { metadata } = lease;
  return { ...lease, metadata: { ...metadata, annotations: { ...metadata.annotations, [RECORD]: value } } };
}

/** The JSON of the record on a lease; null: there is none, or none of this version that one of the keys opens here. */
export function recordText(lease: KubeObject, keys: ClusterKeys): string | null {
  const [version, value = ''] = (lease.metadata.annotations?.[RECORD] ?? '').split('.');
  const encrypted = Buffer.from(value, 'base64');
  if (version !== VERSION || encrypted.length < NONCE + TAG) return null;
  const place = placeOf(lease, keys);
  for (const key of keys.keys) {
    const text = decrypted(encrypted, key, place);
    if (text !== null) return inflateRawSync(text).toString();
  }
  return null;
}

function decrypted(encrypted: Buffer, key: ClusterKey, place: Buffer): Buffer | null {
  const decipher = createDecipheriv(CIPHER, key.record, encrypted.subarray(0, NONCE), { authTagLength: TAG })
    .setAAD(place)
    .setAuthTag(encrypted.subarray(-TAG));
  try {
    return Buffer.concat([decipher.update(encrypted.subarray(NONCE, -TAG)), decipher.final()]);
  } catch {
    return null;
  }
}
