import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';

/** One line for a person who watches; no line end. */
export type Log = (line: string) => void;

/**
 * Runs "$@" until it ends or until our end of its standard input is closed: by `stop`, or by the kernel when this process
 * dies, `kill -9` included. A shell and a pipe do it on Linux and macOS alike (PR_SET_PDEATHSIG is Linux only). The shell
 * waits for the command, so that its own end means that the command's ports and files are free.
 */
const RUN_WHILE_PARENT_LIVES = `
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
(read -r _ <&3; kill -KILL $child) &
watcher=$!
exec 3<&-
wait $child; code=$?
exec 2>/dev/null
kill -KILL $watcher; wait $watcher
exit $code
`;

/** Removes "$1". Again and again for a while: at a `kill -9` others still write there. */
const REMOVE = `
tries=0
while [ -e "$1" ] && [ $tries -lt 100 ]; do rm -rf "$1"; sleep 0.1; tries=$((tries+1)); done
`;

/** A process whose life hangs on this process. */
export type Supervised = {
  /** How it ended, in words; settles once the process is gone, whoever ended it. */
  readonly ended: Promise<string>;
  /** Kills it (SIGKILL) and waits until it is gone. Calling it again is harmless. */
  readonly stop: () => Promise<void>;
};

function watch(child: ChildProcess): Supervised {
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
  });
  // The pipe breaks when the process ends first; that is no error of ours.
  child.stdin?.on('error', () => {});
  return {
    ended,
    async stop() {
      child.stdin?.end();
      await ended;
    },
  };
}

/**
 * Starts a program that can't outlive this process, in a process group of its own (Ctrl-C at the terminal reaches only us,
 * who then stop it in order). Its output goes to `logFile` (appended).
 */
export async function supervise(options: {
  command: string;
  args: readonly string[];
  logFile: string;
  cwd: string;
  env?: NodeJS.ProcessEnv;
}): Promise<Supervised> {
  const log = await open(options.logFile, 'a', 0o600);
  try {
    const child = spawn('/bin/sh', ['-c', RUN_WHILE_PARENT_LIVES, 'sh', options.command, ...options.args], {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['pipe', log.fd, log.fd],
      detached: true,
    });
    return watch(child);
  } finally {
    await log.close();
  }
}

/** Runs a script for /bin/sh, with these arguments, when this process dies; `stop` runs it now and waits for its end. */
export function atEnd(script: string, args: readonly string[]): Supervised {
  return watch(
    spawn('/bin/sh', ['-c', `read -r _\n${script}`, 'sh', ...args], {
      cwd: '/',
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    }),
  );
}

/** Sees to it that the folder is removed when this process dies; `stop` removes it now. */
export function removeAtEnd(dir: string): Supervised {
  return atEnd(REMOVE, [dir]);
}

/** The last lines of a log file; a file that is not there is empty. */
export async function tail(file: string, lines = 15): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}
