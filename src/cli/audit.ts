import { exportAudit } from './audit/export.ts';
import { verify } from './audit/verify.ts';
import { environment, type Output, runProgram, terminal } from './command.ts';

/** Runs `npm run audit -- …`. @returns the exit code: 0, 1 (something is wrong with the audit), 2 (wrong arguments or settings), 3 (Redis) */
export function runAuditCli(argv: readonly string[], out: Output, env: NodeJS.ProcessEnv): Promise<number> {
  return runProgram('audit', { verify: verify(env), export: exportAudit(env) }, argv, out);
}

if (import.meta.main) {
  // Whoever reads only the beginning of an export has closed the pipe.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  process.exitCode = await runAuditCli(process.argv.slice(2), terminal, environment());
}
