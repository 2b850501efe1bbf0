import { accessSync, constants } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { aptInstall, mayInstall } from './apt.ts';
import { ask, freePort } from './ports.ts';
import { type Supervised, supervised } from './supervise.ts';

export type Log = (line: string) => void;

/** A real Redis (or Valkey) of our own on the loopback address, with the settings that BullMQ needs. */
export interface LocalRedis {
  /** `redis://127.0.0.1:PORT`; the port stays the same over kill9() and restart(). */
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  /** Ends the server as a crash would: nothing is flushed. Returns when the process is gone. */
  kill9(): Promise<void>;
  /** Starts the server again on its data; ends it in an orderly way before, if it still runs. */
  restart(): Promise<void>;
  /** Ends the server, and removes its directory if it was a temporary one. May be called more than once. */
  stop(): Promise<void>;
}

export interface RedisOptions {
  log: Log;
  /** Where the data is kept; made if missing, never removed. Default: a temporary directory, removed by stop(). */
  dir?: string;
  /** How much a crash may lose: `everysec` (default) about a second, `always` nothing that was answered. */
  appendfsync?: 'everysec' | 'always';
  /** Users beside the default one, which may do everything: a name and the rules of its ACL, parted by blanks. */
  users?: readonly string[];
}

const SERVERS = ['redis-server', 'valkey-server'];
const START_MS = 15_000;

/** Path of a Redis or Valkey server on the PATH, or null. */
export function findRedis(path = process.env.PATH ?? ''): string | null {
  for (const name of SERVERS) {
    for (const folder of path.split(delimiter).filter((part) => part !== '')) {
      const file = join(folder, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        // not there: the next one
      }
    }
  }
  return null;
}

/**
 * Path of a Redis or Valkey server. Root on Debian or Ubuntu may install one with apt-get, and says so.
 *
 * @throws Error that says what to install, when there is none.
 */
export async function ensureRedis({ log }: { log: Log }): Promise<string> {
  const found = findRedis();
  if (found) return found;
  if (mayInstall()) {
    try {
      await aptInstall(['redis-server'], log);
    } catch (error) {
      log(error instanceof Error ? error.message : String(error));
    }
    const installed = findRedis();
    if (installed) return installed;
  }
  throw new Error(
    `no ${SERVERS.join(' or ')} on the PATH. Install one: apt-get install redis-server (Debian, Ubuntu), brew install redis (macOS), dnf install valkey (Fedora).`,
  );
}

/**
 * Starts a Redis on a free port of the loopback address: append-only file, no eviction. It ends when this process
 * does, in whatever way.
 *
 * @throws Error that says what to install when there is no server, or with the server's own words when it won't start.
 */
export async function startRedis({
  log,
  dir,
  appendfsync = 'everysec',
  users = [],
}: RedisOptions): Promise<LocalRedis> {
  const command = await ensureRedis({ log });
  const home = dir ?? (await mkdtemp(join(tmpdir(), 'drawbridge-redis-')));
  await mkdir(home, { recursive: true });
  const logFile = join(home, 'server.log');
  let port = await freePort();

  let server: Supervised | undefined;

  const start = async (): Promise<void> => {
    const settings = { bind: '127.0.0.1', port, dir: home, appendonly: 'yes', appendfsync, save: '' };
    const fixed = { 'maxmemory-policy': 'noeviction', daemonize: 'no', logfile: '' };
    const options = Object.entries({ ...settings, ...fixed }).flatMap(([key, value]) => [`--${key}`, String(value)]);
    const args = [...options, ...users.flatMap((user) => ['--user', ...user.split(' ')])];
    const started = supervised(command, args, {
      cwd: home,
      logFile,
      ...(dir === undefined ? { removeOnOrphan: home } : {}),
    });
    let ended = false;
    const exited = started.exited.then(() => {
      ended = true;
    });
    const deadline = Date.now() + START_MS;
    while (!(await answers(port, started.pid))) {
      if (ended || Date.now() > deadline) {
        await started.stop();
        throw new Error(`${command} did not start on port ${port}: ${await lastWords(logFile)}`);
      }
      await Promise.race([exited, delay(20)]);
    }
    server = started;
  };

  try {
    // The free port may have been taken meanwhile, so a first failure gets another.
    await start().catch(async () => {
      port = await freePort();
      await start();
    });
  } catch (error) {
    if (dir === undefined) await rm(home, { recursive: true, force: true });
    throw error;
  }
  log(`redis: ${command} on 127.0.0.1:${port}`);

  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    dir: home,
    async kill9() {
      server?.kill('SIGKILL');
      await server?.exited;
    },
    async restart() {
      await server?.stop();
      await start();
    },
    async stop() {
      await server?.stop();
      if (dir === undefined) await rm(home, { recursive: true, force: true });
    },
  };
}

/** True when the server with this pid answers: not while it loads its data, and not a stranger on the same port. */
async function answers(port: number, pid: number): Promise<boolean> {
  if (!(await ask(port, 'PING\r\n'))?.startsWith('+PONG')) return false;
  return (await ask(port, 'INFO server\r\n'))?.includes(`process_id:${pid}\r`) ?? false;
}

async function lastWords(logFile: string): Promise<string> {
  const text = await readFile(logFile, 'utf8').catch(() => '');
  return text.trim().split('\n').slice(-3).join(' | ') || 'it said nothing';
}
