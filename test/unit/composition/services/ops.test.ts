import { expect, onTestFinished, test } from 'vitest';
import { opsService } from '../../../../src/composition/services/ops.ts';

const service = (port: number) =>
  opsService({
    port,
    checks: { grants: () => 'not held against the cluster yet' },
    conditions: () => [],
    metrics: async () => ({ contentType: 'text/plain', body: '' }),
  });

test('it answers from its start to its end', async () => {
  const ops = service(0);
  await ops.start();
  const url = `http://127.0.0.1:${ops.port()}/readyz`;
  const response = await fetch(url);
  expect([response.status, await response.text()]).toEqual([503, expect.stringContaining('not held against')]);
  await ops.stop(0);
  await expect(fetch(url)).rejects.toThrow();
});

test('a port that is taken fails the start', async () => {
  const one = service(0);
  await one.start();
  onTestFinished(() => one.stop(0));
  await expect(service(one.port()).start()).rejects.toThrow('EADDRINUSE');
});
