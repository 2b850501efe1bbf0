import { existsSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { formatDuration } from '../domain/duration.ts';
import { CONTROL_PLANE, ensureBinaries, ensureHelm } from './cluster/binaries.ts';
import { looksLocal, openContext } from './context.ts';
import { ensureRedis } from './redis.ts';
import { PEOPLE, type PersonName } from './scenery.ts';
import { playJourney } from './script.ts';
import { findLocalSlack } from './slack/upstream.ts';
import { startWorld, type World, type WorldCluster } from './world.ts';

/** `npm run sandbox`. Exit codes: 0 ended as it should, 1 something failed, 2 wrong options. */

const HELP = `npm run sandbox [-- OPTIONS]

Everything on this machine, nothing to configure: a Slack with a web page, Redis, a real Kubernetes
control plane, Drawbridge installed by its chart. Ctrl-C ends it and leaves nothing behind.

  --minutes N     a grant lasts N minutes unless asked otherwise, and its warning comes before the end
  --script        plays the whole journey of a grant by itself, prints each step, and ends;
                  exit code 0 only when all held (with --minutes N: in a window of that length)
  --context NAME  uses your own cluster (kind, k3d, minikube) by this context of your kubeconfig;
                  nothing is built then, and all that is made there has names of its own and is removed
  --yes           does not ask before it uses a context that does not look like one on this machine
  --help          this text

The first run builds Kubernetes from pinned sources (Go 1.26 or newer), once: about seven minutes.
`;

/** The window of --script: time enough for each step, and for the warning in its middle. */
const SCRIPT_SECONDS = { withoutNodes: 24, withNodes: 60 };

interface Options {
  readonly minutes: number | undefined;
  readonly context: string | undefined;
  readonly script: boolean;
  readonly yes: boolean;
}

const print = (line: string): void => void stdout.write(`${line}\n`);

/** @throws Error that says what is wrong with the options */
function readOptions(args: string[]): Options | 'help' {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: 'string' },
      context: { type: 'string' },
      script: { type: 'boolean', default: false },
      yes: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
  // No window is longer than the shortest maximum of the example policy.
  if (minutes !== undefined && !(minutes >= 0.25 && minutes <= 60))
    throw new Error(`--minutes ${values.minutes}: expected a number from 0.25 to 60`);
  if (values.context === '') throw new Error('--context: expected the name of a context of your kubeconfig');
  const { context, script, yes } = values;
  return { minutes, context, script, yes };
}

/** What this machine lacks, each with what to do about it; all of it at once, and before anything is started. */
async function lacking(): Promise<string[]> {
  const checks = [
    async () => void findLocalSlack(),
    async () => void (await ensureRedis({ log: print })),
    async () => void (await ensureHelm()),
  ];
  const results = await Promise.allSettled(checks.map((check) => check()));
  return results.flatMap((result) => (result.status === 'rejected' ? [wordsOf(result.reason)] : []));
}

/** Asks before anything is made in a cluster that may be somebody's. */
async function mayUse(context: string, yes: boolean): Promise<boolean> {
  print(`In the cluster of context '${context}' this makes, under names that begin with sandbox- and a random part:`);
  print('  four namespaces with five small Deployments, their Services and NetworkPolicies; the Drawbridge chart');
  print('  (service account, roles, admission policies that concern nothing but its own objects). All of it is');
  print('  removed at the end. People act by impersonation (--as ada@example.test).');
  if (yes || looksLocal(context)) return true;
  if (!stdin.isTTY) {
    print(`'${context}' does not look like a cluster on this machine: say --yes if it is meant.`);
    return false;
  }
  const asked = createInterface({ input: stdin, output: stdout });
  const answer = await asked.question(`'${context}' does not look like a cluster on this machine. Use it? [y/N] `);
  asked.close();
  return /^y(es)?$/i.test(answer.trim());
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What a person can do now. */
async function introduce(world: World, options: Options, kubectl: string): Promise<void> {
  const { staging } = world.namespaces;
  const [pod] = await world.podsOf(staging, 'checkout');
  const [neighbour] = await world.podsOf(staging, 'catalog');
  const window = options.minutes === undefined ? '10m' : formatDuration(options.minutes * 60);
  print('');
  print('Slack, as each of the people (open them side by side):');
  for (const name of Object.keys(PEOPLE) as PersonName[]) {
    const { does } = PEOPLE[name];
    print(
      `  ${(name.charAt(0).toUpperCase() + name.slice(1)).padEnd(4)} ${does.padEnd(28)} ${world.slack.pageUrl(name)}`,
    );
  }
  print('');
  print('1. As Ada, in #access, type (or only /jit, which opens a form; /jit help lists the rest):');
  print(`     /jit request troubleshoot ${staging}/deploy/checkout ${window} checkout returns 502`);
  print('2. As Ben press Approve.');
  print('3. In a terminal, as Ada: refused before, works during, refused after:');
  print(`     ${kubectl} -n ${staging} get pod ${pod}`);
  print('   and its neighbour, which nobody approved, always refused:');
  print(`     ${kubectl} -n ${staging} get pod ${neighbour}`);
  print('4. As Ada or Ben press Revoke, or wait for the end of the window, and run the first line again.');
  print('');
  print(`Policy (change it, it is read again at once): ${world.policyFile}`);
  print(`Log and audit of the bot:                     ${world.bots.get('bot')?.logFile}`);
  print(`Kubernetes, as administrator:                 ${world.cluster.adminKubeconfig}`);
  if (options.context === undefined)
    print(
      'There is no node: pods are marked as running, but nothing runs in them, so exec and logs end in an error even when allowed.',
    );
  print('');
  print('Ctrl-C ends everything and leaves nothing behind.');
}

/** The kubectl line of somebody, as it can be pasted into another terminal. */
async function kubectlLine(world: World, context: string | undefined): Promise<string> {
  if (context !== undefined) return `kubectl --context ${context} --as ${PEOPLE.ada.user}`;
  const { kubectl } = await ensureBinaries(['kubectl'], print);
  return `${isOnPath('kubectl') ? 'kubectl' : kubectl} --kubeconfig ${world.kubeconfigOf('ada')}`;
}

function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((dir) => dir !== '' && existsSync(join(dir, program)));
}

async function run(options: Options): Promise<number> {
  const { context } = options;
  const lacks = await lacking();
  if (lacks.length > 0) {
    print('The sandbox can not start on this machine:');
    for (const line of lacks) print(`  - ${line}`);
    return 1;
  }
  if (context === undefined) {
    await ensureBinaries(CONTROL_PLANE, print);
    return inWorld(options, undefined);
  }
  if (!(await mayUse(context, options.yes))) return 1;
  const cluster = await openContext(context);
  try {
    return await inWorld(options, cluster);
  } finally {
    await cluster.close();
  }
}

async function inWorld(options: Options, cluster: WorldCluster | undefined): Promise<number> {
  const begin = performance.now();
  const elapsed = (since = begin) => `${((performance.now() - since) / 1000).toFixed(1)} s`;
  const hasNodes = cluster !== undefined;
  const seconds = hasNodes ? SCRIPT_SECONDS.withNodes : SCRIPT_SECONDS.withoutNodes;
  const minutes = options.minutes ?? (options.script ? seconds / 60 : undefined);

  print('Starting Slack, Redis and Kubernetes …');
  const world = await startWorld({
    log: (line) => print(`  ${line}`),
    hasNodes,
    ...(minutes === undefined ? {} : { minutes }),
    ...(cluster === undefined ? {} : { cluster }),
  });
  const ended = endedBySignal();
  let code = 1;
  try {
    const started = performance.now();
    const bot = await world.startBot();
    print(`  Drawbridge: up after ${elapsed(started)}`);
    print(`All is up after ${elapsed()}.`);
    if (options.script) {
      print('');
      const journey = playJourney(world, { print, seconds: Math.round((minutes ?? 0) * 60) });
      const held = await Promise.race([journey, ended.then(() => false)]);
      print('');
      print(
        held ? `Everything held. ${elapsed()} in all.` : `It did not hold. The bot's log is kept: ${await kept(world)}`,
      );
      code = held ? 0 : 1;
    } else {
      await introduce(world, options, await kubectlLine(world, options.context));
      const how = await Promise.race([ended, bot.exited.then(() => 'by itself' as const)]);
      if (how === 'by itself') throw new Error(`Drawbridge has ended by itself; its log is kept: ${await kept(world)}`);
      code = 0;
    }
  } finally {
    print('Stopping …');
    await world.stop();
  }
  print('Nothing is left.');
  return code;
}

/** Keeps the log of a bot, whose folder is about to be removed. */
async function kept(world: World): Promise<string> {
  const copy = join(tmpdir(), `drawbridge-sandbox-${process.pid}.log`);
  await copyFile(world.bots.get('bot')?.logFile ?? '', copy);
  return copy;
}

/** Settles at Ctrl-C and the like. Asked again it ends this process at once, and all others end with it. */
function endedBySignal(): Promise<void> {
  return new Promise((resolve) => {
    let askedAt: number | undefined;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        askedAt ??= Date.now();
        // One Ctrl-C comes twice under npm: from the terminal, and from npm.
        if (Date.now() - askedAt > 1000) process.exit(1);
        resolve();
      });
  });
}

let options: Options | 'help';
try {
  options = readOptions(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${wordsOf(error)}\nnpm run sandbox -- --help tells what there is.\n`);
  process.exit(2);
}
if (options === 'help') print(HELP.trimEnd());
else
  try {
    process.exitCode = await run(options);
  } catch (error) {
    process.stderr.write(`The sandbox could not go on: ${wordsOf(error)}\n`);
    process.exitCode = 1;
  }
