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

/** Runs a parser of node:util with its errors turned into usage errors. */
export function usage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Runs `npm run PROGRAM -- …`. @returns the exit code: that of the subcommand, or 2 (wrong arguments) */
export async function runProgram(
  program: string,
  subcommands: Readonly<Record<string, Subcommand>>,
  argv: readonly string[],
  out: Output,
): Promise<number> {
  const help = [
    `Usage: npm run ${program} -- SUBCOMMAND [arguments]`,
    '',
    ...Object.entries(subcommands).map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`),
    '',
    `npm run ${program} -- SUBCOMMAND --help says more.`,
  ].join('\n');
  const [name, ...args] = argv;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    if (name !== undefined) out.print(help);
    else out.complain(help);
    return name === undefined ? 2 : 0;
  }
  const subcommand = Object.hasOwn(subcommands, name) ? subcommands[name] : undefined;
  if (subcommand === undefined) {
    const near = nearest(name, Object.keys(subcommands));
    out.complain(`unknown subcommand '${name}'${near === null ? '' : `, did you mean '${near}'?`}\n\n${help}`);
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

export const terminal: Output = { print: (text) => console.log(text), complain: (text) => console.error(text) };
