import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { supervised } from '../supervise.ts';

/** One line for a person who watches; no line end. */
export type Log = (line: string) => void;

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

/** Starts a program of the cluster; its output goes to `logFile` (appended). Nothing here has anything to lose: it is killed at its end. */
export async function supervise(options: {
  command: string;
  args: readonly string[];
  logFile: string;
  cwd: string;
  env?: NodeJS.ProcessEnv;
}): Promise<Supervised> {
  const { command, args, ...rest } = options;
  const child = supervised(command, args, { ...rest, killOrphan: true });
  return {
    ended: child.exited.then(({ code, signal }) => (signal === null ? `exit code ${code}` : `signal ${signal}`)),
    async stop() {
      child.kill('SIGKILL');
      await child.exited;
    },
  };
}

/** Runs a script for /bin/sh, with these arguments, when this process dies; `stop` runs it now and waits for its end. */
export function atEnd(script: string, args: readonly string[]): Supervised {
  const child = spawn('/bin/sh', ['-c', `read -r _\n${script}`, 'sh', ...args], {
    cwd: '/',
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  // The pipe breaks when the script ends first; that is no error of ours.
  child.stdin.on('error', () => {});
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code) => resolve(`exit code ${code}`));
  });
  return {
    ended,
    async stop() {
      child.stdin.end();
      await ended;
    },
  };
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
