/** One subcommand of `npm run policy`. A new one is a file of its own and a line in ../policy.ts. */
export interface Subcommand {
  /** One line for the list of subcommands. */
  readonly summary: string;
  /** Usage, options and an example. */
  readonly help: string;
  /**
   * Runs with the arguments after its name.
   * @returns the exit code: 0 all well, 1 the policy is bad or the answer is no
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
