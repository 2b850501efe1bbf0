import { setTimeout as sleep } from 'node:timers/promises';
import { callsOf, kindsOf } from './calls.ts';
import { type Figure, ms, type Row } from './figures.ts';
import { openMaker } from './live-grants.ts';
import { onStage } from './stage.ts';

const COUNTS = [1, 100, 1000];
/** For how long calls are counted: milliseconds; a whole number of reconciles. */
const SPAN = 150_000;
const HOUR = 3_600_000;

/** What an active grant costs the API server while nothing happens to it. */
export const idle: Row = {
  name: 'idle',
  about: `calls of the API server by the hour and idle grant, of ${COUNTS.join(', ')}`,
  run: (say) =>
    onStage({ say }, async (stage) => {
      const maker = await openMaker(stage);
      async function hourly(): Promise<{ calls: number; kinds: string }> {
        const { bot, readyAfter } = await stage.startBot();
        // What is done once, at the start, is no part of it.
        await sleep(5000);
        const from = Date.now();
        await sleep(SPAN);
        const calls = await callsOf(stage.cluster.auditLogPath, stage.botUser, from, from + SPAN);
        await bot.stop();
        say(`idle: ${calls.length} calls in ${SPAN / 1000} s (ready after ${ms(readyAfter)})`);
        return { calls: (calls.length * HOUR) / SPAN, kinds: kindsOf(calls, 4) };
      }
      const none = await hourly();
      const figures: Figure[] = [];
      let live = 0;
      for (const count of COUNTS) {
        await maker.live(count - live, 4 * 3600);
        live = count;
        const some = await hourly();
        const perGrant = (some.calls - none.calls) / count;
        figures.push({
          what: `idle, ${count} active`,
          inputs: `a hundred view, then a hundred debug on a Deployment, and so on, nothing due; ${SPAN / 1000} s of the API server's audit log, less the calls without any grant`,
          ours: `${perGrant.toFixed(1)} calls an hour and grant`,
          baseline: `${none.calls.toFixed(0)} calls an hour without any grant`,
          ratio: null,
          aim: '',
          met: null,
          note: `${some.calls.toFixed(0)} calls an hour in all; in the span ${some.kinds}`,
        });
      }
      await maker.close();
      return figures;
    }),
};
