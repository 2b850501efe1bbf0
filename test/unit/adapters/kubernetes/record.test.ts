import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clusterKeys } from '../../../../src/adapters/kubernetes/cluster-keys.ts';
import { leaseJob } from '../../../../src/adapters/kubernetes/manifests.ts';
import type { KubeObject } from '../../../../src/adapters/kubernetes/object.ts';
import { recordText, withRecord } from '../../../../src/adapters/kubernetes/record.ts';
import type { Grant } from '../../../../src/domain/grant/grant.ts';
import { parseGrantRecord } from '../../../../src/domain/grant/record.ts';
import { applyingGrant } from '../../../support/grants.ts';

const KEY = Buffer.alloc(32, 1);
const OTHER = Buffer.alloc(32, 2);
const RECORD = 'drawbridge.internal/record';
const of = (...keys: Buffer[]) => clusterKeys(keys, 'cluster-1');
const grant = applyingGrant(600, { reason: 'checkout returns 502' });
const bare = leaseJob(grant, { instance: 'test', workspacesNamespace: 'workspaces' }, 'staging', 0);

const withText = (lease: KubeObject, text: string): KubeObject => ({
  ...lease,
  metadata: { ...lease.metadata, annotations: { ...lease.metadata.annotations, [RECORD]: text } },
});
const textOf = (lease: KubeObject) => lease.metadata.annotations?.[RECORD] ?? '';
const recordOf = (given: Grant, keys = of(KEY)) => withRecord(bare, given, keys);

describe('the record on a lease', () => {
  test('is the whole grant to who has one of the keys, and nothing to others', () => {
    const lease = recordOf(grant);
    expect(parseGrantRecord(recordText(lease, of(KEY)) ?? '')).toEqual({ grant });
    expect(recordText(lease, of(OTHER, KEY))).toBe(recordText(lease, of(KEY)));
    expect(recordText(recordOf(grant, of(OTHER, KEY)), of(OTHER))).not.toBeNull();
    expect(recordText(recordOf(grant, of(OTHER, KEY)), of(KEY))).toBeNull();
    for (const word of [grant.id, grant.reason, 'ada@example.test', 'staging']) {
      expect(textOf(lease)).not.toContain(word);
      expect(Buffer.from(textOf(lease).split('.')[1] ?? '', 'base64').includes(word)).toBe(false);
    }
  });

  test('is the same text each time, so that applying it again changes nothing; another grant has another nonce', () => {
    const nonce = (lease: KubeObject) => textOf(lease).slice(2, 18);
    expect(recordOf(grant)).toEqual(recordOf(structuredClone(grant)));
    const others = [recordOf({ ...grant, revision: grant.revision + 1 }), recordOf(grant, of(OTHER))];
    const elsewhere = { ...bare, metadata: { ...bare.metadata, namespace: 'shop' } };
    const all = [recordOf(grant), ...others, withRecord(elsewhere, grant, of(KEY))].map(nonce);
    expect(new Set(all).size).toBe(all.length);
  });

  test('can be read in its own place alone: not in another cluster, namespace or lease, nor as another version', () => {
    const lease = recordOf(grant);
    expect(recordText(lease, clusterKeys([KEY], 'cluster-2'))).toBeNull();
    expect(recordText(lease, { ...of(KEY), cluster: 'cluster-2' })).toBeNull();
    for (const member of ['namespace', 'name'])
      expect(recordText({ ...lease, metadata: { ...lease.metadata, [member]: 'other' } }, of(KEY))).toBeNull();
    expect(recordText(withText(lease, textOf(lease).replace(/^1/, '2')), of(KEY))).toBeNull();
  });

  test('is none once a single bit of it differs, and none where there is none', () => {
    const lease = recordOf(grant);
    const bytes = Buffer.from(textOf(lease).slice(2), 'base64');
    fc.assert(
      fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
        const changed = Buffer.from(bytes);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        expect(recordText(withText(lease, `1.${changed.toString('base64')}`), of(KEY))).toBeNull();
      }),
    );
    for (const text of ['', '1', '1.', '1.AAAA', `1.${Buffer.alloc(27).toString('base64')}`, JSON.stringify(grant)])
      expect(recordText(withText(bare, text), of(KEY))).toBeNull();
    expect(recordText(bare, of(KEY))).toBeNull();
  });

  test('fits into the annotations, with ten thousand pods too; one that never would is left out', () => {
    const pods = Array.from({ length: 10_000 }, (_, i) => `checkout-6f7c9d8b5c-${randomBytes(3).toString('hex')}-${i}`);
    const large = recordOf({ ...grant, pods });
    expect(parseGrantRecord(recordText(large, of(KEY)) ?? '')).toMatchObject({ grant: { pods } });
    const size = Object.entries(large.metadata.annotations ?? {}).join('').length;
    expect(size).toBeLessThan(256 * 1024);
    expect(recordOf({ ...grant, remarks: [randomBytes(300_000).toString('hex')] })).toEqual(bare);
  });
});
