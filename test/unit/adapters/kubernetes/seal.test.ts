import { createSecretKey } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clusterKeys } from '../../../../src/adapters/kubernetes/cluster-keys.ts';
import { leaseJob, targetRights, workspaceJob } from '../../../../src/adapters/kubernetes/manifests.ts';
import type { KubeObject } from '../../../../src/adapters/kubernetes/object.ts';
import { isOfOtherVersion, isOrphaned, isSealed, seal } from '../../../../src/adapters/kubernetes/seal.ts';
import { applyingGrant } from '../../../support/grants.ts';
import { sealedByLaterVersion } from '../../../support/made.ts';
import { WORKSPACE_PLAN } from '../../../support/views.ts';

const KEY = Buffer.alloc(32, 1);
const OTHER = Buffer.alloc(32, 2);
const of = (...keys: Buffer[]) => clusterKeys(keys, 'cluster-1');
const context = { instance: 'test', workspacesNamespace: 'workspaces' };
const grant = applyingGrant(600, { plan: WORKSPACE_PLAN });
const lease = { name: `drawbridge-${grant.id}`, uid: 'uid-of-the-lease' };
const probe = { image: 'drawbridge:1', args: ['--canary=tcp:10.0.0.9:8080'] };
const objects: KubeObject[] = [
  ...targetRights(grant, context, lease, ['checkout-1']),
  leaseJob(grant, context, 'staging', Date.now()),
  workspaceJob(grant, context, Date.now(), probe),
];

/** Every way to change one value somewhere in an object. */
function edits(value: unknown, path: string[] = []): { path: string[]; to: unknown }[] {
  if (value !== null && typeof value === 'object')
    return Object.entries(value).flatMap(([key, member]) => edits(member, [...path, key]));
  return [
    { path, to: typeof value === 'number' ? value + 1 : typeof value === 'boolean' ? !value : `${String(value)}x` },
  ];
}
function edited<T>(object: T, path: readonly string[], to: unknown): T {
  const copy = structuredClone(object);
  let at = copy as Record<string, unknown>;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
  at[path.at(-1) ?? ''] = to;
  return copy;
}

describe('what has lost its lease', () => {
  const owned = targetRights(grant, context, lease, ['checkout-1']).map((object) => seal(object, of(KEY)));
  const disowned = (object: KubeObject) => edited(object, ['metadata', 'ownerReferences'], undefined);

  test('is still known as ours, and is no sealed object any more', () => {
    for (const object of owned) {
      expect([isSealed(object, of(KEY)), isOrphaned(object, of(KEY))]).toEqual([true, false]);
      expect([isSealed(disowned(object), of(KEY)), isOrphaned(disowned(object), of(OTHER, KEY))]).toEqual([
        false,
        true,
      ]);
      expect(isOrphaned(disowned(object), of(OTHER))).toBe(false);
    }
  });

  test('and is not, once anything else of it was changed, another owner was given, or it never had one', () => {
    const free = ['apiVersion', 'metadata.labels.app.kubernetes.io/managed-by'];
    for (const object of owned.map(disowned))
      for (const { path, to } of edits(object))
        if (!free.includes(path.join('.')))
          expect([path.join('.'), isOrphaned(edited(object, path, to), of(KEY))]).toEqual([path.join('.'), false]);
    const [first] = owned as [KubeObject];
    expect(isOrphaned(edited(first, ['metadata', 'ownerReferences', '0', 'uid'], 'another'), of(KEY))).toBe(false);
    expect(isOrphaned(seal(leaseJob(grant, context, 'staging', Date.now()), of(KEY)), of(KEY))).toBe(false);
  });
});

describe('a seal', () => {
  test.each(objects.map((object) => [object.kind, object.metadata.name, object] as const))(
    'fits its %s %s, under each key of the list',
    (_kind, _name, object) => {
      expect(isSealed(seal(object, of(KEY)), of(OTHER, KEY))).toBe(true);
      expect(isSealed(seal(object, of(KEY, OTHER)), of(OTHER))).toBe(false);
      expect(isSealed(object, of(KEY))).toBe(false);
    },
  );

  test('of rights fits nothing else: no other subject, role, rule, owner, name, namespace or end', () => {
    const all = targetRights(grant, context, lease, ['checkout-1']).map((object) => seal(object, of(KEY)));
    // Not covered: what says how the API is spoken, and labels that are not ours.
    const free = [
      'apiVersion',
      'metadata.labels.app.kubernetes.io/managed-by',
      'metadata.ownerReferences.0.apiVersion',
      'metadata.ownerReferences.0.kind',
      'metadata.ownerReferences.0.name',
    ];
    for (const object of all)
      for (const { path, to } of edits(object))
        if (!free.includes(path.join('.')))
          expect([path.join('.'), isSealed(edited(object, path, to), of(KEY))]).toEqual([path.join('.'), false]);
  });

  test.each([
    ['another image', (pod: Pod) => void (pod.containers[0]!.image = 'evil')],
    ['a command', (pod: Pod) => void (pod.containers[0]!.command = ['sh'])],
    ['a second container', (pod: Pod) => void pod.containers.push({ name: 'x', image: 'evil' })],
    ['another init container', (pod: Pod) => void (pod.initContainers[0] = { name: 'x', image: 'evil' })],
    ['no init container', (pod: Pod) => void (pod.initContainers = [])],
    ['another canary', (pod: Pod) => void (pod.initContainers[0]!.args = ['--canary=tcp:203.0.113.9:8080'])],
    ['a service account', (pod: Pod) => void (pod.serviceAccountName = 'admin')],
    ['its token', (pod: Pod) => void (pod.automountServiceAccountToken = true)],
    ['its token, which a pod has that says nothing of it', (pod: Pod) => void delete pod.automountServiceAccountToken],
    ['the host network', (pod: Pod) => void (pod.hostNetwork = true)],
    ['processes of its own', (pod: Pod) => void delete pod.shareProcessNamespace],
    ['a volume', (pod: Pod) => void (pod.volumes = [{ name: 'host', hostPath: { path: '/' } }])],
    ['another host alias', (pod: Pod) => void (pod.hostAliases = [{ ip: '203.0.113.9', hostnames: ['checkout'] }])],
    ['privileges', (pod: Pod) => void (pod.containers[0]!.securityContext = { privileged: true })],
  ])('of a workspace is broken by %s', (_what, change) => {
    const sealed = structuredClone(seal(workspaceJob(grant, context, Date.now(), probe), of(KEY)));
    expect(isSealed(sealed, of(KEY))).toBe(true);
    change((sealed.spec as { template: { spec: Pod } }).template.spec);
    expect(isSealed(sealed, of(KEY))).toBe(false);
  });

  test('is not broken by what the API server and its controllers fill in', () => {
    const sealed = structuredClone(seal(leaseJob(grant, context, 'staging', Date.now()), of(KEY)));
    const spec = sealed.spec as Record<string, unknown> & { template: { metadata?: unknown; spec: Pod } };
    Object.assign(spec, {
      completionMode: 'NonIndexed',
      suspend: false,
      selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'x' } },
    });
    spec.template.metadata = { labels: { 'batch.kubernetes.io/controller-uid': 'x' } };
    Object.assign(spec.template.spec, {
      dnsPolicy: 'ClusterFirst',
      schedulerName: 'default-scheduler',
      terminationGracePeriodSeconds: 30,
    });
    expect(isSealed({ ...sealed, status: { startTime: 'now' } }, of(KEY))).toBe(true);
  });

  test('is worth nothing in another cluster, whatever the key', () => {
    for (const object of objects) {
      const sealed = seal(object, of(KEY));
      expect(isSealed(sealed, clusterKeys([KEY], 'cluster-2'))).toBe(false);
      // Also where the keys of two clusters were the same.
      expect(isSealed(sealed, { ...of(KEY), cluster: 'cluster-2' })).toBe(false);
    }
  });

  test('is made with a key that is none of SEAL_KEY', () => {
    const { keys } = of(KEY);
    const raw = { seal: createSecretKey(KEY), record: createSecretKey(KEY), nonce: createSecretKey(KEY) };
    for (const object of objects)
      expect(isSealed(seal(object, of(KEY)), { cluster: 'cluster-1', keys: [raw] })).toBe(false);
    const made = keys.flatMap((key) => [key.seal, key.record, key.nonce].map((one) => one.export().toString('hex')));
    expect(new Set([...made, KEY.toString('hex')]).size).toBe(4);
  });

  describe('of another version', () => {
    const [role] = objects as [KubeObject];
    const SEAL = 'drawbridge.internal/seal';
    const withSeal = (object: KubeObject, value: string): KubeObject =>
      edited(object, ['metadata', 'annotations', SEAL], value);
    const later = (object: KubeObject, key = KEY) => sealedByLaterVersion(object, of(key));
    const judged = (object: KubeObject) => [
      isSealed(object, of(KEY)),
      isOfOtherVersion(object, of(KEY)),
      isOrphaned(object, of(KEY)),
    ];

    test('is neither ours nor a forgery, under each key of the list', () => {
      expect(judged(later(role))).toEqual([false, true, false]);
      expect(judged(seal(role, of(KEY)))).toEqual([true, false, false]);
      expect(isOfOtherVersion(later(role), of(OTHER, KEY))).toBe(true);
    });

    test('is a forgery where no holder of the key wrote it, or where it is on another object', () => {
      const [, mac, origin] = (seal(role, of(KEY)).metadata.annotations?.[SEAL] ?? '').split('.');
      for (const value of ['2', '2.MAC', '2.MAC.', `2.${mac}.${origin}`, `2..${origin}`, `.${mac}.${origin}`, ''])
        expect([value, ...judged(withSeal(role, value))]).toEqual([value, false, false, false]);
      expect(judged(later(role, OTHER))).toEqual([false, false, false]);
      for (const member of ['name', 'namespace'])
        expect(judged(edited(later(role), ['metadata', member], 'another'))).toEqual([false, false, false]);
      expect(judged({ ...later(role), kind: 'Job' })).toEqual([false, false, false]);
    });
  });

  test('can not be guessed', () => {
    const [binding] = targetRights(grant, context, lease, []);
    fc.assert(
      fc.property(fc.base64String(), (guess) => {
        const forged = {
          ...binding!,
          metadata: {
            ...binding!.metadata,
            annotations: { ...binding!.metadata.annotations, 'drawbridge.internal/seal': guess },
          },
        };
        expect(isSealed(forged, of(KEY))).toBe(false);
      }),
    );
  });
});

interface Pod {
  containers: { name: string; image: string; command?: string[]; securityContext?: unknown }[];
  initContainers: { name: string; image: string; args?: string[] }[];
  serviceAccountName?: string;
  automountServiceAccountToken?: boolean;
  hostNetwork?: boolean;
  shareProcessNamespace?: boolean;
  volumes?: unknown[];
  hostAliases?: unknown[];
}
