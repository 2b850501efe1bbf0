import { hostname } from 'node:os';
import type { ProcessClock } from '../../adapters/clock/clock.ts';
import type { Alarms } from '../../app/ports/alarms.ts';
import { secondsAhead } from '../../domain/clocks.ts';
import type { ClusterName } from '../../domain/target.ts';
import { every, type Service, type ServiceLog } from '../service.ts';

/** Milliseconds between two looks at the clocks. */
const LOOK_EVERY = 10_000;

/** Holds the clock against those of Redis and of the API server. That it is in doubt is told, and that it is not any more. */
export function clockService({
  alarms,
  clusters = [],
  clock,
  log,
}: {
  readonly alarms: Pick<Alarms, 'raise'>;
  /** Those whose clocks are looked at one by one. */
  readonly clusters?: readonly { readonly name: ClusterName }[];
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
  const doubted = new Set<ClusterName>();
  /** One cluster whose clock is off: nothing is granted there, and nowhere else is anything the matter. */
  async function tellOf(cluster: ClusterName, doubt: string | null): Promise<void> {
    if (doubt === null) {
      if (doubted.delete(cluster)) log.info({ cluster }, 'the clock of the cluster is right again');
      return;
    }
    if (!doubted.has(cluster)) log.error({ cluster, doubt }, 'nothing is granted in the cluster: its clock is off');
    doubted.add(cluster);
    const text = `${doubt[0]?.toUpperCase()}${doubt.slice(1)}. Drawbridge grants nothing there until that is mended; other clusters go on. Look at time synchronisation there.`;
    await alarms.raise(`clock of ${cluster}`, null, text);
  }
  async function look(): Promise<void> {
    await clock.measure();
    await tell();
    const isDoubtedEverywhere = clock.doubt() !== null;
    for (const { name } of clusters)
      if (name !== null) await tellOf(name, isDoubtedEverywhere ? null : clock.doubt(name));
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
