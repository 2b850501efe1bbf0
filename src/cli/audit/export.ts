import { parseArgs } from 'node:util';
import { z } from 'zod';
import { DURATION_FORM, parseDuration } from '../../domain/duration.ts';
import { type Subcommand, UsageError, usage } from '../command.ts';
import { readChain, report, SETTINGS_HELP } from './chain.ts';
import { CSV_HEADER, csvRow } from './csv.ts';

const FORMATS = ['jsonl', 'csv'] as const;

export const exportAudit = (env: NodeJS.ProcessEnv): Subcommand => ({
  summary: 'prints the entries since a time, as JSON lines or CSV',
  help: `Usage: npm run --silent audit -- export --since TIME [--format ${FORMATS.join('|')}]

Prints the entries that are sound, and says on stderr what is wrong with the chain, as verify does.

  --since TIME   how long ago (${DURATION_FORM}), or a time: 2026-01-31T09:00:00Z
  --format       jsonl (default): the lines of the chain as they are; csv: one row an entry (RFC 4180). What a spreadsheet would take
                 for a formula begins with an apostrophe.

${SETTINGS_HELP}

Example: npm run --silent audit -- export --since 24h --format csv > audit.csv`,

  async run(args, out) {
    const { values } = usage(() =>
      parseArgs({
        args: [...args],
        options: { since: { type: 'string' }, format: { type: 'string', default: 'jsonl' } },
      }),
    );
    const since = sinceOf(values.since, Date.now());
    const format = FORMATS.find((name) => name === values.format);
    if (format === undefined) throw new UsageError(`--format ${values.format}: expected ${FORMATS.join(' or ')}`);
    if (format === 'csv') out.print(CSV_HEADER);
    const found = await readChain(env, out, [], (link, line) => {
      if (Date.parse(link.at) >= since) out.print(format === 'csv' ? csvRow(link) : line);
    });
    if ('exitCode' in found) return found.exitCode;
    const { exitCode, lines } = report(found);
    out.complain(lines.join('\n'));
    return exitCode;
  },
});

/** Milliseconds since the epoch. */
function sinceOf(text: string | undefined, now: number): number {
  if (text === undefined) throw new UsageError('expected --since');
  const ago = parseDuration(text);
  if (ago !== null) return now - ago * 1000;
  if (z.iso.datetime({ offset: true }).safeParse(text).success) return Date.parse(text);
  throw new UsageError(`--since ${text}: expected ${DURATION_FORM}; or a time such as 2026-01-31T09:00:00Z`);
}
