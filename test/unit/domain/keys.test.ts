import { expect, test } from 'vitest';
import { deriveKey } from '../../../src/domain/keys.ts';

const KEY = Buffer.alloc(32, 1);
const hex = (key: Buffer, ...use: string[]) =>
  deriveKey(key, ...use)
    .export()
    .toString('hex');

test('each use of each key has a key of its own, always the same', () => {
  const uses = [['audit'], ['seal', 'cluster-1'], ['seal', 'cluster-2'], ['record', 'cluster-1'], ['seal']];
  const keys = [KEY, Buffer.alloc(32, 2), Buffer.alloc(33, 1)].flatMap((key) => uses.map((use) => hex(key, ...use)));
  expect(new Set([KEY.toString('hex'), ...keys]).size).toBe(16);
  expect(hex(KEY, 'audit')).toBe(hex(Buffer.from(KEY), 'audit'));
});

test('the key is that of RFC 5869, which other programs compute too', () => {
  // openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexkey:0101... -kdfopt salt: -kdfopt info:$'drawbridge\naudit' HKDF
  expect(hex(KEY, 'audit')).toBe('1c00ad3abf04d55dea5d1d7caa4f5acd56777da9a072c4f6b10a3d628044d5f1');
});
