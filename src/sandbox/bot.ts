import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { AuditLine } from '../adapters/redis/audit.ts';
import { freePort } from './ports.ts';
import { type Supervised, supervised } from './supervise.ts';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
const READY_MS = 60_000;

/** A Drawbridge of its own process, as in production: `node src/main.ts`, told everything by its environment. */
export interface Bot {
  readonly name: string;
  /** Of the process that runs now. */
  readonly pid: number;
  /** `http://127.0.0.1:PORT`, for /healthz, /readyz and /metrics. */
  readonly opsUrl: string;
  /** stdout and stderr of all its runs. */
  readonly logFile: string;
  /** Settles when the process that runs now has ended. */
  readonly exited: Promise<unknown>;
  /** Every line of JSON that it wrote, the log and the audit. */
  lines(): Promise<Record<string, unknown>[]>;
  /** What it wrote of the audit. */
  audit(): Promise<AuditLine[]>;
  /** True when /readyz says so. */
  ready(): Promise<boolean>;
  /** Ends it as a crash would; returns when it is gone. */
  kill9(): Promise<void>;
  /** Ends it in order (TERM). Calling it again is harmless. */
  stop(): Promise<void>;
  /** Starts it again with the same settings, after an orderly end if it still runs, and waits until it is ready unless told not to. */
  restart(options?: { readonly waitReady?: boolean }): Promise<void>;
}

/**
 * Starts a bot and waits until it is ready. It ends with this process at the latest.
 * @param options.env its settings; OPS_PORT is chosen here
 * @param options.main what is run in the place of src/main.ts
 * @param options.cgroup its file `cgroup.procs`: the process is in it from its beginning, since Node sizes its heap by it
 * @param options.waitReady false: return as soon as the process runs, ready or not (Slack or the cluster may be away)
 * @throws Error with the end of its log when it ends instead, or is not ready within a minute
 */
export async function startBotProcess(options: {
  readonly name: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logFile: string;
  readonly cwd: string;
  readonly main?: string;
  readonly waitReady?: boolean;
  readonly cgroup?: string;
}): Promise<Bot> {
  const { name, env, logFile, cwd, main = MAIN, waitReady = true, cgroup } = options;
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined));
  let current: Supervised;
  let opsUrl: string;

  async function start(wait: boolean): Promise<void> {
    const port = await freePort();
    opsUrl = `http://127.0.0.1:${port}`;
    // As in the image, and in `npm start`.
    const command = [process.execPath, '--max-semi-space-size=4', main];
    const [program = '', ...args] =
      cgroup === undefined ? command : ['sh', '-c', 'echo $$ > "$0" && exec "$@"', cgroup, ...command];
    const run = supervised(program, args, {
      cwd,
      logFile,
      // Nothing of the environment of whoever runs this but where programs and the home are; memory as in the image.
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        MALLOC_ARENA_MAX: '1',
        MALLOC_MMAP_THRESHOLD_: '32768',
        OPS_PORT: String(port),
        ...given,
      },
    });
    current = run;
    if (wait) await untilReady(run);
  }

  async function untilReady(run: Supervised): Promise<void> {
    let ended = false;
    const exited = run.exited.then(() => {
      ended = true;
    });
    const deadline = Date.now() + READY_MS;
    while (!(await isReady(opsUrl))) {
      if (ended || Date.now() > deadline) {
        const state = ended
          ? 'ended at its start'
          : `is not ready after ${READY_MS / 1000} s: ${await reasons(opsUrl)}`;
        await run.stop();
        throw new Error(`${name} ${state}. The end of ${logFile}:\n${await lastLines(logFile, 15)}`);
      }
      await Promise.race([exited, delay(50)]);
    }
  }

  async function lines(): Promise<Record<string, unknown>[]> {
    const text = await readFile(logFile, 'utf8').catch(() => '');
    return text.split('\n').flatMap((line) => {
      try {
        return [JSON.parse(line) as Record<string, unknown>];
      } catch {
        return [];
      }
    });
  }

  await start(waitReady);
  return {
    name,
    logFile,
    get pid() {
      return current.pid;
    },
    get opsUrl() {
      return opsUrl;
    },
    get exited() {
      return current.exited;
    },
    lines,
    audit: async () => (await lines()).filter((line) => line['audit'] === 1) as unknown as AuditLine[],
    ready: () => isReady(opsUrl),
    async kill9() {
      current.kill('SIGKILL');
      await current.exited;
    },
    async stop() {
      await current.stop(20_000);
    },
    async restart({ waitReady: wait = true } = {}) {
      await current.stop(20_000);
      await start(wait);
    },
  };
}

async function isReady(opsUrl: string): Promise<boolean> {
  try {
    return (await fetch(`${opsUrl}/readyz`, { signal: AbortSignal.timeout(5000) })).ok;
  } catch {
    return false;
  }
}

async function reasons(opsUrl: string): Promise<string> {
  try {
    return (await (await fetch(`${opsUrl}/readyz`, { signal: AbortSignal.timeout(5000) })).text()).trim();
  } catch {
    return 'it does not answer';
  }
}

async function lastLines(file: string, count: number): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-count).join('\n');
}
