import type { Logger } from 'pino';
import { createClusterKeys } from '../adapters/kubernetes/cluster-keys.ts';
import { watchOwnObjects } from '../adapters/kubernetes/model/own-objects.ts';
import { createPodWatch } from '../adapters/kubernetes/pod-watch.ts';
import { startWorkers } from '../adapters/queue/scheduler.ts';
import { sparingly } from '../adapters/queue/sparing.ts';
import { createSlackApp } from '../adapters/slack/app.ts';
import type { SlackSettings } from '../adapters/slack/connection.ts';
import type { OwnObjectsListener } from '../app/ports.ts';
import type { Settings } from '../config/settings.ts';
import { startInOrder } from './service.ts';
import { auditService } from './services/audit.ts';
import { clockService } from './services/clock.ts';
import { dueRightsService } from './services/due-rights.ts';
import { followersService } from './services/followers.ts';
import { leaversService } from './services/leavers.ts';
import { needsOf, needsService } from './services/needs.ts';
import { opsService } from './services/ops.ts';
import { policyFileService } from './services/policy-file.ts';
import { reconcileService } from './services/reconcile.ts';
import { slackService } from './services/slack.ts';
import { webhookService } from './services/webhook.ts';
import { workersService } from './services/workers.ts';
import { makeAdapters } from './world.ts';

/** How long running work may take at the end: milliseconds. */
const STOP_WITHIN = 20_000;

export interface Drawbridge {
  /** Resolves when Slack can reach the bot. Grants are ended from before that on. @throws SlackRefused when Slack will not let it work */
  readonly reachable: Promise<void>;
  readonly opsPort: number;
  stop(): Promise<void>;
}

/**
 * Starts everything that lives, in this order; it is stopped in reverse. Work on grants begins before Slack is there: a Slack that is away
 * delays words, never a revocation.
 * @param write takes a line of the audit
 * @throws Error with a message for the operator when something that it can't begin without can't be used
 */
export async function startDrawbridge(
  settings: Settings,
  log: Logger,
  write: (line: string) => void,
): Promise<Drawbridge> {
  const adapters = await makeAdapters(settings, log, write);
  const { world, redis, kube, connection } = adapters;
  const { instance } = settings;
  const common = { ...world, ...adapters, instance, settings, log };

  const needs = needsService({ ...common, needs: needsOf({ ...common, lackOfWatch: () => reconcile.lack() }) });
  const leavers = leaversService(common);
  const followers = followersService({ ...common, watchPods: (onChange) => createPodWatch(kube, onChange) });
  const dueRights = dueRightsService(common);
  const workers = workersService({
    ...common,
    dueRights,
    startWorkers: (handlers) => {
      const onFailure = () => adapters.metrics.apiError('Redis');
      return startWorkers({ redis: adapters.workerRedis, instance, log, onFailure, ...handlers });
    },
  });
  const tellOfWatch = sparingly((error, times) =>
    log.warn({ err: error, times }, 'the watch on what is ours in the cluster broke off: it is opened again'),
  );
  const watchOwn = (listener: OwnObjectsListener) =>
    watchOwnObjects({
      api: adapters.api,
      instance,
      keysOf: createClusterKeys(adapters.api, settings.sealKeys.reveal()),
      onFault: (error) => tellOfWatch(error instanceof Error ? error : new Error(String(error))),
      ...listener,
    });
  const reconcile = reconcileService({ ...common, followers, watchOwn });
  const slack = slackService({
    ...common,
    leavers,
    createApp: (options) => createSlackApp({ ...options, settings: slackSettings(settings), connection, log }),
  });
  const ops = opsService({
    port: settings.opsPort,
    checks: {
      redis: async () => ((await redis.ping()) === 'PONG' ? null : 'no answer'),
      kubernetes: async () => {
        await adapters.api.ready();
        return null;
      },
      clock: () => world.clock.doubt(),
      grants: () => reconcile.trouble(),
      slack: () => slack.trouble(),
      needs: () => needs.trouble(),
    },
    conditions: () => adapters.conditions.list(),
    metrics: () => adapters.metrics.scrape(),
  });

  const stop = await startInOrder(
    [
      { start() {}, stop: () => adapters.close() },
      ops,
      policyFileService(common),
      needs,
      auditService(common),
      clockService(common),
      leavers,
      webhookService(common),
      followers,
      dueRights,
      workers,
      reconcile,
      slack,
    ],
    STOP_WITHIN,
    log,
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
