import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Duplex } from 'node:stream';

/** A process that ends when the process that started it ends, in whatever way. */
export interface Supervised {
  /** The process id of the command itself, not of a wrapper. */
  readonly pid: number;
  /** Settles when the command has ended. An unknown command ends with code 127 (126: not executable). */
  readonly exited: Promise<Ended>;
  /** Sends a signal; does nothing once the command has ended. */
  kill(signal: NodeJS.Signals): void;
  /** Asks the command to end (TERM), kills it after `graceMs` (default 5000), returns when it is gone. */
  stop(graceMs?: number): Promise<Ended>;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface SupervisedOptions {
  cwd?: string;
  /** The whole environment; default: the one of this process. */
  env?: NodeJS.ProcessEnv;
  /** File to which stdout and stderr are appended; default: they are dropped. */
  logFile?: string;
  /** A directory that nobody needs once this process has died; whoever stops in an orderly way removes it himself. */
  removeOnOrphan?: string;
  /** When this process has died: kill the command at once. Default: ask it to end (TERM), and kill it five seconds later. */
  killOrphan?: boolean;
}

/**
 * A watcher is left behind before `exec`: it waits on the pipe (descriptor 3, as Node closes stdin too early) whose
 * other end only the parent holds. A word on it means that the command has ended by itself; end of file means that the
 * parent is gone, killed with -9 too. `$$` is the pid of the command also in the watcher, because `exec` keeps it. The
 * double fork hands the watcher to init, so that the command does not get a child that it does not know. `$0` is the
 * directory to remove.
 */
const lifeline = (ending: string) => `
( (
  trap '' HUP INT TERM
  if read -r word <&3; then exit 0; fi${ending}
  kill -KILL $$ 2>/dev/null
  if [ -n "$0" ]; then rm -rf -- "$0"; fi
) >/dev/null 2>&1 & )
exec 3<&-
exec "$@"
`;

const ASK_FIRST = `
  kill -TERM $$ 2>/dev/null
  tries=0
  while kill -0 $$ 2>/dev/null && [ $tries -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done`;

/**
 * Starts a command that can't outlive this process. It runs in a session of its own, so that Ctrl-C in a terminal
 * reaches this process only, which then ends its children in its own order.
 *
 * @throws Error when there is no `sh` to start it with.
 */
export function supervised(command: string, args: readonly string[], options: SupervisedOptions = {}): Supervised {
  const output = options.logFile === undefined ? 'ignore' : openSync(options.logFile, 'a', 0o600);
  let child: ChildProcess;
  try {
    child = spawn(
      '/bin/sh',
      ['-c', lifeline(options.killOrphan === true ? '' : ASK_FIRST), options.removeOnOrphan ?? '', command, ...args],
      {
        cwd: options.cwd,
        env: options.env ?? process.env,
        detached: true,
        stdio: ['ignore', output, output, 'pipe'],
      },
    );
  } finally {
    if (typeof output === 'number') closeSync(output);
  }
  const { pid } = child;
  const pipe = child.stdio[3] as Duplex | null | undefined;
  if (pid === undefined || !pipe) {
    child.on('error', () => {});
    throw new Error(`could not start ${command}: no /bin/sh, or no directory ${options.cwd ?? '.'}`);
  }
  // The watcher may be gone before it reads the word.
  pipe.on('error', () => {});

  const exited = new Promise<Ended>((resolve) => {
    child.once('exit', (code, signal) => {
      pipe.end('ended\n');
      resolve({ code, signal });
    });
  });

  const kill = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };

  return {
    pid,
    exited,
    kill,
    async stop(graceMs = 5000) {
      kill('SIGTERM');
      const timer = setTimeout(() => kill('SIGKILL'), graceMs);
      const ended = await exited;
      clearTimeout(timer);
      return ended;
    },
  };
}
