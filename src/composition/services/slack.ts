import type { SlackApp, SlackAppOptions } from '../../adapters/slack/app.ts';
import type { CachedDirectory } from '../../adapters/slack/directory.ts';
import { createUseCases } from '../../app/create-use-cases.ts';
import type { Lack } from '../../app/ports/conditions.ts';
import type { World } from '../../app/ports/world.ts';
import type { PeopleChanges } from '../../app/upkeep/people-changes.ts';
import type { Service } from '../service.ts';

export interface SlackService extends Service {
  /** Resolves when Slack can reach the bot. */
  reachable(): Promise<void>;
  /** Why Slack can't reach the bot now; null: it can. */
  trouble(): string | null;
  /** What a person must mend before Slack gives it a connection; null: nothing that is known. */
  lack(): Lack | null;
}

/** Takes what people do in Slack, and hears of people who change. */
export function slackService({
  world,
  directory,
  leavers,
  tried,
  createApp,
}: {
  readonly world: World;
  readonly directory: Pick<CachedDirectory, 'doubt' | 'forget'>;
  readonly leavers: Pick<PeopleChanges, 'heard'>;
  /** Resolves when it is known what is lacking, or can't be known soon. */
  readonly tried: () => Promise<void>;
  readonly createApp: (
    options: Required<Pick<SlackAppOptions, 'useCases' | 'seenBefore' | 'turns' | 'hinted' | 'connected' | 'tell'>>,
  ) => SlackApp;
}): SlackService {
  const app = createApp({
    useCases: createUseCases(world),
    seenBefore: async (key) => !(await world.store.firstTime(`seen ${key}`, 600)),
    turns: {
      take: (modal) => world.store.takeNumber(`turn ${modal}`, 3600),
      last: (modal) => world.store.lastNumber(`turn ${modal}`),
    },
    hinted({ lists, deactivated }) {
      directory.doubt(lists);
      leavers.heard({ lists: lists === 'all' ? [] : lists, deactivated });
    },
    connected: () => directory.forget(),
    tell: (what) => void world.alarms.raise('slack connection', null, `Slack can't reach Drawbridge: ${what}`),
  });
  let isStopped = false;
  let reachable = Promise.resolve();
  async function connect(): Promise<void> {
    // What is not tried yet refuses: in a rolling restart, whoever reached the new process first would be told that nothing is granted.
    await tried();
    if (!isStopped) await app.start();
  }
  return {
    // Not waited for: a Slack that is away delays words, never a revocation.
    start() {
      reachable = connect();
    },
    stop() {
      isStopped = true;
      return app.stop();
    },
    reachable: () => reachable,
    trouble: () => app.trouble(),
    lack: () => app.lack(),
  };
}
