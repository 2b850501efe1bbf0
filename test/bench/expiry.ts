import { setTimeout as sleep } from 'node:timers/promises';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import type { Grant } from '../../src/domain/grant/grant.ts';
import { chartLimit, makeMemoryCgroup } from '../support/memory-cgroup.ts';
import { untilAllowed, watchBindings } from './bindings.ts';
import { median, ms, PAIRS, quantile, type Row, ratioOf } from './figures.ts';
import { bindingOf, openMaker } from './live-grants.ts';
import { memoryOf, mib } from './memory.ts';
import { onStage } from './stage.ts';

const LIVE = Number(process.env['BENCH_LIVE'] ?? 10_000);
const ENDING = 100;
/** Persons who are asked for beside the watch. */
const SAMPLE = 5;
const AIM_MS = 200;
const AIM_RATIO = 1.5;
const AIM_PEAK = 256 * 2 ** 20;
/** From being ready until the first end: longer than from one look at all grants to the next. Milliseconds. */
const SETTLE = 45_000;

/** How late grants end that are due in the same second among many that are not, beside a bare delayed job. */
export const expiry: Row = {
  name: 'expiry',
  about: `${ENDING} of ${LIVE} live grants end in the same second: how late`,
  run: (say) =>
    onStage({ say }, async (stage) => {
      const maker = await openMaker(stage);
      const began = performance.now();
      const grants = await maker.live(LIVE, 4 * 3600);
      const making = performance.now() - began;
      say(`expiry: ${LIVE} grants made in ${ms(making)}`);
      const cgroup = await makeMemoryCgroup(await chartLimit());
      const { bot, readyAfter } = await stage.startBot({}, cgroup.procs);
      say(`expiry: the bot is ready after ${ms(readyAfter)}`);
      await sleep(SETTLE);
      const watch = await watchBindings(stage.admin);
      const [ours, reviewed, bare]: [number[], number[], number[]] = [[], [], []];
      const pairs: { ours: number; bare: number }[] = [];
      for (let round = 0; round < PAIRS; round += 1) {
        const calm = await bareLateness(stage.world.redisUrl, ENDING);
        bare.push(...calm);
        const ending = grants.slice(round * ENDING, (round + 1) * ENDING);
        const due = await maker.endTogether(ending);
        const asked = ending.slice(0, SAMPLE).map((grant) => untilAllowed(stage.admin, accessOf(grant), false, 10));
        await watch.untilGone(ending.map(bindingOf), 120_000);
        const late = ending.map((grant) => (watch.gone.get(bindingOf(grant)) ?? Number.NaN) - due);
        ours.push(...late);
        pairs.push({ ours: quantile(late, 0.99), bare: quantile(calm, 0.99) });
        reviewed.push(...(await Promise.all(asked)).map((at) => at - due));
        say(`expiry: round ${round + 1}: median ${ms(median(late))}, worst ${ms(Math.max(...late))}`);
        // What follows an end (Slack, the lease) is over when the next ones are due.
        await sleep(10_000);
      }
      watch.stop();
      const peak = await memoryOf(bot.pid, 'VmHWM');
      await bot.stop();
      await cgroup.remove();
      await maker.close();
      const p99 = quantile(ours, 0.99);
      const ratio = ratioOf(pairs);
      return [
        {
          what: 'expiry -> the API server denies',
          inputs: `${LIVE} live grants (half view, half debug on a Deployment; ${stage.namespaces.length} namespaces), ${PAIRS} times ${ENDING} due at the same instant, bot in the chart's memory limit; Kubernetes ${stage.kubernetes}`,
          ours: `p99 ${ms(p99)}, median ${ms(median(ours))}, worst ${ms(Math.max(...ours))}`,
          baseline: `p99 ${ms(quantile(bare, 0.99))}, median ${ms(median(bare))} (BullMQ delayed job, same Redis)`,
          ratio,
          aim: `p99 <= ${AIM_MS} ms, <= ${AIM_RATIO}x`,
          met: p99 <= AIM_MS && ratio.median <= AIM_RATIO,
          note: `SubjectAccessReviews of ${reviewed.length} of them: denied after ${ms(median(reviewed))} (median), ${ms(Math.max(...reviewed))} (worst); making the grants took ${ms(making)}, the bot was ready after ${ms(readyAfter)}`,
        },
        {
          what: 'memory, peak with live grants',
          inputs: `the same ${LIVE}, the same limit: start, ${SETTLE / 1000} s, the ends`,
          ours: mib(peak),
          baseline: '',
          ratio: null,
          aim: `<= ${mib(AIM_PEAK)}`,
          met: peak <= AIM_PEAK,
        },
      ];
    }),
};

const accessOf = ({ plan, target }: Grant) => ({
  user: plan.user,
  namespace: target.namespace ?? '',
  verb: 'get',
  resource: 'pods',
  ...(plan.role === null ? { name: 'app' } : {}),
});

/** How late so many delayed jobs run that are due at the same instant and do nothing: milliseconds. */
async function bareLateness(url: string, count: number): Promise<number[]> {
  const connection = new Redis(url, { maxRetriesPerRequest: null });
  const queue = new Queue('bare', { connection });
  const late: number[] = [];
  const due = Date.now() + 3000;
  const worker = new Worker(
    'bare',
    async () => {
      late.push(Date.now() - due);
    },
    { connection, concurrency: 20 },
  );
  await worker.waitUntilReady();
  await queue.addBulk(
    Array.from({ length: count }, (_, index) => ({
      name: 'bare',
      data: { index },
      opts: { delay: due - Date.now(), removeOnComplete: true },
    })),
  );
  while (late.length < count) await sleep(20);
  await worker.close();
  await queue.obliterate({ force: true });
  await queue.close();
  connection.disconnect();
  return late;
}
