import { writeFileSync } from 'node:fs';
import { check, listen, UNKNOWN, type Verdict } from './check.ts';

/**
 * Two small programs of Drawbridge's own image, in pods beside no secret and without a dependency:
 * `main.ts listen PORT` is the canary, which no policy lets anybody reach; `main.ts check --target=tcp:IP:PORT ... --canary=tcp:IP:PORT`
 * is the init container of a workspace, which finds out whether that is so. What it saw are its last words, and it always ends well: a
 * failed pod would be taken away with its words (its Job has no time to live).
 */

/** Where Kubernetes reads the last words of a container; elsewhere there is no such file, and none is made. */
const LAST_WORDS = '/dev/termination-log';

function say(verdict: Verdict): void {
  const line = `${JSON.stringify(verdict)}\n`;
  process.stdout.write(line);
  try {
    writeFileSync(LAST_WORDS, line, { flag: 'r+' });
  } catch {
    // The bot takes silence for "unknown".
  }
}

const [command, ...args] = process.argv.slice(2);
switch (command) {
  case 'listen':
    await listen(Number(args[0]));
    // As process 1 of its container it would not be ended by them.
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
    break;
  case 'check':
    process.on('uncaughtException', () => process.exit(0));
    say(await check(args).catch(() => UNKNOWN));
    process.exit(0);
    break;
  default:
    process.stderr.write('usage: main.ts listen PORT | check --target=tcp:IP:PORT ... --canary=tcp:IP:PORT\n');
    process.exitCode = 2;
}
