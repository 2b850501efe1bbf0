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

test('a third of the histories has two clusters, with people in both, and what breaks is mostly one cluster’s alone', () => {
  const batches = Array.from({ length: 60 }, (_, index) => drawBatch(3, index, 13));
  const two = batches.filter(({ clusters }) => clusters === 2);
  expect(two).toHaveLength(20);
  const sides = new Set(two.flatMap(({ histories }) => histories.map(({ cluster }) => cluster)));
  expect(sides).toEqual(new Set(['eu', 'us']));
  const ofApi = two.flatMap(({ faults }) => faults.filter(({ fault }) => fault.kind.startsWith('api-')));
  const oneSided = ofApi.filter(({ fault }) => 'side' in fault).length;
  expect(oneSided / ofApi.length).toBeGreaterThan(0.6);
  for (const { histories, faults } of batches.filter(({ clusters }) => clusters === 1)) {
    expect(histories.every(({ cluster }) => cluster === null)).toBe(true);
    expect(faults.some(({ fault }) => 'side' in fault)).toBe(false);
  }
});

test('each kind of grant is drawn, and the changes under requests stay where their objects are', () => {
  const histories = Array.from({ length: 60 }, (_, index) => drawBatch(3, index, 13)).flatMap((one) => one.histories);
  const profiles = new Set(histories.map(({ profile }) => profile));
  for (const name of ['everywhere', 'everywhere-token', 'node', 'node-token', 'config'])
    expect(profiles).toContain(name);
  for (const { change, cluster } of histories) if (change !== null) expect([null, 'eu']).toContain(cluster);
});
