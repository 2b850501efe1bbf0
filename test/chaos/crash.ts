import { appendFileSync, readFileSync, rmSync } from 'node:fs';
import type { CrashPoint } from './crash-points.ts';

/** The file by which the harness tells this process where to kill itself; it is removed when that is done. */
const PLAN = process.env['CHAOS_CRASH'] ?? '';
export const PLANT = process.env['CHAOS_PLANT'] ?? '';

function planned(): CrashPoint | null {
  try {
    return JSON.parse(readFileSync(PLAN, 'utf8')) as CrashPoint;
  } catch {
    return null;
  }
}

function dieAt(write: string, when: CrashPoint['when']): void {
  const plan = planned();
  if (plan?.write !== write || plan.when !== when) return;
  rmSync(PLAN, { force: true });
  appendFileSync(`${PLAN}.done`, `${when} ${write}\n`);
  process.kill(process.pid, 'SIGKILL');
}

/** Runs a write; the process may die just before it, or when it has taken effect and before anybody here knows. */
export async function crashing<T>(write: string, work: () => Promise<T>): Promise<T> {
  dieAt(write, 'before');
  const result = await work();
  dieAt(write, 'after');
  return result;
}
