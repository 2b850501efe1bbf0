import { createLog } from './adapters/telemetry/log.ts';
import { startDrawbridge } from './composition/index.ts';
import { describeProblems, loadSettings, secretTexts } from './config/settings.ts';
import { toldToEnd } from './told-to-end.ts';

/** How long an end in order may take: milliseconds. Kubernetes kills after 30 seconds (chart). */
const END_WITHIN = 24_000;

/** What src/main.ts runs. Exit codes: 0 ended by a signal, 1 could not go on, 2 settings that can't work. */
const loaded = loadSettings(process.env);
if (!loaded.ok) {
  process.stderr.write(`${describeProblems(loaded.problems)}\n`);
  process.exit(2);
}
const { settings } = loaded;
const log = createLog({ level: settings.logLevel, secrets: secretTexts(settings) });

// Last resorts: nothing is known to get here, and what does must not end the revocations of other grants.
process.on('unhandledRejection', (error) => log.error({ err: error }, 'a promise was rejected and nobody cared'));
process.on('uncaughtException', (error) => {
  log.fatal({ err: error }, 'an error that nobody caught: the process ends, the next one goes on');
  process.exit(1);
});

// Nothing has begun yet.
if (toldToEnd.aborted) process.exit(0);
const ended = new Promise((resolve) => {
  toldToEnd.addEventListener('abort', resolve, { once: true });
}).then(() => {
  log.info({ signal: toldToEnd.reason }, 'stopping: running work is finished first');
  // What is left then another replica takes over, or the next start.
  setTimeout(() => {
    log.error('not everything has ended in time: it is left to another replica');
    process.exit(0);
  }, END_WITHIN);
});

try {
  const drawbridge = await startDrawbridge(settings, log, (line) => process.stdout.write(line), toldToEnd);
  void ended.then(() => drawbridge.stop()).then(() => process.exit(0));
  log.info({ ops: drawbridge.opsPort }, 'grants are looked after');
  await drawbridge.reachable.catch((error: unknown) => {
    if (!toldToEnd.aborted) throw error;
  });
  if (!toldToEnd.aborted) log.info('Slack can reach Drawbridge');
} catch (error) {
  if (toldToEnd.aborted) process.exit(0);
  log.fatal({ err: error }, 'Drawbridge can not start');
  process.stderr.write(`Drawbridge can not start: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
