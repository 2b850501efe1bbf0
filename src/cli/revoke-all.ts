import { environment, terminal } from './command.ts';
import { runReaper } from './reaper.ts';

process.exitCode = await runReaper(true, process.argv.slice(2), terminal, environment());
