import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { liveIn } from '../bench/big.ts';
import { onStage } from '../bench/stage.ts';

/** What a list that is kept whole does not survive; `npm run bench -- memory` has twice as much. */
const SIZE = { pods: 5000, namespaces: 200, workloads: 500 };

const mayLimit = process.getuid?.() === 0 && existsSync('/sys/fs/cgroup');
const why = 'SKIPPED a big cluster: only root may make the memory cgroup';
if (!mayLimit && !process.env['CI']) console.warn(why);

it.skipIf(!mayLimit && !process.env['CI'])(
  'in a cluster of 5,000 pods, under the memory limit of the chart, everything is planned, given and ended',
  async () => {
    if (!mayLimit) throw new Error(why);
    const { peak, limit, alive } = await onStage({ say: () => {}, namespaces: 0 }, (stage) =>
      liveIn(stage, SIZE, { say: () => {}, settle: false }),
    );
    expect(alive).toBe(true);
    expect(peak).toBeLessThan(limit);
  },
  300_000,
);
