import { expect, test } from 'vitest';
import type { Found } from '../../../../src/app/ports/own-objects.ts';
import type { World } from '../../../../src/app/ports/world.ts';
import { appWorld, PEOPLE } from '../../../support/app-world.ts';
import { oneCluster } from '../../../support/clusters.ts';

/** What is in the cluster was sealed by a version that this replica does not know, or by nobody. */
function seenAs(world: World, change: Partial<Found>): World {
  const cluster = world.clusters.of({ cluster: null });
  const found = async () => (await cluster.found()).map((object) => ({ ...object, ...change }));
  return { ...world, clusters: oneCluster({ ...cluster, found }) };
}
const NOT_OURS = { sealed: false, expiresAt: null, record: async () => null };

async function withGrant() {
  const app = appWorld();
  const { grant } = await app.request();
  await app.run();
  await app.useCases.review(PEOPLE.ben, grant.id, 'approve', '', await app.seen(grant.id));
  await app.run();
  expect((await app.grant(grant.id)).state).toBe('active');
  app.alarms.length = 0;
  return { app, id: grant.id };
}

test('objects that another version sealed are left alone: no incident, no alarm, nothing taken', async () => {
  const { app, id } = await withGrant();
  await app.reconcile(seenAs(app.world, { ...NOT_OURS, otherVersion: true }));
  await app.run();
  expect([app.cluster.hasRights(id), (await app.grant(id)).state, app.alarms]).toEqual([true, 'active', []]);
});

test('nor are they taken away, adopted or told of where Redis has lost the grant', async () => {
  const { app, id } = await withGrant();
  app.loseRedis();
  await app.reconcile(seenAs(app.world, { ...NOT_OURS, otherVersion: true }));
  await app.run();
  expect([app.cluster.hasRights(id), await app.world.store.get(id), app.alarms]).toEqual([true, null, []]);
});

test('what nobody sealed is told of, also where it has no id and says that it is of another version', async () => {
  for (const change of [{ otherVersion: false }, { otherVersion: true, id: null }]) {
    const { app } = await withGrant();
    app.loseRedis();
    await app.reconcile(seenAs(app.world, { ...NOT_OURS, ...change }));
    await app.run();
    expect(app.alarms.join()).toContain('no valid seal');
  }
});
