import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createOnCall } from '../../../../src/adapters/sources/on-call.ts';
import type { OnCallSource } from '../../../../src/domain/policy/sources.ts';
import { badReplies, json, sourceServer } from '../../../support/source-server.ts';

/** Who is on call, over HTTP, with the faults of other people's servers. */
const TOKEN = 'pagerduty-token-4711';
let server: Awaited<ReturnType<typeof sourceServer>>;
let elsewhere: typeof server;
let warned: string[];
let time: number;
beforeEach(async () => {
  [server, elsewhere] = [await sourceServer(), await sourceServer()];
  elsewhere.replies(json({ users: ['ada@example.test'], oncalls: [], more: false }));
  warned = [];
  time = 0;
});
afterEach(async () => {
  await server.close();
  await elsewhere.close();
});

const onCallWith = ({ patience = 2000, ...options }: { token?: string | null; patience?: number } = {}) =>
  createOnCall({
    pagerDuty: options.token === null ? null : { url: server.url, token: options.token ?? TOKEN },
    log: { warn: (...said: unknown[]) => void warned.push(JSON.stringify(said)) },
    now: () => time,
    patience,
  });
const policy: OnCallSource = { pagerduty: { escalationPolicy: 'PABC123' } };
const byUrl = (): OnCallSource => ({ url: `${server.url}/db` });
const entry = (email: unknown, change: object = {}) => ({
  escalation_policy: { id: 'PABC123', type: 'escalation_policy_reference' },
  escalation_level: 1,
  schedule: { id: 'PSCHED1' },
  user: { id: 'PUSER01', type: 'user', email },
  start: '2026-01-05T09:00:00Z',
  end: null,
  ...change,
});
const page = (...oncalls: unknown[]) => ({ oncalls, limit: 100, offset: 0, more: false, total: null });

describe('PagerDuty', () => {
  test('is asked for the escalation policy, with the token in the header alone', async () => {
    server.replies(json(page(entry('Ada@Example.test'))));
    expect(await onCallWith().addresses(policy, 'now')).toEqual(new Set(['ada@example.test']));
    const [asked] = server.got;
    expect(asked?.headers.authorization).toBe(`Token token=${TOKEN}`);
    expect(asked?.headers.accept).toBe('application/vnd.pagerduty+json;version=2');
    expect(asked?.url).toBe('/oncalls?escalation_policy_ids%5B%5D=PABC123&include%5B%5D=users&limit=100&offset=0');
  });

  test.each<[string, OnCallSource, object[], string[]]>([
    [
      'the first level alone, unless levels are named',
      policy,
      [entry('ada@example.test'), entry('ben@example.test', { escalation_level: 2 })],
      ['ada@example.test'],
    ],
    [
      'the levels that are named',
      { pagerduty: { escalationPolicy: 'PABC123', levels: [2, 3] } },
      [entry('ada@example.test'), entry('ben@example.test', { escalation_level: 3 })],
      ['ben@example.test'],
    ],
    [
      'nobody of another escalation policy, though it was not asked for',
      policy,
      [entry('ada@example.test', { escalation_policy: { id: 'POTHER1' } })],
      [],
    ],
    [
      'those of a schedule, at whatever level',
      { pagerduty: { schedule: 'PSCHED1' } },
      [
        entry('ada@example.test', { escalation_level: 4 }),
        entry('ben@example.test', { schedule: { id: 'POTHER1' } }),
        entry('cy@example.test', { schedule: null }),
      ],
      ['ada@example.test'],
    ],
    [
      'nobody whose address is missing, or is none',
      policy,
      [entry(null), entry(undefined), entry('ada'), entry('ada+2@example.test'), entry('Kada@example.test\u212A')],
      [],
    ],
  ])('counts %s', async (_what, source, entries, expected) => {
    server.replies(json(page(...entries)));
    expect(await onCallWith().addresses(source, 'now')).toEqual(new Set(expected));
  });

  test('is read page by page, and no further than five', async () => {
    let pages = 2;
    server.replies((request, response, body) => {
      const at = Number(new URL(request.url ?? '', server.url).searchParams.get('offset')) / 100;
      json({ ...page(entry(`ada${at}@example.test`)), more: at + 1 < pages })(request, response, body);
    });
    expect(await onCallWith().addresses(policy, 'now')).toEqual(new Set(['ada0@example.test', 'ada1@example.test']));
    pages = Number.POSITIVE_INFINITY;
    expect(await onCallWith().addresses(policy, 'now')).toEqual({ retryIn: null });
    expect(server.got).toHaveLength(7);
  });

  test('is not asked without a token', async () => {
    expect(await onCallWith({ token: null }).addresses(policy, 'now')).toEqual({ retryIn: null });
    expect(server.got).toEqual([]);
    expect(warned.join()).toContain('PAGERDUTY_TOKEN is not set');
  });

  test.each<[string, unknown]>([
    ['no list', { more: false }],
    ['a list of another kind', { oncalls: {}, more: false }],
    ['an entry without a user', page(entry('ada@example.test', { user: null }))],
    ['an address that is a number', page(entry(1e300))],
    ['a level that is a text', page(entry('ada@example.test', { escalation_level: '1' }))],
    ['a level beyond numbers', page(entry('ada@example.test', { escalation_level: 1e300 }))],
    ['more entries than a page has', page(...Array.from({ length: 101 }, () => entry('ada@example.test')))],
    ['an address without end', page(entry(`${'a'.repeat(1000)}@example.test`))],
    ['no word whether there are more', { oncalls: [entry('ada@example.test')] }],
  ])('is not believed when it answers with %s', async (_what, answer) => {
    server.replies(json(answer));
    expect(await onCallWith().addresses(policy, 'now')).toEqual({ retryIn: null });
    expect(warned.join()).toContain('not as documented');
  });
});

describe('an address of its own', () => {
  test('answers with the addresses of people', async () => {
    server.replies(json({ users: ['ada@example.test', 'BEN@example.test', 'no address'], more: 'is left alone' }));
    expect(await onCallWith().addresses(byUrl(), 'now')).toEqual(new Set(['ada@example.test', 'ben@example.test']));
    expect(server.got[0]?.headers.authorization).toBeUndefined();
  });

  test.each<[string, unknown]>([
    ['no list', {}],
    ['a text', { users: 'ada@example.test' }],
    ['a list with a number', { users: ['ada@example.test', 7] }],
    ['a list with a null', { users: [null] }],
    ['more people than can be on call', { users: Array.from({ length: 501 }, (_, at) => `a${at}@example.test`) }],
  ])('is not believed when it answers with %s', async (_what, answer) => {
    server.replies(json(answer));
    expect(await onCallWith().addresses(byUrl(), 'now')).toEqual({ retryIn: null });
  });
});

describe.each<[string, () => OnCallSource]>([
  ['PagerDuty', () => policy],
  ['an address of its own', byUrl],
])('%s', (_kind, source) => {
  test.each(badReplies('http://127.0.0.1:1/'))('names nobody when it %s', async (what, reply, passes) => {
    server.replies(reply);
    const answer = await onCallWith({ patience: what.startsWith('hangs') ? 200 : 2000 }).addresses(source(), 'now');
    expect(answer).toEqual({ retryIn: passes ? expect.any(Number) : null });
    expect(warned).toHaveLength(1);
    expect(warned.join()).not.toContain(TOKEN);
  });

  test('is not followed to another host, which gets nothing', async () => {
    server.replies(json({}, 307, { location: `${elsewhere.url}/oncalls` }));
    expect(await onCallWith().addresses(source(), 'now')).toEqual({ retryIn: null });
    expect(elsewhere.got).toEqual([]);
  });

  test('says when it can be asked again, five minutes at most', async () => {
    for (const [said, expected] of [
      ['7', 7],
      ['999999', 300],
      ['0', 1],
      ['soon', 10],
    ] as const) {
      server.replies(json({}, 429, { 'retry-after': said }));
      expect(await onCallWith().addresses(source(), 'now')).toEqual({ retryIn: expected });
    }
  });
});

describe('what was answered', () => {
  const ada = new Set(['ada@example.test']);
  test('counts ten seconds for a decision, a minute for what is only offered', async () => {
    server.replies(json({ users: ['ada@example.test'] }));
    const onCall = onCallWith();
    const calls = async (at: number, freshness: 'now' | 'recently') => {
      time = at;
      expect(await onCall.addresses(byUrl(), freshness)).toEqual(ada);
      return server.got.length;
    };
    expect(await calls(0, 'now')).toBe(1);
    expect(await calls(9_999, 'now')).toBe(1);
    expect(await calls(10_000, 'recently')).toBe(1);
    expect(await calls(10_000, 'now')).toBe(2);
    expect(await calls(69_999, 'recently')).toBe(2);
    expect(await calls(70_000, 'recently')).toBe(3);
  });

  test.each<[string, ReturnType<typeof json>]>([
    ['a fault', json({}, 503)],
    ['that nobody is on call', json({ users: [] })],
  ])('is not kept when it was %s', async (_what, reply) => {
    const onCall = onCallWith();
    server.replies(reply);
    await onCall.addresses(byUrl(), 'recently');
    server.replies(json({ users: ['ada@example.test'] }));
    expect(await onCall.addresses(byUrl(), 'recently')).toEqual(ada);
  });

  test('is shared by those who ask at the same moment', async () => {
    server.replies(json({ users: ['ada@example.test'] }));
    const onCall = onCallWith();
    await Promise.all(Array.from({ length: 30 }, () => onCall.addresses(byUrl(), 'now')));
    expect(server.got).toHaveLength(1);
  });
});
