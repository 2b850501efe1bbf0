import { defineConfig } from 'vitest/config';

const project = (name: string, options: Record<string, unknown> = {}) => ({
  test: { name, include: [`test/${name}/**/*.test.ts`], ...options },
});

/** Suites on real parts: each starts what is its own, and shares the run's control plane. */
const real = {
  globalSetup: ['test/support/cluster-setup.ts'],
  testTimeout: 120_000,
  hookTimeout: 240_000,
};

/** Suites that take both cores: beside another one they are late, and so is the other. */
const ALONE = ['test/e2e/big.test.ts', 'test/e2e/chaos.test.ts'];
const e2e = { ...real, testTimeout: 240_000 };

export default defineConfig({
  test: {
    reporters: ['default', './test/support/closing-line.ts'],
    // Two cores carry a control plane, a Redis and a Slack beside the suites.
    maxWorkers: 2,
    projects: [
      // Properties take their time beside other work. Files share their modules: to load them anew for each took half of the time.
      project('unit', { testTimeout: 20_000, isolate: false }),
      project('contract', { testTimeout: 30_000 }),
      project('e2e', { ...e2e, exclude: ALONE }),
      // They wait for the API server half of the time.
      project('integration', { ...real, maxWorkers: 3, sequence: { groupOrder: 1 } }),
      { test: { ...e2e, name: 'alone', include: ALONE, maxWorkers: 1, sequence: { groupOrder: 2 } } },
    ],
  },
});
