import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startBotProcess } from '../../src/sandbox/bot.ts';
import { describeWithCluster } from '../support/cluster.ts';
import { useRedis } from '../support/redis.ts';
import { terminate } from '../support/terminate.ts';

const SETTINGS = {
  SLACK_BOT_TOKEN: 'xoxb-none',
  SLACK_APP_TOKEN: 'xapp-none',
  SLACK_API_URL: 'http://127.0.0.1:9/api/',
  POLICY_FILE: join(import.meta.dirname, '../../policy.example.yaml'),
  SEAL_KEY: Buffer.alloc(32, 7).toString('base64'),
};

test('SIGTERM while a bot starts ends it in order', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'drawbridge-start-'));
  const logFile = join(dir, 'bot.log');
  const silent = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const env = { ...SETTINGS, REDIS_URL: `redis://127.0.0.1:${port}` };
  const asked = once(silent, 'connection');
  const bot = await startBotProcess({ name: 'early', logFile, cwd: dir, waitReady: false, env });
  await asked;
  await terminate(bot);
  const log = await readFile(logFile, 'utf8');
  expect(log).toContain('stopping: running work is finished first');
  expect(log).not.toContain('can not start');
  silent.close();
  await rm(dir, { recursive: true });
}, 30_000);

describeWithCluster('the start of a bot', (cluster) => {
  const redis = useRedis();

  test('that may not read which cluster it is in ends at once, and says what it lacks', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drawbridge-start-'));
    const logFile = join(dir, 'bot.log');
    const bot = await startBotProcess({
      name: 'nobody',
      logFile,
      cwd: dir,
      waitReady: false,
      env: {
        ...SETTINGS,
        REDIS_URL: redis().url,
        KUBECONFIG: await cluster.kubeconfigFor('cy@example.test', []),
      },
    });
    await bot.exited;
    expect(await readFile(logFile, 'utf8')).toMatch(
      /Drawbridge can not start: the uid of the namespace kube-system.*can't be read: .*forbidden/,
    );
    await rm(dir, { recursive: true });
  });
});
