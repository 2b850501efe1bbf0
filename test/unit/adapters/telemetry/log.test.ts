import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createLog } from '../../../../src/adapters/telemetry/log.ts';

const SEAL_KEY = 'c2VhbC1rZXktc2VhbC1rZXktc2VhbC1rZXktc2VhbC1rZXk=';

function logged(write: (log: ReturnType<typeof createLog>) => void, level = 'info') {
  const lines: string[] = [];
  write(createLog({ level, secrets: [SEAL_KEY, 'pass"word', ''], destination: { write: (line) => lines.push(line) } }));
  return lines;
}

describe('the log', () => {
  it('is one JSON object a line, with time and level in words', () => {
    const [line = ''] = logged((log) => log.info({ grant: 'g-7k3fq2' }, 'two\nlines'));
    expect(line.endsWith('\n')).toBe(true);
    expect(line.trimEnd()).not.toContain('\n');
    expect(JSON.parse(line)).toMatchObject({
      level: 'info',
      grant: 'g-7k3fq2',
      msg: 'two\nlines',
      time: expect.stringMatching(/Z$/),
    });
  });

  it('heeds the level', () => {
    expect(logged((log) => log.info('x'), 'warn')).toEqual([]);
  });

  const jwt = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJkcmF3YnJpZGdlIn0.c2lnbmF0dXJl';
  const leaks: [what: string, write: (log: ReturnType<typeof createLog>) => void, hidden: string][] = [
    ['a bot token in a message', (log) => log.info('token xoxb-1-2-abc failed'), 'xoxb-1'],
    ['a rotated token in a field', (log) => log.info({ token: 'xoxe.xoxb-1-abcDEF' }), 'abcDEF'],
    ['an app token deep in a field', (log) => log.info({ a: { b: [{ c: 'xapp-1-A-9-f00' }] } }), 'f00'],
    ['the seal key', (log) => log.warn({ env: { SEAL_KEY } }), SEAL_KEY],
    ['a secret that JSON escapes', (log) => log.warn({ env: 'pass"word' }), 'word'],
    ['a header', (log) => log.warn({ headers: { authorization: 'Basic YWRhOnB3' } }), 'YWRhOnB3'],
    ['a header as a list', (log) => log.warn({ headers: { Authorization: ['Bearer abcdefghijkl'] } }), 'abcdefghijkl'],
    ['a header in a text of JSON', (log) => log.warn({ body: '{"Authorization": "Bearer abcdefgh"}' }), 'abcdefgh'],
    ['a header as Node prints it', (log) => log.warn(inspect({ Authorization: 'Basic YWRhOnB3' })), 'YWRhOnB3'],
    [
      'a header as a list, as Node prints it',
      (log) => log.warn(inspect({ authorization: ['Basic YWRhOnB3'] })),
      'YWRhOnB3',
    ],
    [
      'a header whose name stands in quotes',
      (log) => log.warn(inspect({ 'x-Slack-signature': 'v0=c0ffee' })),
      'c0ffee',
    ],
    ['a bearer token in a message', (log) => log.warn('sent Bearer abc.def-ghi_jkl'), 'abc.def'],
    ['a service account token', (log) => log.warn({ kubeconfig: `token: ${jwt}` }), 'c2lnbmF0dXJl'],
    ['a password in a URL', (log) => log.warn('connect rediss://bot:hunter2@host:1'), 'hunter2'],
    ['a password in a URL that has an @', (log) => log.warn('connect rediss://bot:hun@ter2@host:1'), 'ter2'],
    ['an error', (log) => log.error({ err: new Error('Authorization: Bearer xoxb-1-2-abc') }, 'x'), 'xoxb-1'],
    ['an error alone', (log) => log.error(new Error(`bad key ${SEAL_KEY}`)), SEAL_KEY],
    [
      'the cause of an error',
      (log) => log.error({ err: new Error('x', { cause: new Error('xapp-1-abc') }) }),
      'xapp-1',
    ],
    [
      'a request that hangs at an error',
      (log) => log.error({ err: Object.assign(new Error('x'), { config: { headers: { cookie: 'd=hunter2' } } }) }),
      'hunter2',
    ],
  ];
  it.each(leaks)('does not show %s', (_, write, hidden) => {
    const [line = ''] = logged(write);
    expect(line).not.toContain(hidden);
    expect(() => JSON.parse(line)).not.toThrow();
  });

  it('tells of an error what helps: type, message, code, trace, cause', () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const [line = ''] = logged((log) => log.error({ err: new TypeError('no Redis', { cause }) }, 'failed'));
    expect(JSON.parse(line)).toMatchObject({
      level: 'error',
      msg: 'failed',
      err: {
        type: 'TypeError',
        message: 'no Redis',
        stack: expect.stringContaining('log.test.ts'),
        cause: { message: 'connect ECONNREFUSED', code: 'ECONNREFUSED' },
      },
    });
  });

  it.each([
    ['beginnings of tokens', 'eyJ'.repeat(100_000)],
    ['a header without a value', `authorization: ${' '.repeat(200_000)}`],
    ['beginnings of URLs', '://a:'.repeat(50_000)],
    ['beginnings of Slack tokens', 'xoxb.xoxb-'.repeat(30_000)],
  ])('is not held up by a line of nothing but %s', (_what, text) => {
    // By backtracking each takes minutes.
    expect(logged((log) => log.info(text))).toHaveLength(1);
  });

  it('leaves alone what is no secret', () => {
    const text = 'ada@example.test asked for staging/deploy/checkout at 10.0.0.1:8080, see https://example.test/a:b';
    expect(JSON.parse(logged((log) => log.info(text))[0] ?? '')).toMatchObject({ msg: text });
  });
});
