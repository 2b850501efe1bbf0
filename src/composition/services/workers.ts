import type { Deed, Word } from '../../adapters/queue/jobs.ts';
import type { Workers } from '../../adapters/queue/scheduler.ts';
import { lastingError } from '../../adapters/slack/client.ts';
import type { Metrics } from '../../adapters/telemetry/metrics.ts';
import { APPROVALS_CHANNEL, type Conditions } from '../../app/ports/conditions.ts';
import type { World } from '../../app/ports/world.ts';
import type { DueRights } from '../../app/upkeep/end-due.ts';
import { runJob } from '../../app/upkeep/run-job.ts';
import type { Service } from '../service.ts';

export interface Handlers {
  handleDeed(deed: Deed): Promise<void>;
  handleWord(word: Word): Promise<void>;
}

/** Runs the jobs of the queue. */
export function workersService({
  world,
  conditions,
  dueRights,
  metrics,
  startWorkers,
}: {
  readonly world: World;
  readonly conditions: Pick<Conditions, 'doubt'>;
  readonly dueRights: DueRights;
  readonly metrics: Pick<Metrics, 'alarmUntold'>;
  readonly startWorkers: (handlers: Handlers) => Workers;
}): Service {
  let workers: Workers | null = null;
  const handlers: Handlers = {
    async handleDeed(deed) {
      if (deed.kind === 'revoke') {
        // What is due beside it has its turn first.
        await dueRights.end();
        await dueRights.settled();
      }
      await runJob(world, deed);
    },
    async handleWord(word) {
      try {
        await runJob(world, word);
      } catch (error) {
        if (word.kind === 'alarm') metrics.alarmUntold();
        // It may be the channel, which somebody has archived, or from which the bot was removed.
        if (lastingError(error) !== null) conditions.doubt(APPROVALS_CHANNEL);
        throw error;
      }
    },
  };
  return {
    start() {
      workers = startWorkers(handlers);
    },
    async stop(within) {
      await workers?.close(within);
    },
  };
}
