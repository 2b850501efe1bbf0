import { expect, test } from 'vitest';
import { createIntern } from '../../../../src/adapters/kubernetes/projection.ts';

/** Of so many characters as JSON. */
const labels = (key: string, length: number) => ({ [key]: 'x'.repeat(length - JSON.stringify({ [key]: '' }).length) });

test('equal values become one, up to some length', () => {
  const intern = createIntern();
  const first = intern(labels('a', 4096));
  expect(intern(labels('a', 4096))).toBe(first);
  expect(intern(labels('b', 4096))).not.toBe(first);
  const longer = intern(labels('a', 4097));
  expect(intern(labels('a', 4097))).not.toBe(longer);
});

test('of ever new values no more than two million characters are remembered, however few they are', () => {
  const intern = createIntern();
  const first = intern(labels('first', 4096));
  for (let index = 1; index < 512; index++) intern(labels(`n-${index}`, 4096));
  expect(intern(labels('first', 4096))).toBe(first);
  const after = intern(labels('after', 4096));
  const again = intern(labels('first', 4096));
  expect(again).not.toBe(first);
  // They are counted from nothing again.
  expect(intern(labels('after', 4096))).toBe(after);
  expect(intern(labels('first', 4096))).toBe(again);
});
