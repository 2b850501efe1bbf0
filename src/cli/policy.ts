import { nearest } from '../domain/nearest.ts';
import { check } from './policy/check.ts';
import { type Output, type Subcommand, UsageError } from './policy/command.ts';
import { connections } from './policy/connections.ts';
import { explain } from './policy/explain.ts';
import { reach } from './policy/reach.ts';

const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = { check, explain, reach, connections };

const HELP = () =>
  [
    'Usage: npm run policy -- SUBCOMMAND [arguments]',
    '',
    ...Object.entries(SUBCOMMANDS).map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`),
    '',
    'npm run policy -- SUBCOMMAND --help says more.',
  ].join('\n');

/** Runs `npm run policy -- …`. @returns the exit code: 0, 1 (a bad policy, or the answer is no) or 2 (wrong arguments) */
export async function runPolicyCli(argv: readonly string[], out: Output): Promise<number> {
  const [name, ...args] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    if (name !== undefined) out.print(HELP());
    else out.complain(HELP());
    return name === undefined ? 2 : 0;
  }
  const subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
  if (subcommand === undefined) {
    const near = nearest(name, Object.keys(SUBCOMMANDS));
    out.complain(`unknown subcommand '${name}'${near === null ? '' : `, did you mean '${near}'?`}\n\n${HELP()}`);
    return 2;
  }
  if (args.includes('--help') || args.includes('-h')) {
    out.print(subcommand.help);
    return 0;
  }
  try {
    return await subcommand.run(args, out);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    out.complain(`${error.message}\n\n${subcommand.help}`);
    return 2;
  }
}

if (import.meta.main)
  process.exitCode = await runPolicyCli(process.argv.slice(2), {
    print: (text) => console.log(text),
    complain: (text) => console.error(text),
  });
