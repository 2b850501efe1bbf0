import { setTimeout as sleep } from 'node:timers/promises';
import { median, ms, type Row } from './figures.ts';
import { openMaker } from './live-grants.ts';
import { memoryOf, mib } from './memory.ts';
import { type BenchStage, onStage } from './stage.ts';

const GRANTS = Number(process.env['BENCH_GRANTS'] ?? 100_000);
const LIVE = Math.min(1000, GRANTS / 10);
const AIM_MS = 5000;
/** Of the bundled bot by the unbundled one. */
const AIM_BUNDLED = 0.6;
const PAIRS = 5;
const AIM_EMPTY = 110 * 2 ** 20;
const AIM_BYTES = 1024;
/** Until memory is looked at: two reconciles, and whatever the collector does. Milliseconds. */
const SETTLE = 60_000;

/** How long the bot takes to be ready, and how much memory it takes, with many grants scheduled and none due. */
export const start: Row = {
  name: 'start',
  about: `${GRANTS} scheduled grants, none due: spawn -> ready, and memory; bundled and not`,
  run: (say) =>
    onStage({ say }, async (stage) => {
      const pairs: Pair[] = [];
      for (let pair = 1; pair <= PAIRS; pair++) {
        pairs.push({ bundled: await startOnce(stage, false), unbundled: await startOnce(stage, true) });
        const { bundled, unbundled } = pairs.at(-1) as Pair;
        say(`start: pair ${pair}: bundled ${ms(bundled)}, unbundled ${ms(unbundled)}`);
      }
      const ratios = pairs.map(({ bundled, unbundled }) => bundled / unbundled);
      const empty = await startAndSettle(stage);
      say(`start: with an empty Redis ready after ${ms(empty.readyAfter)}, ${mib(empty.settled)}`);
      const maker = await openMaker(stage);
      const began = performance.now();
      await maker.live(LIVE, 7 * 3600);
      await maker.pending(GRANTS - LIVE, 7 * 86_400);
      await maker.close();
      say(`start: ${GRANTS} grants made in ${ms(performance.now() - began)}`);
      // What Kubernetes does with a thousand new Jobs is over then.
      await sleep(SETTLE);
      const full = await startAndSettle(stage);
      const perGrant = (full.settled - empty.settled) / GRANTS;
      const inputs = `${GRANTS} in Redis, none due: ${GRANTS - LIVE} requests that wait, each with its timeout job, and ${LIVE} active grants with all objects and jobs; Kubernetes ${stage.kubernetes}`;
      return [
        {
          what: 'start, bundled',
          inputs: `empty Redis; ${PAIRS} alternating pairs`,
          ours: ms(median(pairs.map(({ bundled }) => bundled))),
          baseline: `${ms(median(pairs.map(({ unbundled }) => unbundled)))} (src/main.ts)`,
          ratio: median(ratios),
          aim: `<= ${AIM_BUNDLED}x`,
          met: median(ratios) <= AIM_BUNDLED,
          note: `from ${Math.min(...ratios).toFixed(2)}x to ${Math.max(...ratios).toFixed(2)}x`,
        },
        {
          what: 'memory, empty',
          inputs: `empty Redis; resident memory ${SETTLE / 1000} s after ready`,
          ours: mib(empty.settled),
          baseline: '',
          ratio: null,
          aim: `<= ${mib(AIM_EMPTY)}`,
          met: empty.settled <= AIM_EMPTY,
          note: `just after ready it was ${mib(empty.atReady)}, at its peak ${mib(empty.peak)}`,
        },
        {
          what: 'start -> ready',
          inputs,
          ours: ms(full.readyAfter),
          baseline: `${ms(empty.readyAfter)} (the same bot, empty Redis)`,
          ratio: full.readyAfter / empty.readyAfter,
          aim: `<= ${AIM_MS / 1000} s`,
          met: full.readyAfter <= AIM_MS,
        },
        {
          what: 'memory by grant',
          inputs: `the same; resident memory ${SETTLE / 1000} s after ready, less that of the bot with an empty Redis`,
          ours: `${Math.round(perGrant)} bytes (${mib(full.settled)})`,
          baseline: `${mib(empty.settled)} (empty Redis)`,
          ratio: full.settled / empty.settled,
          aim: `<= ${AIM_BYTES} bytes`,
          met: perGrant <= AIM_BYTES,
          note: `just after ready it was ${mib(full.atReady)}, at its peak ${mib(full.peak)}`,
        },
      ];
    }),
};

/** Milliseconds from spawn to ready. */
interface Pair {
  readonly bundled: number;
  readonly unbundled: number;
}

async function startOnce(stage: BenchStage, unbundled: boolean): Promise<number> {
  const { bot, readyAfter } = await stage.startBot({}, undefined, unbundled);
  await bot.stop();
  return readyAfter;
}

interface Started {
  readonly readyAfter: number;
  /** Bytes of resident memory. */
  readonly atReady: number;
  readonly settled: number;
  readonly peak: number;
}

async function startAndSettle(stage: BenchStage): Promise<Started> {
  const { bot, readyAfter } = await stage.startBot();
  const atReady = await memoryOf(bot.pid, 'VmRSS');
  await sleep(SETTLE);
  const [settled, peak] = [await memoryOf(bot.pid, 'VmRSS'), await memoryOf(bot.pid, 'VmHWM')];
  await bot.stop();
  return { readyAfter, atReady, settled, peak };
}
