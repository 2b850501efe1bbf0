import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { watchEventLoop } from '../../../../src/adapters/telemetry/event-loop.ts';

it('tells the longest time in which nothing else ran', async () => {
  const loop = watchEventLoop();
  onTestFinished(() => loop.stop());
  expect(loop.delay()).toEqual({ p90: 0, p99: 0, longest: 0 });
  await sleep(30);
  const end = performance.now() + 300;
  while (performance.now() < end);
  await expect.poll(() => loop.delay().longest).toBeGreaterThan(0.25);
  expect(loop.delay().p90).toBeLessThanOrEqual(loop.delay().p99);
  expect(loop.delay().p99).toBeLessThanOrEqual(loop.delay().longest);
});
