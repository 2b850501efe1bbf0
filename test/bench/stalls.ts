import type { Bot } from '../../src/sandbox/bot.ts';

/** The metric knows of the last five minutes at least. Milliseconds. */
const EVERY = 240_000;

let longest = 0;

/** Milliseconds in which nothing else could run, at the most, of all bots since this was asked before. */
export function takeStall(): number {
  const taken = longest;
  longest = 0;
  return taken;
}

/** The same bot, of which it is noted how long its event loop was held up, at the latest when it is stopped. */
export function notingStalls(bot: Bot): Bot {
  async function look(): Promise<void> {
    const metrics = await fetch(`${bot.opsUrl}/metrics`).then((answer) => answer.text());
    const seconds = /^drawbridge_event_loop_delay_seconds\{quantile="1"\} (\S+)$/m.exec(metrics)?.[1];
    longest = Math.max(longest, Number(seconds) * 1000);
  }
  const turns = setInterval(() => void look().catch(() => {}), EVERY).unref();
  async function stop(): Promise<void> {
    clearInterval(turns);
    await look();
    await bot.stop();
  }
  return Object.create(bot, { stop: { value: stop } });
}
