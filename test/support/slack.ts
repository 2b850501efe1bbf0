import { afterAll, beforeAll } from 'vitest';
import type { Turns } from '../../src/adapters/slack/surfaces/context.ts';
import { type LocalSlack, type SlackOptions, startSlack } from '../../src/sandbox/slack/index.ts';

/** The three people of the examples: who asks, who approves, and who only looks on. */
export const ADA = 'U0ADA';
export const BEN = 'U0BEN';
export const CY = 'U0CY';
/** #access, with all three in it. */
export const ACCESS = 'C0ACCESS';
/** The user group @sre: Ben. */
export const SRE = 'S0SRE';

/**
 * How long Slack's minute lasts where several minutes of many people pass in one: its counts are the same, so that more than a few people's work
 * at once still meets them. Everywhere else a minute is a minute.
 */
export const SHORT_MINUTE = 10_000;

/** A fresh workspace; a new copy at each call, as tests change theirs. */
export function workspace(): Pick<SlackOptions, 'users' | 'channels' | 'userGroups'> {
  return {
    users: [
      { id: ADA, name: 'ada', real_name: 'Ada', email: 'ada@example.test' },
      { id: BEN, name: 'ben', real_name: 'Ben', email: 'ben@example.test' },
      { id: CY, name: 'cy', real_name: 'Cy', email: 'cy@example.test' },
    ],
    channels: [{ id: ACCESS, name: 'access', members: [ADA, BEN, CY] }],
    userGroups: [{ id: SRE, handle: 'sre', name: 'Site reliability', users: [BEN] }],
  };
}

/** The order of what is done in modals, for bots without a Redis. */
export function turnsInMemory(): Turns {
  const turns = new Map<string, number>();
  const last = async (viewId: string) => turns.get(viewId) ?? 0;
  return {
    last,
    async take(viewId) {
      turns.set(viewId, (turns.get(viewId) ?? 0) + 1);
      return last(viewId);
    },
  };
}

/** Starts a Slack with the three people; on a busy machine it waits longer than the three seconds of the real one. */
export function startTestSlack(options: Partial<SlackOptions> = {}): Promise<LocalSlack> {
  return startSlack({ ...workspace(), log: () => {}, ackMs: 10_000, triggerMs: 10_000, ...options });
}

/** A Slack for the suite. Call it at the top of a `describe`; the returned function gives it once the suite runs. */
export function useSlack(options: Partial<SlackOptions> = {}): () => LocalSlack {
  let slack: LocalSlack | undefined;
  beforeAll(async () => {
    slack = await startTestSlack(options);
  }, 60_000);
  afterAll(async () => {
    await slack?.stop();
  });
  return () => {
    if (!slack) throw new Error('the Slack of this suite has not started yet');
    return slack;
  };
}
