import type { Reporter, TestModule } from 'vitest/node';

/**
 * Prints the run's last line, in plain words: `tests: 12 passed, 0 failed, 1 skipped`. A file or suite that could not be set up
 * counts as one failure, beside its tests that were skipped for it.
 */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const count = { passed: 0, failed: errors.length, skipped: 0, pending: 0 };
    for (const module of modules) {
      for (const suite of [module, ...module.children.allSuites()]) if (suite.errors().length > 0) count.failed += 1;
      for (const test of module.children.allTests()) count[test.result().state] += 1;
    }
    const failed = count.failed + count.pending;
    process.on('exit', () =>
      process.stdout.write(`tests: ${count.passed} passed, ${failed} failed, ${count.skipped} skipped\n`),
    );
  }
}
