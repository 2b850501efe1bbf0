import { expect, onTestFinished, test, vi } from 'vitest';
import { watchNamedRoles } from '../../../../../src/adapters/kubernetes/model/named-roles.ts';
import type { KubeObject } from '../../../../../src/adapters/kubernetes/object.ts';
import { wireApi } from '../../../../support/wire-api.ts';

const LOOK = { kind: 'Role', name: 'look' } as const;

/** @param plural the kind of which there are any */
async function watched(plural = 'roles') {
  const wire = await wireApi(plural);
  const told: string[] = [];
  const faults: unknown[] = [];
  const roles = watchNamedRoles({
    api: wire.api,
    onRole: ({ kind, name }, namespace) => told.push(`${kind} ${namespace}/${name}`),
    onRoleListed: ({ kind, name }) => told.push(`${kind} ${name} listed`),
    onFault: (error) => faults.push(error),
    pace: { pause: [5, 20], gap: 0 },
  });
  onTestFinished(() => roles.stop());
  const gives =
    (...resources: string[]) =>
    (object: KubeObject) => ({ ...object, rules: [{ apiGroups: [''], resources, verbs: ['get'] }] });
  return { wire, told, faults, roles, gives };
}
const eventually = (assert: () => void) => vi.waitFor(assert, { timeout: 5000, interval: 5 });

test('a role that is watched is told when its rules change, when it goes and when it is made anew; no other is', async () => {
  const { wire, told, roles, gives } = await watched();
  wire.put('look', {}, gives('pods'));
  wire.put('other', {}, gives('pods'));
  roles.watch(LOOK);
  await eventually(() => expect(told).toEqual(['Role look listed']));
  wire.put('other', {}, gives('secrets'));
  // Nothing that matters.
  wire.put('look', { tier: 'web' }, gives('pods'));
  wire.put('look', {}, gives('pods', 'pods/log'));
  await eventually(() => expect(told.splice(1)).toEqual(['Role staging/look']));
  wire.remove('look');
  await eventually(() => expect(told.splice(1)).toEqual(['Role staging/look']));
  wire.put('look', {}, gives('pods'));
  await eventually(() => expect(told.splice(1)).toEqual(['Role staging/look']));
});

test('a ClusterRole is in no namespace', async () => {
  const { wire, told, roles, gives } = await watched('clusterroles');
  const clusterWide = (object: KubeObject) => {
    const { namespace: _, ...metadata } = object.metadata;
    return { ...gives('pods')(object), metadata } as unknown as KubeObject;
  };
  roles.watch({ kind: 'ClusterRole', name: 'view' });
  await eventually(() => expect(told).toEqual(['ClusterRole view listed']));
  wire.put('view', {}, clusterWide);
  await eventually(() => expect(told.splice(1)).toEqual(['ClusterRole null/view']));
});

test('it is watched once, and no more when nobody binds it', async () => {
  const { wire, told, roles, gives } = await watched();
  roles.watch(LOOK);
  roles.watch(LOOK);
  await eventually(() => expect(told).toEqual(['Role look listed']));
  expect(wire.watches()).toBe(1);
  roles.unwatch(LOOK);
  await eventually(() => expect(wire.watches()).toBe(0));
  wire.put('look', {}, gives('pods'));
  roles.watch(LOOK);
  await eventually(() => expect(told).toEqual(['Role look listed', 'Role look listed']));
  roles.stop();
  await eventually(() => expect(wire.watches()).toBe(0));
});

test('what changed in a gap is told after it, with all that may have', async () => {
  const { wire, told, faults, roles, gives } = await watched();
  wire.put('look', {}, gives('pods'));
  roles.watch(LOOK);
  await eventually(() => expect(told).toEqual(['Role look listed']));
  expect(roles.isKnown()).toBe(true);
  wire.knobs.refuses = 503;
  wire.end();
  await eventually(() => expect(faults.length).toBeGreaterThan(1));
  wire.put('look', {}, gives('secrets'));
  wire.knobs.refuses = null;
  await eventually(() => expect(told.slice(1).toSorted()).toEqual(['Role look listed', 'Role staging/look']));
});

test('a watch that is down for long is not known of', async () => {
  const { wire, faults, roles } = await watched();
  wire.knobs.refuses = 403;
  roles.watch(LOOK);
  await eventually(() => expect(faults.length).toBeGreaterThan(0));
  expect(roles.isKnown()).toBe(true);
  const now = performance.now();
  vi.spyOn(performance, 'now').mockImplementation(() => now + 11_000);
  onTestFinished(() => void vi.restoreAllMocks());
  expect(roles.isKnown()).toBe(false);
  expect([...roles.ages()]).toEqual([['Role', expect.closeTo(11, 0)]]);
  // Of several that are down the oldest counts.
  roles.watch({ ...LOOK, name: 'another' });
  expect([...roles.ages()]).toEqual([['Role', expect.closeTo(11, 0)]]);
  roles.unwatch({ ...LOOK, name: 'another' });
  roles.unwatch(LOOK);
  expect([roles.isKnown(), roles.ages().size]).toEqual([true, 0]);
});
