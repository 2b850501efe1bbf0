import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { deriveKey } from '../../domain/keys.ts';
import { type Api, ApiError } from './api.ts';

/** What seals and records of one cluster are made and read with. */
export interface ClusterKeys {
  /** Uid of its namespace `kube-system`, which no two clusters share and which can't be deleted. */
  readonly cluster: string;
  /** One for each key of SEAL_KEY: the first writes, all read. */
  readonly keys: readonly ClusterKey[];
}

export interface ClusterKey {
  readonly seal: KeyObject;
  readonly record: KeyObject;
  readonly nonce: KeyObject;
}

/** By these nothing is sealed: for who takes down whatever there is. */
export const NO_KEYS: ClusterKeys = { cluster: '', keys: [] };

const IDENTITY = 'kube-system';

export function clusterKeys(sealKeys: readonly Buffer[], cluster: string): ClusterKeys {
  const keys = sealKeys.map((key) => ({
    seal: deriveKey(key, 'seal', cluster),
    record: deriveKey(key, 'record', cluster),
    nonce: deriveKey(key, 'record nonce', cluster),
  }));
  return { cluster, keys };
}

/** The keys by which seals of one cluster are made and known, one for each key of SEAL_KEY. They are of no use in another, nor for records or the audit. */
export function sealKeysOf(sealKeys: readonly Buffer[], cluster: string): Buffer[] {
  return sealKeys.map((key) => deriveKey(key, 'seal', cluster).export());
}

/** Those alone: with them no record can be read. */
export function keysForSeals(seals: readonly Buffer[], cluster: string): ClusterKeys {
  const nobodys = () => createSecretKey(randomBytes(32));
  return {
    cluster,
    keys: seals.map((key) => ({ seal: createSecretKey(key), record: nobodys(), nonce: nobodys() })),
  };
}

/** @throws ApiError when the API server does not say it: then nothing can be sealed, and no seal be judged. */
export async function readClusterUid(api: Api): Promise<string> {
  const unknown = (status: number, why: string) =>
    new ApiError(status, `the uid of the namespace ${IDENTITY}, which seals are over, can't be read: ${why}`);
  const read = api.read<{ metadata?: { uid?: string } }>('Namespace', null, IDENTITY).catch((error: unknown) => {
    throw error instanceof ApiError ? unknown(error.status, error.words) : error;
  });
  const uid = (await read)?.metadata?.uid ?? '';
  if (uid === '') throw unknown(404, 'the API server has none');
  return uid;
}

/** Takes the uid of a cluster once it is known. @throws when that can't be this cluster's */
export type ClaimUid = (uid: string) => void;

/** Answers how to get the keys of the cluster, whose uid is read once; where that fails, at the next call again. */
export function createClusterKeys(
  api: Api,
  sealKeys: readonly Buffer[],
  claim: ClaimUid = () => {},
): () => Promise<ClusterKeys> {
  let known: Promise<ClusterKeys> | undefined;
  return function keys() {
    known ??= readClusterUid(api).then((uid) => {
      claim(uid);
      return clusterKeys(sealKeys, uid);
    });
    known.catch(() => {
      known = undefined;
    });
    return known;
  };
}
