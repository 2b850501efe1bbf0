import { type Output, runProgram, terminal } from './command.ts';
import { check } from './policy/check.ts';
import { connections } from './policy/connections.ts';
import { diff } from './policy/diff.ts';
import { explain } from './policy/explain.ts';
import { reach } from './policy/reach.ts';
import { test } from './policy/test.ts';

/** Runs `npm run policy -- …`. @returns the exit code: 0, 1 (something is found, or the answer is no) or 2 (wrong arguments, or something can't be read) */
export function runPolicyCli(argv: readonly string[], out: Output): Promise<number> {
  return runProgram('policy', { check, explain, test, diff, reach, connections }, argv, out);
}

if (import.meta.main) process.exitCode = await runPolicyCli(process.argv.slice(2), terminal);
