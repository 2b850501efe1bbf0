import { expect, test } from 'vitest';
import { givenElsewhere } from '../../../../src/app/upkeep/given-elsewhere.ts';
import type { Grant } from '../../../../src/domain/grant/grant.ts';
import { summaryOf } from '../../../../src/domain/grant/summary.ts';
import { applyingGrant, samplePlan } from '../../../support/grants.ts';

const A_DAY = 86_400_000;
const grant = (change: Partial<Grant> = {}, cluster = 'uid-a') =>
  applyingGrant(600, { state: 'active', cluster: 'prod', plan: samplePlan({ cluster }), ...change });

/** Of these, as the cluster `prod` with the uid `uid-b` sees them. */
const elsewhere = (grants: readonly Grant[], now = Date.now()) =>
  givenElsewhere(
    {
      store: {
        async *summaries() {
          yield grants.map(summaryOf);
        },
      },
      clusters: { isIn: (name: string, { cluster }: Grant) => name === cluster },
      clock: { now: () => now },
    } as never,
    'prod',
    'uid-b',
  );

test.each([
  ['one that is being given', { state: 'applying' }],
  ['one that is active', { state: 'active' }],
  ['one that is being ended', { state: 'ending' }],
] as const)('%s in another cluster than the name leads to now is found', async (_what, change) => {
  const one = grant(change);
  expect(await elsewhere([one])).toEqual([one.id]);
});

test.each([
  ['what is given in this one', grant({}, 'uid-b')],
  ['what was given before clusters were told apart', grant({}, '')],
  ['a request, which is planned anew', grant({ state: 'pending' })],
  ['what has ended', grant({ state: 'expired' })],
  ['what is in a cluster of another name', grant({ cluster: 'staging' })],
])('%s is not', async (_what, one) => {
  expect(await elsewhere([one])).toEqual([]);
});

test('a day after its window a lease has ended it, wherever it is', async () => {
  const one = grant();
  const end = one.expiresAt ?? 0;
  expect(await elsewhere([one], end + A_DAY - 1)).toEqual([one.id]);
  expect(await elsewhere([one], end + A_DAY)).toEqual([]);
});

test('one that comes twice, since it changes meanwhile, is one', async () => {
  const one = grant();
  expect(await elsewhere([one, one])).toEqual([one.id]);
});
