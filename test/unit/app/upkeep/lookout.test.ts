import { expect, test } from 'vitest';
import { createLookout } from '../../../../src/app/upkeep/lookout.ts';

/** Replicas that share the spans of time. */
function replicas() {
  let span = 0;
  const taken = new Set<number>();
  const claim = async () => {
    if (taken.has(span)) return false;
    taken.add(span);
    return true;
  };
  return {
    replica: (work: () => Promise<void>) => createLookout({ claim, work }),
    next() {
      span += 1;
    },
  };
}
const counting = () => {
  const count = { looks: 0 };
  return { count, work: async () => void (count.looks += 1) };
};

test('one of two replicas looks in each span of time', async () => {
  const { replica, next } = replicas();
  const [a, b] = [counting(), counting()];
  const both = [a, b].map(({ work }) => replica(work));
  await Promise.all(both.map((one) => one.look()));
  for (let span = 1; span <= 3; span++) {
    next();
    for (const one of both) await one.turn();
  }
  expect(a.count.looks + b.count.looks).toBe(2 + 3);
});

test('a replica that can not look takes no turn from the others, and tries again by itself', async () => {
  const { replica, next } = replicas();
  const good = counting();
  let isCutOff = false;
  let looks = 0;
  const cutOff = replica(async () => {
    if (isCutOff) throw new Error('the cluster does not answer');
    looks += 1;
  });
  const other = replica(good.work);
  await cutOff.look();
  await other.look();
  isCutOff = true;
  next();
  await expect(cutOff.turn()).rejects.toThrow('does not answer');
  for (let span = 1; span <= 3; span++) {
    next();
    await expect(cutOff.turn()).rejects.toThrow('does not answer');
    await other.turn();
  }
  expect(good.count.looks).toBe(1 + 3);
  isCutOff = false;
  await cutOff.turn();
  expect(looks).toBe(2);
});

test('nor does one that still looks; it does not look twice at once', async () => {
  const { replica, next } = replicas();
  const good = counting();
  const { promise, resolve } = Promise.withResolvers<void>();
  let begun = 0;
  const slow = replica(() => {
    begun += 1;
    return promise;
  });
  const other = replica(good.work);
  await other.look();
  const first = slow.look();
  next();
  await slow.turn();
  await other.turn();
  expect([begun, good.count.looks]).toEqual([1, 2]);
  expect(slow.hasLooked).toBe(false);
  resolve();
  await first;
  expect(slow.hasLooked).toBe(true);
});

test('nor does one that has never looked', async () => {
  const { replica } = replicas();
  const [first, other] = [counting(), counting()];
  await replica(first.work).turn();
  const { look, turn } = replica(other.work);
  await look();
  await turn();
  expect([first.count.looks, other.count.looks]).toEqual([1, 2]);
});
