import { expect, test } from 'vitest';
import { climateOf, drawBatch } from '../../chaos/histories.ts';

const FOUR = [0, 1, 2, 3];

test('of four batches two live in the unforgiving world, whatever the seed', () => {
  for (let seed = 0; seed < 100; seed++)
    for (const first of [0, 4, 8])
      expect(FOUR.filter((index) => climateOf(seed, first + index) === 'unforgiving')).toHaveLength(2);
});

test('each of the four does in some seeds, so that the one without faults does too', () => {
  for (const index of FOUR) {
    const climates = new Set(Array.from({ length: 100 }, (_, seed) => climateOf(seed, index)));
    expect([...climates].toSorted()).toEqual(['mild', 'unforgiving']);
  }
});

test('the same seed draws the same', () => {
  expect(drawBatch(3, 5, 4)).toEqual(drawBatch(3, 5, 4));
  expect(drawBatch(3, 5, 4).climate).toBe(climateOf(3, 5));
});
