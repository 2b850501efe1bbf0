import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { runCommand, terminal, UsageError, usage } from '../../src/cli/command.ts';
import { CONTROL_PLANE, ensureBinaries } from '../../src/sandbox/cluster/binaries.ts';
import { type ControlPlane, startControlPlane } from '../../src/sandbox/cluster/control-plane.ts';
import { startChurn } from '../support/churn.ts';
import { AUDIT_RULES } from './audit-log.ts';
import { type Ran, runBatch } from './batch.ts';
import { PLANTS, type Plant } from './crash-points.ts';
import { type Batch, drawBatch, drawPlanted } from './histories.ts';
import { type Installation, install } from './installation.ts';
import { judge, type Verdict, type Violation } from './judge.ts';
import { readOwnAudit } from './own-audit.ts';
import { createReport } from './report.ts';
import { openPlaces } from './sides.ts';

/**
 * npm run chaos -- [--histories N] [--seed S] [--batch B] [--worlds W] [--size N] [--plant FAULT]
 *
 * Random histories on real parts, judged by the API server's audit log. Exit code 0: no promise was broken, 1: one was, or it could not run.
 * With --plant a fault is put into the bot, in histories that are drawn to provoke it; a run that does not catch it has failed.
 */
/** Batches after which an installation is made anew: what its Slack holds grows, and with it the time for each click. */
const BATCHES = 4;
const HELP = `Usage: npm run chaos -- [options]
  --histories N  how many (default 50)
  --size N       of them in a batch that shares an installation and its faults (default 13; fewer for a busy machine, which else hears few)
  --seed S       the same seed draws the same steps (default: of the clock)
  --batch B      only this batch of the seed, as a failure names it
  --worlds W     installations side by side (default 2)
  --plant FAULT  break the bot on purpose, and see it caught: ${Object.keys(PLANTS).join(', ')}, or all`;

/** @throws UsageError that says what is allowed */
function optionsOf(args: readonly string[]) {
  const { values } = usage(() =>
    parseArgs({
      args: [...args],
      options: {
        histories: { type: 'string', default: '50' },
        seed: { type: 'string', default: String(Date.now() % 1_000_000) },
        batch: { type: 'string' },
        worlds: { type: 'string', default: '2' },
        size: { type: 'string', default: '13' },
        plant: { type: 'string' },
      },
    }),
  );
  const whole = (name: 'histories' | 'seed' | 'batch' | 'worlds' | 'size', least: number): number => {
    const number = Number(values[name]);
    if (Number.isSafeInteger(number) && number >= least) return number;
    throw new UsageError(`--${name} ${values[name]}: expected a whole number, ${least} or more`);
  };
  const known = Object.keys(PLANTS) as Plant[];
  const plants = values.plant === 'all' ? known : known.filter((one) => one === values.plant);
  if (values.plant !== undefined && plants.length === 0)
    throw new UsageError(`--plant ${values.plant}: expected all, or one of ${known.join(', ')}`);
  return {
    seed: whole('seed', 0),
    histories: whole('histories', 1),
    worlds: whole('worlds', 1),
    size: whole('size', 1),
    batch: values.batch === undefined ? null : whole('batch', 0),
    plants,
  };
}

const say = (line: string) => process.stdout.write(`${line}\n`);
const log = (line: string) => process.stderr.write(`${line}\n`);

/** What Redis holds of a grant: no witness, but the first thing that somebody who looks for the cause wants to see. */
async function recordOf({ redis }: Installation, id: string): Promise<string[]> {
  try {
    const keys = id === '' ? [] : await redis.keys(`*${id}*`);
    return await Promise.all(
      keys.map(async (key) => {
        const kind = await redis.type(key);
        const value =
          kind === 'string' ? await redis.get(key) : kind === 'hash' ? JSON.stringify(await redis.hgetall(key)) : kind;
        return `Redis: ${key} ${/"state":"[a-z-]+"/.exec(value ?? '')?.[0] ?? (value ?? '').slice(0, 300)} expires in ${await redis.ttl(key)} s`;
      }),
    );
  } catch (error) {
    return [`Redis: ${String(error)}`];
  }
}

type Clusters = readonly [ControlPlane, ...ControlPlane[]];

/** Works through the batches on installations side by side. */
async function run(
  clusters: Clusters,
  plant: Plant | null,
  batches: readonly Batch[],
  worlds: number,
): Promise<{ readonly violations: readonly Violation[]; readonly table: string }> {
  /** Batches of one kind share installations. */
  const queues = [...Map.groupBy(batches, ({ climate, clusters: number }) => `${climate} ${number}`).values()];
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  const report = createReport();
  const violations: Violation[] = [];
  const [cluster] = clusters;
  const places = await openPlaces(clusters);
  const busy = `busy-${randomBytes(3).toString('hex')}`;
  await cluster.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: busy } }]);
  // Without it no pod is admitted.
  await cluster.kubectl(['wait', '--for=create', 'serviceaccount/default', '-n', busy, '--timeout=30s']);
  const churn = await startChurn(cluster.adminKubeconfig, [busy], { pause: 1000 });
  const work = async () => {
    for (let queue = queues.shift(); queue !== undefined; queue = queues.shift()) {
      const taken = queue.splice(0, BATCHES);
      // Each kind in its turn.
      if (queue.length > 0) queues.push(queue);
      const [first] = taken;
      if (first === undefined) continue;
      const those = first.clusters === 2 ? clusters : ([cluster] as const);
      await workOn(await install({ clusters: those, plant, climate: first.climate, log }), taken);
    }
  };
  const workOn = async (on: Installation, taken: readonly Batch[]) => {
    try {
      for (const batch of taken) {
        const ran = await runBatch(on, places, batch);
        await places.read();
        on.slack.read();
        const verdict = judge(on, places, ran, await readOwnAudit(on));
        violations.push(...verdict.violations);
        report.add(ran, verdict);
        tell(batch, ran, verdict, seconds(), plant);
        for (const { promise, reason, text, evidence } of verdict.violations) {
          say(`VIOLATION of ${promise} in ${reason}: ${text}`);
          if (plant !== null) continue;
          for (const line of [...evidence, ...(await recordOf(on, /g-[a-z2-9]{6}/.exec(text)?.[0] ?? ''))])
            say(`    ${line}`);
        }
      }
    } finally {
      report.close(on);
      await on.stop();
    }
  };
  try {
    // One that fails leaves the others what they need until they are done.
    const worked = await Promise.allSettled(Array.from({ length: Math.min(worlds, batches.length) }, work));
    for (const one of worked) if (one.status === 'rejected') throw one.reason;
  } finally {
    report.churned(churn.rounds);
    await churn.stop();
    await places.close();
  }
  return { violations, table: report.table(seconds()) };
}

/** One line a batch. */
function tell(batch: Batch, ran: Ran, verdict: Verdict, seconds: number, plant: Plant | null): void {
  const { requests, nudged } = ran;
  const ends = [...verdict.ends].map(([end, number]) => `${end} ${number}`).join(', ');
  say(
    `${seconds.toFixed(0)} s: ${plant === null ? '' : `${plant}: `}batch ${batch.name} (${batch.climate}${batch.clusters === 2 ? ', two clusters' : ''}): ${batch.histories.length} histories, ${verdict.granted} got access; ${requests.length} requests, ${verdict.grants} grants (${ends}), ${batch.faults.length} faults, ${verdict.violations.length} violations${nudged ? ' (a bot was started anew to look after what was left)' : ''}`,
  );
}

/** Each planted fault on an installation of its own. True: every one was caught, by the promise that it breaks. */
async function runPlanted(clusters: Clusters, plants: readonly Plant[], seed: number, worlds: number) {
  const queue = [...plants];
  const lines: string[] = [];
  let missed = 0;
  const work = async () => {
    for (let plant = queue.shift(); plant !== undefined; plant = queue.shift()) {
      const { violations } = await run(clusters, plant, [drawPlanted(plant, seed)], 1);
      const broken = violations.filter(({ promise }) => promise === PLANTS[plant]);
      if (broken.length === 0) missed += 1;
      lines.push(
        `planted ${plant}: ${broken.length > 0 ? `caught, ${broken.length} violations of ${PLANTS[plant]}` : 'NOT caught'}`,
      );
    }
  };
  await Promise.all(Array.from({ length: worlds }, work));
  for (const line of lines) say(line);
  return missed === 0;
}

/** The clusters of these batches: a second one only where one has it. */
async function startClusters(number: 1 | 2): Promise<Clusters> {
  const binaries = await ensureBinaries(CONTROL_PLANE, log);
  const start = () => startControlPlane({ binaries, log, auditRules: AUDIT_RULES });
  return number === 1 ? [await start()] : Promise.all([start(), start()]);
}

async function main({ seed, histories, worlds, size, batch, plants }: ReturnType<typeof optionsOf>): Promise<boolean> {
  const batches =
    plants.length > 0
      ? plants.map((plant) => drawPlanted(plant, seed))
      : batch === null
        ? Array.from({ length: Math.ceil(histories / size) }, (_, index) =>
            drawBatch(seed, index, Math.min(size, histories - index * size)),
          )
        : [drawBatch(seed, batch, size)];
  const clusters = await startClusters(batches.some((one) => one.clusters === 2) ? 2 : 1);
  try {
    if (plants.length > 0) return await runPlanted(clusters, plants, seed, worlds);
    say(
      `seed ${seed}: ${batches.reduce((sum, batch) => sum + batch.histories.length, 0)} histories in ${batches.length} batches, ${worlds} installations side by side`,
    );
    const { violations, table } = await run(clusters, null, batches, worlds);
    say(table);
    if (violations.length > 0) say(`again: npm run chaos -- --seed ${seed} --histories ${histories} --size ${size}`);
    return violations.length === 0;
  } finally {
    await Promise.all(clusters.map((cluster) => cluster.stop()));
  }
}

const argv = process.argv.slice(2);
process.exitCode = await runCommand({ command: 'chaos --', help: HELP, argv, out: terminal }, async () => {
  const options = optionsOf(argv);
  try {
    return (await main(options)) ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return 1;
  }
});
