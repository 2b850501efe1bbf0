import { afterEach, describe, expect, it } from 'vitest';
import { type OpsServer, type ReadinessCheck, startOps } from '../../../../src/adapters/http/ops.ts';
import { Unavailable } from '../../../../src/domain/errors.ts';

let server: OpsServer | undefined;
afterEach(() => server?.close());

async function get(path: string, checks: Record<string, ReadinessCheck> = {}, method = 'GET') {
  server = await startOps({
    port: 0,
    host: '127.0.0.1',
    checks,
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4', body: 'drawbridge_x 1\n' }),
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
    expect(JSON.parse(body)).toEqual({ ready: true, failing: {} });
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
    });
  });

  it('do not wait for a check that hangs', async () => {
    const { status, body } = await get('/readyz', { kubernetes: () => new Promise(() => {}) });
    expect(status).toBe(503);
    expect(JSON.parse(body).failing.kubernetes).toMatch(/no answer/);
  });

  it('give the metrics', async () => {
    expect(await get('/metrics')).toEqual({ status: 200, type: 'text/plain; version=0.0.4', body: 'drawbridge_x 1\n' });
  });

  it('have nothing else', async () => {
    expect((await get('/')).status).toBe(404);
    expect((await get('/constructor')).status).toBe(404);
    expect((await get('/healthz', {}, 'POST')).status).toBe(405);
  });
});
