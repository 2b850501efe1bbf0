import { existsSync } from 'node:fs';
import { nearest } from '../domain/nearest.ts';

/** One subcommand of a program such as `npm run policy`. A new one is a file of its own and a line in the program's. */
export interface Subcommand {
  /** One line for the list of subcommands. */
  readonly summary: string;
  /** Usage, options and an example. */
  readonly help: string;
  /**
   * Runs with the arguments after its name.
   * @returns the exit code: 0 all well, 1 what was asked about is bad or the answer is no
   * @throws UsageError for arguments that make no sense (exit code 2)
   */
  run(args: readonly string[], out: Output): Promise<number>;
}

export interface Output {
  print(text: string): void;
  complain(text: string): void;
}

/** Arguments that make no sense; the message says what is expected. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** Runs a parser of node:util; its errors become usage errors, without their advice on dashes. */
export function usage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(message.replace(/\.(?: To | This |\n).*/s, ''));
  }
}

/**
 * Runs `npm run COMMAND`. `--help` among the arguments prints the help alone; a usage error is told in few words that lead to it.
 * @param command what is typed between `npm run` and the arguments: `reap --`, or `policy -- check`
 * @returns the exit code: that of `run`, or 2 (wrong arguments)
 */
export async function runCommand(
  { command, help, argv, out }: { command: string; help: string; argv: readonly string[]; out: Output },
  run: () => Promise<number>,
): Promise<number> {
  if (argv.includes('--help') || argv.includes('-h')) {
    out.print(help);
    return 0;
  }
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const { message } = error;
    out.complain(`${message}${message.includes('\n') ? '\n' : '; '}npm run ${command} --help says more`);
    return 2;
  }
}

/** Runs `npm run PROGRAM -- SUBCOMMAND …`. @returns the exit code: that of the subcommand, or 2 (wrong arguments) */
export function runProgram(
  program: string,
  subcommands: Readonly<Record<string, Subcommand>>,
  argv: readonly string[],
  out: Output,
): Promise<number> {
  const [name = '', ...args] = argv;
  if (Object.hasOwn(subcommands, name)) {
    const subcommand = subcommands[name] as Subcommand;
    const command = `${program} -- ${name}`;
    return runCommand({ command, help: subcommand.help, argv: args, out }, () => subcommand.run(args, out));
  }
  const help = [
    `Usage: npm run ${program} -- SUBCOMMAND [arguments]`,
    '',
    ...Object.entries(subcommands).map(([each, { summary }]) => `  ${each.padEnd(12)}${summary}`),
    '',
    `npm run ${program} -- SUBCOMMAND --help says more.`,
  ].join('\n');
  return runCommand({ command: `${program} --`, help, argv: name === 'help' ? ['--help'] : argv, out }, async () => {
    const names = Object.keys(subcommands);
    if (name === '') throw new UsageError(`expected a subcommand: ${names.join(', ')}`);
    const near = nearest(name, names);
    throw new UsageError(`unknown subcommand '${name}'${near === null ? '' : `, did you mean '${near}'?`}`);
  });
}

/** The environment, and beneath it what the file `.env` of the working directory says, if there is one. */
export function environment(): NodeJS.ProcessEnv {
  if (existsSync('.env')) process.loadEnvFile('.env');
  return process.env;
}

export const terminal: Output = { print: (text) => console.log(text), complain: (text) => console.error(text) };
