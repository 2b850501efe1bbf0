import { expect } from 'vitest';
import type { Bot } from '../../src/sandbox/bot.ts';
import type { Ended } from '../../src/sandbox/supervise.ts';

/** Ends a bot as Kubernetes does; answers how long it took. */
export async function terminate(bot: Bot): Promise<number> {
  const begun = performance.now();
  process.kill(bot.pid, 'SIGTERM');
  expect((await bot.exited) as Ended, `how ${bot.name} ended`).toEqual({ code: 0, signal: null });
  return performance.now() - begun;
}
