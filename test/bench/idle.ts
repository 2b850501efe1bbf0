import { setTimeout as sleep } from 'node:timers/promises';
import { type Call, callsOf, kindsOf } from './calls.ts';
import { ms, type Row } from './figures.ts';
import { openMaker } from './live-grants.ts';
import { onStage } from './stage.ts';

const LIVE = Number(process.env['BENCH_IDLE'] ?? 1000);
/** After the bot is ready, until calls are counted, and for how long: milliseconds. A watch is opened anew every five to ten minutes. */
const SETTLE = 60_000;
const SPAN = 600_000;
const HOUR = 3_600_000;
/** Watches opened an hour for each kind. */
const AIM_WATCH = 12;

const isWatch = ({ verb }: Call): boolean => verb === 'watch';

/** What the bot, and what an active grant costs the API server while nothing happens. */
export const idle: Row = {
  name: 'idle',
  about: `calls of the API server by the hour: without grants, and for each of ${LIVE} idle grants`,
  run: (say) =>
    onStage({ say }, async (stage) => {
      async function callsOfSpan(): Promise<Call[]> {
        const { bot, readyAfter } = await stage.startBot();
        // What is done once, at the start, is no part of it.
        await sleep(SETTLE);
        const from = Date.now();
        await sleep(SPAN);
        const calls = await callsOf(stage.cluster.auditLogPath, stage.botUser, from, from + SPAN);
        await bot.stop();
        say(`idle: ${calls.length} calls in ${SPAN / 1000} s (ready after ${ms(readyAfter)}): ${kindsOf(calls, 10)}`);
        return calls;
      }
      const hourly = (calls: readonly unknown[]) => (calls.length * HOUR) / SPAN;
      const none = await callsOfSpan();
      const maker = await openMaker(stage);
      await maker.live(LIVE, 4 * 3600);
      const some = await callsOfSpan();
      await maker.close();
      const [watches, others] = [none.filter(isWatch), none.filter((call) => !isWatch(call))];
      const mostByKind = Math.max(
        0,
        ...[...Map.groupBy(watches, ({ uri }) => uri.split('?')[0])].map(([, of]) => hourly(of)),
      );
      const perGrant = (hourly(some.filter((call) => !isWatch(call))) - hourly(others)) / LIVE;
      const inputs = `${SPAN / 1000} s of the API server's audit log, from ${SETTLE / 1000} s after ready; Kubernetes ${stage.kubernetes}`;
      return [
        {
          what: 'idle, without grants',
          inputs,
          ours: `${hourly(none).toFixed(0)} calls an hour: ${mostByKind.toFixed(0)} for a watch at the most, ${hourly(others).toFixed(0)} others`,
          baseline: '',
          ratio: null,
          aim: `<= ${AIM_WATCH} for each watch, 0 others`,
          met: mostByKind <= AIM_WATCH && others.length === 0,
          note: `in the span ${kindsOf(none, 8) || 'none'}`,
        },
        {
          what: 'idle, by grant',
          inputs: `${LIVE} active, half view, half debug on a Deployment, nothing due; the same span, less the calls without any grant`,
          ours: `${perGrant.toFixed(2)} calls an hour`,
          baseline: '',
          ratio: null,
          aim: '0',
          met: Math.abs(perGrant) < 0.1,
          note: `in the span ${kindsOf(some, 8) || 'none'}`,
        },
      ];
    }),
};
