import { afterEach, describe, expect, it } from 'vitest';
import { type OpsServer, type ReadinessCheck, startOps } from '../../../../src/adapters/http/ops.ts';
import type { Condition } from '../../../../src/app/ports/conditions.ts';
import { Unavailable } from '../../../../src/domain/errors.ts';

let server: OpsServer | undefined;
afterEach(() => server?.close());

async function get(
  path: string,
  checks: Record<string, ReadinessCheck> = {},
  method = 'GET',
  conditions: readonly Condition[] = [],
) {
  server = await startOps({
    port: 0,
    host: '127.0.0.1',
    checks,
    conditions: () => conditions,
    metrics: async (failing) => ({
      contentType: 'text/plain; version=0.0.4',
      body: `failing ${failing.join()}\n`,
    }),
  });
  const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
  return { status: response.status, type: response.headers.get('content-type'), body: await response.text() };
}

describe('the pages for operators', () => {
  it('say that the process lives, whatever else is away', async () => {
    expect(await get('/healthz', { redis: () => 'away' })).toMatchObject({ status: 200, body: 'ok\n' });
  });

  it('say ready when all checks pass', async () => {
    const { status, body } = await get('/readyz?verbose', { redis: () => null, kubernetes: async () => null });
    expect(status).toBe(200);
    expect(JSON.parse(body)).toEqual({ ready: true, failing: {}, degraded: {} });
  });

  it('name what is not ready, and why; of a fault they tell nothing', async () => {
    const { status, body } = await get('/readyz', {
      policy: () => null,
      slack: () => 'not connected',
      redis: async () => {
        throw new Unavailable('Redis', 'Redis failed: timeout');
      },
      kubernetes: () => {
        throw new Error('https://user:hunter2@host');
      },
    });
    expect(status).toBe(503);
    expect(JSON.parse(body)).toEqual({
      ready: false,
      failing: { slack: 'not connected', redis: 'Redis failed: timeout', kubernetes: 'failed' },
      degraded: {},
    });
  });

  it('name what is lacking, since when, and what to do; only what is degraded leaves it ready', async () => {
    const channel = {
      name: 'slack channel',
      severity: 'degraded',
      lacks: 'the channel is archived',
      todo: 'Unarchive it.',
      detail: 'ada@example.test',
      since: Date.UTC(2026, 0, 5),
    } as const;
    const commands = { ...channel, name: 'redis commands', severity: 'not ready', lacks: 'no EVAL' } as const;
    const degraded = { 'slack channel': 'the channel is archived. Unarchive it. (since 2026-01-05T00:00:00.000Z)' };
    const ready = await get('/readyz', { redis: () => null }, 'GET', [channel]);
    expect(ready.status).toBe(200);
    expect(JSON.parse(ready.body)).toEqual({ ready: true, failing: {}, degraded });
    await server?.close();
    const unready = await get('/readyz', {}, 'GET', [channel, commands]);
    expect(unready.status).toBe(503);
    expect(JSON.parse(unready.body)).toEqual({
      ready: false,
      failing: { 'redis commands': expect.stringContaining('no EVAL') as string },
      degraded,
    });
  });

  it('do not wait for a check that hangs', async () => {
    const { status, body } = await get('/readyz', { kubernetes: () => new Promise(() => {}) });
    expect(status).toBe(503);
    expect(JSON.parse(body).failing.kubernetes).toMatch(/no answer/);
  });

  it('give the metrics, which are told what keeps it from being ready', async () => {
    const checks = { redis: () => 'away', clock: () => null };
    expect(await get('/metrics', checks)).toEqual({
      status: 200,
      type: 'text/plain; version=0.0.4',
      body: 'failing redis\n',
    });
  });

  it('have nothing else', async () => {
    expect((await get('/')).status).toBe(404);
    expect((await get('/constructor')).status).toBe(404);
    expect((await get('/healthz', {}, 'POST')).status).toBe(405);
  });
});
