import { hostname } from 'node:os';
import type { ProcessClock } from '../../adapters/clock/clock.ts';
import type { Alarms } from '../../app/ports/alarms.ts';
import { secondsAhead } from '../../domain/clocks.ts';
import { every, type Service, type ServiceLog } from '../service.ts';

/** Milliseconds between two looks at the clocks. */
const LOOK_EVERY = 10_000;

/** Holds the clock against those of Redis and of the API server. That it is in doubt is told, and that it is not any more. */
export function clockService({
  alarms,
  clock,
  log,
}: {
  readonly alarms: Pick<Alarms, 'raise'>;
  readonly clock: Pick<ProcessClock, 'measure' | 'doubt' | 'clocks'>;
  readonly log: ServiceLog;
}): Service {
  let isDoubted = false;
  async function tell(): Promise<void> {
    const doubt = clock.doubt();
    const wasDoubted = isDoubted;
    isDoubted = doubt !== null;
    if (doubt === null) {
      if (wasDoubted) log.info({}, 'the clocks are right again');
      return;
    }
    if (!wasDoubted) log.error({ doubt, ...secondsAhead(clock.clocks()) }, 'nothing is granted: the time is in doubt');
    const text = `On ${hostname()} ${doubt}. It grants nothing until that is mended; grants end by the time that most clocks agree on. Look at time synchronisation there.`;
    await alarms.raise(`clock ${hostname()}`, null, text);
  }
  async function look(): Promise<void> {
    await clock.measure();
    await tell();
  }
  const looks = every(LOOK_EVERY, look, (error) => log.warn({ err: error }, 'the clocks could not be looked at'));
  return {
    // It was measured when it was made.
    async start() {
      await tell();
      looks.start();
    },
    stop: () => looks.stop(),
  };
}
