import { type Output, UsageError } from '../command.ts';

/** `-o text|json`, of a command that people and programs read. */
export const OUTPUT = { output: { type: 'string', short: 'o', default: 'text' } } as const;

/** @throws UsageError for another word than `text` and `json` */
export function isJson(output: string): boolean {
  if (output !== 'text' && output !== 'json') throw new UsageError('-o: expected text or json');
  return output === 'json';
}

/** What programs read: a later form of it has another version. */
export function printJson(out: Output, answer: object): void {
  out.print(JSON.stringify({ version: 1, ...answer }, null, 2));
}

/** Says why there is no answer. @returns the exit code */
export function unanswered(out: Output, asJson: boolean, problems: readonly string[]): 2 {
  if (asJson) printJson(out, { problems });
  else for (const line of bounded(problems)) out.complain(line);
  return 2;
}

/** So many lines of one kind are printed for people; programs get them all. */
const MOST_LINES = 200;

/** The first of many lines, and how many there are beside them. */
export function bounded(lines: readonly string[]): string[] {
  const more = lines.length - MOST_LINES;
  return more <= 0 ? [...lines] : [...lines.slice(0, MOST_LINES), `… and ${more} more (-o json has them all)`];
}
