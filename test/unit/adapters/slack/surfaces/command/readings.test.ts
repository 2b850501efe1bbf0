import type { App } from '@slack/bolt';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { ACTIONS, carryLine } from '../../../../../../src/adapters/slack/surfaces/actions.ts';
import { parseCommand } from '../../../../../../src/adapters/slack/surfaces/command/parse.ts';
import type { SurfaceContext } from '../../../../../../src/adapters/slack/surfaces/context.ts';
import { registerSurfaces } from '../../../../../../src/adapters/slack/surfaces/index.ts';
import type { Scope } from '../../../../../../src/domain/policy/policy.ts';

const SCOPES: Record<string, Scope> = { 'node-debug': 'node', everything: 'cluster', debug: 'workload' };
const scopeOf = (profile: string): Scope | null => SCOPES[profile] ?? null;

/** What is asked for by the button of a reading: by whom, and what. */
async function pressed(line: string, by = 'U0ADA'): Promise<unknown[]> {
  const asked: unknown[] = [];
  const actions = new Map<string, (sent: object) => Promise<void>>();
  const none = () => {};
  const app = { command: none, view: none, options: none, event: none, shortcut: none };
  const action = (id: string, handler: (sent: object) => Promise<void>) => actions.set(id, handler);
  registerSurfaces({
    app: { ...app, action } as unknown as App,
    connection: { quick: { call: async () => ({}) } },
    useCases: {
      scopeOf,
      turnAway: async () => {},
      async request(user: string, ask: object) {
        asked.push(user, ask);
        throw new Error('enough is known');
      },
    },
    seenBefore: async () => false,
    log: pino({ level: 'silent' }),
    track: (work: Promise<void>) => work,
  } as unknown as SurfaceContext);
  await actions.get(ACTIONS.reading)?.({
    ack: async () => {},
    respond: async () => {},
    action: { value: carryLine(line, 'U0ADA') },
    body: { user: { id: by }, trigger_id: '1.2', container: { type: 'message', is_ephemeral: true } },
  });
  return asked;
}

it.each([
  ['request node-debug worker-1 the disk is full for 30m', { scope: 'node', node: 'worker-1' }],
  ['request everything nothing answers since 30m', { scope: 'cluster' }],
  ['break-glass everything nothing answers since 30m', { scope: 'cluster' }],
  ['request debug staging/deploy/x it is slow for 30m', { namespace: 'staging' }],
])('a reading of "%s" asks for what was typed', async (line, target) => {
  const parsed = parseCommand(line, scopeOf);
  if (parsed.kind !== 'wrong' || parsed.readings === undefined) throw new Error('there is one reading');
  for (const [reading, duration] of [
    [parsed.readings.meant, 1800],
    [parsed.readings.reason, null],
  ] as const)
    expect(await pressed(reading.line)).toMatchObject(['U0ADA', { target, duration }]);
});

it('a reading is for whoever typed the line', async () => {
  expect(await pressed('request debug staging/deploy/x 30m why', 'U0BEN')).toEqual([]);
});
