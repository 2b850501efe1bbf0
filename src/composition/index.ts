import type { Logger } from 'pino';
import { type QueueName, startWorkers } from '../adapters/queue/scheduler.ts';
import { createSlackApp } from '../adapters/slack/app.ts';
import type { SlackSettings } from '../adapters/slack/connection.ts';
import type { Settings } from '../config/settings.ts';
import { startInOrder } from './service.ts';
import { auditService } from './services/audit.ts';
import { clockService } from './services/clock.ts';
import { dueRightsService } from './services/due-rights.ts';
import { leaversService } from './services/leavers.ts';
import { needsOf, needsService } from './services/needs.ts';
import { servicesOfClusters } from './services/of-clusters.ts';
import { opsService } from './services/ops.ts';
import { policyFileService } from './services/policy-file.ts';
import { requestsService } from './services/requests.ts';
import { slackService } from './services/slack.ts';
import { webhookService } from './services/webhook.ts';
import { workersService } from './services/workers.ts';
import { makeAdapters } from './world.ts';

/** How long running work may take at the end: milliseconds. */
const STOP_WITHIN = 20_000;

export interface Drawbridge {
  /** Resolves when Slack can reach the bot. Grants are ended from before that on. */
  readonly reachable: Promise<void>;
  readonly opsPort: number;
  stop(): Promise<void>;
}

/**
 * Starts everything that lives, in this order; it is stopped in reverse. Work on grants begins before Slack is there: a Slack that is away
 * delays words, never a revocation.
 * @param write takes a line of the audit
 * @param ending aborted while it starts: what has started is stopped, and the rest is not started
 * @throws Error with a message for the operator when something that it can't begin without can't be used
 */
export async function startDrawbridge(
  settings: Settings,
  log: Logger,
  write: (line: string) => void,
  ending: AbortSignal,
): Promise<Drawbridge> {
  const adapters = await makeAdapters(settings, log, write);
  const { world, redis, connection } = adapters;
  const { instance } = settings;
  const common = { ...world, ...adapters, instance, settings, log };

  const clusters = servicesOfClusters(adapters.clusters, common);
  const needs = needsService({
    ...common,
    needs: needsOf({ ...common, clusters: clusters.needed, lackOfConnection: () => slack.lack() }),
  });
  const leavers = leaversService(common);
  const dueRights = dueRightsService(common);
  const workers = workersService({
    ...common,
    dueRights,
    startWorkers: (handlers) => {
      const onFailure = () => adapters.metrics.apiError('Redis');
      const onFailedJob = (queue: QueueName) => adapters.metrics.jobFailed(queue);
      return startWorkers({ redis: adapters.workerRedis, instance, log, onFailure, onFailedJob, ...handlers });
    },
  });
  const slack = slackService({
    ...common,
    leavers,
    tried: () => needs.tried(),
    createApp: (options) => createSlackApp({ ...options, settings: slackSettings(settings), connection, log }),
  });
  const ops = opsService({
    port: settings.opsPort,
    checks: {
      redis: async () => ((await redis.ping()) === 'PONG' ? null : 'no answer'),
      kubernetes: () => clusters.answers(),
      clock: () => world.clock.doubt(),
      grants: () => clusters.trouble(),
      slack: () => slack.trouble(),
      needs: () => needs.trouble(),
    },
    conditions: () => adapters.conditions.list(),
    metrics: (failing) => adapters.metrics.scrape({ failing, ages: clusters.ages() }),
  });

  const stop = await startInOrder(
    [
      { start() {}, stop: () => adapters.close() },
      ops,
      policyFileService(common),
      needs,
      auditService(common),
      clockService({ ...common, clusters: adapters.clusters }),
      webhookService(common),
      clusters.followers,
      clusters.models,
      dueRights,
      workers,
      clusters.reconciles,
      // These read all that is open, as the first reconcile does: at the same time they would make the bot ready later.
      requestsService(common),
      leavers,
      slack,
    ],
    STOP_WITHIN,
    log,
    ending,
  );
  return { reachable: slack.reachable(), opsPort: ops.port(), stop };
}

function slackSettings({ slack }: Settings): SlackSettings {
  const { transport } = slack;
  return {
    botToken: slack.botToken.reveal(),
    apiUrl: slack.apiUrl,
    receive:
      transport.mode === 'socket'
        ? { mode: 'socket', appToken: transport.appToken.reveal() }
        : { mode: 'http', signingSecret: transport.signingSecret.reveal(), port: transport.port },
  };
}
