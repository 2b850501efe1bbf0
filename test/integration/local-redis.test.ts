import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ensureRedis, findRedis, type LocalRedis, startRedis } from '../../src/sandbox/redis.ts';
import { supervised } from '../../src/sandbox/supervise.ts';

const cleanups: Array<() => unknown> = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function start(options: Partial<Parameters<typeof startRedis>[0]> = {}): Promise<LocalRedis> {
  const redis = await startRedis({ log: () => {}, ...options });
  cleanups.push(() => redis.stop());
  return redis;
}

function client(redis: LocalRedis): Redis {
  const connection = new Redis(redis.url, { retryStrategy: () => 20 });
  // Refused connections are the point of these tests.
  connection.on('error', () => {});
  cleanups.push(() => connection.disconnect());
  return connection;
}

async function serverPid(redis: LocalRedis): Promise<number> {
  const info = await client(redis).info('server');
  return Number(/process_id:(\d+)/.exec(info)?.[1]);
}

describe('the local Redis', () => {
  it('is set up as BullMQ needs it: no eviction, append-only file', async () => {
    const redis = client(await start());
    expect(await redis.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
    expect(await redis.config('GET', 'appendonly')).toEqual(['appendonly', 'yes']);
    expect(await redis.config('GET', 'appendfsync')).toEqual(['appendfsync', 'everysec']);
  });

  it('listens on the loopback address only', async () => {
    const redis = client(await start());
    expect(await redis.config('GET', 'bind')).toEqual(['bind', '127.0.0.1']);
  });

  it('keeps what it answered over kill -9 and restart, on the same port', async () => {
    const redis = await start({ appendfsync: 'always' });
    const before = client(redis);
    await before.set('grant', 'active');
    const pid = await serverPid(redis);

    await redis.kill9();
    expect(alive(pid)).toBe(false);
    await redis.restart();

    // The old connection comes back by itself, as the one of the bot does.
    expect(await before.get('grant')).toBe('active');
    expect(await serverPid(redis)).not.toBe(pid);
  });

  it('leaves no process and no directory after stop', async () => {
    const redis = await start();
    const pid = await serverPid(redis);
    await redis.stop();
    expect(alive(pid)).toBe(false);
    expect(existsSync(redis.dir)).toBe(false);
  });

  it('keeps a directory that was given to it, with its data', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drawbridge-test-'));
    cleanups.push(() => rm(dir, { recursive: true, force: true }));
    const first = await start({ dir });
    await client(first).set('grant', 'active');
    await first.stop();

    const second = await start({ dir });
    expect(await client(second).get('grant')).toBe('active');
  });

  it('two of them do not disturb each other', async () => {
    const [one, two] = await Promise.all([start(), start()]);
    await client(one).set('key', 'one');
    expect(await client(two).get('key')).toBeNull();
  });

  it('says what to install when there is no server', async () => {
    vi.stubEnv('PATH', '/nowhere');
    expect(findRedis()).toBeNull();
    await expect(ensureRedis({ log: () => {} })).rejects.toThrow(/apt-get install redis-server.*brew install redis/);
  });

  it('ends, and removes its directory, when its harness is killed with -9', async () => {
    const module = fileURLToPath(new URL('../../src/sandbox/redis.ts', import.meta.url));
    const harness = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { startRedis } from ${JSON.stringify(module)};
         const { url, dir } = await startRedis({ log: () => {} });
         console.log(JSON.stringify({ url, dir }));
         setInterval(() => {}, 1000);`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    cleanups.push(() => harness.kill('SIGKILL'));
    const line = await new Promise<string>((resolve) => harness.stdout.once('data', (data) => resolve(String(data))));
    const redis = JSON.parse(line) as LocalRedis;
    const pid = await serverPid(redis);
    expect(alive(pid)).toBe(true);

    harness.kill('SIGKILL');
    await expect.poll(() => alive(pid), { timeout: 10_000 }).toBe(false);
    await expect.poll(() => existsSync(redis.dir), { timeout: 10_000 }).toBe(false);
  });
});

describe('a supervised process', () => {
  it('has the pid of the command itself, and reports how it ended', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drawbridge-test-'));
    cleanups.push(() => rm(dir, { recursive: true, force: true }));
    const logFile = join(dir, 'out.log');
    const child = supervised('/bin/sh', ['-c', 'echo $$; exit 3'], { logFile });
    expect(await child.exited).toEqual({ code: 3, signal: null });
    expect(Number(await readFile(logFile, 'utf8'))).toBe(child.pid);
  });

  it('is gone when stop() returns', async () => {
    const sleeper = supervised('sleep', ['1000']);
    expect(alive(sleeper.pid)).toBe(true);
    expect(await sleeper.stop()).toEqual({ code: null, signal: 'SIGTERM' });
    expect(alive(sleeper.pid)).toBe(false);
  });

  it('is killed when it does not heed TERM', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'drawbridge-test-'));
    cleanups.push(() => rm(dir, { recursive: true, force: true }));
    const logFile = join(dir, 'out.log');
    const script = "trap '' TERM; echo deaf; while :; do sleep 0.1; done";
    const stubborn = supervised('/bin/sh', ['-c', script], { logFile });
    await expect.poll(() => readFile(logFile, 'utf8')).toBe('deaf\n');
    expect(await stubborn.stop(300)).toEqual({ code: null, signal: 'SIGKILL' });
  });

  it('ends with 127 when there is no such command', async () => {
    expect(await supervised('no-such-command', []).exited).toEqual({ code: 127, signal: null });
  });

  it('leaves no watcher behind when it ends by itself', async () => {
    const marker = `drawbridge-marker-${process.pid}`;
    const child = supervised('true', [marker]);
    await child.exited;
    const watchers = () =>
      new Promise<string>((resolve) => {
        const ps = spawn('ps', ['-eo', 'args'], { stdio: ['ignore', 'pipe', 'ignore'] });
        let text = '';
        ps.stdout.on('data', (data) => (text += String(data)));
        ps.once('close', () => resolve(text));
      });
    await expect.poll(async () => (await watchers()).includes(marker), { timeout: 5000 }).toBe(false);
  });
});
