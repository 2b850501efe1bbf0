import { expect, test } from 'vitest';
import type { Span } from '../../chaos/audit-log.ts';
import type { Deed, Request } from '../../chaos/batch.ts';
import type { Change, History } from '../../chaos/histories.ts';
import { judgeChanges } from '../../chaos/judge-changes.ts';
import type { Said } from '../../chaos/slack-view.ts';
import type { Changed } from '../../chaos/slots.ts';

const ID = 'g-7k3fq2';
const POLICY = 'changing/slot-0';

function changed(change: Change, from: number, name = POLICY): Changed {
  return { ...change, from, to: from + 100, name };
}
const span = (from: number, to: number, expiresAt = to): Span =>
  ({ asked: from - 1, from, to, expiries: [{ at: from, expiresAt }] }) as unknown as Span;
const approves = (at: number, by: Deed['by'] = 'ben'): Deed => ({ at, by, what: 'approve', seconds: 0 });

function judged(given: {
  changes: Changed[];
  slot?: number;
  made?: Span[];
  deeds?: Deed[];
  again?: { at: number; blocks: string }[];
  said?: Said[];
  faults?: { from: number; to: number }[];
  timesAsked?: number;
}) {
  const { changes, slot = 0, made = [], deeds = [], again = [], said = [], faults = [] } = given;
  const history = { profile: 'debug', seconds: 60, change: { slot } } as History;
  const request = { history, deeds, changes } as unknown as Request;
  const { found, isForNothing } = judgeChanges({
    on: {
      slack: { askedAgain: new Map([[ID, again]]), said } as never,
      faulty: faults.map((fault) => ({ ...fault, what: 'one down' })),
    },
    request,
    around: changes,
    id: ID,
    made,
    timesAsked: given.timesAsked ?? again.length,
    isAllowed: ({ by }) => by === 'ben',
  });
  return { texts: found.map(({ promise, text }) => `${promise} ${text}`), isForNothing };
}

const policy = changed({ what: 'change-policy', when: 'waiting' }, 1000);

test('who is asked again, told why, and approves anew gives what they saw', () => {
  const again = [{ at: 1500, blocks: `asked again: policy ${POLICY} was changed` }];
  const { texts, isForNothing } = judged({
    changes: [policy],
    again,
    deeds: [approves(1600)],
    made: [span(1700, 9000)],
  });
  expect(texts).toEqual([]);
  expect(isForNothing).toBe(false);
});

test.each([
  ['nobody was asked again', [], [approves(1600)], /nobody was asked again/],
  ['nobody approved since', [{ at: 1500, blocks: POLICY }], [approves(1400), approves(1600, 'cy')], /0 of 1 approved/],
  ['nobody was told what', [{ at: 1500, blocks: 'asked again' }], [approves(1600)], /nobody was told/],
])('what was changed under a request and %s is no promise kept', (_, again, deeds, text) => {
  const { texts } = judged({ changes: [policy], again, deeds, made: [span(1700, 9000)] });
  expect(texts).toEqual([expect.stringMatching(/^P4/)]);
  expect(texts[0]).toMatch(text);
});

test('a grant that was bound before the change is not touched by it', () => {
  expect(judged({ changes: [policy], made: [span(900, 9000)] }).texts).toEqual([]);
});

test.each([
  ['nothing was changed', []],
  ['it was changed later', [policy]],
  ['the requester alone was changed', [changed({ what: 'deny', when: 'waiting' }, 100, 'ivy@example.test')]],
])('asked again is for nothing where %s', (_, changes) => {
  const { texts, isForNothing } = judged({ changes, again: [{ at: 900, blocks: POLICY }] });
  expect(isForNothing).toBe(true);
  expect(texts[0]).toMatch(/^P4 was asked again though nothing/);
});

test('and where it is asked again twice for one change', () => {
  const again = [{ at: 1500, blocks: POLICY }];
  expect(judged({ changes: [policy], again, timesAsked: 2 }).isForNothing).toBe(true);
});

test('whoever is denied while the request waits gets nothing, and no longer window while an extension waits', () => {
  const waiting = [changed({ what: 'deny', when: 'waiting' }, 1000, 'ivy@example.test')];
  expect(judged({ changes: waiting, made: [span(5000, 9000)] }).texts).toEqual([
    expect.stringMatching(/^P1 was bound/),
  ]);
  expect(judged({ changes: waiting, made: [span(900, 9000)] }).texts).toEqual([]);
  const extending = [changed({ what: 'leave', when: 'extending' }, 1000, 'ivy@example.test')];
  expect(judged({ changes: extending, made: [span(500, 60_500)] }).texts).toEqual([]);
  expect(judged({ changes: extending, made: [span(500, 60_500, 70_500)] }).texts).toEqual([
    expect.stringMatching(/^P1 was made to last longer/),
  ]);
});

const grown = changed({ what: 'grow-role', when: 'active' }, 1000, 'look-0');

test('a grant whose role has grown ends within 35 s of it, or of the last fault', () => {
  expect(judged({ changes: [grown], made: [span(500, 36_000)] }).texts).toEqual([]);
  expect(judged({ changes: [grown], made: [span(500, 36_200)] }).texts).toEqual([
    expect.stringMatching(/^P4 was in force/),
  ]);
  const faults = [{ from: 8000, to: 12_000 }];
  expect(judged({ changes: [grown], made: [span(500, 46_900)], faults }).texts).toEqual([]);
  expect(judged({ changes: [grown], made: [span(500, 47_100)], faults }).texts).toHaveLength(1);
});

test('but one whose profile says that it may grow goes on', () => {
  const of = { changes: [grown], slot: 3, made: [span(500, 60_500)] };
  expect(judged(of).texts).toEqual([]);
  const said = [
    { at: 2000, id: ID, standing: 'failed', text: 'look-3 allows more than was approved', inMessage: true },
  ];
  expect(judged({ ...of, said: said as Said[] }).texts).toHaveLength(1);
});
