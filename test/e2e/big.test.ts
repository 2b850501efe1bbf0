import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { liveIn } from '../bench/big.ts';
import { onStage } from '../bench/stage.ts';

/** What a bot does not survive that holds a list, or a page of 500 pods, whole; `npm run bench -- cluster` has more pods. */
const SIZE = { pods: 1500, large: 100, namespaces: 2000, workloads: 5000 };

const mayLimit = process.getuid?.() === 0 && existsSync('/sys/fs/cgroup');
const why = 'SKIPPED a big cluster: only root may make the memory cgroup';
if (!mayLimit && !process.env['CI']) console.warn(why);

it.skipIf(!mayLimit && !process.env['CI'])(
  'in a cluster of 2,000 namespaces and 5,000 workloads in one, with 100 pods as large as can be, under the memory limit of the chart, everything is planned, given and ended',
  async () => {
    if (!mayLimit) throw new Error(why);
    const { peak, limit, alive } = await onStage({ say: () => {}, namespaces: 0 }, (stage) =>
      liveIn(stage, SIZE, { say: () => {}, settle: false, previews: 1 }),
    );
    expect(alive).toBe(true);
    expect(peak).toBeLessThan(limit);
  },
  500_000,
);
