import { parseArgs } from 'node:util';
import { ack } from './ack.ts';
import { approve } from './approve.ts';
import { memory } from './big.ts';
import { expiry } from './expiry.ts';
import { type Figure, machine, type Row, table } from './figures.ts';
import { idle } from './idle.ts';
import { leases } from './leases.ts';
import { mass } from './mass.ts';
import { network } from './network.ts';
import { poll } from './poll.ts';
import { slack } from './slack.ts';
import { start } from './start.ts';

/* `npm run bench [-- NAME...]`: the performance table. Exit code: 0 measured, whatever the figures; 1 a row could not be; 2 wrong arguments. */

const ROWS: readonly Row[] = [approve, expiry, mass, ack, start, idle, leases, poll, network, slack, memory];
const HELP = `Usage: npm run bench [-- NAME...]

Measures on real parts, each row on a control plane, Redis, Slack and bot of its own, and prints one table. Without a name: all rows but node.

${ROWS.map(({ name, about }) => `  ${name.padEnd(8)} ${about}`).join('\n')}
  node     from Approve to a shell and from expiry to the last packet, on a real node (Linux, as root); node [RUNS], a table of its own

BENCH_CPU_PROFILE=DIR leaves profiles of the bots there.`;

const say = (line: string) => process.stderr.write(`${line}\n`);

async function measure(rows: readonly Row[]): Promise<boolean> {
  console.log(`machine: ${machine()}`);
  const figures: Figure[] = [];
  const failed: string[] = [];
  for (const row of rows) {
    const began = performance.now();
    const seconds = () => `${((performance.now() - began) / 1000).toFixed(0)} s`;
    say(`${row.name}: ${row.about}`);
    try {
      figures.push(...(await row.run(say)));
      say(`${row.name}: done after ${seconds()}`);
    } catch (error) {
      say(
        `${row.name}: failed after ${seconds()}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
      failed.push(row.name);
    }
  }
  console.log(`\n${table(figures)}`);
  if (failed.length > 0) console.log(`\nnot measured: ${failed.join(', ')}`);
  console.log(`\nat the end: ${machine()}`);
  return failed.length === 0;
}

const { values, positionals } = parseArgs({
  options: { help: { type: 'boolean', short: 'h', default: false } },
  allowPositionals: true,
});
const unknown = positionals.filter((name) => !ROWS.some((row) => row.name === name));
if (values.help) console.log(HELP);
else if (positionals[0] === 'node') await import('./node.ts');
else if (unknown.length > 0) {
  console.error(`There is no row '${unknown.join("', '")}'.\n\n${HELP}`);
  process.exitCode = 2;
} else {
  const isMeasured = await measure(
    positionals.length === 0 ? ROWS : ROWS.filter(({ name }) => positionals.includes(name)),
  );
  process.exitCode = isMeasured ? 0 : 1;
}
