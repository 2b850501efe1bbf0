import { pino } from 'pino';
import { beforeEach, describe, expect, test } from 'vitest';
import type { SlackConnection } from '../../../../src/adapters/slack/connection.ts';
import { type CachedDirectory, createDirectory, STAYS_FRESH } from '../../../../src/adapters/slack/directory.ts';
import { Unavailable } from '../../../../src/domain/errors.ts';

/** How often each method of Slack was called. */
let calls: Record<string, number>;
let now: number;
let directory: CachedDirectory;
/** The answer to the next call waits for this. */
let gate: Promise<void>;
/** The same for single methods. */
let gates: Record<string, Promise<void>>;
/** Methods whose calls are used up, and for how many seconds. */
let limited: Record<string, number>;

beforeEach(() => {
  calls = {};
  now = 1000;
  gate = Promise.resolve();
  gates = {};
  limited = {};
  const quick = {
    async call(method: string) {
      const count = (calls[method] ?? 0) + 1;
      calls[method] = count;
      await (gates[method] ?? gate);
      const retryIn = limited[method];
      if (retryIn !== undefined) throw new Unavailable('Slack', `${method} is limited`, { retryIn });
      const together = ['S0SRE', 'S0OPS', 'S0NEW'].map((id) => ({ id, users: [`${id} ${count}`] }));
      return { users: [`U${count}`], members: [`U${count}`], usergroups: [...together, {}, { id: 'S0DRY' }] };
    },
  };
  directory = createDirectory({ quick } as unknown as SlackConnection, pino({ level: 'silent' }), () => now);
});

const first = async (list: string, freshness: 'now' | 'recently' = 'now') => {
  const members = await directory.members(list, freshness);
  return 'retryIn' in members ? members : [...members][0];
};

describe('user groups whose single calls are used up', () => {
  const [SINGLE, TOGETHER] = ['usergroups.users.list', 'usergroups.list'];

  test('are read in one call, also those that were needed before', async () => {
    await first('S0SRE');
    await first('S0OPS');
    await first('S0GONE');
    now += STAYS_FRESH.now;
    limited = { [SINGLE]: 40 };
    expect(await first('S0SRE')).toBe('S0SRE 1');
    expect(await first('S0OPS')).toBe('S0OPS 1');
    expect(calls).toEqual({ [SINGLE]: 4, [TOGETHER]: 1 });
    now += STAYS_FRESH.now - 1;
    expect(await first('S0OPS')).toBe('S0OPS 1');
    now += 1;
    limited = {};
    expect([await first('S0OPS'), await first('S0SRE')]).toEqual(['U5', 'U6']);
  });

  test('are read once for all that are needed in the same moment, and anew later', async () => {
    limited = { [SINGLE]: 40 };
    expect(await Promise.all([first('S0SRE'), first('S0OPS')])).toEqual(['S0SRE 1', 'S0OPS 1']);
    now += STAYS_FRESH.now;
    expect(await first('S0SRE')).toBe('S0SRE 2');
  });

  test('that are not among them, or may not be read either, can not be read', async () => {
    limited = { [SINGLE]: 40 };
    for (const group of ['S0GONE', 'S0DRY']) expect(await first(group)).toEqual({ retryIn: 40 });
    limited = { [SINGLE]: 40, [TOGETHER]: 50 };
    expect(await first('S0SRE')).toEqual({ retryIn: 40 });
  });

  test('are not asked for together for any other trouble, nor are channels', async () => {
    limited = { 'conversations.members': 30 };
    expect(await first('C0ENG')).toEqual({ retryIn: 30 });
    gate = Promise.reject(new Unavailable('Slack', 'away'));
    expect(await first('S0SRE')).toEqual({ retryIn: 10 });
    expect(calls[TOGETHER]).toBeUndefined();
  });

  test('that have changed meanwhile are read anew', async () => {
    await first('S0OPS');
    now += STAYS_FRESH.now;
    limited = { [SINGLE]: 40 };
    let open = () => {};
    gate = new Promise((resolve) => (open = resolve));
    const reading = first('S0SRE');
    directory.doubt(['S0OPS']);
    open();
    await reading;
    limited = {};
    expect(await first('S0OPS')).toBe('U3');
  });

  test.each([
    ['one of them has changed', () => directory.doubt(['S0OPS'])],
    ['any list may have changed', () => directory.doubt('all')],
    ['nothing counts any more', () => directory.forget()],
  ])('are not shared from a call that began before Slack said that %s', async (_, hear) => {
    limited = { [SINGLE]: 40 };
    let open = () => {};
    const opened = new Promise<void>((resolve) => (open = resolve));
    gates[TOGETHER] = opened;
    const before = first('S0SRE');
    await expect.poll(() => calls[TOGETHER]).toBe(1);
    hear();
    const after = [first('S0OPS'), first('S0NEW')];
    await expect.poll(() => calls[SINGLE]).toBe(3);
    open();
    expect(await before).toBe('S0SRE 1');
    expect(await Promise.all(after)).toEqual(['S0OPS 2', 'S0NEW 2']);
    expect(calls[TOGETHER]).toBe(2);
  });

  test('are still shared when a channel has changed', async () => {
    limited = { [SINGLE]: 40 };
    let open = () => {};
    gates[TOGETHER] = new Promise((resolve) => (open = resolve));
    const before = first('S0SRE');
    await expect.poll(() => calls[TOGETHER]).toBe(1);
    directory.doubt(['C0ENG']);
    const after = first('S0OPS');
    open();
    expect(await Promise.all([before, after])).toEqual(['S0SRE 1', 'S0OPS 1']);
  });

  test('of which nothing counts any more are not kept', async () => {
    await first('S0OPS');
    now += STAYS_FRESH.now;
    limited = { [SINGLE]: 40 };
    let open = () => {};
    gate = new Promise((resolve) => (open = resolve));
    const reading = first('S0SRE');
    directory.forget();
    open();
    await reading;
    limited = {};
    expect(await first('S0OPS')).toBe('U3');
  });
});

describe('a list of which Slack says that it has changed', () => {
  test.each(['now', 'recently'] as const)('is read anew at once (%s), and then shared again', async (freshness) => {
    expect(await first('S0SRE', freshness)).toBe('U1');
    expect(await first('S0SRE', freshness)).toBe('U1');
    directory.doubt(['S0OTHER']);
    expect(await first('S0SRE', freshness)).toBe('U1');
    directory.doubt(['S0OTHER', 'S0SRE']);
    expect(await first('S0SRE', freshness)).toBe('U2');
    expect(await first('S0SRE', freshness)).toBe('U2');
  });

  test('while it was being read', async () => {
    let open = () => {};
    gate = new Promise((resolve) => (open = resolve));
    const reading = first('C0ENG');
    directory.doubt(['C0ENG']);
    const after = first('C0ENG');
    open();
    expect([await reading, await after]).toEqual(['U1', 'U2']);
  });

  test('may be any of them', async () => {
    await first('S0SRE');
    await first('C0ENG');
    directory.doubt('all');
    expect([await first('S0SRE'), await first('C0ENG')]).toEqual(['U2', 'U2']);
  });

  test('ages all the same', async () => {
    await first('S0SRE');
    now += STAYS_FRESH.now - 1;
    expect(await first('S0SRE')).toBe('U1');
    now += 1;
    expect(await first('S0SRE')).toBe('U2');
  });

  test('is not asked for more often than Slack bears, however often it says so', async () => {
    for (let i = 0; i < 500; i++) {
      directory.doubt(['S0SRE', 'C0ENG']);
      await Promise.all([first('S0SRE'), first('S0SRE'), first('C0ENG')]);
    }
    expect(calls).toEqual({ 'usergroups.users.list': 1 + 8, 'conversations.members': 1 + 30 });
    // As fresh as without any event; and after a minute an event counts at once again.
    now += STAYS_FRESH.now;
    expect(await first('S0SRE')).toBe('U10');
    now += 60_000 - STAYS_FRESH.now - 1;
    expect(await first('S0SRE')).toBe('U11');
    directory.doubt(['S0SRE']);
    expect(await first('S0SRE')).toBe('U11');
    now += 1;
    expect(await first('S0SRE')).toBe('U12');
  });

  test('after a new connection nothing counts that was read before', async () => {
    await first('S0SRE');
    await first('C0ENG');
    directory.forget();
    expect([await first('S0SRE', 'recently'), await first('C0ENG')]).toEqual(['U2', 'U2']);
  });
});

describe('all accounts', () => {
  test('are read page by page, slower than Slack allows', async () => {
    const pages: Record<string, { members: object[]; next: string }> = {
      '': { members: [{ id: 'U0ADA', team_id: 'T0TEST', deleted: true }], next: 'second' },
      second: { members: [{ id: 'U0BEN', team_id: 'T0TEST' }, { id: 'U0CY' }], next: '' },
    };
    const asked: unknown[] = [];
    const pauses: number[] = [];
    const web = {
      users: {
        async list(args: { limit: number; cursor?: string }) {
          asked.push(args);
          const { members, next } = pages[args.cursor ?? ''] as (typeof pages)[string];
          return { members, response_metadata: { next_cursor: next } };
        },
      },
    };
    const patient = { call: (_: string, run: (client: typeof web) => unknown) => run(web) };
    const identity = async () => ({ teamId: 'T0TEST' });
    directory = createDirectory(
      { patient, identity } as unknown as SlackConnection,
      pino({ level: 'silent' }),
      () => now,
      async (milliseconds) => pauses.push(milliseconds),
    );
    const found = [];
    for await (const portion of directory.everyone()) found.push(portion);
    expect(found).toMatchObject([
      [{ slackId: 'U0ADA', deactivated: true }],
      [
        { slackId: 'U0BEN', deactivated: false, external: false },
        { slackId: 'U0CY', external: true },
      ],
    ]);
    expect(asked).toEqual([{ limit: 999 }, { limit: 999, cursor: 'second' }]);
    // Tier 2: 20 calls a minute.
    expect(pauses).toHaveLength(1);
    expect(60_000 / (pauses[0] ?? 0)).toBeLessThan(20);
  });
});
