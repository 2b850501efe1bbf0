import { expect, onTestFinished, test, vi } from 'vitest';
import { clusterKeys } from '../../../../../src/adapters/kubernetes/cluster-keys.ts';
import { KINDS } from '../../../../../src/adapters/kubernetes/found.ts';
import { watchOwnObjects } from '../../../../../src/adapters/kubernetes/model/own-objects.ts';
import type { KubeObject } from '../../../../../src/adapters/kubernetes/object.ts';
import { seal } from '../../../../../src/adapters/kubernetes/seal.ts';
import { Unavailable } from '../../../../../src/domain/errors.ts';
import { KEY } from '../../../../support/made.ts';
import { wireApi } from '../../../../support/wire-api.ts';

const keys = clusterKeys([KEY], 'here');
const of = (id: string) => ({ 'drawbridge.internal/grant': id, 'drawbridge.internal/instance': 'test' });
const sealed = (object: KubeObject) => seal(object, keys);
/** With rules that its seal is not over. */
const edited = (object: KubeObject) => ({ ...seal(object, keys), rules: [{ verbs: ['*'] }] });
/** Only what is not ours of it differs. */
const noted = (object: KubeObject) => {
  const { metadata } = seal(object, keys);
  return { ...object, metadata: { ...metadata, annotations: { ...metadata.annotations, 'example.test/note': 'x' } } };
};

async function watched(keysOf = async () => keys) {
  const wire = await wireApi();
  const changes: string[] = [];
  let lists = 0;
  const faults: unknown[] = [];
  const own = () =>
    watchOwnObjects({
      api: wire.api,
      instance: 'test',
      keysOf,
      onChange: (id) => changes.push(id),
      onListed: () => (lists += 1),
      onFault: (error) => faults.push(error),
      pace: { pause: [5, 20] },
    });
  return {
    wire,
    changes,
    faults,
    async start() {
      const started = own();
      onTestFinished(() => started.stop());
      await vi.waitFor(() => expect(lists).toBe(1), { timeout: 5000, interval: 5 });
      return started;
    },
    own,
    lists: () => lists,
  };
}
const eventually = (assert: () => void) => vi.waitFor(assert, { timeout: 5000, interval: 5 });

test('what there is at first is known by its grant and its seal, and is no change', async () => {
  const { wire, changes, start } = await watched();
  wire.put('one', of('g-2222aa'), sealed);
  wire.put('two', of('g-2222aa'));
  wire.put('other', of('g-3333bb'), sealed);
  wire.put('nobody', of('no id'));
  const own = await start();
  const found = [...own.ids()].map((id) => [id, own.of(id).map(({ name, sealed: is }) => [name, is])]);
  expect(Object.fromEntries(found)).toEqual({
    'g-2222aa': [
      ['one', true],
      ['two', false],
    ],
    'g-3333bb': [['other', true]],
    '': [['nobody', false]],
  });
  expect(own.of('g-2222aa').map(({ kind, namespace }) => `${kind} ${namespace}`)).toEqual([
    'Role staging',
    'Role staging',
  ]);
  expect(own.of('g-4444cc')).toEqual([]);
  expect(changes).toEqual([]);
});

test('an object that is made, edited or deleted is a change of its grant', async () => {
  const { wire, changes, start } = await watched();
  const own = await start();
  wire.put('one', of('g-2222aa'), sealed);
  await eventually(() => expect(changes).toEqual(['g-2222aa']));
  wire.put('one', of('g-2222aa'), edited);
  await eventually(() => expect(changes).toHaveLength(2));
  expect(own.of('g-2222aa')).toMatchObject([{ name: 'one', sealed: false }]);
  wire.remove('one');
  await eventually(() => expect(changes).toEqual(['g-2222aa', 'g-2222aa', 'g-2222aa']));
  expect([...own.ids()]).toEqual([]);
});

test('rights that are taken out of an object without a seal, or put back into it, are a change of its grant', async () => {
  const { wire, changes, start } = await watched();
  const giving = (object: KubeObject) => ({ ...object, rules: [{ verbs: ['*'] }] });
  wire.put('one', of('g-2222aa'), giving);
  const own = await start();
  expect(own.of('g-2222aa')).toMatchObject([{ sealed: false, inert: false }]);
  wire.put('one', of('g-2222aa'), (object) => ({ ...object, rules: [] }));
  await eventually(() => expect(changes).toHaveLength(1));
  expect(own.of('g-2222aa')).toMatchObject([{ sealed: false, inert: true }]);
  wire.put('one', of('g-2222aa'), giving);
  await eventually(() => expect(changes).toHaveLength(2));
});

test('one that takes the label of another grant is a change of both', async () => {
  const { wire, changes, start } = await watched();
  wire.put('one', of('g-2222aa'));
  const own = await start();
  wire.put('one', of('g-3333bb'));
  await eventually(() => expect(changes.toSorted()).toEqual(['g-2222aa', 'g-3333bb']));
  expect([own.of('g-2222aa').length, own.of('g-3333bb').length]).toEqual([0, 1]);
});

test('what changes nothing that matters of it, such as its status, is no change', async () => {
  const { wire, changes, start } = await watched();
  wire.put('one', of('g-2222aa'), sealed);
  await start();
  wire.put('one', of('g-2222aa'), noted);
  wire.put('two', of('g-3333bb'));
  await eventually(() => expect(changes).toEqual(['g-3333bb']));
});

test('before all of it is known nothing is concluded, and what can not be known yet is asked again', async () => {
  let asked = 0;
  const { wire, own, lists } = await watched(async () => {
    asked += 1;
    if (asked < 6) throw new Unavailable('Kubernetes', 'which cluster this is can not be read');
    return keys;
  });
  wire.put('one', of('g-2222aa'), sealed);
  const started = own();
  onTestFinished(() => started.stop());
  expect(() => started.ids()).toThrow(Unavailable);
  expect(() => started.of('g-2222aa')).toThrow(Unavailable);
  expect(started.isKnown()).toBe(false);
  await eventually(() => expect(lists()).toBe(1));
  expect(started.of('g-2222aa')).toMatchObject([{ sealed: true }]);
  expect(started.isKnown()).toBe(true);
  expect(started.ages()).toEqual(new Map(KINDS.map((kind) => [kind, 0])));
});

test('while its watches are down for long nothing is concluded from what they told', async () => {
  const { wire, faults, start } = await watched();
  wire.put('one', of('g-2222aa'), sealed);
  const own = await start();
  wire.knobs.refuses = 503;
  wire.end();
  await eventually(() => expect(faults).not.toEqual([]));
  expect(own.of('g-2222aa')).toHaveLength(1);
  const now = performance.now();
  const later = vi.spyOn(performance, 'now').mockImplementation(() => now + 12_000);
  onTestFinished(() => later.mockRestore());
  expect(() => own.of('g-2222aa')).toThrow(Unavailable);
  expect(own.isKnown()).toBe(false);
  expect(Math.max(...own.ages().values())).toBeCloseTo(12, 0);
});
