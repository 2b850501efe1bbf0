import { describe, expect, it, test } from 'vitest';
import {
  carriedAllToEnd,
  carriedPage,
  carryAllToEnd,
  carryPage,
  shownOfAll,
} from '../../../../../../src/adapters/slack/surfaces/actions.ts';
import { endedAll, filterIn, filterModal } from '../../../../../../src/adapters/slack/surfaces/home/filter.ts';
import { Refusal } from '../../../../../../src/domain/errors.ts';
import { type Block, controls, initialValue } from '../../../../../../src/sandbox/slack/blockkit.ts';

const ALL = { person: 'U0ADA', namespace: 'staging', cluster: 'eu' };

/** What Slack sends of a modal that nobody has changed. */
const untouched = (blocks: unknown) =>
  Object.fromEntries(
    controls(blocks as Block[]).map(({ block, element }) => [
      block.block_id ?? '',
      { [element.action_id ?? '']: initialValue(element) },
    ]),
  ) as Parameters<typeof filterIn>[0];

describe('the filter', () => {
  it.each([{}, ALL, { person: 'U0ADA' }, { namespace: 'staging' }, { cluster: 'us' }])(
    '%j comes back as it was from its modal, its buttons and Home',
    (which) => {
      expect(filterIn(untouched(filterModal(which, ['eu', 'us']).blocks))).toEqual({ which });
      expect(carriedPage(carryPage(3, which))).toEqual({ page: 3, which });
      expect(shownOfAll(carryPage(3, which))).toEqual({ page: 3, which });
      expect(carriedAllToEnd(carryAllToEnd(which))).toEqual(which);
    },
  );

  it('has clusters where there are several', () => {
    expect(filterModal({}, []).blocks).toHaveLength(2);
    expect(filterModal({}, ['eu', 'us']).blocks).toHaveLength(3);
    // One that is not there any more is none to choose.
    expect(filterIn(untouched(filterModal(ALL, ['us', 'ap']).blocks))).toEqual({
      which: { person: 'U0ADA', namespace: 'staging' },
    });
  });

  it.each([
    [' Staging ', { which: { namespace: 'staging' } }],
    ['sta ging', { errors: { namespace: expect.any(String) } }],
    ['<!channel>', { errors: { namespace: expect.any(String) } }],
    ['-', { errors: { namespace: expect.any(String) } }],
    ['n'.repeat(64), { errors: { namespace: expect.any(String) } }],
  ])('takes a namespace as it is typed: %j', (value, expected) => {
    expect(filterIn({ namespace: { namespace: { value } } })).toEqual(expected);
  });
});

test.each([
  undefined,
  '',
  'null',
  '{"all":-1}',
  '{"all":1.5}',
  '{"all":0,"which":null}',
  '{"all":0,"which":{"person":"ada"}}',
  '{"all":0,"which":{"person":["U0ADA"]}}',
  '{"all":0,"which":{"namespace":"*"}}',
  '{"all":0,"which":{"namespace":""}}',
  '{"all":0,"which":{"ids":["g-7k3fq2"]}}',
  `{"all":0,"which":{"cluster":"${'c'.repeat(64)}"}}`,
])('%j is no page of ours, and Home begins with the first of all', (value) => {
  expect(() => carriedPage(value)).toThrow(Refusal);
  expect(shownOfAll(value)).toEqual({ page: 0, which: {} });
});

test.each([
  undefined,
  '{"all":0}',
  '{}',
  '{"end":null}',
  '{"end":{"person":"U0ADA","ids":["g-7k3fq2"]}}',
  '{"end":{"namespace":"staging,prod"}}',
  '{"end":{"person":"U0ADA"},"by":"U0DOT"}',
])('by %j nothing is ended', (value) => {
  expect(() => carriedAllToEnd(value)).toThrow(Refusal);
});

test('what came of the end of all is said in figures, with why of what failed', () => {
  const none = { ended: 0, withdrawn: 0, failures: 0, failed: [] };
  const say = () => 'No.';
  expect(endedAll(none, say)).toBe('Nothing was left to end.');
  expect(endedAll({ ...none, ended: 1, withdrawn: 2 }, say)).toBe('1 is being ended. 2 were withdrawn.');
  const failed = [{ id: 'g-7k3fq2', error: new Error('secret') }] as const;
  expect(endedAll({ ...none, failures: 1, failed }, say)).toBe(
    'Nothing was ended. 1 could not be ended. g-7k3fq2: No.',
  );
  expect(endedAll({ ...none, ended: 3, failures: 9, failed }, say)).toBe(
    '3 are being ended. 9 could not be ended. g-7k3fq2: No. … and 8 more.',
  );
});
