import { expect, test } from 'vitest';
import { Declined, Unavailable } from '../../../src/domain/errors.ts';
import { appWorld, PEOPLE } from '../../support/app-world.ts';

const WORDS = 'failed calling webhook "mesh.example.test": connection refused';

test.each([
  [
    'its own no',
    new Declined('PATCH: 422 no', 'exceeded quota: no-jobs'),
    'The cluster did not take it: exceeded quota: no-jobs',
  ],
  [
    'a webhook that is away',
    new Unavailable('Kubernetes', 'PATCH: 500', { words: WORDS }),
    `The cluster could not take it: ${WORDS}`,
  ],
  [
    'no answer',
    new Unavailable('Kubernetes', 'PATCH /secret/path: no answer'),
    'The cluster did not answer, or the workspace did not start, in time.',
  ],
  ['a fault', new Error('a secret'), 'The cluster did not take it.'],
  ['a long no', new Declined('no', 'x'.repeat(2000)), `The cluster did not take it: ${'x'.repeat(900)}`],
])('what could not be applied is told by its cause: %s', async (_name, error, note) => {
  const app = appWorld();
  const { id } = (await app.request()).grant;
  app.cluster.access.placeLeases = async () => {
    // What may pass has passed its time.
    app.clock.set(app.clock.now() + 61_000);
    throw error;
  };
  await app.useCases.review(PEOPLE.ben, id, 'approve', '', await app.seen(id));
  await app.run().catch(() => {});
  expect((await app.grant(id)).ending?.note).toBe(note);
});
