import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';

/**
 * A key of 32 bytes for one use alone, by HKDF-SHA-256 over a key of SEAL_KEY: who has it can compute neither that key nor those of other uses.
 * Source: RFC 5869
 * @param use what it is for, in parts of which none holds a line break; a different use is a different key
 */
export function deriveKey(key: Buffer, ...use: readonly string[]): KeyObject {
  const info = ['drawbridge', ...use].join('\n');
  return createSecretKey(Buffer.from(hkdfSync('sha256', key, '', info, 32)));
}
