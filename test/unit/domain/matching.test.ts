import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assign } from '../../../src/domain/matching.ts';

/** The most places that can be filled, by trying everything: each person in turn takes one of their groups, or none. */
function mostFilled(groups: readonly number[], people: readonly ReadonlySet<number>[], from = 0): number {
  const who = people[from];
  if (who === undefined) return 0;
  const ways = [...who].filter((group) => (groups[group] ?? 0) > 0);
  return Math.max(
    mostFilled(groups, people, from + 1),
    ...ways.map((group) => 1 + mostFilled(groups.with(group, (groups[group] ?? 0) - 1), people, from + 1)),
  );
}

const shapes = fc
  .array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 })
  .chain((groups) =>
    fc.tuple(
      fc.constant(groups),
      fc.array(fc.uniqueArray(fc.integer({ min: 0, max: groups.length - 1 })), { maxLength: 6 }),
    ),
  )
  .map(([groups, people]) => ({ groups, people: people.map((of) => new Set(of)) }));

describe('people in places', () => {
  test('as many as any way of placing them gives, each in one place that they may have', () => {
    fc.assert(
      fc.property(shapes, ({ groups, people }) => {
        const placed = assign(groups, people);
        expect(new Set(placed.flat()).size).toBe(placed.flat().length);
        for (const [group, who] of placed.entries()) {
          expect(who.length).toBeLessThanOrEqual(groups[group] ?? 0);
          for (const person of who) expect(people[person]?.has(group)).toBe(true);
        }
        expect(placed.flat().length).toBe(mostFilled(groups, people));
      }),
      { numRuns: 500 },
    );
  });

  test('the earlier groups are filled as far as they could be alone', () => {
    fc.assert(
      fc.property(shapes, ({ groups, people }) => {
        const placed = assign(groups, people);
        for (const [index] of groups.entries()) {
          const earlier = groups.slice(0, index + 1);
          const among = people.map((may) => new Set([...may].filter((group) => group <= index)));
          expect(placed.slice(0, index + 1).flat().length).toBe(mostFilled(earlier, among));
        }
      }),
      { numRuns: 300 },
    );
  });

  test('somebody is moved to another place where that lets one more in', () => {
    expect(assign([1, 1], [new Set([0, 1]), new Set([0])])).toEqual([[1], [0]]);
    expect(assign([1, 1, 1], [new Set([0, 1]), new Set([1, 2]), new Set([0])])).toEqual([[2], [0], [1]]);
  });
});
