import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { parseRedisUrl } from '../../src/config/redis-url.ts';
import { type Rendered, renderChart } from '../../src/sandbox/chart.ts';
import { freePort } from '../../src/sandbox/ports.ts';
import { ensureRedis } from '../../src/sandbox/redis.ts';
import { supervised } from '../../src/sandbox/supervise.ts';
import { exampleValues } from '../support/chart.ts';
import { manifestDir, runPolicy } from '../support/policy-cli.ts';
import { deployment } from '../support/workloads.ts';

const VALKEY = exampleValues({}, { 'valkey.enabled': true });

describe('the chart’s Valkey', () => {
  let objects: Rendered[];
  let secret: Record<string, string>;
  const named = (kind: string, name: string): Rendered => {
    const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
    if (found === undefined) throw new Error(`no ${kind} ${name}`);
    return found;
  };

  beforeAll(async () => {
    objects = await renderChart(VALKEY, { release: 'blue', namespace: 'platform' });
    secret = named('Secret', 'blue-drawbridge-valkey').stringData as Record<string, string>;
  });

  test('a real server takes its configuration: with a password, append-only, without eviction', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drawbridge-valkey-'));
    const port = await freePort();
    await writeFile(join(dir, 'valkey.conf'), (secret['valkey.conf'] ?? '').replace('/data', dir));
    const command = await ensureRedis({ log: () => {} });
    const log = join(dir, 'log');
    const server = supervised(command, [join(dir, 'valkey.conf'), '--port', String(port)], {
      logFile: log,
    });
    const { password } = parseRedisUrl(secret['REDIS_URL'] ?? '') ?? {};
    const connect = (options: object) => new Redis({ port, retryStrategy: () => 50, ...options }).on('error', () => {});
    const [bot, stranger] = [connect({ password }), connect({})];
    try {
      await vi.waitFor(
        async () => expect(await readFile(log, 'utf8')).toContain('Ready to accept connections'),
        10_000,
      );
      expect(await bot.config('GET', 'appendonly', 'appendfsync', 'maxmemory-policy', 'save')).toEqual(
        expect.arrayContaining(['appendonly', 'yes', 'appendfsync', 'everysec', 'maxmemory-policy', 'noeviction']),
      );
      await expect(stranger.get('x')).rejects.toThrow(/NOAUTH/);
    } finally {
      bot.disconnect();
      stranger.disconnect();
      await server.stop();
      await rm(dir, { recursive: true, force: true });
    }
  });

  test('its password is in its Secret alone, and the bot is told where it is by that', () => {
    const { password = '' } = secret;
    expect(password).toMatch(/^[A-Za-z0-9]{32}$/);
    const others = objects.filter((object) => object !== named('Secret', 'blue-drawbridge-valkey'));
    expect(JSON.stringify(others)).not.toContain(password);
    expect(parseRedisUrl(secret['REDIS_URL'] ?? '')).toMatchObject({
      password,
      hosts: [{ host: named('Service', 'blue-drawbridge-valkey').metadata.name, port: 6379 }],
    });
    const { containers } = (
      named('Deployment', 'blue-drawbridge').spec as { template: { spec: { containers: [{ env: object[] }] } } }
    ).template.spec;
    expect(containers[0].env).toContainEqual({
      name: 'REDIS_URL',
      valueFrom: { secretKeyRef: { name: 'blue-drawbridge-valkey', key: 'REDIS_URL' } },
    });
  });

  test('a password that is given is used', async () => {
    const given = await renderChart({ ...VALKEY, valkey: { enabled: true, password: 'abcdefgh12345678' } });
    const made = given.find(({ kind }) => kind === 'Secret')?.stringData as Record<string, string>;
    expect(made['REDIS_URL']).toBe('redis://:abcdefgh12345678@drawbridge-valkey:6379');
    expect(made['valkey.conf']).toMatch(/^requirepass abcdefgh12345678$/m);
  });

  test('the bot reaches it, and nobody else does; it reaches nobody', async () => {
    const strangers = [...deployment('platform', 'stranger'), ...deployment('shop', 'stranger')];
    await using manifests = await manifestDir({
      'chart.yaml': objects.filter(({ kind }) =>
        ['Deployment', 'StatefulSet', 'NetworkPolicy', 'Namespace'].includes(kind),
      ),
      'strangers.yaml': strangers,
    });
    const reaches = async (from: string, to: string, port = '6379/TCP') =>
      (await runPolicy('reach', '--from', from, '--to', to, '--port', port, '-f', manifests.dir)).code === 0;
    const valkey = 'platform/sts/blue-drawbridge-valkey';
    expect(await reaches('platform/deploy/blue-drawbridge', valkey)).toBe(true);
    for (const from of [
      'platform/deploy/stranger',
      'shop/deploy/stranger',
      'drawbridge-workspaces/deploy/blue-drawbridge-canary',
      '203.0.113.7',
    ])
      expect([from, await reaches(from, valkey)]).toEqual([from, false]);
    expect(await reaches('platform/deploy/blue-drawbridge', valkey, '22/TCP')).toBe(false);
    expect(await reaches(valkey, '203.0.113.7', '443/TCP')).toBe(false);
  });

  test('keeps its data in a volume of its own if it is told to', async () => {
    const volume = async (changes: object) => {
      const rendered = await renderChart(exampleValues({}, { 'valkey.enabled': true, ...changes }));
      return (rendered.find(({ kind }) => kind === 'StatefulSet') as Rendered & { spec: Record<string, unknown> }).spec;
    };
    expect(await volume({})).not.toHaveProperty('volumeClaimTemplates');
    const kept = await volume({ 'valkey.persistence': { enabled: true, size: '2Gi', storageClass: 'fast' } });
    expect(kept).toMatchObject({
      volumeClaimTemplates: [
        { metadata: { name: 'data' }, spec: { storageClassName: 'fast', resources: { requests: { storage: '2Gi' } } } },
      ],
    });
  });

  test.each([
    [
      'another Redis beside it',
      { existingSecret: '', 'secret.REDIS_URL': 'redis://h' },
      /valkey.enabled and secret.REDIS_URL: give one/,
    ],
    ['a password that is short', { 'valkey.password': 'abc' }, /at '\/valkey\/password'/],
    ['a password that would not do in a URL', { 'valkey.password': 'abcdefgh1234567/' }, /at '\/valkey\/password'/],
  ])('refuses %s', async (_name, changes, message) => {
    await expect(renderChart(exampleValues({}, { 'valkey.enabled': true, ...changes }))).rejects.toThrow(message);
  });
});
