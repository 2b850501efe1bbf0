import { setTimeout as sleep } from 'node:timers/promises';
import type { App } from '@slack/bolt';
import { pino } from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { MODALS } from '../../../../../src/adapters/slack/surfaces/actions.ts';
import type { SurfaceContext } from '../../../../../src/adapters/slack/surfaces/context.ts';
import { registerSurfaces } from '../../../../../src/adapters/slack/surfaces/index.ts';

type Submitted = (sent: object) => Promise<void>;

/** What happened, in order. */
let steps: string[];

beforeEach(() => {
  steps = [];
});

/** Sends in a modal that was sent before: nothing is to be worked out. */
function submit(take: () => Promise<number>): Promise<void> {
  const views = new Map<string, Submitted>();
  const app = {
    command: () => {},
    action: () => {},
    options: () => {},
    event: () => {},
    shortcut: () => {},
    view: (callbackId: string, handler: Submitted) => views.set(callbackId, handler),
  };
  registerSurfaces({
    app: app as unknown as App,
    connection: {},
    seenBefore: async () => true,
    turns: { take, last: async () => 0 },
    log: pino({ level: 'silent' }),
    track: (work: Promise<void>) => work,
  } as unknown as SurfaceContext);
  const ack = async (answer: { response_action: string }) => steps.push(`answered: ${answer.response_action}`);
  const body = { user: { id: 'U0ADA' }, trigger_id: '1.2' };
  const view = { id: 'V1', hash: 'h', private_metadata: '', state: { values: {} } };
  return views.get(MODALS.confirm)?.({ ack, body, view }) ?? Promise.reject(new Error('no handler'));
}

describe('a modal that is sent in', () => {
  it('takes its turn before it is answered, so that no older form is drawn over the answer', async () => {
    await submit(async () => {
      await sleep(20);
      steps.push('turn taken');
      return 1;
    });
    expect(steps).toEqual(['turn taken', 'answered: update']);
  });

  it('is answered in time when Redis is silent', async () => {
    await Promise.race([submit(() => new Promise(() => {})), sleep(1000)]);
    expect(steps).toEqual(['answered: update']);
  });

  it('is answered when Redis fails', async () => {
    await submit(async () => {
      throw new Error('away');
    });
    expect(steps).toEqual(['answered: update']);
  });
});
