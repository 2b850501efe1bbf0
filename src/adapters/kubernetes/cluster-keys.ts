import type { KeyObject } from 'node:crypto';
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

/** Answers how to get the keys of the cluster, whose uid is read once; where that fails, at the next call again. */
export function createClusterKeys(api: Api, sealKeys: readonly Buffer[]): () => Promise<ClusterKeys> {
  let known: Promise<ClusterKeys> | undefined;
  return function keys() {
    known ??= readClusterUid(api).then(
      (uid) => clusterKeys(sealKeys, uid),
      (error: unknown) => {
        known = undefined;
        throw error;
      },
    );
    return known;
  };
}
