import { expect, test } from 'vitest';
import { trackingWrites } from '../../../../src/app/common/tracking-writes.ts';
import type { World } from '../../../../src/app/ports/world.ts';
import { Refusal, Unavailable } from '../../../../src/domain/errors.ts';
import { sampleGrant } from '../../../support/grants.ts';
import { memoryStore } from '../../../support/memory.ts';

const grant = sampleGrant();
const failing = (untouched: boolean) => async (): Promise<never> => {
  throw new Unavailable('Redis', 'no', { untouched });
};
const worldOf = (change: Partial<World['store']> = {}) => ({ store: { ...memoryStore(), ...change } }) as World;
const certain = (untouched: boolean) => ({ name: 'Unavailable', untouched });

test('a fault before anything is recorded has touched nothing, whoever failed', async () => {
  await expect(trackingWrites(worldOf(), failing(false))).rejects.toMatchObject(certain(true));
  await expect(trackingWrites(worldOf({ create: failing(true) }), (w) => w.store.create(grant))).rejects.toMatchObject(
    certain(true),
  );
});

test('a write without an answer may have been made', async () => {
  for (const change of [{ create: failing(false) }, { change: failing(false) }])
    await expect(
      trackingWrites(worldOf(change), async (w) => {
        await w.store.create(grant);
        await w.store.change(grant.id, (g) => g);
      }),
    ).rejects.toMatchObject(certain(false));
});

test('a fault after a change is no word that nothing was done, even of a Redis that refuses now', async () => {
  const world = worldOf();
  const create = trackingWrites(world, async (w) => {
    await w.store.create(grant);
    return failing(true)();
  });
  await expect(create).rejects.toMatchObject(certain(false));
  const changed = trackingWrites(world, async (w) => {
    await w.store.change(grant.id, (g) => ({ ...g, reason: 'another' }));
    return failing(true)();
  });
  await expect(changed).rejects.toMatchObject(certain(false));
});

test('what changed nothing, and what is no fault of a dependency, stays as it is', async () => {
  const world = worldOf();
  await world.store.create(grant);
  const unchanged = trackingWrites(world, async (w) => {
    await w.store.create(grant);
    await w.store.change(grant.id, () => null);
    return failing(false)();
  });
  await expect(unchanged).rejects.toMatchObject(certain(true));
  const refusal = new Refusal('id', 'no');
  await expect(trackingWrites(world, async () => Promise.reject(refusal))).rejects.toBe(refusal);
  expect(await trackingWrites(world, async (w) => w.store.get(grant.id))).toEqual(grant);
});
