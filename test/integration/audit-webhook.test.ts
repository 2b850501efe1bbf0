import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPost, startAuditWebhook } from '../../src/adapters/http/audit-webhook.ts';
import { createAuditFeed } from '../../src/adapters/redis/audit-feed.ts';
import { auditKeys } from '../../src/adapters/redis/audit-stream.ts';
import { connectRedis, type RedisClient } from '../../src/adapters/redis/connection.ts';
import { freePort } from '../../src/sandbox/ports.ts';
import { auditEntry, auditOn } from '../support/audit.ts';
import { useRedis } from '../support/redis.ts';
import { silentLog } from '../support/silent-log.ts';

/** The audit as it reaches a receiver of somebody else's, over HTTP, with the faults of such receivers. */
const redis = useRedis();
const SECRET = 'a-secret-of-the-receiver';
const TOKEN = 'token-in-the-url-4711';
const cleanups: (() => unknown)[] = [];
let client: RedisClient;
beforeEach(async () => {
  client = await connectRedis(redis().url, { role: 'requests', log: silentLog() });
  cleanups.push(() => client.disconnect());
  await client.flushall();
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Got {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What the receiver does with a request: a status, or never an answer. */
type Answer = number | 'silence';

async function receiver(answer: () => Answer = () => 200, port = 0) {
  const got: Got[] = [];
  const elsewhere: string[] = [];
  const server: Server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      if (request.url !== `/in?token=${TOKEN}` || request.method !== 'POST') elsewhere.push(request.url ?? '');
      const status = answer();
      if (status === 200) got.push({ headers: request.headers, body });
      if (status === 'silence') return;
      response.writeHead(status, status >= 300 && status < 400 ? { location: '/elsewhere' } : {}).end('thank you');
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  cleanups.push(close);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/in?token=${TOKEN}`;
  const events = () =>
    got.flatMap(({ body }) => body.trimEnd().split('\n')).map((line) => (JSON.parse(line) as { event: string }).event);
  return { url, got, elsewhere, events, close };
}

function deliverer(url: string, options: { redis?: RedisClient; secret?: string } = {}) {
  const { chain, audit, printed } = auditOn(client);
  const log = silentLog();
  const feed = createAuditFeed({ redis: options.redis ?? client, instance: 'default', chain, log });
  const webhook = startAuditWebhook({
    next: (send) => feed.next(send),
    post: createPost({ url, secret: options.secret, patience: 300 }),
    log,
    pauses: { look: 20, first: 10, longest: 100 },
  });
  cleanups.push(() => webhook.stop());
  return { audit, printed, feed, log, webhook };
}

const say = async ({ audit }: Pick<ReturnType<typeof deliverer>, 'audit'>, ...events: string[]) => {
  for (const event of events) await audit.record(auditEntry(event));
};
const soon = { timeout: 15_000 };

describe('the audit webhook', () => {
  it('gets each line as it is in the chain, signed so that a receiver can tell that it is ours and new', async () => {
    const to = await receiver();
    const from = deliverer(to.url, { secret: SECRET });
    await say(from, 'a', 'b', 'c');
    await expect.poll(to.events, soon).toEqual(['chain-began', 'a', 'b', 'c']);
    expect(to.got.map(({ body }) => body).join('')).toBe(
      from.printed.map((line) => `${JSON.stringify(line)}\n`).join(''),
    );
    for (const { headers, body } of to.got) {
      const timestamp = String(headers['x-drawbridge-timestamp']);
      expect(Math.abs(Date.now() / 1000 - Number(timestamp))).toBeLessThan(30);
      const mac = createHmac('sha256', SECRET).update(`v1:${timestamp}:${body}`).digest('hex');
      expect(headers['x-drawbridge-signature']).toBe(`v1=${mac}`);
      expect(headers['content-type']).toBe('application/x-ndjson');
    }
    await expect.poll(() => from.feed.lag(), soon).toBe(0);
  });

  it('is not signed without a secret', async () => {
    const to = await receiver();
    await say(deliverer(to.url), 'a');
    await expect.poll(to.events, soon).toContain('a');
    expect(to.got[0]?.headers).not.toHaveProperty('x-drawbridge-signature');
  });

  it.each<[string, Answer, RegExp]>([
    ['fails', 500, /answered 500/],
    ['redirects, and is not followed', 302, /answered 302/],
    ['refuses', 403, /answered 403/],
    ['does not answer', 'silence', /no answer in 0.3 s/],
  ])('that %s gets everything later, in order and none left out', async (_what, fault, reason) => {
    let faults = 3;
    const to = await receiver(() => (faults-- > 0 ? fault : 200));
    const from = deliverer(to.url);
    await say(from, 'a');
    await expect.poll(() => faults, soon).toBeLessThan(2);
    await say(from, 'b', 'c');
    await expect.poll(to.events, soon).toEqual(['chain-began', 'a', 'b', 'c']);
    expect(to.elsewhere).toEqual([]);
    expect(from.log.lines.filter(({ level }) => level === 'warn')[0]?.fields['reason']).toMatch(reason);
    expect(JSON.stringify(from.log.lines)).not.toContain(TOKEN);
    await expect.poll(() => from.log.lines.at(-1)?.text, soon).toContain('takes entries again');
  });

  it('that is down is waited for, the lag is known, and its URL is in no log', async () => {
    const port = await freePort();
    const from = deliverer(`http://127.0.0.1:${port}/in?token=${TOKEN}`);
    await say(from, 'a');
    await expect.poll(() => from.log.lines.length, soon).toBeGreaterThan(2);
    expect(from.log.lines[0]?.fields['reason']).toBe('no connection (ECONNREFUSED)');
    expect(JSON.stringify(from.log.lines)).not.toMatch(/token|127\.0\.0\.1/);
    expect(await from.feed.lag()).toBeGreaterThan(0);
    const to = await receiver(() => 200, port);
    await expect.poll(to.events, soon).toEqual(['chain-began', 'a']);
  });

  it('goes on where it was, in the next process, and from the beginning where there was none', async () => {
    const { audit } = auditOn(client);
    for (let i = 0; i < 250; i++) void audit.record(auditEntry(`old ${i}`));
    await audit.record(auditEntry('last'));
    const to = await receiver();
    const first = deliverer(to.url);
    await expect.poll(() => to.events().length, soon).toBe(252);
    await first.webhook.stop();
    await say(first, 'while nobody delivered');
    deliverer(to.url);
    await expect.poll(() => to.events().at(-1), soon).toBe('while nobody delivered');
    expect(to.events()).toHaveLength(253);
  });

  it('gets nothing twice from two replicas that are well', async () => {
    const to = await receiver();
    const second = await connectRedis(redis().url, { role: 'requests', log: silentLog() });
    cleanups.push(() => second.disconnect());
    const one = deliverer(to.url);
    deliverer(to.url, { redis: second });
    const events = Array.from({ length: 60 }, (_, i) => `e${i}`);
    await say(one, ...events);
    await expect.poll(() => to.events().at(-1), soon).toBe('e59');
    expect(to.events()).toEqual(['chain-began', ...events]);
  });

  it('gets again what it took when the process died before it could note that', async () => {
    const to = await receiver();
    const { audit, chain } = auditOn(client);
    await audit.record(auditEntry('a'));
    const dying: RedisClient = Object.create(client, {
      set: {
        value: (key: string, ...rest: [string]) =>
          key === auditKeys('default').cursor ? Promise.reject(new Error('dead')) : client.set(key, ...rest),
      },
    }) as RedisClient;
    const post = createPost({ url: to.url, secret: undefined });
    const never = new AbortController().signal;
    const feedOf = (on: RedisClient) => createAuditFeed({ redis: on, instance: 'default', chain, log: silentLog() });
    await expect(feedOf(dying).next((lines) => post(lines, never))).rejects.toThrow('dead');
    await feedOf(client).next((lines) => post(lines, never));
    expect(to.events()).toEqual(['chain-began', 'a', 'chain-began', 'a']);
  });

  it('is never handed what somebody else wrote into Redis', async () => {
    const to = await receiver();
    const from = deliverer(to.url, { secret: SECRET });
    await say(from, 'a');
    const { stream } = auditKeys('default');
    const forged = {
      audit: 1,
      seq: 3,
      prev: '',
      key: 'k-1',
      entry: 'x',
      at: new Date().toISOString(),
      event: 'forged',
    };
    await client.xadd(stream, '*', 'line', JSON.stringify({ ...forged, mac: 'A'.repeat(43) }));
    await say(from, 'b');
    await expect.poll(to.events, soon).toEqual(['chain-began', 'a', 'b']);
    expect(from.log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  it('stops at once, also while the receiver is silent', async () => {
    const to = await receiver(() => 'silence');
    const from = deliverer(to.url);
    await say(from, 'a');
    const started = Date.now();
    await from.webhook.stop();
    expect(Date.now() - started).toBeLessThan(5000);
  });
});
