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
