import { setTimeout as sleep } from 'node:timers/promises';
import { median, ms, PAIRS, type Row, ratioOf } from './figures.ts';
import { openMaker } from './live-grants.ts';
import { memoryOf, mib } from './memory.ts';
import { type BenchStage, onStage } from './stage.ts';

const GRANTS = Number(process.env['BENCH_GRANTS'] ?? 100_000);
/** Of the bundled bot by the one from its sources, and of one with many requests by one with none. */
const AIM_BUNDLED = 0.6;
const AIM_FULL = 1.8;
const AIM_EMPTY = 110 * 2 ** 20;
const AIM_BYTES = 512;
/** Until memory is looked at: two looks at all grants, and whatever the collector does. Milliseconds. */
const SETTLE = 60_000;

/** How long the bot takes to be ready, and how much memory it takes, with nothing to do and with many requests that wait. */
export const start: Row = {
  name: 'start',
  about: `${GRANTS} scheduled requests, none due: spawn -> ready, and memory; bundled and not`,
  run: (say) =>
    onStage({ say }, async (stage) => {
      // A database of Redis of its own, which stays empty.
      const nothing = { REDIS_URL: `${stage.world.redisUrl}/1` };
      const bundled = await inTurn(say, 'bundled, from its sources', [
        () => startOnce(stage, nothing),
        () => startOnce(stage, nothing, true),
      ]);
      const empty = await startAndSettle(stage, nothing);
      const maker = await openMaker(stage);
      const began = performance.now();
      await maker.pending(GRANTS, 7 * 86_400);
      await maker.close();
      say(`start: ${GRANTS} requests made in ${ms(performance.now() - began)}`);
      const full = await startAndSettle(stage);
      const filled = await inTurn(say, `${GRANTS} requests, none`, [
        () => startOnce(stage),
        () => startOnce(stage, nothing),
      ]);
      const bytes = (full.settled - empty.settled) / GRANTS;
      const [byBundle, byRequests] = [ratioOf(bundled), ratioOf(filled)];
      const requests = `${GRANTS} requests that wait in Redis, each with its timeout job, none due`;
      return [
        {
          what: 'start, bundled',
          inputs: `empty Redis; ${PAIRS} pairs in turn; Kubernetes ${stage.kubernetes}`,
          ours: ms(median(bundled.map(({ ours }) => ours))),
          baseline: `${ms(median(bundled.map(({ bare }) => bare)))} (src/main.ts)`,
          ratio: byBundle,
          aim: `<= ${AIM_BUNDLED}x`,
          met: byBundle.median <= AIM_BUNDLED,
        },
        {
          what: `start, ${GRANTS} scheduled`,
          inputs: `${requests}; ${PAIRS} pairs in turn`,
          ours: ms(median(filled.map(({ ours }) => ours))),
          baseline: `${ms(median(filled.map(({ bare }) => bare)))} (empty Redis)`,
          ratio: byRequests,
          aim: `<= ${AIM_FULL}x`,
          met: byRequests.median <= AIM_FULL,
        },
        {
          what: 'memory, empty',
          inputs: `empty Redis; resident ${SETTLE / 1000} s after ready`,
          ours: mib(empty.settled),
          baseline: '',
          ratio: null,
          aim: `<= ${mib(AIM_EMPTY)}`,
          met: empty.settled <= AIM_EMPTY,
          note: `just after ready it was ${mib(empty.atReady)}, at its peak ${mib(empty.peak)}`,
        },
        {
          what: 'memory, by waiting request',
          inputs: `${requests}; resident ${SETTLE / 1000} s after ready, less that with an empty Redis`,
          ours: `${Math.round(bytes)} bytes`,
          baseline: '',
          ratio: null,
          aim: `<= ${AIM_BYTES} bytes`,
          met: bytes <= AIM_BYTES,
          note: `${mib(full.settled)} in all; just after ready it was ${mib(full.atReady)}, at its peak ${mib(full.peak)}`,
        },
      ];
    }),
};

/** Starts two bots in turn, one at a time: milliseconds until they were ready, of each pair. */
async function inTurn(
  say: (line: string) => void,
  what: string,
  [ours, bare]: [() => Promise<number>, () => Promise<number>],
): Promise<{ ours: number; bare: number }[]> {
  const pairs: { ours: number; bare: number }[] = [];
  for (let pair = 1; pair <= PAIRS; pair++) {
    const one = { ours: await ours(), bare: await bare() };
    say(`start: ${what}: ${ms(one.ours)}, ${ms(one.bare)}`);
    pairs.push(one);
  }
  return pairs;
}

async function startOnce(stage: BenchStage, env: Record<string, string> = {}, unbundled = false): Promise<number> {
  const { bot, readyAfter } = await stage.startBot(env, undefined, unbundled);
  await bot.stop();
  return readyAfter;
}

/** Bytes of resident memory. */
interface Memory {
  readonly atReady: number;
  readonly settled: number;
  readonly peak: number;
}

async function startAndSettle(stage: BenchStage, env: Record<string, string> = {}): Promise<Memory> {
  const { bot } = await stage.startBot(env);
  const atReady = await memoryOf(bot.pid, 'VmRSS');
  await sleep(SETTLE);
  const [settled, peak] = [await memoryOf(bot.pid, 'VmRSS'), await memoryOf(bot.pid, 'VmHWM')];
  await bot.stop();
  return { atReady, settled, peak };
}
