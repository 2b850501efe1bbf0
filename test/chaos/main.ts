import { parseArgs } from 'node:util';
import { openApi } from '../../src/sandbox/cluster/api.ts';
import { CONTROL_PLANE, ensureBinaries } from '../../src/sandbox/cluster/binaries.ts';
import { startControlPlane } from '../../src/sandbox/cluster/control-plane.ts';
import { AUDIT_RULES, openAuditLog } from './audit-log.ts';
import { runBatch } from './batch.ts';
import { PLANTS, type Plant } from './crash-points.ts';
import { drawBatch } from './histories.ts';
import { type Installation, install } from './installation.ts';
import { judge, type Violation } from './judge.ts';
import { createReport } from './report.ts';

/**
 * npm run chaos -- [--histories N] [--seed S] [--batch B] [--worlds W] [--plant FAULT]
 *
 * Random histories on real parts, judged by the API server's audit log. Exit code 0: no promise was broken, 1: one was, or it could not run.
 * With --plant a fault is put into the bot, and a run that does not catch it has failed.
 */
/** Histories in a batch. */
const SIZE = 20;
const HELP = `Usage: npm run chaos -- [options]
  --histories N  how many (default 50), in batches of ${SIZE} that share an installation and its faults
  --seed S       the same seed draws the same steps (default: of the clock)
  --batch B      only this batch of the seed, as a failure names it
  --worlds W     installations side by side (default 2)
  --plant FAULT  break the bot on purpose, and see it caught: ${PLANTS.join(', ')}`;
const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '50' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    batch: { type: 'string' },
    worlds: { type: 'string', default: '2' },
    plant: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const whole = (name: 'histories' | 'seed' | 'batch' | 'worlds', least: number): number => {
  const number = Number(values[name]);
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw new Error(`--${name} takes a whole number, ${least} or more\n${HELP}`);
};
const say = (line: string) => process.stdout.write(`${line}\n`);

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

async function main(): Promise<boolean> {
  const seed = whole('seed', 0);
  const histories = whole('histories', 1);
  const plant = values.plant ?? null;
  if (plant !== null && !PLANTS.includes(plant as Plant))
    throw new Error(`there is no planted fault ${plant}\n${HELP}`);
  const count = Math.ceil(histories / SIZE);
  const queue =
    values.batch === undefined
      ? Array.from({ length: count }, (_, index) => drawBatch(seed, index, Math.min(SIZE, histories - index * SIZE)))
      : [drawBatch(seed, whole('batch', 0), SIZE)];
  const worlds = Math.min(whole('worlds', 1), queue.length);
  say(
    `seed ${seed}: ${queue.reduce((sum, batch) => sum + batch.histories.length, 0)} histories in ${queue.length} batches, ${worlds} installations side by side`,
  );

  const began = performance.now();
  const seconds = () => ((performance.now() - began) / 1000).toFixed(0);
  const log = (line: string) => process.stderr.write(`${line}\n`);
  const cluster = await startControlPlane({
    binaries: await ensureBinaries(CONTROL_PLANE, log),
    log,
    auditRules: AUDIT_RULES,
  });
  const report = createReport(seed, plant);
  const violations: Violation[] = [];
  const audit = await openAuditLog(cluster.auditLogPath);
  const admin = await openApi(cluster.adminKubeconfig);
  try {
    const work = async () => {
      const on = await install({ cluster, plant, log });
      try {
        for (let batch = queue.shift(); batch !== undefined; batch = queue.shift()) {
          const ran = await runBatch(on, audit, admin, batch);
          await audit.read();
          on.slack.read();
          const verdict = judge(on, audit, ran);
          violations.push(...verdict.violations);
          report.add(ran, verdict);
          say(
            `${seconds()} s: batch ${batch.name}: ${ran.requests.length} requests, ${verdict.grants} grants (${[...verdict.ends].map(([end, number]) => `${end} ${number}`).join(', ')}), ${batch.faults.length} faults, ${verdict.violations.length} violations${ran.nudged ? ' (a bot was started anew to look after what was left)' : ''}`,
          );
          for (const { promise, reason, text, evidence } of verdict.violations) {
            say(`VIOLATION of ${promise} in ${reason}: ${text}`);
            for (const line of [...evidence, ...(await recordOf(on, /g-[a-z2-9]{6}/.exec(text)?.[0] ?? ''))])
              say(`    ${line}`);
          }
        }
      } finally {
        report.close(on);
        await on.stop();
      }
    };
    await Promise.all(Array.from({ length: worlds }, work));
  } finally {
    admin.close();
    await audit.close();
    await cluster.stop();
  }
  say(report.table((performance.now() - began) / 1000));
  if (plant !== null) {
    say(
      violations.length > 0
        ? `planted ${plant}: caught, ${violations.length} violations`
        : `planted ${plant}: NOT caught`,
    );
    return violations.length > 0;
  }
  if (violations.length > 0) say(`again: npm run chaos -- --seed ${seed} --histories ${histories}`);
  return violations.length === 0;
}

if (values.help) say(HELP);
else
  process.exitCode = await main().then(
    (ok) => (ok ? 0 : 1),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      return 1;
    },
  );
