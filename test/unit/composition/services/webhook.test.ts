import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { webhookService } from '../../../../src/composition/services/webhook.ts';
import { secret } from '../../../../src/config/secret.ts';
import { silentLog } from '../../../support/silent-log.ts';

test('lines are posted, signed, until it is stopped', async () => {
  const posted: { body: string; signature: unknown }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part) => (body += part));
    request.on('end', () => {
      posted.push({ body, signature: request.headers['x-drawbridge-signature'] });
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const next = vi.fn(async (send: (lines: readonly string[]) => Promise<void>) => {
    await send(['one', 'two']);
    return false;
  });
  const service = webhookService({
    settings: { auditWebhook: { url: secret(url), secret: secret('shared') } },
    feed: { next },
    log: silentLog(),
  });
  await service.start();
  await vi.waitFor(() => expect(posted).toHaveLength(1));
  await service.stop(0);
  expect(posted).toEqual([{ body: 'one\ntwo\n', signature: expect.stringMatching(/^v1=[0-9a-f]{64}$/) }]);
  expect(next).toHaveBeenCalledTimes(1);
});

test('there need be none', async () => {
  const service = webhookService({ settings: { auditWebhook: null }, feed: null, log: silentLog() });
  await service.start();
  await service.stop(0);
});
