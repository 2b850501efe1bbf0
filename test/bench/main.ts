import { parseArgs } from 'node:util';
import { runCommand, terminal, UsageError, usage } from '../../src/cli/command.ts';
import { ack } from './ack.ts';
import { approve } from './approve.ts';
import { cluster, largestCluster } from './big.ts';
import { drift } from './drift.ts';
import { expiry } from './expiry.ts';
import { type Figure, machine, ms, type Row, table } from './figures.ts';
import { idle } from './idle.ts';
import { leases } from './leases.ts';
import { mass } from './mass.ts';
import { network } from './network.ts';
import { slack } from './slack.ts';
import { takeStall } from './stalls.ts';
import { start } from './start.ts';

/* `npm run bench [-- NAME...]`: the performance table. Exit code: 0 measured, whatever the figures; 1 a row could not be; 2 wrong arguments. */

const ROWS: readonly Row[] = [approve, drift, expiry, mass, cluster, start, idle, ack, leases, network, slack];
/** Measured only when they are named. */
const NAMED: readonly Row[] = [largestCluster];
const LONGEST_STALL = 200;
const HELP = `Usage: npm run bench [-- NAME...]

Measures on real parts, each row on a control plane, Redis, Slack and bot of its own, and prints one table. Without a name: all rows that need not be named.

${[...ROWS, ...NAMED].map(({ name, about }) => `  ${name.padEnd(13)} ${about}`).join('\n')}
  node          from Approve to a shell and from expiry to the last packet, on a real node (Linux, as root); node [RUNS], a table of its own

BENCH_CPU_PROFILE=DIR leaves profiles of the bots there.`;

const say = (line: string) => process.stderr.write(`${line}\n`);

/** The longest time for which a bot was held up in any row. */
function stallOver(stalls: ReadonlyMap<string, number>): Figure[] {
  if (stalls.size === 0) return [];
  const longest = Math.max(...stalls.values());
  return [
    {
      what: 'stall, the longest of all rows',
      inputs: [...stalls.keys()].join(', '),
      ours: ms(longest),
      baseline: '',
      ratio: null,
      aim: `<= ${ms(LONGEST_STALL)}`,
      met: longest <= LONGEST_STALL,
      note: [...stalls].map(([row, stall]) => `${row} ${ms(stall)}`).join(', '),
    },
  ];
}

async function measure(rows: readonly Row[]): Promise<boolean> {
  console.log(`machine: ${machine()}`);
  const figures: Figure[] = [];
  const failed: string[] = [];
  const stalls = new Map<string, number>();
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
    const stall = takeStall();
    if (stall > 0) stalls.set(row.name, stall);
  }
  console.log(`\n${table([...figures, ...stallOver(stalls)])}`);
  if (failed.length > 0) console.log(`\nnot measured: ${failed.join(', ')}`);
  console.log(`\nat the end: ${machine()}`);
  return failed.length === 0;
}

const argv = process.argv.slice(2);
process.exitCode = await runCommand({ command: 'bench --', help: HELP, argv, out: terminal }, async () => {
  const { positionals } = usage(() => parseArgs({ allowPositionals: true, options: {} }));
  if (positionals[0] === 'node') {
    const [, runs = '11', ...rest] = positionals;
    if (!/^[1-9]\d*$/.test(runs) || rest.length > 0)
      throw new UsageError(`node ${[runs, ...rest].join(' ')}: expected how many runs, or nothing`);
    await import('./node.ts');
    return 0;
  }
  const all = [...ROWS, ...NAMED];
  const unknown = positionals.filter((name) => !all.some((row) => row.name === name));
  if (unknown.length > 0)
    throw new UsageError(
      `there is no row '${unknown.join("', '")}', rows are: ${all.map(({ name }) => name).join(', ')}, node`,
    );
  const rows = positionals.length === 0 ? ROWS : all.filter(({ name }) => positionals.includes(name));
  return (await measure(rows)) ? 0 : 1;
});
